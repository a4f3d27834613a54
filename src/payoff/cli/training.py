"""``payoff train``, ``payoff ablate`` and ``payoff evaluate``: runs, and what comes of them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from payoff.cli.shared import UserError, assignments, console, user_errors

if TYPE_CHECKING:
    from rich.console import Console

    from payoff.baselines.results import RunConfig

__all__ = ["Ablate", "Evaluate", "Train"]

_SHOWN = (
    "payoffs",
    "welfare",
    "welfare_random",
    "welfare_best_constant",
    "best_level",
    "score",
    "welfare_ratio",
    "fairness_jain",
    "fairness_worst_off",
    "cooperation",
    "episode_length",
    "wall_seconds",
)


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train one policy, evaluate it in payoffs, and write its checkpoint and its row of results.

    A run that was finished before is shown, not repeated.

    Examples:
        payoff train --algo ippo --env payoff/TrustDilemma-v0 --reward integrated --seed 1 --out results/one
        payoff train --algo ppo --env payoff/KeyRoom-v0 --out results/key --params size=5 --set learning_rate=0.0005
        payoff train --algo ippo --env payoff/TrustDilemma-v0 --out results/one --total-steps 200000 --resume
    """

    env: str
    """environment id; the namespace payoff/ may be left out"""
    out: Path
    """folder for checkpoints/ and runs/"""
    algo: str = "ippo"
    """trainer: ippo, ppo, balanced_ppo, sb3, or package.module with Args and train"""
    reward: str | None = None
    """reward layer to train on, a name or package.module:Name; the game's default when left out"""
    seed: int = 1
    """seed of the training"""
    total_steps: int | None = None
    """environment steps, all copies together; the trainer's default when left out"""
    episodes: int = 10
    """evaluation episodes"""
    params: tuple[str, ...] = ()
    """game parameters and view settings, name=value"""
    set: tuple[str, ...] = ()
    """settings of the trainer, name=value"""
    resume: bool = False
    """go on from the run's checkpoint, if there is one"""

    def run(self) -> int:
        """See :class:`payoff.cli.Command`."""
        from payoff.baselines import run

        with user_errors():
            config = run.configure(
                algo=self.algo,
                env_id=self.env,
                reward=self.reward,
                seed=self.seed,
                env_params=assignments("params", self.params),
                settings=assignments("set", self.set),
                total_steps=self.total_steps,
                evaluation_episodes=self.episodes,
            )
            row = self._stored(config)
        screen = console()
        if row is None:
            with run.progress(screen) as bar:
                task = bar.add_task(str(config), total=None)
                row = run.execute(config, self.out, lambda done, total: bar.update(task, completed=done, total=total))
        else:
            screen.print("finished before:", highlight=False)
        if row["status"] == "failed":
            print(f"payoff: the run failed: {row['message'].splitlines()[0]} (run {config.run_id})", file=sys.stderr)
            return 1
        _print_measures(row, screen)
        screen.print(f"checkpoint: {run.checkpoint_path(self.out, config.run_id)}", highlight=False, soft_wrap=True)
        return 0

    def _stored(self, config: RunConfig) -> dict[str, Any] | None:
        """The row of the run, if it is finished; a damaged row is named on standard error and counts as none.

        Raises:
            ValueError: its checkpoint is damaged, or it is half done and nobody said what to do with it.
        """
        from payoff.baselines import checkpoint, results, run

        saved = run.checkpoint_path(self.out, config.run_id)
        path = results.row_path(self.out, config.run_id)
        try:
            row = results.read_row(path) if path.exists() else None
        except ValueError as error:
            print(f"payoff: {error}; running again", file=sys.stderr)
            row = None
        if row is not None and row["status"] == "ok":
            return row
        if saved.exists():
            checkpoint.load(saved)
            if not self.resume:
                raise ValueError(f"{saved} is half a run: go on from it with --resume, or delete it to start over")
        return None


