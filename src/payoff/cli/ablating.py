"""``payoff ablate``: all combinations of whatever may differ between trainings, from the command line or a file."""

from __future__ import annotations

import json
import shlex
import sys
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from payoff.cli.shared import UserError, assignments, console, near, results_written, user_errors

__all__ = ["Ablate"]

_REWARDS = ("private", "integrated", "cooperative")


@dataclass(frozen=True, kw_only=True)
class Ablate:
    """Train the same games with different rewards, shaping, bonuses, partners or learners, and compare in payoffs.

    Every combination of points of the axes (envs, params, rewards, shaping, bonus, transform, partners,
    reward_learners, algo, seeds) is one run. A point is name, name:number,... or name:key=value,...;
    package.module:Name, with values likewise, is anything of yours, also in a module of the current folder. An unknown
    name lists the known ones.

    Killed or stopped with Ctrl-C, the same command goes on where it was. Ends with tables, figures and report.html in
    the results folder, and status 1 if a run failed. grid.toml in there says what was run, and runs it again.

    Examples:
        payoff ablate --out results/ablation
        payoff ablate --envs TrustDilemma-v0 LoyaltyTeam-v0 --rewards private svo:0.8 --seeds 5 --out results/svo
        payoff ablate --envs KeyRoom-v0 --rewards private --algo ppo --bonus none count:coef=0.1 --out results/a
        payoff ablate --envs KeyRoom-v0 --rewards private --algo ppo --params size=5 size=8 --seeds 1-5 --out results/b
        payoff ablate --algo ppo:gamma=0.9 ppo:gamma=0.99 --partners reciprocator random --seeds 3,7,9 --out results/c
        payoff ablate results/b/grid.toml --seeds 10 --out results/b
        payoff ablate grid.toml --engine ray --address auto --out results/cluster
    """

    grid: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="[GRID.toml]")] = None
    """file with these options as keys, which those given here override; goes first, before any option"""
    out: Path | None = None
    """results folder; must be given, here or in the file"""
    envs: tuple[str, ...] = ("payoff/TrustDilemma-v0", "payoff/ReciprocalDilemma-v0")
    """environment ids; the namespace payoff/ may be left out; package.module:mine/Game-v0 for a game of yours"""
    params: tuple[str, ...] = ("none",)
    """game parameters and view settings: each word is one point, size=5,max_steps=50"""
    rewards: tuple[str, ...] = ()
    """reward layers to train on; default is the game's own. When left out: private, integrated and cooperative, but
    where an environment has one player or is not of Payoff, each one's own"""
    shaping: tuple[str, ...] = ("none",)
    """methods around the reward, such as progress:scale=2"""
    bonus: tuple[str, ...] = ("none",)
    """exploration bonuses, such as count:coef=0.1, rnd:0.5 or first_visit"""
    transform: tuple[str, ...] = ("none",)
    """what rewrites the rewards of whole episodes, such as ircr; all runs play whole episodes if one does"""
    partners: tuple[str, ...] = ("none",)
    """who plays the other seats, for trainers of one seat; none leaves that to the game"""
    reward_learners: tuple[str, ...] = ("none",)
    """what learns a reward before the training, such as saved:path=FILE"""
    algo: tuple[str, ...] = ("ippo",)
    """trainers: ippo, ppo, balanced_ppo, sb3, or package.module with Args and train; settings after a colon"""
    seeds: str = "3"
    """a number, 1 to that; or seeds as in 3,7,9 or 1-5"""
    total_steps: int | None = None
    """environment steps of a run, all copies together; the trainer's default when left out"""
    episodes: int = 10
    """evaluation episodes of a run"""
    set: tuple[str, ...] = ()
    """settings of all trainers, name=value"""
    processes: int | None = None
    """runs at a time, each with one thread; 2 when left out, or all processors of a Ray cluster"""
    engine: Literal["local", "ray"] = "local"
    """where runs are executed: processes here, or tasks of a Ray cluster (extra "scale"), with the same rows"""
    address: str | None = None
    """of the cluster: auto, host:port or ray://host:port; when left out that of RAY_ADDRESS or of this machine, else a
    cluster of this machine that ends with the command"""

    def from_file(self) -> Ablate | None:
        """Options of the grid file, those left out as they are by default; None without a file.

        Raises:
            UserError: it cannot be read, or has a key or a value that is no option.
        """
        if self.grid is None:
            return None
        try:
            with self.grid.open("rb") as file:
                found = tomllib.load(file)
        except (OSError, ValueError, RecursionError) as error:  # ValueError: TOML's, of an encoding, of a null byte
            raise UserError(f"cannot read the grid {self.grid}: {error}") from error
        known = [f.name for f in fields(self) if f.name != "grid"]
        values = {}
        for key, value in found.items():
            name = key.replace("-", "_")
            if name not in known:
                raise UserError(f"{self.grid}: unknown key {key!r}{near(name, known)}; known: {', '.join(known)}")
            values[name] = _option(self.grid, name, value)
        return replace(Ablate(grid=self.grid), **values)

    def run(self) -> int:
        """See :class:`payoff.cli.Command`."""
        from payoff.baselines.ablation import Ablation, ablate
        from payoff.baselines.results import make_folder

        if self.out is None:
            raise UserError("Missing from payoff ablate: --out, the results folder")
        if self.address is not None and self.engine != "ray":
            raise UserError(f"--address is that of a Ray cluster and needs --engine ray, got --engine {self.engine}")
        with user_errors():
            ablation = Ablation(
                envs=self.envs,
                params=self.params,
                rewards=self.rewards or (("default",) if any(map(_has_one_player, self.envs)) else _REWARDS),
                shaping=self.shaping,
                bonus=self.bonus,
                transform=self.transform,
                partners=self.partners,
                reward_learners=self.reward_learners,
                algo=self.algo,
                seeds=self.seeds,
                total_steps=self.total_steps,
                episodes=self.episodes,
                settings=assignments("set", self.set),
            )
            configs = ablation.configs()
            if self.processes is not None and self.processes < 1:
                raise ValueError(f"processes must be at least 1, got {self.processes}")
            if self.engine == "ray":
                from payoff.baselines.ray_pool import check_address
                from payoff.extras import require

                require("ray", extra="scale")
                check_address(self.address)
            make_folder(self.out)
        command = shlex.join(["payoff", *sys.argv[1:]])
        with results_written():
            try:
                return ablate(
                    configs,
                    self.out,
                    processes=self.processes,
                    console=console(),
                    command=command,
                    grid=ablation.toml(),
                    engine=self.engine,
                    address=self.address,
                )
            except ConnectionError as error:
                raise UserError(" ".join(str(error).split())) from error


