"""Tabular Q-learning and SARSA in numpy: B learners that never meet, one for each copy of a vector environment.

Read from the bottom: ``train`` checks, ``_loop`` plays, ``QLearners`` is the update; :mod:`payoff.baselines.tabular`
numbers states as they are met. Tables hold every state for every learner, B x S x A numbers. With discount gamma, a
state s left by action a for s', and V(s') = 0 where s' is terminal (a truncated state is not):

(1) target = r + gamma V(s'),  Q(s, a) += learning_rate (target - Q(s, a))
(2) V(s') = max_b Q(s', b)  (Q-learning),  or Q(s', a') for the action a' that is taken next (SARSA)

What shaping can do to a learner beyond its reward, each with its source:

- ``q_init``: a potential as initial values (Wiewiora 2003; :mod:`payoff.wrappers.potential.initial`);
- ``bsrs_eta``: target += eta (gamma max_b Q(s', b) - max_b Q(s, b)) (Adamczyk et al. 2025;
  :mod:`payoff.wrappers.potential.bootstrapped`);
- ``look_ahead``: advice Phi(s, a), with Q' = Q - Phi learned: target = r + gamma (Q' + Phi)(s', a') - Phi(s, a), where
  a' is the action of (2), maximising Q' + Phi, which is also what is acted on (Wiewiora, Cottrell and Elkan 2003);
- PIES (Behboudian et al. 2021): an advice reward R+ is learned as a potential, Phi(s, a) += beta (-R+ + gamma
  Phi(s', a') - Phi(s, a)) with the action a' taken next, and Q - xi Phi is acted on; xi falls linearly to 0, so that in
  the end only Q counts. Unverified: its details are told from memory, the linear decay by a third party.

All random numbers come from ``seed``; equally good actions are drawn with equal probability.

Example: ``python -m payoff.baselines.q_learning --env-id payoff/CliffWalk-v0 --total-steps 2000000``
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import gymnasium as gym
import numpy as np
import tyro
from gymnasium.vector import AutoresetMode, VectorEnv

from payoff.baselines.tabular import Curve, States
from payoff.baselines.training import JsonObject, OnProgress
from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.wrappers.base import Transition
from payoff.wrappers.potential.advice import Advice, of_all_actions
from payoff.wrappers.rows import BatchInfo, copied, take, vector_info

__all__ = ["Args", "TabularResult", "train"]

Init: TypeAlias = float | np.ndarray | Callable[[Any, BatchInfo], np.ndarray]
TIE = 1e-12  # values nearer than this, relative to their size, are equally good: rounding must not choose


@dataclass(frozen=True, kw_only=True)
class Args:
    """Settings of the tabular learners."""

    env_id: str = "payoff/CliffWalk-v0"
    """environment; not used where one is handed over"""
    env_params: JsonObject = field(default_factory=dict)
    """game parameters and view settings, as a JSON object"""
    seed: int = 1
    """seed of everything"""
    total_steps: int = 500_000
    """environment steps, all copies together; rounded down to whole calls"""
    num_envs: int = 100
    """copies, each with a learner of its own; not used where an environment is handed over"""
    rule: Literal["q", "sarsa"] = "q"
    """value of the next state: its best action (q) or the action taken there (sarsa)"""
    gamma: float = 0.95
    """discount"""
    learning_rate: float = 0.5
    """step size of the updates"""
    epsilon: float = 1.0
    """probability of a uniformly drawn action at the start"""
    final_epsilon: float = 0.05
    """the same at the end"""
    epsilon_share: float = 0.5
    """share of the training over which epsilon falls linearly"""
    bsrs_eta: float = 0.0
    """weight of bootstrapped shaping, above -1; 0 is none"""
    pies_weight: float = 0.0
    """xi at the start, weight of the learned advice potential in acting; 0 is none"""
    pies_share: float = 0.5
    """share of the training over which xi falls linearly to 0"""
    pies_learning_rate: float = 0.1
    """beta, step size of the advice potential"""
    curve_points: int = 50
    """stretches of the training over which the learning curves are averaged"""

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        for name in ("num_envs", "total_steps", "curve_points"):
            check_integer(name, getattr(self, name), 1)
        check_word("rule", self.rule, ["q", "sarsa"])
        for name in ("gamma", "epsilon", "final_epsilon", "epsilon_share", "pies_share"):
            check_number(name, getattr(self, name), 0.0, 1.0)
        for name in ("learning_rate", "pies_learning_rate"):
            check_number(name, getattr(self, name), 0.0, 1.0, open_low=True)
        check_number("bsrs_eta", self.bsrs_eta, -1.0, open_low=True)
        check_number("pies_weight", self.pies_weight, 0.0)


@dataclass(frozen=True, eq=False)
class TabularResult:
    """What was learned; state numbers are common to all copies.

    Attributes:
        q: ``(B, S, A)`` learned values; under look-ahead advice Q'.
        states: ``(S, ...)`` observation of each state, in the order in which they were met; None with ``state=``.
        advice: ``(S, A)`` look-ahead advice Phi(s, a); None without.
        phi: ``(B, S, A)`` the potential that PIES learned; None without.
        curve: ``step`` ``(P,)`` environment steps, all copies together; ``true_return`` ``(P, B)`` mean return in true
            rewards of the episodes that ended since the point before, NaN where none did; ``episodes`` ``(P, B)``.
        steps: environment steps, all copies together.
        args: settings.
    """

    q: np.ndarray
    states: np.ndarray | None
    advice: np.ndarray | None
    phi: np.ndarray | None
    curve: dict[str, np.ndarray]
    steps: int
    args: Args

    @property
    def values(self) -> np.ndarray:
        """``(B, S, A)`` what greedy play maximises: Q, or Q' + Phi."""
        return self.q if self.advice is None else self.q + self.advice

    @property
    def greedy(self) -> np.ndarray:
        """``(B, S)`` best action in each state; of equally good ones the first."""
        return self.values.argmax(axis=2)


