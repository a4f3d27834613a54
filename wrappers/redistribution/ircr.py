"""IRCR: every step is paid the normalised return of its episode.

(1) r'_t = (G - low) / (high - low) for every step t,  low and high over the episodes in memory

The guidance reward of a state and action is the mean return of the episodes through it; sampled, that is the return of
the episode at hand. There is nothing to fit. What is conserved is not the return but its order: with a fixed length, an
episode of a higher return is paid more.

Where lengths differ, (1) pays longer episodes more in all, since it is never negative: an agent that may choose when to
end learns not to. ``per_step`` ranks episodes by their mean reward instead; it does not take that incentive away.

Source: Gangwani, Zhou and Peng, "Learning guidance rewards with trajectory-space smoothing", NeurIPS 2020, and its
published code, which keeps a queue of 300,000 steps and the ten best episodes. Both are replayed there; here they only
say what is low and what is high.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from payoff.envs.core.params import check_flag, check_integer
from payoff.wrappers.arguments import check_mapping, reals
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.rows import Array

__all__ = ["GuidanceReward"]


class GuidanceReward(RewardTransform):
    """Pays equation (1); 0 while all episodes in memory returned the same.

    An episode that is not finished has no return yet: its steps are paid the mean of (1) over the memory, so that not
    being finished is neither good nor bad.

    Args:
        memory: finished episodes that are remembered, the newest ones.
        best: so many of the best ever are remembered as well, at least 0.
        per_step: normalise mean rewards G / T instead of returns.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(self, *, memory: int = 1000, best: int = 10, per_step: bool = False) -> None:
        check_integer("memory", memory, 1)
        check_integer("best", best, 0)
        check_flag("per_step", per_step)
        self.memory, self.best, self.per_step = memory, best, per_step
        self._newest, self._best = np.zeros(0), np.zeros(0)

    def _credits(self, batch: EpisodeBatch) -> Array:
        found: Array = batch.returns / batch.lengths if self.per_step else batch.returns
        return found

    def learn(self, batch: EpisodeBatch) -> None:
        """Remember what the finished episodes returned."""
        new = self._credits(batch)[batch.finished]
        self._newest = np.concatenate([self._newest, new])[-self.memory :]
        self._best = np.sort(np.concatenate([self._best, new]))[max(0, self._best.size + new.size - self.best) :]

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """Equation (1), ``(T, B)``."""
        known = np.concatenate([self._newest, self._best])
        low, high = (known.min(), known.max()) if known.size else (0.0, 0.0)
        if high - low <= 1e-9 * max(abs(low), abs(high)):  # sums in another order may differ in their last bits
            return np.zeros(batch.rewards.shape)
        credit = np.where(batch.finished, self._credits(batch), self._newest.mean())
        # an episode that is shown again may have been forgotten, so it may lie outside
        return np.broadcast_to(np.clip((credit - low) / (high - low), 0.0, 1.0), batch.rewards.shape)

    def state_dict(self) -> dict[str, Array]:
        """``newest`` and ``best``, vectors of what episodes returned."""
        return {"newest": self._newest.copy(), "best": self._best.copy()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state_dict` gave.

        Raises:
            ValueError: other names, more numbers than are remembered, the best alone, or a number that is not finite;
                nothing has changed.
        """
        check_mapping("state", state, "arrays")
        if set(state) != {"newest", "best"}:
            got = ", ".join(map(str, state)) or "nothing"
            raise ValueError(f"GuidanceReward takes the arrays newest, best, got {got}")
        newest, best = (reals(name, state[name]).copy() for name in ("newest", "best"))
        for name, array, most in (("newest", newest, self.memory), ("best", best, self.best)):
            if array.ndim != 1 or array.size > most or not np.isfinite(array).all():
                raise ValueError(f"{name} must be at most {most} finite numbers, got shape {array.shape}")
        if best.size and not newest.size:
            raise ValueError(f"newest must hold a number where best does, got {best.size} of the best and none of it")
        self._newest, self._best = newest, np.sort(best)
