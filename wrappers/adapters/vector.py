"""A method around a Gymnasium ``VectorEnv``, and the autoreset rules, which multi-agent batches share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import AutoresetMode

from payoff.wrappers.adapters.runner import MethodRunner, WrapperSnapshot, add_term
from payoff.wrappers.arguments import reals
from payoff.wrappers.base import RewardMethod
from payoff.wrappers.rows import Array, Batch, BatchInfo, copied, place, take, vector_info

__all__ = ["BatchRunner", "VectorRewardWrapper"]


class BatchRunner(MethodRunner):
    """A runner over B copies that restart by themselves, of one row each or of one row a seat.

    Args:
        method: what changes the reward.
        adapter: the wrapper that runs it.
        mode: when finished copies restart.
        copies: B.
        seats: N where observations, actions and rewards are ``(B, N, ...)``; None where they are ``(B, ...)``.
        per_agent: see :meth:`payoff.wrappers.rows.BatchInfo.repeated`.
        masks: whether infos carry a mask beside each entry, as Gymnasium's vector environments do.
    """

    def __init__(
        self,
        method: RewardMethod,
        adapter: object,
        mode: AutoresetMode,
        copies: int,
        *,
        seats: int | None = None,
        per_agent: Mapping[str, bool] | None = None,
        masks: bool = True,
    ) -> None:
        super().__init__(method, adapter, copies * (seats or 1))
        self.mode = mode
        self.seats = seats
        self._per_agent = per_agent
        self._shape = (copies,) if seats is None else (copies, seats)
        self._all = np.ones(copies, dtype=np.bool_)
        self._nobody = np.zeros(self.rows, dtype=np.bool_)
        self._masks = masks

    def split_options(self, options: dict[str, Any] | None) -> tuple[dict[str, Any] | None, Array | None]:
        """A copy of the reset options (environments take entries out of theirs), and the ``reset_mask`` in them.

        Raises:
            TypeError: the options are no dict.
            gymnasium.error.ResetNeeded: only some copies shall begin, where all of them must.
        """
        given: Any = options
        if given is None:
            return None, None
        if not isinstance(given, Mapping):
            raise TypeError(f"options must be a dict or None, got {given!r}")
        mask = given.get("reset_mask")
        if mask is not None and not np.all(mask):
            self.check_ready()
        return dict(given), mask

    def begin(self, obs: Batch, infos: Mapping[str, Any], mask: Array | None) -> dict[str, Any]:
        """Copies in ``mask`` (all when None) begin an episode; returns infos with the reward terms."""
        mask = self._all if mask is None else mask
        self.start(self.flat(obs), self._spread(vector_info(infos, mask)), self._each(mask))
        nothing = np.zeros(self._shape)
        return self._told(infos, nothing, nothing)

    def advance(
        self, actions: Any, obs: Batch, rewards: Any, terminated: Array, truncated: Array, infos: Mapping[str, Any]
    ) -> tuple[Array, dict[str, Any]]:
        """New rewards of a step, in the shape of the given ones, and infos with the reward terms."""
        paid = reals("rewards", rewards).copy()
        ended = terminated | truncated
        over = np.count_nonzero(ended) > 0
        fresh = self._copies(self.over)  # next-step autoreset: this call restarted them
        restarted = self.over is not self._nobody and np.count_nonzero(fresh) > 0
        stepped = ~fresh if restarted else self._all
        last = ended if over and self.mode is AutoresetMode.SAME_STEP else None
        if last is None:
            next_obs, info = obs, vector_info(infos, stepped)
        else:
            next_obs = self._with_final(obs, infos, last)
            info = vector_info(infos, stepped, final=infos["final_info"], ended=last)
        new = self.pay(
            self.flat(actions),
            paid.reshape(-1),
            self.flat(next_obs),
            self._each(terminated),
            self._each(truncated),
            self._spread(info),
            self._each(stepped) if restarted else None,
        ).reshape(paid.shape)
        if last is not None:
            begun = fresh | last
            self.start(self.flat(obs), self._spread(vector_info(infos, begun)), self._each(begun))
        elif restarted:  # what they begin with is the next observation of this call, which is known already
            current = self._obs if self.method.reads_obs else self.flat(obs)
            self.method.reset(current, self._spread(vector_info(infos, fresh)), self._each(fresh))
        self.over = self._each(ended) if over and self.mode is AutoresetMode.NEXT_STEP else self._nobody
        return new, self._told(infos, paid, new - paid, last)

    @staticmethod
    def _with_final(obs: Batch, infos: Mapping[str, Any], last: Array) -> Batch:
        """Observations, with the last ones of the episode in the rows that have started the next."""
        obs, final = copied(obs), infos["final_obs"]
        if isinstance(final, np.ndarray) and final.dtype == np.object_:  # Gymnasium's: an observation each, or None
            for b in np.flatnonzero(last):
                place(obs, int(b), final[b])
        else:
            place(obs, last, take(final, last))
        return obs

    def flat(self, batch: Any) -> Batch:
        """``(B, N, ...)`` as ``(B * N, ...)``; without seats the batch itself."""
        if self.seats is None:
            return batch
        array = np.asarray(batch)
        return array.reshape(self.rows, *array.shape[2:])

    def _each(self, mask: Array) -> Array:
        return mask if self.seats is None else np.repeat(mask, self.seats)

    def _copies(self, mask: Array) -> Array:
        return mask if self.seats is None else mask[:: self.seats]

    def _spread(self, info: BatchInfo) -> BatchInfo:
        return info if self.seats is None else info.repeated(self.seats, self._per_agent)

    def _told(self, infos: Mapping[str, Any], paid: Array, change: Array, last: Array | None = None) -> dict[str, Any]:
        """Infos with the terms and the true reward of this step.

        In same-step mode these two belong to the step in every row, like the rewards, so that nothing that was paid is
        lost; ``final_info`` repeats them for the rows that ended.
        """
        terms, true = infos.get("reward_terms"), infos.get("true_reward", paid)
        if last is not None:
            final = infos["final_info"]
            terms = _joined(terms, final.get("reward_terms"), last)
            true = _chosen(last, final.get("true_reward", paid), true)
        entries: dict[str, Any] = {
            "reward_terms": add_term(terms, paid, self.method.term, change),
            "true_reward": true,
        }
        if self._masks and any(key.startswith("_") for key in entries["reward_terms"]):
            entries["reward_terms"][f"_{self.method.term}"] = self._all
        out = {**infos, **entries}
        if last is not None:
            marks = {f"_{key}": last for key in entries} if self._masks else {}
            out["final_info"] = {**infos["final_info"], **entries, **marks}
        if self._masks:
            out |= {f"_{key}": self._all for key in entries}
        return out


def _chosen(last: Array, final: Any, now: Any) -> Array:
    """Rows ``last`` of ``final``, the others of ``now``."""
    now = np.asarray(now)
    chosen: Array = np.where(last.reshape(-1, *[1] * (now.ndim - 1)), final, now)
    return chosen


def _joined(now: Mapping[str, Any] | None, final: Mapping[str, Any] | None, last: Array) -> dict[str, Any] | None:
    """Reward terms of a step: those of ``final`` in the rows that ended, of ``now`` in the others."""
    if now is None and final is None:
        return None
    now, final = now or {}, final or {}
    blank = {key: np.zeros_like(value) for key, value in {**now, **final}.items()}
    return {key: _chosen(last, final.get(key, zero), now.get(key, zero)) for key, zero in blank.items()}


if TYPE_CHECKING:
    _Wrapper = gym.vector.VectorWrapper[Any, Any, Any, Any, Any]
else:
    _Wrapper = gym.vector.VectorWrapper  # takes no types before Gymnasium 1.3


class VectorRewardWrapper(_Wrapper, RecordConstructorArgs):
    """The vector form of :class:`payoff.wrappers.adapters.single.RewardWrapper`: one call of the method for all copies.

    It equals a vector environment of wrapped environments, row by row. The call that restarts a copy (next-step
    autoreset) pays nothing. In same-step mode ``infos["reward_terms"]`` and ``infos["true_reward"]`` belong to the
    step, also in rows whose other entries are of the new episode.

    Args:
        env: the vector environment; ``metadata["autoreset_mode"]`` must say when finished copies restart.
        method: what changes the reward.

    Attributes:
        method: the object that runs: a copy of the argument if that one serves another environment and allows copies.

    Raises:
        ValueError: the environment does not state its autoreset mode.
    """

    snapshot_type = WrapperSnapshot

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any], method: RewardMethod) -> None:
        RecordConstructorArgs.__init__(self, _disable_deepcopy=True, method=method)
        gym.vector.VectorWrapper.__init__(self, env)
        mode = env.metadata.get("autoreset_mode")
        if mode is None:
            raise ValueError(f"{env}: metadata['autoreset_mode'] must be one of {[m.value for m in AutoresetMode]}")
        self._runner = BatchRunner(method, self, AutoresetMode(mode), env.num_envs)
        self.method = self._runner.method

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start episodes, in all copies or in those of ``options["reset_mask"]``.

        Raises:
            TypeError: ``options`` is no dict.
            gymnasium.error.ResetNeeded: a mask leaves copies out before the first full reset, or after a failure; see
                :meth:`step`.
        """
        given, mask = self._runner.split_options(options)
        inner: Any = self.env  # the base class annotates an int only, its own vector environments take lists
        obs, infos = inner.reset(seed=seed, options=given)
        with self._runner:
            return obs, self._runner.begin(obs, infos, mask)

    def step(self, actions: Any) -> tuple[Any, Array, Array, Array, dict[str, Any]]:
        """One step of every copy, with the method's rewards; errors as for one environment.

        See :meth:`payoff.wrappers.adapters.single.RewardWrapper.step`. A masked reset does not end a failure: what the
        method missed may be of any copy.
        """
        self._runner.check_ready()
        obs, rewards, terminated, truncated, infos = self.env.step(actions)
        with self._runner:
            new, told = self._runner.advance(actions, obs, rewards, terminated, truncated, infos)
            return obs, new, terminated, truncated, told

    def snapshot(self) -> WrapperSnapshot:
        """See :meth:`payoff.wrappers.adapters.single.RewardWrapper.snapshot`."""
        return self._runner.snapshot(self.env)

    def restore(self, snapshot: WrapperSnapshot) -> tuple[Any, dict[str, Any]]:
        """See :meth:`payoff.wrappers.adapters.single.RewardWrapper.restore`."""
        obs, infos = self._runner.restore(self.env, snapshot)
        self._runner.resume(obs)
        return obs, infos
