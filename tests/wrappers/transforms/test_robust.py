"""Robust ensemble: the number of the notes, its ends, the order of minimum and mean, and a grader that is fooled."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

from payoff.envs.sparse import tamper, tamper_gaming
from payoff.envs.theory import tabular
from payoff.wrappers import wrap
from payoff.wrappers.transforms.robust import RobustEnsembleBatch, RobustEnsembleReward, nominal_mean, robust_mean

MU, SIGMA = np.array([0.6, 0.9, 0.2]), np.array([0.1, 0.5, 0.3])


def test_published_number():
    assert nominal_mean(MU, SIGMA) == 0.6
    assert robust_mean(MU, SIGMA, nominal_weight=0.0) == pytest.approx(0.2, abs=1e-15)
    assert robust_mean(MU, SIGMA, nominal_weight=0.4) == pytest.approx(0.36, abs=1e-15)
    assert robust_mean(MU, SIGMA, nominal_weight=1.0) == pytest.approx(0.6, abs=1e-15)
    assert nominal_mean(MU, nominal=1) == 0.9


def test_identical_functions_are_the_nominal_one():
    mu = np.repeat(np.random.default_rng(0).normal(size=(50, 1)), 4, axis=1)
    for weight in (0.0, 0.3, 1.0):
        np.testing.assert_allclose(robust_mean(mu, nominal_weight=weight), mu[:, 0], atol=1e-15)


def test_between_the_least_and_the_largest():
    rng = np.random.default_rng(1)
    mu, sigma = rng.normal(size=(500, 5)), rng.random((500, 5))
    for weight in np.linspace(0, 1, 6):
        found = robust_mean(mu, sigma, nominal_weight=weight)
        assert (found >= mu.min(axis=1) - 1e-12).all() and (found <= mu.max(axis=1) + 1e-12).all()


def test_minimum_inside_the_mean_is_never_more(batch):
    """E[min_k r_k] <= min_k E[r_k]: per sample is more pessimistic than the objective, at every weight below 1."""
    rng = np.random.default_rng(2)
    for _ in range(50):
        lists = [rng.normal(size=(n, 3)) for n in rng.integers(1, 6, 8)]
        episodes = batch([np.zeros(len(m)) for m in lists], mu=lists)
        for weight in (0.0, 0.5, 1.0):
            inside, outside = (
                RobustEnsembleBatch("mu", nominal_weight=weight, min_over=over)(episodes).sum(axis=0).mean()
                for over in ("sample", "batch")
            )
            assert inside <= outside + 1e-12
            if weight == 1.0:
                assert inside == pytest.approx(outside, abs=1e-12)
        totals = np.array([m.sum(axis=0) for m in lists])
        exact = RobustEnsembleBatch("mu", nominal_weight=0.0, min_over="batch")(episodes).sum(axis=0).mean()
        assert exact == pytest.approx(totals.mean(axis=0).min(), abs=1e-12)


def test_constant_functions_leave_nothing_to_learn():
    """Each head says the same of everything: no advantage within a group, so no policy gradient."""
    mu = np.tile(np.array([0.3, 0.9, -0.2]), (16, 1))
    for weight in (0.0, 0.4, 1.0):
        paid = robust_mean(mu, nominal_weight=weight)
        np.testing.assert_allclose(paid - paid.mean(), 0.0, atol=1e-15)


def test_sigma_chooses_the_nominal_function_of_each_sample(transition):
    info = {"a": np.array([1.0, 2.0]), "b": np.array([5.0, -5.0])}
    sigmas = [lambda t: np.array([0.1, 0.9]), lambda t: np.array([0.2, 0.2])]
    t = transition([0.0, 0.0], info)
    assert RobustEnsembleReward(["a", "b"], sigmas=sigmas, nominal_weight=1.0)(t).tolist() == [1.0, -5.0]
    assert RobustEnsembleReward(["a", "b"], sigmas=sigmas, nominal_weight=0.5)(t).tolist() == [1.0, -5.0]
    assert RobustEnsembleReward(["a", "b"], nominal_weight=1.0, nominal=1)(t).tolist() == [5.0, -5.0]


def test_a_second_function_that_is_not_fooled_keeps_the_work_honest():
    """Tamper, register within reach. By the grader alone the best policy hacks; the worst of grader and work does not.

    Exact, on the model of the room that the game's own theory solves: the grader pays on handing in, and the second
    function says what share of the work was done then.
    """
    params = tamper.TamperParams(stage=4, size=4, tasks=1)
    env = gym.make("payoff/Tamper-v0", stage=4, size=4, tasks=1)
    env.reset(seed=0)
    model = tamper_gaming.observed_model(params, env.unwrapped.engine.state[0])
    work = tamper.V0.shape(params).layout.column("work")
    graded = model.reward
    handed_in = model.terminal[model.next_state] & ~model.terminal[:, None, None]
    share = np.where(handed_in, model.states[:, None, None, work] / params.acts, 0.0)
    true = dataclasses.replace(model, reward=np.where(handed_in & (share == 1.0), 1.0, 0.0))
    for weight, honest in ((1.0, False), (0.0, True)):
        paid = robust_mean(np.stack([graded, share], axis=-1), nominal_weight=weight)
        best = tabular.value_iteration(dataclasses.replace(model, reward=paid), 0.99)
        start = int(model.initial.argmax())
        assert tabular.evaluate(true, best.policy, 1.0)[start] == (1.0 if honest else 0.0)


def test_stepwise_and_batched_agree(script, batch):
    """Per sample, the transform of recorded heads is what the layer pays step by step."""
    rng = np.random.default_rng(3)
    mu, sigma = rng.normal(size=(6, 3)), rng.random((6, 3))
    infos = [{"mu": m, "sigma": s} for m, s in zip(mu, sigma, strict=True)]
    heads, sigmas = ([lambda t, i=i, name=name: t.info[name][:, i] for i in range(3)] for name in ("mu", "sigma"))
    env = wrap(script((0.0,) * 6, infos), RobustEnsembleReward(heads, sigmas=sigmas, nominal_weight=0.4))
    env.reset(seed=0)
    steps = [env.step(0)[1] for _ in range(6)]
    whole = RobustEnsembleBatch("mu", sigma="sigma", nominal_weight=0.4, min_over="sample")
    episodes = batch([[0.0] * 6], mu=[mu], sigma=[sigma])
    np.testing.assert_allclose(whole(episodes)[:, 0], steps, atol=1e-15)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: robust_mean(MU, nominal_weight=1.5), ValueError, r"nominal_weight must be a number in \[0, 1\]"),
        (lambda: RobustEnsembleReward([], nominal_weight=1), ValueError, "heads must hold at least one signal"),
        (lambda: RobustEnsembleReward("a", nominal_weight=1), TypeError, "heads must be a sequence of signals"),
        (lambda: RobustEnsembleReward(["a"], nominal_weight=1, nominal=1), ValueError, "nominal must be"),
        (
            lambda: RobustEnsembleReward(["a"], nominal_weight=1, sigmas=["b", "c"]),
            ValueError,
            "sigmas must be as many",
        ),
        (lambda: RobustEnsembleBatch("a", nominal_weight=1, min_over="all"), ValueError, "min_over must be one of"),
        (lambda: RobustEnsembleBatch(1, nominal_weight=1, min_over="batch"), TypeError, "mu must be the name"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_bad_entries(batch):
    episodes = batch([[0.0]], mu=[[[1.0, 2.0]]], sigma=[[[1.0]]], flat=[[1.0]])
    with pytest.raises(ValueError, match=r"info\['sigma'\] must have shape \(1, 1, 2\), got \(1, 1, 1\)"):
        RobustEnsembleBatch("mu", sigma="sigma", nominal_weight=1, min_over="batch")(episodes)
    with pytest.raises(ValueError, match="must have shape"):
        RobustEnsembleBatch("flat", nominal_weight=1, min_over="batch")(episodes)
    with pytest.raises(ValueError, match=r"nominal must be an integer in 0 .. 1, got 2"):
        RobustEnsembleBatch("mu", nominal_weight=1, min_over="batch", nominal=2)(episodes)
