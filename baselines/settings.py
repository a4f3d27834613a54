"""Settings that PPO and independent PPO have in common; the text under a field is its help on the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from payoff.baselines.session import JsonObject
from payoff.envs.core.params import check_word

__all__ = ["Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings that PPO and independent PPO have in common."""

    env_id: str = "payoff/TrustDilemma-v0"
    """environment"""
    reward: str | None = None
    """reward layer to train on; the game's default when left out"""
    env_params: JsonObject = field(default_factory=dict)
    """game parameters and view settings, as a JSON object"""
    seed: int = 1
    """seed of everything"""
    total_steps: int = 500_000
    """environment steps, all copies together; rounded down to whole updates, but to one at least, and with
    rollout='episodes' up: the update that reaches it is the last"""
    num_envs: int = 32
    """copies that play at once"""
    num_steps: int = 100
    """steps per copy between updates; with rollout='episodes' the most that an episode may take"""
    rollout: Literal["steps", "episodes"] = "steps"
    """what is played between updates: so many steps, or one whole episode a copy"""
    group_size: int = 1
    """copies that start alike, with rollout='episodes'"""
    on_truncation: Literal["bootstrap", "terminal"] = "bootstrap"
    """what follows where an episode is cut off: the value of its last observation, or nothing, for returns over a
    finite horizon; without discounting only the second has values that are finite"""
    epochs: int = 4
    """passes over a rollout"""
    minibatches: int = 4
    """gradient steps per pass"""
    learning_rate: float = 2e-3
    """of Adam, at the start; falls linearly to 0"""
    gamma: float = 0.99
    """discount"""
    lam: float = 0.95
    """lambda of the advantage estimates"""
    clip: float = 0.2
    """how far a probability ratio may move"""
    clip_value: bool = False
    """clip the change of the values as well"""
    ent_coef: float = 0.01
    """weight of the entropy bonus at the start; falls linearly to 0"""
    final_temperature: float = 0.02
    """temperature of the policies at the end, 1 at the start; actions are drawn from densities to the power 1 / it"""
    value_coef: float = 0.5
    """weight of the value loss"""
    max_grad_norm: float = 0.5
    """largest norm of a network's gradient"""
    hidden: tuple[int, ...] = (64, 64)
    """widths of the hidden layers"""
    torch_threads: int = 1
    """threads of torch"""
    log_dir: str | None = None
    """folder for TensorBoard"""
    checkpoint: str | None = None
    """file for checkpoints"""
    checkpoint_every: int = 20
    """updates between checkpoints; the last update always writes one"""
    resume: bool = True
    """go on from the checkpoint file where there is one; otherwise it is replaced"""

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        counts = ("total_steps", "num_envs", "num_steps", "group_size", "epochs", "minibatches", "torch_threads")
        for name in (*counts, "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.num_steps < 2:  # one call may do no more than restart the copies
            raise ValueError(f"num_steps must be at least 2, got {self.num_steps}")
        if self.minibatches > self.batch_size // 2:  # at worst every other call restarts a copy
            raise ValueError(f"minibatches must be at most half the {self.batch_size} steps, got {self.minibatches}")
        self._check_episodes()
        for name in ("gamma", "lam"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("learning_rate", "clip", "max_grad_norm", "final_temperature"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")

    def _check_episodes(self) -> None:
        for name, words in {"rollout": ("steps", "episodes"), "on_truncation": ("bootstrap", "terminal")}.items():
            check_word(name, getattr(self, name), words)
        if self.rollout == "steps" and self.group_size != 1:
            raise ValueError(f"group_size must be 1 unless rollout='episodes', got {self.group_size}")
        if self.num_envs % self.group_size:
            raise ValueError(f"group_size must divide the {self.num_envs} copies, got {self.group_size}")
        if self.group_size > 1 and self.seed >= 2**31:  # start groups are int64, and no two seeds share any
            raise ValueError(f"seed must be below 2**31 where group_size is above 1, got {self.seed}")
        if self.rollout == "episodes" and self.minibatches > self.num_envs:  # at worst an episode is one step
            raise ValueError(f"minibatches must be at most the {self.num_envs} episodes, got {self.minibatches}")

    @property
    def batch_size(self) -> int:
        """Environment steps between updates; with whole episodes the most there can be."""
        return self.num_envs * self.num_steps

    @property
    def last_step(self) -> int:
        """Steps after which the training is over; whole updates, where an update is so many steps."""
        if self.rollout == "episodes":
            return self.total_steps
        return max(1, self.total_steps // self.batch_size) * self.batch_size

    def keywords(self) -> dict[str, Any]:
        """Keywords of the environment."""
        return {**self.env_params, **({} if self.reward is None else {"reward": self.reward})}
