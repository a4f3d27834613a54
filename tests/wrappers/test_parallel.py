"""The ParallelEnv adapter: agents that leave at different times, come later, or differ in their spaces."""

import gymnasium as gym
import numpy as np
import pytest
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.test import parallel_api_test

from payoff.wrappers import RewardMethod, from_info, wrap

GAMMA = 0.9
LEAVES = {"terminated": (2, True, False), "truncated": (4, False, True), "both": (5, True, True)}


class Leaving(ParallelEnv):
    """Each agent leaves at its own time, in the way that its name says; "late" joins at step 2 and stays to the end."""

    metadata = {"name": "leaving"}  # noqa: RUF012

    def __init__(self, late=False, other_space=False):
        self.possible_agents = [*LEAVES, "late"] if late else list(LEAVES)
        self.agents = []
        self.other_space = other_space

    def observation_space(self, agent):
        wide = self.other_space and agent == "both"
        return self._spaces[agent, wide]

    def action_space(self, agent):
        return self._spaces["action"]

    _spaces = {(a, w): gym.spaces.Box(0, 1, (2 + w,), np.float32) for a in (*LEAVES, "late") for w in (False, True)}  # noqa: RUF012
    _spaces["action"] = gym.spaces.Discrete(3)

    def reset(self, seed=None, options=None):
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        self.t, self.agents = 0, list(LEAVES)
        return self._obs(), {a: self._info(a, 0.0) for a in self.agents}

    def step(self, actions):
        self.t += 1
        rewards = {a: float(self.rng.normal()) for a in self.agents}
        flags = {a: LEAVES.get(a, (5, False, True)) for a in self.agents}
        gone = {a: self.t >= flags[a][0] for a in self.agents}
        obs = self._obs()
        if "late" in self.possible_agents and self.t == 2:
            obs["late"] = self.observation_space("late").low + 0.5
        infos = {a: self._info(a, rewards.get(a, 0.0)) for a in obs}
        terminated = {a: gone[a] and flags[a][1] for a in self.agents}
        truncated = {a: gone[a] and flags[a][2] for a in self.agents}
        self.agents = [a for a in obs if not gone.get(a, False)]
        return obs, rewards, terminated, truncated, infos

    def _obs(self):
        return {a: self.rng.random(self.observation_space(a).shape, dtype=np.float32) for a in self.agents}

    def _info(self, agent, reward):
        return {"progress": self.t / 5 + len(agent), "reward_terms": {"payoff": reward + 1.0, "layer": -1.0}}


def play(env, episodes=3):
    """Results of each step by episode, with the first observations."""
    out = []
    for episode in range(episodes):
        results = [env.reset(seed=episode)]
        while env.agents:
            results.append(env.step({a: 1 for a in env.agents}))
        out.append(results)
    return out


@pytest.mark.parametrize("on_truncation", ["bootstrap", "terminal"])
def test_discounted_shaping_telescopes_for_each_agent(on_truncation, shaping, potential):
    for first, *steps in play(wrap(Leaving(), shaping(on_truncation))):
        for agent, (length, terminated, _) in LEAVES.items():
            assert first[1][agent]["reward_terms"]["shaping"] == 0.0
            terms = [s[4][agent]["reward_terms"]["shaping"] for s in steps if agent in s[1]]
            assert len(terms) == length
            total = sum(GAMMA**t * term for t, term in enumerate(terms))
            left = on_truncation == "bootstrap" and not terminated
            last = potential(steps[length - 1][0][agent], None)
            expected = left * GAMMA**length * last - potential(first[0][agent], None)
            assert total == pytest.approx(expected, abs=1e-6)


def test_rewards_terms_and_true_reward_are_each_agents_own(shaping):
    bare, once = play(Leaving()), play(wrap(Leaving(), shaping()))
    twice = play(wrap(wrap(Leaving(), shaping()), shaping("terminal", shift=3.0)))
    for plain, one, two in zip(bare, once, twice, strict=True):
        for (obs, true, *flags, _), first, second in zip(plain[1:], one[1:], two[1:], strict=True):
            for results in (first, second):
                assert results[1].keys() == true.keys()
                assert results[2:4] == tuple(flags)
                for agent in true:
                    np.testing.assert_array_equal(results[0][agent], obs[agent])
                    info = results[4][agent]
                    assert info["true_reward"] == true[agent]
                    assert sum(info["reward_terms"].values()) == pytest.approx(results[1][agent], abs=1e-12)
                    assert info["reward_terms"]["payoff"] == true[agent] + 1.0


def test_agents_that_left_are_masked(potential, shaping):
    rows = []

    def counted(obs, info):
        rows.append(len(obs))
        np.testing.assert_array_equal(info["progress"].shape, (len(obs),))
        return potential(obs, info)

    play(wrap(Leaving(), shaping(potential=counted)), episodes=1)
    # all three at the start, then whoever has not terminated: "truncated" also at its end, "both" not at its own
    assert rows == [3, 3, 2, 2, 2]


class PaidOnArrival(Leaving):
    """The agent that comes later has a reward in its first entry, before it has seen or done anything."""

    def step(self, actions):
        obs, rewards, *rest = super().step(actions)
        if "late" in obs and "late" not in rewards:
            rewards["late"] = 5.0
        return obs, rewards, *rest


