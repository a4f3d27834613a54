"""A bonus as a potential: what an episode has earned so far is what its state is worth.

With bonuses b_0, b_1, ... of an episode, a discount gamma and a factor c:

(1) Phi_t = c (b_0 + ... + b_{t-1}), so Phi_0 = 0
(2) r' = r + gamma Phi_{t+1} - Phi_t
(3) Phi(terminal) = 0

A bonus is paid when it is earned, as far as gamma lets it, and taken back at the end. By (1) to (3) the discounted sum
of what is added over an episode is 0, whatever was done and whatever the bonus says: no policy gains by it. Unlike
:class:`payoff.wrappers.potential.neutral.ReturnNeutralBonus`, which takes back gamma^-N of what it paid N steps before,
this takes back what it paid, at any length of an episode; in between it charges (1 - gamma) Phi a step, the interest.

The potential is that of a history, not of a state. A learner whose observation does not tell what was earned sees
rewards that vary for a reason it cannot see.

Sources: Ng, Harada and Russell (1999) for potentials; that they may depend on the history follows from the same sum.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from payoff.envs.core.params import check_number, check_word
from payoff.wrappers.arguments import reals
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.base import Bonus, CompositeMethod, Part
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["EarnedPotential"]


class EarnedPotential(CompositeMethod):
    """r' = r + gamma Phi_{t+1} - Phi_t, equations (1) to (3): a bonus that changes no return.

    The method runs a fork of the bonus, as :class:`payoff.wrappers.bonus.reward.BonusReward` does: it has episodes of
    its own, and shares what the bonus remembers across episodes.

    Args:
        bonus: what scores the steps.
        gamma: the learner's own discount, in (0, 1].
        on_truncation: ``"bootstrap"`` keeps Phi where an episode is cut off, for learners that bootstrap from the value
            there; ``"terminal"`` takes it as 0 there too.
        coef: c, factor on the bonus.

    Raises:
        TypeError: ``bonus`` is no Bonus.
        ValueError: another argument is out of its range.
    """

    term: ClassVar[str] = "shaping"

    def __init__(
        self, bonus: Bonus, *, gamma: float, on_truncation: Literal["bootstrap", "terminal"], coef: float = 1.0
    ) -> None:
        given: Any = bonus
        if not isinstance(given, Bonus):
            raise TypeError(f"bonus must be a Bonus, got {type(given).__name__}")
        check_number("gamma", gamma, 0.0, 1.0, open_low=True)
        check_word("on_truncation", on_truncation, ["bootstrap", "terminal"])
        check_number("coef", coef, -np.inf)
        super().__init__()
        self.bonus = bonus.fork()
        self.gamma, self.on_truncation, self.coef = gamma, on_truncation, coef

    def blank(self) -> dict[str, Array]:
        """``earned``: Phi of the row's current state."""
        return {"earned": np.zeros(())}

    def parts(self) -> dict[str, Part]:
        """``bonus``."""
        return {"bonus": self.bonus}

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin have earned nothing."""
        super().reset(obs, info, mask)
        self.bonus.reset(obs, info, mask)

    def __call__(self, t: Transition) -> Array:
        """Rewards plus F.

        Raises:
            ValueError: the bonus gave another shape, or a number that is not finite.
        """
        self.check_rows(t)
        bonus = reals(f"what {type(self.bonus).__name__} gives", self.bonus(t))
        if bonus.shape != t.reward.shape or not np.isfinite(bonus[t.active]).all():
            name = type(self.bonus).__name__
            raise ValueError(f"{name} must give finite numbers of shape {t.reward.shape}, got {bonus!r}")
        before = self.memory["earned"]
        ended = t.terminated | t.truncated if self.on_truncation == "terminal" else t.terminated
        after = np.where(ended, 0.0, before + self.coef * np.where(t.active, bonus, 0.0))  # (1), (3)
        self.memory["earned"] = np.where(t.active, after, before)
        return t.reward + self.gamma * after - before  # (2)
