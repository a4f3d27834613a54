"""Method ``eureka``: many rewards at a time; the best so far is fed back with how each of its terms moved.

    payoff llm-reward GridNav-v0 --task "reach the goal" --out results/llm --mutate obs.x --method eureka:rounds=5

After Eureka (Ma et al. 2023, "Eureka: Human-Level Reward Design via Coding Large Language Models"), from a description
of its public code. Each round asks the same prompt several times. The candidate with the largest payoff goes into the
next prompt, with the least, mean and largest value of each of its terms in each tenth of the training, and with the
payoffs of the training's episodes; where none could be trained, the reason. Only this last exchange is kept.

What differs from the source: terms are expressions and not Python; the best is that of all rounds so far and not of the
last one, so that a bad round does no harm; training is in this process. Unverified: the paper's 16 candidates and 5
rounds, told from memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from payoff.baselines.llm.evolution import Evolution, Round, best_of, numbers_of
from payoff.baselines.llm.methods import Request

__all__ = ["Eureka"]

_HINTS = """A term whose values hardly change tells the learner nothing: rescale it, replace it or leave it out.
A term that is much larger than the others drowns them. A term that rises while the payoff does not is farmed or does
not lead to the goal."""


@dataclass(frozen=True, kw_only=True)
class Eureka(Evolution):
    """See the module; settings are those of :class:`payoff.baselines.llm.evolution.Evolution`."""

    method: ClassVar[str] = "eureka"

    candidates: int = 16

    def feedback(self, request: Request, rounds: Sequence[Round]) -> tuple[str, str]:
        """See :class:`payoff.baselines.llm.evolution.Evolution`."""
        every = [tried for now in rounds for tried in now.tried]
        best = best_of(every)
        head = f"Round {rounds[-1].number} of {self.rounds} is over. {_round(rounds[-1])}"
        if best is None:
            last = rounds[-1].tried[0]
            return last.reply, f"{head}\n\nThe reward above could not be used: {last.fault}\n\nWrite another."
        assert best.trained is not None
        words = [
            head,
            f"The reward above is the best so far: payoff {best.score:.6g} of an episode, mean over "
            f"{len(best.trained.episodes)} episodes after the training.",
            numbers_of(best),
            _HINTS,
            "Write a reward that leads to a larger payoff.",
        ]
        return best.reply, "\n\n".join(words)


def _round(now: Round) -> str:
    """What a round came to."""
    payoffs = [tried.score for tried in now.scored]
    faults = list(dict.fromkeys(tried.fault for tried in now.tried if not tried.scored))
    told = f"{len(payoffs)} of {len(now.tried)} rewards were trained"
    told += f", with payoffs from {min(payoffs):.6g} to {max(payoffs):.6g}." if payoffs else "."
    return told + "".join(f"\n- not usable: {fault}" for fault in faults)