def _option(grid: Path, name: str, value: Any) -> Any:
    """A value of the file as the command line would give it.

    Raises:
        UserError: a value of the wrong kind.
    """
    if name in ("total_steps", "episodes", "processes"):
        if isinstance(value, bool) or not isinstance(value, int):
            raise UserError(f"{grid}: {name} must be a whole number, got {value!r}")
        return value
    if name == "seeds":
        return ",".join(map(str, value)) if isinstance(value, list) and len(value) > 1 else _seeds(value)
    if name in ("out", "engine", "address"):
        if not isinstance(value, str) or (name == "engine" and value not in ("local", "ray")):
            allowed = "'local' or 'ray'" if name == "engine" else "a text"
            raise UserError(f"{grid}: {name} must be {allowed}, got {value!r}")
        return Path(value) if name == "out" else value
    words = value if isinstance(value, list) else [value]
    return tuple(word for one in words for word in _words(grid, name, one))


def _seeds(value: Any) -> str:
    """Of a list of one seed that seed; a number alone would be how many."""
    return f"{value[0]}-{value[0]}" if isinstance(value, list) and value else str(value)


def _words(grid: Path, name: str, value: Any) -> list[str]:
    """Words of the command line for one entry of a list; a table is name=value, for params and set."""
    if isinstance(value, dict) and name in ("params", "set"):
        try:
            return [",".join(f"{k}={json.dumps(v, separators=(',', ':'))}" for k, v in value.items())]
        except TypeError as error:  # a date or a time of day
            raise UserError(f"{grid}: {name} must be numbers, texts or lists of them, got {value!r}") from error
    if not isinstance(value, str):
        raise UserError(f"{grid}: {name} must be texts{' or tables' * (name in ('params', 'set'))}, got {value!r}")
    return [value]


def _has_one_player(env_id: str) -> bool:
    """Whether layers of several players mean nothing there; False where there is no such environment."""
    from payoff.baselines.environments import find, is_outside
    from payoff.envs import registry

    try:
        known = find(env_id)
    except (ImportError, ValueError):  # is told by whoever makes the runs
        return False
    if is_outside(known):
        return True
    game = registry.load(known)
    return game.shape(game.params()).n_agents == 1
