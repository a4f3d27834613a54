"""What a game is, in five facets: what happens, what is seen, what is reported, what is known, how it is drawn.

A game is one record of these, at the end of its file::

    LOCK = Game(
        "payoff/Lock-v0",
        "A combination lock: a wrong digit springs every dial back, and only opening it is paid.",
        tags=("sparse", "tabular"),
        rules=Rules(params=LockParams, state=Lock, start=start, step=step, actions=lambda p: p.digits, tabular=True),
        sight=symbols(shown),
        info={"progress": progress, "caption": EVENT},
        theory=Theory("exact", optimum=optimum, policy=policy, success=paid, levels={...}),
        draw=draw,
    )

All functions of a game take their arguments by position and in the same order, whatever they call them:

1. the parameters: ``p`` in compiled rules, ``params`` in plain Python. ``params`` is the game's dataclass; ``p`` is the
   record that :mod:`payoff.envs.core.params` makes of it, where words and flags are numbers (``p.aux == AUX.dense``,
   ``p.lava != 0``) and annotated properties are fields. Functions that give sizes, ranges and bounds get the dataclass,
   even where a short lambda calls it ``p``;
2. in compiled rules alone, the arrays of ``tables``, in the order in which that function returns them;
3. the state: ``s``, the record of the copy, then each part, in the order of the declaration
   (``State(Market, seats=Firm, pairs=Tie)``: ``s, seats, pairs``);
4. what is particular to the function, such as ``action, payoff`` of ``step`` or ``view, seen`` of ``look``.

The names ``full``, ``private`` and ``minimal`` stand for observation settings in ``observe=``, and ``private`` and
``cooperative`` for reward layers in ``reward=``: the two have nothing to do with each other.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from payoff.envs.core.params import Params, pack
from payoff.envs.core.state import Array, Copy, Layout, State

__all__ = [
    "Each",
    "Entry",
    "Episode",
    "Game",
    "Listed",
    "ObservationPlan",
    "Rules",
    "Shape",
    "Sight",
    "Theory",
    "paid",
]

P = TypeVar("P", bound=Params)


def _one_seat(params: Any) -> int:
    return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules(Generic[P]):
    """What happens.

    Attributes:
        params: the parameter dataclass; its fields are the game's keywords, its ``horizon`` the steps of an episode.
        state: the declaration of the state; a :class:`Copy` where a copy has no parts.
        start: compiled ``(p, *tables, s, *parts)``: begin an episode; every field is 0 before. None: they stay 0.
        step: compiled ``(p, *tables, s, *parts, action, payoff) -> bool``: one step, and whether the game is over.
            ``payoff`` ``(N,)`` is 0 before. ``action`` is in native units: ``(A,)`` of one seat, ``(N,)`` where each
            of several seats chooses one number, else ``(N, A)``.
        actions: number of integer actions, or native bounds ``(A, 2)``, ``(N, A, 2)`` where seats differ.
        mask: compiled ``(p, *tables, s, *parts, k) -> bool``: whether integer action k is of use in this state: it
            changes something that no other action is meant for, and not merely what the step costs; in a game of
            several seats with the seat before it, ``..., i, k``. It must not tell what is for the seat to find
            out. ``info["action_mask"]`` reports it. An action that is masked may be sent all the same. None: there is
            no mask.
        seats: number of seats N.
        tables: (parameter rows) -> further arrays that rules read, leading axis P; rules get their own row of each.
        pack: (parameter rows) -> all that rules read, ``p`` first, where ``p`` is not the game's keywords.
        alike: names of the keywords that must have the same value in all copies of a batch, since the sizes of the
            state depend on them; other keywords may differ from copy to copy.
        chance: probabilities of the outcomes of :func:`payoff.envs.core.chance.outcome`, the same in every state; None
            for a game that draws nothing after the reset.
        tabular: an exact model can be tabulated (:func:`payoff.envs.mdp.as_mdp`): without the header (clock, key,
            ...) there are finitely many states, and after the reset nothing is drawn but the outcomes of ``chance``.
        baseline: trust-neutral actions ``(N,)``; None: 0.
        dependence: matrix D ``(N, N)`` of the reward layers, zero diagonal; None: there is none, and a layer that
            uses it is refused.
        default_reward: reward layer when the user names none, as ``reward=`` takes it.
        reward_names: what a layer name means here, where that is not the layer of that name; another name, or
            ``package.module:Name``.
        default_actions: how actions are written when the user does not say.
        published: a published game: native actions outside the bounds are clipped, and ``step`` gets three more
            arguments ``(N,)``: ``sent`` (first number of the action as it was sent, before clipping), ``factor`` (1
            before) and ``extra`` (0 before), which turn payoffs and rewards x into x * factor + extra.
    """

    params: type[P]
    state: State | type[Copy]
    step: Any
    actions: Callable[[P], Any]
    start: Any = None
    mask: Any = None
    seats: Callable[[P], int] = _one_seat
    tables: Callable[[Sequence[P]], tuple[Array, ...]] | None = None
    pack: Callable[[Sequence[P]], tuple[Array, ...]] | None = None
    alike: tuple[str, ...] = ()
    chance: Callable[[P], Array] | None = None
    tabular: bool = False
    baseline: Callable[[P], Array] | None = None
    dependence: Callable[[P], Array] | None = None
    default_reward: str = "private"
    reward_names: Mapping[str, str] = field(default_factory=dict)
    default_actions: str = "native"
    published: bool = False

    @property
    def several(self) -> bool:
        """Whether this is a game of several seats, even where its parameters leave one."""
        return self.seats is not _one_seat


@dataclass(frozen=True, slots=True)
class ObservationPlan:
    """How one observation setting reads the state.

    Attributes:
        table: ``(P, ...)`` what ``look`` needs, any structured or plain array.
        names: one name per entry of a seat's observation, ``len(names) == O``.
        sees_actions: whether a seat sees what the others did (decides what AEC reveals).
        low: ``(O,)`` float32 lower bounds of the entries; None: 0.
        high: ``(O,)`` float32 upper bounds; None: 1.
    """

    table: Array
    names: tuple[str, ...]
    sees_actions: bool = False
    low: Array | None = None
    high: Array | None = None

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Lower and upper bounds of the entries, ``(O,)`` float32 each; fresh arrays."""
        size = len(self.names)
        low = np.zeros(size, np.float32) if self.low is None else self.low.copy()
        return low, np.ones(size, np.float32) if self.high is None else self.high.copy()


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen.

    Attributes:
        look: compiled ``(p, *tables, s, *parts, view, seen)``: write ``seen``. Of one seat, ``seen`` is ``(O,)``
            float32; of several, ``(V, O)``, one row for each seat that is looked at. ``view`` is the copy's row of the
            plan's table.
        plan: (parameter rows, layout, seats looked at, setting) -> plan.
        settings: names of the observation settings.
        by_column: ``look`` is a shared one, ``(row, view, seen)``, and reads columns that its plan has looked up.
    """

    look: Any
    plan: Callable[[Sequence[Any], Layout, Sequence[int], Any], ObservationPlan]
    settings: tuple[str, ...]
    by_column: bool = False


@dataclass(frozen=True, slots=True)
class Each:
    """An entry of ``info`` with one number per seat.

    Attributes:
        of: compiled ``(p, *tables, s, *parts, i) -> float``, i the seat, or the name of a field of the seats.
        flag: report booleans, True where the number is not 0, instead of numbers.
    """

    of: Any
    flag: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of ``info`` that is a list of numbers, of fixed length.

    Attributes:
        of: compiled ``(p, *tables, s, *parts, k) -> float``, entry k of the list, from 0.
        size: its length.
        flag: report booleans, True where the number is not 0, instead of numbers.
        low: smallest value of a number.
        high: largest value.
        names: of its numbers, where they have names.
    """

    of: Any
    size: int
    flag: bool = False
    low: float = -math.inf
    high: float = math.inf
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of ``info``, as views read it.

    Attributes:
        name: key in ``info``.
        field: field of the state that it shows; None: it is computed.
        of: compiled function that computes it.
        per_agent: one number per seat, or one row per seat.
        per_action: a row holds one number per integer action.
        size: length of a list; None for a number.
        dtype: what its numbers are reported as.
    """

    name: str
    field: str | None
    of: Any = None
    per_agent: bool = False
    per_action: bool = False
    size: int | None = None
    dtype: type[Any] = np.float64

    def shape(self, n_agents: int, n_actions: int | None = None) -> tuple[int, ...]:
        """Shape of one copy's entry; a field of the state has its own."""
        seats = (n_agents,) if self.per_agent else ()
        if self.per_action:
            return (*seats, n_actions or 0)
        return seats if self.size is None else (*seats, self.size)

    def width(self, n_agents: int, n_actions: int | None = None) -> int:
        """Numbers that the compiled loop writes for it; 0 for a field of the state."""
        return 0 if self.field else math.prod(self.shape(n_agents, n_actions))


