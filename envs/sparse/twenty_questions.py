"""TwentyQuestions: find a hidden hypothesis by yes-no questions that cost something, and name it.

## Model
One of `hypotheses` m hypotheses is true, each with probability 1/m. A table that is shown says which of `features` k
features each of them has; it is drawn anew in each episode, so that no two have the same. A step, by action:

1. name a hypothesis: pays 1 if it is the true one, and ends the episode either way;
2. ask for a feature: costs `cost` c, and is answered truthfully.

## Players and actions
One seat; actions 0 .. m - 1 name a hypothesis, m .. m + k - 1 ask for a feature.

## Observations
In [0, 1]. Each setting begins with the table, feature by feature (k m numbers).

- `full`: the features that were answered yes (k), those answered no (k), and the exact probability of each hypothesis
  (m): 1/N for the N that fit all answers, 0 for the others.
- `private`: the same without the probabilities.
- `minimal`: the same as `private`, but of the last question only.

## Rewards
-c for a question, 1 for the right name, 0 for a wrong one. `aux` names an auxiliary reward, which is in
`info["reward_terms"]["aux"]` and part of no reward:

- `none`: 0.
- `oracle`: 1 for an action of `oracle_action_set`, else 0 (needs a table of all sets: up to 10 hypotheses).
- `belief_prob`: what a question adds to the probability of the truth; 0 for a name.
- `belief_log`: what it adds to its logarithm.

## Starting state
Features of one hypothesis after the other from the copy's own stream, uniform over all combinations that no earlier
one has; then the truth.

## Episode end
Terminated by a name, truncated after `max_steps`.

## Theory
All that counts is the set S of the hypotheses that fit. With time enough it is worth

(1) V(S) = max(1/|S|, max over j of -c + sum over answers of |S'|/|S| V(S'))

where S' are the two parts into which feature j splits S. `oracle_action_set` are the actions that attain (1). The
optimum is the same with the steps counted that are left, exact for all m up to 16: an expectation over the truths that
fit, not over the one that is there. To ask as few questions as possible is NP-complete in general (L. Hyafil and
R. L. Rivest, "Constructing optimal binary decision trees is NP-complete", 1976); the number of sets grows as 2 to the
power of m.

When every question halves S, each adds log 2 to the logarithm of the truth's probability, but to the probability
itself 1/8, 1/4 and 1/2 from eight hypotheses on: the one spreads credit evenly, the other puts it at the end. Both add
up to the last value minus the first, however long the episode. They follow IGPO (arXiv 2510.14967), with the exact
belief in place of a model's.

Asking everything and then naming what is left always succeeds. Uniformly random play succeeds with probability at most
1/m, which is short of it only where time runs out: this is a problem of credit and cost, not a sparse one.

## Parameters
`hypotheses` 8, in 2 .. 16; `features` 6, up to 16 and at least log2 of `hypotheses`; `cost` 0.05, in [0, 1]; `aux`
`"none"`; `max_steps` None, which is `features` + 1.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs import render
from payoff.envs.core.game import Game, ObservationPlan, Readout, Shape, paid
from payoff.envs.core.params import Params, check_integer, check_number, check_word
from payoff.envs.core.state import CLOCK, OVER, Array
from payoff.envs.sparse import twenty_questions_kernels as kernels
from payoff.envs.sparse.reasoning import SETTINGS, Observe, same_in_all, seen, setting_of

__all__ = ["V0", "Observe", "TwentyQuestionsParams", "belief", "oracle_action_set"]

_MOST_GRADED = 10  # hypotheses for which the values of all sets are kept in the state row


@dataclass(frozen=True, slots=True, kw_only=True)
class TwentyQuestionsParams(Params):
    """Keywords of TwentyQuestions-v0."""

    hypotheses: int = 8  # m
    features: int = 6  # k
    cost: float = 0.05  # c, of a question
    aux: Literal["none", "oracle", "belief_prob", "belief_log"] = "none"  # auxiliary reward
    max_steps: int | None = None  # None: features + 1

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("hypotheses", self.hypotheses, 2, 16)
        check_integer("features", self.features, int(self.hypotheses - 1).bit_length(), 16)
        check_number("cost", self.cost, 0.0, 1.0)
        check_word("aux", self.aux, kernels.AUX)
        if self.aux == "oracle" and self.hypotheses > _MOST_GRADED:
            raise ValueError(f"aux must not be 'oracle' beyond {_MOST_GRADED} hypotheses, got {self.hypotheses!r}")
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.features + 1 if self.max_steps is None else self.max_steps


def plan(rows: Sequence[TwentyQuestionsParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan, the same for every seat that is looked at: there is one.

    Args:
        rows: parameters of each copy, or one for all.
        seats: ``[0]``.
        setting: a name of SETTINGS or an :class:`Observe`.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor an Observe.
    """
    setting = setting_of(setting)
    m, k = rows[0].hypotheses, rows[0].features
    names = [f"has[{j},{h}]" for j in range(k) for h in range(m)]
    names += [f"{answer}[{j}]" for answer in ("yes", "no") for j in range(k)]
    if setting.scope == "full":
        names += [f"probability[{h}]" for h in range(m)]
    names += ["clock"] if setting.clock else []
    return ObservationPlan(seen(rows, setting, m, k), tuple(names), sees_actions=False)


