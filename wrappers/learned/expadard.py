"""EXPADARD: a teacher that looks at how its learner plays, and pays what tells that learner most.

What is worth saying depends on who listens: where a learner never comes, or is right already, a reward says nothing.
After every few episodes the teacher (:mod:`payoff.wrappers.learned.teacher`) takes the learner's policy pi_L and looks
for the reward R with the largest

(1) sum over s, a of mu*(s) mu_L(s) pi_L(a|s)^2 (A*(s, a) - mean of A*(s, .)) (R(s, a) - mean of R(s, .))

minus a small price of sum |R|, subject to the invariance of the teacher and |R| <= limit. A* = Q* - V* is the teacher's
advantage in the game; means are over pi_L(.|s), so that the last factor is the learner's own advantage one step ahead;
mu* and mu_L are the discounted visits of both policies. (1) grows where both come, and R tells the learner of a
difference between its actions that counts. It is linear in R, and so a linear program in all R(s, a) again.

The learner's policy is what it did: of the last ``memory`` episodes, with n counts,

(2) pi_L(a|s) = (n(s, a) + 1) / (n(s) + A)

or what ``policy`` says, where a trainer hands over its own. Before anything was seen it is uniform.

As in :mod:`payoff.wrappers.learned.exprd`, unless ``fines`` is False, R may be above 0 only where the game's payoff is.

Source: Kamalaruban, Devidze, Trinh, Singla, "Informativeness of reward functions in reinforcement learning" (AAMAS
2024), known from notes on its public code: 5 episodes between designs, limit 10, horizon 30, gamma 0.95. unverified:
that a learner's visits in (1) are those of (2) from the game's starts. The price, the counts of (2) and ``fines`` are
ours: a reward that nothing speaks for would be any corner of the bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy import sparse

from payoff.envs.core.params import check_flag, check_integer, check_number
from payoff.wrappers.arguments import as_array, check_callable, check_mapping, check_names, state_array
from payoff.wrappers.base import RewardMethod, Transition
from payoff.wrappers.learned.table import action_numbers
from payoff.wrappers.learned.teacher import Teacher, check_limit, check_teacher, solve_linear
from payoff.wrappers.learned.watching import LearnerPolicy, checked_policy
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["AdaptiveTeacher", "InformativeProgram"]


class InformativeProgram:
    """The linear program of (1), with all that does not depend on the learner.

    Args:
        teacher: of the game.
        limit: largest reward, in units of the payoff; at least that of the game.
        l1: price of a unit of reward, where the largest weight of a reward in (1) is 1.
        fines: pay nothing above 0 but where the game does.

    Raises:
        TypeError: ``teacher`` is no Teacher.
        ValueError: another argument out of its range.
    """

    def __init__(self, teacher: Teacher, *, limit: float = 10.0, l1: float = 1e-5, fines: bool = True) -> None:
        check_teacher(teacher)
        check_limit(limit, teacher.reward)
        check_number("l1", l1, 0.0)
        check_flag("fines", fines)
        self.teacher, self.l1 = teacher, l1
        s, a = teacher.reward.shape
        self.paid = np.flatnonzero(teacher.running)
        self.size = size = len(self.paid) * a
        self.advantage = np.where(teacher.running[:, None], teacher.q - teacher.q.max(axis=1, keepdims=True), 0.0)
        self.visits = teacher.visits(np.eye(a)[teacher.policy])
        kept = teacher.invariance(self.paid)
        own, values = kept.least[:, :size], kept.least[:, size:]
        chosen, after = kept.equal[:, :size], kept.equal[:, size:]
        high = np.where((teacher.reward[self.paid] > 0.0) | (not fines), limit, 0.0).ravel().tolist()
        self.constraints = {
            "A_ub": sparse.hstack([-own, own, -values], format="csr"),
            "b_ub": -kept.gap,
            "A_eq": sparse.hstack([chosen, -chosen, after], format="csr"),
            "b_eq": np.zeros(s),
            "bounds": [(0.0, u) for u in high] + [(0.0, limit)] * size + [(None, None)] * s,
        }

    def weights(self, policy: Array) -> Array:
        """``(S, A)``, what a unit of R(s, a) adds to (1) for a learner's policy ``(S, A)``."""
        met = self.visits * self.teacher.visits(policy)
        surplus = self.advantage - (policy * self.advantage).sum(axis=1, keepdims=True)
        own = met[:, None] * policy**2 * surplus
        found: Array = own - policy * own.sum(axis=1, keepdims=True)  # what it adds to the mean of R(s, .) counts too
        return found

    def solve(self, policy: Array) -> Array:
        """R ``(S, A)`` for a learner's policy ``(S, A)``.

        Raises:
            ValueError: the program was not solved, or its reward does not keep what is best, as where gaps are below
                the accuracy of the solver.
        """
        weight = self.weights(policy)[self.paid].ravel()
        largest = np.abs(weight).max()
        weight = weight / largest if largest > 0.0 else weight
        cost = np.concatenate([self.l1 - weight, self.l1 + weight, np.zeros(len(self.advantage))])
        found = solve_linear("EXPADARD", cost, **self.constraints)
        reward = np.zeros_like(self.advantage)
        reward[self.paid] = (found[: self.size] - found[self.size : 2 * self.size]).reshape(len(self.paid), -1)
        margin = self.teacher.margin(reward)
        if not margin > 0.0:
            raise ValueError(f"EXPADARD: the reward does not keep what is best, by {-margin:g}: gaps are too small")
        return reward


