"""``payoff corpus``: the candidates of calls of ``payoff llm-reward`` as one Parquet file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from payoff.cli.shared import UserError, console, printable, results_written, user_errors

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Corpus"]


@dataclass(frozen=True)
class Corpus:
    """Collect every candidate of llm-reward folders in one Parquet file: prompt, reply, verdict, distances, payoff.

    A folder holds run.json, store.jsonl and candidates.jsonl; one that is damaged, changed or not finished is refused.
    With --train-steps a learner is trained under each candidate that can be used and has no payoff yet, all in the same
    way; each training that is finished is kept beside the file, in trained/, and a second call goes on from there.

    Examples:
        payoff corpus docs/llm/runs/grid_nav docs/llm/runs/grid_nav_reward --out results/corpus.parquet
        payoff corpus results/llm --out results/corpus.parquet --train-steps 20000 --train-seeds 3
    """

    folders: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """folders of llm-reward"""
    out: Path
    """file of the corpus, .parquet"""
    train_steps: int | None = None
    """environment steps of a training; without: nothing is trained"""
    train_seeds: int = 1
    """trainings of each candidate"""
    algo: str = "auto"
    """a trainer of one seat; auto: Q-learning in tabular games of one player, ppo elsewhere"""
    episodes: int = 10
    """episodes that a trained policy is scored on"""
    seed: int = 0
    """seed of the first training of each candidate"""

    def run(self) -> int:
        """See :class:`payoff.cli.Command`."""
        from payoff.baselines.llm.reward_corpus import collect, train, write_corpus

        if not self.folders:
            raise UserError("needs a FOLDER of llm-reward")
        if self.out.suffix != ".parquet":
            raise UserError(f"--out must be a file that ends in .parquet, got {self.out}")
        with user_errors():
            frame = collect(self.folders)
        if self.train_steps is not None:
            from payoff.baselines.llm.brief_training import BriefTraining

            with user_errors():
                training = BriefTraining(
                    algo=self.algo, steps=self.train_steps, seeds=self.train_seeds, episodes=self.episodes
                )
                frame = train(
                    frame,
                    training,
                    self.out.parent,
                    seed=self.seed,
                    say=lambda line: print(printable(line), file=sys.stderr),
                )
        with results_written():
            write_corpus(frame, self.out)
        self._print(frame)
        return 0

    def _print(self, frame: pl.DataFrame) -> None:
        from rich.table import Table

        from payoff.baselines.llm.reward_corpus import SUMMARY, summary

        screen = console()
        table = Table(*SUMMARY, box=None, pad_edge=False, header_style="bold")
        for row in summary(frame):
            table.add_row(*map(printable, row))
        screen.print(table)
        screen.print(f"{frame.height} candidates: {self.out}", soft_wrap=True)
