"""A bonus for what happened, by what its caption is worth, less where the episode has had it before.

(1) b = v(c) / N(c)^beta

N(c) counts caption c within the episode, this time included. Without a power of it, whatever is said to help would be
repeated instead of the goal being reached; an infinite beta pays once an episode.

Sources: ONI (Zheng et al. 2024) and Motif (Klissarov et al. 2023), both of which pay so; where the value comes from is
told in :mod:`payoff.wrappers.llm.caption_values`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from payoff.envs.core.params import check_number
from payoff.wrappers.arguments import check_callable
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.base import Bonus, Part
from payoff.wrappers.bonus.visits import Visits
from payoff.wrappers.llm.caption_values import CaptionValues
from payoff.wrappers.llm.captions import Captions, row_captions
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["CaptionBonus"]


class CaptionBonus(Bonus):
    """Equation (1). The start of an episode is no step: its caption is neither asked about nor counted.

    The rows of a call take a step together, which is one step of the labeller's time, whatever their number.

    Args:
        captions: function from observations and info to texts; see :data:`payoff.wrappers.llm.captions.Captions`.
        values: what captions are worth; common to all forks of the bonus.
        beta: power of the count, at least 0, or infinite.

    Raises:
        TypeError: ``captions`` cannot be called, or ``values`` is no CaptionValues.
        ValueError: ``beta`` is out of its range.
    """

    def __init__(self, captions: Captions, values: CaptionValues, *, beta: float = 3.0) -> None:
        check_callable("captions", captions, "(obs, info) -> (R,) texts")
        given: Any = values
        if not isinstance(given, CaptionValues):
            raise TypeError(f"values must be CaptionValues, got {type(given).__name__}")
        if not (isinstance(beta, float) and beta == np.inf):
            check_number("beta", beta, 0.0)
        super().__init__()
        self.captions, self.values, self.beta = captions, values, float(beta)
        self.episode = Visits(common=False)

    def parts(self) -> dict[str, Part]:
        """``values``: v, with the questions; ``episode``: N."""
        return {"values": self.values, "episode": self.episode}

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin forget what happened."""
        super().reset(obs, info, mask)
        self.episode.forget(mask)

    def score(self, t: Transition) -> Array:
        """Equation (1).

        Raises:
            NoReplyError: an answer will never come.
            ValueError: the captions are no texts.
        """
        bonus = np.zeros(t.active.shape)
        if not t.active.any():
            return bonus
        numbers, values = self.values.step(row_captions(self.captions, t.next_obs, t.info, t.active))
        keys = np.zeros((t.active.size, 2), dtype=np.uint64)
        keys[t.active, 0] = numbers
        _, counts = self.episode.arrive(t.active, np.zeros_like(t.active), keys, keys)
        counted = counts[t.active].astype(np.float64)
        bonus[t.active] = np.where(counted == 1.0, values, 0.0 if self.beta == np.inf else values / counted**self.beta)
        return bonus
