"""What steps are paid for equals what the equations say, whenever the answers arrive."""

from __future__ import annotations

import itertools

import gymnasium as gym
import numpy as np
import pytest

import payoff  # noqa: F401  registers the ids
from payoff.wrappers import (
    BonusReward,
    NamedScreen,
    StepTruth,
    SubgoalBonus,
    SuggestionBonus,
    captions_from_info,
    observation_names,
    wrap,
)
from payoff.wrappers.llm.labellers import ScriptedLabeller
from payoff.wrappers.llm.subset_questions import as_number

ID = "payoff/KeyRoom-v0"
GOAL = "reach the goal"
CAPTIONS = captions_from_info(texts=ID)
SUBGOALS = ("picked up the key", "opened the door", "turned left")
PHRASES = CAPTIONS.texts[1:]
STEPS = 240  # four episodes of 60


def make(copies=3):
    return gym.make_vec(ID, copies, "vector_entry_point", info="full", size=5, max_steps=60, layouts=2)


def names():
    env = make(1)
    env.close()
    return observation_names(env)


NAMES = names()


def by_caption(question):
    """The subgoal that the report names: what a judge says who reads the report alone."""
    return as_number(question.caption == subgoal for subgoal in SUBGOALS)


def subgoal_bonus(latency=0, errors=0.0, truth=None, crop=3, **settings):
    labeller = ScriptedLabeller(truth or by_caption, latency=latency, errors=errors)
    screen = NamedScreen(NAMES, crop=crop)
    return SubgoalBonus(screen, labeller, GOAL, SUBGOALS, captions=CAPTIONS, truth=truth, **settings)


def two_to_the_right(question):
    """Suggests the first and the third report to whoever looks to the right."""
    return 5.0 if "heading right" in question.seen else 0.0


def suggestion_bonus(latency=0):
    screen = NamedScreen(NAMES, crop=3)
    return SuggestionBonus(screen, ScriptedLabeller(two_to_the_right, latency=latency), GOAL, PHRASES, CAPTIONS)


def raw(bonus):
    return BonusReward(bonus, on_terminal=True)


def play(env, steps=STEPS, seed=0):
    """Rewards, captions, observations before, actions, and rows that made a step, ``(T, R, ...)`` each."""
    obs, _ = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    told, over = [], np.zeros(env.num_envs, dtype=bool)
    for _ in range(steps):
        before, action = obs.copy(), rng.integers(0, 5, env.num_envs)
        obs, reward, terminated, truncated, info = env.step(action)
        said = np.array([env.unwrapped.caption(int(c)) for c in info["caption"]])
        told.append((reward, said, before, action, obs.copy(), ~over))
        over = terminated | truncated
    return [np.array(part) for part in zip(*told, strict=True)]


def oracle(payoff_, flags, active, once=True):
    """Equation (1) in plain Python; ``flags(step, row)`` says which texts are named and count."""
    wanted = payoff_.copy()
    for row in range(payoff_.shape[1]):
        paid = set()
        for step in range(len(payoff_)):
            if not active[step, row]:
                paid = set()
                continue
            due = set(flags(step, row)) - (paid if once else set())
            paid |= due
            wanted[step, row] += len(due)
    return wanted


@pytest.mark.parametrize("once", [True, False])
def test_the_equation(once):
    payoff_, said, _, _, _, active = play(make())
    paid, again, *_ = play(wrap(make(), raw(subgoal_bonus(once=once))))
    assert (said == again).all() and (~active).any()
    wanted = oracle(payoff_, lambda i, row: {said[i, row]} & set(SUBGOALS), active, once)
    assert (paid == wanted).all() and (wanted - payoff_).sum() > 10
    assert {said[i, row] for i, row in np.argwhere(wanted > payoff_)} >= {"turned left", "picked up the key"}


