"""What methods for whole teams share: transitions by copy and agent, utilities, and their base class.

Rows of a :class:`payoff.wrappers.base.Transition` are the agents of a ParallelEnv, or the seats of the copies of a
multi-agent batch, seat by seat. A :class:`Team` is the same step with these rows in two axes. How many agents a copy
has is read off the wrapper when the method is attached to it; environments of one agent are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np

from payoff.wrappers.arguments import reals
from payoff.wrappers.base import RewardMethod, Transition
from payoff.wrappers.rows import Array, Batch, BatchInfo, take

__all__ = ["Counterfactual", "Team", "TeamMethod", "Utility", "agent_names", "one_each"]


@dataclass(frozen=True, slots=True)
class Team:
    """One step of C copies of a team of N agents.

    Attributes:
        obs: ``(C, N, ...)`` observations that were acted on, or a dict or tuple of such arrays.
        action: ``(C, N, ...)`` actions.
        reward: ``(C, N)`` float64: the rewards so far.
        next_obs: ``(C, N, ...)`` observations after the step.
        terminated: ``(C, N)`` bool.
        truncated: ``(C, N)`` bool.
        present: ``(C, N)`` bool, agents that took part. The others (agents that left, or that a counterfactual takes
            out) hold placeholders.
        info: entries of the step with a row axis of length C * N in front; see :meth:`entry`.
    """

    obs: Batch
    action: Batch
    reward: Array
    next_obs: Batch
    terminated: Array
    truncated: Array
    present: Array
    info: BatchInfo

    def entry(self, key: str) -> Array:
        """Entry ``(C, N, ...)`` of ``info``; KeyError where it is missing."""
        array: Array = _folded(np.asarray(self.info[key]), self.present.shape[1])
        return array

    def without(self, agent: int) -> Team:
        """The same step as if one agent had not been there: ``present`` is False for it."""
        present = self.present.copy()
        present[:, agent] = False
        return replace(self, present=present)

    def playing(self, agent: int, action: Any) -> Team:
        """The same step with another action of one agent; its outcome and ``info`` stay those of the real step."""
        actions = np.array(self.action, dtype=np.result_type(self.action, action))
        actions[:, agent] = action
        return replace(self, action=actions)


Utility: TypeAlias = Callable[[Team], Array]  # (C,): what the step was worth to all, G
Counterfactual: TypeAlias = Callable[[Team], Array]  # (C, N): what it would have been worth but for each agent


def one_each(default: Any, n: int, shape: tuple[int, ...]) -> Array:
    """Default actions ``(N, *shape)`` from one for all agents or one for each.

    Args:
        default: an action of ``shape``, or N of them; N numbers where an action is a single one.
        n: number of agents N.
        shape: of an action.

    Raises:
        ValueError: another shape, or no finite numbers.
    """
    actions = np.array(default)
    if actions.dtype.kind not in "biuf" or not np.isfinite(actions).all():
        raise ValueError(f"default must hold finite numbers, got {default!r}")
    if actions.shape == (n,) and shape == (1,):
        actions = actions[:, None]
    try:
        return np.broadcast_to(actions, (n, *shape)).copy()
    except ValueError:
        raise ValueError(
            f"default must be one action of shape {shape} or {n} of them, got shape {actions.shape}"
        ) from None


def agent_names(adapter: Any) -> tuple[Any, ...]:
    """Names of the agents of a wrapped environment, in the order of the rows of a copy.

    Raises:
        TypeError: the environment has one agent and no names.
    """
    names = getattr(adapter, "possible_agents", None)
    if names is None:
        names = getattr(adapter, "agents", None)
    if not names:
        raise TypeError(
            "a method for teams needs a pettingzoo ParallelEnv or a multi-agent batch (payoff.multi_agent_vec), got "
            f"{type(adapter).__name__} around an environment that names no agents"
        )
    return tuple(names)


class TeamMethod(RewardMethod):
    """A method that compares what happened with what would have happened but for one agent.

    Args:
        utility: G, what a step was worth to all: a :class:`Team` of C copies and N agents -> ``(C,)``.
        counterfactual: the same but for each agent in turn -> ``(C, N)``; see
            :mod:`payoff.wrappers.multi_agent.utility`.

    Raises:
        TypeError: one of them cannot be called.
    """

    reads_obs: ClassVar[bool] = True  # a utility may look at the state that was acted in
    agents: tuple[Any, ...] = ()

    def __init__(self, utility: Utility, counterfactual: Counterfactual) -> None:
        for name, function in (("utility", utility), ("counterfactual", counterfactual)):
            if not callable(function):
                raise TypeError(f"{name} must be a function of a Team, got {function!r}")
        self.utility = utility
        self.counterfactual = counterfactual

    def attach(self, adapter: object) -> Self:
        """See :meth:`payoff.wrappers.base.RewardMethod.attach`.

        Raises:
            TypeError: the environment has no team.
        """
        names = agent_names(adapter)
        method = super().attach(adapter)
        method.agents = names
        return method

    def values(self, t: Transition) -> tuple[Array, Array]:
        """G and the counterfactual of each row, ``(R,)`` each; 0 in copies in which nobody made a step.

        Raises:
            ValueError: a function returned another shape, or a number that is not finite.
        """
        n = len(self.agents)
        played: Array = np.asarray(t.active.reshape(-1, n).any(axis=1))
        team = _team(t, np.repeat(played, n), n)
        shape = (len(team.present), n)
        welfare, without = np.zeros((len(played), n)), np.zeros((len(played), n))
        welfare[played] = _checked("utility", self.utility, team, shape[:1])[:, None]
        without[played] = _checked("counterfactual", self.counterfactual, team, shape)
        return welfare.reshape(-1), without.reshape(-1)


def _team(t: Transition, rows: Array, n: int) -> Team:
    def part(batch: Batch) -> Batch:
        return _folded(take(batch, rows), n)

    return Team(
        part(t.obs),
        part(t.action),
        part(t.reward),
        part(t.next_obs),
        part(t.terminated),
        part(t.truncated),
        part(t.active),
        t.info if rows.all() else t.info.select(rows),
    )


def _folded(batch: Batch, n: int) -> Batch:
    """``(C * N, ...)`` as ``(C, N, ...)``."""
    if isinstance(batch, dict):
        return {key: _folded(part, n) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(_folded(part, n) for part in batch)
    array = np.asarray(batch)
    return array.reshape(-1, n, *array.shape[1:])


def _checked(name: str, function: Utility | Counterfactual, team: Team, shape: tuple[int, ...]) -> Array:
    value = reals(f"what {name} returns", function(team))
    if value.shape != shape or not np.isfinite(value).all():
        called = getattr(function, "__qualname__", repr(function))
        got = f"shape {value.shape}" if value.shape != shape else f"{value[~np.isfinite(value)][0]}"
        raise ValueError(f"{name} {called} must return finite numbers of shape {shape}, got {got}")
    return value
