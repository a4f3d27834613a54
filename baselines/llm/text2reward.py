"""Method ``text2reward``: one reward at a time, with a sketch of the environment, and what its behaviour looked like.

    payoff llm-reward GridNav-v0 --task "reach the goal" --out results/llm --mutate obs.x --method text2reward

After Text2Reward (Xie et al. 2023, "Text2Reward: Reward Shaping with Language Models for Reinforcement Learning"), from
a description of its public code. The prompt shows what can be read as the sketch of a class, and asks to think of the
task in stages. After each training it is told what the policy did: successes, lengths, payoffs, what happened; or a
person says in a sentence what to do better.

What differs from the source: expressions in place of a method body, no examples of earlier tasks, and the feedback of a
simulated user is what was seen, without advice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from payoff.baselines.llm.evolution import TERMS_FORM, Evolution, Round, Tried
from payoff.baselines.llm.methods import Request
from payoff.baselines.llm.person import answer
from payoff.envs.core.params import check_word
from payoff.wrappers.llm.client import ChatClient
from payoff.wrappers.llm.propose import describe, readable
from payoff.wrappers.llm.store import Messages

__all__ = ["FEEDBACKS", "Text2Reward", "behaviour", "sketch"]

FEEDBACKS = ("payoff", "human")
_MOST_ADVICE = 1000  # characters of what a person says
_MOST_CAPTIONS = 12  # that are told
_STAGES = """Think of the task in stages, each of which a learner has to get through before the next. Let one
term pay for getting on in each stage, larger for later ones, so that going back to an earlier stage never pays."""


@dataclass(frozen=True, kw_only=True)
class Text2Reward(Evolution):
    """See the module.

    Attributes:
        feedback_by: ``payoff``: what was seen; ``human``: that, and what a person says.

    Raises:
        TypeError: as the base.
        ValueError: as the base, or another word.
    """

    method: ClassVar[str] = "text2reward"

    rounds: int = 3
    feedback_by: str = "payoff"

    def __post_init__(self) -> None:
        """Check the fields."""
        Evolution.__post_init__(self)
        check_word("feedback_by", self.feedback_by, FEEDBACKS)

    def opening(self, request: Request) -> Messages:
        """The prompt, with the sketch in place of the list of what can be read."""
        whole, lines = request.look(describe), request.look(readable)
        listed = "\n".join(f"- {line}" for line in lines)
        assert listed in whole
        return self.asked(request, TERMS_FORM, whole.replace(listed, f"{sketch(lines)}\n\n{_STAGES}"))

    def noted(self, request: Request, client: ChatClient, rounds: Sequence[Round], now: Round) -> str:
        """What a person says of the last behaviour; empty where nobody is asked, or it is the end."""
        if self.feedback_by != "human" or now.number == self.rounds or not now.scored:
            return ""
        shown = f"Round {now.number}. The task: {request.task}\n{behaviour(now.scored[-1])}\nWhat should it do better?"
        fault = f"It must be a sentence of at most {_MOST_ADVICE} characters."
        path = request.out / "person.jsonl"
        return answer(path, shown, lambda given: "" if 0 < len(given) <= _MOST_ADVICE else fault, request.say)

    def feedback(self, request: Request, rounds: Sequence[Round]) -> tuple[str, str]:
        """See :class:`payoff.baselines.llm.evolution.Evolution`."""
        now = rounds[-1]
        last = (now.scored or now.tried)[-1]
        words = [f"Round {now.number} of {self.rounds} is over."]
        if last.scored:
            words += ["A policy was trained under the reward above.", behaviour(last)]
            words += [f"A person says: {now.note}"] if now.note else []
            words.append("Change the reward so that the task is done more often and better.")
        else:
            words.append(f"The reward above could not be used: {last.fault}\n\nWrite another.")
        return last.reply, "\n\n".join(words)


def sketch(lines: Sequence[str]) -> str:
    """The sketch of a class whose fields are what can be read.

    Args:
        lines: of :func:`payoff.wrappers.llm.propose.readable`.

    >>> print(sketch(["obs[0], also obs.x: 0 to 1", "info.progress: a number"]))
    class Step:
        obs[0]: float  # also obs.x; 0 to 1
        info.progress: float  # a number
    """
    fields = []
    for line in lines:
        names, colon, what = line.partition(": ")
        name, _, also = names.partition(", ")
        kind = "Array" if what.startswith("numbers") else "float"
        told = "; ".join(part for part in (also, what) if part)
        fields.append(f"    {name}: {kind}  # {told}" if colon else f"    # {line}")
    return "\n".join(["class Step:", *fields])


def behaviour(tried: Tried) -> str:
    """What a trained policy did, in a few lines."""
    assert tried.trained is not None
    episodes = tried.trained.episodes
    payoffs = [episode.payoff for episode in episodes]
    steps = [episode.steps for episode in episodes]
    lines = [
        f"- {sum(x > 0 for x in payoffs)} of {len(episodes)} episodes had a payoff above 0; mean "
        f"{np.mean(payoffs):.6g}, from {min(payoffs):.6g} to {max(payoffs):.6g}",
        f"- {sum(e.ended for e in episodes)} of {len(episodes)} ended for good, the others were cut off; mean length "
        f"{np.mean(steps):.6g} steps",
    ]
    counts: Counter[str] = Counter()
    for episode in episodes:
        counts.update(episode.captions)
    if counts:
        told = [f"{text} ({count})" for text, count in counts.most_common(_MOST_CAPTIONS)]
        lines.append(f"- what happened, with counts over all episodes: {', '.join(told)}")
    lines.append(f"- one episode: {episodes[0].words(payoff=True)}")
    return "\n".join(lines)
