"""A method that fails after the environment has moved: the wrapper refuses to go on until both start over together."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from pettingzoo import ParallelEnv

import payoff
from payoff.wrappers import BonusReward, Count, MachineReward, PotentialShaping, RewardMethod, wrap
from payoff.wrappers.objectives.augment import augment
from payoff.wrappers.objectives.labels import Labels
from payoff.wrappers.objectives.reward_machine import Edge, reward_machine

GAME = "payoff/KeyRoom-v0"
SETTINGS = {"size": 5, "max_steps": 6}


class Fault:
    """A potential that is as it should be, raises, or says NaN, as it is told."""

    def __init__(self):
        self.kind = None

    def __call__(self, obs, info):
        if self.kind == "raises":
            raise RuntimeError("no such state")
        value = np.square(np.asarray(obs, dtype=np.float64)).reshape(len(obs), -1).sum(axis=1)
        return value * np.nan if self.kind == "nan" else value


class Reading(RewardMethod):
    """Reads what was acted on, so that the wrapper must remember it."""

    def __init__(self, fault):
        self.fault = fault

    def __call__(self, t):
        return t.reward + self.fault(t.next_obs, t.info) - self.fault(t.obs, t.info)


METHODS = {"potential": lambda fault: PotentialShaping(fault, gamma=0.9, on_truncation="terminal"), "reading": Reading}


class Rounds(ParallelEnv):
    """Somebody else's environment of two agents: a random walk each, for six rounds."""

    metadata = {"name": "rounds"}  # noqa: RUF012
    possible_agents = ["a", "b"]  # noqa: RUF012

    def observation_space(self, agent):
        return gym.spaces.Box(-np.inf, np.inf, (1,), np.float64)

    def action_space(self, agent):
        return gym.spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        self.rng = np.random.default_rng(seed)
        self.t, self.x, self.agents = 0, self.rng.normal(size=2), ["a", "b"]
        return self._obs(), {a: {} for a in self.agents}

    def step(self, actions):
        self.t += 1
        self.x = self.x + self.rng.normal(size=2)
        over, names = self.t >= 6, self.agents
        self.agents = [] if over else names
        return self._obs(), dict.fromkeys(names, 1.0), dict.fromkeys(names, False), dict.fromkeys(names, over), {}

    def _obs(self):
        return {a: self.x[i : i + 1] for i, a in enumerate(self.possible_agents)}


def cart_poles(mode=AutoresetMode.NEXT_STEP):
    return SyncVectorEnv([lambda: gym.make("CartPole-v1", max_episode_steps=6)] * 3, autoreset_mode=mode)


def games(mode=AutoresetMode.NEXT_STEP):
    return gym.make_vec(GAME, num_envs=3, vectorization_mode="vector_entry_point", autoreset_mode=mode, **SETTINGS)


SAME = AutoresetMode.SAME_STEP
WORLDS = {
    "CartPole": (lambda: gym.make("CartPole-v1"), 1),
    "game": (lambda: gym.make(GAME, **SETTINGS), 1),
    "CartPole vector": (cart_poles, np.array([1, 0, 1])),
    "CartPole vector, same step": (lambda: cart_poles(SAME), np.array([1, 0, 1])),
    "game vector": (games, np.array([1, 2, 2])),
    "game vector, same step": (lambda: games(SAME), np.array([1, 2, 2])),
    "parallel": (Rounds, {"a": 1, "b": 0}),
    "game parallel": (lambda: payoff.parallel_env("payoff/TrustDilemma-v0"), {"agent_0": [30.0], "agent_1": [60.0]}),
    "game batch": (lambda: payoff.multi_agent_vec("payoff/TrustDilemma-v0", 3), np.full((3, 2, 1), 40.0)),
}


class Counted:
    """Counts the calls of ``step`` and ``reset`` of an environment."""

    def __init__(self, env):
        self.steps = self.resets = 0
        step, reset = env.step, env.reset

        def counted_step(*args):
            self.steps += 1
            return step(*args)

        def counted_reset(*args, **keywords):
            self.resets += 1
            return reset(*args, **keywords)

        env.step, env.reset = counted_step, counted_reset


def rewards(env, action, steps=5):
    """Rewards of a play from a seed, one row a step."""
    env.reset(seed=3)
    found = [env.step(action)[1] for _ in range(steps)]
    return np.array([list(r.values()) if isinstance(r, dict) else r for r in found])


