"""A reward that learns from preferences while an agent trains under it.

The agent plays; its play is cut into segments; every so many steps an annotator is asked about pairs of them; the
ensemble of :mod:`payoff.wrappers.preference.bradley_terry` learns from all answers so far; from then on the agent is
paid what the ensemble says. Before the first round of learning it is paid nothing.

The reward is scaled so that its steps in the segments in memory have a root mean square of 1. It has no offset, so that
an end goes on being worth 0.

Source: Christiano, Leike, Brown, Martic, Legg and Amodei (NeurIPS 2017): the loop, ensembles, and asking where members
disagree most. Sizes and schedule are ours, for small problems: rounds come a fixed number of steps apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from payoff.envs.core.params import check_integer, check_word
from payoff.wrappers.arguments import as_array, check_mapping, check_names, state_array
from payoff.wrappers.base import RewardMethod, Transition
from payoff.wrappers.learned.network_reward import NetworkReward
from payoff.wrappers.learned.step_inputs import StepInputs, one_hot_actions
from payoff.wrappers.preference.annotators import Annotator
from payoff.wrappers.preference.bradley_terry import PreferenceLearning, RewardEnsemble
from payoff.wrappers.preference.cleaning import Cleaning, preference_strength
from payoff.wrappers.preference.fitting import part_of
from payoff.wrappers.preference.segments import SegmentRecorder, Segments, draw_pairs, joined
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["PreferenceReward"]

_CANDIDATES = 10  # pairs that disagreement chooses from, for each that is asked about


class PreferenceReward(RewardMethod):
    """Pays what an ensemble has learned of an annotator's preferences so far.

    Args:
        annotator: who is asked; a simulated one judges by the rewards that this method is given and does not pay.
        num_actions: K, number of integer actions of each entry; None where actions are real numbers.
        length: L, steps of a segment.
        ask_every: steps, of all rows together, from one round of questions to the next.
        questions: asked in a round.
        budget: questions in all; None: no end.
        choose: ``"random"`` pairs, or those about which the members ``"disagree"`` most.
        memory: segments that no answer is about and that are kept all the same, the oldest being forgotten first.
        annotators: how many answer; their reliability is learned.
        cleaning: what is done with weak answers, by the ensemble before the round; None: nothing.
        settings: of the networks; None: the defaults of :class:`PreferenceLearning`.

    Attributes:
        asked: questions so far.
        loss: of the last round of learning; NaN before any.

    Raises:
        TypeError: ``annotator`` cannot be asked, or ``cleaning`` or ``settings`` is something else.
        ValueError: another argument is out of its range.
    """

    def __init__(
        self,
        annotator: Annotator,
        *,
        num_actions: int | None,
        length: int = 10,
        ask_every: int = 2000,
        questions: int = 20,
        budget: int | None = None,
        choose: Literal["random", "disagree"] = "random",
        memory: int = 1000,
        annotators: int = 1,
        cleaning: Cleaning | None = None,
        settings: PreferenceLearning | None = None,
    ) -> None:
        if not isinstance(annotator, Annotator):
            raise TypeError(f"annotator must have ask(segments, first, second, rng), got {type(annotator).__name__}")
        given: Any = cleaning
        if given is not None and not isinstance(given, Cleaning):
            raise TypeError(f"cleaning must be a Cleaning, got {type(given).__name__}")
        check_integer("ask_every", ask_every, 1)
        check_integer("questions", questions, 1)
        check_integer("memory", memory, 2)
        if budget is not None:
            check_integer("budget", budget, 1)
        check_word("choose", choose, ("random", "disagree"))
        self.annotator, self.cleaning = annotator, cleaning
        self.ask_every, self.questions, self.budget = ask_every, questions, budget
        self.choose, self.memory = choose, memory
        self.recorder = SegmentRecorder(length)
        self.ensemble = RewardEnsemble(num_actions, annotators=annotators, settings=settings)
        self.loss = float("nan")
        self._since, self._round = 0, 0  # steps since the last round; rounds so far
        self._segments: Segments | None = None
        self._new: list[Segments] = []  # not put beside the others yet
        self._first, self._second, self._annotator = (np.zeros(0, dtype=np.int64) for _ in range(3))
        self._answer = np.zeros(0)
        self._reward: NetworkReward | None = None

    @property
    def asked(self) -> int:
        """Questions so far, the skipped ones included."""
        return len(self._answer)

    @property
    def learned(self) -> NetworkReward | None:
        """The reward that is paid now; None before the first round of learning."""
        return self._reward

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin lose what they had of a segment."""
        self.recorder.begin(mask)

    def __call__(self, t: Transition) -> Array:
        """What the ensemble says ``(R,)``; a round of questions and learning comes after the step that is due.

        Raises:
            ValueError: the budget is used up and no answer told two segments apart, or learning diverged.
        """
        paid = np.zeros(t.reward.shape) if self._reward is None else self._reward(t)
        found = self.recorder.add(t)
        if found is not None:
            self.ensemble.look(found)
            self._new.append(found)
            if len(self._new) == self.memory:  # or a long wait for questions would keep all of its play
                self._settle()
        self._since += int(np.count_nonzero(t.active))
        if self._since >= self.ask_every:
            self._since = 0
            self._ask()
        return paid

    def _settle(self) -> None:
        """Put new segments beside the others, and forget old ones that no answer is about."""
        if not self._new:
            return
        known = [] if self._segments is None else [self._segments]
        segments = joined([*known, *self._new])
        self._new = []
        needed = np.zeros(len(segments), dtype=np.bool_)
        needed[self._first], needed[self._second] = True, True
        free = np.flatnonzero(~needed)
        kept = np.ones(len(segments), dtype=np.bool_)
        kept[free[: max(0, free.size - self.memory)]] = False
        place = np.cumsum(kept) - 1
        self._segments = segments.take(np.flatnonzero(kept))
        self._first, self._second = place[self._first], place[self._second]

    def _ask(self) -> None:
        """One round: questions, cleaning, learning."""
        self._settle()
        left = self.questions if self.budget is None else min(self.questions, self.budget - self.asked)
        if self._segments is None or len(self._segments) < 2 or left <= 0:
            return
        rng = np.random.default_rng([self.ensemble.settings.seed, self._round])
        self._round += 1
        first, second = self._pairs(left, rng)
        answers = self.annotator.ask(self._segments, first, second, rng)
        self._first, self._second = np.concatenate([self._first, first]), np.concatenate([self._second, second])
        self._answer = np.concatenate([self._answer, answers.answer])
        self._annotator = np.concatenate([self._annotator, answers.annotator])
        told = self._answer[~np.isnan(self._answer)]
        if not told.size or (told == 0.5).all():  # nothing tells two segments apart yet
            if self.asked == self.budget:
                raise ValueError(f"no preferences: none of {self.asked} answers told two segments apart")
            return
        answer, margin = self._answer, None
        if self.cleaning is not None and self.ensemble.rounds:
            sums = self.ensemble.sums(self._segments)
            strength, _ = preference_strength(sums[:, self._first] - sums[:, self._second], answer)
            answer, margin, _ = self.cleaning(answer, strength)
        self.loss = self.ensemble.learn(self._segments, self._first, self._second, answer, self._annotator, margin)
        self._reward = self.ensemble.frozen(self._segments)

    def _pairs(self, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
        assert self._segments is not None
        if self.choose == "random" or not self.ensemble.rounds:
            return draw_pairs(len(self._segments), count, rng)
        first, second = draw_pairs(len(self._segments), _CANDIDATES * count, rng)
        sums = self.ensemble.sums(self._segments)
        most = np.argsort(-(sums[:, first] - sums[:, second]).std(axis=0), kind="stable")[:count]
        return first[most], second[most]

    # -- state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """The ensemble, the segments and answers in memory, the running segments, and counts."""
        self._settle()
        found = {
            "since": np.array(self._since),
            "round": np.array(self._round),
            "loss": np.array(0.0 if np.isnan(self.loss) else self.loss),
            "first": self._first.copy(),
            "second": self._second.copy(),
            "answer": np.nan_to_num(self._answer, nan=-1.0),  # a state holds finite numbers
            "annotator": self._annotator.copy(),
        }
        found |= {f"ensemble.{name}": array for name, array in self.ensemble.state_dict().items()}
        found |= {f"recorder.{name}": array for name, array in self.recorder.state_dict().items()}
        if self._segments is not None:
            found |= {f"segments.{name}": array for name, array in self._segments.arrays().items()}
        if self._reward is not None:
            found["scale"] = np.array(self._reward.scale)
            found |= {f"paid.{name}": array for name, array in self._reward.arrays().items()}
        return found

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`payoff.wrappers.RewardMethod.read_state`."""
        kind = type(self).__name__
        check_mapping("state", state, "arrays")
        parts = {name: part_of(state, f"{name}.") for name in ("ensemble", "recorder", "segments", "paid")}
        own = {str(name): array for name, array in state.items() if str(name).partition(".")[0] not in parts}
        blank = {"since": np.array(0), "round": np.array(0), "loss": np.array(0.0)}
        blank |= {name: np.zeros(0, dtype=np.int64) for name in ("first", "second", "annotator")}
        blank |= {"answer": np.zeros(0)} | ({"scale": np.array(1.0)} if parts["paid"] else {})
        if set(own) != set(blank):
            raise ValueError(f"{kind} takes the arrays {', '.join(blank)}, got {', '.join(own) or 'nothing'}")
        count = as_array(own["first"]).size
        shapes = {name: (count,) if like.ndim else () for name, like in blank.items()}
        arrays = {name: state_array(kind, name, own[name], like, shapes[name]) for name, like in blank.items()}
        segments = _segments(kind, parts["segments"], self.recorder.length)
        _check_answers(kind, arrays, 0 if segments is None else len(segments), self.ensemble.annotators)
        take_ensemble = self.ensemble.read_state(parts["ensemble"])
        take_recorder = self.recorder.read_state(parts["recorder"])
        reward = _paid(kind, parts["paid"], arrays, self.ensemble.inputs)
        _check_sizes(kind, parts, self.ensemble.inputs.num_actions)

        def take_over() -> None:
            take_ensemble()
            take_recorder()
            self._since, self._round = int(arrays["since"]), int(arrays["round"])
            self._segments, self._new, self._reward = segments, [], reward
            self._first, self._second = arrays["first"], arrays["second"]
            self._answer = np.where(arrays["answer"] < 0.0, np.nan, arrays["answer"])
            self._annotator = arrays["annotator"]
            self.loss = float("nan") if reward is None else float(arrays["loss"])

        return take_over


def _segments(kind: str, arrays: Mapping[str, Array], length: int) -> Segments | None:
    """The segments of a state; ValueError where they do not fit."""
    if not arrays:
        return None
    try:
        found = Segments.from_arrays({name: as_array(array).copy() for name, array in arrays.items()})
    except ValueError as error:
        raise ValueError(f"{kind}: segments: {error}") from error
    if found.length != length:
        raise ValueError(f"{kind}: segments must have {length} steps, got {found.length}")
    return found


def _check_answers(kind: str, arrays: Mapping[str, Array], segments: int, annotators: int) -> None:
    """Raise ValueError for counts and answers that cannot be."""
    if min(arrays["since"], arrays["round"]) < 0:
        raise ValueError(f"{kind}: since and round must be at least 0")
    for name, most in (("first", segments), ("second", segments), ("annotator", annotators)):
        found = arrays[name]
        if found.size and (found.min() < 0 or found.max() >= most):
            raise ValueError(f"{kind}: {name} must be in 0 .. {most - 1}, got {found.min()} .. {found.max()}")
    if (same := arrays["first"] == arrays["second"]).any():
        found = arrays["first"][same][0]
        raise ValueError(f"{kind}: second must be another segment than first, got {found} and {found}")
    told = arrays["answer"]
    if told.size and not (((told >= 0.0) & (told <= 1.0)) | (told == -1.0)).all():
        raise ValueError(f"{kind}: answer must be in [0, 1], or -1 for none, got {told.min()} .. {told.max()}")


def _check_sizes(kind: str, parts: Mapping[str, Mapping[str, Array]], num_actions: int | None) -> None:
    """Raise ValueError where parts of a state, each right by itself, are of different environments."""
    inputs = np.size(parts["ensemble"].get("whitening.mean", ()))
    if parts["segments"] and not inputs:
        raise ValueError(f"{kind}: ensemble.whitening.mean is missing: there are segments, so there must be networks")
    sizes = {}
    for part in ("segments", "recorder"):
        if not parts[part]:
            continue
        obs, actions = as_array(parts[part]["obs"]), as_array(parts[part]["actions"])
        try:
            actions_seen = one_hot_actions(actions, num_actions)
        except ValueError as error:
            raise ValueError(f"{kind}: {part}.{error}") from error  # which begins with "actions"
        numbers = obs.shape[2] + actions_seen.shape[2]
        if inputs and numbers != inputs:
            needed = f"must give {inputs} numbers a step, as many as ensemble.whitening.mean has"
            raise ValueError(f"{kind}: {part}.obs and {part}.actions {needed}, got {numbers}")
        sizes[part] = obs.shape[2], actions.shape[2]
    if len(sizes) == 2 and sizes["segments"] != sizes["recorder"]:
        (size, entries), (other_size, other_entries) = sizes["segments"], sizes["recorder"]
        needed = (
            f"recorder.obs must have {size} numbers an observation and recorder.actions {entries}, as segments have"
        )
        raise ValueError(f"{kind}: {needed}, got {other_size} and {other_entries}")
    paid = np.size(parts["paid"].get("mean", ()))
    if parts["paid"] and paid != inputs:
        raise ValueError(f"{kind}: paid.mean must have {inputs} numbers, as ensemble.whitening.mean has, got {paid}")


def _paid(kind: str, arrays: Mapping[str, Array], own: Mapping[str, Array], inputs: StepInputs) -> NetworkReward | None:
    """The reward of a state; ValueError where it does not fit."""
    if not arrays:
        return None
    settings = {"parts": inputs.parts, "num_actions": inputs.num_actions, "shift": 0.0, "scale": float(own["scale"])}
    try:
        found = NetworkReward.build(settings, {name: as_array(array) for name, array in arrays.items()})
        check_names("paid", arrays, found.arrays())
        return found
    except (KeyError, ValueError) as error:
        raise ValueError(f"{kind}: paid: {error}") from error
