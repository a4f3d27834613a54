"""RepeatBandit: a bandit that comes back with some probability, so that what was learnt about it may pay off again.

## Model
A task is a bandit of K = `arms` arms whose means are drawn uniformly from [0, 1]. A step pulls an arm, which pays 1
with a probability equal to its mean, else 0. After every `pulls` pulls an inner episode ends: with probability rho =
`structure` the task stays, otherwise all means are drawn anew. Nothing announces a change. The whole episode lasts
`episodes` inner episodes, unless `max_steps` sets another length.

The question is that of Rentschler and Roberts (arXiv 2508.01287): does a learner that only maximises reward come to
explore? They name three conditions, and each has a switch here:

- recurring structure: rho; with rho = 0 and one pull per inner episode, nothing can be learnt;
- memory: `context_len`, the number of inner episodes that the observation looks back on beyond the last pull; a
  recurrent learner also has a memory of its own;
- credit across inner episodes: the learner's discount. Here an episode is the whole sequence, and a discount gamma per
  step gives such credit; to cut it, use gamma = 0 at the last pull of each inner episode (`gamma_cross` in that paper's
  terms is a matter of the learner, so it is no keyword).

The sizes and the rule by which a task repeats were chosen for this library; whether the paper's are the same has not
been checked.

## Players and actions
One seat; action k pulls arm k.

## Observations
In [0, 1]. Every setting begins with the last pull and the `context_len` x `pulls` pulls before it, newest first: the
arm one-hot and what it paid, zeros where the episode is younger.

- `full`: then what a Bayesian would keep: paid and unpaid pulls of each arm since the task was drawn, divided by the
  horizon; pulls made in this inner episode, divided by `pulls`; and steps taken, divided by the horizon. It thereby
  tells when the task has changed, but never the means.
- `private`, `minimal`: nothing more.

## Rewards
What the pull pays, 0 or 1. `info["regret"]` is the best arm's mean less the mean of the arm that was pulled, both as
they were before any change of the task.

## Starting state
The means are drawn from the copy's own random stream (a copy is one environment of a batch), and so are all later
draws: the payments, the changes, and the new means.

## Episode end
Truncated after `max_steps`; nothing terminates.

## Theory
`payoff.envs.sparse.repeat_bandit_theory` holds the equations. The optimum is that of a Bayesian who is told when the
task changes, by dynamic programming over the counts of paid and unpaid pulls, exact up to rounding. For rho 0 and 1
being told adds nothing; in between, this optimum is an upper bound on what can be attained under the other settings. It
is solved for up to 500,000 states (two arms and 20 pulls are about 20,000) and refused beyond.

`evaluate` gives, by the same recursion and as exactly, the expected payoff of every pull for the Bayes-optimal, the
myopic (highest posterior mean), the Thompson and the uniform player, their regret, and how often they explore, that is,
pull an arm that has had fewer pulls than another one with a higher posterior mean. The myopic player never does, by
definition; the Bayes-optimal one does once rho is large enough, although it only maximises reward.

At the defaults the four are worth 11.941, 11.909, 11.355 and 10. Success is a return of at least K / (K + 1) of the
pulls, the expected payoff of a player who always knows the best arm.

## Parameters
`arms` 2, in 2 .. 10; `pulls` 1; `episodes` 20, the number of inner episodes; `structure` 0.9, in [0, 1]; `context_len`
0, with `context_len` x `pulls` at most 64; `max_steps` None, which is `episodes` x `pulls`.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.envs import render
from payoff.envs.core import rng
from payoff.envs.core.game import Episode, Game, ObservationPlan, Rules, Sight, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import Array, Copy, Layout, real, whole
from payoff.envs.core.words import events
from payoff.envs.sight.numbers import Setting
from payoff.envs.sight.settings import chosen
from payoff.envs.sparse.repeat_bandit_theory import Bandit, Counts, Play, evaluate, solver
from payoff.envs.sparse.repeat_memory import MOST, recall, remember

__all__ = ["SETTINGS", "V0", "Bandit", "Observe", "Play", "RepeatBanditParams", "evaluate"]

MOST_ARMS = 10
EVENT = events(
    began="the episode began",
    unpaid="the pull was not paid",
    paid="the pull was paid",
    unpaid_then_changed="the pull was not paid, then the task changed",
    paid_then_changed="the pull was paid, then the task changed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatBanditParams(Params):
    """Keywords of RepeatBandit-v0."""

    arms: int = 2  # K
    pulls: int = 1  # pulls per inner episode
    episodes: int = 20  # inner episodes, which set the default of max_steps
    structure: float = 0.9  # rho, probability that the task stays after an inner episode
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
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.pulls * self.episodes if self.max_steps is None else self.max_steps

    @property
    def remembered(self) -> int:
        """Pulls that the observation shows."""
        return 1 + self.context_len * self.pulls

    @property
    def bandit(self) -> Bandit:
        """The numbers that decide what play is worth."""
        return Bandit(int(self.arms), int(self.pulls), int(self.horizon), float(self.structure))


class RepeatBandit(Copy):
    """State of one bandit; the clock counts the pulls of the whole episode.

    Of the vectors of MOST_ARMS numbers, the first K are used.
    """

    means: Array = real(0.0, 1.0, size=MOST_ARMS)  # of the arms of this task
    paid: Array = whole(0, lambda p: p.horizon, size=MOST_ARMS)  # of each arm, pulls that paid since the task was drawn
    unpaid: Array = whole(0, lambda p: p.horizon, size=MOST_ARMS)  # likewise, pulls that did not pay
    pull: float = whole(0, lambda p: p.pulls - 1)  # pulls made in this inner episode
    regret: float = real(0.0, 1.0)  # of the last pull: best mean less its arm's mean
    event: float = whole(0, EVENT)
    memory: Array = whole(0, lambda p: 2 * p.arms, size=MOST)  # last pulls: 1 + 2 x arm, + 1 if it paid


@jit
def start(p: RepeatBanditParams, s: RepeatBandit) -> None:
    """A first task."""
    draw_task(p, s)


@jit
def draw_task(p: RepeatBanditParams, s: RepeatBandit) -> None:
    """A new task, of which nothing is known."""
    for k in range(p.arms):
        s.means[k] = rng.uniform(s)
        s.paid[k], s.unpaid[k] = 0.0, 0.0


@jit
def step(p: RepeatBanditParams, s: RepeatBandit, action: Array, payoff: Array) -> bool:
    """One pull; after the last one of an inner episode the task may change. Only the horizon ends an episode."""
    arm = int(action[0])
    paid = 1 if rng.uniform(s) < s.means[arm] else 0
    best = 0.0
    for k in range(p.arms):
        best = max(best, s.means[k])
    s.regret = best - s.means[arm]  # in expectation, whatever the pull paid
    if paid == 1:
        s.paid[arm] += 1.0
    else:
        s.unpaid[arm] += 1.0
    remember(s.memory, int(s.clock), 1 + 2 * arm + paid)
    s.event = EVENT.paid if paid == 1 else EVENT.unpaid
    payoff[0] = paid
    s.pull += 1.0
    if s.pull == p.pulls:
        s.pull = 0.0
        if rng.uniform(s) >= p.structure:
            draw_task(p, s)
            s.event = EVENT.paid_then_changed if paid == 1 else EVENT.unpaid_then_changed
    return False


# -- what is seen ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe(Setting):
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        counts: whether the counts of the task and the pulls made in the inner episode are shown.
        clock: whether the clock, steps taken divided by the horizon, comes last.
    """

    counts: bool = True
    clock: bool = False


