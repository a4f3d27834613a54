"""Rollouts of any vector environment, and the comparison of a layer over a batch with a batch of layers."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

NEXT, SAME, DISABLED = AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED
COPIES, STEPS = 5, 80


def play(env, seed=0):
    """Results of the same random play in any vector environment; ended copies are reset by hand."""
    rng = np.random.default_rng(seed)
    out = [env.reset(seed=seed)]
    for _ in range(STEPS):
        result = env.step(rng.integers(0, 3, COPIES))
        ended = result[2] | result[3]
        out.append(result)
        if env.metadata["autoreset_mode"] is DISABLED and ended.any():
            out.append(env.reset(options={"reset_mask": ended}))
    return out


def equal(a, b):
    """The same numbers, to the last bit, in arrays, dicts and tuples."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            equal(a[key], b[key])
    else:
        np.testing.assert_array_equal(a, b, strict=True)


def same_rollouts(outside, inside, mode, told=()):
    """Assert that two plays agree in all that a learner sees; returns (terminated, truncated) that occurred."""
    ends = np.zeros(2)
    for one, two in zip(outside, inside, strict=True):
        equal(one[0], two[0])
        if len(one) == 2:  # a reset
            continue
        for a, b in zip(one[1:4], two[1:4], strict=True):
            np.testing.assert_array_equal(a, b, strict=True)
        terminated, truncated, info, other = *one[2:], two[4]
        ended = (terminated | truncated) & (mode is SAME)
        for key in told:
            np.testing.assert_array_equal(info[key], other[key])
        for key in ("shaping", "aux"):
            if key in info["reward_terms"]:
                now, then = info["reward_terms"][key], other["reward_terms"][key]
                np.testing.assert_array_equal(now[~ended], then[~ended])
        for b in np.flatnonzero(ended):
            equal(_row(info["final_obs"], b), other["final_obs"][b])
            for key in told:
                np.testing.assert_array_equal(info["final_info"][key][b], other["final_info"][key][b])
        ends += [terminated.sum(), truncated.sum()]
    assert ends.min() > 0


def _row(final, b):
    if isinstance(final, dict):
        return {key: value[b] for key, value in final.items()}
    return final[b]


@pytest.fixture
def rollout():
    return play


@pytest.fixture
def same():
    return same_rollouts


@pytest.fixture(params=[NEXT, SAME, DISABLED], ids=lambda m: m.value)
def mode(request):
    return request.param


@pytest.fixture
def drive():
    """Function that feeds a method with the transitions of one row, given as a list of dicts; returns the rewards."""

    def run(method, steps, start=True):
        from payoff.wrappers import Transition
        from payoff.wrappers.rows import single_info

        one = np.ones(1, dtype=bool)
        if start:
            method.reset(np.zeros((1, 1)), single_info({}), one)
        rewards = []
        for step in steps:
            t = Transition(
                obs=np.zeros((1, 1)),
                action=np.zeros(1, dtype=int),
                reward=np.array([step.get("reward", 0.0)]),
                next_obs=np.zeros((1, 1)),
                terminated=np.array([step.get("terminated", False)]),
                truncated=np.array([step.get("truncated", False)]),
                info=single_info(step.get("info", {})),
                active=np.array([step.get("active", True)]),
            )
            rewards.append(method(t).item())
        return rewards

    return run
