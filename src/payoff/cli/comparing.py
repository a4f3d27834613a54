"""``payoff compare``: how differently rewards of a game order policies, and what that can cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import tyro

from payoff.cli.shared import UserError, assignments, console, user_errors

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from payoff.calibration.compare.report import Comparison
    from payoff.wrappers import LearnedReward

__all__ = ["Compare"]

_Canon = Literal["val", "val_potential", "epic", "dard", "minimal_potential", "minimal", "none"]


@dataclass(frozen=True)
class Compare:
    """Distances between rewards of a game: 0 where they order all policies alike, 2 between a reward and its opposite.

    Exact on tabular games of one player, with what following each reward costs in payoff; elsewhere from uniformly
    random play, with a noise floor: a distance below it is no difference. A layer is a sum such as payoff+0.5*aux, of
    payoff, aux, shaping:KEY (a potential that is info[KEY]), shaped:KEY (payoff + shaping:KEY), clipped:L, and reward
    layers (private, integrated, cooperative, svo:0.4, package.module:Name ...).

    Examples:
        payoff compare payoff/GridNav-v0 --layers payoff aux payoff+aux shaped:progress --params aux=misleading
        payoff compare payoff/TrustDilemma-v0 --layers private integrated cooperative --out results/trust.png
        payoff compare CliffWalk-v0 --layers payoff clipped:1 shaped:progress --canon epic --curves results/curves.svg
        payoff compare GridNav-v0 --layers payoff payoff+aux --learned results/a/rewards/0c1f9a7be4d2853f.safetensors
    """

    env: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ENV")]
    """environment id; the namespace payoff/ may be left out"""
    layers: tuple[str, ...]
    """rewards to compare, two or more with those that are learned"""
    learned: tuple[Path, ...] = ()
    """files of learned rewards, such as runs with a reward learner leave in rewards/, or checkpoints of bilevel"""
    out: Path | None = None
    """file of a heat map, .png or .svg"""
    curves: Path | None = None
    """file of a figure of payoff against divergence from random play, .png or .svg; exact models only"""
    canon: _Canon | None = None
    """canonical form; val where distances are exact and val_potential where they are sampled when left out"""
    norm: Literal["l1", "l2", "linf"] = "l2"
    """norm of length and distance"""
    weighted: bool = False
    """weigh transitions by their probability"""
    gamma: float = 0.99
    """discount, in (0, 1)"""
    sampled: bool = False
    """sample even where an exact model could be made"""
    samples: int = 20_000
    """transitions of a sample"""
    agent: int = 0
    """seat whose rewards are compared, in games of several players"""
    starts: tuple[int, ...] = (0,)
    """seeds of the starts of an exact model"""
    max_states: int = 10_000
    """largest exact model"""
    epsilon: float = 0.01
    """changes that a reward's optimal policy has to answer, as a share of its largest advantage over random play"""
    seed: int = 0
    """seed of whatever is random"""
    params: tuple[str, ...] = ()
    """game parameters, name=value"""

    def run(self) -> int:
        """See :class:`payoff.cli.Command`."""
        with user_errors():
            for option, path in (("out", self.out), ("curves", self.curves)):
                _check_figure(option, path)
            from payoff.calibration.compare.report import Plan, compare_layers

            plan = Plan(
                canon=self.canon,
                norm=self.norm,
                weighted=self.weighted,
                gamma=self.gamma,
                sampled=self.sampled,
                samples=self.samples,
                agent=self.agent,
                starts=self.starts,
                max_states=self.max_states,
                epsilon=self.epsilon,
                seed=self.seed,
                curves=self.curves is not None,
            )
            learned = {str(path): _learned(path) for path in self.learned}
            found = compare_layers(self.env, self.layers, plan, assignments("params", self.params), learned=learned)
        self._draw(found)
        _print(found, self.epsilon, console())
        for path in (self.out, self.curves):
            if path is not None:
                console().print(f"figure: {path}", soft_wrap=True)
        return 0

    def _draw(self, found: Comparison) -> None:
        from payoff.calibration.compare import figure

        for path, draw in ((self.out, figure.heat_map), (self.curves, figure.curves)):
            if path is None:
                continue
            with user_errors():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(figure.encode(draw(found), path.suffix[1:].lower()))


