"""What bonuses with networks share: a model that scores rows, keeps them, and learns from them in batches.

Inputs are whitened (:mod:`payoff.wrappers.bonus.whitening`). Mean and deviation are those of the observations that the
model has learned from; before the first batch they are 0 and 1, since no steps are played to find better ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from payoff.envs.core.params import check_flag, check_integer, check_number
from payoff.wrappers.arguments import as_array, check_names, check_sequence, state_array
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.state_features import StateFeatures, checked_features, evaluated
from payoff.wrappers.bonus.whitening import Whitening
from payoff.wrappers.rows import Array, Batch
from payoff.wrappers.small_networks import adam_arrays, grad, mlp, take_adam_arrays

__all__ = ["BonusLearning", "BonusModel", "network"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BonusLearning:
    """How the networks of a bonus are built and trained; the defaults are ours, for small problems.

    Attributes:
        hidden: widths of the hidden layers of each network.
        learning_rate: of Adam, above 0.
        learn_every: transitions, of all rows together, from one round of learning to the next.
        epochs: passes over them in a round.
        batch_size: transitions of one gradient step.
        learning: whether the model learns at all; False scores with the networks as they are.
        seed: of the initial weights and of the order of the transitions.
    """

    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = 1e-3
    learn_every: int = 256
    epochs: int = 1
    batch_size: int = 64
    learning: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field, its value and what is allowed)."""
        check_sequence("hidden", self.hidden, "whole numbers")
        for width in self.hidden:
            check_integer("hidden", width, 1)
        check_number("learning_rate", self.learning_rate, 0.0, open_low=True)
        for name in ("learn_every", "epochs", "batch_size"):
            check_integer(name, getattr(self, name), 1)
        check_flag("learning", self.learning)
        check_integer("seed", self.seed, 0)