class AdaptiveTeacher(RewardMethod):
    """EXPADARD around an environment: pays the reward of the last design, in place of the game's, and designs anew.

    Args:
        program: of the game; its teacher knows states by their observation.
        every: finished episodes between designs.
        memory: latest episodes that the learner's policy is counted in.
        per_row: each row has a learner, and a reward, of its own; else all rows together are one learner.
        policy: the learner's own policy, in place of (2); see
            :data:`payoff.wrappers.learned.watching.LearnerPolicy`.

    Raises:
        TypeError: ``program`` is no InformativeProgram, or ``policy`` cannot be called.
        ValueError: another argument out of its range.
    """

    def __init__(
        self,
        program: InformativeProgram,
        *,
        every: int = 5,
        memory: int = 10,
        per_row: bool = False,
        policy: LearnerPolicy | None = None,
    ) -> None:
        if not isinstance(program, InformativeProgram):
            raise TypeError(f"program must be an InformativeProgram, got {type(program).__name__}")
        check_integer("every", every, 1)
        check_integer("memory", memory, 1, 10_000)
        check_flag("per_row", per_row)
        if policy is not None:
            check_callable("policy", policy, "(K, ...) -> (K, A)")
        self.program, self.every, self.episodes, self.per_row, self.policy = program, every, memory, per_row, policy
        self.states = program.teacher.states
        self.memory: dict[str, Array] = {}

    def blank(self, rows: int) -> dict[str, Array]:
        """What it knows of ``rows`` rows at first; G is 1, or R with ``per_row``, K the number of running states.

        ``table`` ``(G, K, A)`` the reward; ``recent`` ``(G, memory, K, A)`` what was done in each of the last episodes;
        ``finished`` ``(G,)`` episodes; ``running`` ``(R, K, A)`` what was done in the running ones.
        """
        k, a = len(self.states), self.program.teacher.n_actions
        groups = rows if self.per_row else 1
        return {
            "table": np.zeros((groups, k, a)),
            "recent": np.zeros((groups, self.episodes, k, a), dtype=np.int64),
            "finished": np.zeros(groups, dtype=np.int64),
            "running": np.zeros((rows, k, a), dtype=np.int64),
        }

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin forget the episode before; a batch of another size begins anew."""
        if not self.memory or len(self.memory["running"]) != mask.size:
            memory = self.blank(mask.size)
            first = range(len(memory["table"])) if self.policy is not None else [0]  # nothing seen: all are alike
            for g in first:
                memory["table"][g:] = self._design(memory["recent"][g], g, mask.size)
            self.memory = memory
            return
        self.memory["running"] = np.where(mask[:, None, None], 0, self.memory["running"])

    def __call__(self, t: Transition) -> Array:
        """The designed reward of each step; then what the step teaches about the learner.

        Raises:
            ValueError: a state or an action that the model does not know, other rows than at the last reset, or a
                program that was not solved; nothing has changed.
        """
        memory = self.memory
        if not memory or len(memory["running"]) != t.reward.size:
            known = len(memory["running"]) if memory else 0
            raise ValueError(f"AdaptiveTeacher knows {known} rows, got {t.reward.size}: reset comes first")
        state = self.states.number(t.obs, t.active, "AdaptiveTeacher")
        action = action_numbers(t.action, t.active, self.program.teacher.n_actions, "AdaptiveTeacher")
        rows = np.arange(t.reward.size)
        group = rows if self.per_row else np.zeros_like(rows)
        paid: Array = memory["table"][group, state, action]
        running = memory["running"].copy()
        running[rows, state, action] += t.active
        ended = np.flatnonzero(t.active & (t.terminated | t.truncated))
        new = {**memory, "running": running}
        if ended.size:
            new |= self._finish(new, ended, group)
        self.memory = new
        return paid

    def _finish(self, memory: dict[str, Array], ended: Array, group: Array) -> dict[str, Array]:
        """The memory after the episodes of the rows ``ended``, with new rewards where they are due."""
        found = {name: array.copy() for name, array in memory.items()}
        due = set()
        for row in ended.tolist():
            g = int(group[row])
            found["recent"][g, found["finished"][g] % self.episodes] = found["running"][row]
            found["running"][row] = 0
            found["finished"][g] += 1
            if found["finished"][g] % self.every == 0:
                due.add(g)
        for g in sorted(due):
            found["table"][g] = self._design(found["recent"][g], g, len(group))
        return found

    def _design(self, recent: Array, g: int, rows: int) -> Array:
        """Reward ``(K, A)`` for the learner of group ``g`` among so many rows: what it did is ``(memory, K, A)``."""
        teacher = self.program.teacher
        if self.policy is None:
            counts = recent.sum(axis=0) + 1.0  # (2)
            own = counts / counts.sum(axis=1, keepdims=True)
        else:
            groups = (rows,) if self.per_row else ()
            own = checked_policy(self.policy, self.states.obs, (*groups, len(self.states), teacher.n_actions))
            own = own[g] if groups else own
        policy = np.full(teacher.reward.shape, 1.0 / teacher.n_actions)
        policy[teacher.running] = own
        return self.program.solve(policy)[teacher.running]

    def state_dict(self) -> dict[str, Array]:
        """Copies of the arrays of :meth:`blank`; empty before the first reset."""
        return {name: array.copy() for name, array in self.memory.items()}

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`RewardMethod.read_state`."""
        check_mapping("state", state, "arrays")
        found: dict[str, Array] = {}
        if state or self.memory:
            running = as_array((self.memory or state).get("running"))
            like = self.blank(len(running) if running.ndim else 0)
            check_names("AdaptiveTeacher", state, like)
            found = {name: state_array("AdaptiveTeacher", name, state[name], array) for name, array in like.items()}
            for name in ("recent", "finished", "running"):
                if (found[name] < 0).any():
                    raise ValueError(f"AdaptiveTeacher: {name} must be at least 0, got {found[name].min()}")

        def take_over() -> None:
            self.memory = found

        return take_over
