"""A ``load_state_dict`` refuses a state that is none of its own, names the array, and leaves all as it was."""

import numpy as np
import pytest

import payoff.wrappers as w
from payoff.wrappers.llm.labellers import ScriptedLabeller
from payoff.wrappers.redistribution.base import EpisodeBatch
from payoff.wrappers.redistribution.prover import RolloutValues

SMALL = {"hidden": (4,), "learn_every": 2}
QUICK = w.EpisodeLearning(hidden=(4,), gradient_steps=1, episodes=2)
RANKING = w.HierarchyLearning(warmup=4, learn_every=4, batch_size=4, network=w.NetworkSettings(hidden=(4,)))
ASKING = w.PreferenceLearning(hidden=(4,), epochs=1, members=2)
MACHINE = w.reward_machine([w.Edge("a", "s", "b", 1.0)], initial="a", terminal=["b"])


def model(kind, **keywords):
    return kind(settings=w.BonusLearning(**SMALL), **keywords)


def paid(bonus, **keywords):
    return lambda: w.BonusReward(bonus(), **keywords)


METHODS = {
    "shaping": lambda: w.PotentialShaping(lambda obs, info: obs[:, 0], gamma=0.9, on_truncation="terminal"),
    "look-back": lambda: w.LookBackAdvice(lambda obs, action: obs[:, 0], gamma=0.9),
    "neutral": lambda: w.ReturnNeutralBonus(w.PaidBonus(w.Count()), gamma=0.9, delay=2, on_truncation="terminal"),
    "earned": lambda: w.EarnedPotential(w.Count(), gamma=0.9, on_truncation="terminal"),
    "running": lambda: w.RunningReward("mean_std", at="end"),
    "preference": lambda: w.PreferenceAsReward([0.0, 1.0], at="end"),
    "length": lambda: w.LengthPenalty(),
    "machine": lambda: w.MachineReward(MACHINE, w.Labels({"s": lambda t: t.next_obs[:, 0] > 0})),
    "utility": lambda: w.UtilityOfReturn(w.WeightedSum([1.0]), gamma=0.9, learner_gamma=0.9),
    "differential": lambda: w.DifferentialReward(rate=0.1),
    "count": paid(w.Count, normalise="std"),
    "count of rows": paid(lambda: w.Count(per_row=True), normalise="return", gamma=0.9),
    "product": paid(w.global_times_episodic),
    "e3b": paid(w.E3B),
    "rnd": paid(lambda: w.RND(model(w.Distillation))),
    "icm": paid(lambda: w.ICM(model(w.DynamicsModel, num_actions=3))),
    "noveld": paid(lambda: w.NovelD(model(w.Distillation))),
    "ranking": lambda: w.HierarchicalPreferenceReward(
        [w.Factor(lambda t: t.next_obs[:, 0] + t.action, margin=0.0)], learning=RANKING
    ),
    "segments": lambda: w.PreferenceReward(
        w.SimulatedAnnotator(), num_actions=3, length=1, ask_every=4, questions=2, memory=4, settings=ASKING
    ),
    "subgoals": paid(
        lambda: w.SubgoalBonus(
            lambda obs, info: [str(row) for row in obs], ScriptedLabeller(lambda question: 1.0), "a goal", ["a", "b"]
        )
    ),
    "self-shaping": lambda: w.ExplorationGuided(3, gamma=0.9),
}
TRANSFORMS = {
    "linear": lambda: w.LinearDecomposition(w.StepFeatures(3)),
    "network": lambda: w.NetworkDecomposition(w.StepFeatures(3), learning=QUICK),
    "rudder": lambda: w.Rudder(w.StepFeatures(3), learning=QUICK),
    "ircr": lambda: w.GuidanceReward(),
    "credit": lambda: w.NormalisedCredit(w.LinearDecomposition(w.StepFeatures(3))),
    "stepwise": lambda: w.StepwiseProgress(w.LinearDecomposition(w.StepFeatures(3))),
    "implicit": lambda: w.ImplicitStepRewards(3, learning=QUICK),
    "trust": lambda: w.TrustWeighted("s", w.Schedule("constant"), threshold=0.0),
}


