"""Paying a bonus: r' = r + b', with b' normalised, clipped, weighted, and by default 0 on terminal steps.

(1) b' = w_n clip(b / d, -c, c)    (2) w_n = coef decay^n, n the row's steps before this one

d is 1, the running deviation of b, or the running deviation of the discounted sum

(3) G <- gamma G + b

which runs along the time of each row, on through the ends of episodes: Burda et al. (ICLR 2019, RND) divide by it so
that one coefficient suits tasks and stages of training whose bonuses differ in size. Nothing is subtracted: that would
make bonuses negative, and an early end of the episode attractive.

unverified: that RND's own sum (3) runs on through ends; it follows from its intrinsic return being non-episodic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np

from payoff.envs.core.params import check_flag, check_number, check_word
from payoff.wrappers.arguments import reals
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.base import Bonus, CompositeMethod, Part
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["BonusReward", "PaidBonus", "RunningDeviation"]


class BonusReward(CompositeMethod):
    """r' = r + coef * bonus, normalised, clipped and fading on request; by default not on terminal steps.

    The method runs a fork of the bonus: it has episodes of its own, and shares what the bonus remembers across episodes
    (unless that is kept for each row). So a bonus may be given to several methods, and a method to several
    environments; they count, and learn, together. To make the bonus neutral, so that no policy gains by it over a whole
    episode, give a :class:`payoff.wrappers.bonus.reward.PaidBonus` to
    :class:`payoff.wrappers.potential.neutral.ReturnNeutralBonus` instead.

    Args:
        bonus: what scores the steps.
        coef: weight of the bonus, at least 0.
        decay: factor on the weight after every step of a row, in (0, 1].
        normalise: ``None``, ``"std"`` or ``"return"``; see :class:`payoff.wrappers.bonus.reward.PaidBonus`.
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


