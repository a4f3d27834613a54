"""Simulated counterfactuals: against closed forms and against games played by hand, in every mode, and undone."""

import copy
import math

import gymnasium as gym
import numpy as np
import pytest
from pettingzoo.test import parallel_api_test

import payoff
from payoff.wrappers import WrapperSnapshot, wrap
from payoff.wrappers.multi_agent.counterfactual import CounterfactualPotential
from payoff.wrappers.multi_agent.difference import DifferenceReward
from payoff.wrappers.multi_agent.simulation import SimulatedVec, simulate
from payoff.wrappers.multi_agent.utility import from_simulation, replace_by, total_payoff

TRUST = "payoff/TrustDilemma-v0"
MODES = pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])


@MODES
@pytest.mark.parametrize("default", [0, [2, 1, 0, 1]])
def test_agrees_with_the_closed_form(mode, default, congestion, welfare):
    """Difference rewards and CaP from a formula and from play, every step of several episodes."""
    pairs = [
        (DifferenceReward, {}),
        (CounterfactualPotential, {"gamma": 0.9, "on_truncation": "bootstrap"}),
    ]
    actions = np.random.default_rng(0).integers(0, 3, (23, 3, 4))
    for kind, keywords in pairs:
        formula = wrap(congestion(3, autoreset_mode=mode), kind(welfare, replace_by(welfare, default), **keywords))
        played = simulate(congestion(3, autoreset_mode=mode), default)
        played = wrap(played, kind(total_payoff, from_simulation, **keywords))
        formula.reset(seed=0), played.reset(seed=0)
        for action in actions:
            expected, found = formula.step(action), played.step(action)
            np.testing.assert_array_equal(found[0], expected[0])
            np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=1e-14)
            np.testing.assert_array_equal(found[4]["payoff"], expected[4]["payoff"])
            if mode == "disabled" and found[3].any():
                for env in (formula, played):
                    env.reset(options={"reset_mask": found[3]})


def test_agrees_with_games_played_by_hand():
    """TrustDilemma: what an agent's effort was worth to both in this step, next to twins in which it made none."""
    env = simulate(payoff.multi_agent_vec(TRUST, 1), 0.0)
    assert not env.reset(seed=0)[1]["counterfactual"].any()
    twin = payoff.multi_agent_vec(TRUST, 1)
    twin.reset(seed=0)
    past = []
    for action in np.random.default_rng(0).random((25, 2, 1)) * 100:
        info = env.step(action[None])[4]
        for i in range(2):
            twin.reset(seed=0)
            for earlier in past:
                twin.step(earlier)
            other = action.copy()
            other[i] = 0.0
            assert info["counterfactual"][0, i] == twin.step(other[None])[4]["payoff"].sum()
        past.append(action[None])


def test_draws_are_the_same_in_all_branches():
    """A slip hits the default action as it hit the chosen one: doing the default makes no difference, ever."""
    for seed in range(3):
        env = wrap(
            simulate(payoff.multi_agent_vec("payoff/FourRooms-v0", 16, max_steps=30), 2),
            DifferenceReward(total_payoff, from_simulation),
        )
        bare = payoff.multi_agent_vec("payoff/FourRooms-v0", 16, max_steps=30)
        env.reset(seed=seed), bare.reset(seed=seed)
        cells = set()
        for _ in range(40):
            obs, reward, *_ = env.step(np.full((16, 1), 2))
            np.testing.assert_array_equal(obs, bare.step(np.full((16, 1), 2))[0])
            assert not reward.any()
            cells |= {o.tobytes() for o in obs[:, 0]}
        assert len(cells) > 5  # they do slip


@MODES
def test_wrapped_batch_equals_wrapped_parallel_games(mode, same_in_both_views):
    """Over terminations and truncations; the numbers of a step that ended belong to the step in same-step mode."""

    def method():
        return DifferenceReward(total_payoff, from_simulation)

    game = {"max_steps": 12}
    batch = wrap(simulate(payoff.multi_agent_vec(TRUST, 3, autoreset_mode=mode, **game), 10.0), method())
    single = wrap(simulate(payoff.parallel_env(TRUST, **game), np.array([10.0], np.float32)), method())
    actions = 100.0 * np.random.default_rng(0).random((40, 3, 2, 1), dtype=np.float32).astype(float)
    actions[:, 0] = 0.0
    assert same_in_both_views(batch, single, actions, mode).min() > 0


def test_ended_and_restarted_copies(congestion):
    """Congestion, four alone or together: the last step has its counterfactual, the restart has none."""
    split, joined = 2 * math.exp(-1 / 1.5), 2 * math.exp(-2 / 1.5)
    for mode, restarted in (("next_step", True), ("same_step", False)):
        env = simulate(congestion(2, n_agents=2, max_steps=2, autoreset_mode=mode), 0)
        env.reset(seed=0)
        found = [env.step(np.array([[0, 1]] * 2))[4] for _ in range(4)]
        for t, info in enumerate(found):
            if "final_info" in info:
                assert t in (1, 3) and mode == "same_step"
                assert not info["counterfactual"].any()  # as at any start
                info = info["final_info"]
            expected = [0.0, 0.0] if restarted and t == 2 else [split, joined]
            assert info["counterfactual"].tolist() == [pytest.approx(expected)] * 2


