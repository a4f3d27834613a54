"""Games of collective action: every view starts an episode clean."""

import gymnasium as gym
import numpy as np
import pytest

import payoff

TEAM, LOYAL, COALITION = "payoff/TeamProduction-v0", "payoff/LoyaltyTeam-v0", "payoff/CoalitionFormation-v0"
APACHE, GOODS = "payoff/ApacheProject-v0", "payoff/PublicGoods-v0"


SMALL = [(TEAM, {}), (LOYAL, {}), (COALITION, {}), (GOODS, {}), (APACHE, {"phase": "emergence"})]


def _multi(game, rates, keywords):
    env = payoff.multi_agent_vec(game, 1, **keywords)

    def episode():
        _, info = env.reset()
        out = [info["loyalty"][0]]
        for rate in rates:
            _, reward, terminated, truncated, info = env.step(rate[None, :, None] * env.action_high)
            out += [reward[0], info["loyalty"][0], terminated, truncated]
        return out

    return episode


def _vector(game, rates, keywords):
    env = gym.make_vec(
        game,
        num_envs=1,
        vectorization_mode="vector_entry_point",
        control="joint",
        **keywords,
    )

    def episode():
        _, info = env.reset()
        out = [info["loyalty"][0]]
        for rate in rates:
            _, _, terminated, truncated, info = env.step(rate[None] * env.single_action_space.high)
            out += [info["rewards"][0], info["loyalty"][0], terminated, truncated]
        return out

    return episode


def _gymnasium(game, rates, keywords):
    env = gym.make(game, control="joint", disable_env_checker=True, **keywords)

    def episode():
        _, info = env.reset()
        out = [info["loyalty"]]
        for rate in rates:
            _, _, terminated, truncated, info = env.step(rate * env.action_space.high)
            out += [info["rewards"], info["loyalty"], [terminated], [truncated]]
        return out

    return episode


def _parallel(game, rates, keywords):
    env = payoff.parallel_env(game, **keywords)

    def episode():
        _, infos = env.reset()
        agents = env.possible_agents
        out = [[infos[a]["loyalty"] for a in agents]]
        for rate in rates:
            spaces = [env.action_space(a) for a in agents]
            actions = {a: np.float32(r) * s.high for a, r, s in zip(agents, rate, spaces, strict=True)}
            _, reward, terminated, truncated, infos = env.step(actions)
            out += [list(reward.values()), [infos[a]["loyalty"] for a in agents]]
            out += [[any(terminated.values())], [any(truncated.values())]]
        return out

    return episode


def _aec(game, rates, keywords):
    env = payoff.aec_env(game, **keywords).unwrapped

    def episode():
        env.reset()
        out = [[env.infos[a]["loyalty"] for a in env.possible_agents]]
        for rate in rates:
            for i, agent in enumerate(env.possible_agents):
                env.step(np.float32(rate[i]) * env.action_space(agent).high)
            out += [list(env.rewards.values()), [env.infos[a]["loyalty"] for a in env.possible_agents]]
            out += [[any(env.terminations.values())], [any(env.truncations.values())]]
        return out

    return episode


@pytest.mark.parametrize("view", [_multi, _vector, _gymnasium, _parallel, _aec], ids=lambda v: v.__name__[1:])
@pytest.mark.parametrize(("game", "keywords"), SMALL)
def test_nothing_leaks_into_the_next_episode(game, keywords, view):
    """Twenty steps without effort, twice: the same rewards, loyalty and flags."""
    n = payoff.multi_agent_vec(game, 1, **keywords).num_agents
    episode = view(game, np.zeros((20, n)), keywords)
    first, second = episode(), episode()
    for x, y in zip(first, second, strict=True):
        np.testing.assert_array_equal(x, y)
    if game != TEAM:
        assert np.max(first[-3]) < np.max(first[0])  # there was something to leak
