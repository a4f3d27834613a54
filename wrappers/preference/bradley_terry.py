"""A network reward from preferences over segments: the Bradley-Terry model, an ensemble of networks, and its training.

With r^_m the reward of member m, summed over the valid steps of a segment, and beta_k > 0 how reliable annotator k is,

(1) logit P_m(1 > 2) = beta_k (sum r^_m(1) - sum r^_m(2))
(2) loss = mean over members and questions of  - y log P_m(1 > 2) - (1 - y) log P_m(2 > 1),  y the answer in [0, 1]
(3) with a margin d >= 0 the logit of the preferred side is lowered by d, so that it has to win by more

beta_k is learned beside the networks where there are several annotators, with geometric mean 1; a careless annotator
gets a small one. Members differ in their first weights and in the order of their questions. A segment that ends early
sums to what its steps gave, that is, an end pays 0 from then on.

Sources: Bradley and Terry (1952); Christiano, Leike, Brown, Martic, Legg and Amodei (NeurIPS 2017) for segments,
ensembles and their disagreement; Wang et al., "Secrets of RLHF in Large Language Models Part II: Reward Modeling"
(arXiv 2401.06080) for margins. Sizes, learning rate and the reliability of annotators in this form are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.arguments import as_array, check_names, check_sequence, reals, state_array
from payoff.wrappers.bonus.bonus_model import Whitening
from payoff.wrappers.learned.network_reward import NetworkReward, step_inputs
from payoff.wrappers.preference.linear_preference import checked_answers
from payoff.wrappers.preference.segments import Segments
from payoff.wrappers.redistribution.episode_learning import grad
from payoff.wrappers.rows import Array

__all__ = ["PreferenceLearning", "RewardEnsemble"]

_MOMENTS = ("exp_avg", "exp_avg_sq")
_LEAST = 1e-6  # deviation of an input, and of a reward


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceLearning:
    """How the networks are built and trained; the defaults are ours, for small problems.

    Attributes:
        members: M, networks of the ensemble.
        hidden: widths of the hidden layers.
        learning_rate: of Adam, above 0.
        weight_decay: of Adam, at least 0; decoupled (AdamW).
        batch_size: questions of one gradient step.
        epochs: passes over all answers in a round of learning.
        seed: of the initial weights and of the order of the questions.

    Raises:
        ValueError: a field is out of its range.
    """

    members: int = 3
    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    batch_size: int = 64
    epochs: int = 30
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the fields (ValueError)."""
        check_sequence("hidden", self.hidden, "whole numbers")
        for width in self.hidden:
            check_integer("hidden", width, 1)
        check_number("learning_rate", self.learning_rate, 0.0, open_low=True)
        check_number("weight_decay", self.weight_decay, 0.0)
        for name in ("members", "batch_size", "epochs"):
            check_integer(name, getattr(self, name), 1)
        check_integer("seed", self.seed, 0)