@dataclass(slots=True)
class Step:
    """What B learners did: ``action`` in ``state``, which led to ``after``, where ``then`` is done next."""

    state: np.ndarray
    action: np.ndarray
    after: np.ndarray
    then: np.ndarray
    terminated: np.ndarray
    active: np.ndarray


class QLearners:
    """Tables of B learners.

    Args:
        args: settings.
        copies: B.
        n_actions: A.
        q_init: see :func:`train`.
        look_ahead: see :func:`train`.
    """

    def __init__(self, args: Args, copies: int, n_actions: int, q_init: Init, look_ahead: Advice | None) -> None:
        self.args, self.q_init, self.look_ahead, self.n_actions = args, q_init, look_ahead, n_actions
        self.rng = np.random.default_rng(np.random.SeedSequence(args.seed).spawn(1)[0])
        self.rows = np.arange(copies)
        known = q_init if isinstance(q_init, np.ndarray) else np.zeros((0, n_actions))
        self.q = np.broadcast_to(known, (copies, len(known), n_actions)).copy()
        self.phi = np.zeros_like(self.q) if args.pies_weight else None
        self.advice = None if look_ahead is None else np.zeros((len(known), n_actions))
        self.met = np.zeros(len(known), dtype=np.bool_)
        self.follows = args.rule == "sarsa" or self.phi is not None  # the update needs the next action

    def admit(self, states: np.ndarray, count: int, obs: Any, infos: dict[str, Any]) -> None:
        """Give states that are met for the first time their initial values.

        Args:
            states: ``(B,)`` present states.
            count: S, states known by now.
            obs: their observations.
            infos: their info.

        Raises:
            ValueError: a table of initial values has no row for a state, or a function gave another shape or
                a number that is not finite.
        """
        if count > len(self.met):
            if isinstance(self.q_init, np.ndarray):
                raise ValueError(f"q_init has {len(self.q_init)} rows, got state {count - 1}")
            self._grow(max(64, 2 * count) - len(self.met))
        fresh = np.flatnonzero(~self.met[states])
        if not fresh.size or (self.advice is None and not callable(self.q_init)):
            return
        rows = fresh[np.unique(states[fresh], return_index=True)[1]]
        self.met[states[rows]] = True
        mask = np.zeros(len(states), dtype=np.bool_)
        mask[rows] = True
        seen = take(obs, mask)
        if callable(self.q_init):
            value = np.asarray(self.q_init(seen, vector_info(infos, mask).select(mask)), dtype=np.float64)
            if value.shape not in ((len(rows),), (len(rows), self.n_actions)):
                raise ValueError(
                    f"q_init must give ({len(rows)},) or ({len(rows)}, {self.n_actions}) values, got {value.shape}"
                )
            if not np.isfinite(value).all():
                raise ValueError(f"q_init must give finite values, got {value[~np.isfinite(value)][0]}")
            self.q[:, states[mask]] = value if value.ndim == 2 else value[:, None]
        if self.look_ahead is not None and self.advice is not None:
            self.advice[states[mask]] = of_all_actions(self.look_ahead, seen, self.n_actions)

    def _grow(self, more: int) -> None:
        start = 0.0 if callable(self.q_init) else self.q_init  # a table does not grow
        self.q = np.pad(self.q, ((0, 0), (0, more), (0, 0)), constant_values=start)
        self.met = np.pad(self.met, (0, more))
        if self.phi is not None:
            self.phi = np.pad(self.phi, ((0, 0), (0, more), (0, 0)))
        if self.advice is not None:
            self.advice = np.pad(self.advice, ((0, more), (0, 0)))

    def act(self, states: np.ndarray, share: float) -> np.ndarray:
        """Actions ``(B,)`` when this share of the training is over."""
        args, score = self.args, self.q[self.rows, states]
        if self.advice is not None:
            score = score + self.advice[states]
        if self.phi is not None and share < args.pies_share:
            score = score - args.pies_weight * (1.0 - share / args.pies_share) * self.phi[self.rows, states]
        top = score.max(axis=1, keepdims=True)
        best = score >= top - TIE * (1.0 + np.abs(top))
        chosen = np.where(best, self.rng.random(score.shape), -1.0).argmax(axis=1)
        gone = min(1.0, share / args.epsilon_share) if args.epsilon_share else 1.0
        epsilon = args.epsilon + gone * (args.final_epsilon - args.epsilon)
        explore = self.rng.random(len(states)) < epsilon
        return np.where(explore, self.rng.integers(0, self.n_actions, len(states)), chosen)

    def learn(self, step: Step, reward: np.ndarray) -> None:
        """One update (1) of each active row."""
        args, rows, s, a = self.args, self.rows, step.state, step.action
        going = args.gamma * ~step.terminated
        score = self.q[rows, step.after]
        if self.advice is not None:
            score = score + self.advice[step.after]
        value = score.max(axis=1) if args.rule == "q" else score[rows, step.then]  # (2)
        target = reward + going * value
        if self.advice is not None:
            target -= self.advice[s, a]
        if args.bsrs_eta:
            target += args.bsrs_eta * (going * score.max(axis=1) - self.q[rows, s].max(axis=1))
        known = self.q[rows, s, a]
        self.q[rows, s, a] = np.where(step.active, known + args.learning_rate * (target - known), known)

    def learn_advice(self, step: Step, paid: np.ndarray) -> None:
        """The same for the potential of PIES, from advice rewards ``paid`` ``(B,)``."""
        assert self.phi is not None
        going = self.args.gamma * ~step.terminated
        known = self.phi[self.rows, step.state, step.action]
        target = going * self.phi[self.rows, step.after, step.then] - paid
        moved = known + self.args.pies_learning_rate * (target - known)
        self.phi[self.rows, step.state, step.action] = np.where(step.active, moved, known)


