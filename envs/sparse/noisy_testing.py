"""NoisyTesting: find a hidden hypothesis with tests that err and cost, and name it when it no longer pays to test.

## Model
Each of b yes-no facts holds with probability 1/2; the `hypotheses` m = 2^b are their combinations (bit j of the number
is fact j). There are `tests` k tests: test i is about fact i mod b, and says the truth with probability q_i, each time
anew. Accuracies run in equal steps from `low_accuracy` to `high_accuracy`, prices c_i from `low_price` to `high_price`.
A step, by action:

1. name a hypothesis: pays 1 if it is the true one, and ends the episode either way;
2. test i: costs c_i, and answers.

## Players and actions
One seat; actions 0 .. m - 1 name a hypothesis, m .. m + k - 1 are the tests.

## Observations
In [0, 1].

- `full`: how often each test was positive (k) and negative (k), over the horizon; the exact probability of each
  hypothesis (m).
- `private`: the counts alone.
- `minimal`: the last test (k), and whether it was positive. Earlier answers have to be remembered.

## Rewards
-c_i for a test, 1 for the right name, 0 for a wrong one. `aux` names an auxiliary reward, which is in
`info["reward_terms"]["aux"]` and part of no reward:

- `none`: 0.
- `oracle`: 1 for an action of `oracle_action_set`, else 0 (needs a list of at most 2,000,000 balances, see below).
- `belief_prob`: what a test adds to the probability of the truth, which may be negative; 0 for a name.
- `belief_log`: what it adds to its logarithm.

`info["progress"]` is the probability of the likeliest hypothesis.

## Starting state
The truth comes from the copy's own stream.

## Episode end
Terminated by a name, truncated after `max_steps`.

## Theory
The facts stay independent, and the log-odds of fact j are the sum over its tests of d_i log(q_i / (1 - q_i)), d_i being
positive less negative answers. So the balances d and the number l of steps left are all that counts:

(1) V(d, 0) = 0
(2) V(d, l) = max(largest probability, max over i of -c_i + P(+) V(d + e_i, l - 1) + P(-) V(d - e_i, l - 1))

is solved backwards for every balance that can be reached, exactly. `oracle_action_set` are the actions that attain (2).
The list of balances has the sum of (2 r + 1)^k entries, r = 0 .. `max_steps` - 1; beyond 20,000,000 there is no optimum
(ValueError). The optimum is an expectation over truths and answers, given the answers so far. Stopping as soon as a
test costs more than it brings is sequential analysis (A. Wald, 1945).

A test of accuracy 0.8 of a fair fact adds 0.18 on average to the probability of the truth, and 0.193 to its logarithm,
which is the mutual information of test and fact and so never negative. Credit of both kinds adds up to the last value
minus the first. They follow IGPO (arXiv 2510.14967), with the exact belief in place of a model's.

Answers are chance outcomes that do not depend on the state (`Game.chance`): outcome 0 leaves every test right, outcome
k none, outcome i in between those from test i on.

## Parameters
`hypotheses` 4, or 2, 8 or 16; `tests` 2, from b to 8; `low_accuracy` 0.7 and `high_accuracy` 0.9, in [0.5, 0.999];
`low_price` 0.01 and `high_price` 0.03, in [0, 1]; `aux` `"none"`; `max_steps` None, which is 50.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from payoff.envs.core.game import Game, ObservationPlan, Readout, Shape, paid
from payoff.envs.core.params import Params, check_integer, check_number, check_word
from payoff.envs.core.state import CLOCK, OVER, Array
from payoff.envs.sparse import noisy_testing_kernels as kernels
from payoff.envs.sparse.reasoning import SETTINGS, Observe, same_in_all, seen, setting_of

__all__ = ["V0", "NoisyTestingParams", "Observe", "belief", "oracle_action_set"]

_MOST_SOLVED, _MOST_GRADED = 20_000_000, 2_000_000  # balances


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyTestingParams(Params):
    """Keywords of NoisyTesting-v0."""

    hypotheses: int = 4  # m = 2^b
    tests: int = 2  # k
    low_accuracy: float = 0.7  # q of the first test
    high_accuracy: float = 0.9  # q of the last test
    low_price: float = 0.01  # c of the first test
    high_price: float = 0.03  # c of the last test
    aux: Literal["none", "oracle", "belief_prob", "belief_log"] = "none"  # auxiliary reward
    max_steps: int | None = None  # None: 50

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("hypotheses", self.hypotheses, 2, 16)
        if self.hypotheses.bit_count() != 1:
            raise ValueError(f"hypotheses must be one of 2, 4, 8, 16, got {self.hypotheses!r}")
        check_integer("tests", self.tests, self.facts, 8)
        check_number("low_accuracy", self.low_accuracy, 0.5, 0.999)
        check_number("high_accuracy", self.high_accuracy, self.low_accuracy, 0.999)
        check_number("low_price", self.low_price, 0.0, 1.0)
        check_number("high_price", self.high_price, 0.0, 1.0)
        check_word("aux", self.aux, kernels.AUX)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)
        if self.aux == "oracle" and self.balances > _MOST_GRADED:
            raise ValueError(
                f"aux must not be 'oracle' beyond {_MOST_GRADED:,} balances, got more: fewer steps or tests"
            )

    @property
    def facts(self) -> int:
        """Number of facts, b."""
        return int(self.hypotheses).bit_length() - 1

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return 50 if self.max_steps is None else self.max_steps

    @property
    def balances(self) -> int:
        """Entries of the list that the optimum is worked out on; counted no further than too many."""
        found = 0
        for r in range(self.horizon):
            found += (2 * r + 1) ** self.tests
            if found > _MOST_SOLVED:
                break
        return found

    @property
    def accuracies(self) -> Array:
        """q_i, ``(k,)``."""
        return np.linspace(self.low_accuracy, self.high_accuracy, self.tests)

    @property
    def prices(self) -> Array:
        """c_i, ``(k,)``."""
        return np.linspace(self.low_price, self.high_price, self.tests)


def plan(rows: Sequence[NoisyTestingParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
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
    m, k = rows[0].hypotheses, rows[0].tests
    if setting.scope == "minimal":
        names = [*(f"last test[{i}]" for i in range(k)), "positive"]
    else:
        names = [f"{answer}[{i}]" for answer in ("positive", "negative") for i in range(k)]
    if setting.scope == "full":
        names += [f"probability[{h}]" for h in range(m)]
    names += ["clock"] if setting.clock else []
    return ObservationPlan(seen(rows, setting, m, k), tuple(names), sees_actions=False)


def chance(params: NoisyTestingParams) -> Array:
    """Probabilities of the outcomes, ``(k + 1,)``: outcome i leaves test i and the more accurate ones right."""
    return np.diff(params.accuracies, prepend=0.0, append=1.0)


def pack(rows: Sequence[NoisyTestingParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them.

    Raises:
        ValueError: copies of a batch differ in ``hypotheses`` and ``tests``, which decide the state row; or copies that
            each have their own parameters need too many balances for the oracle.
    """
    same_in_all(rows, "hypotheses", "tests")
    graded = max((p.balances for p in rows if p.aux == "oracle"), default=1)
    if graded * len(rows) > _MOST_SOLVED:
        raise ValueError(
            f"aux='oracle' with parameters of each copy takes at most {_MOST_SOLVED:,} balances in all, "
            f"got {graded:,} in each of {len(rows)} copies"
        )
    best = np.zeros((len(rows), graded), dtype=np.int64)
    for b, p in enumerate(rows):
        if p.aux == "oracle":
            best[b, : p.balances] = _best_actions(p)
    numbers = [(p.hypotheses, p.facts, p.tests, p.horizon, kernels.AUX.index(p.aux)) for p in rows]
    tests = [[(q, c, np.log(q / (1.0 - q))) for q, c in zip(p.accuracies, p.prices, strict=True)] for p in rows]
    return (
        np.array(numbers, dtype=kernels.NUMBERS),
        np.array(tests, dtype=kernels.TEST),
        np.stack([chance(p) for p in rows]),
        best,
    )


