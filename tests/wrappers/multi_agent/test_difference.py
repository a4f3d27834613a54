"""Difference rewards: their formula, what they are aligned with, ends of episodes, and one layer over many copies."""

import math

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pettingzoo.test import parallel_api_test
from pettingzoo.utils import parallel_to_aec

import payoff
from payoff.wrappers import wrap
from payoff.wrappers.multi_agent.difference import DifferenceReward
from payoff.wrappers.multi_agent.utility import leave_out, replace_by, total_payoff, total_reward

MODES = pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])


def g(x, capacity=1.5):
    return x * math.exp(-x / capacity)


def test_formula_on_the_congestion_game(congestion, welfare, without_each):
    """D_i = x e^(-x/psi) - (x - 1) e^(-(x - 1)/psi), x the seats in one's section; G = 2 g(1) + g(2) here."""
    for counterfactual in (without_each, leave_out(welfare)):
        env = wrap(congestion(2), DifferenceReward(welfare, counterfactual))
        env.reset(seed=0)
        _, reward, _, _, info = env.step(np.array([[0, 0, 1, 2], [1, 1, 1, 1]]))
        assert reward[0] == pytest.approx([g(2) - g(1)] * 2 + [g(1)] * 2, rel=1e-14)
        assert reward[1] == pytest.approx([g(4) - g(3)] * 4, rel=1e-14)
        assert info["true_reward"][0] == pytest.approx([g(2) / 2] * 2 + [g(1)] * 2, rel=1e-14)
        np.testing.assert_allclose(info["true_reward"] + info["reward_terms"]["shaping"], reward, atol=1e-15)


