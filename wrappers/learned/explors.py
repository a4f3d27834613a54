"""EXPLORS: a learner that shapes its own reward, by what paid before, and is drawn to where it has seldom been.

No teacher is needed. Beside the game's reward r the learner is told two more: phi(s, a), learned from its own returns,
and a bonus for the state that it comes to:

(1) r'(s, a, s') = r + phi(s, a) + B(s')
(2) B(s') = b / sqrt((b / B_max)^2 + N(s')), and 0 where the episode terminates; N counts how often a state was left in
    finished episodes

After every few episodes phi learns from the last ``memory`` ones, with their discounted returns G_t in the game's
reward, a baseline V and the learner's policy pi:

(3) w_t = pi(a_t|s_t) (G_t - V(s_t))
(4) phi(s, a) += eta sum over steps in s of w_t (1[a = a_t] - pi(a|s))
(5) V(s) += eta_V sum over steps in s of (G_t - V(s)) / number of all steps

So phi keeps what the learner saw once, where its own gradient sees it for a few episodes only, and the bonus makes it
see more. Neither is potential-based: phi may change what is best. It follows returns of the game, and (4) vanishes
where the policy is sure of its action.

The policy in (3) and (4) is the learner's own where the trainer hands it over (:mod:`payoff.baselines.reinforce` does);
else it is counted in the same episodes, (n(s, a) + 1) / (n(s) + A).

Source: Devidze, Kamalaruban, Singla, "Exploration-guided reward shaping for reinforcement learning under sparse
rewards" (NeurIPS 2022), known from notes on its public code: updates every 5 episodes on the last 10, both rates 0.01,
b = B_max = 1; phi clipped to 0.01 under Q-learning. unverified: that (4) adds up steps while (5) takes the mean over
them, and that N does not count the running episode, which come nearest to the figures that are known
(``docs/learned/explors.md``). Counts as the policy are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import ClassVar

import numpy as np

from payoff.envs.core.params import check_flag, check_integer, check_number
from payoff.wrappers.arguments import as_array, check_callable, check_mapping, check_names, state_array
from payoff.wrappers.base import RewardMethod, Transition
from payoff.wrappers.bonus.keys import observation_key, row_keys
from payoff.wrappers.learned.table import action_numbers
from payoff.wrappers.learned.watching import LearnerPolicy, checked_policy
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["ExplorationGuided", "exploration_bonus", "learn_shaping"]


def exploration_bonus(left: Array, bonus: float, largest: float) -> Array:
    """Equation (2) for states that were left so often; of numbers or arrays."""
    found: Array = bonus / ((bonus / largest) ** 2 + left) ** 0.5
    return found


def learn_shaping(
    phi: Array,
    value: Array,
    probability: Array,
    state: Array,
    action: Array,
    returns: Array,
    rate: float,
    value_rate: float,
) -> None:
    """Equations (3) to (5) in place.

    Args:
        phi: ``(S, A)``.
        value: ``(S,)`` V.
        probability: ``(S, A)`` pi.
        state: ``(N,)`` of N steps.
        action: ``(N,)``.
        returns: ``(N,)`` G.
        rate: eta.
        value_rate: eta_V.
    """
    miss = returns - value[state]
    w = probability[state, action] * miss  # (3)
    np.add.at(phi, (state, action), rate * w)  # (4)
    phi -= rate * np.bincount(state, w, len(value))[:, None] * probability
    value += value_rate * np.bincount(state, miss, len(value)) / max(1, len(state))  # (5)


class ExplorationGuided(RewardMethod):
    """EXPLORS for whole-number actions and states that are known by their observations, numbered as they are met.

    Args:
        num_actions: A.
        gamma: the learner's discount, in (0, 1].
        rate: eta of (4), at least 0; 0: phi stays 0.
        value_rate: eta_V of (5), in [0, 1].
        bonus: b of (2), in units of the reward, at least 0; 0: no bonus.
        largest_bonus: B_max of (2), above 0.
        every: finished episodes between updates of phi.
        memory: latest episodes that an update learns from.
        clip: phi is kept in [-clip, clip]; None: it is not.
        per_row: each row has a learner, and so phi, V and N, of its own; else all rows together are one learner.
        policy: the learner's own policy; see :data:`payoff.wrappers.learned.watching.LearnerPolicy`.

    Raises:
        TypeError: ``policy`` cannot be called.
        ValueError: another argument out of its range.
    """

    reads_obs: ClassVar[bool] = False

    def __init__(
        self,
        num_actions: int,
        *,
        gamma: float,
        rate: float = 0.01,
        value_rate: float = 0.01,
        bonus: float = 1.0,
        largest_bonus: float = 1.0,
        every: int = 5,
        memory: int = 10,
        clip: float | None = None,
        per_row: bool = False,
        policy: LearnerPolicy | None = None,
    ) -> None:
        check_integer("num_actions", num_actions, 1)
        check_number("gamma", gamma, 0.0, 1.0, open_low=True)
        check_number("rate", rate, 0.0)
        check_number("value_rate", value_rate, 0.0, 1.0)
        check_number("bonus", bonus, 0.0)
        check_number("largest_bonus", largest_bonus, 0.0, open_low=True)
        check_integer("every", every, 1)
        check_integer("memory", memory, 1, 10_000)
        if clip is not None:
            check_number("clip", clip, 0.0, open_low=True)
        check_flag("per_row", per_row)
        if policy is not None:
            check_callable("policy", policy, "(K, ...) -> (K, A)")
        self.num_actions, self.gamma, self.rate, self.value_rate = num_actions, gamma, rate, value_rate
        self.bonus, self.largest_bonus, self.clip = bonus, largest_bonus, clip
        self.every, self.episodes, self.per_row, self.policy = every, memory, per_row, policy
        self.rows = 0
        self._numbers: dict[bytes, int] = {}
        self._obs: list[Array] = []  # of each state
        self._tables: dict[str, Array] = {}  # with room for more states and steps than are known

    # -- what it remembers -------------------------------------------------------------------------------------------

    def blank(self, rows: int, states: int, steps: int) -> dict[str, Array]:
        """Tables for ``rows`` rows with room for so many states and steps of an episode; G is 1, or R with ``per_row``.

        ``phi`` ``(G, S, A)``, ``value`` ``(G, S)`` V, ``left`` ``(G, S)`` N; of the last episodes ``state``, ``action``
        and ``returns`` ``(G, memory, T)`` and ``length`` ``(G, memory)``; ``finished`` ``(G,)`` episodes; of the
        running ones ``now_state``, ``now_action`` and ``now_reward`` ``(R, T)`` and ``now_length`` ``(R,)``, and ``at``
        ``(R,)`` the state that each row is in.
        """
        groups, kept = (rows if self.per_row else 1), self.episodes
        return {
            "phi": np.zeros((groups, states, self.num_actions)),
            "value": np.zeros((groups, states)),
            "left": np.zeros((groups, states), dtype=np.int64),
            "state": np.zeros((groups, kept, steps), dtype=np.int64),
            "action": np.zeros((groups, kept, steps), dtype=np.int64),
            "returns": np.zeros((groups, kept, steps)),
            "length": np.zeros((groups, kept), dtype=np.int64),
            "finished": np.zeros(groups, dtype=np.int64),
            "now_state": np.zeros((rows, steps), dtype=np.int64),
            "now_action": np.zeros((rows, steps), dtype=np.int64),
            "now_reward": np.zeros((rows, steps)),
            "now_length": np.zeros(rows, dtype=np.int64),
            "at": np.zeros(rows, dtype=np.int64),
        }

    def _make_room(self, states: int, steps: int) -> None:
        """Let the tables hold so many states and steps."""
        known = self._tables["phi"].shape[1], self._tables["now_state"].shape[1]
        if states <= known[0] and steps <= known[1]:
            return
        room = tuple(
            have if want <= have else max(2 * have, want) for want, have in zip((states, steps), known, strict=True)
        )
        tables = self.blank(self.rows, *room)
        for name, table in tables.items():
            table[tuple(slice(n) for n in self._tables[name].shape)] = self._tables[name]
        self._tables = tables

    def _number(self, obs: Array, active: Array) -> Array:
        """Numbers ``(R,)`` of the states of active rows, 0 in the others; new states get the next ones."""
        memory = row_keys(observation_key, obs, BatchInfo(lambda key: ((), None), (), active), active).tobytes()
        found = np.zeros(len(obs), dtype=np.int64)
        for row in np.flatnonzero(active).tolist():
            key, known = memory[16 * row : 16 * row + 16], len(self._obs)
            found[row] = self._numbers.setdefault(key, known)
            if found[row] == known:
                self._obs.append(obs[row].copy())
        return found

    # -- paying and learning -----------------------------------------------------------------------------------------

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin forget the episode before; a batch of another size begins anew.

        Raises:
            TypeError: observations are no arrays.
        """
        if not isinstance(obs, np.ndarray):
            raise TypeError(f"ExplorationGuided needs observations that are arrays, got {type(obs).__name__}")
        if self.rows != mask.size:
            self.rows, self._numbers, self._obs = mask.size, {}, []
            self._tables = self.blank(self.rows, 64, 64)
        begun = self._number(obs, mask)
        self._make_room(len(self._obs), 1)
        self._tables["at"] = np.where(mask, begun, self._tables["at"])
        self._tables["now_length"] = np.where(mask, 0, self._tables["now_length"])

    def __call__(self, t: Transition) -> Array:
        """Equation (1); then the step is remembered, and after the end of an episode phi may learn.

        Raises:
            ValueError: a reward that is not finite, an action that there is not, or other rows than at the last reset:
                nothing has changed; or a policy that gives no probabilities, or phi that grows beyond all numbers: phi
                has not changed.
        """
        if self.rows != t.reward.size:
            raise ValueError(f"ExplorationGuided knows {self.rows} rows, got {t.reward.size}: reset comes first")
        active = t.active
        action = action_numbers(t.action, active, self.num_actions, "ExplorationGuided")
        if not np.isfinite(t.reward[active]).all():
            raise ValueError(f"rewards must be finite, got {t.reward[active][~np.isfinite(t.reward[active])][0]}")
        after = self._number(t.next_obs, active)
        self._make_room(len(self._obs), int(self._tables["now_length"].max()) + 1)
        tables, rows = self._tables, np.flatnonzero(active)
        state = tables["at"]
        group = np.arange(self.rows) if self.per_row else np.zeros(self.rows, dtype=np.int64)
        told = t.reward + tables["phi"][group, state, action]
        if self.bonus:
            new = exploration_bonus(tables["left"][group, after], self.bonus, self.largest_bonus)
            told = told + np.where(t.terminated, 0.0, new)
        at = tables["now_length"][rows]
        tables["now_state"][rows, at], tables["now_action"][rows, at] = state[rows], action[rows]
        tables["now_reward"][rows, at] = t.reward[rows]
        tables["now_length"][rows] += 1
        tables["at"] = np.where(active, after, state)
        told_policy = cache(self._told_policy)  # asked for once, whatever the rows that end in this step
        for row in np.flatnonzero(active & (t.terminated | t.truncated)).tolist():
            self._finish(row, int(group[row]), told_policy)
        paid: Array = told
        return paid

    def _finish(self, row: int, g: int, told_policy: Callable[[], Array | None]) -> None:
        """The episode of a row is over."""
        tables = self._tables
        length, place = int(tables["now_length"][row]), int(tables["finished"][g]) % self.episodes
        tables["state"][g, place], tables["action"][g, place] = tables["now_state"][row], tables["now_action"][row]
        np.add.at(tables["left"][g], tables["now_state"][row, :length], 1)
        returns, after = tables["returns"][g, place], 0.0
        for k in range(length - 1, -1, -1):
            after = returns[k] = tables["now_reward"][row, k] + self.gamma * after
        tables["length"][g, place], tables["now_length"][row] = length, 0
        tables["finished"][g] += 1
        if tables["finished"][g] % self.every == 0:
            self._learn(g, told_policy())

    def _learn(self, g: int, told_policy: Array | None) -> None:
        """Phi and V of group ``g`` learn from its last episodes."""
        tables, known = self._tables, len(self._obs)
        steps = np.arange(tables["state"].shape[2]) < tables["length"][g][:, None]
        s, a, returns = (tables[name][g][steps] for name in ("state", "action", "returns"))
        phi, value = tables["phi"][g, :known].copy(), tables["value"][g, :known].copy()
        policy = self._counted_policy(s, a) if told_policy is None else told_policy[g]
        with np.errstate(over="ignore", invalid="ignore"):
            learn_shaping(phi, value, policy, s, a, returns, self.rate, self.value_rate)
        if self.clip is not None:
            phi = np.clip(phi, -self.clip, self.clip)
        if not np.isfinite(phi).all() or not np.isfinite(value).all():
            raise ValueError(f"ExplorationGuided: phi or V is not finite after {tables['finished'][g]} episodes")
        tables["phi"][g, :known], tables["value"][g, :known] = phi, value

    def _told_policy(self) -> Array | None:
        """The learners' probabilities ``(G, S, A)`` in known states, where the trainer tells them."""
        if self.policy is None:
            return None
        groups = (self.rows,) if self.per_row else ()
        found = checked_policy(self.policy, np.array(self._obs), (*groups, len(self._obs), self.num_actions))
        return found if self.per_row else found[None]

    def _counted_policy(self, s: Array, a: Array) -> Array:
        """Probabilities ``(S, A)`` by what was done in steps ``(s, a)``."""
        counts = np.ones((len(self._obs), self.num_actions))
        np.add.at(counts, (s, a), 1.0)
        counted: Array = counts / counts.sum(axis=1, keepdims=True)
        return counted

    # -- state -------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Copies of the arrays of :meth:`blank` for the S known states, and ``obs`` ``(S, ...)``; empty at first."""
        if not self.rows or not self._obs:
            return {}
        room = self._tables["now_state"].shape[1]
        like = self.blank(self.rows, len(self._obs), room)
        tables = {k: self._tables[k][tuple(slice(n) for n in table.shape)].copy() for k, table in like.items()}
        return {"obs": np.array(self._obs), **tables}

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`RewardMethod.read_state`."""
        check_mapping("state", state, "arrays")
        kind = type(self).__name__
        rows, tables, obs = 0, {}, np.zeros((0, 1))
        if state:
            check_names(kind, state, {"obs": None, **self.blank(1, 1, 1)})
            obs, now = as_array(state["obs"]).copy(), as_array(state["now_state"])
            if obs.ndim < 2 or not len(obs) or obs.dtype.kind not in "biuf" or not np.isfinite(obs).all():
                raise ValueError(f"{kind}: obs must be finite numbers (S, ...), got {obs.dtype} {obs.shape}")
            if now.ndim != 2 or not now.size or self.rows not in (0, len(now)):
                raise ValueError(f"{kind}: now_state must have shape ({self.rows or 'R'}, T), got {now.shape}")
            rows = len(now)
            like = self.blank(rows, len(obs), now.shape[1])
            tables = {name: state_array(kind, name, state[name], table) for name, table in like.items()}
            limits = {"state": len(obs), "action": self.num_actions, "length": now.shape[1] + 1, "at": len(obs)}
            several = [f"now_{name}" for name in ("state", "action", "length")]
            for name in ("left", "finished", *limits, *several):
                most = limits.get(name.removeprefix("now_"), np.iinfo(np.int64).max)
                if (tables[name] < 0).any() or (tables[name] >= most).any():
                    raise ValueError(f"{kind}: {name} must hold numbers of at least 0 and below {most}")
        everyone = np.ones(len(obs), dtype=np.bool_)
        memory = row_keys(observation_key, obs, BatchInfo(lambda key: ((), None), (), everyone), everyone).tobytes()
        numbers = {memory[at : at + 16]: s for s, at in enumerate(range(0, len(memory), 16))}
        if len(numbers) != len(obs):
            raise ValueError(f"{kind}: obs has a state twice")

        def take_over() -> None:
            self.rows, self._tables, self._numbers, self._obs = rows, tables, numbers, list(obs)

        return take_over
