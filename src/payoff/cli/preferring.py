"""``payoff prefer``: which of two stretches of play is better? A person says, and the answers are a file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from payoff.cli.shared import UserError, assignments, console, results_written, user_errors

if TYPE_CHECKING:
    from payoff.baselines.asking import Session
    from payoff.cli.screens import Screen

__all__ = ["Prefer"]

_ANSWERS: dict[str, float | str] = {"left": 1, "right": 0, "equal": 0.5, "skip": "skip"}


@dataclass(frozen=True)
class Prefer:
    """Ask which of two stretches of play is better, again and again, and keep the answers in a file.

    Keys: left or 1, right or 2, down or = for equally good, up or s to skip, q or escape to stop. A later call with the
    same file goes on where the last one stopped. A reward is learned from the file by
    --reward-learner preferences:file=FILE.

    Examples:
        payoff prefer payoff/Delivery-v0 --out answers.jsonl
        payoff prefer Delivery-v0 --out answers.jsonl --policy results/one/checkpoints/5d1f0c9a3b7e2468.safetensors
        payoff prefer CartPole-v1 --out cart.jsonl --length 40 --questions 20 --screen terminal
    """

    env: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ENV")]
    """environment id; the namespace payoff/ may be left out"""
    out: Path
    """file of the answers, .jsonl; the segments go beside it"""
    policy: str = "random"
    """who plays: random, or a checkpoint of a trainer of one seat"""
    segments: int = 40
    """stretches of play"""
    length: int = 10
    """steps of each"""
    questions: int = 50
    """pairs to ask about, in all calls together"""
    annotator: str = "me"
    """name of whoever answers"""
    screen: Literal["window", "terminal"] = "window"
    """window, or two pictures in files and keys in the terminal, which also comes where no window can be opened"""
    speed: float = 6.0
    """steps shown a second"""
    script: Path | None = None
    """file of answers instead of a person's keys: left, right, equal, skip or quit, one a line"""
    seed: int = 0
    """seed of the play and of the pairs"""
    params: tuple[str, ...] = ()
    """game parameters and view settings, name=value"""

    def run(self) -> int:
        """See :class:`payoff.cli.Command`."""
        with user_errors():
            from payoff.baselines.asking import Questions, Session
            from payoff.cli.screens import open_screen, read_script
            from payoff.envs.core.params import check_number

            if self.out.suffix != ".jsonl":
                raise UserError(f"--out must be a file that ends in .jsonl, got {self.out}")
            if not self.annotator:
                raise UserError("--annotator must be a name, got an empty one")
            check_number("speed", self.speed, 0.0, 1000.0, open_low=True)
            script = None if self.script is None else read_script(self.script)
            session = Session(
                self.out,
                Questions(
                    env_id=self.env,
                    keywords=assignments("params", self.params),
                    policy=self.policy,
                    segments=self.segments,
                    length=self.length,
                    questions=self.questions,
                    seed=self.seed,
                ),
            )
            screen = open_screen(self.screen, self.speed, script, self.out)
        try:
            asked = self._ask(session, screen)
        finally:
            screen.close()
        left = len(session.left) - asked
        console().print(
            f"{asked} answers more in {self.out}, {left} of {self.questions} questions left", soft_wrap=True
        )
        return 0

    def _ask(self, session: Session, screen: Screen) -> int:
        """Show pair after pair until none is left or the annotator stops; how many were answered."""
        from payoff.wrappers import append_answer

        for number, (first, second) in enumerate(session.left):
            title = f"question {self.questions - len(session.left) + number + 1} of {self.questions}"
            with user_errors():
                key = screen.ask(session.played.frames(first), session.played.frames(second), title)
            if key == "quit":
                return number
            with results_written():
                append_answer(self.out, first, second, _ANSWERS[key], annotator=self.annotator, seed=self.seed)
            sys.stdout.flush()
        return len(session.left)