def pack(rows: Sequence[TwentyQuestionsParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them.

    Raises:
        ValueError: copies of a batch differ in ``hypotheses``, ``features`` and ``aux``, which decide the state row.
    """
    same_in_all(rows, "hypotheses", "features", "aux")
    numbers = [(p.hypotheses, p.features, kernels.AUX.index(p.aux), p.cost) for p in rows]
    return (np.array(numbers, dtype=kernels.NUMBERS),)


def belief(params: TwentyQuestionsParams, row: Array) -> Array:
    """Exact probability of each hypothesis, given the answers: ``(m,)``."""
    fits = int(row[kernels.FIT]) >> np.arange(params.hypotheses) & 1
    share: Array = fits / fits.sum()
    return share


def _values(params: TwentyQuestionsParams, row: Array, steps: int | None) -> Array:
    """Expected return of each action with so many steps left (None: time enough), ``(m + k,)``; -1 where useless."""
    (numbers,) = pack([params])
    value = np.empty(1 << params.hypotheses)
    fit, actions = int(row[kernels.FIT]), range(params.features + params.hypotheses)
    if steps is None:
        kernels.solve(numbers[0], row, fit, value)
    else:
        kernels.solve_within(numbers[0], row, fit, steps - 1, value)
    return np.array([kernels.action_value(numbers[0], row, fit, a, value) for a in actions])


def oracle_action_set(params: TwentyQuestionsParams, row: Array) -> Array:
    """Actions that are best with time enough, in order."""
    values = _values(params, row, None)
    return np.flatnonzero(values >= values.max() - 1e-12)


def optimum(params: TwentyQuestionsParams, row: Array) -> tuple[float, int]:
    """Best expected return from a state within the horizon; one step, a lucky name, is the least to a payment."""
    left = params.horizon - int(row[CLOCK])
    if row[OVER] != 0 or left <= 0:
        return 0.0, 1
    return float(_values(params, row, left).max()), 1


def policy(params: TwentyQuestionsParams, row: Array) -> Array:
    """Best action within the horizon, of equally good ones the first."""
    values = _values(params, row, params.horizon - int(row[CLOCK]))
    return np.array([np.argmax(values >= values.max() - 1e-12)], dtype=np.float64)


PAPER, PALE, BLUE, GREEN, ORANGE = (250, 250, 247), (205, 205, 200), (0, 114, 178), (0, 158, 115), (230, 159, 0)
_TILE = 28  # pixels


def frame(params: TwentyQuestionsParams, row: Array, shape: Shape) -> Array:
    """The table, a column a hypothesis and a row a feature: blue where it has it, pale where answers rule it out.

    Left, the answers: green for yes, orange for no. Below, the hypotheses that fit, green.

    Returns:
        ``(28 (k + 1), 28 (m + 1), 3)`` uint8.
    """
    m, k = params.hypotheses, params.features
    fields = {name: shape.layout.view(row[None], name)[0] for name in ("feature", "asked", "truth", "fit")}
    bits = fields["feature"].astype(int)[:, None] >> np.arange(m) & 1
    fits = (int(fields["fit"]) >> np.arange(m) & 1) != 0
    colours = np.full((k + 1, m + 1, 3), PAPER, dtype=np.uint8)
    colours[:k, 1:][bits != 0] = BLUE
    colours[:k, 1:][(bits != 0) & ~fits] = PALE
    colours[k, 1:][fits] = GREEN
    for j in range(k):
        if int(fields["asked"]) >> j & 1:
            colours[j, 0] = GREEN if bits[j, int(fields["truth"])] else ORANGE
    return render.tiles(colours, _TILE)


V0 = Game(
    id="payoff/TwentyQuestions-v0",
    params=TwentyQuestionsParams,
    doc=__doc__,
    kernels=kernels.KERNELS,
    shape=lambda p: Shape(1, 1, p.features + p.hypotheses, kernels.layout(p.hypotheses, p.features, p.aux), p.horizon),
    pack=pack,
    bounds=lambda p: np.array([[[0.0, p.features + p.hypotheses - 1.0]]]),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=plan,
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("aux", True), Readout("progress", False), Readout("caption", False)),
    captions=kernels.CAPTIONS,
    noisy=True,  # the truth is hidden: what a state row returns is an expectation
    optimum=optimum,
    optimum_kind="exact",
    policy=policy,
    success=paid,
    levels={
        "easy": {"hypotheses": 4, "features": 4},
        "medium": {"hypotheses": 8, "features": 6},
        "hard": {"hypotheses": 12, "features": 8},
    },
)