SETTINGS = {"full": Observe(clock=True), "private": Observe(counts=False), "minimal": Observe(counts=False)}
# pulls that the copy with the longest memory shows; whether counts are shown
SEEN = np.dtype([("n_pulls", np.int64), ("counts", np.int64)], align=True)


@jit
def look(p: RepeatBanditParams, s: RepeatBandit, view: Any, seen: Array) -> None:
    """The last pulls, then the counts, then the clock."""
    at = 0
    for back in range(view.n_pulls):
        code = recall(s.memory, int(s.clock), back) if back < p.remembered else 0
        for k in range(p.arms):
            seen[at + k] = 1.0 if code > 0 and (code - 1) // 2 == k else 0.0
        seen[at + p.arms] = (code - 1) % 2 if code > 0 else 0
        at += p.arms + 1
    share = 1.0 / p.horizon
    if view.counts != 0:
        for k in range(p.arms):
            seen[at + k] = min(1.0, s.paid[k] * share)
            seen[at + p.arms + k] = min(1.0, s.unpaid[k] * share)
        at += 2 * p.arms
        seen[at] = s.pull * (1.0 / p.pulls)
        at += 1
    if seen.shape[0] > at:
        seen[at] = s.clock * share


def plan(rows: Sequence[RepeatBanditParams], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Raise ValueError for an unknown name, TypeError for neither a name nor an Observe."""
    observe = chosen(setting, SETTINGS, Observe)
    arms, n_pulls = range(rows[0].arms), max(p.remembered for p in rows)
    names = [f"{what}[{back} ago]" for back in range(n_pulls) for what in (*(f"arm {k}" for k in arms), "paid")]
    if observe.counts:
        names += [f"{what}[{k}]" for what in ("paid pulls", "unpaid pulls") for k in arms]
        names.append("pull of the inner episode")
    table = np.array([(n_pulls, observe.counts)] * len(rows), dtype=SEEN)
    return ObservationPlan(table, (*names, *(["clock"] if observe.clock else [])))


# -- what is known -----------------------------------------------------------------------------------------------------


def known(params: RepeatBanditParams, s: RepeatBandit) -> tuple[int, Counts]:
    """Pulls left, and (paid, unpaid) of each arm."""
    paid, unpaid = (counts[: params.arms].astype(int).tolist() for counts in (s.paid, s.unpaid))
    return params.horizon - int(s.clock), tuple(zip(paid, unpaid, strict=True))


def optimum(params: RepeatBanditParams, s: RepeatBandit) -> tuple[float, int]:
    """Bayes-optimal expected return, given the counts but not the means; and the least steps to a payment, one.

    Raises:
        ValueError: the problem has too many states.
    """
    left, counts = known(params, s)
    return 0.0 if s.over != 0.0 or left <= 0 else solver(params.bandit).value(left, counts), 1


def policy(params: RepeatBanditParams, s: RepeatBandit) -> float:
    """Bayes-optimal arm; the first of equally good ones.

    Raises:
        ValueError: the problem has too many states.
    """
    values = np.array(solver(params.bandit).pull_values(*known(params, s)))
    return float(np.argmax(values >= values.max() - 1e-12))


def as_if_known(params: RepeatBanditParams, episode: Episode, s: RepeatBandit) -> bool:
    """Whether the return is at least what a player who always knows the best arm can expect."""
    return bool(episode.payoff.sum() >= params.horizon * params.arms / (params.arms + 1) - 1e-9)


_SIDE, _GAP = 200, 12  # pixels


def draw(params: RepeatBanditParams, s: RepeatBandit) -> Array:
    """One column per arm: the hidden mean in grey; on it, if the arm was pulled, its posterior mean as a blue line.

    A dot below the arm of the last pull is green where it paid and red where it did not.

    Returns:
        ``(240, 40 + 60 K, 3)`` uint8.
    """
    picture = np.full((_SIDE + 40, 40 + 60 * params.arms, 3), render.PAPER, dtype=np.uint8)
    bottom = _GAP + _SIDE
    for k, (paid, unpaid) in enumerate(known(params, s)[1]):
        left, right = 20 + 60 * k + 8, 20 + 60 * k + 52
        picture[_GAP:bottom, left:right] = (238, 238, 233)
        picture[bottom - round(_SIDE * float(s.means[k])) : bottom, left:right] = (170, 170, 165)
        if paid + unpaid > 0:
            y = bottom - round(_SIDE * (paid + 1) / (paid + unpaid + 2))
            picture[y - 2 : y + 2, left - 4 : right + 4] = render.BAR
    last = recall(s.memory, int(s.clock), 0) - 1
    if last >= 0:
        middle = 50 + 60 * (last // 2)
        down, across = np.mgrid[: picture.shape[0], : picture.shape[1]]
        picture[np.hypot(down - bottom - 14, across - middle) < 8] = (0, 158, 115) if last % 2 else (213, 94, 0)
    return picture


V0 = Game(
    "payoff/RepeatBandit-v0",
    "A bandit that comes back with some probability, so that what was learnt about it may pay off again.",
    tags=("reasoning", "stochastic"),
    rules=Rules(
        params=RepeatBanditParams,
        state=RepeatBandit,
        start=start,
        step=step,
        actions=lambda p: p.arms,
        alike=("arms",),
    ),
    sight=Sight(look, plan, tuple(SETTINGS)),
    info={"regret": "regret", "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact_small",
        optimum=optimum,
        policy=policy,
        success=as_if_known,
        noisy=True,
        levels={
            "easy": {"structure": 1.0, "episodes": 10},
            "medium": {},
            "hard": {"arms": 3, "episodes": 20, "structure": 0.95},
        },
    ),
)