def train(
    args: Args,
    env: VectorEnv | None = None,
    *,
    q_init: Init = 0.0,
    look_ahead: Advice | None = None,
    advice_reward: Callable[[Transition], np.ndarray] | None = None,
    state: Callable[[Any], np.ndarray] | None = None,
    on_progress: OnProgress | None = None,
) -> TabularResult:
    """Train B learners on the B copies of a vector environment.

    Args:
        args: settings.
        env: next-step autoreset, whole-number actions; wrapped or not; it stays open. None: made from ``args``.
        q_init: initial values: a number; a table that broadcasts to ``(S, A)``, with ``state=``; or a function from R
            observations and their info to ``(R,)`` or ``(R, A)``, asked once for each state.
        look_ahead: advice of a state and an action; see the module.
        advice_reward: R+ of PIES, a function from a transition of B rows to ``(B,)``; None:
            ``info["aux"]``.
        state: function from observations ``(B, ...)`` to state numbers ``(B,)``; None: states are told apart by the
            bytes of their observations.
        on_progress: called after every stretch of the curve with (steps done, steps in all).

    Raises:
        TypeError: observations are no arrays and there is no ``state``.
        ValueError: an environment or arguments that do not fit.
    """
    made = env is None
    if env is None:
        env = gym.make_vec(
            args.env_id, num_envs=args.num_envs, vectorization_mode="vector_entry_point", **args.env_params
        )
    try:
        actions = _check(args, env, q_init, look_ahead, state)
        learners = QLearners(args, env.num_envs, int(actions.n), _table(q_init, int(actions.n)), look_ahead)
        states = States(state)
        curve, step = _loop(args, env, learners, states, int(actions.start), advice_reward, on_progress)
    finally:
        if made:
            env.close()
    count = states.count
    return TabularResult(
        q=learners.q[:, :count].copy(),
        states=None if state is not None else np.array(states.seen),
        advice=None if learners.advice is None else learners.advice[:count].copy(),
        phi=None if learners.phi is None else learners.phi[:, :count].copy(),
        curve=curve.arrays(step),
        steps=int(step[-1]),
        args=args,
    )


