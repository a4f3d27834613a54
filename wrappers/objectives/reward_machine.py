"""Reward machines: a finite automaton that reads what happened and says what it pays.

A machine in state u reads a letter, the set of symbols that a transition (s, a, s') is labelled with:

(1) u' = delta(u, letter), r = delta_r(u, letter)          (2) V(u) = max over letters of r + gamma V(u'), V(end) = 0

Alone the reward is not Markov; with u beside s it is. (2) solves the machine as if its letters could be chosen, which
gives a potential on u. Equations: Toro Icarte, Klassen, Valenzano and McIlraith (ICML 2018; JAIR 2022). In their code
a letter without an edge leads to the end, and the potential is -V; here both are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal, TypeAlias

import numpy as np

from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.wrappers.arguments import check_mapping, check_sequence, reals
from payoff.wrappers.base import Transition
from payoff.wrappers.objectives.formula import check_symbols, parse, symbols_of, truth_table
from payoff.wrappers.rows import Array

__all__ = ["Edge", "EdgeReward", "RewardMachine", "reward_machine"]

EdgeReward: TypeAlias = Callable[[Transition], Array]
_END = "end"  # where letters without an edge lead, if they end the machine


@dataclass(frozen=True, slots=True)
class Edge:
    """One move of a machine.

    Attributes:
        source: state it leaves.
        guard: formula over symbols, such as ``"key & !door"``, that the letter must satisfy.
        target: state it enters; may be ``source``.
        reward: what it pays: a number, or a function from R rows of a transition to ``(R,)`` numbers.
    """

    source: str
    guard: str
    target: str
    reward: float | EdgeReward = 0.0

    def __post_init__(self) -> None:
        """Check the names (TypeError); guard and reward are checked where a machine is built."""
        for name in ("source", "guard", "target"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} must be a string, got {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True, eq=False)
class RewardMachine:
    """A machine as tables over its U states and the 2^P letters; arrays are read-only.

    Symbol i of P holds in a letter where bit i of its number is set.

    Attributes:
        symbols: names of the P symbols.
        states: names of the U states.
        initial: number of the state in which an episode begins.
        next_state: ``(U, L)`` int64.
        reward: ``(U, L)`` float64; 0 where a function says what is paid.
        terminal: ``(U,)`` bool: such a state leads to itself and pays 0.
        final: ``(U,)`` float64, paid besides when the environment's episode ends in this state; 0 where terminal.
        edge: ``(U, L)`` int64, key in ``functions`` where a function says what is paid, else -1.
        functions: number -> reward function.
    """

    symbols: tuple[str, ...]
    states: tuple[str, ...]
    initial: int
    next_state: Array
    reward: Array
    terminal: Array
    final: Array
    edge: Array
    functions: Mapping[int, EdgeReward] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check types (TypeError), shapes and terminal states (ValueError), and lock the arrays."""
        check_symbols(self.symbols)
        check_sequence("states", self.states, "names")
        check_mapping("functions", self.functions, "reward functions")
        shape = (len(self.states), 2 ** len(self.symbols))
        expected = {"next_state": shape, "reward": shape, "edge": shape, "terminal": shape[:1], "final": shape[:1]}
        for f in fields(self):
            if f.name in expected:
                array = getattr(self, f.name)
                if not isinstance(array, np.ndarray):
                    raise TypeError(f"{f.name} must be an array, got {array!r}")
                if array.shape != expected[f.name]:
                    raise ValueError(f"{f.name} must have shape {expected[f.name]}, got {array.shape}")
                array.setflags(write=False)
        check_integer("initial", self.initial, 0, len(self.states) - 1)
        if self.next_state.dtype.kind not in "iu" or not np.isin(self.next_state, range(len(self.states))).all():
            raise ValueError(f"next_state must hold numbers of states, 0 .. {len(self.states) - 1}")
        at = np.flatnonzero(self.terminal)
        if (self.next_state[at] != at[:, None]).any() or self.reward[at].any() or self.final[at].any():
            raise ValueError("a terminal state leads to itself and pays nothing")

    @property
    def n_states(self) -> int:
        """U."""
        return len(self.states)

    def letters(self, labels: Array) -> Array:
        """Numbers ``(...)`` of the letters whose symbols are given, ``(..., P)`` bool."""
        numbers: Array = np.asarray(labels, dtype=np.int64) @ (1 << np.arange(len(self.symbols)))
        return numbers

    def step(self, state: Array, letter: Array, t: Transition | None = None) -> tuple[Array, Array]:
        """Equation (1).

        Args:
            state: ``(R,)`` int64 machine states.
            letter: ``(R,)`` int64 letters.
            t: the R transitions, which reward functions look at.

        Returns:
            Next states ``(R,)``, rewards ``(R,)``.

        Raises:
            ValueError: a reward function is needed and there is no ``t``, or it gave another shape.
        """
        paid: Array = self.reward[state, letter]
        after: Array = self.next_state[state, letter]
        if not self.functions:
            return after, paid
        edge = self.edge[state, letter]
        for number in np.unique(edge[edge >= 0]).tolist():
            if t is None:
                raise ValueError("this machine has reward functions, which need the transitions")
            value = reals("what a reward function returns", self.functions[number](t))
            if value.shape != paid.shape:
                raise ValueError(f"a reward function must return shape {paid.shape}, got {value.shape}")
            paid = np.where(edge == number, value, paid)
        return after, paid

    def values(self, gamma: float) -> Array:
        """V ``(U,)`` of equation (2), by policy iteration; exact up to rounding.

        ``final`` is no part of it: when the environment ends is not for the machine to say.

        Args:
            gamma: discount of one letter, in (0, 1). A small one spreads the values of the states further apart.

        Raises:
            ValueError: gamma is out of its range, or the machine has reward functions.
        """
        check_number("gamma", gamma, 0.0, 1.0, open_low=True, open_high=True)
        if self.functions:
            raise ValueError("a machine is solved by itself only where its rewards are numbers")
        rows, choice = np.arange(self.n_states), np.zeros(self.n_states, dtype=np.int64)
        while True:
            chain = np.eye(self.n_states)
            chain[rows, self.next_state[rows, choice]] -= gamma
            values: Array = np.linalg.solve(chain, self.reward[rows, choice])
            q = self.reward + gamma * values[self.next_state]
            better = q.max(axis=1) - values > 1e-12 * (1.0 + np.abs(values))  # above the rounding of the solution
            if not better.any():
                return np.where(self.terminal, 0.0, values)
            choice = np.where(better, q.argmax(axis=1), choice)


