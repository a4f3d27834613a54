"""Batches of episodes: random ones of every kind, and episodes of real games under given actions."""

from __future__ import annotations

import numpy as np
import pytest

import payoff
from payoff.wrappers.redistribution.base import EpisodeBatch


def random_batch(seed=0, steps=7, columns=5, obs_size=3, actions=4, seats=1, finished=None, **more):
    """Episodes of different lengths: terminated, truncated, both, or not finished."""
    rng = np.random.default_rng(seed)
    copies = columns // seats
    lengths = rng.integers(1, steps + 1, size=copies)
    lengths[0] = steps
    kinds = rng.integers(0, 4, size=copies) if finished is None else np.full(copies, 1 if finished else 0)
    last = np.arange(steps)[:, None] == lengths - 1
    each = lambda flags: np.repeat(flags, seats, axis=1)  # noqa: E731
    return EpisodeBatch(
        obs=rng.random((steps + 1, columns, obs_size)).astype(np.float32),
        actions=rng.integers(0, actions, size=(steps, columns, 1)),
        rewards=rng.normal(size=(steps, columns)) * 10.0 ** rng.integers(-2, 3),
        terminated=each(last & np.isin(kinds, (1, 3))),
        truncated=each(last & np.isin(kinds, (2, 3))),
        valid=each(np.arange(steps)[:, None] < lengths),
        seats=seats,
        **more,
    )


def play_game(env_id, copies, act, *, seed=0, group=None, **keywords):
    """One episode a copy, with state rows; ``act`` maps (observations (B, O), step) to actions (B,)."""
    env = payoff.multi_agent_vec(env_id, num_envs=copies, info="minimal", **keywords)
    obs, _ = env.reset(seed=seed, options=None if group is None else {"group": group})
    seen, did, paid, ends, states = [obs[:, 0]], [], [], [], [env.engine.state.copy()]
    valid, running = [], np.ones(copies, dtype=bool)
    while running.any():
        actions = np.asarray(act(seen[-1], len(did)))
        obs, rewards, terminated, truncated, _ = env.step(actions.reshape(copies, 1, 1))
        valid.append(running)
        seen.append(obs[:, 0])
        did.append(actions.reshape(copies, 1))
        paid.append(rewards[:, 0])
        ends.append((running & terminated, running & truncated))
        states.append(env.engine.state.copy())
        running = running & ~(terminated | truncated)
    terminated, truncated = (np.stack(x) for x in zip(*ends, strict=True))
    return EpisodeBatch(
        obs=np.stack(seen),
        actions=np.stack(did),
        rewards=np.stack(paid),
        terminated=terminated,
        truncated=truncated,
        valid=np.stack(valid),
        info={"state": np.stack(states[1:])},
        start={"state": states[0]},
        group=None if group is None else np.broadcast_to(group, copies).copy(),
    )


@pytest.fixture
def make_batch():
    return random_batch


@pytest.fixture
def play():
    return play_game


@pytest.fixture(scope="session")
def coin_line():
    """Factory of episodes of CoinLine-v0 under uniformly random play; the coin lies in cell 9 of 13."""

    def make(episodes, seed=0, steps=50):
        rng = np.random.default_rng(seed)
        return play_game(
            "payoff/CoinLine-v0", episodes, lambda obs, t: rng.integers(0, 2, size=episodes), seed=seed, max_steps=steps
        )

    return make
