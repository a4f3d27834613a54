"""The reward of a machine that runs beside the environment.

(1) letter = L(s, a, s')        (2) u' = delta(u, letter)        (3) r' = r_machine(u, letter), or r + coef r_machine

The problem is Markov in (s, u): :func:`payoff.wrappers.objectives.augment.augment` shows u to the learner. A terminal
state of the machine pays 0 for ever, but ends no episode: only the environment does that. Where the machine replaces
the reward, values are the same; where it adds, the environment's own reward goes on.

Learning can use the machine in two ways. A potential on u, from the machine alone, changes no optimal policy::

    env = augment(env, MachineReward(machine, labels))
    env = wrap(env, PotentialShaping(machine_potential(machine, 0.5), gamma=0.99, on_truncation="bootstrap"))

And since (2) does not depend on how u was reached, a transition tells an off-policy learner what every u would have
paid (counterfactual experiences): :func:`crm_transitions`.

Source: Toro Icarte, Klassen, Valenzano and McIlraith (ICML 2018; JAIR 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from payoff.envs.core.params import check_number, check_word
from payoff.wrappers.base import Transition
from payoff.wrappers.objectives.labels import Labels
from payoff.wrappers.objectives.memory import MemoryMethod, joined
from payoff.wrappers.objectives.reward_machine import RewardMachine
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["MachinePotential", "MachineReward", "crm_transitions", "machine_potential"]

RM_STATE = "rm_state"  # in info: the machine's state after the step
RM_BEFORE = "rm_before"  # in the info of counterfactual transitions: the state before


class MachineReward(MemoryMethod):
    """Pays what a reward machine says; ``info["reward_terms"]["aux"]`` holds the difference.

    Args:
        machine: the machine.
        labels: labelling function, with the machine's symbols among its own.
        mode: ``"replace"`` the environment's reward, or ``"add"`` to it.
        coef: factor on the machine's reward.
        on_truncation: whether ``machine.final`` is paid at a truncation: not with ``"bootstrap"``, where the learner
            continues from the value there, but with ``"terminal"``. Needed where ``final`` is not all zero.

    Raises:
        TypeError: ``machine`` or ``labels`` is something else.
        ValueError: a symbol without a label, or another argument that is not allowed.
    """

    term: ClassVar[str] = "aux"

    def __init__(
        self,
        machine: RewardMachine,
        labels: Labels,
        *,
        mode: Literal["replace", "add"] = "replace",
        coef: float = 1.0,
        on_truncation: Literal["bootstrap", "terminal"] | None = None,
    ) -> None:
        _check(machine, labels)
        check_word("mode", mode, ("replace", "add"))
        check_number("coef", coef, -np.inf)
        if on_truncation is not None or machine.final.any():
            check_word("on_truncation", on_truncation, ("bootstrap", "terminal"))
        super().__init__()
        self.machine = machine
        self.labels = labels
        self.mode = mode
        self.coef = coef
        self.on_truncation = on_truncation

    def blank(self) -> dict[str, Array]:
        """``state``: the machine's state."""
        return {"state": np.array(self.machine.initial, dtype=np.int64)}

    def checked_memory(self, state: Mapping[str, Array]) -> dict[str, Array]:
        """As every method's, and states must be those of the machine."""
        found = super().checked_memory(state)
        for array in found.values():
            if array.min(initial=0) < 0 or array.max(initial=0) >= self.machine.n_states:
                span = f"0 .. {self.machine.n_states - 1}"
                raise ValueError(f"{type(self).__name__}: state must hold numbers in {span}, got {array.tolist()}")
        return found

    def __call__(self, t: Transition) -> Array:
        """Rewards by equation (3)."""
        self.check_rows(t)
        before = self.memory["state"]
        after, paid = self.machine.step(before, _letters(self.machine, self.labels, t), t)
        ended = t.terminated | t.truncated if self.on_truncation == "terminal" else t.terminated
        paid = self.coef * (paid + np.where(ended, self.machine.final[after], 0.0))
        self.remember({"state": np.where(t.active, after, before)})
        return t.reward + paid if self.mode == "add" else paid

    def features(self, memory: Mapping[str, Array]) -> Array:
        """The machine's state one-hot, ``(R, U)``."""
        return _one_hot(memory["state"], self.machine.n_states)

    def feature_bounds(self) -> tuple[Array, Array]:
        """0 and 1."""
        size = self.machine.n_states
        return np.zeros(size, dtype=np.float32), np.ones(size, dtype=np.float32)

    def told(self, memory: Mapping[str, Array]) -> dict[str, Array]:
        """``rm_state``: number of the machine's state."""
        return {RM_STATE: memory["state"]}


