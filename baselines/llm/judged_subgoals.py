"""Method ``calm``: subgoals from a language model, and its judgement of steps of random play.

    payoff llm-reward KeyRoom-v0 --method calm:crop=3 --task "reach the goal" --out results/calm ...

Unless the subgoals are given, one prompt asks for them. Then steps are played at random, and of all that look alike in
what is seen, the action and the report of the game, one is judged. The store of the call is a table of judgements,
which the reward learner ``calm`` replays. Where the truth is given too, the judgements are compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from payoff.baselines.llm.answering import play_randomly
from payoff.baselines.llm.methods import Outcome, Request
from payoff.baselines.llm.step_judges import Calm, step_truth
from payoff.baselines.reward_problem import Problem
from payoff.envs.core.params import check_integer
from payoff.wrappers import StepTruth
from payoff.wrappers.arguments import check_sequence
from payoff.wrappers.llm.client import ChatClient, ask_readable
from payoff.wrappers.llm.labellers import SilentLabeller
from payoff.wrappers.llm.propose import describe
from payoff.wrappers.llm.questions import Question
from payoff.wrappers.llm.subgoals import MOST_SUBGOALS, read_subgoals, subgoal_prompt
from payoff.wrappers.llm.subset_questions import check_texts, members

__all__ = ["JudgedSubgoal", "Subgoals"]

STORE = "store.jsonl"  # of the call's folder
_TOLD = 100  # judgements between two reports of progress


@dataclass(frozen=True)
class JudgedSubgoal:
    """A subgoal, and how often steps were said to achieve it.

    Attributes:
        text: the subgoal.
        by: who judged: the name of a model, or ``scripted``.
        steps: how many were judged, no two of which look alike.
        flagged: those that were said to achieve it.
        true: those that do; None where nobody knows.
        both: those that were said to, and do.
    """

    text: str
    by: str
    steps: int
    flagged: int
    true: int | None = None
    both: int | None = None

    @property
    def passed(self) -> bool:
        """Whether any step was said to achieve it: a subgoal that never is teaches nothing."""
        return self.flagged > 0

    @property
    def payoff(self) -> None:
        """None: no learner is trained."""

    @property
    def precision(self) -> float | None:
        """Share of the flagged steps that do achieve it; None where none is flagged or nobody knows."""
        return self.both / self.flagged if self.both is not None and self.flagged else None

    @property
    def recall(self) -> float | None:
        """Share of the steps that achieve it that are flagged; None where none does or nobody knows."""
        return self.both / self.true if self.both is not None and self.true else None

    @property
    def found(self) -> str:
        """All of that, in a line."""
        told = f"{self.flagged} of {self.steps} steps are said to achieve it"
        if self.true is None:
            return told
        shares = [f"{share:.3f}" if share is not None else "none" for share in (self.precision, self.recall)]
        return f"{told}, and {self.true} do: precision {shares[0]}, recall {shares[1]}"

    def as_dict(self) -> dict[str, Any]:
        """JSON values: the fields, ``precision``, ``recall`` and ``passed``."""
        return {**asdict(self), "precision": self.precision, "recall": self.recall, "passed": self.passed}


@dataclass(frozen=True, kw_only=True)
class Subgoals:
    """Asks for subgoals, and about steps.

    Attributes:
        subgoals: given ones; none: the model is asked for them.
        most: subgoals that are asked for, 1 to ``MOST_SUBGOALS``.
        screen: see :class:`payoff.baselines.llm.step_judges.Calm`, as for the others.
        crop: of the screen.
        captions: of the game.
        truth: subgoal -> expression of a step, to compare the judgements with; none: nobody knows.

    Raises:
        TypeError: a field is of another type.
        ValueError: a field is out of its range.
    """

    subgoals: Sequence[str] = ()
    most: int = 4
    screen: str = ""
    crop: int = 0
    captions: str = "caption"
    truth: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        """Check the fields."""
        check_sequence("subgoals", self.subgoals, "texts")
        if len(self.subgoals):
            check_texts("subgoals", self.subgoals)
        elif self.truth:
            raise ValueError(f"truth must be left out where the model is asked for subgoals, got {self.truth}")
        check_integer("most", self.most, 1, MOST_SUBGOALS)

    def check(self, request: Request) -> None:
        """Play a few steps; nobody is asked.

        Raises:
            ValueError: ``use`` is ``reward``, a text or the folder's name cannot be written in an option, or the steps
                cannot be shown in this environment.
        """
        if request.use == "reward":
            raise ValueError("use must be potential or added with method calm: subgoals alone are no task")
        learner = self._learner(request, self.subgoals or ["a subgoal"])
        learner.specification()  # what comes of it must be writable
        problem, truth = self._problem(request), self._truth(request)
        play_randomly(problem, learner.bonus(problem, SilentLabeller(), truth), 1)

    def run(self, request: Request, client: ChatClient) -> Outcome:
        """See :class:`payoff.baselines.llm.methods.LlmMethod`."""
        subgoals = self.subgoals or self._asked(request, client)
        problem, truth, learner = self._problem(request), self._truth(request), self._learner(request, subgoals)
        bonus = learner.bonus(problem, SilentLabeller(), truth)
        play_randomly(problem, bonus, request.steps)
        answers: dict[Question, float] = {}
        for question in bonus.book.waiting:
            if len(answers) % _TOLD == 0:
                request.say(f"{len(answers)} of {len(bonus.book.waiting)} steps are judged")
            answers[question] = ask_readable(client, question.messages(), question.read, tries=request.tries)[0]
        judged = _judged(subgoals, client.by, answers, truth)
        passed = tuple(sorted(judged, key=lambda subgoal: not subgoal.passed))
        option = ("--reward-learner", learner.specification()) if passed[0].passed else None
        return Outcome(passed, option, "subgoal")

    def _asked(self, request: Request, client: ChatClient) -> tuple[str, ...]:
        messages = subgoal_prompt(request.look(describe), request.task, self.most)

        def read(reply: str) -> tuple[str, ...]:
            found = read_subgoals(reply, self.most)
            self._learner(request, found).specification()
            return found

        return ask_readable(client, messages, read, tries=request.tries)[0]

    def _problem(self, request: Request) -> Problem:
        return Problem(
            env_id=request.env_id,
            keywords=request.keywords,
            gamma=request.gamma,
            on_truncation="bootstrap",
            seed=request.seed,
        )

    def _learner(self, request: Request, subgoals: Sequence[str]) -> Calm:
        return Calm(
            goal=request.task,
            subgoals=subgoals,
            use=request.use,
            replay=str(request.out / STORE),
            screen=self.screen,
            crop=self.crop,
            captions=self.captions,
        )

    def _truth(self, request: Request) -> StepTruth | None:
        return step_truth(self.truth, self.subgoals, self._problem(request)) if self.truth else None


def _judged(
    subgoals: Sequence[str], by: str, answers: Mapping[Question, float], truth: StepTruth | None
) -> list[JudgedSubgoal]:
    """What answers say of each subgoal, beside the truth."""
    count = len(subgoals)
    flagged = members(np.array([*answers.values()]), count)
    if truth is None:
        return [JudgedSubgoal(text, by, len(flagged), int(flagged[:, k].sum())) for k, text in enumerate(subgoals)]
    true = members(np.array([truth(question) for question in answers]), count)
    sums = [part.sum(axis=0).tolist() for part in (flagged, true, flagged & true)]
    return [JudgedSubgoal(text, by, len(flagged), *(part[k] for part in sums)) for k, text in enumerate(subgoals)]
