"""``payoff reward``: what a file of a learned reward holds, and a picture of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from payoff.cli.shared import UserError, assignments, console, user_errors

if TYPE_CHECKING:
    from payoff.wrappers import LearnedReward

__all__ = ["ShowReward"]


@dataclass(frozen=True)
class ShowReward:
    """Show a learned reward: its kind, its settings and numbers, and where an environment is named, a figure of it.

    The figure is a map where observations are two numbers, and sums along episodes of random play elsewhere.

    Examples:
        payoff reward results/a/rewards/0c1f9a7be4d2853f.safetensors
        payoff reward results/a/rewards/0c1f9a7be4d2853f.safetensors --env GridNav-v0 --out results/reward.png
    """

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """such as a run with a reward learner leaves in rewards/ of its results folder, or a checkpoint of bilevel"""
    env: str | None = None
    """environment id, for the figure"""
    out: Path | None = None
    """file of the figure, .png or .svg"""
    params: tuple[str, ...] = ()
    """game parameters and view settings, name=value"""

    def run(self) -> int:
        """See :class:`payoff.cli.Command`."""
        from payoff.baselines.screen import say

        if (self.env is None) != (self.out is None):
            raise UserError("a figure needs both --env and --out")
        with user_errors():
            from payoff.baselines.reward_file import read_reward

            try:
                reward = read_reward(self.file)
            except OSError as error:
                raise ValueError(f"cannot read {self.file}: {error.strerror}") from error
            self._draw(reward)
        screen = console()
        say(screen, f"{type(reward).__name__}: {self.file}")
        for name, value in reward.settings().items():
            say(screen, f"{name}: {value!r}")
        for name, array in reward.arrays().items():
            shape = " x ".join(map(str, array.shape)) or "one number"
            say(screen, f"{name}: {shape}, {array.min():.4g} to {array.max():.4g}" if array.size else f"{name}: empty")
        if self.out is not None:
            say(screen, f"figure: {self.out}")
        return 0

    def _draw(self, reward: LearnedReward) -> None:
        if self.env is None or self.out is None:
            return
        from payoff.baselines import environments
        from payoff.baselines.reward_figure import reward_figure
        from payoff.calibration.compare.figure import FORMS, encode
        from payoff.files import write_atomically

        form = self.out.suffix[1:].lower()
        if form not in FORMS:
            raise UserError(f"--out must be a file that ends in .{' or .'.join(FORMS)}, got {self.out}")
        figure = reward_figure(reward, environments.find(self.env), assignments("params", self.params))
        write_atomically(self.out, encode(figure, form))
