"""What all tests share: no window, one thread per library, no word about compiling, ids that fail one by one."""

import os

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("PAYOFF_QUIET", "1")  # whichever test compiles a game first, its stderr is its own

import numpy as np
import pytest

import payoff


def pytest_generate_tests(metafunc):
    """A test that asks for ``env_id`` runs once for every id of the registry."""
    if "env_id" in metafunc.fixturenames:
        metafunc.parametrize("env_id", payoff.ids(), ids=lambda i: i.removeprefix("payoff/"))


@pytest.fixture
def draw_actions():
    """Function that draws T rounds of valid native actions for a batch: (T, B, N, A) float64."""

    def draw(env, steps, seed=0):
        rng = np.random.default_rng(seed)
        shape = (steps, env.num_envs, env.num_agents, env.action_size)
        if env.discrete:
            return rng.integers(0, env.num_actions, shape).astype(np.float64)
        # a float32 survives every view unchanged; the power keeps some trust-collapsing low actions in
        unit = rng.random(shape, dtype=np.float32)
        return (env.action_low + (env.action_high - env.action_low) * unit).astype(np.float32).astype(np.float64)

    return draw