class BonusModel:
    """A model that is common to all rows and to all forks of its bonus.

    Rows are scored and taken in one after the other, up to the one that fills a round of ``learn_every``; then the
    model learns, and the rows left are scored by the updated model. Networks are float64, so that scores agree to about
    1e-12 whatever the batch size, and are built when the first observations say how large they must be.

    Subclasses define :meth:`make` and :meth:`loss`.

    Args:
        encode: function from observations to the numbers ``(R, I)`` that the networks see; None: all of them.
        settings: see :class:`BonusLearning`; None: its defaults.

    Raises:
        TypeError: ``encode`` cannot be called, or ``settings`` is no BonusLearning.
    """

    def __init__(self, encode: StateFeatures | None = None, settings: BonusLearning | None = None) -> None:
        given: Any = settings
        if given is not None and not isinstance(given, BonusLearning):
            raise TypeError(f"settings must be a BonusLearning, got {type(given).__name__}")
        self.encode = checked_features("encode", encode)
        self.settings = settings or BonusLearning()
        self.inputs: int | None = None
        self.rounds = 0

    def make(self, inputs: int, generator: torch.Generator) -> tuple[nn.ModuleDict, dict[str, int]]:
        """The networks for I inputs, and the columns that are kept of a transition: name -> width; one is "next"."""
        raise NotImplementedError(f"{type(self).__name__} must define make(inputs, generator)")

    def loss(self, columns: dict[str, Array]) -> Tensor:
        """What a gradient step lowers, a scalar, of columns ``(n, width)`` as they were kept."""
        raise NotImplementedError(f"{type(self).__name__} must define loss(columns)")

    def columns(self, t: Transition, rows: Array) -> dict[str, Array]:
        """What is kept of the rows of a transition."""
        raise NotImplementedError(f"{type(self).__name__} must define columns(transition, rows)")

    def look(self, obs: Batch) -> None:
        """Build the networks, where that has not been done, for observations like these ``(R, ...)``."""
        if self.inputs is None:
            self._build(evaluated(self.encode, obs).shape[1])

    def _build(self, inputs: int) -> None:
        with grad():
            generator = torch.Generator().manual_seed(self.settings.seed)
            self.net, widths = self.make(inputs, generator)
            learned = [p for p in self.net.parameters() if p.requires_grad]
            self.adam = torch.optim.Adam(learned, lr=self.settings.learning_rate, foreach=False)
        self.inputs = inputs
        self.whitening = Whitening(inputs)
        self._kept = {name: np.zeros((self.settings.learn_every, width)) for name, width in widths.items()}
        self._filled = 0

    def numbers(self, obs: Batch) -> Array:
        """``(R, I)`` what the networks see of observations, before whitening.

        Raises:
            ValueError: another number of inputs than the networks have, or a number that is not finite.
        """
        found = evaluated(self.encode, obs)
        if found.shape[1] != self.inputs:
            raise ValueError(f"{type(self).__name__} has {self.inputs} inputs, got {found.shape[1]}; see encode=")
        return found

    def whitened(self, numbers: Array) -> Tensor:
        """``(R, I)`` network inputs, in [-5, 5]."""
        return torch.from_numpy(self.whitening(numbers))

    def portions(self, active: Array) -> Iterator[Array]:
        """Masks ``(R,)`` of active rows, in order, each ending where learning is due or the rows do."""
        rows = np.flatnonzero(active)
        while rows.size:
            room = self.settings.learn_every - self._filled if self.settings.learning else rows.size
            mask = np.zeros(active.shape, dtype=np.bool_)
            mask[rows[:room]] = True
            yield mask
            rows = rows[room:]

    def learn_from(self, t: Transition, rows: Array) -> None:
        """Keep the rows of a transition, and learn when the round is full."""
        if not self.settings.learning:
            return
        count = int(rows.sum())
        for name, values in self.columns(t, rows).items():
            self._kept[name][self._filled : self._filled + count] = values
        self._filled += count
        if self._filled == self.settings.learn_every:
            self._learn()

    def _learn(self) -> None:
        """One round: statistics of the inputs first, then gradient steps."""
        self.whitening.take_in(self._kept["next"])
        order = np.random.default_rng([self.settings.seed, self.rounds])  # a round's draws depend on its number alone
        with grad():
            for _ in range(self.settings.epochs):
                shuffled = order.permutation(self._filled)
                for start in range(0, self._filled, self.settings.batch_size):
                    rows = shuffled[start : start + self.settings.batch_size]
                    self.adam.zero_grad()
                    self.loss({name: kept[rows] for name, kept in self._kept.items()}).backward()  # type: ignore[no-untyped-call]
                    self.adam.step()
        self._filled = 0
        self.rounds += 1

    def fork(self) -> Self:
        """This object: all environments teach one model."""
        return self

    def state_dict(self) -> dict[str, Array]:
        """Weights, moments of Adam, statistics of the inputs, and the transitions of the round; empty when unbuilt."""
        if self.inputs is None:
            return {}
        found = {"rounds": np.array(self.rounds), "steps": np.array(self._adam_steps())}
        found |= {f"whitening.{name}": array for name, array in self.whitening.state_dict().items()}
        found |= {f"kept.{name}": kept[: self._filled].copy() for name, kept in self._kept.items()}
        return found | adam_arrays(self.net, self.adam)

    def _adam_steps(self) -> int:
        return next((int(found["step"].item()) for found in self.adam.state.values()), 0)

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`payoff.wrappers.bonus.base.Part.read_state`."""
        kind = type(self).__name__
        if not state and self.inputs is None:
            return lambda: None
        inputs = as_array(state.get("whitening.mean", ())).size
        if not inputs:
            raise ValueError(f"{kind}: whitening.mean must hold a number for each input, got none")
        if self.inputs not in (None, inputs):
            raise ValueError(f"{kind} has {self.inputs} inputs, got the state of one with {inputs}")
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._build(inputs)
        blank = other.state_dict()
        check_names(kind, state, blank)
        filled = len(np.atleast_1d(as_array(state["kept.next"])))
        arrays = {}
        for name, like in blank.items():
            shape = (filled, *like.shape[1:]) if name.startswith("kept.") else like.shape
            arrays[name] = state_array(kind, name, state[name], like, shape)
            if name.startswith(("exp_avg_sq.", "whitening.squares")) and (arrays[name] < 0.0).any():
                raise ValueError(f"{kind}: {name} must not be negative, got {arrays[name].min()}")
        if filled >= self.settings.learn_every:
            raise ValueError(f"{kind}: kept must have fewer rows than learn_every {self.settings.learn_every}")
        if min(arrays["rounds"], arrays["steps"], arrays["whitening.count"]) < 0:
            raise ValueError(f"{kind}: rounds, steps and whitening.count must be at least 0")
        other._take(arrays, filled)
        return lambda: self.__dict__.update(other.__dict__)

    def _take(self, arrays: Mapping[str, Array], filled: int) -> None:
        """Copy checked arrays into a model that was built for them."""
        self.rounds, self._filled = int(arrays["rounds"]), filled
        self.whitening.take_over(arrays["whitening.count"], arrays["whitening.mean"], arrays["whitening.squares"])
        for name, kept in self._kept.items():
            kept[:filled] = arrays[f"kept.{name}"]
        take_adam_arrays(self.net, self.adam, arrays, int(arrays["steps"]))


def network(sizes: tuple[int, ...], generator: torch.Generator) -> nn.Sequential:
    """Network of a bonus; arguments as of :func:`payoff.wrappers.small_networks.mlp`."""
    return mlp(sizes, generator, out_gain=2.0**0.5, bend=nn.ReLU)
