"""VPL on TwoUsers-v0: rewards for users who want different things, and the questions it takes to tell users apart.

    python benchmarks/vpl.py             # 10 seeds, some minutes on one core

Users 0 and 1 each want the goal at one end of the maze. Annotators, half of either kind and none of them named, answer
300 sets of 16 comparisons of cells. Learned from all these answers:

- one reward: Bradley and Terry, as if all answers came from one person;
- VPL: an encoder of annotation sets and a decoder for whoever answered so;
- VPL, same user: likewise, where all annotators are users 0.

Accuracy is the share of pairs of cells that are in the user's order, in all and among those on which the two users
disagree. A new annotator is asked one question after another, a random one or each time the most telling of 64; counted
are the questions until the accuracy is 0.9 and stays there, the mean over 10 new annotators (12 where it never is).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import process_time

import matplotlib as mpl
import numpy as np
import tyro
from _claims import SEEDS, median_range, seeds_of
from _machine import describe
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from payoff.baselines.vpl import ask, simulated_answers
from payoff.envs.sparse import two_users
from payoff.wrappers import NetworkSettings, VariationalPreferences, VariationalSettings, adjusted_rand_index
from payoff.wrappers.preference.comparison import Comparer

SETS, COMPARISONS, EPOCHS, QUESTIONS, PEOPLE = 300, 16, 40, 12, 10
ENOUGH = 0.9


@dataclass(frozen=True)
class Args:
    """What to run."""

    seeds: str = SEEDS
    """a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    out: Path = Path("results/vpl.png")
    """figure"""