@dataclass(frozen=True, kw_only=True)
class Ablate:
    """Train the same learner in the same games under different rewards, and compare in payoffs.

    Every combination of environment, reward and seed is one run. Killed or stopped with Ctrl-C, the same command goes
    on where it was. Ends with tables, figures and report.html in the results folder, and status 1 if a run failed.

    Examples:
        payoff ablate --out results/ablation
        payoff ablate --envs TrustDilemma-v0 LoyaltyTeam-v0 --rewards private svo:0.8 --seeds 5 --out results/svo
        payoff ablate --rewards private mutuality:0.5 --seeds 1 --total-steps 50000 --processes 1 --out results/quick
    """

    out: Path
    """results folder"""
    envs: tuple[str, ...] = ("payoff/TrustDilemma-v0", "payoff/ReciprocalDilemma-v0")
    """environment ids; the namespace payoff/ may be left out"""
    rewards: tuple[str, ...] = ("private", "integrated", "cooperative")
    """reward layers to train on: names, numbers after a colon, or package.module:Name"""
    seeds: int = 3
    """number of seeds: 1 to this"""
    algo: str = "ippo"
    """trainer: ippo, ppo, balanced_ppo, sb3, or package.module with Args and train"""
    total_steps: int | None = None
    """environment steps of a run, all copies together; the trainer's default when left out"""
    episodes: int = 10
    """evaluation episodes of a run"""
    set: tuple[str, ...] = ()
    """settings of the trainer, name=value"""
    processes: int = 2
    """runs at a time, each with one thread"""
    engine: Literal["local"] = "local"
    """where runs are executed"""

    def run(self) -> int:
        """See :class:`payoff.cli.Command`."""
        from payoff.baselines.ablation import Ablation, ablate

        with user_errors():
            ablation = Ablation(
                envs=self.envs,
                rewards=self.rewards,
                seeds=self.seeds,
                algo=self.algo,
                total_steps=self.total_steps,
                episodes=self.episodes,
                settings=assignments("set", self.set),
                engine=self.engine,
            )
            configs = ablation.configs()
            if self.processes < 1:
                raise ValueError(f"processes must be at least 1, got {self.processes}")
            self.out.mkdir(parents=True, exist_ok=True)
        command = shlex.join(["payoff", *sys.argv[1:]])
        try:
            return ablate(configs, self.out, processes=self.processes, console=console(), command=command)
        except OSError as error:  # a full disk, a folder that went away: rows cannot even say that runs failed
            raise UserError(f"cannot write results: {error}") from error


@dataclass(frozen=True)
class Evaluate:
    """Play a policy and report payoffs per seat, welfare against the yardsticks, fairness and cooperation.

    Examples:
        payoff evaluate random --env payoff/TrustDilemma-v0
        payoff evaluate constant:0.4 --env payoff/TrustDilemma-v0 --episodes 1
        payoff evaluate results/one/checkpoints/5d1f0c9a3b7e2468.safetensors --episodes 20
    """

    policy: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="POLICY")]
    """checkpoint file, random, or constant:LEVEL with a share of the endowment in [0, 1]"""
    env: str | None = None
    """environment id; a checkpoint knows its own"""
    episodes: int = 10
    """episodes to play"""
    seed: int = 1_000_000
    """seed of the first episode"""
    params: tuple[str, ...] = ()
    """game parameters and view settings, name=value"""

    def run(self) -> int:
        """See :class:`payoff.cli.Command`."""
        from payoff.baselines import run
        from payoff.baselines.measure import measure

        if self.episodes < 1:
            raise UserError(f"episodes must be at least 1, got {self.episodes}")
        with user_errors():
            named = run.load_policy(self.policy, self.env, assignments("params", self.params))
            measures = measure(
                named.policy,
                named.env_id,
                named.env_params,
                view=named.view,
                episodes=self.episodes,
                seed=self.seed,
            )
        _print_measures({"env_id": named.env_id, **measures}, console())
        return 0


def _print_measures(row: Mapping[str, Any], screen: Console) -> None:
    """The numbers of a run, or of an evaluation, with what they mean."""
    from rich.table import Table

    from payoff.baselines.results import COLUMNS

    table = Table("quantity", "value", "meaning", box=None, pad_edge=False, header_style="bold")
    meaning = {column.name: column.meaning for column in COLUMNS}
    for name in _SHOWN:
        value = row.get(name)
        if value is not None:
            numbers = value if isinstance(value, list) else [value]
            table.add_row(name, ", ".join(f"{x:.6g}" for x in numbers), meaning[name])
    screen.print(f"[bold]{row['env_id']}[/bold]", highlight=False)
    screen.print(table)