@pytest.mark.parametrize("kind", [Leaving, PaidOnArrival])
def test_agent_that_comes_later_starts_there(kind, shaping, potential):
    ((_, *steps),) = play(wrap(kind(late=True), shaping("terminal")), episodes=1)
    assert ["late" in s[0] for s in steps] == [False, True, True, True, True]
    assert ["late" in s[1] for s in steps] == [False, kind is PaidOnArrival, True, True, True]
    assert steps[1][1].get("late", 5.0) == 5.0
    total = sum(GAMMA**t * s[4]["late"]["reward_terms"]["shaping"] for t, s in enumerate(steps[2:]))
    assert total == pytest.approx(-potential(np.full(2, 0.5, np.float32), None), abs=1e-6)
    assert "shaping" not in steps[1][4]["late"]["reward_terms"]  # there was no step yet


def test_rows_stand_in_the_order_of_the_names():
    class Looking(RewardMethod):
        def __init__(self):
            self.seen = []

        def __call__(self, t):
            self.seen.append(t)
            return t.reward * 2.0

    method = Looking()
    ((_, *steps),) = play(wrap(Leaving(), method), episodes=1)
    names = list(LEAVES)
    for t, (obs, rewards, terminated, truncated, infos) in zip(method.seen, steps, strict=True):
        assert t.active.tolist() == [a in rewards for a in names]
        for row, agent in enumerate(names):
            if agent in rewards:
                np.testing.assert_array_equal(t.next_obs[row], obs[agent])
                assert (t.terminated[row], t.truncated[row]) == (terminated[agent], truncated[agent])
                assert rewards[agent] == 2.0 * t.reward[row] == 2.0 * infos[agent]["true_reward"]
                assert t.info["progress"][row] == infos[agent]["progress"]
                assert t.info["reward_terms"]["layer"][row] == -1.0
            else:
                assert t.reward[row] == t.info["progress"][row] == 0.0
    np.testing.assert_array_equal(method.seen[1].obs, method.seen[0].next_obs)


def test_missing_entry_of_one_agent_is_named(shaping):
    class Sparse(Leaving):
        def _info(self, agent, reward):
            return {} if agent == "both" else {"progress": 0.0}

    with pytest.raises(KeyError, match=r"info has no 'progress' in rows \[2\]"):
        wrap(Sparse(), shaping(potential=from_info("progress"))).reset(seed=0)


def test_agents_with_different_spaces_come_as_objects(shaping):
    def lengths(obs, info):
        return np.array([len(o) for o in obs], dtype=float)

    env = wrap(Leaving(other_space=True), shaping("terminal", potential=lengths))
    env.reset(seed=0)
    infos = env.step({a: 0 for a in env.agents})[4]
    found = [infos[a]["reward_terms"]["shaping"] for a in LEAVES]
    assert found == pytest.approx([-0.2, -0.2, -0.3], abs=1e-12)


class InPlace(Leaving):
    """Agents with different spaces, whose observations are the same arrays at every step, written into."""

    def __init__(self):
        super().__init__(other_space=True)
        self.shown = {}

    def _kept(self, obs):
        for agent, value in obs.items():
            np.copyto(self.shown.setdefault(agent, np.zeros_like(value)), value)
        return {a: self.shown[a] for a in obs}

    def reset(self, **keywords):
        obs, infos = super().reset(**keywords)
        return self._kept(obs), infos

    def step(self, actions):
        obs, *rest = super().step(actions)
        return self._kept(obs), *rest


def test_observations_as_objects_are_copied_too():
    class Looking(RewardMethod):
        def __init__(self):
            self.seen = []

        def __call__(self, t):
            self.seen.append(t)
            return t.reward.copy()

    def transitions(env):
        method = Looking()
        play(wrap(env, method), episodes=2)
        return [[[x.tolist() for x in side[t.active]] for side in (t.obs, t.next_obs)] for t in method.seen]

    found = transitions(InPlace())
    assert found == transitions(Leaving(other_space=True))
    assert any(before != after for before, after in found)


class PaidInTurn(Leaving):
    """Every agent sees every round, but the second round has a reward for the first of them only."""

    def step(self, actions):
        obs, rewards, *rest = super().step(actions)
        return obs, {"terminated": rewards["terminated"]} if self.t == 2 else rewards, *rest


def test_an_agent_without_a_reward_keeps_what_is_known_of_it(shaping):
    """Its next step leads from the state of round 1 to that of round 3."""
    env = wrap(PaidInTurn(), shaping(potential=from_info("progress")))
    env.reset(seed=0)
    infos = [env.step({a: 0 for a in env.agents})[4]["both"] for _ in range(3)]
    assert "shaping" not in infos[1]["reward_terms"]
    found = infos[2]["reward_terms"]["shaping"]
    assert found == pytest.approx(GAMMA * infos[2]["progress"] - infos[0]["progress"], abs=1e-12)


def test_pettingzoo_checker_accepts_it(shaping):
    parallel_api_test(wrap(Leaving(), shaping()), num_cycles=30)


def test_agents_must_be_known_beforehand(shaping):
    env = Leaving()
    del env.possible_agents
    with pytest.raises(ValueError, match="possible_agents"):
        wrap(env, shaping())


def test_turn_based_environments_are_refused_with_the_way_round(shaping):
    class Turns(AECEnv):
        pass

    with pytest.raises(TypeError, match="wrap the parallel environment"):
        wrap(Turns(), shaping())