def _learned(path: Path) -> LearnedReward:
    from payoff.baselines.reward_file import read_reward

    try:
        return read_reward(path)
    except OSError as error:
        raise ValueError(f"learned must be files of rewards: {path}: {error.strerror}") from error


def _check_figure(option: str, path: Path | None) -> None:
    """Before the work: the figure can be drawn, and its form is known."""
    if path is None:
        return
    from payoff.calibration.compare.figure import FORMS
    from payoff.extras import require

    if path.suffix[1:].lower() not in FORMS:
        raise UserError(f"--{option} must be a file that ends in .{' or .'.join(FORMS)}, got {path}")
    if path.is_dir():
        raise UserError(f"--{option} must be a file, and {path} is a folder")
    require("matplotlib", "train")


def _print(found: Comparison, epsilon: float, screen: Console) -> None:
    from rich.table import Table

    how = f"{found.canon}, {found.norm}{', weighted' if found.weighted else ''}, gamma {found.gamma:g}"
    screen.print(_headed(found.env_id, f": distances between rewards ({how})"))
    screen.print(f"{found.basis}\n")
    table = Table("", *found.names, box=None, pad_edge=False, header_style="bold")
    if found.floor is not None:
        table.add_column("noise floor")
    for i, name in enumerate(found.names):
        row = [_short(x) for x in found.table[i]]
        table.add_row(name, *row, *([] if found.floor is None else [_short(found.floor[i])]))
    screen.print(table)
    if found.floor is not None:
        screen.print("\nnoise floor: distance from copies that potentials have shaped, which are equivalent")
        if found.flat:
            screen.print(f"paid the same on every transition, so that nothing is known: {', '.join(found.flat)}")
        return
    if not found.judged:
        screen.print("\ntoo many states for regret and cliffs")
        return
    _print_regret(found, screen)
    _print_cliff(found, epsilon, screen)


def _print_regret(found: Comparison, screen: Console) -> None:
    from rich.table import Table

    screen.print(_headed("\nJudged by the payoff", ", as shares of its best minus its worst return"))
    head = ("reward followed", "distance from payoff", "lost by its optimum", "lost at worst", "bound")
    table = Table(*head, box=None, pad_edge=False, header_style="bold")
    for one in found.judged:
        table.add_row(one.name, *(_short(x) for x in (one.distance, one.regret, one.worst, one.bound)))
    screen.print(table)
    screen.print(
        "lost at worst: on moving from any policy to another that the reward likes at least as well; bound: on this, "
        "by the distance; above 1 it says nothing"
    )


def _print_cliff(found: Comparison, epsilon: float, screen: Console) -> None:
    from rich.table import Table

    text = f": each reward changed by at most epsilon, {epsilon:g} of its largest advantage over random play"
    screen.print(_headed("\nPolicy cliff", text))
    head = ("reward", "epsilon", "median gap", "smallest gap", "open", "moved", "lost", "soft moved", "soft bound")
    table = Table(*head, box=None, pad_edge=False, header_style="bold")
    for one in found.judged:
        if one.cliff is None:
            table.add_row(one.name, "no policy is better than another")
            continue
        gaps = one.cliff.gaps[np.isfinite(one.cliff.gaps)]
        numbers = (
            one.cliff.epsilon,
            float(np.median(gaps)) if gaps.size else 0.0,
            float(gaps.min()) if gaps.size else 0.0,
            one.cliff.open_share,
            one.cliff.moved_share,
            one.cliff.lost / one.width if one.width > 0.0 else 0.0,
            one.cliff.soft_moved,
            one.cliff.soft_bound,
        )
        table.add_row(one.name, *(_short(x) for x in numbers))
    screen.print(table)
    screen.print(
        "gap: best minus second best action value; open, moved: share of the optimal policy's visits where another "
        "action may become optimal, and where one did;\nlost: share of the reward's own span; soft: largest move of "
        "the policy at a temperature of that advantage, of 2, and its bound"
    )


def _headed(head: str, rest: str) -> Text:
    from rich.text import Text

    return Text.assemble((head, "bold"), rest)


def _short(x: float) -> str:
    """Three decimals, and more digits where these would hide that a number is not 0."""
    return "0" if abs(x) < 1e-9 else f"{x:.3f}" if abs(x) >= 0.0995 else f"{x:.2g}"
