"""Every method: a layer over a batch is a batch of layers, ends of episodes are as said, and state comes back."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import payoff
from payoff.wrappers import Transition, wrap
from payoff.wrappers.rows import vector_info
from payoff.wrappers.transforms.annealing import AnnealedReward, Schedule
from payoff.wrappers.transforms.clip_delta import ClippedScores
from payoff.wrappers.transforms.completion import CompletionReward, HardRule, SoftFactor
from payoff.wrappers.transforms.distance import DistanceReward
from payoff.wrappers.transforms.kinesthetic import KinestheticReward
from payoff.wrappers.transforms.limits import Ceiling, LengthPenalty
from payoff.wrappers.transforms.noise import FlipReward, NoisyReward, UnflipReward
from payoff.wrappers.transforms.par import PreferenceAsReward
from payoff.wrappers.transforms.pattern import CalibratedNoisyReward, PatternReward
from payoff.wrappers.transforms.robust import RobustEnsembleReward
from payoff.wrappers.transforms.running import RunningReward
from payoff.wrappers.transforms.team_spirit import TeamSpirit
from payoff.wrappers.transforms.trust import TrustedReward

COPIES, STEPS = 5, 80
NEXT, SAME, DISABLED = AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED
AUX = "aux"


def at_start(obs, info):
    """References that depend on the start: ``(R, 2)``."""
    return np.stack([obs[:, 0] * 0.5, obs[:, 1]], axis=1)


def column(i, name):
    return lambda t: t.info[name][:, i]


def mu_and_sigma():
    return [column(i, "mu") for i in range(3)], [column(i, "sigma") for i in range(3)]


# name -> (method for the row with this number, whether rewards are 0 and 1)
METHODS = {
    "clip": (lambda row: ClippedScores(AUX, threshold=0.6), False),
    "par_end": (lambda row: PreferenceAsReward([0.0, 1.0, 0.3], at="end", k=0.7), False),
    "par_start": (lambda row: PreferenceAsReward(at_start, at="end", samples=2), False),
    "par_step": (lambda row: PreferenceAsReward(at_start, at="step", samples=2, shape="tanh"), False),
    "par_log": (lambda row: PreferenceAsReward([0.0, 1.0, 2.0], at="end", shape="logsigmoid"), False),
    "par_aux": (lambda row: PreferenceAsReward(0.5, at="step", shape="polynomial", proxy=AUX), False),
    "mean_std": (lambda row: RunningReward("mean_std", at="step"), False),
    "clip_sigma": (lambda row: RunningReward("clip", at="end", width=0.5), False),
    "min_max": (lambda row: RunningReward("min_max", at="end"), False),
    "ceiling": (lambda row: Ceiling(0.3), False),
    "length": (lambda row: LengthPenalty(0.1, 3), False),
    "krc": (lambda row: KinestheticReward("reward_vector"), False),
    "krc_add": (lambda row: KinestheticReward(["progress", AUX], sign="product", add=True), False),
    "distance": (lambda row: DistanceReward("distance", 2.0, dispersion=0.7, density=1.3, coef=0.5), False),
    "signed": (lambda row: DistanceReward("distance", 2.0, density=1.3, signed=True), False),
    "anneal": (lambda row: AnnealedReward(AUX, Schedule("linear", 40)), False),
    "anneal_exp": (lambda row: AnnealedReward(AUX, Schedule("exponential", 20, end=0.1)), False),
    "trust": (lambda row: TrustedReward(AUX, Schedule("exponential", 50), threshold=0.0, memory=4), False),
    "flip_step": (lambda row: FlipReward(0.3, per="step", seed=3, first_row=row), True),
    "flip_sample": (lambda row: FlipReward(0.3, per="sample", seed=3, first_row=row), True),
    "flip_group": (lambda row: FlipReward(0.3, per="group", seed=3), True),
    "unflip": (lambda row: UnflipReward(0.2, per="end"), True),
    "noise": (lambda row: NoisyReward(0.5, seed=8, first_row=row), False),
    "pattern": (lambda row: PatternReward("checks", count=3), False),
    "calibrated": (lambda row: CalibratedNoisyReward(lambda t: t.reward, AUX, threshold=0.2, lift=0.5), False),
    "robust": (
        lambda row: RobustEnsembleReward(mu_and_sigma()[0], sigmas=mu_and_sigma()[1], nominal_weight=0.4),
        False,
    ),
    "completion": (
        lambda row: CompletionReward(
            soft=[SoftFactor("factors", hold=2), SoftFactor(AUX)], hard=[HardRule("hard", 1.0)], points=10
        ),
        False,
    ),
    "team": (lambda row: TeamSpirit((0,)), False),
}
ALL = pytest.mark.parametrize("name", METHODS)
WITH_MEMORY = [name for name, (make, _) in METHODS.items() if hasattr(make(0), "memory")]


def rollout(env, seed=0):
    rng = np.random.default_rng(seed)
    env.reset(seed=seed)
    out = []
    for _ in range(STEPS):
        _, reward, terminated, truncated, info = env.step(rng.integers(0, 3, COPIES))
        out.append((reward, terminated, truncated, info))
        ended = terminated | truncated
        if env.metadata["autoreset_mode"] is DISABLED and ended.any():
            env.reset(options={"reset_mask": ended})
    return out


@ALL
@pytest.mark.parametrize("mode", [NEXT, SAME, DISABLED], ids=lambda m: m.value)
def test_wrapped_batch_equals_batch_of_wrapped(name, mode, course, rows_of):
    make, binary = METHODS[name]
    outside = rollout(wrap(rows_of([lambda: course(binary)] * COPIES, mode), make(0)))
    inside = rollout(rows_of([lambda row=row: wrap(course(binary), make(row)) for row in range(COPIES)], mode))
    ends, changed = np.zeros(3), 0
    for (reward, terminated, truncated, info), (other, *flags, told) in zip(outside, inside, strict=True):
        np.testing.assert_array_equal(reward, other, strict=True)
        np.testing.assert_array_equal([terminated, truncated], flags)
        now = ~(terminated | truncated) if mode is SAME else np.ones(COPIES, bool)
        np.testing.assert_array_equal(info["true_reward"][now], told["true_reward"][now])
        shaping = info["reward_terms"]["shaping"]
        np.testing.assert_array_equal(shaping[now], told["reward_terms"]["shaping"][now])
        np.testing.assert_allclose(info["true_reward"] + shaping, reward, atol=1e-12)
        changed += (shaping != 0).sum()
        ends += [(terminated & ~truncated).sum(), (truncated & ~terminated).sum(), (terminated & truncated).sum()]
    assert ends.min() > 0
    assert changed > 5 or name == "team"  # a lone seat has neither mates nor opponents


SCORES = [{"aux": q} for q in (0.2, 0.5, 0.95)]
PARTS = [{"reward_vector": np.array(p)} for p in ((0.8, 0.5, 0.9), (-0.8, 0.5, 0.9), (0.0, 1.0, 1.0))]
ROUTE = [
    {"progress": 0.5, "factors": np.array([1.0, 0.5])},
    {"progress": 0.25, "factors": np.ones(2)},
    {"progress": 1.0, "factors": np.ones(2)},
]
SIGMOID1 = 1 / (1 + np.exp(-1.0))
# name -> (method, rewards, infos, what each step of the first episode pays, and of the second one if it differs)
TABLE = {
    "clip": (lambda: ClippedScores(AUX, threshold=0.9), (0.5, -1.0, 2.0), SCORES, (-0.2, -1.4, 2.0), None),
    "par_end": (lambda: PreferenceAsReward(0.5, at="end"), (0.5, -1.0, 2.0), None, (0.0, 0.0, SIGMOID1), None),
    "par_step": (
        lambda: PreferenceAsReward(0.5, at="step", shape="tanh"),
        (0.5, -1.0, 2.0),
        None,
        (0.0, np.tanh(-1.5), np.tanh(1.5)),
        None,
    ),
    "min_max": (
        lambda: RunningReward("min_max", at="step"),
        (0.5, -1.0, 2.0),
        None,
        (0.0, 0.0, 1.0),
        (0.5, 0.0, 1.0),
    ),
    "mean_std": (
        lambda: RunningReward("mean_std", at="step"),
        (1.0, 3.0, 3.0),
        None,
        (0.0, 1.0, np.sqrt(0.5)),
        (-1.0, np.sqrt(2 / 3), np.sqrt(0.5)),
    ),
    "running_end": (lambda: RunningReward("mean_std", at="end"), (0.5, -1.0, 2.0), None, (0.0, 0.0, 0.0), None),
    # the only return so far is its own mean, and is paid as it is
    "clip_end": (lambda: RunningReward("clip", at="end"), (0.5, -1.0, 2.0), None, (0.0, 0.0, 1.5), None),
    "ceiling": (lambda: Ceiling(1.0), (0.5, -1.0, 2.0), None, (0.5, -1.0, 1.0), None),
    "length": (lambda: LengthPenalty(0.1, 1), (0.5, -1.0, 2.0), None, (0.5, -1.0, 1.8), None),
    "krc": (
        lambda: KinestheticReward("reward_vector"),
        (0.5, -1.0, 2.0),
        PARTS,
        (0.36 ** (1 / 3), -(0.36 ** (1 / 3)), 0.0),
        None,
    ),
    "anneal": (
        lambda: AnnealedReward(AUX, Schedule("linear", 4)),
        (0.5, -1.0, 2.0),
        SCORES,
        (0.5 + 0.2, -1.0 + 0.75 * 0.5, 2.0 + 0.5 * 0.95),
        (0.5 + 0.25 * 0.2, -1.0, 2.0),
    ),
    "flip": (lambda: FlipReward(1.0, per="sample", seed=0), (0.0, 0.0, 1.0), None, (0.0, 0.0, 0.0), None),
    "flip_step": (lambda: FlipReward(1.0, per="step", seed=0), (0.0, 0.0, 1.0), None, (1.0, 1.0, 0.0), None),
    "unflip": (lambda: UnflipReward(0.1, per="end"), (0.0, 0.0, 1.0), None, (0.0, 0.0, 1.125), None),
    "pattern": (
        lambda: PatternReward([lambda t: t.reward, lambda t: -t.reward]),
        (0.5, -1.0, 2.0),
        None,
        (1.0, -0.5, 2.0),
        None,
    ),
    "completion": (
        lambda: CompletionReward(soft=[SoftFactor("factors", hold=1)]),
        (0.5, -1.0, 2.0),
        ROUTE,
        (25.0, 0.0, 50.0),
        None,
    ),
    "trust": (
        lambda: TrustedReward(AUX, Schedule("constant"), threshold=0.0),
        (0.5, -1.0, 2.0),
        SCORES,
        (0.7, -0.5, 2.95),
        None,
    ),
    "robust": (
        lambda: RobustEnsembleReward([AUX, lambda t: t.reward], nominal_weight=0.5),
        (0.5, -1.0, 2.0),
        SCORES,
        (0.2, -0.25, 0.95),
        None,
    ),
}


@pytest.mark.parametrize("end", [(True, False), (False, True), (True, True)], ids=["terminated", "truncated", "both"])
@pytest.mark.parametrize("name", TABLE)
def test_end_of_episode_as_numbers(name, end, script, rows_of):
    """Both kinds of end pay alike; the call that restarts a copy pays nothing; then all begins again."""
    make, rewards, infos, paid, again = TABLE[name]
    start = {"progress": 0.0}
    env = wrap(rows_of([lambda: script(rewards, infos, end, start)], NEXT), make())
    env.reset(seed=0)
    got = [env.step(np.zeros(1, int)) for _ in range(7)]
    np.testing.assert_allclose([g[1][0] for g in got], [*paid, 0.0, *(again or paid)], atol=1e-12)
    assert (got[2][2][0], got[2][3][0]) == end
    assert got[3][4]["reward_terms"]["shaping"][0] == got[3][4]["true_reward"][0] == 0.0


def synthetic(seed, rows=4, steps=40, binary=False):
    """Resets and transitions of rows that end and begin at random, some of them not active."""
    rng = np.random.default_rng(seed)

    def entries(need):
        info = {
            "progress": rng.random(rows),
            "checks": rng.random((rows, 3)) < 0.5,
            "reward_vector": rng.uniform(-1, 1, (rows, 3)),
            "factors": np.where(rng.random((rows, 2)) < 0.5, rng.random((rows, 2)), 1.0),
            "hard": rng.random(rows) < 0.1,
            "distance": rng.random(rows),
            "mu": rng.normal(size=(rows, 3)),
            "sigma": rng.random((rows, 3)),
            "aux": rng.random(rows),
        }
        return vector_info(info, need)

    everyone = np.ones(rows, bool)
    obs = rng.normal(size=(rows, 2))
    yield "reset", (obs, entries(everyone), everyone)
    for _ in range(steps):
        reward = rng.integers(0, 2, rows).astype(float) if binary else rng.normal(size=rows)
        active = rng.random(rows) < 0.8
        terminated, truncated = active & (rng.random(rows) < 0.2), active & (rng.random(rows) < 0.2)
        new = rng.normal(size=(rows, 2))
        t = Transition(obs, np.zeros(rows), reward, new, terminated, truncated, entries(active), active)
        yield "step", (t,)
        obs, mask = new, terminated | truncated
        if mask.any():
            yield "reset", (obs, entries(mask), mask)


def play(method, events):
    paid = []
    for what, args in events:
        if what == "reset":
            method.reset(*args)
        else:
            paid.append(np.where(args[0].active, method(*args), 0.0).tolist())
    return paid


@ALL
def test_state_continues_in_the_middle_of_episodes(name):
    make, binary = METHODS[name]
    events = list(synthetic(1, binary=binary))
    whole = play(make(0), events)
    for cut in (7, 20, 33):
        method = make(0)
        first = play(method, events[:cut])
        arrays = {key: np.array(value) for key, value in method.state_dict().items()}
        other = make(0)
        if arrays:
            other.load_state_dict(arrays)
        assert first + play(other, events[cut:]) == whole
        kept = method.state_dict()
        play(method, events[cut:])
        for key, value in arrays.items():  # copies: going on leaves them alone
            np.testing.assert_array_equal(kept[key], value)


@pytest.mark.parametrize("name", WITH_MEMORY)
def test_bad_state_is_refused_and_changes_nothing(name):
    make, binary = METHODS[name]
    method = make(0)
    play(method, list(synthetic(2, binary=binary))[:10])
    kept = method.state_dict()
    first = next(iter(kept))
    wrong_rows = {key: value[:-1] for key, value in kept.items()}
    nothing = {key: value for key, value in kept.items() if key != first}
    for bad in (
        {},
        nothing,
        {**kept, "other": np.zeros(4)},
        wrong_rows,
        {**kept, first: np.full(kept[first].shape, "x")},
    ):
        with pytest.raises(ValueError, match=type(method).__name__):
            method.load_state_dict(bad)
    assert {k: v.tolist() for k, v in method.state_dict().items()} == {k: v.tolist() for k, v in kept.items()}


@pytest.mark.parametrize("name", sorted(set(METHODS) - set(WITH_MEMORY)))
def test_methods_without_memory_take_no_state(name):
    method = METHODS[name][0](0)
    assert method.state_dict() == {}
    with pytest.raises(ValueError, match="keeps no state"):
        method.load_state_dict({"x": np.zeros(1)})


@ALL
def test_rows_that_made_no_step_are_left_alone(name):
    """Memory of a row without a step stays as it is, whatever the placeholders say."""
    make, binary = METHODS[name]
    method = make(0)
    events = list(synthetic(3, binary=binary))
    play(method, events[:15])
    still = next(args[0] for what, args in events[15:] if what == "step" and not args[0].active.all())
    before = method.state_dict()
    method(still)
    for key, value in method.state_dict().items():
        np.testing.assert_array_equal(value[~still.active], before[key][~still.active])


@pytest.mark.parametrize("name", WITH_MEMORY)
def test_other_rows_than_at_the_reset(name, transition):
    method = METHODS[name][0](0)
    play(method, list(synthetic(4, binary=METHODS[name][1]))[:1])
    with pytest.raises(ValueError, match="knows 4 rows, got 2: reset comes first"):
        method(transition([0.0, 0.0]))


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({}, "info has no 'aux'"),
        ({"aux": np.array([1.5, 0.0])}, r"scores must be in \[0, 1\], got 1.5 in row 0"),
        ({"aux": np.array([0.0, np.nan])}, r"scores must be in \[0, 1\], got nan in row 1"),
        ({"aux": np.zeros((2, 1))}, r"scores must give numbers of shape \(2,\), got \(2, 1\)"),
    ],
)
def test_bad_signals_are_named(info, message, transition):
    with pytest.raises((KeyError, ValueError), match=message):
        ClippedScores(AUX, threshold=0.5)(transition([0.0, 0.0], info))


def test_nan_in_a_row_without_a_step_is_no_error(transition):
    t = transition([1.0, 5.0], {"aux": np.array([0.1, np.nan])}, active=[True, False])
    assert ClippedScores(AUX, threshold=0.5)(t)[0] == 0.6


@pytest.mark.parametrize("bad", [3, None, ["aux"]])
def test_what_is_no_signal(bad):
    with pytest.raises(TypeError, match="scores must be the name of an info entry or a function"):
        ClippedScores(bad, threshold=0.5)


def test_rules_of_the_gymnasium_checker(course):
    env = gym.wrappers.PassiveEnvChecker(wrap(course(), METHODS["completion"][0](0)))
    env.reset(seed=0)
    assert isinstance(env.step(1)[1], float)


@pytest.mark.parametrize("name", ["anneal", "flip_step", "completion", "trust", "pattern", "par_aux"])
def test_a_refused_step_changes_no_memory(name):
    """A signal that is wrong in one row is refused before anything is remembered."""
    make, binary = METHODS[name]
    method = make(0)
    events = list(synthetic(5, binary=binary))
    play(method, events[:12])
    before = method.state_dict()
    (t,) = next(args for what, args in events[12:] if what == "step" and args[0].active.all())
    nan = np.array([0.5, 0.5, 0.5, np.nan])
    wrong = {"aux": nan, "checks": np.stack([nan] * 3, axis=1), "factors": nan, "hard": nan}
    bad = replace(t, reward=t.reward + 0.5, info=vector_info({**wrong, "progress": np.full(4, 0.5)}, t.active))
    with pytest.raises(ValueError, match="must be"):
        method(bad)
    for key, value in method.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


@pytest.mark.parametrize("name", ["clip", "par_aux", "anneal", "anneal_exp", "trust", "length", "noise"])
def test_games_of_this_package_in_every_view(name):
    """One layer over a multi-agent batch, over the vector view and over single environments: the same payments."""
    game, keywords = "payoff/FillerSteps-v0", {"max_steps": 10, "needed": 2}
    make = METHODS[name][0]
    play = np.random.default_rng(0).integers(0, 4, (33, 3))
    batch = wrap(payoff.multi_agent_vec(game, 3, **keywords), make(0))
    vector = gym.make_vec(game, num_envs=3, vectorization_mode="vector_entry_point", **keywords)
    vector = wrap(vector, make(0))
    single = gym.vector.SyncVectorEnv([lambda row=row: wrap(gym.make(game, **keywords), make(row)) for row in range(3)])
    for env in (batch, vector, single):
        env.reset(seed=0)
    for actions in play:
        _, one, *_ = batch.step(actions[:, None])
        two, three = vector.step(actions)[1], single.step(actions)[1]
        assert one[:, 0].tolist() == two.tolist() == three.tolist()
