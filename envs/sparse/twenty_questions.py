"""TwentyQuestions: find a hidden hypothesis by yes-no questions that cost something, and name it.

## Model
One of `hypotheses` m hypotheses is true, each with probability 1/m. A table that is shown says which of `features` k
features each of them has; it is drawn anew in each episode, so that no two have the same. A step, by action:

1. name a hypothesis: pays 1 if it is the true one, and ends the episode either way;
2. ask whether the true hypothesis has a feature: costs `cost` c, and is answered truthfully.

A question may be asked again, or although its answer follows from earlier ones: it costs the same and tells nothing
new, and the event says that it was known. The name is that of the parlour game; at the defaults six questions are
enough.

## Players and actions
One seat; actions 0 .. m - 1 name a hypothesis, m .. m + k - 1 ask about a feature. `action_mask` leaves out the
questions that were asked, which under `minimal` would have to be remembered, but not those whose answer follows.

## Observations
In [0, 1]. Each setting begins with the table, feature by feature (k m numbers).

- `full`: the features that were answered yes (k), those answered no (k), and the exact probability of each hypothesis
  (m): 1/N for the N that fit all answers, 0 for the others.
- `private`: the same without the probabilities.
- `minimal`: the same as `private`, but of the last question only.

## Rewards
-c for a question, 1 for the right name, 0 for a wrong one. `aux` names an auxiliary reward, which is in
`info["aux"]` and never added to the reward:

- `none`: 0.
- `oracle`: 1 for an action of `oracle_action_set`, else 0 (needs a table of all sets: up to 10 hypotheses).
- `belief_prob`: what a question adds to the probability of the truth; 0 for a name.
- `belief_log`: what it adds to the logarithm of this probability.

## Starting state
The features of one hypothesis after the other, each time uniform over all combinations that no earlier hypothesis has;
then the truth. All are drawn from the copy's own random stream (a copy is one environment of a batch).

## Episode end
Terminated by a name, truncated after `max_steps`.

## Theory
All that matters is the set S of the hypotheses that fit all answers. Given enough steps, S is worth

(1) V(S) = max(1/|S|, max over j of -c + sum over answers of |S'|/|S| V(S'))

where the answer yes or no to a question about feature j leaves S', the part of S that fits it. `oracle_action_set` are
the actions that attain (1). The optimum comes from the same recursion, with the number of steps left counted as well,
and is exact for all m up to 16. It is an expectation over all hypotheses in S: it does not use which one is true. To
ask as few questions as possible is NP-complete in general (L. Hyafil and R. L. Rivest, "Constructing optimal binary
decision trees is NP-complete", 1976); the number of sets grows as 2 to the power of m.

When every question halves S, each adds log 2 to the logarithm of the truth's probability. The probability itself, if S
begins with eight hypotheses, rises from 1/8 to 1/4, 1/2 and 1, so the questions add 1/8, 1/4 and 1/2. So `belief_log`
spreads credit evenly, and `belief_prob` gives most of it to the last questions. Both add up to the last value minus the
first, however long the episode. They follow IGPO (arXiv 2510.14967), with the exact belief in place of a model's.

Asking everything and then naming what is left always succeeds. Uniformly random play names the truth with probability
1/m if it names anything, and a few episodes are truncated before it does. So success is not rare, and the game is one
of credit and cost rather than of a sparse reward.

## Parameters
`hypotheses` 8, in 2 .. 16; `features` 6, up to 16 and at least log2 of `hypotheses`; `cost` 0.05, in [0, 1]; `aux`
`"none"`; `max_steps` None, which is `features` + 1.

## Version history
v0: first version.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs import render
from payoff.envs.core import rng
from payoff.envs.core.game import Each, Game, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number, check_word, record
from payoff.envs.core.state import Array, Cells, Copy, State, real, whole
from payoff.envs.core.words import events
from payoff.envs.sparse.reasoning import AUX, SCOPE, SETTINGS, Observe, see_clock, sight

__all__ = ["SETTINGS", "V0", "Observe", "TwentyQuestionsParams", "belief", "oracle_action_set"]

# AUX and SCOPE number the words of `aux` and of the settings, from 0, in the order of the lists above
MOST_FOR_ORACLE = 10  # hypotheses up to which ``aux`` may be oracle: the state then holds the values of all sets
EVENT = events(
    began="the episode began",
    yes="asked and heard yes",
    no="asked and heard no",
    known="asked what was known already",
    right="named the right hypothesis",
    wrong="named a wrong hypothesis",
)


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
        check_word("aux", self.aux, AUX._fields)
        if self.aux == "oracle" and self.hypotheses > MOST_FOR_ORACLE:
            raise ValueError(f"aux must not be 'oracle' beyond {MOST_FOR_ORACLE} hypotheses, got {self.hypotheses!r}")
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)

    @property
    def full_set(self) -> int:
        """The set of all hypotheses."""
        return (1 << self.hypotheses) - 1

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.features + 1 if self.max_steps is None else self.max_steps


class TwentyQuestions(Copy):
    """State of one episode, beside its table.

    A set of hypotheses is a whole number whose bit h is 1 if hypothesis h is in it; a set of features likewise.
    """

    truth: float = whole(0, lambda p: p.hypotheses - 1)  # the hidden hypothesis
    fit: float = whole(1, lambda p: p.full_set)  # set of the hypotheses that fit all answers
    asked: float = whole(0, lambda p: (1 << p.features) - 1)  # set of the features that were asked about
    last: float = whole(-1, lambda p: p.features - 1)  # the feature asked about last; -1: none
    event: float = whole(0, EVENT)
    aux: float = real(0.0, lambda p: max(1.0, math.log(p.hypotheses)))  # auxiliary reward of the last step


STATE = State(
    TwentyQuestions,
    feature=Cells(lambda p: (p.features,), whole(0, lambda p: p.full_set)),  # [j]: set of the hypotheses that have it
    value=Cells(lambda p: (1 + p.full_set if p.aux == "oracle" else 0,), real(0.0, 1.0)),  # [S]: V(S)
)


@jit
def start(p: TwentyQuestionsParams, s: TwentyQuestions, feature: Array, value: Array) -> None:
    """Features of each hypothesis, drawn anew while an earlier one has the same; then the truth."""
    for h in range(p.hypotheses):
        drawn = False
        while not drawn or is_taken(feature, h):
            code = rng.below(s, 1 << p.features)
            for j in range(p.features):
                feature[j] = (int(feature[j]) & ~(1 << h)) | ((code >> j & 1) << h)
            drawn = True
    s.truth = rng.below(s, p.hypotheses)
    s.fit = p.full_set
    s.last = -1.0
    if p.aux == AUX.oracle:
        solve(p, feature, p.full_set, value)


@jit
def is_taken(feature: Array, hypothesis: int) -> bool:
    """Whether an earlier hypothesis has the same features."""
    for g in range(hypothesis):
        j = 0
        while j < feature.shape[0] and has(feature, j, g) == has(feature, j, hypothesis):
            j += 1
        if j == feature.shape[0]:
            return True
    return False


@jit
def has(feature: Array, j: int, hypothesis: int) -> bool:
    """Whether a hypothesis has feature j."""
    return int(feature[j]) >> hypothesis & 1 == 1


@jit
def step(
    p: TwentyQuestionsParams, s: TwentyQuestions, feature: Array, value: Array, action: Array, payoff: Array
) -> bool:
    """One step; a name ends the episode."""
    chosen, fit, truth = int(action[0]), int(s.fit), int(s.truth)
    s.aux = 0.0
    if p.aux == AUX.oracle and action_value(p, feature, fit, chosen, value) >= value[fit] - 1e-12:
        s.aux = 1.0
    if chosen < p.hypotheses:  # 1, as numbered under Model
        right = chosen == truth
        s.event = EVENT.right if right else EVENT.wrong
        payoff[0] = 1.0 if right else 0.0
        return True
    payoff[0] = -p.cost  # 2
    j = chosen - p.hypotheses
    yes = has(feature, j, truth)
    after = fit & (int(feature[j]) if yes else ~int(feature[j]))
    after |= 1 << truth  # only matters in states made by hand, where the truth may be missing from ``fit``
    s.fit, s.last, s.asked = after, j, int(s.asked) | (1 << j)
    s.event = EVENT.known if after == fit else EVENT.yes if yes else EVENT.no
    if p.aux == AUX.belief_prob:
        s.aux = 1.0 / size_of(after) - 1.0 / size_of(fit)
    elif p.aux == AUX.belief_log:
        s.aux = math.log(size_of(fit) / size_of(after))
    return False


@jit
def is_new(p: TwentyQuestionsParams, s: TwentyQuestions, feature: Array, value: Array, k: int) -> bool:
    """Whether action k names a hypothesis, or asks what was not asked before."""
    return k < p.hypotheses or int(s.asked) >> (k - p.hypotheses) & 1 == 0


@jit
def size_of(subset: int) -> int:
    """Number of hypotheses in a set: of the bits that are 1, among 16."""
    subset = subset - (subset >> 1 & 0x5555)
    subset = (subset & 0x3333) + (subset >> 2 & 0x3333)
    subset = (subset + (subset >> 4)) & 0x0F0F
    return (subset + (subset >> 8)) & 0x1F


@jit
def action_value(p: TwentyQuestionsParams, feature: Array, subset: int, action: int, value: Array) -> float:
    """Expected return of an action when ``subset`` fits the answers.

    Args:
        p: parameters.
        feature: the table.
        subset: set of hypotheses, not empty.
        action: action.
        value: of each smaller set, what it is worth once the action is taken.

    Returns:
        -1 for a useless action: it names what does not fit, or its answer is known.
    """
    n = size_of(subset)
    if action < p.hypotheses:
        return 1.0 / n if subset >> action & 1 else -1.0
    yes = subset & int(feature[action - p.hypotheses])
    no = subset ^ yes
    if yes == 0 or no == 0:
        return -1.0
    n_yes = size_of(yes)
    return (n_yes * value[yes] + (n - n_yes) * value[no]) / n - p.cost


@jit
def best_value(p: TwentyQuestionsParams, feature: Array, subset: int, value: Array) -> float:
    """Largest :func:`action_value` of all actions."""
    best = 1.0 / size_of(subset)
    for j in range(p.features):
        best = max(best, action_value(p, feature, subset, p.hypotheses + j, value))
    return best


@jit
def solve(p: TwentyQuestionsParams, feature: Array, within: int, value: Array) -> None:
    """Write V(S) of every subset of ``within``, given enough steps: equation (1) under Theory.

    Subsets are visited in the order of their numbers (the bits read as an integer). A part of a set has a smaller
    number than the set, so its value is there when it is needed.
    """
    value[0] = 0.0
    subset = -within & within
    while subset:
        value[subset] = best_value(p, feature, subset, value)
        subset = (subset - within) & within


@jit
def solve_within(p: TwentyQuestionsParams, feature: Array, within: int, steps: int, value: Array) -> None:
    """Write what every subset of ``within`` is worth with this many steps left.

    The values of one step more replace those of one step less, from the largest number to the smallest. A part of a set
    has a smaller number than the set, so its value is still that of one step less when it is needed.
    """
    subset = within
    value[0] = 0.0
    while subset:
        value[subset] = 1.0 / size_of(subset) if steps > 0 else 0.0
        subset = (subset - 1) & within
    for _ in range(1, steps):
        changed = False
        subset = within
        while subset:
            best = best_value(p, feature, subset, value)
            changed = changed or best > value[subset]
            value[subset] = best
            subset = (subset - 1) & within
        if not changed:
            break


@jit
def look(p: TwentyQuestionsParams, s: TwentyQuestions, feature: Array, value: Array, view: Any, seen: Array) -> None:
    """The table, the answers or only the last one, and in ``full`` the belief."""
    m, k, truth, asked = p.hypotheses, p.features, int(s.truth), int(s.asked)
    if view.scope == SCOPE.minimal:
        asked = 1 << int(s.last) if s.last >= 0.0 else 0
    for j in range(k):
        having = int(feature[j])
        for h in range(m):
            seen[j * m + h] = having >> h & 1
    at = k * m
    for j in range(k):
        known, yes = asked >> j & 1 == 1, has(feature, j, truth)
        seen[at + j] = 1.0 if known and yes else 0.0
        seen[at + k + j] = 1.0 if known and not yes else 0.0
    at += 2 * k
    if view.scope == SCOPE.full:
        fit = int(s.fit)
        share = 1.0 / size_of(fit)
        for h in range(m):
            seen[at + h] = share if fit >> h & 1 else 0.0
        at += m
    see_clock(s, view, seen, at)


def named(params: TwentyQuestionsParams, scope: str) -> list[str]:
    """Names of the entries, in their order."""
    m, k = params.hypotheses, params.features
    names = [f"has[{j},{h}]" for j in range(k) for h in range(m)]
    names += [f"{answer}[{j}]" for answer in ("yes", "no") for j in range(k)]
    return names + [f"probability[{h}]" for h in range(m) if scope == "full"]


@jit
def progress(p: TwentyQuestionsParams, s: TwentyQuestions, feature: Array, value: Array) -> float:
    """Share of the information that is known: 0 if all hypotheses fit, 1 if only one does."""
    return 1.0 - math.log(size_of(int(s.fit))) / math.log(p.hypotheses)


def belief(params: TwentyQuestionsParams, s: TwentyQuestions, feature: Array, value: Array) -> Array:
    """Exact probability of each hypothesis, given the answers: ``(m,)``."""
    fits = int(s.fit) >> np.arange(params.hypotheses) & 1
    share: Array = fits / fits.sum()
    return share


def action_values(params: TwentyQuestionsParams, s: TwentyQuestions, feature: Array, steps: int | None) -> Array:
    """Expected return of each action with this many steps left (None: enough), ``(m + k,)``; -1 if it is useless."""
    p, fit, value = record(params), int(s.fit), np.empty(1 + params.full_set)
    if steps is None:
        solve(p, feature, fit, value)
    else:
        solve_within(p, feature, fit, steps - 1, value)
    actions = range(params.features + params.hypotheses)
    return np.array([action_value(p, feature, fit, a, value) for a in actions])


def oracle_action_set(params: TwentyQuestionsParams, s: TwentyQuestions, feature: Array, value: Array) -> Array:
    """Actions that are best given enough steps, in order."""
    values = action_values(params, s, feature, None)
    return np.flatnonzero(values >= values.max() - 1e-12)


def optimum(params: TwentyQuestionsParams, s: TwentyQuestions, feature: Array, value: Array) -> tuple[float, int]:
    """Best expected return within the steps left, and the least number of steps to a payment: one, by a guess."""
    left = params.horizon - int(s.clock)
    if s.over != 0 or left <= 0:
        return 0.0, 1
    return float(action_values(params, s, feature, left).max()), 1


def policy(params: TwentyQuestionsParams, s: TwentyQuestions, feature: Array, value: Array) -> Any:
    """Best action within the steps that are left; the first of equally good ones."""
    values = action_values(params, s, feature, params.horizon - int(s.clock))
    return np.argmax(values >= values.max() - 1e-12)


PAPER, PALE, BLUE, GREEN, ORANGE = (250, 250, 247), (205, 205, 200), (0, 114, 178), (0, 158, 115), (230, 159, 0)


def draw(params: TwentyQuestionsParams, s: TwentyQuestions, feature: Array, value: Array) -> Array:
    """The table, one column per hypothesis and one row per feature: blue where it has the feature, pale if ruled out.

    On the left the answers, green for yes and orange for no; below in green the hypotheses that fit.
    """
    m, k = params.hypotheses, params.features
    bits = feature.astype(int)[:, None] >> np.arange(m) & 1
    fits = (int(s.fit) >> np.arange(m) & 1) != 0
    colours = np.full((k + 1, m + 1, 3), PAPER, dtype=np.uint8)
    colours[:k, 1:][bits != 0] = BLUE
    colours[:k, 1:][(bits != 0) & ~fits] = PALE
    colours[k, 1:][fits] = GREEN
    for j in range(k):
        if int(s.asked) >> j & 1:
            colours[j, 0] = GREEN if bits[j, int(s.truth)] else ORANGE
    return render.tiles(colours, 28)


V0 = Game(
    "payoff/TwentyQuestions-v0",
    "Find a hidden hypothesis by yes-no questions that cost something; the belief is exact.",
    tags=("reasoning",),
    rules=Rules(
        params=TwentyQuestionsParams,
        state=STATE,
        start=start,
        step=step,
        actions=lambda p: p.features + p.hypotheses,
        mask=is_new,
        alike=("hypotheses", "features", "aux"),
    ),
    sight=sight(look, named),
    info={"aux": Each("aux"), "progress": progress, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact",
        optimum=optimum,
        policy=policy,
        levels={
            "easy": {"hypotheses": 4, "features": 4},
            "medium": {"hypotheses": 8, "features": 6},
            "hard": {"hypotheses": 12, "features": 8},
        },
        noisy=True,  # the truth is hidden, so even optimal play returns now more, now less
    ),
)