def _entry(name: str, source: Any) -> Entry:
    if isinstance(source, tuple):
        return Entry(name, "event", dtype=np.int64)
    if isinstance(source, str):
        return Entry(name, source)
    if isinstance(source, Each | Listed):
        dtype = np.bool_ if source.flag else np.float64
        if isinstance(source, Listed):
            return Entry(name, None, source.of, size=source.size, dtype=dtype)
        field = source.of if isinstance(source.of, str) else None
        return Entry(name, field, None if field else source.of, per_agent=True, dtype=dtype)
    return Entry(name, None, source)


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes that a game's parameters decide.

    Attributes:
        n_agents: number of seats N.
        action_size: numbers a seat chooses per step, A.
        n_actions: number of integer actions, or None when actions are continuous.
        layout: columns of a state row.
        max_steps: steps after which an episode is truncated.
    """

    n_agents: int
    action_size: int
    n_actions: int | None
    layout: Layout
    max_steps: int


@dataclass(frozen=True, slots=True)
class Episode:
    """A finished episode, as ``success`` judges it.

    Attributes:
        payoff: ``(T, N)`` payoffs of its steps.
        last: ``(S,)`` state row at its end.
        terminated: whether the game ended it; False: the horizon did.
    """

    payoff: Array
    last: Array
    terminated: bool


def paid(params: Any, episode: Episode, *state: Any) -> bool:
    """The usual ``success`` of a sparse game: something above 0 was paid."""
    return bool((episode.payoff > 0.0).any())


def _many(params: Any) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Theory:
    """What is known about a game of one player.

    Attributes:
        kind: how the optimum is known. ``"exact"``: for all parameters and states. ``"exact_small"``: exactly for
            small sizes or for some states; elsewhere ``optimum`` raises ValueError, and ``policy`` raises it too or
            follows a rule that is not always best. ``"reference"``: by the return of a scripted policy, the reference,
            and a proven upper bound; there may be better play.
        optimum: ``(params, s, *parts) -> (return, steps)``: best expected return from that state within the horizon,
            and the least number of steps to a payment above 0.
        policy: ``(params, s, *parts) -> (A,)``: native action of the policy that attains the optimum (of the
            reference).
        planner: what finds both where they are not given: :mod:`payoff.envs.planning`, in a tabular game.
        success: ``(params, episode, s, *parts)``: whether an episode solved the problem, given the state at its end.
        success_by_step: ``success`` can be judged step by step: an episode is a success if and only if one of its
            steps, taken as an episode of one step, is. In a tabular game the probability of success can then be
            computed exactly.
        levels: difficulty -> keywords, easiest first; ``"hard"`` is where undirected search fails.
        starts: number of states that an episode may start in, all equally likely, where they are so few that a
            certificate counts every one; None: it takes a sample.
        bound: proven upper bound of the return for given parameters, where ``kind`` is ``"reference"``.
        noisy: the return of an episode is uncertain even under the optimal policy, for a reason other than ``chance``:
            steps draw other random numbers, or the seat does not see what the reset drew. The optimum is then an
            expectation.
    """

    kind: Literal["exact", "exact_small", "reference"]
    optimum: Callable[..., tuple[float, int]] | None = None
    policy: Callable[..., Any] | None = None
    planner: Any = None
    success: Callable[..., bool] = paid
    success_by_step: bool = False
    levels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    starts: Callable[[Any], int | None] = _many
    bound: Callable[[Any], float] | None = None
    noisy: bool = False


@dataclass(frozen=True, eq=False)
class Game(Generic[P]):
    """A game, for those who play it.

    Attributes:
        id: ``payoff/Name-vN``.
        summary: one line.
        tags: kind of problem, for lists and tests.
        rules: what happens.
        sight: what is seen.
        info: what is reported besides payoffs and rewards when ``info="full"``: key -> the name of a field of the
            state; the game's events, for ``caption``, whose number the field ``event`` holds; a compiled function
            ``(p, *tables, s, *parts) -> float``; :class:`Each`; :class:`Listed`.
        draw: ``(params, s, *parts) -> (H, W, 3)`` uint8, a picture of the state.
        theory: what is known; None where nothing is.
        more_info: further entries of ``info`` under ``info="published"``: (parameter rows, state ``(B, S)``) -> name ->
            array, batch first; None where there are none.
    """

    id: str
    summary: str
    tags: tuple[str, ...]
    rules: Rules[P]
    sight: Sight
    draw: Callable[..., Array]
    info: Mapping[str, Any] = field(default_factory=dict)
    theory: Theory | None = None
    more_info: Callable[[Sequence[P], Array], dict[str, Array]] | None = None

    # -- what happens ------------------------------------------------------------------------------------------

    @property
    def params(self) -> type[P]:
        """The parameter dataclass."""
        return self.rules.params

    @cached_property
    def state(self) -> State:
        """The declaration of the state."""
        state = self.rules.state
        return state if isinstance(state, State) else State(state)

    @property
    def module(self) -> str:
        """The module that holds the rules."""
        return str(self.rules.step.py_func.__module__)

    @property
    def doc(self) -> str:
        """The documentation page: docstring of the module whose parameters the game has."""
        return sys.modules[self.params.__module__].__doc__ or self.summary

    def bounds(self, params: P) -> Array:
        """Native action bounds ``(N, A, 2)``; of integer actions, the first and the last."""
        actions, n = self.rules.actions(params), self.rules.seats(params)
        if np.ndim(actions) == 0:
            actions = [[0.0, actions - 1.0]]
        bounds = np.asarray(actions, dtype=np.float64)
        return bounds if bounds.ndim == 3 else np.repeat(bounds[None], n, axis=0)

    def shape(self, params: P) -> Shape:
        """Sizes for given parameters."""
        n, actions = self.rules.seats(params), self.rules.actions(params)
        integer = np.ndim(actions) == 0
        size = 1 if integer else np.shape(actions)[-2]
        return Shape(n, size, int(actions) if integer else None, self.state.layout(params, n), params.horizon)

    def pack(self, rows: Sequence[P]) -> tuple[Array, ...]:
        """What rules read of the parameters: records ``(P,)``, and the tables.

        Raises:
            ValueError: copies differ in a keyword that must be the same in all.
        """
        for name in self.rules.alike:
            values = {getattr(p, name) for p in rows}
            if len(values) > 1:
                found = sorted(values, key=lambda v: (v is None, v))
                raise ValueError(f"{name} must be the same in all copies of a batch, got {found}")
        if self.rules.pack is not None:
            return self.rules.pack(rows)
        return pack(rows), *(self.rules.tables(rows) if self.rules.tables else ())

    def baseline(self, params: P) -> Array:
        """Trust-neutral actions ``(N,)``."""
        return np.zeros(self.rules.seats(params)) if self.rules.baseline is None else self.rules.baseline(params)

    def dependence(self, params: P) -> Array:
        """Dependence D ``(N, N)``."""
        n = self.rules.seats(params)
        return np.zeros((n, n)) if self.rules.dependence is None else self.rules.dependence(params)

    @property
    def tabular(self) -> bool:
        """See :class:`Rules`."""
        return self.rules.tabular

    @property
    def chance(self) -> Callable[[P], Array] | None:
        """See :class:`Rules`."""
        return self.rules.chance

    # -- what is seen and reported -----------------------------------------------------------------------------

    @property
    def observations(self) -> tuple[str, ...]:
        """Names of the observation settings."""
        return self.sight.settings

    def plan(self, rows: Sequence[P], seats: Sequence[int], setting: Any) -> ObservationPlan:
        """Observation plan of the seats that are looked at, under a setting."""
        return self.sight.plan(rows, self.shape(rows[0]).layout, seats, setting)

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Entries of ``info``, in order; the action mask is the last."""
        found = [_entry(name, source) for name, source in self.info.items()]
        if self.rules.mask is not None:  # int8, as the ``sample(mask)`` of Gymnasium's spaces wants it
            found.append(Entry("action_mask", None, self.rules.mask, per_agent=True, per_action=True, dtype=np.int8))
        return tuple(found)

    @property
    def captions(self) -> tuple[str, ...]:
        """Texts of ``info["caption"]``, by number."""
        return tuple(self.info["caption"].captions) if "caption" in self.info else ()

    def frame(self, params: P, row: Array) -> Array:
        """A state row ``(S,)`` as an RGB picture ``(H, W, 3)`` uint8."""
        return self.draw(params, *self._open(params, row))

    def _open(self, params: P, row: Array) -> tuple[Any, ...]:
        return self.state.layout(params, self.rules.seats(params)).open(row)

    # -- what is known -----------------------------------------------------------------------------------------

    @property
    def optimum(self) -> Callable[[P, Array], tuple[float, int]] | None:
        """``(params, row)`` -> best return from a state row and steps to a payment; None where nothing is known."""
        return None if self.theory is None else self._optimum

    def _optimum(self, params: P, row: Array) -> tuple[float, int]:
        known = self.theory
        assert known is not None
        if known.optimum is None:
            return known.planner.optimum(self, params, row)
        return known.optimum(params, *self._open(params, row))

    @property
    def policy(self) -> Callable[[P, Array], Array] | None:
        """``(params, row)`` -> action ``(A,)`` of the best policy; None where none is known.

        It is written as views take actions by default (``rules.default_actions``), so that what it returns can be sent
        to ``gym.make(game.id)``.
        """
        return None if self.theory is None else self._policy

    def _policy(self, params: P, row: Array) -> Array:
        known = self.theory
        assert known is not None
        if known.policy is None:
            return known.planner.action(self, params, row)
        native = np.asarray(known.policy(params, *self._open(params, row)), dtype=np.float64).reshape(-1)
        return self._as_default(params, native)

    def _as_default(self, params: P, native: Array) -> Array:
        """A native action ``(A,)`` as the default format writes it; of equal levels the nearest one."""
        name = self.rules.default_actions
        if name == "native":
            return native
        low, high = np.moveaxis(self.bounds(params)[0], -1, 0)
        share = np.clip((native - low) / (high - low), 0.0, 1.0)
        if name == "unit":
            written: Array = 2.0 * share - 1.0
            return written
        return np.rint(share * (int(name.removeprefix("discrete:")) - 1))

    @property
    def success(self) -> Callable[[P, Episode], bool] | None:
        """``(params, episode)`` -> whether an episode solved the problem; None where nothing is known."""
        return None if self.theory is None else self._success

    def _success(self, params: P, episode: Episode) -> bool:
        assert self.theory is not None
        return bool(self.theory.success(params, episode, *self._open(params, episode.last)))

    @property
    def paid_by_step(self) -> bool:
        """Whether an episode is a success as soon as one step is paid."""
        return self.theory is not None and self.theory.success is paid

    @property
    def bound(self) -> Callable[[P], float] | None:
        """Proven upper bound of the return; None where the optimum needs none."""
        return None if self.theory is None else self.theory.bound

    @property
    def optimum_kind(self) -> Literal["exact", "exact_small", "reference"] | None:
        """How the optimum is known; None where it is not."""
        return None if self.theory is None else self.theory.kind

    @property
    def noisy(self) -> bool:
        """See :class:`Theory`."""
        return self.theory is not None and self.theory.noisy

    @property
    def success_by_step(self) -> bool:
        """See :class:`Theory`."""
        return self.theory is not None and self.theory.success_by_step

    def starts(self, params: P) -> int | None:
        """Number of equally likely start states; None where they are many, or nothing is known."""
        return None if self.theory is None else self.theory.starts(params)

    @property
    def levels(self) -> Mapping[str, Mapping[str, Any]]:
        """Difficulty -> keywords."""
        return {} if self.theory is None else self.theory.levels
