"""A bonus for captions equals what its equation says, whenever the answers arrive."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import payoff  # noqa: F401  registers the ids
from payoff.wrappers import BonusReward, CaptionBonus, LabelRetrieval, captions_from_info, wrap
from payoff.wrappers.llm.labellers import InOrder, ScriptedLabeller

ID = "payoff/KeyRoom-v0"
GOAL = "reach the goal"
HELPFUL = ("walked", "picked up the key", "opened the door")
CAPTIONS = captions_from_info(texts=ID)
STEPS = 120  # more than an episode of 60


def make(copies=3, max_steps=60):
    return gym.make_vec(ID, copies, "vector_entry_point", info="full", size=5, max_steps=max_steps)


def bonus(latency=0, errors=0.0, beta=1.0, truth=HELPFUL):
    return CaptionBonus(
        CAPTIONS, LabelRetrieval(ScriptedLabeller(InOrder(truth), latency=latency, errors=errors), GOAL), beta=beta
    )


def raw(found, beta=1.0):
    return BonusReward(found, on_terminal=True)


def play(env, steps=STEPS, seed=0):
    """Rewards, captions and rows that made a step, ``(T, R)`` each."""
    env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    told, over = [], np.zeros(env.num_envs, dtype=bool)
    for _ in range(steps):
        _, reward, terminated, truncated, info = env.step(rng.integers(0, 5, env.num_envs))
        told.append((reward, np.array([env.unwrapped.caption(int(c)) for c in info["caption"]]), ~over))
        over = terminated | truncated
    return [np.array(part) for part in zip(*told, strict=True)]


def oracle(payoff_, captions, active, beta, helpful=HELPFUL):
    """The equation, row by row, in plain Python."""
    wanted = payoff_.copy()
    for row in range(captions.shape[1]):
        counts = {}
        for step in range(len(captions)):
            if not active[step, row]:
                counts = {}
                continue
            caption = str(captions[step, row])
            counts[caption] = counts.get(caption, 0) + 1
            if caption in helpful:
                wanted[step, row] += float(counts[caption] == 1) if beta == np.inf else 1.0 / counts[caption] ** beta
    return wanted


@pytest.mark.parametrize("beta", [0.0, 1.0, 3.0, np.inf])
def test_the_equation(beta):
    payoff_, captions, active = play(make())
    paid, again, _ = play(wrap(make(), raw(bonus(beta=beta))))
    assert (captions == again).all() and (~active).any() and len(np.unique(captions)) > 8
    assert (paid == oracle(payoff_, captions, active, beta)).all()
    assert (paid != payoff_).any()


@pytest.mark.parametrize("latency", [1, 20])
def test_it_equals_oracle_shaping_once_each_caption_was_seen(latency):
    """To the bit: from the step at which the answer about the caption that was last seen first has arrived."""
    payoff_, captions, active = play(make(), 4 * STEPS)
    wanted = oracle(payoff_, captions, active, 1.0)
    paid, _, _ = play(wrap(make(), raw(bonus(latency=latency))), 4 * STEPS)
    first = {}
    for step, row in zip(*np.nonzero(active), strict=True):
        first.setdefault(captions[step, row], step)
    seen = max(first.values()) + latency
    assert 0 < seen < 4 * STEPS - 100
    assert (paid[seen:] == wanted[seen:]).all()
    assert (paid[:seen] != wanted[:seen]).any()
    for caption in HELPFUL:  # and of each caption from its own answer on
        own = (captions == caption) & (np.arange(4 * STEPS)[:, None] >= first[caption] + latency)
        assert (paid[own] == wanted[own]).all() if caption in first else True


def test_wrong_labels_are_paid_as_they_are():
    payoff_, captions, active = play(make())
    labeller = ScriptedLabeller(InOrder(HELPFUL), errors=0.3)
    values = LabelRetrieval(labeller, GOAL)
    paid, _, _ = play(wrap(make(), raw(CaptionBonus(CAPTIONS, values, beta=1.0))))
    told = [question.caption for question, answer in values.book.answers.items() if answer]
    assert set(told) != set(HELPFUL)
    assert (paid == oracle(payoff_, captions, active, 1.0, told)).all()


def test_one_bonus_over_a_batch_is_one_over_each_copy():
    paid, _, _ = play(wrap(make(), raw(bonus())))
    shared, seen = bonus(), []
    envs = [wrap(gym.make(ID, info="full", size=5, max_steps=60), raw(shared)) for _ in range(3)]
    rng = np.random.default_rng(0)
    for i, env in enumerate(envs):
        env.reset(seed=i)
    over = [False] * 3
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


@pytest.mark.parametrize("at", [1, 30, 70])
def test_it_goes_on_from_a_snapshot_bit_for_bit(at):
    """With questions that still wait for their answers."""
    env = wrap(make(), raw(bonus(latency=25, errors=0.1)))
    env.reset(seed=0)
    rng = np.random.default_rng(1)
    actions = rng.integers(0, 5, (STEPS, 3))
    rewards = []
    for i, action in enumerate(actions):
        if i == at:
            snapshot = env.snapshot()
        rewards.append(env.step(action)[1])
    other = wrap(make(), raw(bonus(latency=25, errors=0.1)))
    other.restore(type(snapshot).from_arrays(snapshot.arrays()))
    for i in range(at, STEPS):
        assert (other.step(actions[i])[1] == rewards[i]).all()


def state(**changes):
    found = bonus(latency=5)
    env = wrap(make(), raw(found))
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(9):
        env.step(rng.integers(0, 5, 3))
    return found.values.state_dict() | changes


def text(words):
    return np.frombuffer(words.encode(), dtype=np.uint8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"captions": text('{"captions": ["a", "a"]}')}, "captions must be different"),
        ({"captions": text('{"captions": [1]}')}, "captions must be texts"),
        ({"captions": text("[]")}, "no JSON object"),
        ({"captions": np.zeros(3)}, "captions must be bytes"),
        ({"questions": text('{"answers": []}')}, "questions must hold the lists answers, waiting"),
        ({"questions": text('{"answers": [["a", 0.7]], "waiting": []}')}, r"an answer must be one of \[1\.0, 0\.0\]"),
        ({"questions": text('{"answers": [["a", "b", 1]], "waiting": []}')}, "questions must be lists of words"),
        ({"questions": text('{"answers": [[1, 1]], "waiting": []}')}, "questions must be lists of words"),
        ({"questions": text('{"answers": [["a", "b"]], "waiting": []}')}, "questions must end with a number"),
        ({"questions": text('{"answers": [["a", 1], ["a", 1]], "waiting": []}')}, "questions must be different"),
        ({"questions": text('{"answers": [["a", 1]], "waiting": [["a", 1]]}')}, "questions must be different"),
        ({"questions": text('{"answers": [], "waiting": [["a", 10]]}')}, r"steps must be in 1 \.\. 9"),
        ({"questions": text('{"answers": [[]], "waiting": []}')}, "questions must be lists of words"),
        ({"questions": text('{"answers": [["a", ' + "9" * 400 + ']], "waiting": []}')}, "a number has 400 digits"),
        ({"step": np.array(0.5)}, "step must"),
        ({"step": np.array(-1), "questions": text('{"answers": [], "waiting": []}')}, "step must be at least 0"),
    ],
)
def test_a_damaged_state_is_refused(changes, message):
    values = bonus(latency=5).values
    with pytest.raises(ValueError, match=message):
        values.read_state(state(**changes))
    assert not values.numbers and values.book.step == 0
    values.read_state(state())()
    assert values.book.step == 9 and values.numbers and values.book.waiting
    missing = state()
    del missing["step"]
    with pytest.raises(ValueError, match="missing or unknown: step"):
        values.read_state(missing)