@pytest.mark.parametrize("kind", ["raises", "nan"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("world", WORLDS)
def test_after_a_failed_step_only_a_full_reset_goes_on(world, method, kind):
    make, action = WORLDS[world]
    inner, fault = make(), Fault()
    calls = Counted(inner)
    env = wrap(inner, METHODS[method](fault))
    env.reset(seed=0)
    env.step(action)
    fault.kind = kind
    with pytest.raises((RuntimeError, ValueError), match=r"no such state|\bnan\b"):
        env.step(action)
    fault.kind = None
    assert calls.steps == 2
    name = "PotentialShaping" if method == "potential" else "Reading"
    for _ in range(2):
        with pytest.raises(gym.error.ResetNeeded, match=rf"{name} failed .*(no such state|nan).* call reset\(\)"):
            env.step(action)
    if "vector" in world or "batch" in world:
        with pytest.raises(gym.error.ResetNeeded, match=r"reset\(\) without options\['reset_mask'\]"):
            env.reset(options={"reset_mask": np.array([True, False, True])})
    assert (calls.steps, calls.resets) == (2, 1)  # nothing was played behind the wrapper's back
    healed, fresh = rewards(env, action), rewards(wrap(make(), METHODS[method](Fault())), action)
    np.testing.assert_array_equal(healed, fresh)


@pytest.mark.parametrize("kind", ["raises", "nan"])
@pytest.mark.parametrize("world", WORLDS)
def test_after_a_failed_reset_there_is_nothing_to_step(world, kind):
    make, action = WORLDS[world]
    fault = Fault()
    env = wrap(make(), METHODS["potential"](fault))
    for before in (None, "played"):
        if before:
            rewards(env, action, 2)
        fault.kind = kind
        with pytest.raises((RuntimeError, ValueError), match=r"no such state|\bnan\b"):
            env.reset(seed=0)
        fault.kind = None
        with pytest.raises(gym.error.ResetNeeded, match="PotentialShaping failed"):
            env.step(action)
    np.testing.assert_array_equal(rewards(env, action), rewards(wrap(make(), METHODS["potential"](Fault())), action))


@pytest.mark.parametrize("make", [cart_poles, games], ids=["CartPole", "game"])
def test_a_failed_masked_reset_and_a_failed_restart_count_too(make):
    for mode, options in ((AutoresetMode.DISABLED, {"reset_mask": np.array([False, True, False])}), (SAME, None)):
        fault = Fault()
        env = wrap(make(mode), METHODS["potential"](fault))
        env.reset(seed=0)
        action = np.array([1, 1, 1])
        if options is None:  # all copies are cut off by the sixth step, whose potential alone counts as 0
            for _ in range(5):
                env.step(action)
        fault.kind = "raises"
        with pytest.raises(RuntimeError, match="no such state"):
            env.step(action) if options is None else env.reset(options=options)
        fault.kind = None
        with pytest.raises(gym.error.ResetNeeded, match="PotentialShaping failed"):
            env.step(action)


def test_a_mask_of_all_copies_is_a_full_reset():
    fault = Fault()
    env = wrap(games(), METHODS["potential"](fault))
    env.reset(seed=0)
    fault.kind = "raises"
    with pytest.raises(RuntimeError):
        env.step(np.array([1, 1, 1]))
    fault.kind = None
    env.reset(options={"reset_mask": np.array([True, True, True])})
    assert env.step(np.array([1, 1, 1]))[1].shape == (3,)


def test_an_action_that_the_environment_refuses_is_no_failure():
    env = wrap(gym.make(GAME, **SETTINGS), METHODS["potential"](Fault()))
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action"):
        env.step(99)
    assert env.step(1)[1] is not None


@pytest.mark.parametrize("inside", [False, True])
def test_two_wrappers_fail_and_start_over_together(inside):
    fault, other = Fault(), Fault()
    env = wrap(wrap(games(), METHODS["potential"](fault)), METHODS["reading"](other))
    env.reset(seed=0)
    (fault if inside else other).kind = "nan"
    with pytest.raises(ValueError, match="nan"):
        env.step(np.array([1, 1, 1]))
    fault.kind = other.kind = None
    with pytest.raises(gym.error.ResetNeeded, match="PotentialShaping failed" if inside else "Reading failed"):
        env.step(np.array([1, 1, 1]))
    reference = wrap(wrap(games(), METHODS["potential"](Fault())), METHODS["reading"](Fault()))
    np.testing.assert_array_equal(rewards(env, np.array([1, 2, 2])), rewards(reference, np.array([1, 2, 2])))


@pytest.mark.parametrize("world", ["game", "game vector", "game parallel", "game batch"])
def test_a_snapshot_from_before_heals_and_none_can_be_taken_after(world):
    make, action = WORLDS[world]
    fault = Fault()
    env = wrap(wrap(make(), METHODS["potential"](fault)), METHODS["potential"](Fault()))
    env.reset(seed=0)
    env.step(action)
    before = env.snapshot()
    expected = env.step(action)[1]
    fault.kind = "nan"
    with pytest.raises(ValueError, match="nan"):
        env.step(action)
    fault.kind = None
    with pytest.raises(gym.error.ResetNeeded, match="PotentialShaping failed"):
        env.snapshot()
    env.restore(before)
    np.testing.assert_equal(env.step(action)[1], expected)


def test_bonuses_and_machines_are_held_to_the_same(walk):
    fault = Fault()

    def key(obs, info):
        fault(obs, info)
        return obs

    def paid(t):
        return fault(t.next_obs, t.info)

    machine = reward_machine([Edge("a", "true", "a", paid)], initial="a", symbols=["s"])
    labels = Labels({"s": lambda t: t.next_obs[:, 0] > 0})
    for env in (wrap(walk(), BonusReward(Count(key), coef=1.0)), augment(walk(), MachineReward(machine, labels))):
        env.reset(seed=0)
        fault.kind = "raises"
        with pytest.raises(RuntimeError, match="no such state"):
            env.step(1)
        fault.kind = None
        with pytest.raises(gym.error.ResetNeeded, match="failed"):
            env.step(1)
        env.reset(seed=0)
        env.step(1)
