"""Method ``icpl``: a judge says which behaviour is best and which is worst, and the next prompt says both.

    payoff llm-reward GridNav-v0 --task "reach the goal" --out results/llm --mutate obs.x --method icpl:judge=human

After ICPL (Yu et al. 2024, "ICPL: Few-shot In-context Preference Learning via LLMs"), from a description of its public
code. Each round asks the same prompt several times and trains under each candidate; a judge looks at what the learners
do and names the best and the worst. The next prompt builds on the best, shows the worst as what to avoid, lists what
changed from each round's best to the next one's, and how the terms of the best moved in its training.

What differs from the source: terms are expressions and not Python; what changed is worked out here, word by word, where
the source asks the model for it; a judge names behaviours from text, not from videos. The judge steers; what comes of
the whole is still the best by payoff.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from payoff.baselines.llm.evolution import Evolution, Round, Tried, numbers_of
from payoff.baselines.llm.judges import human_choice, judge_of, payoff_choice
from payoff.baselines.llm.methods import Request
from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.llm.client import ChatClient

__all__ = ["Choice", "Icpl", "changes"]

_MOST_CHANGES = 1000  # characters of what changed from one round to the next
_WORD = re.compile(r"[A-Za-z0-9_.\[\]]+|\S")


@dataclass(frozen=True)
class Choice:
    """What a judge said of a round; ``worst`` is None where only one was trained."""

    best: Tried
    worst: Tried | None


@dataclass(frozen=True, kw_only=True)
class Icpl(Evolution):
    """See the module.

    Attributes:
        judge: ``payoff``, a simulated one who knows the payoffs; ``human``; or ``package.module:Name`` (see
            :mod:`payoff.baselines.llm.judges`).
        errors: probability, for each of best and worst, that the simulated judge names another one.

    Raises:
        TypeError: as the base, or ``judge`` is no text.
        ValueError: as the base, an unknown judge, or errors with a judge that is not simulated.
    """

    method: ClassVar[str] = "icpl"

    candidates: int = 6
    judge: str = "payoff"
    errors: float = 0.0

    def __post_init__(self) -> None:
        """Check the fields."""
        Evolution.__post_init__(self)
        check_integer("candidates", self.candidates, 2)
        judge_of(self.judge)
        check_number("errors", self.errors, 0.0, 1.0)
        if self.errors and self.judge != "payoff":
            raise ValueError(f"errors must be 0 unless judge is payoff, got {self.errors} with {self.judge}")

    @property
    def tells_payoffs(self) -> bool:
        """See :class:`payoff.baselines.llm.evolution.Evolution`."""
        return self.judge != "human"

    def noted(self, request: Request, client: ChatClient, rounds: Sequence[Round], now: Round) -> Choice | None:
        """What the judge says; None where nothing was trained."""
        scored = now.scored
        if len(scored) < 2:
            return Choice(scored[0], None) if scored else None
        shown = [tried.trained.episodes for tried in scored if tried.trained is not None]
        outside = judge_of(self.judge)
        if outside is not None:
            named = outside.choose(shown)
            if not isinstance(named, tuple | list) or len(named) != 2:
                raise TypeError(f"judge {self.judge} must return two numbers, got {named!r}")
            best, worst = named
            for name, value in (("best", best), ("worst", worst)):
                check_integer(f"{name} of judge {self.judge}", value, 0, len(shown) - 1)
            if best == worst:
                raise ValueError(f"judge {self.judge} must name two behaviours, got {best} for both")
        elif self.judge == "human":
            best, worst = human_choice(shown, request.task, request.out / "person.jsonl", request.say)
        else:
            best, worst = payoff_choice(shown, self.errors, np.random.default_rng([request.seed, now.number]))
        return Choice(scored[best], scored[worst])

    def feedback(self, request: Request, rounds: Sequence[Round]) -> tuple[str, str]:
        """See :class:`payoff.baselines.llm.evolution.Evolution`."""
        head = f"Round {rounds[-1].number} of {self.rounds} is over."
        choices = [now.note for now in rounds if now.note is not None]
        if not choices:
            last = rounds[-1].tried[0]
            return last.reply, f"{head}\n\nThe reward above could not be used: {last.fault}\n\nWrite another."
        best, worst = choices[-1].best, choices[-1].worst
        words = [head, "A judge liked the behaviour best that was learned under the reward above.", numbers_of(best)]
        if worst is not None:
            words.append(
                f"The judge liked the behaviour least that was learned under this one; avoid it:\n{worst.reply}"
            )
        steps = [changes(a.best, b.best) for a, b in pairwise(choices)]
        if steps:
            listed = "\n".join(f"- {step}" for step in steps)
            words.append(f"What changed from the best of each round to that of the next:\n{listed}")
        words.append("Change the reward above so that the behaviour gets better.")
        return best.reply, "\n\n".join(words)


def changes(one: Tried, other: Tried) -> str:
    """What was taken out of a reward and what was put in, in one line."""
    before, after = _words(one), _words(other)
    taken: list[str] = []
    put: list[str] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes():
        if kind != "equal":
            taken += [" ".join(before[a:b])] if b > a else []
            put += [" ".join(after[c:d])] if d > c else []
    if not taken and not put:
        return "nothing"
    told = [f"taken out: {' | '.join(taken)}" if taken else "", f"put in: {' | '.join(put)}" if put else ""]
    return "; ".join(part for part in told if part)[:_MOST_CHANGES]


def _words(tried: Tried) -> list[str]:
    return [word for name, text in tried.terms.items() for word in [f"{name}:", *_WORD.findall(text)]]