def episodes():
    """Three finished episodes of four steps, of different returns."""
    rng = np.random.default_rng(0)
    shape = (4, 3)
    last = np.zeros(shape, dtype=bool)
    last[-1] = True
    return EpisodeBatch(
        obs=rng.random((5, 3, 2)),
        actions=rng.integers(0, 3, (*shape, 1)),
        rewards=rng.normal(size=shape),
        terminated=last,
        truncated=last & False,
        valid=np.ones(shape, dtype=bool),
        info={"s": rng.random(shape)},
    )


@pytest.fixture(params=[*METHODS, *TRANSFORMS])
def made(request, walk, sync):
    """An object that has played, and another that has not."""
    if request.param in METHODS:
        make = METHODS[request.param]
        env = w.wrap(sync(walk, 2), make())
        env.reset(seed=0)
        for _ in range(5):
            env.step(np.array([1, 2]))
        return env.method, make()
    make = TRANSFORMS[request.param]
    found = make()
    found(episodes())
    return found, make()


def spoiled(array):
    """What the array must not be replaced by."""
    yield from (array.astype(complex) * 1j + 1j, np.full(array.shape, "x"), None, "abc", object(), [[1], [1, 2]])
    yield array[None]
    if array.size:
        yield np.full(array.shape, np.nan)
        yield np.full(array.shape, None)
    if array.size and array.dtype.kind in "iu":
        yield array + 0.5


def same(one, two):
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], strict=True)


def test_a_bad_state_is_refused_and_nothing_changes(made):
    played, fresh = made
    good, blank = played.state_dict(), fresh.state_dict()
    assert good
    for method, before in ((played, good), (fresh, blank)):
        for bad in (None, 3, "abc", [1], object()):
            with pytest.raises(TypeError, match="state must be a dict of arrays"):
                method.load_state_dict(bad)
        for bad in ({**good, "other": np.zeros(1)}, {**good, 1: np.zeros(1)}, {1: 2}, {"other": None}):
            with pytest.raises(ValueError, match=r"other|1|(sizes|memory\.inputs) must"):
                method.load_state_dict(bad)
        for name, array in good.items():
            without = {key: value for key, value in good.items() if key != name}
            if method is played:  # one that was never reset has no rows, and may yet know common counts
                with pytest.raises(ValueError):  # another array may be the first that is missed
                    method.load_state_dict(without)
            for value in spoiled(array):
                with pytest.raises(ValueError, match=r"must|takes|state") as caught:
                    method.load_state_dict({**good, name: value})
                assert "ambiguous" not in str(caught.value)
        same(method.state_dict(), before)
    fresh.load_state_dict(good)
    same(fresh.state_dict(), good)


def test_moments_and_variances_that_are_negative():
    """Their roots would be NaN, and so would all weights after the next step."""
    method = TRANSFORMS["network"]()
    method(episodes())
    good = method.state_dict()
    name = next(key for key in good if key.startswith("adam.exp_avg_sq."))
    with pytest.raises(ValueError, match=f"{name} must not be negative"):
        method.load_state_dict({**good, name: good[name] - 1.0})


def test_calls_of_rollouts_are_a_whole_number():
    values = RolloutValues("payoff/KeyRoom-v0", lambda obs: np.zeros((len(obs), 1, 1)), rollouts=1, chunk=2)
    for bad in ({"calls": 1.5}, {"calls": -1}, {"calls": 1j}, {}, {"calls": np.array([1])}):
        with pytest.raises(ValueError, match="RolloutValues takes the whole number calls"):
            values.load_state_dict(bad)
    assert values.state_dict()["calls"] == 0
