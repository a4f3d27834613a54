"""A method around a multi-agent batch (``payoff.multi_agent_vec``): it sees B * N rows, seat by seat within a copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from gymnasium.vector import AutoresetMode

from payoff.wrappers.adapters.runner import WrapperSnapshot
from payoff.wrappers.adapters.vector import BatchRunner
from payoff.wrappers.base import RewardMethod
from payoff.wrappers.rows import Array

__all__ = ["MultiAgentVecEnv", "MultiAgentVecRewardWrapper"]

_MODES = {
    "next_step": AutoresetMode.NEXT_STEP,
    "same_step": AutoresetMode.SAME_STEP,
    "disabled": AutoresetMode.DISABLED,
}


class MultiAgentVecEnv(Protocol):
    """What the wrapper needs of ``payoff.envs.views.multi_agent.MultiAgentVec``; it also uses ``per_agent``, if any."""

    @property
    def num_envs(self) -> int: ...  # noqa: D102
    @property
    def num_agents(self) -> int: ...  # noqa: D102
    @property
    def autoreset_mode(self) -> str: ...  # noqa: D102

    def reset(self, seed: Any = None, options: Any = None) -> tuple[Array, dict[str, Any]]: ...  # noqa: D102
    def step(self, actions: Any) -> tuple[Array, Array, Array, Array, dict[str, Any]]: ...  # noqa: D102


class MultiAgentVecRewardWrapper:
    """The multi-agent form of :class:`payoff.wrappers.adapters.vector.VectorRewardWrapper`.

    Row ``b * N + i`` of a transition is seat i of copy b, and looks like that agent in a wrapped ParallelEnv: entries
    of ``info`` are each seat's own or shared by the seats of a copy. The dict ``env.per_agent`` says which they are;
    those that it does not name are each seat's own if their shape is ``(B, N)``. Everything that is not named here
    (``agents``, ``state()``, ``close()``, ...) is the inner environment's.

    Args:
        env: the batch.
        method: what changes the reward.

    Attributes:
        method: the object that runs: a copy of the argument if that one serves another environment and allows copies.

    Raises:
        ValueError: an unknown autoreset mode.
    """

    snapshot_type = WrapperSnapshot

    def __init__(self, env: MultiAgentVecEnv, method: RewardMethod) -> None:
        if env.autoreset_mode not in _MODES:
            raise ValueError(f"autoreset_mode must be one of {', '.join(_MODES)}, got {env.autoreset_mode!r}")
        self.env = env
        mode = _MODES[env.autoreset_mode]
        per_agent = getattr(env, "per_agent", None)
        self._runner = BatchRunner(
            method, self, mode, env.num_envs, seats=env.num_agents, per_agent=per_agent, masks=False
        )
        self.method = self._runner.method

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "env":  # `env` itself is missing while the object is being copied
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.env, name)

    def reset(
        self, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start episodes, in all copies or in those of ``options["reset_mask"]``.

        Returns:
            Observations ``(B, N, O)`` and info.
        """
        given, mask = self._runner.split_options(options)
        obs, info = self.env.reset(seed=seed, options=given)
        with self._runner:
            return obs, self._runner.begin(obs, info, mask)

    def step(self, actions: Any) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """One step of every copy.

        Args:
            actions: ``(B, N, A)``, or ``(B, N)`` integers where actions are discrete.

        Returns:
            Observations ``(B, N, O)``, the method's rewards ``(B, N)``, terminated ``(B,)``, truncated ``(B,)``, info.
        """
        self._runner.check_ready()
        obs, rewards, terminated, truncated, info = self.env.step(actions)
        with self._runner:
            new, told = self._runner.advance(actions, obs, rewards, terminated, truncated, info)
            return obs, new, terminated, truncated, told

    def snapshot(self) -> WrapperSnapshot:
        """See :meth:`payoff.wrappers.adapters.single.RewardWrapper.snapshot`."""
        return self._runner.snapshot(self.env)

    def restore(self, snapshot: WrapperSnapshot) -> tuple[Array, dict[str, Any]]:
        """See :meth:`payoff.wrappers.adapters.single.RewardWrapper.restore`."""
        obs, info = self._runner.restore(self.env, snapshot)
        self._runner.resume(self._runner.flat(obs))
        return obs, info
