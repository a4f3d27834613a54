"""Functions of returns: what an episode sums to, the state that makes it Markov, and the two objectives told apart."""

import itertools
import math

import numpy as np
import pytest

from payoff.wrappers import wrap
from payoff.wrappers.objectives.augment import augment
from payoff.wrappers.objectives.outer import UtilityOfMeanReturn, UtilityOfReturn
from payoff.wrappers.objectives.scalarise import Chebyshev, LogSum


def capped(g):
    return np.minimum(g[:, 0], 1.5)


def utility(**keywords):
    return UtilityOfReturn(capped, **{"gamma": 1.0, "learner_gamma": 1.0, **keywords})


def worst(**keywords):
    return UtilityOfReturn(
        Chebyshev((1.0, 1.0), (0.0, 0.0)), **{"gamma": 0.9, "learner_gamma": 0.8, "size": 2, "key": "pair", **keywords}
    )


def mean_utility(**keywords):
    function = LogSum((1.0, 1.0), (10.0, 10.0)).gradient
    return UtilityOfMeanReturn(function, **{"size": 2, "gamma": 0.9, "start": [0, 0], "key": "pair", **keywords})


@pytest.mark.parametrize("make", [utility, worst])
def test_wrapped_batch_equals_batch_of_wrapped(mode, make, walk, sync, rollout, same):
    outside = rollout(augment(sync(walk, 5, mode), make()))
    inside = rollout(sync(lambda: augment(walk(), make()), 5, mode))
    same(outside, inside, mode, told=["return_so_far"])


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_mean_form_stacks_too(mode, rate, walk, sync, rollout, same):
    outside = rollout(wrap(sync(walk, 5, mode), mean_utility(rate=rate)))
    inside = rollout(sync(lambda: wrap(walk(), mean_utility(rate=rate)), 5, mode))
    same(outside, inside, mode)


@pytest.mark.parametrize("beta", [1.0, 0.8])
@pytest.mark.parametrize("gamma", [1.0, 0.9, 0.0])
def test_episode_sums_to_the_function_of_its_return(gamma, beta, walk):
    """sum_t beta^t r'_t = f(G) - f(0), however the episode ends."""
    rng = np.random.default_rng(0)
    for make, key in ((utility, None), (worst, "pair")):
        env, kinds = augment(walk(), make(gamma=gamma, learner_gamma=beta)), set()
        for episode in range(30):
            env.reset(seed=episode)
            total, told, ended, t = 0.0, 0.0, False, 0
            while not ended:
                _, reward, terminated, truncated, info = env.step(int(rng.integers(0, 3)))
                vector = info["true_reward"] if key is None else info[key]
                total = total + gamma**t * np.atleast_1d(vector)
                told += beta**t * reward
                assert info["return_so_far"] == pytest.approx(total)
                ended, t = terminated or truncated, t + 1
            kinds.add((terminated, truncated))
            f = env.method.function
            assert told == pytest.approx((f(total[None]) - f(0 * total[None])).item(), abs=1e-9)
        assert len(kinds) == 3


def test_each_reward_by_hand(drive):
    """Rewards 1, 1, 1 then -2, capped at 1.5: the gain of the cap; no kind of end adds anything."""
    steps = [{"reward": 1.0}, {"reward": 1.0}, {"active": False}, {"reward": 1.0}, {"reward": -2.0}]
    assert drive(utility(), steps) == [1.0, 0.5, 0.0, 0.0, -0.5]
    for end in ({"terminated": True}, {"truncated": True}, {"terminated": True, "truncated": True}):
        assert drive(utility(), [{"reward": 1.0}, {"reward": 1.0, **end}]) == [1.0, 0.5]
    assert drive(utility(gamma=0.5, learner_gamma=0.5), [{"reward": 1.0}] * 3) == [1.0, 0.5 / 0.5, 0.0]


def test_what_the_learner_sees(walk):
    for keywords, names in (
        ({}, 0),
        ({"gamma": 0.9}, 1),
        ({"learner_gamma": 0.8}, 1),
        ({"gamma": 0.9, "learner_gamma": 0.9}, 1),
        ({"gamma": 0.9, "learner_gamma": 0.8}, 2),
    ):
        env = augment(walk(horizon=50, edge=100), utility(**keywords))
        obs, _ = env.reset(seed=0)
        assert obs[2:].tolist() == [0.0] + [1.0] * names
        for _ in range(3):
            obs, *_ = env.step(1)
        powers = sorted({keywords.get("gamma", 1.0), keywords.get("learner_gamma", 1.0)} - {1.0})
        assert obs[3:] == pytest.approx([p**3 for p in powers], abs=1e-6)
        assert env.observation_space.contains(obs)


# -- a small process, solved with and without the state that it needs -------------------------------------------------

OUTCOMES = {"rest": ((1.0, 0),), "sure": ((1.0, 1),), "risky": ((0.5, 0), (0.5, 3))}
STEPS = 2


def bust(g):
    """What was collected, unless it is more than 3."""
    return g if g <= 3 else 0


def value(policy):
    """E f(G) of a policy (step, return so far) -> action, by the tree of outcomes."""

    def go(step, total):
        if step == STEPS:
            return bust(total)
        return sum(p * go(step + 1, total + r) for p, r in OUTCOMES[policy(step, total)])

    return go(0, 0)


