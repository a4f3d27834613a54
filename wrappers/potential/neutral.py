"""Bonuses that are paid now and taken back later: no return changes, and so no optimal policy.

With a bonus F_t, a discount gamma and a delay of D steps, in an episode whose last step is N - 1:

(1) F'_t = F_t - gamma^-D F_{t-D}                                                t < N - 1, F_i = 0 for i < 0
(2) F'_{N-1} = F_{N-1} - sum of gamma^(i-(N-1)) F_i over all i not yet taken back, N - 1 included
(3) sum over t of gamma^t F'_t = 0

The sum in (2) is the debt B. With Phi_t = B_{t-1} / gamma, what is owed on arrival in s_t, (1) and (2) are potential
shaping gamma Phi_{t+1} - Phi_t with Phi_0 = 0 and Phi(terminal) = 0, of a potential that depends on the history. So at
a truncation where the learner bootstraps nothing is settled: the debt is the potential of the state it goes on from.

D = 1, 2, ... is generalised reward matching (GRM); without a delay nothing is taken back before the last step (PBIM).
That the best policy is the best from every history on also needs bonuses F_t that no action after t changes.

Sources: Forbes et al. (2024) for both. Unverified: the general form of the matching is stated from memory, the case
D = 1 from notes of third parties.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np

from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.wrappers.arguments import check_mapping, reals
from payoff.wrappers.base import RewardMethod, RowMethod, Transition
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["BonusStream", "ReturnNeutralBonus"]

LARGEST_FACTOR = 1e3  # what a bonus may have grown to when it is taken back


class BonusStream(Protocol):
    """What is needed of a bonus: a function from a transition to ``(R,)``, with its memory."""

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows in ``mask`` begin an episode."""
        ...

    def __call__(self, t: Transition) -> Array:
        """Bonus of each row ``(R,)``; then the step enters the memory."""
        ...

    def state_dict(self) -> dict[str, Array]:
        """Copies of the arrays that the next call depends on."""
        ...

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`payoff.wrappers.base.RewardMethod.read_state`."""
        ...


class ReturnNeutralBonus(RowMethod):
    """r' = r + F', equations (1) and (2): every bonus is paid, and taken back ``delay`` steps later or at the end.

    The method runs a fork of the bonus where it has one, as :class:`payoff.wrappers.bonus.reward.BonusReward` does: it
    has episodes of its own, and shares what the bonus remembers across episodes.

    Args:
        bonus: scores each step (:class:`payoff.wrappers.bonus.base.Bonus` or anything with its methods).
        gamma: the learner's own discount, in (0, 1].
        delay: D >= 1, steps until a bonus is taken back (GRM); None: at the last step only (PBIM). A short delay gives
            back most of the guidance, a long one makes what is taken back large.
        on_truncation: ``"bootstrap"`` carries the debt on where an episode is cut off, for learners that bootstrap from
            the value there; ``"terminal"`` settles there too.
        horizon: N, most steps of an episode; needed, and only allowed, without a delay.
        coef: factor on the bonus.

    Raises:
        TypeError: ``bonus`` lacks a method.
        ValueError: another argument is out of its range; or gamma^-D, or gamma^-N without a delay, is above 1000, so
            that a bonus of 1 would be taken back as a reward below -1000.
    """

    term: ClassVar[str] = "bonus"
    counts: ClassVar[tuple[str, ...]] = ("steps",)

    def __init__(
        self,
        bonus: BonusStream,
        *,
        gamma: float,
        delay: int | None,
        on_truncation: Literal["bootstrap", "terminal"],
        horizon: int | None = None,
        coef: float = 1.0,
    ) -> None:
        stream: Any = bonus
        lacking = [m for m in ("reset", "__call__", "state_dict", "read_state") if not hasattr(stream, m)]
        if lacking or isinstance(stream, type):
            raise TypeError(f"bonus must be an object with reset, __call__, state_dict, read_state, got {bonus!r}")
        check_number("gamma", gamma, 0.0, 1.0, open_low=True)
        check_word("on_truncation", on_truncation, ["bootstrap", "terminal"])
        check_number("coef", coef, -np.inf)
        _check_wait(delay, horizon, gamma)
        super().__init__()
        self.bonus: BonusStream = stream.fork() if hasattr(stream, "fork") else bonus
        self.gamma = gamma
        self.delay = delay
        self.on_truncation = on_truncation
        self.horizon = horizon
        self.coef = coef

    def blank(self) -> dict[str, Array]:
        """``recent``: the last D bonuses, newest first; or ``debt`` in units of the last step, and ``steps``."""
        if self.delay is None:
            return {"debt": np.zeros(()), "steps": np.zeros((), dtype=np.int64)}
        return {"recent": np.zeros(self.delay)}

    def attach(self, adapter: object) -> Self:
        """This object; where it is in use, a copy with a fork of the bonus, if the bonus has ``fork``."""
        fork = getattr(self.bonus, "fork", None)
        if not self.in_use or fork is None:
            return RewardMethod.attach(self, adapter)
        other = type(self)(
            fork(),
            gamma=self.gamma,
            delay=self.delay,
            on_truncation=self.on_truncation,
            horizon=self.horizon,
            coef=self.coef,
        )
        return other.attach(adapter)

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin owe nothing."""
        super().reset(obs, info, mask)
        self.bonus.reset(obs, info, mask)

    @property
    def debt(self) -> Array:
        """B ``(R,)``: bonuses not yet taken back, in units of the last step; a row's potential is this over gamma."""
        if self.delay is None:
            return self.memory["debt"].copy()
        # a sum along each row, unlike a matrix product, has the same bits at every number of rows
        owed: Array = (self.memory["recent"] * self.gamma ** -np.arange(self.delay)).sum(axis=1)
        return owed

    def __call__(self, t: Transition) -> Array:
        """Rewards plus F'.

        Raises:
            ValueError: the bonus has another shape or is not finite, or an episode is longer than ``horizon``.
        """
        self.check_rows(t)
        if self.delay is None and (t.active & (self.memory["steps"] >= self.horizon)).any():
            raise ValueError(f"horizon must be at least the length of every episode, got {self.horizon}")
        given = reals("what bonus returns", self.bonus(t))
        if given.shape != t.reward.shape or not np.isfinite(given[t.active]).all():
            name = type(self.bonus).__name__
            raise ValueError(f"{name} must return finite numbers of shape {t.reward.shape}, got {given!r}")
        given = np.where(t.active, self.coef * given, 0.0)
        owed = self.debt / self.gamma  # in units of this step; what is paid in the last step is taken back in it
        ended = t.terminated | t.truncated if self.on_truncation == "terminal" else t.terminated
        if self.delay is None:
            running = given
            self._remember(t.active, debt=owed + given, steps=self.memory["steps"] + 1)
        else:
            recent = self.memory["recent"]
            running = given - recent[:, -1] * self.gamma**-self.delay  # (1)
            self._remember(t.active, recent=np.hstack([given[:, None], recent[:, :-1]]))
        return t.reward + np.where(ended, -owed, running)  # (2)

    def _remember(self, active: Array, **arrays: Array) -> None:
        for name, array in arrays.items():
            where = active.reshape(-1, *[1] * (array.ndim - 1))
            self.memory[name] = np.where(where, array, self.memory[name])

    def state_dict(self) -> dict[str, Array]:
        """Copies of the memory of the rows, and the bonus's arrays as ``"bonus.name"``."""
        return super().state_dict() | {f"bonus.{k}": v for k, v in self.bonus.state_dict().items()}

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`payoff.wrappers.base.RewardMethod.read_state`."""
        check_mapping("state", state, "arrays")
        own = {k: v for k, v in state.items() if not str(k).startswith("bonus.")}
        rows = super().read_state(own)
        bonus = self.bonus.read_state({k.removeprefix("bonus."): v for k, v in state.items() if k not in own})

        def take_over() -> None:
            rows()
            bonus()

        return take_over


def _check_wait(delay: int | None, horizon: int | None, gamma: float) -> None:
    """Raise ValueError where bonuses would wait for too long, or for nobody knows how long."""
    if delay is None and horizon is None:
        raise ValueError("horizon must be given without a delay: what is taken back grows with it")
    if delay is not None and horizon is not None:
        raise ValueError(f"horizon is only used without a delay, got horizon={horizon}, delay={delay}")
    name, wait = ("horizon", horizon) if delay is None else ("delay", delay)
    check_integer(name, wait, 1)
    assert wait is not None
    if -wait * np.log(gamma) > np.log(LARGEST_FACTOR):
        most = int(-np.log(LARGEST_FACTOR) / np.log(gamma))
        raise ValueError(
            f"{name} must be at most {most} at gamma={gamma:g}, where a bonus is taken back {LARGEST_FACTOR:g}-fold, "
            f"got {wait}"
        )