def test_nothing_of_it_is_left_behind(congestion):
    """Observations, rewards, info and state are those of the bare game; snapshots too."""
    env, bare = simulate(congestion(3), 1), congestion(3)
    one, two = simulate(congestion(), 1), congestion()
    for e in (env, bare, one, two):
        e.reset(seed=0)
    for t, action in enumerate(np.random.default_rng(0).integers(0, 3, (13, 3, 4))):
        found, expected = env.step(action), bare.step(action)
        for a, b in zip(found[:4], expected[:4], strict=True):
            np.testing.assert_array_equal(a, b)
        assert set(found[4]) == {*expected[4], "counterfactual"}
        for name, array in env.snapshot().arrays().items():
            np.testing.assert_array_equal(array, bare.snapshot().arrays()[name])
        if t % 6 == 5:
            one.reset(), two.reset()
        sent = dict(zip(two.possible_agents, action[0].tolist(), strict=True))
        if two.agents:
            found, expected = one.step(sent), two.step(sent)
            assert found[1:4] == expected[1:4] and one.agents == two.agents
            for name, array in one.snapshot().arrays().items():
                np.testing.assert_array_equal(array, two.snapshot().arrays()[name])


def test_resume_in_the_middle_of_an_episode(congestion):
    def make():
        method = CounterfactualPotential(total_payoff, from_simulation, gamma=0.9, on_truncation="bootstrap")
        return wrap(simulate(congestion(2), 0), method)

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


def test_a_bad_action_changes_nothing(congestion):
    env, one = simulate(congestion(2), 0), simulate(congestion(), 0)
    env.reset(seed=0), one.reset(seed=0)
    env.step(np.ones((2, 4))), one.step(dict.fromkeys(one.agents, 1))
    for e, bad in ((env, np.full((2, 4), 3)), (env, np.zeros((2, 3))), (one, {**dict.fromkeys(one.agents, 1), "x": 1})):
        before = e.snapshot().arrays()
        with pytest.raises(ValueError, match="must"):
            e.step(bad)
        for name, array in e.snapshot().arrays().items():
            np.testing.assert_array_equal(array, before[name])


def test_a_failing_branch_undoes_the_step():
    """A user's reward function that cannot stand the default: then nothing has happened."""

    def fussy(given):
        if (given.action == 0.0).any():
            raise RuntimeError("no zeros")
        return given.payoff

    env = simulate(payoff.multi_agent_vec(TRUST, 2, reward=fussy), 0.0)
    env.reset(seed=0)
    before = env.snapshot().arrays()
    with pytest.raises(RuntimeError, match="no zeros"):
        env.step(np.full((2, 2, 1), 50.0))
    for name, array in env.snapshot().arrays().items():
        np.testing.assert_array_equal(array, before[name])


def test_bad_arguments_are_named(congestion):
    with pytest.raises(TypeError, match="env must be a ParallelEnv or a multi-agent batch"):
        simulate(gym.make(TRUST), 0.0)
    for make in (lambda d: simulate(congestion(2), d), lambda d: simulate(congestion(), d)):
        for bad in (3, -1, 0.5, [0, 1, 2], "stay", np.nan):
            with pytest.raises(ValueError, match="default must"):
                make(bad)
    with pytest.raises(ValueError, match="default must name exactly the agents"):
        simulate(congestion(), {"agent_0": 1})
    mapped = simulate(congestion(), {f"agent_{i}": 1 for i in range(4)})
    assert mapped.default["agent_3"] == 1
    with pytest.raises(ValueError, match=r"default must be an action of every agent, numbers from -1 to 1, got 3"):
        simulate(payoff.multi_agent_vec(TRUST, 2, actions="unit"), 3)
    with pytest.raises(KeyError, match="info has no 'counterfactual'"):
        env = wrap(congestion(2), DifferenceReward(total_payoff, from_simulation))
        env.reset(seed=0)
        env.step(np.zeros((2, 4)))


def test_environments_without_snapshots_are_refused(scripted):
    with pytest.raises(TypeError, match=r"Team has no snapshot\(\)"):
        simulate(scripted({}), 0)


def test_it_passes_the_rest_through(congestion):
    env = simulate(congestion(2), 0)
    assert isinstance(env, SimulatedVec) and env.num_agents == 4 and env.discrete
    env.reset(seed=0)
    assert env.state().shape == (2, 6)
    twin = copy.deepcopy(env)
    np.testing.assert_array_equal(twin.step(np.ones((2, 4)))[1], env.step(np.ones((2, 4)))[1])
    parallel_api_test(simulate(congestion(), 0), num_cycles=30)