def belief(params: NoisyTestingParams, row: Array) -> Array:
    """Exact probability of each hypothesis, given the answers: ``(m,)``."""
    numbers, tests, *_ = pack([replace(params, aux="none")])  # without the list of best actions
    return np.array([kernels.belief_row(numbers[0], tests[0], row, h) for h in range(params.hypotheses)])


def _facts_at(params: NoisyTestingParams, radius: int) -> list[Array]:
    """Probability of each fact at all balances from -radius to radius: b arrays that broadcast over k axes."""
    odds = np.log(params.accuracies / (1.0 - params.accuracies))
    found = []
    for j in range(params.facts):
        evidence = np.zeros((1,) * params.tests)
        for i in range(j, params.tests, params.facts):
            along = np.arange(-radius, radius + 1).reshape([-1 if a == i else 1 for a in range(params.tests)])
            evidence = evidence + odds[i] * along
        found.append(1.0 / (1.0 + np.exp(-evidence)))
    return found


def _action_values(params: NoisyTestingParams, radius: int, later: Array | None) -> Array:
    """Expected return of each test and of the likeliest name at all balances, ``(k + 1, 2 radius + 1, ...)``.

    Args:
        params: parameters.
        radius: steps taken.
        later: values of all balances one step later, or None when no step is left then.
    """
    k = params.tests
    shape = (2 * radius + 1,) * k
    facts = _facts_at(params, radius)
    found = np.empty((k + 1, *shape))
    found[k] = np.prod(np.broadcast_arrays(*(np.maximum(p, 1.0 - p) for p in facts)), axis=0)
    for i, (q, price) in enumerate(zip(params.accuracies, params.prices, strict=True)):
        found[i] = -price
        if later is not None:
            fact = facts[i % params.facts]
            positive = q * fact + (1.0 - q) * (1.0 - fact)
            up, down = (
                later[tuple(slice(1 + d * (a == i), 2 * radius + 2 + d * (a == i)) for a in range(k))] for d in (1, -1)
            )
            found[i] += positive * up + (1.0 - positive) * down
    return found


