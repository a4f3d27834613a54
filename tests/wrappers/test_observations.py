"""What a method sees of the observations, by whether it says that it reads them."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from payoff.wrappers import RewardMethod, wrap

COPIES = 4


class Watching(RewardMethod):
    """Keeps what it is shown, copied when it is shown."""

    def __init__(self):
        self.events = []

    def reset(self, obs, info, mask):
        self.events.append(("reset", np.array(obs), mask.copy()))

    def __call__(self, t):
        self.events.append(("step", None if t.obs is None else t.obs.copy(), t.next_obs.copy()))
        return t.reward + 1.0


class NotReading(Watching):
    reads_obs = False


def rollout(env, steps=60):
    """Observations that begin an episode, by the call that showed them."""
    rng, mode = np.random.default_rng(0), env.metadata["autoreset_mode"]
    first = [(env.reset(seed=0)[0].copy(), np.ones(COPIES, dtype=bool))]
    over = np.zeros(COPIES, dtype=bool)
    for _ in range(steps):
        obs, _, terminated, truncated, _ = env.step(rng.integers(0, 3, COPIES))
        ended = terminated | truncated
        if mode is AutoresetMode.DISABLED and ended.any():
            first.append((env.reset(options={"reset_mask": ended})[0].copy(), ended))
        begun = over if mode is AutoresetMode.NEXT_STEP else ended & (mode is AutoresetMode.SAME_STEP)
        if begun.any():
            first.append((obs.copy(), begun))
        over = ended
    return first


@pytest.mark.parametrize("reuses_memory", [False, True])
@pytest.mark.parametrize("kind", [Watching, NotReading])
@pytest.mark.parametrize("mode", AutoresetMode, ids=lambda m: m.value)
def test_what_a_method_is_shown(mode, kind, reuses_memory, walk, sync):
    method = kind()
    env = wrap(sync(walk, COPIES, mode, copy=not reuses_memory), method)
    first = rollout(env)
    resets = [event[1:] for event in method.events if event[0] == "reset"]
    assert len(first) == len(resets) > 8
    for (obs, begun), (seen, mask) in zip(first, resets, strict=True):
        np.testing.assert_array_equal(begun, mask)
        np.testing.assert_array_equal(obs[begun], seen[begun])
    current = None
    for what, one, two in method.events:
        if kind is NotReading:
            assert what == "reset" or one is None
        elif what == "reset":  # all rows: those that begin anew, and the others as they were
            assert current is None or (one[~two] == current[~two]).all()
            current = one
        else:
            np.testing.assert_array_equal(one, current)
            current = two


def test_a_method_that_changes_nothing_returns_the_given_reward(walk, sync):
    class Nothing(RewardMethod):
        def __call__(self, t):
            return t.reward

    env = wrap(sync(walk, COPIES), Nothing())
    env.reset(seed=0)
    _, reward, _, _, info = env.step(np.ones(COPIES, dtype=int))
    assert reward.flags.writeable and not np.shares_memory(reward, info["true_reward"])
    np.testing.assert_array_equal(reward, info["true_reward"])