def reward_machine(
    edges: Iterable[Edge],
    *,
    initial: str,
    terminal: Sequence[str] = (),
    final: Mapping[str, float] | None = None,
    symbols: Sequence[str] | None = None,
    undefined: Literal["stay", "end"] = "stay",
) -> RewardMachine:
    """Build a machine from its edges.

    Args:
        edges: of the edges that leave a state, the first one whose guard holds is taken.
        initial: state in which an episode begins.
        terminal: states in which the task is over; no edge leaves them.
        final: state -> reward that is paid besides when the environment's episode ends there.
        symbols: their names; None: those of the guards, in alphabetical order.
        undefined: where a letter without an edge leads: nowhere, or to a terminal state ``end``; it pays 0.

    Raises:
        TypeError: an edge is no Edge, or ``terminal`` is a single string.
        ValueError: a guard that cannot be read, a state that does not exist or must not have edges, a reward that is
            no number, or another argument that is not allowed.

    >>> machine = reward_machine(
    ...     [Edge("start", "key", "has key"), Edge("has key", "door", "done", 1.0)], initial="start", terminal=["done"]
    ... )
    >>> machine.states, machine.symbols
    (('start', 'has key', 'done'), ('door', 'key'))
    >>> machine.values(0.5).tolist()
    [0.5, 1.0, 0.0]
    """
    if not isinstance(edges, Iterable):
        raise TypeError(f"edges must be Edge objects, got {edges!r}")
    edges = list(edges)
    for e in edges:
        if not isinstance(e, Edge):
            raise TypeError(f"edges must be Edge objects, got {e!r}")
    check_word("undefined", undefined, ("stay", "end"))
    check_sequence("terminal", terminal, "states")
    if final is not None:
        check_mapping("final", final, "numbers")
    known = {s for e in edges for s in (e.source, e.target)}
    for name, place in ((initial, "initial"), *((name, "terminal") for name in terminal)):
        if not isinstance(name, str):
            raise TypeError(f"{place} must name a state, got {name!r}")
        if edges and name not in known and (place, name) != ("terminal", _END):
            raise ValueError(f"{place} must name a state of an edge, got {name!r}")
    guards = [parse(e.guard) for e in edges]
    names = check_symbols(sorted({s for g in guards for s in symbols_of(g)}) if symbols is None else symbols)
    states = list(dict.fromkeys([initial, *(s for e in edges for s in (e.source, e.target)), *terminal]))
    ends = set(terminal)
    if undefined == "end":
        if _END in states and _END not in ends:
            raise ValueError(f"state {_END!r} must be terminal where undefined='end'")
        states, ends = list(dict.fromkeys([*states, _END])), ends | {_END}
    number = {name: u for u, name in enumerate(states)}
    for name in {e.source for e in edges} & ends:
        raise ValueError(f"no edge may leave the terminal state {name!r}")
    size = (len(states), 2 ** len(names))
    own = np.arange(size[0])[:, None]
    next_state = np.broadcast_to(own if undefined == "stay" else number[_END], size).copy()
    over = np.array([name in ends for name in states])
    next_state[over] = own[over]
    reward, edge, functions = np.zeros(size), np.full(size, -1), dict[int, EdgeReward]()
    for k in reversed(range(len(edges))):  # an earlier edge overwrites a later one
        at, holds = number[edges[k].source], truth_table(guards[k], names)
        next_state[at, holds] = number[edges[k].target]
        paid = edges[k].reward
        if callable(paid):
            functions[k] = paid
            reward[at, holds], edge[at, holds] = 0.0, k
        else:
            check_number(f"reward of the edge {edges[k].source!r} -> {edges[k].target!r}", paid, -np.inf)
            reward[at, holds], edge[at, holds] = paid, -1
    return RewardMachine(
        names, tuple(states), 0, next_state, reward, over, _final(final or {}, states, ends), edge, functions
    )


def _final(final: Mapping[str, float], states: Sequence[str], ends: set[str]) -> Array:
    """Rewards ``(U,)`` at the end of the environment's episode."""
    for name, paid in final.items():
        if name not in states or name in ends:
            raise ValueError(f"final must name states that are not terminal, got {name!r}")
        check_number(f"final[{name!r}]", paid, -np.inf)
    return np.array([float(final.get(name, 0.0)) for name in states])
