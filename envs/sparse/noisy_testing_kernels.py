"""Compiled functions of NoisyTesting: rules, the exact belief from the counts of answers, and what the seat sees.

The model, with the numbers that the comments refer to, is in :mod:`payoff.envs.sparse.noisy_testing`. ``params`` is the
tuple of

- ``(P,)`` records of dtype NUMBERS;
- ``(P, K)`` records of dtype TEST;
- ``(P, K + 1)`` probabilities of the chance outcomes: outcome k leaves test k and the more accurate ones right;
- ``(P, G)`` int64, best actions as a set, for each number of steps left and each balance of answers; G is 1 when the
  auxiliary reward does not ask for them.
"""

from __future__ import annotations

import math

import numpy as np

from payoff.envs.core import chance, loop, rng
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, Layout
from payoff.envs.sparse.reasoning import FULL, MINIMAL

__all__ = ["AUX", "CAPTIONS", "KERNELS", "NUMBERS", "TEST", "belief_row", "grid_index", "layout"]

AUX = ("none", "oracle", "belief_prob", "belief_log")
NONE, ORACLE, PROB, LOG = range(4)


def layout(tests: int) -> Layout:
    """Columns of a state row.

    ``truth`` is the hidden hypothesis, ``last`` the last test (-1: none), ``said`` its answer, and ``positive`` and
    ``negative`` count the answers of each test.
    """
    each = (tests,)
    fields = {"truth": (), "last": (), "said": (), "event": (), "aux": (), chance.FORCED: ()}
    return Layout(**fields, positive=each, negative=each)


_ANY = layout(1)
TRUTH, LAST, SAID, EVENT, AUX_AT, FORCED_AT, POSITIVE, _ = (_ANY.at(name) for name in _ANY.shapes)

CAPTIONS = (
    "the episode began",
    "tested positive",
    "tested negative",
    "named the right hypothesis",
    "named a wrong hypothesis",
)
BEGAN, TESTED_POSITIVE, TESTED_NEGATIVE, RIGHT, WRONG = range(5)

NUMBERS = np.dtype([(name, np.int64) for name in ("hypotheses", "facts", "tests", "horizon", "aux")])
TEST = np.dtype([("accuracy", np.float64), ("price", np.float64), ("log_odds", np.float64)])


@jit
def _evidence(p, tests, row, fact):
    """Log-odds of a fact, given all answers: a positive answer of a test of it adds the test's, a negative one less."""
    found = 0.0
    for i in range(fact, p.tests, p.facts):
        found += (row[POSITIVE + i] - row[POSITIVE + p.tests + i]) * tests[i].log_odds
    return found


@jit
def belief_row(p, tests, row, hypothesis):
    """Exact probability of a hypothesis, given all answers: facts stay independent.

    Args:
        p: record of dtype NUMBERS.
        tests: ``(K,)`` records of dtype TEST.
        row: ``(S,)`` state.
        hypothesis: its number; bit j is fact j.
    """
    found = 1.0
    for j in range(p.facts):
        x = _evidence(p, tests, row, j)
        found /= 1.0 + math.exp(-x if hypothesis >> j & 1 else x)
    return found


@jit
def grid_index(horizon, tests, row):
    """Place of a state in the list of all balances of answers, layer by layer from the last step left to the first.

    The layer of l steps left holds the balances from -r to r of every test, r = horizon - l, the first test's slowest.
    """
    radius = int(row[CLOCK])
    at = 0
    for r in range(horizon - 1, radius, -1):
        size = 1
        for _ in range(tests):
            size *= 2 * r + 1
        at += size
    place = 0
    for i in range(tests):
        place = place * (2 * radius + 1) + int(row[POSITIVE + i] - row[POSITIVE + tests + i]) + radius
    return at + place


@jit
def reset_row(params, b, row):
    """Start an episode: the truth is drawn, nothing is tested."""
    p = params[0][loop.pick(b, params[0].shape[0])]
    row[TRUTH] = rng.below(row, p.hypotheses)
    row[LAST], row[SAID], row[EVENT], row[AUX_AT], row[FORCED_AT] = -1.0, 0.0, BEGAN, 0.0, 0.0
    for i in range(2 * p.tests):
        row[POSITIVE + i] = 0.0


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
    k = loop.pick(b, params[0].shape[0])
    p, tests = params[0][k], params[1][k]
    chosen, truth = int(action[0, 0]), int(row[TRUTH])
    drawn = chance.outcome(row, FORCED_AT, params[2][k])  # every step draws one, so that all see the same stream
    row[AUX_AT] = 0.0
    if p.aux == ORACLE:
        best = params[3][k, grid_index(p.horizon, p.tests, row)]
        row[AUX_AT] = float(best >> chosen & 1)
    if chosen < p.hypotheses:  # 1
        right = chosen == truth
        row[EVENT] = RIGHT if right else WRONG
        work[loop.BASE, 0] = 1.0 if right else 0.0
        return True
    chosen -= p.hypotheses
    work[loop.BASE, 0] = -tests[chosen].price  # 2
    before = belief_row(p, tests, row, truth)
    is_fact = truth >> (chosen % p.facts) & 1 == 1
    positive = is_fact == (drawn <= chosen)
    row[POSITIVE + chosen if positive else POSITIVE + p.tests + chosen] += 1.0
    row[LAST], row[SAID] = chosen, 1.0 if positive else 0.0
    row[EVENT] = TESTED_POSITIVE if positive else TESTED_NEGATIVE
    if p.aux == PROB:
        row[AUX_AT] = belief_row(p, tests, row, truth) - before
    elif p.aux == LOG:
        row[AUX_AT] = math.log(belief_row(p, tests, row, truth) / before)
    return False


@jit
def observe_row(params, table, b, row, obs):
    """What the seat sees.

    Args:
        params: see the module.
        table: ``(P,)`` records of dtype SEEN.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    k = loop.pick(b, params[0].shape[0])
    p, entry = params[0][k], table[k]
    seen = obs[0]
    if entry.scope == MINIMAL:
        for i in range(p.tests):
            seen[i] = 1.0 if i == row[LAST] else 0.0
        seen[p.tests] = row[SAID]
        at = p.tests + 1
    else:
        at = 2 * p.tests
        for i in range(at):
            seen[i] = row[POSITIVE + i] * entry.clock  # counts over the horizon
    if entry.scope == FULL:
        for h in range(p.hypotheses):
            seen[at + h] = belief_row(p, params[1][k], row, h)
        at += p.hypotheses
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
        observe_row(params, wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(params, b, state[b])
        observe_row(params, wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        observe_row(params, wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 3)``: aux, confidence and caption."""
    for b in range(state.shape[0]):
        k = loop.pick(b, params[0].shape[0])
        p, row = params[0][k], state[b]
        out[b, 0] = row[AUX_AT]
        out[b, 1] = 1.0
        for j in range(p.facts):
            out[b, 1] /= 1.0 + math.exp(-abs(_evidence(p, params[1][k], row, j)))
        out[b, 2] = row[EVENT]


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
