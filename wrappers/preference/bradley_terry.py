"""An ensemble of networks that learns a reward from preferences over segments; a round goes over all answers so far.

Each is a network of :mod:`payoff.wrappers.preference.comparison`. Members differ in their first weights and in the
order of their questions: where they disagree, little is known. A segment that ends early is worth the sum of the steps
that it has, so an end pays 0 from then on.

Sources: Christiano, Leike, Brown, Martic, Legg and Amodei (NeurIPS 2017) for segments, ensembles and their
disagreement. Sizes and learning rate are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from payoff.envs.core.params import check_integer
from payoff.wrappers.arguments import as_array, reals, state_array
from payoff.wrappers.learned.network_reward import NetworkReward
from payoff.wrappers.learned.step_inputs import StepInputs, one_hot_actions
from payoff.wrappers.preference.comparison import Comparer
from payoff.wrappers.preference.fitting import NetworkSettings
from payoff.wrappers.preference.linear_preference import checked_answers
from payoff.wrappers.preference.segments import Segments
from payoff.wrappers.rows import Array

__all__ = ["PreferenceLearning", "RewardEnsemble"]

_LEAST = 1e-6  # root mean square of a reward


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceLearning(NetworkSettings):
    """How an ensemble is built and trained: its networks, and what a round of learning is.

    The defaults are ours, for small problems. ``seed`` also decides the order of the questions.

    Attributes:
        batch_size: questions of one gradient step.
        epochs: passes over all answers in a round of learning.

    Raises:
        ValueError: a field is out of its range.
    """

    members: int = 3
    weight_decay: float = 1e-3
    batch_size: int = 64
    epochs: int = 30

    def __post_init__(self) -> None:
        """Check the fields (ValueError)."""
        NetworkSettings.__post_init__(self)  # slots=True makes a new class, which super() does not find
        for name in ("batch_size", "epochs"):
            check_integer(name, getattr(self, name), 1)


class RewardEnsemble:
    """Networks that learn from answers; they are built when the first segments say how large.

    Args:
        num_actions: number of integer actions of each entry; None where actions are real numbers.
        annotators: K, whose answers are numbered 0 .. K - 1.
        settings: see :class:`PreferenceLearning`; None: its defaults.

    Attributes:
        inputs: what is seen of a step.
        net: the networks; None before the first segments.
        rounds: of learning so far.

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
        check_integer("annotators", annotators, 1)
        self.inputs = StepInputs(("obs", "action"), num_actions)
        self.annotators = annotators
        self.settings = settings or PreferenceLearning()
        self.net: Comparer | None = None
        self.rounds = 0

    # -- learning ------------------------------------------------------------------------------------------------

    def look(self, segments: Segments) -> None:
        """Take the valid steps of new segments into the mean and deviation of the inputs.

        Raises:
            ValueError: see :meth:`numbers`.
        """
        numbers = self.numbers(segments)
        if self.net is None:
            self.net = Comparer(numbers.shape[2], self.settings, self.annotators)
        seen = numbers[segments.valid]
        if len(seen):
            self.net.whitening.take_in(seen)

    def numbers(self, segments: Segments) -> Array:
        """What the networks see of N segments, ``(N, L, I)``: the inputs of a transition, for every step.

        Raises:
            ValueError: another I than the networks have, or an action that is out of its range.
        """
        actions = one_hot_actions(segments.actions, self.inputs.num_actions)
        found = np.concatenate([segments.obs[:, :-1], actions], axis=2)
        if self.net is not None and self.net.inputs != found.shape[2]:
            raise ValueError(f"the networks have {self.net.inputs} inputs, got segments of {found.shape[2]}")
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
            margin: ``(P,)`` that the preferred side has to win by, not negative; None: 0.

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
        if self.net is None:
            self.look(segments)
        assert self.net is not None
        numbers, order = self.numbers(segments), np.random.default_rng([self.settings.seed, self.rounds])
        for _ in range(self.settings.epochs):
            loss = self._epoch(self.net, numbers, segments.valid, (first, second, told, who, lead), order)
        self.rounds += 1
        if not all(bool(torch.isfinite(weight).all()) for weight in self.net.net.parameters()):
            raise ValueError(f"learning diverged, its last loss being {loss}; try a smaller learning rate")
        return loss

    def _epoch(
        self, net: Comparer, numbers: Array, valid: Array, columns: tuple[Array, ...], order: np.random.Generator
    ) -> float:
        """One pass over P answers, each member in an order of its own; the mean loss."""
        count, size = len(columns[0]), self.settings.batch_size
        rows = np.stack([order.permutation(count) for _ in range(self.settings.members)])
        total = 0.0
        for at in range(0, count, size):
            first, second, told, who, lead = (column[rows[:, at : at + size]] for column in columns)  # (M, n)
            shown, n = np.concatenate([first, second], axis=1), first.shape[1]
            sides = np.arange(n), np.arange(n, 2 * n)
            loss = net.learn(numbers[shown], valid[shown], *sides, told, annotator=who, margin=lead)
            total += loss * n / count
        return total

    # -- what was learned ----------------------------------------------------------------------------------------

    @property
    def reliability(self) -> Array:
        """How reliable each annotator is, ``(K,)``, of geometric mean 1."""
        return np.ones(self.annotators) if self.net is None else self.net.reliability

    def sums(self, segments: Segments) -> Array:
        """Reward of N segments by each member, ``(M, N)``.

        Raises:
            ValueError: no segments were looked at, or see :meth:`numbers`.
        """
        if self.net is None:
            raise ValueError("no segments have been looked at yet")
        return self.net.member_scores(self.numbers(segments), segments.valid)

    def frozen(self, segments: Segments) -> NetworkReward:
        """The reward as it is now, scaled so that its steps in these segments have a root mean square of 1.

        It has no offset: a constant on every step would change what is best where episodes differ in length.

        Raises:
            ValueError: nothing was learned yet.
        """
        if self.net is None or not self.rounds:
            raise ValueError("no preferences: nothing was learned yet")
        steps = self.net.scores(self.numbers(segments)[segments.valid][:, None])
        size = float(np.sqrt(np.mean(steps**2))) if steps.size else 1.0
        return self.net.frozen(self.inputs, scale=max(size, _LEAST))

    # -- state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """That of the networks, and the rounds; empty before the first segments."""
        return {} if self.net is None else {"rounds": np.array(self.rounds), **self.net.state_dict()}

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """Check what :meth:`state_dict` gave; the function that is returned takes it over.

        Raises:
            ValueError: an array is missing, unknown, of another shape, or holds what it cannot hold.
        """
        kind, net, rounds = type(self).__name__, None, 0
        if state:
            inputs = as_array(state.get("whitening.mean", ())).size
            wanted = None if self.net is None else self.net.inputs
            if not inputs or wanted not in (None, inputs):
                raise ValueError(f"{kind}: whitening.mean must hold {wanted or 'some'} numbers, got {inputs}")
            rounds = int(state_array(kind, "rounds", state.get("rounds", ()), np.array(0)))
            if rounds < 0:
                raise ValueError(f"{kind}: rounds must not be negative, got {rounds}")
            rest = {name: array for name, array in state.items() if name != "rounds"}
            net = Comparer.from_state(kind, rest, inputs, self.settings, self.annotators)

        def take_over() -> None:
            self.net, self.rounds = net, rounds

        return take_over