class PaidBonus(Bonus):
    """Bonus ready to be added to a reward, equation (1).

    :class:`payoff.wrappers.bonus.reward.BonusReward` adds it. As it is, it can be part of a sum of bonuses of different
    size, or be what :class:`payoff.wrappers.potential.neutral.ReturnNeutralBonus` pays and takes back.

    Args:
        bonus: what scores the steps.
        coef: weight of the bonus, at least 0.
        decay: factor on the weight after every step of a row, in (0, 1].
        normalise: None pays the bonus as it is; ``"std"`` divides it by the running deviation of all bonuses so far,
            ``"return"`` by that of their discounted sum. Bonuses that are not paid count as 0 in it. A bonus that
            hardly varies has hardly any deviation, and what is paid grows without bound, as the root of the number of
            steps where it is constant: give ``clip`` then.
        clip: largest size of a bonus after normalisation, above 0; None: no limit. The reward itself is not clipped.
        on_terminal: whether the step that terminates an episode is paid its bonus. By default it is not, since that
            rewards dying in new places; truncated steps always are. Either way the step enters the bonus's memory.
        gamma: discount of ``normalise="return"``, in [0, 1); required there, and only allowed there.

    Raises:
        TypeError: ``bonus`` is no Bonus.
        ValueError: another argument is out of its range.

    >>> from payoff.wrappers.bonus.count import Count
    >>> PaidBonus(Count(), coef=0.01, normalise="return", gamma=0.99).gamma
    0.99
    """

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
        given: Any = bonus
        if not isinstance(given, Bonus):
            raise TypeError(f"bonus must be a Bonus, got {type(given).__name__}")
        check_number("coef", coef, 0.0)
        check_number("decay", decay, 0.0, 1.0, open_low=True)
        if normalise is not None:
            check_word("normalise", normalise, ("std", "return"))
        if clip is not None:
            check_number("clip", clip, 0.0, open_low=True)
        check_flag("on_terminal", on_terminal)
        if normalise == "return":
            check_number("gamma", gamma, 0.0, 1.0, open_high=True)
        elif gamma is not None:
            raise ValueError(f"gamma is only used with normalise='return', got gamma={gamma!r}")
        super().__init__()
        self.bonus = bonus
        self.deviation = RunningDeviation()
        self.coef = coef
        self.decay = decay
        self.normalise = normalise
        self.clip = clip
        self.on_terminal = on_terminal
        self.gamma = gamma

    def blank(self) -> dict[str, Array]:
        """``weight``: w_n; ``discounted``: G; both outlast episodes."""
        return super().blank() | {"weight": np.array(float(self.coef)), "discounted": np.zeros(())}

    def parts(self) -> dict[str, Part]:
        """``bonus``; ``deviation``: d."""
        return {"bonus": self.bonus, "deviation": self.deviation}

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows begin an episode; their weight and discounted sum stay as they are."""
        lasting = {name: array for name, array in self.memory.items() if name != "steps" and array.size == mask.size}
        super().reset(obs, info, mask)
        self.memory |= lasting
        self.bonus.reset(obs, info, mask)

    def score(self, t: Transition) -> Array:
        """Equation (1).

        Raises:
            ValueError: the bonus gave another shape, or a number that is not finite.
        """
        bonus = reals(f"what {type(self.bonus).__name__} gives", self.bonus(t))
        fits = bonus.shape == t.reward.shape
        if not fits or not np.isfinite(bonus[t.active]).all():
            got = f"{bonus[~np.isfinite(bonus)][0]}" if fits else f"shape {bonus.shape}"
            name = type(self.bonus).__name__
            raise ValueError(f"{name} must give finite numbers of shape {t.reward.shape}, got {got}")
        due = t.active if self.on_terminal else t.active & ~t.terminated
        scaled = self._normalised(np.where(due, bonus, 0.0), t.active)
        if self.clip is not None:
            scaled = np.clip(scaled, -self.clip, self.clip)
        weight = self.memory["weight"]
        self.memory["weight"] = np.where(t.active, weight * self.decay, weight)  # (2)
        return weight * scaled

    def _normalised(self, bonus: Array, active: Array) -> Array:
        """Bonus over d, 0 where d is 0."""
        if self.normalise is None:
            return bonus
        stream = bonus
        if self.gamma is not None:
            before = self.memory["discounted"]
            stream = np.where(active, self.gamma * before + bonus, before)  # (3)
            self.memory["discounted"] = stream
        deviation = np.zeros_like(bonus)
        deviation[active] = self.deviation.take_in(stream[active])
        return np.divide(bonus, deviation, out=np.zeros_like(bonus), where=deviation > 0.0)


class RunningDeviation:
    """Standard deviation of all numbers so far, and of one 0 before them, so that the first is not divided by 0.

    It is common to all forks of a method. Sums are taken one number after the other, so that the bits do not depend on
    how many come at once.
    """

    def __init__(self) -> None:
        self._sums = np.array([1.0, 0.0, 0.0])  # how many, their sum, the sum of their squares

    def take_in(self, values: Array) -> Array:
        """Deviations ``(n,)`` after each of the numbers ``(n,)``."""
        steps = np.stack([np.ones_like(values), values, values * values])
        sums = np.cumsum(np.concatenate([self._sums[:, None], steps], axis=1), axis=1)
        if values.size:
            self._sums = sums[:, -1].copy()
        count, total, squares = sums[:, 1:]
        mean = total / count
        deviations: Array = np.sqrt(np.maximum(squares / count - mean * mean, 0.0))
        return deviations

    def fork(self) -> Self:
        """This object."""
        return self

    def state_dict(self) -> dict[str, Array]:
        """``sums`` ``(3,)``: how many numbers, their sum and that of their squares."""
        return {"sums": self._sums.copy()}

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`payoff.wrappers.bonus.base.Part.read_state`."""
        if set(state) != {"sums"}:
            raise ValueError(f"a running deviation takes the array sums, got {', '.join(state) or 'nothing'}")
        sums = reals("sums", state["sums"]).copy()
        if sums.shape != (3,) or not np.isfinite(sums).all() or sums[0] < 1.0 or sums[2] < 0.0:
            raise ValueError(
                f"sums must be 3 numbers (count of at least 1, sum, sum of squares), got {state['sums']!r}"
            )

        def take_over() -> None:
            self._sums = sums

        return take_over