@lru_cache(maxsize=8)
def _solution(params: NoisyTestingParams) -> tuple[Array, ...]:
    """V of equation (2) after r steps, for every r: arrays with k axes of 2 r + 1 balances."""
    if params.balances > _MOST_SOLVED:
        raise ValueError(
            f"max_steps and tests must make at most {_MOST_SOLVED:,} balances to be solved, got more with "
            f"max_steps={params.horizon} and tests={params.tests}"
        )
    values: list[Array] = []
    for radius in range(params.horizon - 1, -1, -1):
        values.append(_action_values(params, radius, values[-1] if values else None).max(axis=0))
    return tuple(values[::-1])


def _best_actions(params: NoisyTestingParams) -> Array:
    """Best actions at every balance as a set, in the order of ``grid_index``: ``(balances,)`` int64."""
    values = _solution(params)
    found = []
    for radius in range(params.horizon - 1, -1, -1):
        later = values[radius + 1] if radius + 1 < params.horizon else None
        q = _action_values(params, radius, later).reshape(params.tests + 1, -1)
        best = q >= q.max(axis=0) - 1e-12
        actions = (best[:-1] << (params.hypotheses + np.arange(params.tests))[:, None]).sum(axis=0)
        facts = [np.broadcast_to(p, (2 * radius + 1,) * params.tests).ravel() for p in _facts_at(params, radius)]
        for h in range(params.hypotheses):
            likely = [p >= 0.5 - 1e-12 if h >> j & 1 else p <= 0.5 + 1e-12 for j, p in enumerate(facts)]
            actions |= (best[-1] & np.logical_and.reduce(likely)).astype(np.int64) << h
        found.append(actions)
    return np.concatenate(found)


def _state(params: NoisyTestingParams, row: Array) -> tuple[int, tuple[int, ...]]:
    """Steps taken, and the balances as an index into the values after them."""
    layout, taken = kernels.layout(params.tests), int(row[CLOCK])
    balance = layout.view(row[None], "positive")[0] - layout.view(row[None], "negative")[0]
    return taken, tuple((balance + taken).astype(int).tolist())


def oracle_action_set(params: NoisyTestingParams, row: Array) -> Array:
    """Actions that are best within the horizon, in order.

    Raises:
        ValueError: there are too many balances to be solved.
    """
    taken, at = _state(params, row)
    values = _solution(params)
    later = values[taken + 1] if taken + 1 < params.horizon else None
    q = np.concatenate([belief(params, row), _tests_at(params, row, later, at)])
    return np.flatnonzero(q >= q.max() - 1e-12)


