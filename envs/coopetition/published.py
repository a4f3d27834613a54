"""The rules that all published games (``-v0``) share.

One step, in the order of the published code:

(1) actions, which the loop has clipped to [0, e_i], are rounded to float32 as published, cut to e_i again, since
    rounding may lift them above it, and written to the history;
(2) trust and reputation damage are updated (:mod:`payoff.envs.core.trust`);
(3) base payoffs pi are worked out (:mod:`payoff.envs.core.value`); the reward layer acts on these, with the new trust;
(4) ``factor`` and ``extra`` are worked out, by which the loop turns every payoff and every reward x into
    x * factor + extra: loyalty and coalition membership
    (:mod:`payoff.envs.core.loyalty`, :mod:`payoff.envs.core.coalition`), reciprocity
    (:mod:`payoff.envs.core.reciprocity`), public scores (:mod:`payoff.envs.core.reputation`), agreements
    (:mod:`payoff.envs.core.negotiation`);
(5) the episode is terminated when the watched trust fell below ``collapse`` or reached ``recovery``, truncated at the
    horizon.

Which of these a game has is data (:class:`payoff.envs.coopetition.rules.Terms`): all twenty have the same state, in
which the fields of a mechanism that a game lacks stay 0, and run the same compiled code. Where the published system
contradicts itself, this follows its Gymnasium object from a clean reset. The state and all arithmetic are in float64,
except where a comment says that the published float32 decides a result.

Rules get, from :func:`payoff.envs.coopetition.rules.pack`,

- ``p``: all numbers of the game, mechanism by mechanism but in one flat record, under the names that they have in
  :mod:`payoff.envs.coopetition.rules`. So ``p.enabled`` and ``p.initial_trust`` are of ``TrustParams``; ``p.scale``,
  ``p.exponent`` (0: logarithmic form) and ``p.complementarity`` of ``ValueParams``; ``p.memory``, a number of rounds,
  of ``ReciprocityParams``; ``p.minimum`` of ``CoalitionParams``; ``p.initial``, ``p.noise`` and ``p.tiers`` of
  ``ReputationParams``. ``p.has_...`` says which mechanisms the game has;
- ``roles`` ``(N,)``: what is fixed for each seat: endowment, baseline, share;
- ``links`` ``(N, N)``: what is fixed for each pair of seats: depend, and watched: 1 for the pairs whose mean trust
  decides (5), which are all pairs i != j unless the game names others.

Then come the state (``past`` is its part ``history``) and, for ``step`` alone, arrays ``(N,)``: ``action``, clipped;
``payoff``, to be filled with the base payoffs; ``sent``, the actions as they were sent, before clipping; and, for (4),
``factor``, 1 before the step, and ``extra``, 0 before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from payoff.envs import render
from payoff.envs.coopetition.observation import PUBLISHED, SETTINGS, gather, plan
from payoff.envs.coopetition.published_info import Facts, common
from payoff.envs.coopetition.rules import WINDOW, PublishedParams, Terms, pack
from payoff.envs.core import coalition, history, loyalty, negotiation, reciprocity, reputation, rng, trust, value
from payoff.envs.core.game import Each, Game, Rules, Sight
from payoff.envs.core.jit import jit
from payoff.envs.core.state import Array, Cells, Copy, Pair, Pairs, Seat, Seats, State, real, whole

__all__ = ["STATE", "published_game", "start", "step"]

P = TypeVar("P", bound=PublishedParams)


def _of(read: Callable[[Terms], Any]) -> Callable[[PublishedParams], Any]:
    """A bound of a state field that is read from the terms of the game."""
    return lambda p: read(p.terms())


_steps = _of(lambda t: t.max_steps)
_most = _of(lambda t: t.endowment)  # of each seat
_cap = _of(lambda t: t.loyalty.loyalty_cap if t.loyalty else 0.0)
_lowest = _of(lambda t: t.public.low if t.public else 0.0)
_highest = _of(lambda t: t.public.high if t.public else 0.0)
_cooldown = _of(lambda t: t.coalition.cooldown if t.coalition else 0.0)
_last = _of(lambda t: t.n_agents - 1)


class Market(Copy):
    """State that belongs to no single seat."""

    synergy: float = real(0.0, 1.0)  # gamma of this episode
    peak: float = real(0.0, 1.0)  # highest mean trust of the episode
    standing: float = whole(0, 1)  # whether an agreement stands
    shown_standing: float = whole(0, 1)  # whether one stood before the last step, for the published observation
    reached: float = whole(0, 1)  # whether the last step reached an agreement
    breached: float = whole(0, 1)  # whether the last step breached one
    agreements: float = whole(0, _steps)  # steps of the episode that reached an agreement
    breaches: float = whole(0, _steps)  # steps of the episode that breached one


class Firm(Seat):
    """State of each seat."""

    action: float = real(0.0, _most)  # last action, native units
    loyalty: float = real(0.0, _cap)  # theta of TR-3
    window: float = real(0.0, 1.0)  # mean rate a / e of the last ten rounds, q in payoff.envs.core.loyalty
    memory: float = real(0.0, _most)  # mean action of the rounds remembered, native units
    score: float = real(_lowest, _highest)  # public score, q in payoff.envs.core.reputation
    seen: float = real(0.0, 1.0)  # the score as everybody sees it, with noise
    shown: float = real(_lowest, _highest)  # the score as the published observation shows it: one step late
    member: float = whole(0, 1)  # 1 in the coalition, 0 excluded
    timer: float = whole(0, _cooldown)  # steps until an excluded seat may return
    rank: float = whole(0, _last)  # place in the list of members or of excluded seats
    agreement: float = real(0.0, _most)  # standing agreement, native units, 0 without one
    shown_agreement: float = real(0.0, _most)  # what stood before the last step, for the published observation
    defections: float = whole(0, _steps)  # steps of the episode in which the action sent was below the baseline


class Tie(Pair):
    """What seat i holds of seat j."""

    trust: float = real(0.0, 1.0)  # T_ij, trust of i in j
    damage: float = real(0.0, 1.0)  # R_ij, damage of j's reputation with i


def _ring(params: PublishedParams) -> tuple[int, int]:
    terms = params.terms()
    return terms.slots, terms.n_agents


STATE = State(Market, seats=Firm, pairs=Tie, history=Cells(_ring, real(0.0, _most)))  # history: ring of past actions


@jit
def start(p: Any, roles: Any, links: Any, s: Market, seats: Seats[Firm], pairs: Pairs[Tie], past: Array) -> None:
    """Actions at the baseline, initial trust, damage, loyalty and scores, everybody a member."""
    n = roles.shape[0]
    for i in range(n):
        me = seats[i]
        me.action = roles[i].baseline
        for j in range(n):
            full = i == j or not p.enabled  # each seat trusts itself; in a game without trust, all trust all
            pairs[i, j].trust = 1.0 if full else p.initial_trust
            pairs[i, j].damage = 0.0 if full else p.initial_damage
        if p.has_loyalty:
            me.loyalty = p.initial_loyalty
        if p.has_coalition:
            me.member, me.rank = 1.0, i
        if p.has_scores:
            me.score, me.seen = p.initial, reputation.look(p, s, p.initial)
            me.shown = me.seen if p.noise > 0.0 else p.initial
    s.synergy = p.complementarity
    if p.hides_synergy:
        s.synergy = p.synergy_low + (p.synergy_high - p.synergy_low) * rng.uniform(s)
    if p.has_peak:
        s.peak = p.initial_trust


@jit
def step(
    p: Any,
    roles: Any,
    links: Any,
    s: Market,
    seats: Seats[Firm],
    pairs: Pairs[Tie],
    past: Array,
    action: Array,
    payoff: Array,
    sent: Array,
    factor: Array,
    extra: Array,
) -> bool:
    """One step, equations (1) to (5) of the module."""
    rounds = int(s.clock) + 1  # number of this round, from 1
    for i in range(roles.shape[0]):
        # the published code holds actions in float32, which may round the endowment itself upwards
        action[i] = min(roles[i].endowment, np.float64(np.float32(action[i])))
        seats[i].action = action[i]
        if p.counts_defections and sent[i] < roles[i].baseline:
            seats[i].defections += 1.0
    if past.shape[0] > 0:
        history.write(past, rounds, action)  # (1)
    if p.enabled:
        trust.update(p, roles, links, action, pairs)  # (2)
    value.private_payoffs(roles, action, p.scale, p.exponent, s.synergy, payoff)  # (3)
    if p.has_loyalty:
        _multiply_by_loyalty(p, roles, seats, past, rounds, action, factor)  # (4)
    if p.has_memory:
        length = min(p.memory, rounds - 1)  # of rounds up to this one, which is among them
        for i in range(roles.shape[0]):
            seats[i].memory = min(roles[i].endowment, history.mean(past, rounds, length, i, 1.0))
        reciprocity.multipliers(p, roles, links, action, seats, pairs, factor)
    if p.has_scores:
        _multiply_by_tier(p, roles, s, seats, sent, factor)
    if p.has_agreements:
        s.shown_standing = s.standing
        for i in range(2):  # only games of two seats have agreements
            seats[i].shown_agreement = seats[i].agreement
        negotiation.update(p, s, seats, action, extra)
    if p.has_peak:
        s.peak = max(s.peak, trust.mean(pairs))
    if p.collapse > 0.0 or p.recovery < math.inf:
        watched = _mean_watched(links, pairs)
        return watched < p.collapse or watched >= p.recovery  # (5)
    return False


@jit
def _multiply_by_loyalty(
    p: Any, roles: Any, seats: Seats[Firm], past: Array, rounds: int, action: Array, factor: Array
) -> None:
    """Loyalty, window and membership after this round, and the multipliers of TR-3 as published.

    Equations (1) and (2) of :mod:`payoff.envs.core.loyalty`; then 0.5 for the excluded and, as long as the coalition
    has its minimum, 1.1 for members.
    """
    n = roles.shape[0]
    loyalty.update(p, roles, action, seats, p.has_coalition)
    everyone = True
    for i in range(n):
        everyone = everyone and loyalty.rate(action[i], roles[i].endowment) >= np.float32(0.5)
    length = min(WINDOW, rounds)
    for i in range(n):
        e = roles[i].endowment
        window = min(1.0, history.mean(past, rounds, length, i, e))  # of a / e
        seats[i].window = window
        # compared in float32, as published: there the mean of 6 or of 7 rates of 0.6 comes out below 0.6: no bonus
        if loyalty.rate(action[i], e) < np.float32(p.free_rider_rate):
            factor[i] *= p.free_rider_factor
        if np.float32(window) >= np.float32(p.bonus_threshold):
            factor[i] *= 1.0 + p.bonus_rate * window
        if everyone:
            factor[i] *= p.coordination_factor
    if p.has_coalition:
        inside = coalition.update(p, seats)
        for i in range(n):
            if seats[i].member == 0.0:
                factor[i] *= coalition.EXCLUDED_FACTOR
            elif inside >= p.minimum:
                factor[i] *= coalition.MEMBER_FACTOR


@jit
def _multiply_by_tier(p: Any, roles: Any, s: Market, seats: Seats[Firm], sent: Array, factor: Array) -> None:
    """Public scores after this round, as they are and as they are seen, and the multipliers of their tiers."""
    for i in range(roles.shape[0]):
        me = seats[i]
        me.shown = me.seen if p.noise > 0.0 else me.score
        me.score = reputation.advance(p, me.score, sent[i] / roles[i].endowment)
        if p.tiers:
            factor[i] *= reputation.factor(me.score)
        me.seen = reputation.look(p, s, me.score)


@jit
def _mean_watched(links: Any, pairs: Pairs[Tie]) -> float:
    """Mean trust of the watched pairs; the diagonal is never watched."""
    n = links.shape[0]
    total = 0.0
    count = 0.0
    for i in range(n):
        for j in range(n):
            if links[i, j].watched > 0.0:
                total += pairs[i, j].trust
                count += 1.0
    return total / count


@jit
def total_value(p: Any, roles: Any, links: Any, s: Market, seats: Any, pairs: Pairs[Tie], past: Array) -> float:
    """Total value of the last actions (TR-1)."""
    return value.total(seats["action"], p.scale, p.exponent, s.synergy)


@jit
def theory_payoff(
    p: Any, roles: Any, links: Any, s: Market, seats: Any, pairs: Pairs[Tie], past: Array, i: int
) -> float:
    """What the theory of TR-3 would pay seat i."""
    return loyalty.theory_payoff(p, roles, seats["action"], seats[i].loyalty, i)


def draw(params: PublishedParams, s: Market, seats: Any, pairs: Any, past: Array) -> Array:
    """Shares of the endowment, and who trusts whom."""
    return render.shares_and_trust(seats["action"] / np.array(params.terms().endowment), pairs["trust"])


def _endowments(params: PublishedParams) -> Array:
    """Native bounds ``(N, 1, 2)``: [0, e_i]."""
    return np.array([[[0.0, e]] for e in params.terms().endowment], dtype=np.float64)


def _info(terms: Terms) -> dict[str, Any]:
    found: dict[str, Any] = {"trust": "trust", "reputation_damage": "damage"}
    if terms.loyalty:
        found["loyalty"] = Each("loyalty")
    if terms.coalition:
        found["members"] = Each("member", flag=True)
    if terms.reciprocity:
        found["memory_average"] = Each("memory")
    if terms.public:
        found["reputation_scores"] = Each("score")
    if terms.negotiation:
        found["current_agreement"] = Each("agreement")
    found["total_value"] = total_value
    if terms.loyalty:
        found["theory_payoff"] = Each(theory_payoff)
    return found


def published_game(
    game_id: str,
    summary: str,
    params: type[P],
    *,
    tags: tuple[str, ...],
    info: Callable[[Sequence[P], Facts], Mapping[str, Array]] | None = None,
) -> Game[P]:
    """A ``-v0`` game.

    Args:
        game_id: ``payoff/Name-v0``.
        summary: one line.
        params: its keywords; they say in which terms the shared rules run.
        tags: kind of problem.
        info: what this game alone reports under ``info="published"``: (parameter rows, state) -> name -> array.
    """

    def more_info(rows: Sequence[P], state: Array) -> dict[str, Array]:
        facts = Facts([p.terms() for p in rows], STATE.layout(rows[0], rows[0].terms().n_agents), state)
        return common(facts) | dict(info(rows, facts) if info else {})

    return Game(
        game_id,
        summary,
        tags=tags,
        rules=Rules(
            params=params,
            pack=lambda rows: pack([p.terms() for p in rows]),
            state=STATE,
            start=start,
            step=step,
            actions=_endowments,
            seats=lambda p: p.terms().n_agents,
            baseline=lambda p: np.array(p.terms().baseline, dtype=np.float64),
            dependence=lambda p: np.asarray(p.terms().depend, dtype=np.float64),
            default_reward="integrated",
            reward_names={"integrated": "trust_integrated", "cooperative": "published_cooperative"},
            published=True,
        ),
        sight=Sight(gather, plan, (*SETTINGS, PUBLISHED), by_column=True),
        info=_info(params().terms()),
        draw=draw,
        more_info=more_info,
    )
