"""Linear temporal logic on finite traces, compiled to the smallest reward machine.

A trace is the sequence of letters of an episode, one for each transition. What a formula asks of the trace from a step
on is written as alternatives, each a set of demands on the next step: ``strong`` (there is one, and it satisfies the
rest) or ``weak`` (if there is one, it does):

(1) p U q = q or (p and X(p U q))        (2) p R q = q and (p or N(p R q))

Reading a letter turns each demand into new alternatives by (1) and (2). In negation normal form demands are joined by
"and" and "or" alone, so the smallest alternatives are unique, and there are finitely many: they are the states of a
deterministic automaton, which is then made as small as it can be. A trace satisfies the formula where it ends in a
state with an alternative of weak demands only. Logic: De Giacomo and Vardi (IJCAI 2013); rewards for such formulas:
Camacho, Toro Icarte, Klassen, Valenzano and McIlraith (IJCAI 2019).

Written here because no package fits. LTLf2DFA 2.0.0 (July 2026, LGPL) and logaut 0.2.0 (GPL) call the external programs
MONA or Lydia; pylogics 0.2.1 has no automata; flloat 0.3.0 is pure Python, but its last release is of March 2020, and
it brings pythomata (LGPL), the discontinued lark-parser and sympy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.objectives.formula import Formula, check_symbols, parse, symbols_of
from payoff.wrappers.objectives.reward_machine import RewardMachine
from payoff.wrappers.rows import Array

__all__ = ["Automaton", "automaton", "ltlf_machine"]

Demands: TypeAlias = frozenset[tuple[bool, Formula]]  # (strong?, what the next step must satisfy)
Alternatives: TypeAlias = frozenset[Demands]
_YES: Alternatives = frozenset({frozenset()})
_NO: Alternatives = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Automaton:
    """The smallest deterministic automaton of a formula.

    Attributes:
        symbols: names of the P symbols; symbol i holds in a letter where bit i of its number is set.
        next_state: ``(U, L)`` int64; episodes begin in state 0.
        accepting: ``(U,)`` bool, whether a trace that ends here satisfies the formula. The empty trace, with which no
            episode ends, satisfies none.
    """

    symbols: tuple[str, ...]
    next_state: Array
    accepting: Array

    @property
    def settled(self) -> Array:
        """``(U,)`` bool: states that are never left, where the verdict is known."""
        stays: Array = (self.next_state == np.arange(len(self.next_state))[:, None]).all(axis=1)
        return stays

    @property
    def cosafe(self) -> bool:
        """Whether every satisfied formula is known to be so at some step, whatever follows."""
        return not (self.accepting & ~self.settled).any()

    @property
    def safe(self) -> bool:
        """Whether every violated formula is known to be so at some step, whatever follows."""
        reached = np.unique(self.next_state)  # no trace ends before its first letter
        return bool((self.accepting | self.settled)[reached].all())

    def accepts(self, letters: Sequence[int]) -> bool:
        """Whether a trace of letters satisfies the formula."""
        u = 0
        for letter in letters:
            u = int(self.next_state[u, letter])
        return bool(self.accepting[u])


def automaton(formula: str, symbols: Sequence[str] | None = None, *, max_states: int = 1000) -> Automaton:
    """Compile a formula.

    Args:
        formula: see :mod:`payoff.wrappers.objectives.formula` for the grammar.
        symbols: their names; None: those of the formula, in alphabetical order.
        max_states: give up beyond this many states, before the automaton is made smaller.

    Raises:
        ValueError: the formula cannot be read, has other symbols, or needs more states.

    >>> automaton("F (a & X F b)").next_state.shape
    (3, 4)
    """
    check_integer("max_states", max_states, 1)
    wanted = parse(formula)
    names = check_symbols(symbols_of(wanted) if symbols is None else symbols)
    for name in set(symbols_of(wanted)) - set(names):
        raise ValueError(f"formula {formula!r} has the symbol {name!r}; the symbols are {', '.join(names)}")
    start: Alternatives = frozenset({frozenset({(True, wanted)})})
    number, rows, queue = {start: 0}, [], [start]
    for state in queue:
        row = []
        for letter in range(2 ** len(names)):
            holds = frozenset(name for i, name in enumerate(names) if letter >> i & 1)
            after = _read(state, holds)
            if after not in number:
                if len(number) == max_states:
                    raise ValueError(f"formula {formula!r} needs more than max_states={max_states} states")
                number[after] = len(number)
                queue.append(after)
            row.append(number[after])
        rows.append(row)
    accepting = np.array([any(not any(strong for strong, _ in d) for d in state) for state in queue])
    return Automaton(names, *_smallest(np.array(rows), accepting))


def ltlf_machine(
    formula: str,
    symbols: Sequence[str] | None = None,
    *,
    reward: float = 1.0,
    penalty: float = 0.0,
    max_states: int = 1000,
) -> RewardMachine:
    """A machine that pays ``reward`` for an episode that satisfies the formula, and ``penalty`` for any other.

    It pays once an episode, as early as can be: at the step from which on the verdict is the same whatever follows, or
    else when the episode ends. So the undiscounted return of every episode is one or the other. Where ``machine.final``
    is not all zero, the episode's end counts, and :class:`MachineReward` must be told what a truncation is.

    Args:
        formula: see :mod:`payoff.wrappers.objectives.formula` for the grammar.
        symbols: as in :func:`automaton`.
        reward: paid where the formula holds.
        penalty: paid where it does not.
        max_states: as in :func:`automaton`.

    Raises:
        ValueError: an argument that is not allowed (see :func:`automaton`), or a formula that no trace satisfies.

    >>> machine = ltlf_machine("F goal & G !lava", reward=1.0, penalty=-1.0)
    >>> machine.n_states, machine.final.tolist()
    (3, [-1.0, 1.0, 0.0])
    """
    check_number("reward", reward, -np.inf)
    check_number("penalty", penalty, -np.inf)
    found = automaton(formula, symbols, max_states=max_states)
    if found.settled[0]:
        raise ValueError(f"no trace satisfies the formula {formula!r}")
    verdict = np.where(found.accepting, float(reward), float(penalty))
    over = found.settled
    paid = np.where(over[found.next_state] & ~over[:, None], verdict[found.next_state], 0.0)
    names = tuple(f"{u}" for u in range(len(over)))
    final = np.where(over, 0.0, verdict)
    return RewardMachine(found.symbols, names, 0, found.next_state, paid, over, final, np.full(paid.shape, -1))


def _read(state: Alternatives, holds: frozenset[str]) -> Alternatives:
    """Alternatives after a letter."""
    answer = _NO
    for demands in state:
        joined = _YES
        for _, rest in demands:
            joined = _and(joined, _expand(rest, holds))
        answer = _or(answer, joined)
    return answer


def _expand(formula: Formula, holds: frozenset[str]) -> Alternatives:
    """What a formula asks of the next step, given the symbols that hold at this one."""
    kind, parts = formula.kind, formula.parts
    if kind in ("true", "false"):
        return _YES if kind == "true" else _NO
    if kind in ("is", "not"):
        return _YES if (formula.symbol in holds) == (kind == "is") else _NO
    if kind in ("next", "weak"):
        return frozenset({frozenset({(kind == "next", parts[0])})})
    found = [_expand(part, holds) for part in parts]
    if kind in ("and", "or"):
        answer = found[0]
        for other in found[1:]:
            answer = _and(answer, other) if kind == "and" else _or(answer, other)
        return answer
    later: Alternatives = frozenset({frozenset({(kind == "until", formula)})})
    if kind == "until":  # (1)
        return _or(found[1], _and(found[0], later))
    return _and(found[1], _or(found[0], later))  # (2)


def _or(a: Alternatives, b: Alternatives) -> Alternatives:
    return _least(a | b)


def _and(a: Alternatives, b: Alternatives) -> Alternatives:
    return _least(frozenset(x | y for x in a for y in b))


def _least(alternatives: Alternatives) -> Alternatives:
    """Without alternatives that ask for more than another one."""
    return frozenset(x for x in alternatives if not any(y < x for y in alternatives))


def _smallest(next_state: Array, accepting: Array) -> tuple[Array, Array]:
    """The automaton with states that no trace tells apart made one (Moore); state 0 stays the first."""
    group = accepting.astype(np.int64)
    while True:
        signature = np.column_stack([group, group[next_state]])
        _, finer = np.unique(signature, axis=0, return_inverse=True)
        finer = finer.reshape(-1)
        if finer.max() == group.max():
            break
        group = finer
    _, first = np.unique(group, return_index=True)
    order = np.argsort(first)  # groups in the order in which their first state was found
    rank = np.argsort(order)
    kept = first[order]
    return rank[group[next_state[kept]]], accepting[kept]