def _tests_at(params: NoisyTestingParams, row: Array, later: Array | None, at: tuple[int, ...]) -> Array:
    """Expected return of each test in one state, ``(k,)``."""
    found = -params.prices
    if later is None:
        return found
    probability = belief(params, row)
    for i, q in enumerate(params.accuracies):
        fact = probability[(np.arange(params.hypotheses) >> i % params.facts & 1) == 1].sum()
        positive = q * fact + (1.0 - q) * (1.0 - fact)
        up, down = (later[tuple(x + 1 + d * (a == i) for a, x in enumerate(at))] for d in (1, -1))
        found[i] += positive * up + (1.0 - positive) * down
    return found


def optimum(params: NoisyTestingParams, row: Array) -> tuple[float, int]:
    """Best expected return from a state within the horizon; one step, a lucky name, is the least to a payment.

    Raises:
        ValueError: there are too many balances to be solved.
    """
    if row[OVER] != 0 or row[CLOCK] >= params.horizon:
        return 0.0, 1
    taken, at = _state(params, row)
    return float(_solution(params)[taken][at]), 1


def policy(params: NoisyTestingParams, row: Array) -> Array:
    """Best action within the horizon, of equally good ones the first."""
    return oracle_action_set(params, row)[:1].astype(np.float64)


PAPER, PALE, INK, BLUE, GREEN, ORANGE = (
    (250, 250, 247),
    (205, 205, 200),
    (40, 44, 52),
    (0, 114, 178),
    (0, 158, 115),
    (230, 159, 0),
)
_SIDE, _GAP = 120, 12  # pixels: height of a panel and width around it


def frame(params: NoisyTestingParams, row: Array, shape: Shape) -> Array:
    """Above, the probability of each hypothesis; below, answers of each test: positive green up, negative orange down.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    probabilities = belief(params, row)
    counts = {name: shape.layout.view(row[None], name)[0] for name in ("positive", "negative")}
    width = 24 * max(params.hypotheses, params.tests)
    picture = np.full((2 * _SIDE + 3 * _GAP, width + 2 * _GAP, 3), PAPER, dtype=np.uint8)
    step = width / params.hypotheses
    for h, probability in enumerate(probabilities.tolist()):
        left, right = (round(_GAP + (h + edge) * step) for edge in (0.15, 0.85))
        picture[_GAP : _GAP + _SIDE, left:right] = PALE
        picture[_GAP + round(_SIDE * (1.0 - probability)) : _GAP + _SIDE, left:right] = BLUE
    step, middle = width / params.tests, 2 * _GAP + _SIDE + _SIDE // 2
    unit = (_SIDE // 2 - 2) / max(counts["positive"].max(), counts["negative"].max(), 4.0)
    for i in range(params.tests):
        left, right = (round(_GAP + (i + edge) * step) for edge in (0.15, 0.85))
        picture[middle - round(unit * counts["positive"][i]) : middle, left:right] = GREEN
        picture[middle : middle + round(unit * counts["negative"][i]), left:right] = ORANGE
    picture[middle - 1 : middle + 1, _GAP:-_GAP] = INK
    return picture


V0 = Game(
    id="payoff/NoisyTesting-v0",
    params=NoisyTestingParams,
    doc=__doc__,
    kernels=kernels.KERNELS,
    shape=lambda p: Shape(1, 1, p.tests + p.hypotheses, kernels.layout(p.tests), p.horizon),
    pack=pack,
    bounds=lambda p: np.array([[[0.0, p.tests + p.hypotheses - 1.0]]]),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=plan,
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("aux", True), Readout("progress", False), Readout("caption", False)),
    captions=kernels.CAPTIONS,
    chance=chance,
    optimum=optimum,
    optimum_kind="exact_small",
    policy=policy,
    success=paid,
    levels={
        "easy": {"hypotheses": 2, "tests": 2},
        "medium": {"hypotheses": 4, "tests": 4, "max_steps": 12},
        "hard": {"hypotheses": 8, "tests": 3, "max_steps": 24},
    },
)
