r"""Reward learners ``calm`` and ``ellm``: a language model looks at steps of the game, and what it says is paid.

    payoff train --algo ppo --env KeyRoom-v0 --out results/x \
        --reward-learner 'calm:goal="reach the goal",subgoals=["picked up the key","opened the door"],replay=FILE'

- ``calm`` asks which subgoals a step achieves, when its like is first seen;
- ``ellm`` asks which reports of the game would be best to bring about next, when a state is first seen, and pays a step
  whose report is one of them.

Who answers, and how that is paid, is told in :mod:`payoff.baselines.llm.answering`. The truth (``truth``) is an
expression of the step for each text, ``{"opened the door": "info.caption == 11"}``, true where its value is not 0.

A ``replay`` is either the record of a run, which is made again, or a table: what ``payoff llm-reward --method calm`` or
anybody else asked before, without a run. Of a step that is not in the table, nothing is said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from payoff.baselines.llm.answering import Answered, play_randomly
from payoff.baselines.reward_problem import Problem
from payoff.envs.core.params import check_flag, check_integer
from payoff.envs.core.specification import imported, near, parse
from payoff.wrappers import NamedScreen, RewardMethod, StepTruth, SubgoalBonus, SuggestionBonus
from payoff.wrappers.arguments import check_mapping, check_sequence, check_text
from payoff.wrappers.llm.captions import Captions
from payoff.wrappers.llm.labellers import Labeller, ScriptedLabeller, SilentLabeller, StoredLabeller
from payoff.wrappers.llm.subset_questions import MOST_TEXTS, check_texts

__all__ = ["Calm", "Ellm"]

_PLAYED = 500  # steps of random play in which a table must know some


@dataclass(frozen=True, kw_only=True)
class _StepJudge(Answered):
    """What both have in common.

    Attributes:
        truth: text -> expression of a step, whether it is meant; of texts that are left out it never is. None: somebody
            else answers.
        screen: what is seen of a state, a function of yours ``package.module:Name`` from observations and info to
            texts; "": made of the names of the observation (:class:`payoff.wrappers.NamedScreen`).
        crop: cells along a side of the window around the seat, odd; 0: all is shown.

    Raises:
        TypeError: a field that is a text is none, or ``truth`` no mapping of texts.
        ValueError: a field is out of its range, or nobody or more than one is named who answers.
    """

    coef: float = 0.1
    truth: Mapping[str, str] | None = None
    screen: str = ""
    crop: int = 0

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        check_text("screen", self.screen)
        check_integer("crop", self.crop, 0)
        if self.crop and self.screen:
            raise ValueError(f"crop must be left out where screen is a function of yours, got {self.crop}")

    def check(self, problem: Problem) -> None:
        """Play a few steps; nobody is asked.

        Raises:
            ValueError: there are no names or captions, an expression or a file that cannot be used, a file that holds
                something else than it did, or a table that knows nothing of what is seen.
        """
        self.check_source(problem)
        table = self._table()
        bonus = self.bonus(problem, SilentLabeller(), self.truth_of(problem))
        play_randomly(problem, bonus, 1 if table is None else _PLAYED)
        if table is not None and not any(map(table.knows, bonus.book.waiting)):
            raise ValueError(
                f"replay must hold answers about this environment, and of {len(bonus.book.waiting)} steps of random "
                f"play {self.replay} knows none: it is of another goal, other texts, another screen or crop"
            )

    def learn(self, problem: Problem) -> RewardMethod:
        """The reward, which goes on asking while a policy trains under it."""
        truth = self.truth_of(problem)
        return self.pay(self.bonus(problem, self.labeller(problem, truth), truth), problem)

    def bonus(
        self, problem: Problem, labeller: Labeller, truth: StepTruth | None = None
    ) -> SubgoalBonus | SuggestionBonus:
        """What scores the steps; see :meth:`truth_of`."""
        raise NotImplementedError(f"{type(self).__name__} must define bonus(problem, labeller, truth)")

    def texts_of(self, problem: Problem) -> tuple[str, ...]:
        """The texts that answers name."""
        raise NotImplementedError(f"{type(self).__name__} must define texts_of(problem)")

    def labeller(self, problem: Problem, truth: StepTruth | None) -> Labeller:
        """Who answers."""
        if truth is not None:
            return ScriptedLabeller(truth, errors=self.errors, seed=problem.seed)
        return self._table() or self.asked(problem)

    def _table(self) -> StoredLabeller | None:
        """The replayed file where it is no record of a run: nobody asked while something went on."""
        store = self.replayed() if self.replay else None
        return None if store is None or store.steps["asked"] else StoredLabeller(store, 0.0)

    def truth_of(self, problem: Problem) -> StepTruth | None:
        """The truth, where it answers."""
        return None if not self.truth else step_truth(self.truth, self.texts_of(problem), problem)

    def screen_of(self, problem: Problem) -> Captions:
        """What is seen."""
        if self.screen:
            own: Captions = imported(parse(self.screen, "screen"), callable, "a function of obs and info")
            return own
        names = problem.names()
        if not names:
            raise ValueError(
                f"screen must be a function of yours, package.module:Name: {problem.env_id} does not say what the "
                "numbers of an observation are called"
            )
        return NamedScreen(names, crop=self.crop)


@dataclass(frozen=True, kw_only=True)
class Calm(_StepJudge):
    """CALM: a bonus for subgoals, as a language model sees them achieved.

    Attributes:
        subgoals: what has to happen on the way, at least one text.
        captions: what the game reports is shown too; ``none``: it is not.
        once: pay a subgoal once an episode, or at every step that is said to achieve it.
    """

    subgoals: Sequence[str]
    once: bool = True

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        object.__setattr__(self, "subgoals", [*check_texts("subgoals", self.subgoals)])
        check_flag("once", self.once)

    def texts_of(self, problem: Problem) -> tuple[str, ...]:
        """The subgoals."""
        return tuple(self.subgoals)

    def bonus(self, problem: Problem, labeller: Labeller, truth: StepTruth | None = None) -> SubgoalBonus:
        """What scores the steps."""
        captions = None if self.captions == "none" else self.captions_of(problem)
        screen = self.screen_of(problem)
        return SubgoalBonus(screen, labeller, self.goal, self.subgoals, captions=captions, truth=truth, once=self.once)

    def specification(self) -> str:
        """The text that builds it again.

        Raises:
            ValueError: there is none: a text holds quotes or brackets that the grammar takes for its own.
        """
        from payoff.baselines.reward_learners import reward_learner

        given = [(field.name, getattr(self, field.name), field.default) for field in fields(self)]
        text = "calm:" + ",".join(f"{name}={_written(value)}" for name, value, usual in given if value != usual)
        try:
            same = reward_learner(text) == self
        except (TypeError, ValueError):
            same = False
        if not same:
            raise ValueError(f"goal, subgoals and paths must have no quotes or brackets, to be written as {text}")
        return text


@dataclass(frozen=True, kw_only=True)
class Ellm(_StepJudge):
    """ELLM: a bonus for what a language model suggests for the state, once an episode for each report.

    Attributes:
        phrases: reports that it may choose among; none: all captions of the game.
        most: reports that it names for a state.
    """

    phrases: Sequence[str] = ()
    most: int = 3

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        check_sequence("phrases", self.phrases, "texts")
        if len(self.phrases):
            object.__setattr__(self, "phrases", [*check_texts("phrases", self.phrases)])
        check_integer("most", self.most, 1, MOST_TEXTS)

    def texts_of(self, problem: Problem) -> tuple[str, ...]:
        """The phrases."""
        known = tuple(self.phrases) or tuple(getattr(self.captions_of(problem), "texts", ()))
        if not known:
            raise ValueError(f"phrases must be given: {problem.env_id} has no list of its captions")
        return known

    def bonus(self, problem: Problem, labeller: Labeller, truth: StepTruth | None = None) -> SuggestionBonus:
        """What scores the steps."""
        captions, screen = self.captions_of(problem), self.screen_of(problem)
        phrases = self.texts_of(problem)
        return SuggestionBonus(screen, labeller, self.goal, phrases, captions, most=self.most, truth=truth)


def step_truth(truth: Mapping[str, str], texts: Sequence[str], problem: Problem) -> StepTruth:
    """The right answers about steps.

    Args:
        truth: text -> expression.
        texts: all K, in their order; those without an expression are never meant.
        problem: the environment.

    Raises:
        TypeError: ``truth`` is no mapping of texts.
        ValueError: a text that there is not, or an expression that is none.
    """
    check_mapping("truth", truth, "expressions")
    for name in truth:
        if name not in texts:
            raise ValueError(f"truth must be of {', '.join(map(repr, texts))}, got {name!r}{near(str(name), texts)}")
    names = problem.names()
    for name, text in truth.items():
        try:
            StepTruth([text], names=names)
        except (TypeError, ValueError) as error:
            raise type(error)(f"truth of {name!r}: {str(error).partition(': ')[2]}") from error
    return StepTruth([truth.get(text, "0") for text in texts], names=names)


def _written(value: Any) -> str:
    """A value as a specification has it: words without quotes where these are not needed."""
    plain = isinstance(value, str) and value.replace(" ", "").replace("-", "").isalpha()
    return value if plain and value not in ("true", "false", "null") else json.dumps(value, separators=(",", ":"))
