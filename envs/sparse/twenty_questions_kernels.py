"""Compiled functions of TwentyQuestions: rules, the values of sets of hypotheses, and what the seat sees.

The model, with the numbers that the comments refer to, is in :mod:`payoff.envs.sparse.twenty_questions`. ``params`` is
the tuple of one ``(P,)`` array of dtype NUMBERS. A set of hypotheses is a whole number whose bit h stands for
hypothesis h; a feature is the set of those that have it.
"""

from __future__ import annotations

import math

import numpy as np

from payoff.envs.core import loop, rng
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, Layout
from payoff.envs.sparse.reasoning import FULL, MINIMAL

__all__ = ["AUX", "CAPTIONS", "FIT", "KERNELS", "NUMBERS", "action_value", "layout", "size_of", "solve", "solve_within"]

AUX = ("none", "oracle", "belief_prob", "belief_log")
NONE, ORACLE, PROB, LOG = range(4)


def layout(hypotheses: int, features: int, aux: str) -> Layout:
    """Columns of a state row.

    ``truth`` is the hidden hypothesis, ``fit`` the set of those that fit the answers, ``asked`` the set of features
    that were asked for, ``last`` the last one (-1: none), and ``value`` what each set is worth, for the oracle.
    """
    fields = {"truth": (), "fit": (), "asked": (), "last": (), "event": (), "aux": (), "feature": (features,)}
    return Layout(**fields, **({"value": (1 << hypotheses,)} if aux == "oracle" else {}))


_ANY = layout(1, 1, "none")
TRUTH, FIT, ASKED, LAST, EVENT, AUX_AT, FEATURE = (_ANY.at(name) for name in _ANY.shapes)

CAPTIONS = (
    "the episode began",
    "asked and heard yes",
    "asked and heard no",
    "asked what was known already",
    "named the right hypothesis",
    "named a wrong hypothesis",
)
BEGAN, YES, NO, KNOWN, RIGHT, WRONG = range(6)

NUMBERS = np.dtype([("hypotheses", np.int64), ("features", np.int64), ("aux", np.int64), ("cost", np.float64)])


@jit
def size_of(subset):
    """Number of hypotheses in a set, of 16 at most."""
    subset = subset - (subset >> 1 & 0x5555)
    subset = (subset & 0x3333) + (subset >> 2 & 0x3333)
    subset = (subset + (subset >> 4)) & 0x0F0F
    return (subset + (subset >> 8)) & 0x1F


@jit
def action_value(p, row, subset, action, value):
    """Expected return of an action at a set, when ``value`` says what sets are worth after it; -1 for a useless one.

    Args:
        p: record of dtype NUMBERS.
        row: ``(S,)`` state, of which the features are read.
        subset: the set of hypotheses that fit, not empty.
        action: a hypothesis to name, or the number of hypotheses plus a feature.
        value: ``(2^hypotheses,)`` float64.
    """
    n = size_of(subset)
    if action < p.hypotheses:
        return 1.0 / n if subset >> action & 1 else -1.0
    yes = subset & int(row[FEATURE + action - p.hypotheses])
    no = subset ^ yes
    if yes == 0 or no == 0:
        return -1.0
    n_yes = size_of(yes)
    return (n_yes * value[yes] + (n - n_yes) * value[no]) / n - p.cost


@jit
def _worth(p, row, subset, value):
    """Largest expected return of an action at a set, when ``value`` says what smaller sets are worth after it."""
    best = 1.0 / size_of(subset)
    for j in range(p.features):
        best = max(best, action_value(p, row, subset, p.hypotheses + j, value))
    return best


@jit
def solve(p, row, within, value):
    """Write what every set within a set is worth with time enough: equation (1), smaller numbers first.

    Args:
        p: record of dtype NUMBERS.
        row: ``(S,)`` state, of which the features are read.
        within: a set; others are left as they are.
        value: ``(2^hypotheses,)`` float64.
    """
    value[0] = 0.0
    subset = -within & within
    while subset:
        value[subset] = _worth(p, row, subset, value)
        subset = (subset - within) & within


