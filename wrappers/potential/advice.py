"""Advice: potentials of a state and an action, which say what to do and not only where to be.

Look-back advice, which the agent is paid when it acts:

(1) F_t = Phi(s_t, a_t) - Phi(s_{t-1}, a_{t-1}) / gamma,  the second term being 0 at the first step

Over N steps gamma^t F_t sums up to gamma^(N-1) Phi(s_{N-1}, a_{N-1}): the advice for the last action. Closing the
episode takes that back as well, and every return is what it was. Look-ahead advice needs the next action:

(2) F_t = gamma Phi(s_{t+1}, a_{t+1}) - Phi(s_t, a_t),  Phi = 0 after a terminal state
(3) Q' = Q - Phi(s, a) is what is learned, so Q' + Phi must be acted on: acting on Q' changes the optimal policy

Source: Wiewiora, Cottrell and Elkan (2003). Unverified: that (1) starts from 0 as here, and that the paper supports
look-back advice by experiments only and means it for on-policy learners, are stated from memory, not from its text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from payoff.envs.core.params import check_flag, check_integer, check_number, check_word
from payoff.wrappers.arguments import reals
from payoff.wrappers.base import RowMethod, Transition
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.rows import Array, Batch, take

__all__ = ["Advice", "LookAheadAdvice", "LookBackAdvice", "of_all_actions"]

Advice: TypeAlias = Callable[[Batch, Batch], Array]
"""R observations and actions -> ``(R,)``: how good it is to do that there."""


class LookBackAdvice(RowMethod):
    """r' = r + Phi(s_t, a_t) - Phi(s_{t-1}, a_{t-1}) / gamma, equation (1).

    Without closing, the return grows by the advice for the last action, discounted. With it every return stays as it
    was, and so does every optimal policy: this is then :class:`payoff.wrappers.potential.neutral.ReturnNeutralBonus`
    with the advice as its bonus and a delay of one step.

    Args:
        advice: function from observations and actions to ``(R,)`` finite numbers.
        gamma: the learner's own discount, in (0, 1].
        close: take the last advice back at the end of the episode: its last step then pays
            ``-Phi(s_{N-2}, a_{N-2}) / gamma`` only.
        on_truncation: needed to close: ``"bootstrap"`` takes nothing back at a truncation, for learners that go on
            from the value there (which is lower by what is still owed); ``"terminal"`` closes there too.

    Raises:
        TypeError: ``advice`` cannot be called.
        ValueError: another argument is out of its range, or ``on_truncation`` is missing where it is needed.
    """

    term: ClassVar[str] = "shaping"

    def __init__(
        self,
        advice: Advice,
        *,
        gamma: float,
        close: bool = False,
        on_truncation: Literal["bootstrap", "terminal"] | None = None,
    ) -> None:
        _check_advice(advice)
        check_number("gamma", gamma, 0.0, 1.0, open_low=True)
        check_flag("close", close)
        if close or on_truncation is not None:
            check_word("on_truncation", on_truncation, ["bootstrap", "terminal"])
        super().__init__()
        self.advice = advice
        self.gamma = gamma
        self.close = close
        self.on_truncation = on_truncation

    def blank(self) -> dict[str, Array]:
        """``last``: Phi of the step before."""
        return {"last": np.zeros(())}

    def __call__(self, t: Transition) -> Array:
        """Rewards plus F.

        Raises:
            ValueError: the advice gave another shape, or a number that is not finite.
        """
        self.check_rows(t)
        given = np.zeros(t.reward.shape)
        given[t.active] = _asked(self.advice, take(t.obs, t.active), take(t.action, t.active), t.active.sum())
        taken = self.memory["last"] / self.gamma
        term = given - taken  # (1)
        if self.close:
            ended = t.terminated | t.truncated if self.on_truncation == "terminal" else t.terminated
            term = np.where(ended, -taken, term)
        self.memory["last"] = np.where(t.active, given, self.memory["last"])
        return t.reward + term


class LookAheadAdvice(RewardTransform):
    """r' = r + gamma Phi(s_{t+1}, a_{t+1}) - Phi(s_t, a_t) on played episodes, equation (2).

    The reward of a step is known when the next action is, so no wrapper around ``env.step`` can pay it in time: a
    wrapper that pays one step late would pay each term to the wrong step. Learners on rollouts apply this transform to
    them; one-step learners put (2) into their target (``payoff.baselines.q_learning`` does). Either way they act on
    :meth:`guided` values.

    Args:
        advice: function from observations and actions to ``(R,)`` finite numbers.
        gamma: the learner's own discount, in (0, 1].
        on_truncation: ``"bootstrap"`` keeps Phi of the truncated state under the action that :attr:`act` would take
            there; ``"terminal"`` takes it as 0.
        act: function from R observations to actions ``(R, ...)``: what the policy would do. Needed where an episode
            does not end in the batch, and at truncations unless they count as terminal.

    Raises:
        TypeError: ``advice`` or ``act`` cannot be called.
        ValueError: another argument is out of its range.
    """

    def __init__(
        self,
        advice: Advice,
        *,
        gamma: float,
        on_truncation: Literal["bootstrap", "terminal"],
        act: Callable[[Array], Array] | None = None,
    ) -> None:
        _check_advice(advice)
        check_number("gamma", gamma, 0.0, 1.0, open_low=True)
        check_word("on_truncation", on_truncation, ["bootstrap", "terminal"])
        chosen: Any = act
        if chosen is not None and not callable(chosen):
            raise TypeError(f"act must be a function obs -> actions, got {act!r}")
        self.advice = advice
        self.gamma = gamma
        self.on_truncation = on_truncation
        self.act = act

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """Rewards plus F ``(T, B)``.

        Raises:
            ValueError: the advice gave another shape or a number that is not finite, or ``act`` is missing.
        """
        valid = batch.valid
        phi = np.zeros(batch.rewards.shape)
        phi[valid] = _asked(self.advice, batch.obs[:-1][valid], batch.actions[valid], valid.sum())
        after = np.vstack([phi[1:], np.zeros_like(phi[:1])])
        after[batch.last] = 0.0  # what stands below the end of an episode is nothing that followed
        open_ = batch.last & ~batch.terminated
        if self.on_truncation == "terminal":
            open_ &= ~batch.truncated
        if open_.any():
            if self.act is None:
                raise ValueError("act must be given: an episode is cut off, and what would be done next is not known")
            obs = batch.obs[1:][open_]
            after[open_] = _asked(self.advice, obs, self.act(obs), open_.sum())
        return batch.rewards + self.gamma * after - phi  # (2)

    def guided(self, obs: Batch, q: Array) -> Array:
        """Q' + Phi ``(R, A)`` of learned values ``q`` ``(R, A)`` of whole-number actions 0 .. A - 1, equation (3)."""
        values: Array = q + of_all_actions(self.advice, obs, q.shape[1])
        return values


