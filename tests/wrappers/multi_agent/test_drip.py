"""DRiP: shaped difference rewards equal the two layers on top of each other, at every kind of end."""

import numpy as np
import pytest

from payoff.wrappers import PotentialShaping, WrapperSnapshot, wrap
from payoff.wrappers.multi_agent.difference import DifferenceReward
from payoff.wrappers.multi_agent.drip import DRiP
from payoff.wrappers.multi_agent.utility import leave_out

GAMMA = 0.9


def last_choice(obs, info):
    """Something that is known of the state: which section the agent was in."""
    return obs[:, 3:] @ np.array([1.0, 2.0, 4.0])


@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
@pytest.mark.parametrize("on_truncation", ["bootstrap", "terminal"])
def test_one_layer_equals_two(mode, on_truncation, congestion, welfare, without_each, same_in_both_views):
    shaping = {"gamma": GAMMA, "on_truncation": on_truncation, "scale": 0.5, "shift": 0.25}
    actions = np.random.default_rng(0).integers(0, 3, (23, 3, 4, 1)).astype(float)

    def one(env):
        return wrap(env, DRiP(welfare, without_each, last_choice, **shaping))

    batch, single = one(congestion(3, autoreset_mode=mode)), one(congestion())
    assert same_in_both_views(batch, single, actions, mode)[1] >= 9
    two = wrap(congestion(3, autoreset_mode=mode), DifferenceReward(welfare, without_each))
    two = wrap(two, PotentialShaping(last_choice, **shaping))
    batch.reset(seed=1), two.reset(seed=1)
    for action in actions:
        result, expected = batch.step(action), two.step(action)
        np.testing.assert_array_equal(result[1], expected[1])
        if mode == "disabled" and result[3].any():
            for env in (batch, two):
                env.reset(options={"reset_mask": result[3]})


@pytest.mark.parametrize(
    ("terminated", "truncated", "on_truncation", "left"),
    [
        (True, False, "bootstrap", 0.0),
        (False, True, "bootstrap", GAMMA),
        (False, True, "terminal", 0.0),
        (True, True, "bootstrap", 0.0),
    ],
)
def test_end_of_an_episode(terminated, truncated, on_truncation, left, scripted, total_effort, rewards_of):
    """D_i = 10^i a_i, Phi = 1 + steps taken: F = gamma 2 - 1, then left * 3 - 2."""
    method = DRiP(
        total_effort,
        leave_out(total_effort),
        lambda obs, info: 1.0 + obs[:, 0],
        gamma=GAMMA,
        on_truncation=on_truncation,
    )
    ends = dict.fromkeys(range(3), (2, terminated, truncated))
    env = wrap(scripted(ends), method)
    for _ in range(2):
        first, last = rewards_of(env, (1, 2, 3), (4, 5, 6))
        assert list(first.values()) == pytest.approx([x + GAMMA * 2 - 1 for x in (1, 20, 300)])
        assert list(last.values()) == pytest.approx([x + left * 3 - 2 for x in (4, 50, 600)])


def test_resume_in_the_middle_of_an_episode(congestion, welfare, without_each):
    def make():
        method = DRiP(welfare, without_each, last_choice, gamma=GAMMA, on_truncation="bootstrap")
        return wrap(congestion(2), method)

    env, actions = make(), np.random.default_rng(3).integers(0, 3, (30, 2, 4))
    env.reset(seed=0)
    for t in range(8):
        arrays = env.snapshot().arrays()
        other = make()
        other.reset(seed=9)
        other.restore(WrapperSnapshot.from_arrays(arrays))
        ahead = [other.step(a)[1].tolist() for a in actions[t : t + 9]]
        assert ahead == [env.step(a)[1].tolist() for a in actions[t : t + 9]]
        env.restore(WrapperSnapshot.from_arrays(arrays))
        env.step(actions[t])
    with pytest.raises(ValueError, match=r"phi must have shape \(8,\), got \(3,\)"):
        env.method.load_state_dict({"phi": np.zeros(3)})


def test_arguments_are_checked(welfare, without_each):
    with pytest.raises(TypeError, match="gamma"):
        DRiP(welfare, without_each, last_choice)
    with pytest.raises(ValueError, match="gamma must be a number"):
        DRiP(welfare, without_each, last_choice, gamma=2.0, on_truncation="terminal")
    with pytest.raises(TypeError, match="potential must be a function"):
        DRiP(welfare, without_each, "progress", gamma=0.9, on_truncation="terminal")
    with pytest.raises(TypeError, match="counterfactual must be a function"):
        DRiP(welfare, 0, last_choice, gamma=0.9, on_truncation="terminal")