@jit
def solve_within(p, row, within, steps, value):
    """Write what every set within a set is worth with so many steps left, a step at a time, larger numbers first.

    So each set reads what its parts, which are smaller numbers, were worth with a step less.
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
            best = _worth(p, row, subset, value)
            changed = changed or best > value[subset]
            value[subset] = best
            subset = (subset - 1) & within
        if not changed:
            break


@jit
def _has(row, feature, hypothesis):
    return int(row[FEATURE + feature]) >> hypothesis & 1


@jit
def _is_taken(p, row, hypothesis):
    """Whether an earlier hypothesis has the same features."""
    for g in range(hypothesis):
        j = 0
        while j < p.features and _has(row, j, g) == _has(row, j, hypothesis):
            j += 1
        if j == p.features:
            return True
    return False


@jit
def reset_row(params, b, row):
    """Start an episode: features of each hypothesis, anew until no other has the same, then the truth."""
    p = params[0][loop.pick(b, params[0].shape[0])]
    for j in range(p.features):
        row[FEATURE + j] = 0.0
    for h in range(p.hypotheses):
        drawn = False
        while not drawn or _is_taken(p, row, h):
            code = rng.below(row, 1 << p.features)
            for j in range(p.features):
                row[FEATURE + j] = (int(row[FEATURE + j]) & ~(1 << h)) | ((code >> j & 1) << h)
            drawn = True
    row[TRUTH] = rng.below(row, p.hypotheses)
    row[FIT], row[ASKED], row[LAST] = (1 << p.hypotheses) - 1, 0.0, -1.0
    row[EVENT], row[AUX_AT] = BEGAN, 0.0
    if p.aux == ORACLE:
        solve(p, row, int(row[FIT]), row[FEATURE + p.features :])


@jit
def step_row(params, b, row, action, work):
    """One step of one copy.

    Args:
        params: see the module.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(1, 1)``.
        work: ``(5, 1)``; row BASE is written.

    Returns:
        Whether a hypothesis was named.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    chosen, fit, truth = int(action[0, 0]), int(row[FIT]), int(row[TRUTH])
    row[AUX_AT] = 0.0
    if p.aux == ORACLE:
        value = row[FEATURE + p.features :]
        if action_value(p, row, fit, chosen, value) >= value[fit] - 1e-12:
            row[AUX_AT] = 1.0
    if chosen < p.hypotheses:  # 1
        right = chosen == truth
        row[EVENT] = RIGHT if right else WRONG
        work[loop.BASE, 0] = 1.0 if right else 0.0
        return True
    work[loop.BASE, 0] = -p.cost  # 2
    chosen -= p.hypotheses
    has = _has(row, chosen, truth)
    after = fit & int(row[FEATURE + chosen])
    if has == 0:
        after = fit ^ after
    row[FIT], row[LAST], row[ASKED] = after, chosen, int(row[ASKED]) | (1 << chosen)
    row[EVENT] = KNOWN if after == fit else YES if has == 1 else NO
    if p.aux == PROB:
        row[AUX_AT] = 1.0 / size_of(after) - 1.0 / size_of(fit)
    elif p.aux == LOG:
        row[AUX_AT] = math.log(size_of(fit) / size_of(after))
    return False


@jit
def observe_row(table, b, row, obs):
    """What the seat sees.

    Args:
        table: ``(P,)`` records of dtype SEEN: number of hypotheses, and of features.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    entry = table[loop.pick(b, table.shape[0])]
    seen = obs[0]
    m, k = entry.cells, entry.kinds
    truth, asked, last = int(row[TRUTH]), int(row[ASKED]), int(row[LAST])
    at = 0
    for j in range(k):
        feature = int(row[FEATURE + j])
        for h in range(m):
            seen[at + h] = feature >> h & 1
        at += m
    for j in range(k):
        known = (asked >> j & 1) != 0 if entry.scope != MINIMAL else j == last
        seen[at + j] = 1.0 if known and _has(row, j, truth) == 1 else 0.0
        seen[at + k + j] = 1.0 if known and _has(row, j, truth) == 0 else 0.0
    at += 2 * k
    if entry.scope == FULL:
        fit = int(row[FIT])
        share = 1.0 / size_of(fit)
        for h in range(m):
            seen[at + h] = share if fit >> h & 1 else 0.0
        at += m
    if seen.shape[0] > at:
        seen[at] = row[CLOCK] * entry.clock


@jit
def transition(params, wiring, state, buffers, obs):
    """One step of every copy; see :mod:`payoff.envs.core.game`."""
    bad = loop.begin(wiring, state, buffers)
    if bad != loop.FINE:
        return bad
    _, action, work, flags, _ = buffers
    for b in range(state.shape[0]):
        if loop.restarts(state[b]):
            reset_row(params, b, state[b])
        else:
            flags[b, 0] = step_row(params, b, state[b], action[b], work[b])
    loop.finish(wiring, state, buffers)
    for b in range(state.shape[0]):
        if loop.ends(wiring, b, state[b], buffers):
            reset_row(params, b, state[b])
        observe_row(wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(params, b, state[b])
        observe_row(wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        observe_row(wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 3)``: aux, progress and caption."""
    for b in range(state.shape[0]):
        p, row = params[0][loop.pick(b, params[0].shape[0])], state[b]
        out[b, 0] = row[AUX_AT]
        out[b, 1] = 1.0 - math.log(size_of(int(row[FIT]))) / math.log(p.hypotheses)
        out[b, 2] = row[EVENT]


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
