"""One method per agent, such as a potential of its own for each.

A function of rows cannot tell whose row it sees, unless the observation says so; here each agent's rows go to its own
method. In a general-sum game shaping every agent's reward by a potential of its own keeps the set of Nash equilibria
(Devlin and Kudenko 2011 and 2012, unverified in detail); which of them learners reach may change.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from payoff.wrappers.arguments import check_mapping
from payoff.wrappers.base import RewardMethod, Transition
from payoff.wrappers.multi_agent.team import TeamMethod, agent_names
from payoff.wrappers.rows import Array, Batch, BatchInfo, take

__all__ = ["MethodPerAgent"]


class MethodPerAgent(RewardMethod):
    """Each agent's reward is what its own method makes of it; agents without a method keep theirs.

    Agents are served one after the other, each in all copies at once. So what their methods have in common, such as
    the counts of one bonus, is not entered copy by copy, as a batch of wrapped environments would.

    Args:
        methods: agent -> method, agents by name (``"agent_0"``) or seat number.
        default: method of the agents that are not named; None: none.

    Raises:
        TypeError: a method is no RewardMethod, or looks at all agents of a copy.
        ValueError: no method at all, or methods of different terms (of ``info["reward_terms"]``).

    >>> from payoff.wrappers import PotentialShaping, from_info
    >>> def eager(key):
    ...     return PotentialShaping(from_info(key), gamma=0.99, on_truncation="bootstrap")
    >>> MethodPerAgent({"agent_0": eager("progress"), "agent_1": eager("payoff")}).term
    'shaping'
    """

    def __init__(self, methods: Mapping[Any, RewardMethod], default: RewardMethod | None = None) -> None:
        check_mapping("methods", methods, "RewardMethods")
        given = list(methods.values())
        if default is not None:
            if not isinstance(default, RewardMethod):
                raise TypeError(f"default must be a RewardMethod, got {type(default).__name__}")
            given.append(default)
        for method in given:
            if not isinstance(method, RewardMethod):
                raise TypeError(f"methods must be RewardMethods, got {type(method).__name__}")
            if isinstance(method, TeamMethod | MethodPerAgent):
                raise TypeError(
                    f"methods must work row by row, but {type(method).__name__} looks at all agents of a copy"
                )
        terms = sorted({method.term for method in given})
        if len(terms) != 1:
            raise ValueError(f"methods must share one term, got {', '.join(terms) or 'no method'}")
        self.term = terms[0]  # type: ignore[misc]  # of the class elsewhere: here it is the methods' own
        self.methods = dict(methods)
        self.default = default
        self._seats: dict[int, RewardMethod] = {}
        self._n = 0

    def attach(self, adapter: object) -> Self:
        """This object, or a copy where this one is in use and its methods allow copies.

        Raises:
            TypeError: the environment has no team.
            ValueError: an agent that is not there, or a method that serves another environment and allows no copy.
        """
        names = agent_names(adapter)
        named = {_seat(key, names): method for key, method in self.methods.items()}
        if len(named) < len(self.methods):
            raise ValueError(f"methods must name each agent once, got {', '.join(map(repr, self.methods))}")
        chosen = {i: named.get(i, self.default) for i in range(len(names))}
        seats = {i: method.attach(adapter) for i, method in chosen.items() if method is not None}
        other = super(MethodPerAgent, copy.copy(self) if self.in_use else self).attach(adapter)
        other._seats, other._n = seats, len(names)
        return other

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows begin an episode, each with its agent's method."""
        for rows, method in self._parts(mask.size):
            if mask[rows].any():
                method.reset(take(obs, rows), info.select(rows), mask[rows])

    def __call__(self, t: Transition) -> Array:
        """Rewards of all rows, each by its agent's method; agents whose rows made no step are left out."""
        new = np.array(t.reward)
        for rows, method in self._parts(t.reward.size):
            if t.active[rows].any():
                new[rows] = method(_only(t, rows))
        return new

    def state_dict(self) -> dict[str, Array]:
        """Arrays of the methods, as ``seat.name``."""
        return {f"{i}.{name}": x for i, method in self._seats.items() for name, x in method.state_dict().items()}

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`payoff.wrappers.base.RewardMethod.read_state`."""
        check_mapping("state", state, "arrays")
        parts: dict[int, dict[str, Array]] = {i: {} for i in self._seats}
        for name, array in state.items():
            seat, _, rest = str(name).partition(".")
            if not seat.isdecimal() or int(seat) not in parts:
                raise ValueError(
                    f"MethodPerAgent has no method for {name!r}; it has them for {', '.join(map(str, parts))}"
                )
            parts[int(seat)][rest] = array
        takers = [method.read_state(parts[i]) for i, method in self._seats.items()]

        def take_over() -> None:
            for taker in takers:
                taker()

        return take_over

    def _parts(self, size: int) -> list[tuple[Array, RewardMethod]]:
        """Rows ``(R,)`` bool of each agent that has a method, and the method."""
        seat = np.arange(size) % self._n
        return [(seat == i, method) for i, method in self._seats.items()]


def _seat(key: Any, names: tuple[Any, ...]) -> int:
    if key in names:
        return names.index(key)
    if isinstance(key, int | np.integer) and not isinstance(key, bool) and 0 <= key < len(names):
        return int(key)
    raise ValueError(f"methods must name agents, which are {', '.join(map(str, names))}; got {key!r}")


def _only(t: Transition, rows: Array) -> Transition:
    """The transition of some rows."""
    if rows.all():
        return t
    reward = t.reward[rows]
    reward.flags.writeable = False
    return Transition(
        take(t.obs, rows),
        take(t.action, rows),
        reward,
        take(t.next_obs, rows),
        t.terminated[rows],
        t.truncated[rows],
        t.info.select(rows),
        t.active[rows],
    )
