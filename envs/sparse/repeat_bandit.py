"""RepeatBandit: a bandit that comes back with some probability, so that what was learnt of it may pay again.

## Model
A task is a bandit of K = `arms` arms whose means are drawn uniformly from [0, 1]. A step pulls an arm, which pays 1
with its mean as probability and else 0. After `pulls` pulls an inner episode ends: with probability rho = `structure`
the task stays, else all means are drawn anew. An episode has `episodes` inner ones, and nothing announces a change.

The question is that of Rentschler and Roberts (arXiv 2508.01287): does a learner that only maximises reward come to
explore? They name three conditions, and each has a switch here:

- recurring structure: rho; at 0, with one pull an inner episode, nothing can be learnt;
- memory: `context_len`, the number of inner episodes that the observation looks back on beyond the last pull; a
  recurrent learner has its own;
- credit across inner episodes: the learner's discount. Here an episode is the whole sequence, and a discount gamma per
  step gives it; to cut credit, use gamma = 0 at the last pull of each inner episode (`gamma_cross` in that paper's
  terms is a matter of the learner, so it is no keyword).

Sizes and the rule of repetition are ours; how far they are the paper's has not been verified.

## Players and actions
One seat; action k pulls arm k.

## Observations
In [0, 1]. Every setting begins with the last pull and the `context_len` x `pulls` pulls before it, newest first: the
arm one-hot and what it paid, zeros where the episode is younger.

- `full`: then, what a Bayesian would keep: paid and unpaid pulls of each arm since the task was drawn, over the
  horizon; pulls of this inner episode, over `pulls`; and steps taken over the horizon. It thereby tells when the task
  has changed, but never the means.
- `private`, `minimal`: nothing else.

## Rewards
What the pull pays, 0 or 1.

## Starting state
Means from the copy's own stream. All draws, those of later steps too, are the copy's own.

## Episode end
Truncated after `max_steps`; nothing terminates.

## Theory
`payoff.envs.sparse.repeat_bandit_theory` holds the equations. The optimum is that of a Bayesian who is told when the
task changes, by dynamic programming over the counts of paid and unpaid pulls, exact up to rounding; for rho 0 and 1
being told adds nothing, in between it bounds from above what the other settings allow. It is solved for up to 500,000
states (two arms and 20 pulls are about 20,000) and refused beyond. `evaluate` gives, by the same recursion and as
exactly, the expected payoff of every pull for the Bayes-optimal, the myopic (highest posterior mean), the Thompson and
the uniform player, their regret, and how often they explore, that is pull an arm that has had fewer pulls than another
one of a higher posterior mean. The myopic player never does, by definition; the Bayes-optimal one does though all it
wants is reward, once rho is large enough.

At the defaults the four are worth 11.941, 11.909, 11.355 and 10. Success is a return of at least K / (K + 1) of the
pulls, the expected payoff of one who always knows the best arm.

## Parameters
`arms` 2, in 2 .. 10; `pulls` 1; `episodes` 20; `structure` 0.9, in [0, 1]; `context_len` 0, with at most 64 pulls;
`max_steps` None, which is `episodes` x `pulls`.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.envs import render
from payoff.envs.core.game import Episode, Game, ObservationPlan, Readout, Shape
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import OVER, Array
from payoff.envs.sparse import repeat_bandit_kernels as kernels
from payoff.envs.sparse.repeat_bandit_kernels import LAYOUT, MOST_ARMS
from payoff.envs.sparse.repeat_bandit_theory import Bandit, Counts, Play, evaluate, solver
from payoff.envs.sparse.repeat_memory import MOST

__all__ = ["SETTINGS", "V0", "Bandit", "Observe", "Play", "RepeatBanditParams", "evaluate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatBanditParams(Params):
    """Keywords of RepeatBandit-v0."""

    arms: int = 2  # K
    pulls: int = 1  # pulls of an inner episode
    episodes: int = 20  # inner episodes
    structure: float = 0.9  # rho, probability that the task stays
    context_len: int = 0  # inner episodes that the observation looks back on
    max_steps: int | None = None  # None: episodes x pulls

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("arms", self.arms, 2, MOST_ARMS)
        check_integer("pulls", self.pulls, 1, 10_000)
        check_integer("episodes", self.episodes, 1, 10_000)
        check_number("structure", self.structure, 0.0, 1.0)
        check_integer("context_len", self.context_len, 0, MOST - 1)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)
        if self.remembered > MOST:
            raise ValueError(
                f"context_len x pulls must be at most {MOST - 1} pulls, got {self.context_len} x {self.pulls}"
            )

    @property
    def remembered(self) -> int:
        """Pulls that the observation shows."""
        return 1 + self.context_len * self.pulls

    @property
    def bandit(self) -> Bandit:
        """What decides the value of play."""
        horizon = self.pulls * self.episodes if self.max_steps is None else self.max_steps
        return Bandit(int(self.arms), int(self.pulls), int(horizon), float(self.structure))


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        counts: whether the counts of the task and the pull of the inner episode are shown.
        clock: whether steps taken over the horizon come last.
    """

    counts: bool = True
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        for name in ("counts", "clock"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"observe.{name} must be True or False, got {getattr(self, name)!r}")


SETTINGS = {"full": Observe(clock=True), "private": Observe(counts=False), "minimal": Observe(counts=False)}