def test_return_so_far_makes_it_markov():
    """Two steps, each 0, or 1, or 0 or 3 by a coin; more than 3 counts nothing. A policy of the step alone gets 2.

    One that sees the return takes the coin, stops at 3, and tries again at 0: 1/2 x 3 + 1/2 x 3/2 = 2.25. Dynamic
    programming on (step, G) with the rewards f(G + r) - f(G) finds it, and no function of (step, G) is better.
    """
    names = list(OUTCOMES)
    assert max(value(lambda t, g, p=p: p[t]) for p in itertools.product(names, repeat=STEPS)) == 2.0

    def best(step, total):
        if step == STEPS:
            return 0.0, None
        q = {
            a: sum(p * (bust(total + r) - bust(total) + best(step + 1, total + r)[0]) for p, r in OUTCOMES[a])
            for a in names
        }
        chosen = max(q, key=q.get)
        return q[chosen], chosen

    states = [(0, 0), (1, 0), (1, 1), (1, 3)]
    every = [dict(zip(states, choice, strict=True)) for choice in itertools.product(names, repeat=len(states))]
    assert best(0, 0)[0] == value(lambda t, g: best(t, g)[1]) == max(value(lambda t, g, c=c: c[t, g]) for c in every)
    assert best(0, 0)[0] == 2.25


def test_good_episodes_or_a_good_mean():
    """Two arms pay (1, 0) and (0, 1), f = log(v1 + 0.1) + log(v2 + 0.1): E f(G) is indifferent, f(E G) wants half each.

    Frank-Wolfe with the plain mean: the arm that is paid more. With curvature C the gap is at most 2 C / (n + 2).
    """
    f = LogSum((1.0, 1.0), (0.1, 0.1))
    arms = np.eye(2)
    method = UtilityOfMeanReturn(f.gradient, size=2, gamma=1.0, start=[1.0, 0.0], key="v")

    def step(arm, on):
        from payoff.wrappers import Transition
        from payoff.wrappers.rows import single_info

        one = np.ones(1, dtype=bool)
        t = Transition(None, None, np.zeros(1), None, one, ~one, single_info({"v": arms[arm]}), one)
        return on(t).item()

    from payoff.wrappers.rows import single_info

    one = np.ones(1, dtype=bool)
    method.reset(None, single_info({}), one)
    n, best = 400, 2 * math.log(0.6)
    for _ in range(n):
        slope = f.gradient(method.state_dict()["mean"])[0]
        arm = int(slope.argmax())
        assert step(arm, method) == pytest.approx(slope[arm])
        method.reset(None, single_info({}), one)
    mean = method.state_dict()["mean"][0]
    curvature = 2 / 0.1**2  # second derivatives at most 1 / 0.1^2 each, over a segment of length sqrt 2
    assert 0.0 <= best - f(mean) <= 2 * curvature / (n + 2)
    assert mean == pytest.approx([0.5, 0.5], abs=0.01)
    each = [f(arm) for arm in arms]
    assert each[0] == pytest.approx(each[1]) and each[0] < best - 1.0
    telescoped = UtilityOfReturn(f, gamma=1.0, learner_gamma=1.0, size=2, key="v")
    for arm in range(2):
        telescoped.reset(None, single_info({}), one)
        assert step(arm, telescoped) == pytest.approx((each[arm] - f(np.zeros(2))).item())


def test_one_mean_for_all_rows(walk, sync):
    """Shared: after each step the mean is that of all episodes so far, in every row."""
    env = wrap(sync(walk, 4), mean_utility(shared=True))
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    running, ended_ones, fresh = np.zeros((4, 2)), [], np.zeros(4, dtype=bool)
    clock = np.zeros(4)
    for _ in range(60):
        _, _, terminated, truncated, info = env.step(rng.integers(0, 3, 4))
        running = np.where(fresh[:, None], 0.0, running + 0.9 ** clock[:, None] * info["pair"])
        clock = np.where(fresh, 0, clock + 1)
        fresh = (terminated | truncated) & ~fresh
        ended_ones.extend(running[fresh])
        if ended_ones:
            state = env.method.state_dict()
            assert state["mean"] == pytest.approx(np.tile(np.mean(ended_ones, axis=0), (4, 1)), abs=1e-9)
            assert state["episodes"].tolist() == [len(ended_ones)] * 4
        clock, running = np.where(fresh, 0, clock), np.where(fresh[:, None], 0.0, running)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: utility(gamma=1.1), ValueError, "gamma must be a number"),
        (lambda: utility(learner_gamma=0.0), ValueError, "learner_gamma must be a number"),
        (lambda: UtilityOfReturn(3, gamma=1.0, learner_gamma=1.0), TypeError, "function must be a function"),
        (lambda: utility(key=3), TypeError, "key must be a string"),
        (lambda: utility(size=0), ValueError, "size must be an integer"),
        (lambda: mean_utility(start=[0.0]), ValueError, "start must be 2 finite numbers"),
        (lambda: mean_utility(rate=2.0), ValueError, "rate must be a number"),
        (lambda: mean_utility(shared=1), ValueError, "shared must be True or False"),
        (lambda: UtilityOfMeanReturn(1, size=1, gamma=1.0, start=[0]), TypeError, "gradient must be a function"),
    ],
)
def test_bad_arguments_are_named(make, error, words):
    with pytest.raises(error, match=words):
        make()