@dataclass(frozen=True)
class Maze:
    """Cells as the seat sees them, and what they are worth to both users."""

    obs: np.ndarray
    worth: np.ndarray

    @classmethod
    def default(cls) -> Maze:
        """The cells that are no wall."""
        free = np.flatnonzero(two_users.distances("maze")[0] >= 0)
        rows, columns = np.eye(two_users.ROWS), np.eye(two_users.COLUMNS)
        obs = np.concatenate([rows[free // two_users.COLUMNS], columns[free % two_users.COLUMNS]], axis=1)
        return cls(obs, two_users.worths("maze")[:, free])

    def accuracy(self, values: np.ndarray, user: int) -> tuple[float, float]:
        """Share of pairs in the user's order: in all, and where the users disagree."""
        order = [np.sign(w[:, None] - w) for w in self.worth]
        right = np.sign(values[:, None] - values) == order[user]
        told, disputed = order[user] != 0, order[0] * order[1] < 0
        return float(right[told].mean()), float(right[disputed].mean())


def bradley_terry(maze: Maze, better: np.ndarray, worse: np.ndarray, seed: int) -> np.ndarray:
    """Values ``(n,)`` of one reward learned from all answers, in as many gradient steps as VPL makes."""
    net = Comparer(maze.obs.shape[1], NetworkSettings(learning_rate=3e-3, seed=seed))
    net.whitening.take_in(maze.obs)
    draws = np.random.default_rng(seed)
    for _ in range(EPOCHS):
        for rows in np.array_split(draws.permutation(len(better)), len(better) // 32 + 1):
            first, second = better[rows].ravel(), worse[rows].ravel()
            net.learn(maze.obs[:, None], None, first, second, np.ones(len(first)))
    return net.scores(maze.obs[:, None])


def variational(maze: Maze, better: np.ndarray, worse: np.ndarray, seed: int) -> VariationalPreferences:
    """VPL, learned from annotation sets."""
    network = NetworkSettings(learning_rate=3e-3, seed=seed)
    model = VariationalPreferences(
        maze.obs.shape[1], VariationalSettings(epochs=EPOCHS, batch_size=32, network=network)
    )
    model.learn(maze.obs[better], maze.obs[worse])
    return model


def asked(maze: Maze, model: VariationalPreferences, seed: int, *, active: bool) -> np.ndarray:
    """Accuracy ``(people, questions + 1)`` of what each new annotator would be paid after so many answers."""
    found = np.zeros((PEOPLE, QUESTIONS + 1))
    for person in range(PEOPLE):
        worth = maze.worth[person % 2]
        draws = np.random.default_rng([seed, person])
        better, worse = ask(model, maze.obs, worth, QUESTIONS, draws, active=active)
        for k in range(QUESTIONS + 1):
            z, _ = model.posterior(better[:k], worse[:k])
            found[person, k] = maze.accuracy(model.values(maze.obs, z), person % 2)[0]
    return found


def until(accuracy: np.ndarray) -> float:
    """Mean over people of the questions until the accuracy is enough and stays so."""
    short = accuracy < ENOUGH
    return float(
        np.where(short.any(axis=1), accuracy.shape[1] - np.argmax(short[:, ::-1], axis=1), 0).clip(max=QUESTIONS).mean()
    )


def run(seed: int) -> dict[str, np.ndarray]:
    """Every figure of one seed."""
    maze, draws = Maze.default(), np.random.default_rng(seed)
    both = simulated_answers(maze.worth, SETS, COMPARISONS, draws)
    same = simulated_answers(maze.worth[:1], SETS, COMPARISONS, draws)
    one = bradley_terry(maze, both.better, both.worse, seed)
    one_same = bradley_terry(maze, same.better, same.worse, seed)
    model, alike = (variational(maze, a.better, a.worse, seed) for a in (both, same))
    new = simulated_answers(maze.worth, 100, COMPARISONS, draws)
    mu, _ = model.posterior(maze.obs[new.better], maze.obs[new.worse])
    axis = mu[:, np.argmax(mu.std(axis=0))]
    each = np.array([maze.accuracy(model.values(maze.obs, z), u) for z, u in zip(mu, new.user, strict=True)])
    nobody = np.zeros(model.settings.latent)
    curves = {name: asked(maze, model, seed, active=name == "active") for name in ("random", "active")}
    return {
        "one": np.array([maze.accuracy(one, u) for u in range(2)]),
        "vpl": np.array([each[new.user == u].mean(axis=0) for u in range(2)]),
        "rand": np.array(adjusted_rand_index(new.user, axis > 0)),
        "divergence": np.array([model.losses[-1, 1], alike.losses[-1, 1]]),
        "same": np.array([maze.accuracy(one_same, 0)[0], maze.accuracy(alike.values(maze.obs, nobody), 0)[0]]),
        "until": np.array([until(curves[name]) for name in ("random", "active")]),
        "curves": np.array([curves[name].mean(axis=0) for name in ("random", "active")]),
    }


def draw(args: Args, found: dict[str, np.ndarray]) -> None:
    """Accuracy by user and learner; accuracy by questions."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.6), layout="constrained")
    for at, (learner, what) in enumerate((("one", 0), ("vpl", 0), ("one", 1), ("vpl", 1))):
        for user in range(2):
            values, colour = found[learner][:, user, what], ("#0072B2", "#D55E00")[user]
            x = at + 0.2 * user - 0.1
            left.plot(np.full(len(values), x), values, "o", color=colour, alpha=0.5, markersize=4)
            left.hlines(np.median(values), x - 0.08, x + 0.08, color=colour, linewidth=2)
    left.set_xticks(range(4), ["one reward\nall pairs", "VPL\nall pairs", "one reward\ndisputed", "VPL\ndisputed"])
    left.axhline(0.5, color="#999999", linewidth=0.8, linestyle=":")
    left.set(title="user 0 blue, user 1 red", ylabel="share of pairs in the user's order", ylim=(0, 1.03))
    for k, (name, colour) in enumerate((("random questions", "#000000"), ("telling questions", "#009E73"))):
        curves = found["curves"][:, k]
        right.plot(curves.T, color=colour, linewidth=0.6, alpha=0.35)
        right.plot(curves.mean(axis=0), color=colour, linewidth=2.2, label=name)
    right.set(title="a new annotator", xlabel="answers", ylabel="share of pairs in the user's order")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    figure.suptitle(f"TwoUsers-v0, {SETS} sets of {COMPARISONS} answers, {len(found['one'])} seeds", fontsize=11)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Run every seed, print and draw."""
    console, begun = Console(), process_time()
    console.print(describe())
    runs = [run(seed) for seed in track(seeds_of(args.seeds), description="seeds", console=console)]
    found = {name: np.array([r[name] for r in runs]) for name in runs[0]}
    table = Table("figure", "user 0", "user 1", title=f"seeds {args.seeds}", box=SIMPLE)
    for name, learner in (("one reward", "one"), ("VPL", "vpl")):
        for what, pairs in enumerate(("all pairs", "disputed pairs")):
            table.add_row(
                f"accuracy, {name}, {pairs}", *(median_range(found[learner][:, u, what], 3) for u in range(2))
            )
    console.print(table)
    table = Table("figure", "", "", title="two columns each", box=SIMPLE)
    table.add_row("adjusted Rand index of the annotators", median_range(found["rand"], 3), "")
    table.add_row("divergence, nats: two users, same user", *(median_range(x, 3) for x in found["divergence"].T))
    table.add_row("accuracy, same user: one reward, VPL", *(median_range(x, 3) for x in found["same"].T))
    table.add_row("questions to 0.9: random, telling", *(median_range(x, 1) for x in found["until"].T))
    console.print(table)
    draw(args, found)
    console.print(f"CPU seconds: {process_time() - begun:.0f}; figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
