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

- `full`: how often each test was positive (k) and negative (k), divided by the horizon; the exact probability of each
  hypothesis (m).
- `private`: the counts alone.
- `minimal`: the last test (k), and whether it was positive. Earlier answers have to be remembered.

## Rewards
-c_i for a test, 1 for the right name, 0 for a wrong one. `aux` names an auxiliary reward, which is in
`info["aux"]` and never added to the reward:

- `none`: 0.
- `oracle`: 1 for an action of `oracle_action_set`, else 0 (needs a list of at most 2,000,000 balances, see below).
- `belief_prob`: what a test adds to the probability of the truth, which may be negative; 0 for a name.
- `belief_log`: what it adds to its logarithm.

`info["progress"]` is the probability of the likeliest hypothesis.

## Starting state
The truth comes from the copy's own random stream (a copy is one environment of a batch).

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

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs.core import chance, rng
from payoff.envs.core.game import Each, Game, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number, check_word, record
from payoff.envs.core.state import Array, Cells, Copy, State, real, whole
from payoff.envs.core.words import events
from payoff.envs.sparse.noisy_testing_solution import MOST_SOLVED, best_actions, solution, values_at
from payoff.envs.sparse.reasoning import AUX, SCOPE, SETTINGS, Observe, see_clock, sight

__all__ = ["SETTINGS", "V0", "NoisyTestingParams", "Observe", "belief", "oracle_action_set"]

