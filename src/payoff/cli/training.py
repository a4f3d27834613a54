"""``payoff train`` and ``payoff evaluate``: one run, and what its policy is worth."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from payoff.cli.shared import assignments, console, printable, results_written, user_errors

if TYPE_CHECKING:
    from rich.console import Console

    from payoff.baselines.results import RunConfig

__all__ = ["Evaluate", "Train"]

_SHOWN = (
    "payoffs",
    "welfare",
    "welfare_random",
    "welfare_best",
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
        payoff train --algo ppo --env KeyRoom-v0 --out results/key --shaping progress:2 --bonus count:coef=0.1
        payoff train --algo ppo --env TrustDilemma-v0 --out results/one --partners tit_for_tat --reward mine:Envy:0.3
        payoff train --algo ippo --env payoff/TrustDilemma-v0 --out results/one --total-steps 200000 --resume
    """

    env: str
    """environment id; the namespace payoff/ may be left out"""
    out: Path
    """folder for checkpoints/ and runs/"""
    algo: str = "ippo"
    """trainer: ippo, ppo, balanced_ppo, sb3, or package.module with Args and train"""
    reward: str | None = None
    """reward layer to train on, such as svo:0.8 or package.module:Name; the game's default when left out"""
    shaping: str = "none"
    """method around the reward, such as progress:scale=2 or package.module:Name"""
    bonus: str = "none"
    """exploration bonus, such as count:coef=0.1 or package.module:Name"""
    transform: str = "none"
    """what rewrites the rewards of whole episodes, such as ircr or package.module:Name"""
    partners: str = "none"
    """who plays the other seats, such as constant:0.4 or package.module:Name; for trainers of one seat"""
    reward_learner: str = "none"
    """what learns a reward before the training, such as saved:path=FILE or package.module:Name"""
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
        from payoff.baselines.results import make_folder
        from payoff.baselines.screen import progress, say

        with user_errors():
            config = run.configure(
                algo=self.algo,
                env_id=self.env,
                reward=self.reward,
                seed=self.seed,
                env_params=assignments("params", self.params),
                shaping=self.shaping,
                bonus=self.bonus,
                transform=self.transform,
                partners=self.partners,
                reward_learner=self.reward_learner,
                settings=assignments("set", self.set),
                total_steps=self.total_steps,
                evaluation_episodes=self.episodes,
            )
            row = self._stored(config)
            if row is None:
                make_folder(self.out)
        screen = console()
        if row is None:
            with results_written(), progress(screen) as bar:
                task = bar.add_task(str(config), total=None)
                row = run.execute(config, self.out, lambda done, total: bar.update(task, completed=done, total=total))
        else:
            say(screen, "finished before:")
        if row["status"] == "failed":
            told = printable(row["message"].splitlines()[0])
            print(f"payoff: the run failed: {told} (run {config.run_id})", file=sys.stderr)
            return 1
        _print_measures(row, screen)
        saved = run.checkpoint_path(self.out, config.run_id)
        if saved.exists():  # a trainer of another package may keep none
            say(screen, f"checkpoint: {saved}")
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
    algo: str | None = None
    """trainer of the checkpoint, where it is one of yours: package.module"""

    def run(self) -> int:
        """See :class:`payoff.cli.Command`."""
        from payoff.baselines import run
        from payoff.baselines.measure import measure
        from payoff.baselines.results import LARGEST_SEED, MOST_EPISODES
        from payoff.envs.core.params import check_integer

        with user_errors():
            check_integer("episodes", self.episodes, 1, MOST_EPISODES)
            check_integer("seed", self.seed, 0, LARGEST_SEED - MOST_EPISODES)
            named = run.load_policy(self.policy, self.env, assignments("params", self.params), self.algo)
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
    screen.print(row["env_id"], style="bold")
    screen.print(table)
