"""Reward learners ``preferences``, from a file of answers, and ``preference``, which asks while the agent trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from payoff.baselines.environments import is_outside
from payoff.baselines.memory import check_memory
from payoff.baselines.reward_problem import Problem
from payoff.envs import registry
from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.envs.core.specification import imported, parse
from payoff.files import check_digest, digest_of
from payoff.wrappers import (
    Cleaning,
    NetworkReward,
    Preferences,
    SimulatedAnnotator,
    observed_values,
    preference_strength,
    read_preferences,
)
from payoff.wrappers.arguments import check_text

if TYPE_CHECKING:
    from payoff.wrappers import PreferenceReward

__all__ = ["FilePreferences", "OnlinePreferences"]

_MEMORY = 1000  # segments that are kept without an answer
_JUDGEMENTS = ("partial_return", "regret", "deterministic_regret")
_CLEANINGS = {
    "none": None,
    "flip": Cleaning(flip_below=0.0),
    "soften": Cleaning(flip_below=np.inf, soften_within=0.5),
    "all": Cleaning(flip_below=1.0, soften_within=0.5, margin=0.1),
}


@dataclass(frozen=True)
class FilePreferences:
    """Learns from a file that :command:`payoff prefer` or a program of yours wrote; the reward is then frozen.

    Attributes:
        file: of the answers; see :mod:`payoff.wrappers.preference.answer_file`.
        epochs: passes over the answers.
        members: networks.
        learning_rate: of Adam.
        clean: ``none``; ``flip`` answers that the ensemble is against; ``soften`` weak ones; ``all`` of these and
            margins. Cleaning learns twice: from the answers as they are, and again from the cleaned ones.
        sha256: digest that the file must have; "": any.

    Raises:
        ValueError: a field is out of its range.
    """

    file: str
    epochs: int = 100
    members: int = 3
    learning_rate: float = 1e-3
    clean: str = "none"
    sha256: str = ""

    def __post_init__(self) -> None:
        """Check the fields (ValueError)."""
        check_text("file", self.file)
        check_integer("epochs", self.epochs, 1, 100_000)
        check_integer("members", self.members, 1, 100)
        check_number("learning_rate", self.learning_rate, 0.0, open_low=True)
        check_word("clean", self.clean, _CLEANINGS)

    def digest(self) -> str:
        """Of the answers, which say what the segments are; see :func:`payoff.files.digest_of`."""
        return digest_of("file of preferences", self.file)

    def read(self) -> Preferences:
        """The answers.

        Raises:
            ValueError: the file cannot be read, or is none of answers.
        """
        try:
            return read_preferences(self.file)
        except OSError as error:
            where = error.filename or self.file  # it may be that of the segments
            raise ValueError(f"file of preferences cannot be read: {where}: {error.strerror}") from error

    def check(self, problem: Problem) -> None:
        """See :class:`payoff.baselines.reward_learners.RewardLearner`.

        Raises:
            ValueError: the file is of no use: unreadable, of another environment, without a single preference, or its
                segments have other observations or actions than the environment.
        """
        check_digest(self.file, self.sha256)
        found = self.read()
        env_id = found.about.get("env_id")
        if env_id not in (None, problem.env_id):
            raise ValueError(f"the preferences in {self.file} are about {env_id}, not {problem.env_id}")
        told = found.answer[~np.isnan(found.answer)]
        if not told.size or (told == 0.5).all():
            raise ValueError(f"no preferences: {self.file} has {len(found)} answers, and none prefers a segment")
        sizes, segments = problem.sizes(), found.segments
        for what, seen, wanted in (
            ("numbers an observation", segments.obs.shape[2], sizes.obs),
            ("entries an action", segments.actions.shape[2], sizes.actions),
        ):
            if seen != wanted:
                raise ValueError(f"the segments in {self.file} have {seen} {what}, {problem.env_id} {wanted}")
        if sizes.num_actions is not None:
            last, chosen = sizes.num_actions - 1, segments.actions
            odd = chosen[(chosen < 0.0) | (chosen > last) | (chosen % 1.0 != 0.0)]
            if odd.size:
                raise ValueError(f"the segments in {self.file} have an action {odd[0]:g}, {problem.env_id} 0 .. {last}")

    def learn(self, problem: Problem) -> NetworkReward:
        """Train an ensemble, and freeze it.

        Raises:
            ValueError: see :meth:`check`; or training diverged.
        """
        from payoff.wrappers import PreferenceLearning, RewardEnsemble  # they import torch

        found = self.read()
        num_actions = problem.sizes().num_actions

        def trained(answer: np.ndarray, margin: np.ndarray | None = None) -> RewardEnsemble:
            settings = PreferenceLearning(
                members=self.members, learning_rate=self.learning_rate, epochs=self.epochs, seed=problem.seed
            )
            ensemble = RewardEnsemble(num_actions, annotators=max(1, len(found.names)), settings=settings)
            ensemble.learn(found.segments, found.first, found.second, answer, found.annotator, margin)
            return ensemble

        ensemble = trained(found.answer)
        cleaning = _CLEANINGS[self.clean]
        if cleaning is not None:
            sums = ensemble.sums(found.segments)
            strength, _ = preference_strength(sums[:, found.first] - sums[:, found.second], found.answer)
            cleaned = cleaning(found.answer, strength)
            ensemble = trained(cleaned.answer, cleaned.margin)
        return ensemble.frozen(found.segments)


@dataclass(frozen=True)
class OnlinePreferences:
    """A reward that learns while the agent trains: :class:`payoff.wrappers.PreferenceReward`.

    Attributes:
        by: who is asked: a simulated annotator who judges by ``partial_return`` of the reward layer, or by ``regret``
            or ``deterministic_regret`` of the payoffs of a tabular game; or ``package.module:Name``, an object with
            ``ask(segments, first, second, rng)``.
        scale: of a simulated annotator; inf: no noise.
        flip: probability that it slips.
        length: steps of a segment.
        ask_every: steps between rounds of questions.
        questions: in a round.
        budget: questions in all; 0: no end.
        choose: ``random`` pairs, or those that the members ``disagree`` about.
        epochs: passes over all answers in a round.
        members: networks.
        learning_rate: of Adam.
        clean: as in :class:`FilePreferences`, by the ensemble before the round.
        gamma: discount of the values that regret is about.

    Raises:
        ValueError: a field is out of its range.
    """

    by: str = "partial_return"
    scale: float = 1.0
    flip: float = 0.0
    length: int = 10
    ask_every: int = 2000
    questions: int = 20
    budget: int = 0
    choose: str = "random"
    epochs: int = 10
    members: int = 3
    learning_rate: float = 1e-3
    clean: str = "none"
    gamma: float = 0.99

    def __post_init__(self) -> None:
        """Check the fields (ValueError)."""
        check_text("by", self.by)
        if ":" not in self.by:
            check_word("by", self.by, _JUDGEMENTS)
        if self.scale != np.inf:
            check_number("scale", self.scale, 0.0, open_low=True)
        check_number("flip", self.flip, 0.0, 1.0)
        for name in ("length", "ask_every", "questions"):
            check_integer(name, getattr(self, name), 1)
        check_integer("epochs", self.epochs, 1, 100_000)
        check_integer("members", self.members, 1, 100)
        check_integer("budget", self.budget, 0)
        check_word("choose", self.choose, ("random", "disagree"))
        check_number("learning_rate", self.learning_rate, 0.0, open_low=True)
        check_word("clean", self.clean, _CLEANINGS)
        check_number("gamma", self.gamma, 0.0, 1.0, open_low=True, open_high=True)

    def check(self, problem: Problem) -> None:
        """See :class:`payoff.baselines.reward_learners.RewardLearner`.

        Raises:
            ValueError: regret in a game that is not tabular, there is no such annotator, or the segments of a round
                would take too much memory.
        """
        if ":" in self.by:
            self._annotator(problem)
        elif self.by != "partial_return":
            tabular = not is_outside(problem.env_id) and registry.load(problem.env_id).tabular
            if not tabular:
                raise ValueError(f"by={self.by} needs the values of a tabular game of Payoff, got {problem.env_id}")
        kept = {f"segments ({_MEMORY} + 2 x questions)": _MEMORY + 2 * self.questions, "length": self.length}
        check_memory("preference", {**kept, "numbers of a step": problem.sizes().step})

    def _annotator(self, problem: Problem) -> Any:
        if ":" in self.by:
            return imported(parse(self.by, "by"), lambda thing: hasattr(thing, "ask"), "an annotator")
        optimal = None
        if self.by != "partial_return":
            env = problem.make(1)
            optimal = observed_values(env, gamma=self.gamma)
            env.close()
        return SimulatedAnnotator(self.by, scale=self.scale, flip=self.flip, optimal=optimal)  # type: ignore[arg-type]

    def learn(self, problem: Problem) -> PreferenceReward:
        """The method, which has learned nothing yet."""
        from payoff.wrappers import PreferenceLearning, PreferenceReward  # they import torch

        num_actions = problem.sizes().num_actions
        settings = PreferenceLearning(
            members=self.members, learning_rate=self.learning_rate, epochs=self.epochs, seed=problem.seed
        )
        annotator = self._annotator(problem)
        return PreferenceReward(
            annotator,
            num_actions=num_actions,
            length=self.length,
            ask_every=self.ask_every,
            questions=self.questions,
            budget=self.budget or None,
            choose=self.choose,  # type: ignore[arg-type]
            memory=_MEMORY,
            annotators=getattr(annotator, "count", 1),
            cleaning=_CLEANINGS[self.clean],
            settings=settings,
        )