@dataclass(frozen=True, slots=True, eq=False)
class MachinePotential:
    """Potential on the machine's state; see :func:`machine_potential`."""

    values: Array

    def __call__(self, obs: Batch, info: BatchInfo) -> Array:
        """Entries ``(R,)`` of the table; KeyError where no machine is inside."""
        chosen: Array = self.values[info[RM_STATE]]
        return chosen


def machine_potential(machine: RewardMachine, gamma: float, *, sign: float = 1.0) -> MachinePotential:
    """Potential ``sign * V(u)`` for :class:`payoff.wrappers.PotentialShaping` around a machine's environment.

    It is 0 in terminal states of the machine. With the sign -1, that of the published code, a step towards the reward
    costs: optimal policies stay, but exploration is pushed back.

    Args:
        machine: the machine.
        gamma: discount of :meth:`RewardMachine.values`, in (0, 1); it need not be the learner's.
        sign: factor on V.

    Raises:
        TypeError: ``machine`` is something else.
        ValueError: an argument out of its range, or a machine with reward functions.
    """
    if not isinstance(machine, RewardMachine):
        raise TypeError(f"machine must be a RewardMachine, got {type(machine).__name__}")
    check_number("sign", sign, -np.inf)
    return MachinePotential(sign * machine.values(gamma))


def crm_transitions(
    t: Transition, machine: RewardMachine, labels: Labels, *, mode: Literal["replace", "add"] = "replace"
) -> Transition:
    """What R transitions would have been in each of K states of the machine: those that are not terminal.

    With ``"add"`` terminal states are among them: the environment goes on there, and is paid for.

    Args:
        t: transitions of the environment, without the machine's state in their observations.
        machine: the machine.
        labels: labelling function.
        mode: as in :class:`MachineReward`.

    Returns:
        R * K rows, those of transition 0 first. Observations are those of :func:`augment`; with ``"replace"``
        ``terminated`` holds also where the machine ends; ``final`` is paid where the environment terminates.
        ``info["rm_before"]`` and ``info["rm_state"]`` are the machine's states before and after.

    Raises:
        TypeError: ``machine`` or ``labels`` is something else.
        ValueError: a symbol without a label, or an unknown mode.
    """
    _check(machine, labels)
    check_word("mode", mode, ("replace", "add"))
    letter = _letters(machine, labels, t)
    over = machine.terminal & (mode == "replace")  # states from which on nothing is paid
    alive = np.flatnonzero(~over)
    rows, size = np.repeat(np.arange(len(letter)), alive.size), machine.n_states
    before = np.tile(alive, len(letter))
    after, reward = np.empty_like(before), np.empty(before.shape)
    for k, u in enumerate(alive):
        after[k :: alive.size], reward[k :: alive.size] = machine.step(np.full(letter.shape, u), letter, t)
    reward = reward + np.where(t.terminated[rows], machine.final[after], 0.0)
    told = {RM_BEFORE: before, RM_STATE: after}
    return Transition(
        obs=joined(_rows(t.obs, rows), _one_hot(before, size)),
        action=_rows(t.action, rows),
        reward=reward + (t.reward[rows] if mode == "add" else 0.0),
        next_obs=joined(_rows(t.next_obs, rows), _one_hot(after, size)),
        terminated=t.terminated[rows] | over[after],
        truncated=t.truncated[rows],
        info=BatchInfo(lambda key: (told[key], None), list(told), np.ones(len(rows), dtype=np.bool_)),
        active=t.active[rows],
    )


def _one_hot(state: Array, size: int) -> Array:
    """``(R,)`` numbers to ``(R, size)`` float32."""
    return np.eye(size, dtype=np.float32)[state]


def _rows(batch: Batch, rows: Array) -> Batch:
    """Rows of a batch by number."""
    if isinstance(batch, Mapping):
        return {key: _rows(part, rows) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(_rows(part, rows) for part in batch)
    return np.asarray(batch)[rows]


def _check(machine: RewardMachine, labels: Labels) -> None:
    if not isinstance(machine, RewardMachine):
        raise TypeError(f"machine must be a RewardMachine, got {type(machine).__name__}")
    if not isinstance(labels, Labels):
        raise TypeError(f"labels must be Labels, got {type(labels).__name__}")
    for name in machine.symbols:
        if name not in labels.symbols:
            raise ValueError(f"the machine reads {name!r}, labels has {', '.join(labels.symbols) or 'nothing'}")


def _letters(machine: RewardMachine, labels: Labels, t: Transition) -> Array:
    """Letters ``(R,)`` of transitions."""
    columns = [labels.symbols.index(name) for name in machine.symbols]
    return machine.letters(labels(t)[:, columns])
