"""Who says which of several behaviours is best and which is worst: ``payoff``, ``human``, or ``package.module:Name``.

A judge from outside is an object with ``choose(shown)``, where ``shown`` holds the episodes of each behaviour
(:class:`payoff.baselines.llm.watched_play.Episode`); it returns the number of the best and that of the worst, from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from payoff.baselines.llm.person import answer
from payoff.baselines.llm.watched_play import Episode
from payoff.envs.core.specification import imported, parse, unknown_name
from payoff.wrappers.arguments import check_text

__all__ = ["JUDGES", "Judge", "Shown", "human_choice", "judge_of", "payoff_choice"]

Shown: TypeAlias = Sequence[Sequence[Episode]]
JUDGES = ("payoff", "human")
_MOST_SHOWN = 3  # episodes of a behaviour that a person is shown


@runtime_checkable
class Judge(Protocol):
    """Names the best and the worst of at least two behaviours."""

    def choose(self, shown: Shown) -> tuple[int, int]:
        """Numbers of the best and the worst, which differ."""
        ...


def judge_of(specification: str) -> Judge | None:
    """The judge from outside that a specification names; None for one of ``JUDGES``.

    Raises:
        ValueError: an unknown name, or something that is no judge.
        TypeError: no text, or a key that the judge does not take.
    """
    check_text("judge", specification)
    if specification in JUDGES:
        return None
    parsed = parse(specification, "judge", JUDGES)
    if not parsed.outside:
        raise unknown_name("judge", parsed.name, JUDGES)
    found: Judge = imported(parsed, _judges, "a judge")
    return found


def _judges(thing: Any) -> bool:
    return isinstance(thing, Judge) and not isinstance(thing, type)


def payoff_choice(shown: Shown, errors: float, draws: np.random.Generator) -> tuple[int, int]:
    """Best and worst by mean payoff: of equal ones the first is the best, and the last of the others the worst.

    Args:
        shown: at least two behaviours.
        errors: probability, for each of the two, that another one is named, where there is another: each with the same
            probability.
        draws: source of the draws.
    """
    payoffs = [float(np.mean([episode.payoff for episode in episodes])) for episodes in shown]
    wrong = draws.random(2) < errors
    everyone = list(range(len(shown)))
    best = _named(everyone, max(everyone, key=lambda k: payoffs[k]), bool(wrong[0]), draws)
    others = [k for k in reversed(everyone) if k != best]
    return best, _named(others, min(others, key=lambda k: payoffs[k]), bool(wrong[1]), draws)


def _named(among: Sequence[int], right: int, wrong: bool, draws: np.random.Generator) -> int:
    """The right one, or another where that is to be wrong."""
    left = [k for k in among if k != right]
    return int(draws.choice(left)) if wrong and left else right


def human_choice(shown: Shown, task: str, path: Path, say: Callable[[str], None]) -> tuple[int, int]:
    """Best and worst, as a person answers who sees what the behaviours did and no payoffs.

    Args:
        shown: at least two behaviours.
        task: what the learner should do.
        path: file of the answers; see :func:`payoff.baselines.llm.person.answer`.
        say: shows a line.

    Raises:
        ValueError: there is nobody to answer.
    """
    lines = [f"The task: {task}"]
    for k, episodes in enumerate(shown, 1):
        lines.append(f"behaviour {k}")
        lines += [f"    {episode.words(payoff=False)}" for episode in episodes[:_MOST_SHOWN]]
    lines.append(f"Which behaviour is best, and which is worst? Two numbers from 1 to {len(shown)}, such as: 2 1")

    def fault(given: str) -> str:
        numbers = given.split()
        fine = len(numbers) == 2 and all(n.isdecimal() and 1 <= int(n) <= len(shown) for n in numbers)
        return "" if fine and int(numbers[0]) != int(numbers[1]) else "It must be two different numbers of those shown."

    best, worst = answer(path, "\n".join(lines), fault, say).split()
    return int(best) - 1, int(worst) - 1