def plan(rows: Sequence[RepeatBanditParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan, the same for every seat that is looked at: there is one.

    Args:
        rows: parameters of each copy, or one for all.
        seats: ``[0]``.
        setting: a name of SETTINGS or an :class:`Observe`.

    Raises:
        ValueError: an unknown name, or several numbers of arms in one batch.
        TypeError: neither a name nor an Observe.
    """
    if isinstance(setting, str):
        if setting not in SETTINGS:
            raise ValueError(f"observe must be one of {', '.join(map(repr, SETTINGS))} or an Observe, got {setting!r}")
        setting = SETTINGS[setting]
    if not isinstance(setting, Observe):
        raise TypeError(f"observe must be a name or an Observe, got {type(setting).__name__}")
    arms = rows[0].arms
    if len({p.arms for p in rows}) > 1:
        raise ValueError(f"arms must be the same in all copies of a batch, got {sorted({p.arms for p in rows})}")
    room = max(p.remembered for p in rows)
    table = np.array(
        [(arms, p.remembered, room, setting.counts, 1.0 / p.pulls, 1.0 / p.bandit.horizon) for p in rows],
        dtype=kernels.SEEN,
    )
    names = [f"{what}[{back} ago]" for back in range(room) for what in (*(f"arm {k}" for k in range(arms)), "paid")]
    if setting.counts:
        names += [f"{what}[{k}]" for what in ("paid pulls", "unpaid pulls") for k in range(arms)]
        names.append("pull of the inner episode")
    return ObservationPlan(table, (*names, *(["clock"] if setting.clock else [])), sees_actions=False)


def pack(rows: Sequence[RepeatBanditParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    return (np.array([(p.arms, p.pulls, p.structure) for p in rows], dtype=kernels.NUMBERS),)


def _known(params: RepeatBanditParams, row: Array) -> tuple[int, Counts]:
    """Pulls left, and counts in the order of the arms."""
    paid, unpaid = (LAYOUT.view(row[None], name)[0, : params.arms].astype(int).tolist() for name in ("paid", "unpaid"))
    taken = int(LAYOUT.view(row[None], "taken")[0])
    return params.bandit.horizon - taken, tuple(zip(paid, unpaid, strict=True))


def optimum(params: RepeatBanditParams, row: Array) -> tuple[float, int]:
    """Bayes-optimal expected return from a state, whose means are not looked at, and the steps to a payment: one.

    Raises:
        ValueError: the problem has too many states.
    """
    left, counts = _known(params, row)
    if row[OVER] != 0.0 or left <= 0:
        return 0.0, 1
    return solver(params.bandit).value(left, counts), 1


def policy(params: RepeatBanditParams, row: Array) -> Array:
    """Bayes-optimal pull ``(1,)``, of equally good ones the first.

    Raises:
        ValueError: the problem has too many states.
    """
    values = np.array(solver(params.bandit).pull_values(*_known(params, row)))
    return np.array([float(np.argmax(values >= values.max() - 1e-12))])


def as_if_known(params: RepeatBanditParams, episode: Episode) -> bool:
    """Whether the return is at least what one who always knows the best arm expects."""
    return bool(episode.payoff.sum() >= params.bandit.horizon * params.arms / (params.arms + 1) - 1e-9)


_SIDE, _GAP = 200, 12  # pixels


def frame(params: RepeatBanditParams, row: Array, shape: Shape) -> Array:
    """A column an arm: the hidden mean in grey; on it, where it was pulled, its posterior mean as a blue line.

    A dot below the arm of the last pull is green where it paid and red where it did not.

    Returns:
        ``(240, 40 + 60 K, 3)`` uint8.
    """
    picture = np.full((_SIDE + 40, 40 + 60 * params.arms, 3), render.PAPER, dtype=np.uint8)
    _, counts = _known(params, row)
    means = LAYOUT.view(row[None], "mean")[0]
    bottom = _GAP + _SIDE
    for k, (paid, unpaid) in enumerate(counts):
        left, right = 20 + 60 * k + 8, 20 + 60 * k + 52
        picture[_GAP:bottom, left:right] = (238, 238, 233)
        picture[bottom - round(_SIDE * float(means[k])) : bottom, left:right] = (170, 170, 165)
        if paid + unpaid > 0:
            y = bottom - round(_SIDE * (paid + 1) / (paid + unpaid + 2))
            picture[y - 2 : y + 2, left - 4 : right + 4] = render.BAR
    taken = int(LAYOUT.view(row[None], "taken")[0])
    if taken > 0:
        last = int(LAYOUT.view(row[None], "memory")[0, (taken - 1) % MOST]) - 1
        middle = 50 + 60 * (last // 2)
        down, across = np.mgrid[: picture.shape[0], : picture.shape[1]]
        picture[np.hypot(down - bottom - 14, across - middle) < 8] = (0, 158, 115) if last % 2 else (213, 94, 0)
    return picture


V0 = Game(
    id="payoff/RepeatBandit-v0",
    params=RepeatBanditParams,
    doc=__doc__,
    kernels=kernels.KERNELS,
    shape=lambda p: Shape(1, 1, p.arms, LAYOUT, p.bandit.horizon),
    pack=pack,
    bounds=lambda p: np.array([[[0.0, p.arms - 1.0]]]),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=plan,
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("regret", False), Readout("caption", False)),
    captions=kernels.CAPTIONS,
    noisy=True,
    optimum=optimum,
    optimum_kind="exact_small",
    policy=policy,
    success=as_if_known,
    levels={
        "easy": {"structure": 1.0, "episodes": 10},
        "medium": {},
        "hard": {"arms": 3, "episodes": 20, "structure": 0.95},
    },
)