class RewardEnsemble:
    """Networks that learn from answers; they are float64, and built when the first segments say how large.

    Args:
        num_actions: number of integer actions of each entry; None where actions are real numbers.
        annotators: K, whose answers are numbered 0 .. K - 1.
        settings: see :class:`PreferenceLearning`; None: its defaults.

    Raises:
        TypeError: ``settings`` is no PreferenceLearning.
        ValueError: another argument is out of its range.
    """

    def __init__(
        self, num_actions: int | None, *, annotators: int = 1, settings: PreferenceLearning | None = None
    ) -> None:
        given: Any = settings
        if given is not None and not isinstance(given, PreferenceLearning):
            raise TypeError(f"settings must be a PreferenceLearning, got {type(given).__name__}")
        if num_actions is not None:
            check_integer("num_actions", num_actions, 1)
        check_integer("annotators", annotators, 1)
        self.num_actions, self.annotators = num_actions, annotators
        self.settings = settings or PreferenceLearning()
        self.inputs: int | None = None
        self.rounds = 0
        self._steps = 0

    def _build(self, inputs: int) -> None:
        s = self.settings
        generator = torch.Generator().manual_seed(s.seed)
        sizes = list(pairwise((inputs, *s.hidden, 1)))
        with grad():
            self._parameters: dict[str, Tensor] = {}
            for i, (size_in, size_out) in enumerate(sizes):
                gain = 0.1 if i == len(sizes) - 1 else 1.0  # first rewards are small: no side is preferred beforehand
                draws = torch.randn((s.members, size_in, size_out), generator=generator, dtype=torch.float64)
                self._parameters[f"weights.{i}"] = (draws * gain / size_in**0.5).requires_grad_()
                bias = torch.zeros((s.members, size_out), dtype=torch.float64)
                self._parameters[f"biases.{i}"] = bias.requires_grad_()
            self._parameters["reliability"] = torch.zeros(self.annotators, dtype=torch.float64).requires_grad_()
            self.adam = torch.optim.AdamW(
                self._parameters.values(), lr=s.learning_rate, weight_decay=s.weight_decay, foreach=False
            )
        self.inputs, self._layers, self._steps = inputs, len(sizes), 0
        self.whitening = Whitening(inputs)

    # -- learning ------------------------------------------------------------------------------------------------

    def look(self, segments: Segments) -> None:
        """Take the valid steps of new segments into the mean and deviation of the inputs."""
        inputs = self._inputs(segments)
        if self.inputs is None:
            self._build(inputs.shape[2])
        seen = inputs[segments.valid]
        if len(seen):
            self.whitening.take_in(seen)

    def _inputs(self, segments: Segments) -> Array:
        """``(N, L, I)``.

        Raises:
            ValueError: another number of inputs than the networks have.
        """
        n, length = segments.valid.shape
        obs = segments.obs[:, :-1].reshape(n * length, -1)
        found = step_inputs(obs, segments.actions.reshape(n * length, -1), self.num_actions).reshape(n, length, -1)
        if self.inputs not in (None, found.shape[2]):
            raise ValueError(f"the networks have {self.inputs} inputs, got segments of {found.shape[2]}")
        return found

    def learn(
        self,
        segments: Segments,
        first: Array,
        second: Array,
        answer: Array,
        annotator: Array | None = None,
        margin: Array | None = None,
    ) -> float:
        """A round of gradient steps on all answers; the mean loss of its last pass.

        Args:
            segments: N segments, which have been looked at.
            first: ``(P,)`` numbers of segments.
            second: ``(P,)`` likewise.
            answer: ``(P,)`` 1 where the first is preferred, 0 where the second is; soft in between; NaN for none.
            annotator: ``(P,)`` in 0 .. K - 1; None: all are number 0.
            margin: ``(P,)`` of (3), not negative; None: 0.

        Raises:
            ValueError: no answer, only ties, numbers that do not fit, or the training diverged, after which the
                ensemble is of no use.
        """
        known = ~np.isnan(reals("answer", answer).astype(np.float64))
        first, second, told = checked_answers(len(segments), first, second, answer)
        who = np.zeros(told.shape, dtype=np.int64) if annotator is None else np.asarray(annotator)[known]
        if who.size and (who.min() < 0 or who.max() >= self.annotators):
            raise ValueError(f"annotator must be in 0 .. {self.annotators - 1}, got {who.min()} .. {who.max()}")
        lead = np.zeros(told.shape) if margin is None else reals("margin", margin).astype(np.float64)[known]
        if (lead < 0.0).any() or not np.isfinite(lead).all():
            raise ValueError(f"margin must hold finite numbers of at least 0, got {lead.min()}")
        if self.inputs is None:
            self.look(segments)
        x, valid = self._whitened(segments), torch.from_numpy(segments.valid)
        columns = [torch.from_numpy(np.ascontiguousarray(c)) for c in (first, second, told, who)]
        columns.append(torch.from_numpy(lead * (2.0 * told - 1.0)))  # lowers whichever side is preferred
        order = np.random.default_rng([self.settings.seed, self.rounds])
        losses = [self._epoch(x, valid, columns, order) for _ in range(self.settings.epochs)]
        self.rounds += 1
        whole = all(bool(torch.isfinite(p).all()) for p in self._parameters.values())
        if not np.isfinite(losses[-1]) or not whole:
            raise ValueError(f"learning from preferences diverged: loss {losses[-1]}; try a smaller learning rate")
        return losses[-1]

    def _epoch(self, x: Tensor, valid: Tensor, columns: list[Tensor], order: np.random.Generator) -> float:
        """One pass, each member in an order of its own; the mean loss."""
        count, size = len(columns[0]), self.settings.batch_size
        rows = np.stack([order.permutation(count) for _ in range(self.settings.members)])
        total = 0.0
        with grad():
            for at in range(0, count, size):
                part = torch.from_numpy(rows[:, at : at + size])  # (M, n)
                first, second, told, who, lead = (column[part] for column in columns)
                self.adam.zero_grad()
                apart = self._sums(x, valid, first) - self._sums(x, valid, second)
                logits = self._reliability()[who] * apart - lead
                loss = F.binary_cross_entropy_with_logits(logits, told)
                loss.backward()  # type: ignore[no-untyped-call]
                self.adam.step()
                self._steps += 1
                total += float(loss.detach()) * part.shape[1] / count
        return total

    def _whitened(self, segments: Segments) -> Tensor:
        n, length = segments.valid.shape
        inputs = self._inputs(segments).reshape(n * length, -1)
        return torch.from_numpy(self.whitening(inputs).reshape(n, length, -1))

    def _sums(self, x: Tensor, valid: Tensor, which: Tensor) -> Tensor:
        """Rewards of segments ``which`` ``(M, n)`` by each member, summed: ``(M, n)``."""
        members, n = which.shape
        steps = self._rewards(x[which].reshape(members, n * x.shape[1], -1)).reshape(members, n, -1)
        return torch.where(valid[which], steps, 0.0).sum(dim=2)

    def _rewards(self, x: Tensor) -> Tensor:
        """``(M, R)`` of whitened inputs ``(M, R, I)``."""
        for i in range(self._layers):
            weight, bias = self._parameters[f"weights.{i}"], self._parameters[f"biases.{i}"]
            x = torch.baddbmm(bias[:, None], torch.tanh(x) if i else x, weight)
        return x[..., 0]

    def _reliability(self) -> Tensor:
        free = self._parameters["reliability"]
        return torch.exp(free - free.mean())

    # -- what was learned ----------------------------------------------------------------------------------------

    @property
    def reliability(self) -> Array:
        """The beta of (1) for each annotator, ``(K,)``, of geometric mean 1."""
        with torch.no_grad():
            found: Array = self._reliability().numpy()
        return found

    def sums(self, segments: Segments) -> Array:
        """Reward of N segments by each member, ``(M, N)``."""
        which = torch.arange(len(segments)).expand(self.settings.members, -1)
        with torch.no_grad():
            found: Array = self._sums(self._whitened(segments), torch.from_numpy(segments.valid), which).numpy()
        return found

    def frozen(self, segments: Segments) -> NetworkReward:
        """The reward as it is now, scaled so that its steps in these segments have a root mean square of 1.

        Raises:
            ValueError: nothing was learned yet.
        """
        if self.inputs is None or not self.rounds:
            raise ValueError("no preferences: nothing was learned yet")
        deviation = np.sqrt(self.whitening.state_dict()["squares"] / max(self.whitening.state_dict()["count"], 1.0))
        arrays = {name: p.detach().numpy().copy() for name, p in self._parameters.items()}
        reward = NetworkReward(
            [arrays[f"weights.{i}"] for i in range(self._layers)],
            [arrays[f"biases.{i}"] for i in range(self._layers)],
            self.whitening.state_dict()["mean"],
            np.maximum(deviation, Whitening.LEAST),
            num_actions=self.num_actions,
        )
        steps = reward.members(self._inputs(segments)[segments.valid]).mean(axis=0)
        size = float(np.sqrt(np.mean(steps**2))) if steps.size else 1.0
        reward.scale = 1.0 / max(size, _LEAST)
        return reward

    # -- state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Weights, moments of Adam, statistics of the inputs, counts; empty before the first segments."""
        if self.inputs is None:
            return {}
        found = {"rounds": np.array(self.rounds), "steps": np.array(self._steps)}
        found |= {f"whitening.{name}": array for name, array in self.whitening.state_dict().items()}
        for name, weight in self._parameters.items():
            found[f"net.{name}"] = weight.detach().numpy().copy()
            moments = self.adam.state.get(weight) or {m: torch.zeros_like(weight) for m in _MOMENTS}
            found |= {f"{m}.{name}": moments[m].detach().numpy().copy() for m in _MOMENTS}
        return found

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """Check what :meth:`state_dict` gave; the function that is returned takes it over.

        Raises:
            ValueError: an array is missing, unknown, of another shape, or holds what it cannot hold.
        """
        kind = type(self).__name__
        other = type(self)(self.num_actions, annotators=self.annotators, settings=self.settings)
        if state:
            inputs = as_array(state.get("whitening.mean", ())).size
            if not inputs or self.inputs not in (None, inputs):
                raise ValueError(f"{kind}: whitening.mean must hold {self.inputs or 'some'} numbers, got {inputs}")
            other._build(inputs)
            blank = other.state_dict()
            check_names(kind, state, blank)
            arrays = {name: state_array(kind, name, state[name], like) for name, like in blank.items()}
            for name, array in arrays.items():
                if name.startswith(("exp_avg_sq.", "whitening.squares", "rounds", "steps", "whitening.count")):
                    if (array < 0.0).any():
                        raise ValueError(f"{kind}: {name} must not be negative, got {array.min()}")
            other._take(arrays)
        return lambda: self.__dict__.update(other.__dict__)

    def _take(self, arrays: Mapping[str, Array]) -> None:
        """Copy checked arrays into networks that were built for them."""
        self.rounds, self._steps = int(arrays["rounds"]), int(arrays["steps"])
        self.whitening.take_over(arrays["whitening.count"], arrays["whitening.mean"], arrays["whitening.squares"])
        with torch.inference_mode(False), torch.no_grad():
            for name, weight in self._parameters.items():
                weight.copy_(torch.from_numpy(arrays[f"net.{name}"]))
                if self._steps:
                    moments = {m: torch.from_numpy(arrays[f"{m}.{name}"]) for m in _MOMENTS}
                    self.adam.state[weight] = {"step": torch.tensor(float(self._steps)), **moments}
