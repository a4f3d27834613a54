"""The reward method that pays an exploration bonus: r' = r + b'."""

from __future__ import annotations

from typing import ClassVar, Literal

from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.base import Bonus
from payoff.wrappers.bonus.paid import PaidBonus
from payoff.wrappers.bonus.parts import CompositeMethod, Part
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["BonusReward"]


class BonusReward(CompositeMethod):
    """r' = r + coef * bonus, normalised, clipped and fading as asked for; not paid on terminal steps by default.

    The method runs a fork of the bonus: it has episodes of its own, and shares what the bonus remembers for ever
    (unless that is kept for each row). So a bonus may be given to several methods, and a method to several
    environments; they count, and learn, together. To make the bonus neutral, so that no policy gains by it over a whole
    episode, give a :class:`payoff.wrappers.bonus.paid.PaidBonus` to
    :class:`payoff.wrappers.potential.neutral.ReturnNeutralBonus` instead.

    Args:
        bonus: what scores the steps.
        coef: weight of the bonus, at least 0.
        decay: factor on the weight after every step of a row, in (0, 1].
        normalise: ``None``, ``"std"`` or ``"return"``; see :class:`payoff.wrappers.bonus.paid.PaidBonus`.
        clip: largest size of a bonus after normalisation, above 0; None: no limit.
        on_terminal: whether the step that terminates an episode is paid its bonus.
        gamma: discount of ``normalise="return"``, in [0, 1).

    Raises:
        TypeError: ``bonus`` is no Bonus.
        ValueError: another argument is out of its range.

    >>> from payoff.wrappers.bonus.count import Count
    >>> BonusReward(Count(), coef=0.01).paid.coef
    0.01
    """

    term: ClassVar[str] = "bonus"

    def __init__(
        self,
        bonus: Bonus,
        *,
        coef: float = 1.0,
        decay: float = 1.0,
        normalise: Literal["std", "return"] | None = None,
        clip: float | None = None,
        on_terminal: bool = False,
        gamma: float | None = None,
    ) -> None:
        super().__init__()
        paid = PaidBonus(
            bonus, coef=coef, decay=decay, normalise=normalise, clip=clip, on_terminal=on_terminal, gamma=gamma
        )
        self.paid = paid.fork()

    @property
    def bonus(self) -> Bonus:
        """The bonus that runs: a fork of the one that was given."""
        return self.paid.bonus

    def blank(self) -> dict[str, Array]:
        """Nothing beside what the bonus remembers."""
        return {}

    def parts(self) -> dict[str, Part]:
        """``paid``: the bonus and its normalisation."""
        return {"paid": self.paid}

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows begin an episode."""
        self.paid.reset(obs, info, mask)

    def __call__(self, t: Transition) -> Array:
        """Rewards plus what is paid of the bonus.

        Raises:
            ValueError: other rows than at the last reset, or a bonus that is not finite.
        """
        paid: Array = t.reward + self.paid(t)
        return paid