def of_all_actions(advice: Advice, obs: Batch, n_actions: int) -> Array:
    """Advice ``(R, A)`` about each of the whole-number actions 0 .. A - 1 in R states.

    Raises:
        ValueError: the advice gave another shape, or a number that is not finite.
    """
    check_integer("n_actions", n_actions, 1)
    rows = len(next(iter(obs.values()), ())) if isinstance(obs, dict) else len(obs[0] if type(obs) is tuple else obs)
    columns = [_asked(advice, obs, np.full(rows, a, dtype=np.int64), rows) for a in range(n_actions)]
    return np.stack(columns, axis=1)


def _check_advice(advice: Any) -> None:
    if not callable(advice):
        raise TypeError(f"advice must be a function (obs, action) -> (R,), got {advice!r}")


def _asked(advice: Advice, obs: Batch, action: Batch, rows: Any) -> Array:
    """The advice about ``rows`` steps, checked."""
    found = reals("what advice returns", advice(obs, action))
    if found.shape != (rows,) or not np.isfinite(found).all():
        name = getattr(advice, "__qualname__", repr(advice))
        got = f"shape {found.shape}" if found.shape != (rows,) else f"{found[~np.isfinite(found)][0]}"
        raise ValueError(f"advice {name} must return finite numbers of shape ({rows},), got {got}")
    return found