def _check(args: Args, env: VectorEnv, q_init: Init, look_ahead: Advice | None, state: Any) -> gym.spaces.Discrete:
    """The action space of one copy, where everything fits."""
    space = env.single_action_space
    if not isinstance(space, gym.spaces.Discrete):
        raise ValueError(f"actions must be whole numbers (Discrete), got {space}; see actions='discrete:K'")
    if env.metadata.get("autoreset_mode") is not AutoresetMode.NEXT_STEP:
        raise ValueError(f"autoreset_mode must be next_step, got {env.metadata.get('autoreset_mode')}")
    if isinstance(q_init, np.ndarray) and state is None:
        raise ValueError("a table as q_init needs state=, which says what its rows are")
    if look_ahead is not None and (args.bsrs_eta or args.pies_weight):
        raise ValueError("look_ahead cannot be combined with bsrs_eta or pies_weight: each redefines what Q means")
    return space


def _table(q_init: Init, n_actions: int) -> Init:
    if not isinstance(q_init, np.ndarray):
        if not callable(q_init):
            check_number("q_init", q_init, -np.inf)
        return q_init
    if q_init.ndim != 2 or q_init.shape[1] not in (1, n_actions) or not np.isfinite(q_init).all():
        raise ValueError(f"q_init must be finite numbers (S, {n_actions}) or (S, 1), got shape {q_init.shape}")
    return np.broadcast_to(q_init.astype(np.float64), (len(q_init), n_actions))


def _loop(
    args: Args,
    env: VectorEnv,
    learners: QLearners,
    states: States,
    first_action: int,
    advice_reward: Callable[[Transition], np.ndarray] | None,
    on_progress: OnProgress | None,
) -> tuple[Curve, np.ndarray]:
    """Play and learn; the curve, and the steps at its points."""
    copies = env.num_envs
    calls = max(1, args.total_steps // copies)
    points = min(args.curve_points, calls)
    curve, ends = Curve(copies, points), np.arange(1, points + 1) * calls // points
    obs, infos = env.reset(seed=int(np.random.SeedSequence(args.seed).generate_state(1)[0]))
    now, over, point = states.number(obs), np.zeros(copies, dtype=np.bool_), 0
    learners.admit(now, states.count, obs, infos)
    action = learners.act(now, 0.0)
    for call in range(1, calls + 1):
        before = copied(obs) if learners.phi is not None else None
        obs, reward, terminated, truncated, infos = env.step(action + first_action)
        after = states.number(obs)
        learners.admit(after, states.count, obs, infos)
        step = Step(now, action, after, action, terminated, ~over)
        if learners.follows:
            step.then = learners.act(after, call / calls)
        learners.learn(step, reward)
        if learners.phi is not None:
            info = vector_info(infos, step.active)
            t = Transition(before, action + first_action, reward, obs, terminated, truncated, info, step.active)
            paid = t.info["aux"] if advice_reward is None else advice_reward(t)
            learners.learn_advice(step, np.asarray(paid, dtype=np.float64))
        over = terminated | truncated
        curve.add(point, np.where(step.active, infos.get("true_reward", reward), 0.0), over)
        now, action = after, step.then if learners.follows else learners.act(after, call / calls)
        if call == ends[point]:
            if on_progress is not None:
                on_progress(call * copies, calls * copies)
            point += 1
    return curve, ends * copies


def main(args: Args) -> None:
    """Train, and print what the learners earn at the end."""
    result = train(args)
    last = result.curve["true_return"][-1]
    print(f"{result.steps} steps of {len(last)} learners, {result.q.shape[1]} states")
    if np.isfinite(last).any():
        print(f"true return at the end, exploration included: {np.nanmean(last):.4g} (mean over learners)")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
