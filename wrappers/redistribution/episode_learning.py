"""What decompositions with a network share: a memory of finished episodes, gradient steps, and state.

The target of an episode is its return G, or G / T, in units of the root mean square of that over the memory, so rewards
may have any size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from payoff.envs.core.params import check_flag, check_integer, check_number
from payoff.wrappers.arguments import as_array, check_mapping, check_names, check_sequence, state_array
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform, with_residual
from payoff.wrappers.redistribution.step_features import StepFeatureFunction, checked_step_features, evaluated_steps
from payoff.wrappers.rows import Array
from payoff.wrappers.small_networks import adam_arrays, grad, take_adam_arrays

__all__ = ["EpisodeLearning", "LearnedDecomposition"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeLearning:
    """How a network that learns from whole episodes is built and trained; the defaults are ours, for small problems.

    Attributes:
        hidden: widths of the hidden layers.
        learning_rate: of Adam, above 0.
        gradient_steps: after each batch of episodes.
        episodes: episodes of one gradient step, drawn from the memory with replacement.
        memory: steps that are kept, the oldest episodes being forgotten first; the newest batch always stays.
        seed: of the initial weights and of the draws.

    Raises:
        ValueError: a field is out of its range.
    """

    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = 1e-3
    gradient_steps: int = 50
    episodes: int = 32
    memory: int = 50_000
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the fields (ValueError)."""
        check_sequence("hidden", self.hidden, "whole numbers")
        for width in self.hidden:
            check_integer("hidden", width, 1)
        check_number("learning_rate", self.learning_rate, 0.0, open_low=True)
        for name in ("gradient_steps", "episodes", "memory"):
            check_integer(name, getattr(self, name), 1)
        check_integer("seed", self.seed, 0)