def test_default_action_in_place_of_absence(congestion, welfare):
    env = wrap(congestion(1), DifferenceReward(welfare, replace_by(welfare, 0)))
    env.reset(seed=0)
    reward = env.step(np.array([[0, 0, 1, 2]]))[1][0]
    assert reward[:2].tolist() == [0.0, 0.0]  # they play the default
    assert reward[2:] == pytest.approx([g(2) + g(1) - g(3)] * 2, rel=1e-14)
    each = wrap(congestion(1), DifferenceReward(welfare, replace_by(welfare, [1, 0, 1, 1])))
    each.reset(seed=0)
    reward = each.step(np.array([[0, 0, 1, 2]]))[1][0]
    assert reward[1:3].tolist() == [0.0, 0.0]
    assert reward[0] == pytest.approx(g(2) - g(2), abs=1e-15)  # moves from a pair into another pair
    assert reward[3] == pytest.approx(g(1) + g(1) - g(2), rel=1e-14)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_aligned_with_the_utility(data):
    """Whatever one agent does instead, its D changes by what G changes by: to raise one is to raise the other."""
    n, k = data.draw(st.integers(2, 6)), data.draw(st.integers(2, 4))
    capacity = data.draw(st.sampled_from([0.5, 1.0, 2.5, 8.0]))
    start = np.array(data.draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    i = data.draw(st.integers(0, n - 1))
    moved = np.repeat(start[None], k, axis=0)
    moved[:, i] = np.arange(k)  # one copy for each action of agent i

    def utility(team):
        x = np.stack([((team.action == s) & team.present).sum(axis=1) for s in range(k)], axis=1)
        return (x * np.exp(-x / capacity)).sum(axis=1)

    counterfactual = data.draw(st.sampled_from([leave_out(utility), replace_by(utility, k - 1)]))
    batch = payoff.multi_agent_vec("payoff/Congestion-v0", k, n_agents=n, sections=k, capacity=capacity)
    env = wrap(batch, DifferenceReward(utility, counterfactual))
    env.reset(seed=0)
    _, difference, _, _, info = env.step(moved)
    total = info["payoff"].sum(axis=1)
    own = difference[:, i]
    np.testing.assert_allclose(own[:, None] - own, total[:, None] - total, atol=1e-13)


def test_equilibria_of_one_round_are_those_of_the_utility(congestion, welfare, without_each):
    """All 19,683 joint actions of nine: the same are stable under D and under G, but others under the own payoff."""
    joint = np.stack(np.meshgrid(*[range(3)] * 9, indexing="ij"), axis=-1).reshape(-1, 9)
    env = wrap(congestion(len(joint), n_agents=9), DifferenceReward(welfare, without_each))
    env.reset(seed=0)
    _, difference, _, _, info = env.step(joint)

    def stable(values):
        """Where nobody gains alone; values ``(3 ** 9, 9)``."""
        cube = values.reshape(*[3] * 9, 9)
        gains = [cube[..., i].max(axis=i, keepdims=True) - cube[..., i] for i in range(9)]
        return (np.stack(gains) < 1e-12).all(axis=0).ravel()

    total = info["payoff"].sum(axis=1)
    under_g = stable(np.repeat(total[:, None], 9, axis=1))
    np.testing.assert_array_equal(stable(difference), under_g)
    best = np.flatnonzero(total > total.max() - 1e-12)
    assert under_g[best].all() and not stable(info["payoff"])[best].any()  # 2, 2 and 5 of them beat 3, 3 and 3


# -- episodes ------------------------------------------------------------------------------------------------


def test_every_end_is_a_step_like_all_others(scripted, total_effort, rewards_of):
    """Terminated, truncated and both: D is what each agent adds, 10^i times its action. Who has left adds nothing."""
    ends = {0: (1, True, False), 1: (2, False, True), 2: (3, True, True)}
    env = wrap(scripted(ends), DifferenceReward(total_effort, leave_out(total_effort)))
    for _ in range(2):
        found = rewards_of(env, (1, 2, 3), (9, 4, 5), (9, 9, 6))
        assert found == [{0: 1.0, 1: 20.0, 2: 300.0}, {1: 40.0, 2: 500.0}, {2: 600.0}]


def test_the_call_that_restarts_pays_nothing(congestion, welfare, without_each):
    env = wrap(congestion(2), DifferenceReward(welfare, without_each))
    env.reset(seed=0)
    alone = np.array([[0, 1, 2, 2]] * 2)
    paid = [env.step(alone) for _ in range(7)]
    for t, (_, reward, _, truncated, info) in enumerate(paid):
        assert truncated.all() == (t == 4)
        expected = [0.0] * 4 if t == 5 else [g(1), g(1), g(2) - g(1), g(2) - g(1)]
        assert reward[0] == pytest.approx(expected, rel=1e-14)
        assert bool(info["true_reward"].any()) == (t != 5)


@MODES
def test_wrapped_batch_equals_wrapped_parallel_games(mode, congestion, welfare, without_each, same_in_both_views):
    actions = np.random.default_rng(0).integers(0, 3, (23, 3, 4, 1)).astype(float)
    for counterfactual in (without_each, leave_out(welfare), replace_by(welfare, 1)):
        batch = wrap(congestion(3, autoreset_mode=mode), DifferenceReward(welfare, counterfactual))
        single = wrap(congestion(), DifferenceReward(welfare, counterfactual))
        ends = same_in_both_views(batch, single, actions, mode)
        assert ends[1] >= 9


def test_each_agent_collects_its_difference_in_turn(congestion, welfare, without_each):
    """PettingZoo's conversion adds up what an agent earned until its next turn: the same number, a round later."""
    actions = np.random.default_rng(1).integers(0, 3, (5, 4))
    parallel = wrap(congestion(), DifferenceReward(welfare, without_each))
    turns = parallel_to_aec(wrap(congestion(), DifferenceReward(welfare, without_each)))
    parallel.reset(seed=0), turns.reset(seed=0)
    earned = dict.fromkeys(parallel.agents, 0.0)
    for row in actions:
        for agent, action in zip(list(parallel.agents), row, strict=True):
            assert turns.agent_selection == agent
            _, reward, terminated, truncated, _ = turns.last()
            assert reward == earned[agent] and not terminated and not truncated
            turns.step(int(action))
        earned = parallel.step(dict(zip(parallel.agents, row.tolist(), strict=True)))[1]
    for agent in turns.possible_agents:
        assert turns.agent_selection == agent
        _, reward, _, truncated, _ = turns.last()
        assert reward == earned[agent] and truncated
        turns.step(None)


def test_it_has_no_memory(congestion, welfare, without_each):
    method = DifferenceReward(welfare, without_each)
    env, other = wrap(congestion(2), method), wrap(congestion(3), method)
    assert env.method is method and other.method is not method
    for e, copies in ((env, 2), (other, 3)):
        e.reset(seed=0)
        assert e.step(np.zeros((copies, 4)))[1].shape == (copies, 4)
        assert e.method.state_dict() == {}
    method.load_state_dict({})
    with pytest.raises(ValueError, match="got phi"):
        method.load_state_dict({"phi": np.zeros(8)})


def test_sums_of_what_was_paid(congestion):
    """With G the sum of payoffs (or rewards) and no counterfactual, everybody gets the welfare."""

    def nothing(team):
        return np.zeros(team.present.shape)

    for utility in (total_payoff, total_reward):
        env = wrap(congestion(2), DifferenceReward(utility, nothing))
        env.reset(seed=0)
        _, reward, _, _, info = env.step(np.array([[0, 0, 1, 2], [1, 1, 1, 1]]))
        np.testing.assert_allclose(reward, np.repeat(info["welfare"][:, None], 4, axis=1), rtol=1e-14)


def test_functions_see_the_step_by_copy_and_agent(congestion):
    """Observations before and after, actions, flags and info entries, all with a copy and an agent axis."""
    seen = []

    def look(team):
        seen.append(team)
        return np.zeros(len(team.present))

    env = wrap(congestion(3), DifferenceReward(look, lambda team: np.zeros(team.present.shape)))
    before, _ = env.reset(seed=0)
    action = np.arange(12).reshape(3, 4) % 3
    after, _, _, _, info = env.step(action)
    (team,) = seen
    np.testing.assert_array_equal(team.obs, before)
    np.testing.assert_array_equal(team.next_obs, after)
    np.testing.assert_array_equal(team.action, action)
    np.testing.assert_array_equal(team.reward, info["true_reward"])
    np.testing.assert_array_equal(team.entry("crowd"), info["crowd"])
    np.testing.assert_array_equal(team.entry("welfare"), np.repeat(info["welfare"][:, None], 4, axis=1))
    assert team.present.all() and not team.terminated.any() and not team.truncated.any()
    other = team.playing(2, 0.5)
    assert other.action[:, 2].tolist() == [0.5] * 3 and team.action.dtype.kind == "i"
    assert not team.without(1).present[:, 1].any() and team.present.all()


def test_observations_may_be_dicts(scripted, rewards_of):
    class Seen(scripted):
        _observation = gym.spaces.Dict({"x": gym.spaces.Box(0, 9, (2,), np.float32), "k": gym.spaces.Discrete(9)})

        def reset(self, seed=None, options=None):
            obs, infos = super().reset()
            return {a: self._see(a) for a in obs}, infos

        def step(self, actions):
            obs, *rest = super().step(actions)
            return {a: self._see(a) for a in obs}, *rest

        def _see(self, agent):
            return {"x": np.array([agent, self.t], np.float32), "k": agent}

    def utility(team):
        assert team.obs["x"].shape == (1, 3, 2) and team.obs["k"].shape == (1, 3)
        return np.where(team.present, team.next_obs["x"][..., 1] * (1 + team.next_obs["k"]), 0.0).sum(axis=1)

    env = wrap(Seen({a: (2, True, False) for a in range(3)}), DifferenceReward(utility, leave_out(utility)))
    assert rewards_of(env, (0, 0, 0), (0, 0, 0)) == [{0: 1.0, 1: 2.0, 2: 3.0}, {0: 2.0, 1: 4.0, 2: 6.0}]


def test_pettingzoo_checker_accepts_it(congestion, welfare, without_each):
    parallel_api_test(wrap(congestion(), DifferenceReward(welfare, without_each)), num_cycles=30)


# -- bad input -----------------------------------------------------------------------------------------------


def test_environments_of_one_agent_are_refused(welfare, without_each):
    for env in (gym.make("payoff/Congestion-v0"), gym.make_vec("payoff/Congestion-v0", num_envs=2)):
        with pytest.raises(TypeError, match="a method for teams needs a pettingzoo ParallelEnv or a multi-agent batch"):
            wrap(env, DifferenceReward(welfare, without_each))


def test_bad_functions_are_named(congestion, welfare, without_each):
    with pytest.raises(TypeError, match="utility must be a function of a Team, got 3"):
        DifferenceReward(3, without_each)
    with pytest.raises(TypeError, match="counterfactual must be a function of a Team, got None"):
        DifferenceReward(welfare, None)
    for make in (leave_out, lambda utility: replace_by(utility, 0)):
        with pytest.raises(ValueError, match=r"total_payoff reads what the real actions led to"):
            make(total_payoff)
    one = r"default must be one action of shape \(1,\) or 4 of them, got shape \(3, 1\)"
    bad = {
        r"utility congestion_without .*\(2,\), got shape \(2, 4\)": DifferenceReward(without_each, without_each),
        "counterfactual .*, got nan": DifferenceReward(welfare, lambda team: np.full((2, 4), np.nan)),
        one: DifferenceReward(welfare, replace_by(welfare, np.zeros((3, 1)))),
        "default must hold finite numbers, got 'go'": DifferenceReward(welfare, replace_by(welfare, "go")),
    }
    for message, method in bad.items():
        env = wrap(congestion(2), method)
        env.reset(seed=0)
        with pytest.raises(ValueError, match=message):
            env.step(np.zeros((2, 4, 1)))