@pytest.mark.parametrize("latency", [1, 30])
def test_it_equals_oracle_shaping_once_each_step_was_judged(latency):
    """To the bit, from the first episode that begins after all of its like were answered."""
    steps = 12 * STEPS
    payoff_, said, before, action, after, active = play(make(), steps)
    wanted = oracle(payoff_, lambda i, row: {said[i, row]} & set(SUBGOALS), active)
    bonus = subgoal_bonus(latency=latency)
    paid, *_ = play(wrap(make(), raw(bonus)), steps)
    screen = NamedScreen(NAMES, crop=3)
    first, judged = {}, np.zeros(active.shape, dtype=bool)
    for i, row in zip(*np.nonzero(active), strict=True):
        like = (*screen(np.stack([before[i, row], after[i, row]]), None), action[i, row], said[i, row])
        first.setdefault(like, i)
        judged[i, row] = i >= first[like] + latency
    assert (paid != wanted).any()
    whole = 0
    for row in range(active.shape[1]):
        begins = [0, *(np.flatnonzero(~active[:, row]) + 1).tolist(), steps + 1]
        for begin, end in itertools.pairwise(begins):
            episode = slice(begin, end - 1)
            if judged[episode, row].all():
                whole += end - 1 > begin
                assert (paid[episode, row] == wanted[episode, row]).all()
    assert whole > 20


def test_the_truth_is_an_expression_of_the_step():
    code = [CAPTIONS.texts.index(subgoal) for subgoal in SUBGOALS]
    truth = StepTruth([f"info.caption == {c}" for c in code])
    payoff_, said, *_, active = play(make())
    paid, *_ = play(wrap(make(), raw(subgoal_bonus(truth=truth))))
    assert (paid == oracle(payoff_, lambda i, row: {said[i, row]} & set(SUBGOALS), active)).all()
    assert all(by_caption(question) == answer for question, answer in truth.answers.items())
    own = StepTruth(["next_obs.carries_the_key > obs.carries_the_key"], names=NAMES)
    bonus = SubgoalBonus(NamedScreen(NAMES), ScriptedLabeller(own), GOAL, SUBGOALS[:1], truth=own, once=False)
    paid, *_ = play(wrap(make(), raw(bonus)))
    assert (paid == oracle(payoff_, lambda i, row: {said[i, row]} & {"picked up the key"}, active, False)).all()


@pytest.mark.parametrize("errors", [0.1, 0.3])
def test_errors_are_paid_as_they_are(errors):
    bonus = subgoal_bonus(errors=errors)
    payoff_, said, before, action, after, active = play(make())
    paid, *_ = play(wrap(make(), raw(bonus)))
    screen = NamedScreen(NAMES, crop=3)
    told = {question.words: answer for question, answer in bonus.book.answers.items()}

    def named(i, row):
        shown = screen(np.stack([before[i, row], after[i, row]]), None)
        answer = told[shown[0], str(action[i, row]), shown[1], said[i, row]]
        return {k for k in range(3) if int(answer) >> k & 1}

    assert (paid == oracle(payoff_, named, active)).all()
    wrong = np.mean([by_caption(question) != answer for question, answer in bonus.book.answers.items()])
    count = len(bonus.book.answers)
    rate = 1 - (1 - errors) ** 3  # of at least one of three independent errors
    assert count > 100 and abs(wrong - rate) < 4 * (rate * (1 - rate) / count) ** 0.5


@pytest.mark.parametrize("latency", [0, 5])
def test_suggestions(latency):
    steps = 12 * STEPS
    payoff_, said, before, _, _, active = play(make(), steps)
    paid, *_ = play(wrap(make(), raw(suggestion_bonus(latency))), steps)

    def named(i, row):
        right = before[i, row][NAMES.index("heading_right")] == 1.0
        return {said[i, row]} & {PHRASES[0], PHRASES[2]} if right else ()

    wanted = oracle(payoff_, named, active)
    assert (wanted - payoff_).sum() > 10
    if not latency:
        assert (paid == wanted).all()
    else:
        assert (paid != wanted).any() and (paid[-STEPS:] == wanted[-STEPS:]).all()