class LearnedDecomposition(RewardTransform):
    """Base of the decompositions whose estimate r^ of a step's reward comes from a network.

    Each call takes the finished episodes into the memory, makes gradient steps on what is there, and pays r^ by the
    new weights. The draws of a call depend on the seed and the number of calls alone. Networks are float64 and are
    built when the first batch says how large they must be. Subclasses define :meth:`make`, :meth:`loss` and
    :meth:`estimate`.

    Args:
        features: inputs, from R steps (obs, actions, next_obs) to ``(R, F)``; see
            :class:`payoff.wrappers.redistribution.step_features.StepFeatures`.
        learning: see :class:`EpisodeLearning`; None: its defaults.
        residual: spread what the r^ of a finished episode lack of its return evenly over its steps.

    Attributes:
        losses: mean loss of the gradient steps of the last call, in units of the squared scale; NaN before any.

    Raises:
        TypeError: ``features`` cannot be called, or ``learning`` is no EpisodeLearning.
        ValueError: ``residual`` is neither True nor False.
    """

    def __init__(
        self, features: StepFeatureFunction, *, learning: EpisodeLearning | None = None, residual: bool = True
    ) -> None:
        self.features = checked_step_features(features)
        given: Any = learning
        if given is not None and not isinstance(given, EpisodeLearning):
            raise TypeError(f"learning must be an EpisodeLearning, got {type(given).__name__}")
        check_flag("residual", residual)
        self.learning = learning or EpisodeLearning()
        self.residual = self.conserves_return = residual
        self.losses = float("nan")
        self.inputs: int | None = None
        self._calls = 0
        self._episodes: list[Array] = []  # inputs (L, F) float32 of each episode in memory
        self._returns: list[float] = []

    # -- what subclasses define ----------------------------------------------------------------------------------

    def make(self, inputs: int, generator: torch.Generator) -> nn.Module:
        """The network for F inputs."""
        raise NotImplementedError(f"{type(self).__name__} must define make(inputs, generator)")

    def loss(self, episodes: Sequence[Array], targets: Tensor, rng: np.random.Generator) -> Tensor:
        """What a gradient step lowers, a scalar.

        Args:
            episodes: inputs ``(L, F)`` of each.
            targets: ``(E,)`` what :meth:`targets` says of them, in units of the scale.
            rng: source of draws.
        """
        raise NotImplementedError(f"{type(self).__name__} must define loss(episodes, targets, rng)")

    def estimate(self, inputs: Tensor) -> Tensor:
        """r^ ``(T, B)`` in units of the scale, of inputs ``(T, B, F)`` that are 0 where not valid."""
        raise NotImplementedError(f"{type(self).__name__} must define estimate(inputs)")

    def targets(self, returns: Array, lengths: Array) -> Array:
        """What is learned of episodes, ``(E,)``: G / T."""
        found: Array = returns / lengths
        return found

    # -- learning and paying -------------------------------------------------------------------------------------

    @property
    def scale(self) -> float:
        """Root mean square of the targets in memory; 1 where that is 0, or nothing is remembered."""
        return float(np.sqrt(np.mean(self._targets() ** 2))) or 1.0 if self._returns else 1.0

    def _targets(self) -> Array:
        return self.targets(np.array(self._returns), np.array([len(e) for e in self._episodes]))

    def learn(self, batch: EpisodeBatch) -> None:
        """Remember the finished episodes, then make gradient steps."""
        inputs = evaluated_steps(self.features, batch, self.inputs)
        if self.inputs is None:
            self._build(inputs.shape[2])
        for b in np.flatnonzero(batch.finished):
            self._episodes.append(inputs[: batch.lengths[b], b].astype(np.float32))
            self._returns.append(float(batch.returns[b]))
        self._forget(int(batch.finished.sum()))
        if not self._episodes:
            return
        rng = np.random.default_rng([self.learning.seed, self._calls])
        self._calls += 1
        losses = []
        targets = self._targets() / self.scale
        with grad():
            for _ in range(self.learning.gradient_steps):
                drawn = rng.integers(len(self._episodes), size=self.learning.episodes)
                self.adam.zero_grad()
                loss = self.loss([self._episodes[e] for e in drawn], torch.from_numpy(targets[drawn]), rng)
                loss.backward()  # type: ignore[no-untyped-call]
                self.adam.step()
                losses.append(float(loss.detach()))
        self.losses = float(np.mean(losses))

    def _forget(self, newest: int) -> None:
        total, first = sum(len(e) for e in self._episodes), 0
        while total > self.learning.memory and first < len(self._episodes) - newest:
            total -= len(self._episodes[first])
            first += 1
        self._episodes, self._returns = self._episodes[first:], self._returns[first:]

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """r^ ``(T, B)``, corrected where that was asked for; the given rewards before any episode was finished."""
        if not self._calls:
            return batch.paid
        inputs = evaluated_steps(self.features, batch, self.inputs)
        with torch.no_grad():
            estimates: Array = self.scale * self.estimate(torch.from_numpy(inputs)).numpy()
        return with_residual(batch, estimates) if self.residual else estimates

    def _build(self, inputs: int) -> None:
        generator = torch.Generator().manual_seed(self.learning.seed)
        with grad():
            self.net = self.make(inputs, generator)
        self.adam = torch.optim.Adam(self.net.parameters(), lr=self.learning.learning_rate, foreach=False)
        self.inputs = inputs

    # -- state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Weights, moments of Adam, and the memory; empty before the first call."""
        if self.inputs is None:
            return {}
        kept = np.concatenate(self._episodes) if self._episodes else np.zeros((0, self.inputs), dtype=np.float32)
        found = {
            "calls": np.array(self._calls),
            "memory.inputs": kept,
            "memory.lengths": np.array([len(e) for e in self._episodes], dtype=np.int64),
            "memory.returns": np.array(self._returns, dtype=np.float64),
        }
        return found | adam_arrays(self.net, self.adam, "adam.")

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state_dict` gave.

        Raises:
            ValueError: other names or shapes than these settings give, or a number that is not finite; nothing has
                changed.
        """
        check_mapping("state", state, "arrays")
        if not state and self.inputs is None:
            return
        kind = type(self).__name__
        kept = as_array(state.get("memory.inputs", np.zeros(0)))
        inputs = kept.shape[1] if kept.ndim == 2 and self.inputs is None else self.inputs
        if inputs is None or not inputs:
            raise ValueError(f"{kind}: memory.inputs must have shape (steps, F), got {kept.shape}")
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._episodes, other._returns, other._calls = [], [], 0
        other._build(inputs)
        blank = other.state_dict()
        check_names(kind, state, blank)
        lengths = as_array(state["memory.lengths"])
        if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (lengths < 1).any():
            raise ValueError(f"{kind}: memory.lengths must be whole numbers (E,) of at least 1, got {lengths!r}")
        free = {"memory.inputs": (int(lengths.sum()), inputs), "memory.lengths": lengths.shape}
        free["memory.returns"] = lengths.shape
        arrays = {name: state_array(kind, name, state[name], like, free.get(name)) for name, like in blank.items()}
        if arrays["calls"] < 0:
            raise ValueError(f"{kind}: calls must be a whole number of at least 0, got {arrays['calls']!r}")
        for name, array in arrays.items():
            if name.startswith("adam.exp_avg_sq.") and (array < 0.0).any():
                raise ValueError(f"{kind}: {name} must not be negative, got {array.min()}")
        episodes = np.split(arrays["memory.inputs"], np.cumsum(lengths)[:-1])
        other._take(arrays, episodes, arrays["memory.returns"].tolist())
        self.__dict__.update(other.__dict__)

    def _take(self, arrays: Mapping[str, Array], episodes: list[Array], returns: list[float]) -> None:
        """Copy checked arrays into networks that were built for them."""
        self._calls, self._returns = int(arrays["calls"]), returns
        self._episodes = episodes if returns else []
        take_adam_arrays(self.net, self.adam, arrays, self._calls * self.learning.gradient_steps, "adam.")