MOST_GRADED = 2_000_000  # balances whose best actions are listed for the auxiliary reward
TEST = np.dtype([("price", np.float64), ("log_odds", np.float64)], align=True)
EVENT = events(
    began="the episode began",
    positive="tested positive",
    negative="tested negative",
    right="named the right hypothesis",
    wrong="named a wrong hypothesis",
)


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
        check_word("aux", self.aux, AUX._fields)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)
        if self.aux == "oracle" and self.balances > MOST_GRADED:
            raise ValueError(
                f"aux must not be 'oracle' beyond {MOST_GRADED:,} balances, got more: fewer steps or tests"
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
            if found > MOST_SOLVED:
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


class NoisyTesting(Copy):
    """State of one episode, beside the counts of answers."""

    truth: float = whole(0, lambda p: p.hypotheses - 1)  # the hidden hypothesis
    last: float = whole(-1, lambda p: p.tests - 1)  # the last test; -1: none
    said: float = whole(0, 1)  # whether it was positive
    event: float = whole(0, EVENT)
    aux: float = real(lambda p: -most_gained(p), lambda p: most_gained(p))  # auxiliary reward of the last step
    forced: float = whole(0, lambda p: p.tests + 1)  # 0: the next step draws; k + 1: it must have outcome k


def most_gained(params: NoisyTestingParams) -> float:
    """Most that one answer adds to the logarithm of a probability, and at least 1."""
    return max(1.0, math.log(params.high_accuracy / (1.0 - params.high_accuracy)))


COUNTS = Cells(lambda p: (p.tests,), whole(0, lambda p: p.horizon))
STATE = State(NoisyTesting, positive=COUNTS, negative=COUNTS)  # how often each test gave this answer


def outcomes(params: NoisyTestingParams) -> Array:
    """Probabilities of the outcomes, ``(k + 1,)``: outcome i leaves test i and the more accurate ones right."""
    return np.diff(params.accuracies, prepend=0.0, append=1.0)


def listed(params: NoisyTestingParams) -> Array:
    """The tests, ``(k,)`` of dtype TEST."""
    each = zip(params.accuracies, params.prices, strict=True)
    return np.array([(price, np.log(q / (1.0 - q))) for q, price in each], dtype=TEST)


def tables(rows: Sequence[NoisyTestingParams]) -> tuple[Array, ...]:
    """Tests ``(P, k)``, outcomes ``(P, k + 1)``, and for ``oracle`` the list of best actions, ``(P, balances)``.

    Raises:
        ValueError: copies that each have their own parameters need too many balances for the oracle.
    """
    graded = max((p.balances for p in rows if p.aux == "oracle"), default=1)
    if graded * len(rows) > MOST_SOLVED:
        raise ValueError(
            f"aux='oracle' with parameters of each copy takes at most {MOST_SOLVED:,} balances in all, "
            f"got {graded:,} in each of {len(rows)} copies"
        )
    best = np.zeros((len(rows), graded), dtype=np.int64)
    for b, p in enumerate(rows):
        if p.aux == "oracle":
            best[b, : p.balances] = best_actions(p)
    return np.stack([listed(p) for p in rows]), np.stack([outcomes(p) for p in rows]), best


@jit
def start(
    p: NoisyTestingParams, tests: Array, chances: Array, best: Array, s: NoisyTesting, positive: Array, negative: Array
) -> None:
    """The truth is drawn, nothing is tested."""
    s.truth = rng.below(s, p.hypotheses)
    s.last = -1.0


@jit
def step(
    p: NoisyTestingParams,
    tests: Array,
    chances: Array,
    best: Array,
    s: NoisyTesting,
    positive: Array,
    negative: Array,
    action: Array,
    payoff: Array,
) -> bool:
    """One step; a name ends the episode."""
    chosen, truth = int(action[0]), int(s.truth)
    drawn = chance.outcome(s, chances)  # every step draws one, so that all see the same stream
    s.aux = 0.0
    if p.aux == AUX.oracle:
        s.aux = float(best[place(p, s, positive, negative)] >> chosen & 1)
    if chosen < p.hypotheses:  # 1
        right = chosen == truth
        s.event = EVENT.right if right else EVENT.wrong
        payoff[0] = 1.0 if right else 0.0
        return True
    i = chosen - p.hypotheses
    payoff[0] = -tests[i].price  # 2
    graded = p.aux == AUX.belief_prob or p.aux == AUX.belief_log
    before = probability(p, tests, positive, negative, truth) if graded else 0.0
    holds = truth >> (i % p.facts) & 1 == 1
    says = holds == (drawn <= i)
    if says:
        positive[i] += 1.0
    else:
        negative[i] += 1.0
    s.last, s.said = i, 1.0 if says else 0.0
    s.event = EVENT.positive if says else EVENT.negative
    if graded:
        after = probability(p, tests, positive, negative, truth)
        s.aux = after - before if p.aux == AUX.belief_prob else math.log(after / before)
    return False


@jit
def probability(p: NoisyTestingParams, tests: Array, positive: Array, negative: Array, hypothesis: int) -> float:
    """Exact probability of a hypothesis, given all answers: facts stay independent."""
    found = 1.0
    for j in range(p.facts):
        x = evidence(p, tests, positive, negative, j)
        found /= 1.0 + math.exp(-x if hypothesis >> j & 1 else x)
    return found


@jit
def evidence(p: NoisyTestingParams, tests: Array, positive: Array, negative: Array, fact: int) -> float:
    """Log-odds of a fact, given all answers: a positive answer of a test of it adds the test's, a negative one less."""
    found = 0.0
    for i in range(fact, p.tests, p.facts):
        found += (positive[i] - negative[i]) * tests[i].log_odds
    return found


@jit
def place(p: NoisyTestingParams, s: NoisyTesting, positive: Array, negative: Array) -> int:
    """Place of a state in the list of best actions; balances that so few steps cannot make count as the nearest."""
    radius = min(int(s.clock), p.horizon - 1)
    at = 0
    for r in range(p.horizon - 1, radius, -1):
        size = 1
        for _ in range(p.tests):
            size *= 2 * r + 1
        at += size
    within = 0
    for i in range(p.tests):
        balance = min(max(int(positive[i] - negative[i]), -radius), radius)
        within = within * (2 * radius + 1) + balance + radius
    return at + within


@jit
def look(
    p: NoisyTestingParams,
    tests: Array,
    chances: Array,
    best: Array,
    s: NoisyTesting,
    positive: Array,
    negative: Array,
    view: Any,
    seen: Array,
) -> None:
    """The counts of answers or the last answer, and the belief."""
    k = p.tests
    if view.scope == SCOPE.minimal:
        for i in range(k):
            seen[i] = 1.0 if i == s.last else 0.0
        seen[k] = s.said
        at = k + 1
    else:
        for i in range(k):
            seen[i] = min(positive[i] * view.step, 1.0)
            seen[k + i] = min(negative[i] * view.step, 1.0)
        at = 2 * k
    if view.scope == SCOPE.full:
        for h in range(p.hypotheses):
            seen[at + h] = probability(p, tests, positive, negative, h)
        at += p.hypotheses
    see_clock(s, view, seen, at)


def named(params: NoisyTestingParams, scope: str) -> list[str]:
    """Names of what is seen."""
    if scope == "minimal":
        return [*(f"last test[{i}]" for i in range(params.tests)), "positive"]
    names = [f"{answer}[{i}]" for answer in ("positive", "negative") for i in range(params.tests)]
    return names + [f"probability[{h}]" for h in range(params.hypotheses) if scope == "full"]


@jit
def progress(
    p: NoisyTestingParams, tests: Array, chances: Array, best: Array, s: NoisyTesting, positive: Array, negative: Array
) -> float:
    """Probability of the likeliest hypothesis."""
    found = 1.0
    for j in range(p.facts):
        found /= 1.0 + math.exp(-abs(evidence(p, tests, positive, negative, j)))
    return found


def belief(params: NoisyTestingParams, s: NoisyTesting, positive: Array, negative: Array) -> Array:
    """Exact probability of each hypothesis, given the answers: ``(m,)``."""
    p, tests = record(params), listed(params)
    return np.array([probability(p, tests, positive, negative, h) for h in range(params.hypotheses)])


def oracle_action_set(params: NoisyTestingParams, s: NoisyTesting, positive: Array, negative: Array) -> Array:
    """Actions that are best within the horizon, in order.

    Raises:
        ValueError: there are too many balances to be solved.
    """
    balance = (positive - negative).astype(int)
    values = values_at(params, int(s.clock), balance, belief(params, s, positive, negative))
    return np.flatnonzero(values >= values.max() - 1e-12)


def optimum(params: NoisyTestingParams, s: NoisyTesting, positive: Array, negative: Array) -> tuple[float, int]:
    """Best expected return within the steps left, and the least number of steps to a payment: one, by a guess.

    Raises:
        ValueError: there are too many balances to be solved.
    """
    taken = int(s.clock)
    if s.over != 0 or taken >= params.horizon:
        return 0.0, 1
    at = (positive - negative).astype(int) + taken
    return float(solution(params)[taken][tuple(at.tolist())]), 1


def policy(params: NoisyTestingParams, s: NoisyTesting, positive: Array, negative: Array) -> Array:
    """Best action within the horizon, of equally good ones the first."""
    return oracle_action_set(params, s, positive, negative)[:1]


PAPER, PALE, INK = (250, 250, 247), (205, 205, 200), (40, 44, 52)
BLUE, GREEN, ORANGE = (0, 114, 178), (0, 158, 115), (230, 159, 0)
SIDE, GAP = 120, 12  # pixels: height of a panel and width around it


def draw(params: NoisyTestingParams, s: NoisyTesting, positive: Array, negative: Array) -> Array:
    """Above, the probability of each hypothesis; below, answers of each test: green positive, orange negative ones."""
    width = 24 * max(params.hypotheses, params.tests)
    picture = np.full((2 * SIDE + 3 * GAP, width + 2 * GAP, 3), PAPER, dtype=np.uint8)
    step = width / params.hypotheses
    for h, likely in enumerate(belief(params, s, positive, negative).tolist()):
        left, right = (round(GAP + (h + edge) * step) for edge in (0.15, 0.85))
        picture[GAP : GAP + SIDE, left:right] = PALE
        picture[GAP + round(SIDE * (1.0 - likely)) : GAP + SIDE, left:right] = BLUE
    step, middle = width / params.tests, 2 * GAP + SIDE + SIDE // 2
    unit = (SIDE // 2 - 2) / max(positive.max(), negative.max(), 4.0)
    for i in range(params.tests):
        left, right = (round(GAP + (i + edge) * step) for edge in (0.15, 0.85))
        picture[middle - round(unit * positive[i]) : middle, left:right] = GREEN
        picture[middle : middle + round(unit * negative[i]), left:right] = ORANGE
    picture[middle - 1 : middle + 1, GAP:-GAP] = INK
    return picture


V0 = Game(
    "payoff/NoisyTesting-v0",
    "Find a hidden hypothesis with tests that err and cost; the belief is exact.",
    tags=("reasoning", "stochastic"),
    rules=Rules(
        params=NoisyTestingParams,
        state=STATE,
        start=start,
        step=step,
        actions=lambda p: p.tests + p.hypotheses,
        tables=tables,
        alike=("hypotheses", "tests"),
        chance=outcomes,
    ),
    sight=sight(look, named),
    info={"aux": Each("aux"), "progress": progress, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact_small",
        optimum=optimum,
        policy=policy,
        starts=lambda p: p.hypotheses,
        levels={
            "easy": {"hypotheses": 2, "tests": 2},
            "medium": {"hypotheses": 4, "tests": 4, "max_steps": 12},
            "hard": {"hypotheses": 8, "tests": 3, "max_steps": 24},
        },
    ),
)