@pytest.mark.parametrize("kind", [subgoal_bonus, suggestion_bonus])
def test_one_bonus_over_a_batch_is_one_over_each_copy(kind):
    paid, *_ = play(wrap(make(), raw(kind())))
    shared = kind()
    envs = [
        wrap(gym.make(ID, info="full", size=5, max_steps=60, layouts=2), raw(shared if i == 0 else shared.fork()))
        for i in range(3)
    ]
    rng = np.random.default_rng(0)
    for i, env in enumerate(envs):
        env.reset(seed=i)
    over, seen = [False] * 3, []
    for _ in range(STEPS):
        row = []
        for i, (env, action) in enumerate(zip(envs, rng.integers(0, 5, 3), strict=True)):
            if over[i]:
                env.reset()
                row.append(0.0)
                over[i] = False
                continue
            _, reward, terminated, truncated, _ = env.step(int(action))
            row.append(reward)
            over[i] = terminated or truncated
        seen.append(row)
    assert (paid == np.array(seen)).all()


@pytest.mark.parametrize("kind", [subgoal_bonus, suggestion_bonus])
@pytest.mark.parametrize("at", [1, 30, 70])
def test_it_goes_on_from_a_snapshot_bit_for_bit(kind, at):
    """With questions that still wait for their answers."""
    env = wrap(make(), raw(kind(latency=25)))
    env.reset(seed=0)
    actions = np.random.default_rng(1).integers(0, 5, (STEPS, 3))
    rewards = []
    for i, action in enumerate(actions):
        if i == at:
            snapshot = env.snapshot()
        rewards.append(env.step(action)[1])
    other = wrap(make(), raw(kind(latency=25)))
    other.restore(type(snapshot).from_arrays(snapshot.arrays()))
    for i in range(at, STEPS):
        assert (other.step(actions[i])[1] == rewards[i]).all()


def one_step(screen):
    env = wrap(make(), raw(SubgoalBonus(screen, ScriptedLabeller(by_caption), GOAL, SUBGOALS, captions=CAPTIONS)))
    env.reset(seed=0)
    env.step(np.zeros(3, dtype=int))
    return env


@pytest.mark.parametrize(
    ("screen", "message"),
    [
        (lambda obs, info: ["a"], r"screen .*<lambda> must return 3 texts, got \['a'\]"),
        (lambda obs, info: [1, 2, 3], "screen .* must return texts of at most 2000 characters, got 1"),
        (lambda obs, info: ["é" * 1500] * 3, "screen must return texts of at most 2000 bytes, got 3000"),
    ],
)
def test_screens_that_are_none(screen, message):
    with pytest.raises(ValueError, match=message):
        one_step(screen)


def test_texts_of_any_sort_are_shown():
    """Lone surrogates have no bytes, and an end of zeros would be lost."""
    env = one_step(lambda obs, info: ["a\ud800", "b\0\0", ""])
    state = env.snapshot().arrays()
    assert any(b"a?" in array.tobytes() for array in state.values() if array.dtype == np.uint8)


def test_a_damaged_state_is_refused():
    method, other = raw(subgoal_bonus(latency=5)), raw(subgoal_bonus(latency=5))
    play(wrap(make(), method), 9)
    state = method.state_dict()
    questions, paid = (next(name for name in state if name.endswith(end)) for end in ("questions", "paid"))
    bad = np.frombuffer(b'{"answers": [["a", "b", "c", "d", 8]], "waiting": []}', np.uint8)
    with pytest.raises(ValueError, match="questions: an answer must be a whole number below 8, got 8"):
        other.load_state_dict(state | {questions: bad})
    with pytest.raises(ValueError, match="paid"):
        other.load_state_dict(state | {paid: state[paid][:, :2]})
    assert not other.state_dict()[questions.replace("questions", "step")]
    other.load_state_dict(state)
    assert all((array == state[name]).all() for name, array in other.state_dict().items())


def test_bad_arguments():
    with pytest.raises(TypeError, match="truth must be a StepTruth, got list"):
        SubgoalBonus(NamedScreen(NAMES), ScriptedLabeller(by_caption), GOAL, SUBGOALS, truth=[])
    with pytest.raises(ValueError, match=r"expressions\[0\]: obs.speed: the observation has no speed"):
        StepTruth(["obs.speed"], names=NAMES)
    with pytest.raises(ValueError, match="expressions must be at least one"):
        StepTruth([])
