"""``info`` is the caller's: nothing in it shares memory with the engine. test_agreement.py compares views."""

import gymnasium as gym
import numpy as np

import payoff


def arrays(info):
    return {k: v for k, v in info.items() if isinstance(v, np.ndarray)}


def test_nothing_that_is_returned_shares_memory(env_id):
    """What a caller keeps, or writes to, is the caller's: neither the engine nor a later step changes it."""
    env = gym.make(env_id).unwrapped
    before, info = env.reset(seed=1)
    own = [env.engine.out, env.engine.state, env.engine.raw, env.engine.action]
    kept = [before, *arrays(info).values()]
    env.action_space.seed(0)
    copies = [x.copy() for x in kept]
    for _ in range(3):
        obs, _, terminated, truncated, info = env.step(env.action_space.sample())
        for array in (obs, *arrays(info).values()):
            assert not any(np.shares_memory(array, mine) for mine in own)
            assert not any(np.shares_memory(array, other) for other in kept)
            kept.append(array)
            copies.append(array.copy())
        if terminated or truncated:
            break
    for array, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_minimal_info_has_payoff_and_rewards_only(env_id):
    env = gym.make(env_id, info="minimal").unwrapped
    assert list(env.reset(seed=0)[1]) == ["payoff", "rewards"]
    batch = payoff.multi_agent_vec(env_id, 2, info="minimal")
    assert [k for k in batch.reset(seed=0)[1] if not k.startswith("_")] == ["payoff", "rewards"]
