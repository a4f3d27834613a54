"""Views against numbers that come from outside the engine: worked examples, hand calculations, definitions."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.calibration import collect
from payoff.envs.core import rng
from payoff.envs.core.state import KEY
from payoff.envs.views.snapshot import Snapshot

SLCD, TRUST = "payoff/SLCD-v0", "payoff/TrustDilemma-v0"
PRIVATE = (142.754289, 142.309880)  # specification 5.1: actions (60, 55), shares (0.55, 0.45)


@pytest.mark.parametrize("info", ["full", "minimal"])
def test_joint_control_is_paid_the_mean_in_every_view(info):
    """142.532084, half of the sum: a single environment, a batch of two, and both modes of a vector of environments."""
    mean, action = sum(PRIVATE) / 2, np.array([60.0, 55.0])
    words = {"control": "joint", "reward": "private", "info": info}
    env = gym.make(SLCD, **words)
    env.reset(seed=0)
    assert env.step(action)[1] == pytest.approx(mean, abs=1e-6)
    for mode in ("vector_entry_point", "sync"):
        batch = gym.make_vec(SLCD, num_envs=2, vectorization_mode=mode, **words)
        batch.reset(seed=0)
        _, rewards, *_, told = batch.step(np.stack([action, action]).astype(np.float32))
        np.testing.assert_allclose(rewards, mean, atol=1e-6)
        np.testing.assert_allclose(told["payoff"], [PRIVATE, PRIVATE], atol=1e-6)


def test_each_seat_is_paid_its_own():
    for seat, paid in enumerate(PRIVATE):
        words = {"agent": seat, "partners": f"constant:{(0.55, 0.60)[seat]}", "reward": "private"}
        action = np.array([(60.0, 55.0)[seat]])
        env = gym.make(SLCD, **words)
        env.reset(seed=0)
        batch = gym.make_vec(SLCD, num_envs=2, vectorization_mode="vector_entry_point", **words)
        batch.reset(seed=0)
        assert env.step(action)[1] == pytest.approx(paid, abs=1e-6)
        np.testing.assert_allclose(batch.step(np.stack([action, action]))[1], paid, atol=1e-6)
    players = payoff.parallel_env(SLCD, reward="private")
    players.reset(seed=0)
    rewards = players.step({"agent_0": np.array([60.0]), "agent_1": np.array([55.0])})[1]
    assert list(rewards.values()) == [pytest.approx(x, abs=1e-6) for x in PRIVATE]


BATCHES = {
    "vector": lambda n, **words: (
        gym.make_vec("payoff/WatchRepair-v0", num_envs=n, vectorization_mode="vector_entry_point", **words).unwrapped
    ),
    "joint": lambda n, **words: (
        gym.make_vec(
            "payoff/WatchRepair-v0", num_envs=n, vectorization_mode="vector_entry_point", control="joint", **words
        ).unwrapped
    ),
    "multi": lambda n, **words: payoff.multi_agent_vec("payoff/WatchRepair-v0", n, **words),
}


@pytest.mark.parametrize("view", BATCHES)
@pytest.mark.parametrize("seed", [70, [70, 71, 72, 73]])
def test_a_reset_with_a_mask_seeds_only_the_copies_that_it_starts(view, seed):
    """The others stay in their streams, through this episode and into the next ones."""
    env, twin = (BATCHES[view](4, max_steps=3, autoreset_mode="next_step") for _ in range(2))
    env.reset(seed=5)
    twin.reset(seed=5)
    engine, other = env.engine, twin.engine
    send = np.zeros((4, 1, 1) if view == "multi" else (4, 1), dtype=np.int64)
    env.step(send)
    twin.step(send)
    mask = np.array([True, False, True, False])
    env.reset(seed=seed, options={"reset_mask": mask})
    assert engine.state[:, KEY].tolist() == [rng.seed_key(s) for s in (70, 6, 72, 8)]
    fresh = BATCHES[view](4, max_steps=3, autoreset_mode="next_step")
    fresh.reset(seed=70)
    for _ in range(30):
        np.testing.assert_array_equal(engine.state[~mask], other.state[~mask])
        np.testing.assert_array_equal(engine.state[mask], fresh.engine.state[mask])
        for one in (env, twin, fresh):
            one.step(send)


@pytest.mark.parametrize("levels", [2, 5])
def test_aec_shows_a_discrete_action_as_its_share_of_the_range(levels):
    """Action k of K levels is k / (K - 1): 1 for the last one."""
    env = payoff.aec_env("payoff/LoyaltyTeam-v0", actions=f"discrete:{levels}", n_agents=3)
    for first in range(levels):
        env.reset(seed=0)
        env.step(first)
        env.step(levels - 1)
        seen = env.observe("agent_2")[-3:]  # own, then seats 0 and 1
        assert seen.tolist() == [-1.0, pytest.approx(first / (levels - 1)), 1.0]
        env.step(0)  # closes the round
        native = [50.0 * first / (levels - 1), 50.0, 0.0]  # endowments are 50
        assert env.unwrapped.engine.action[0, :, 0].tolist() == pytest.approx(native)


@pytest.mark.parametrize("agent", [True, False, np.True_, 1.0, None, "1"])
def test_only_a_number_or_a_name_is_a_seat(agent):
    message = r"agent must be 0 \.\. 1 or one of agent_0, agent_1, got "
    with pytest.raises(ValueError, match=message):
        gym.make(TRUST, agent=agent)
    with pytest.raises(ValueError, match=message):
        gym.make_vec(TRUST, num_envs=2, vectorization_mode="vector_entry_point", agent=agent)
    with pytest.raises(ValueError, match=message):
        payoff.aec_env(TRUST, order=[0, agent])
    with pytest.raises(ValueError, match=message):
        collect(TRUST, samples=1, agent=agent)


@pytest.mark.parametrize("name", ["game", "parameters", "state", "action", "payoff", "reward", "ended"])
def test_a_snapshot_without_an_array_names_it(name):
    env = payoff.multi_agent_vec(TRUST, 2)
    env.reset(seed=0)
    arrays = env.snapshot().arrays()
    del arrays[name]
    with pytest.raises(ValueError, match=rf"snapshot lacks {name}$"):
        Snapshot.from_arrays(arrays)
    with pytest.raises(ValueError, match="snapshot lacks action, ended, game, parameters, payoff, reward, state"):
        Snapshot.from_arrays({})
