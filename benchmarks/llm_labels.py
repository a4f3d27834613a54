"""What a small model says of captions and of rewards' parameters, and what its labels do to learning.

    python benchmarks/llm_labels.py             # asks, scores, trains; needs the packages of a model, and names them
    python benchmarks/llm_labels.py --no-train  # asks and scores

The model is Gemma 3 with 268 million parameters, a base model in four bits, on one thread of this machine. It answers
behind an endpoint that speaks as OpenAI's does, so it is asked in the way any model is: questions of
:mod:`payoff.wrappers.llm.questions`, sent by ``OpenAIClient``, replies kept in a ``ReplyStore``. A second run finds all
replies there and loads no model. Since a base model follows no instructions, the endpoint turns a question into a text
with eight answered examples, and the reply is the likelier one of two words. This is done in six forms: three wordings,
and the examples in two orders.

Which captions help is stated below for each game, from its documentation. Everything that is chosen (the form, and the
log-odds from which a caption is called helpful) is chosen on the games of TUNED; what is reported is about CLAIMED.
Without the packages the script says what to install, and ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple, TypeAlias

import matplotlib as mpl
import numpy as np
import tyro
from _claims import SEEDS, binned, draw_curves, median_range, seeds_of
from _endpoint import serve
from _local_model import MODEL, LocalModel, what_is_missing
from _machine import describe
from _scores import Scores, auc, scores
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from payoff.baselines import ppo
from payoff.baselines.evaluation import evaluate
from payoff.baselines.reward_learners import learned
from payoff.baselines.reward_problem import Problem
from payoff.envs import registry
from payoff.files import json_object_at
from payoff.wrappers import wrap
from payoff.wrappers.llm.client import OpenAIClient, Recorded
from payoff.wrappers.llm.labellers import InOrder, ScriptedLabeller
from payoff.wrappers.llm.questions import Helps
from payoff.wrappers.llm.store import Messages, Reply, ReplyStore

# -- what is true of captions ------------------------------------------------------------------------------------------


class Captioned(NamedTuple):
    """A game, what its learner should do, and the captions that mean progress to that."""

    name: str
    goal: str
    helpful: tuple[str, ...]

    @property
    def captions(self) -> tuple[str, ...]:
        """All that the game can report."""
        return registry.load(f"payoff/{self.name}-v0").captions


CLAIMED = (
    Captioned(
        "KeyRoom",
        "fetch the key, unlock the door, reach the goal",
        ("picked up the key", "opened the door", "reached the goal"),
    ),
    Captioned(
        "MultiRoom",
        "walk through a row of rooms to the goal in the last one",
        ("went through a door", "reached the goal"),
    ),
    Captioned(
        "LineKey",
        "pick up the right key, then walk to the goal zone",
        ("picked up a key", "was paid in the goal zone"),
    ),
    Captioned(
        "Delivery",
        "drive to the goal, collect coins, avoid roadblocks and sheep",
        ("collected a coin on road", "collected a coin on brick", "delivered", "won in a risky cell"),
    ),
    Captioned(
        "Sudoku",
        "fill the grid with the right digits",
        ("wrote the right digit", "completed a row, column or box", "solved the puzzle"),
    ),
    Captioned("Tamper", "do the work honestly, then hand it in", ("worked", "handed in")),
    Captioned("DeepSea", "dive to the right on every step, to the chest", ("sank to the right", "opened the chest")),
    Captioned(
        "TwentyQuestions",
        "find the right hypothesis by asking questions",
        ("asked and heard yes", "asked and heard no", "named the right hypothesis"),
    ),
)
TUNED = (
    Captioned("FourRooms", "walk through two gates to the far corner", ("was paid in the goal",)),
    Captioned(
        "CorridorStar", "find the corridor with the goal and walk to its end", ("went further", "reached the goal")
    ),
    Captioned(
        "Bifurcation", "take the good branch of a long corridor", ("took the good branch", "arrived in the good branch")
    ),
    Captioned("Minesweeper", "open every free cell and no mine", ("opened a cell", "opened the last free cell")),
    Captioned("RouteDrive", "drive a route to its end by the rules", ("drove without a fault", "finished the route")),
    Captioned("FillerSteps", "do the necessary steps and then stop", ("went on", "stopped, all done")),
    Captioned(
        "SparseCartPole",
        "keep the pole upright",
        ("pushed as the controller would", "the pole stood to the end"),
    ),
    Captioned("HardMaze", "end at one of the goals of a maze", ("ended at a goal",)),
    Captioned("Curling", "push the ball to a goal", ("touched the ball", "the ball ended at a goal")),
)

# -- how a base model is asked -----------------------------------------------------------------------------------------

EXAMPLES = (  # goal, event, whether it helps: no game, and no words of a caption
    ("make a cup of tea", "the water boiled", True),
    ("make a cup of tea", "the cup broke", False),
    ("repair a bicycle", "looked out of the window", False),
    ("repair a bicycle", "took off the flat tyre", True),
    ("win a game of chess", "the opponent was checkmated", True),
    ("win a game of chess", "lost the queen", False),
    ("post a letter", "found no stamp in the drawer", False),
    ("post a letter", "put the letter into the box", True),
)


def as_asked(goal: str, event: str) -> str:
    """The words of the question, as every model gets them."""
    return f"{Helps(goal, event).messages()[-1]['content']}\nAnswer:"


def short(words: str, goal: str, event: str) -> str:
    """Three lines."""
    return f"Task: {goal}\nEvent: {event}\n{words}:"


class Form(NamedTuple):
    """How a question becomes a text, and the words that answer it."""

    text: Callable[[str, str], str]
    yes: str
    no: str
    order: int  # of the examples: 1, or -1 for the last one first


FORMS = {
    f"{name}{', reversed' if order < 0 else ''}": Form(text, yes, no, order)
    for name, text, yes, no in (
        ("as asked, yes/no", as_asked, " yes", " no"),
        ("short, yes/no", partial(short, "Helpful"), " yes", " no"),
        ("short, good/bad", partial(short, "This is"), " good", " bad"),
    )
    for order in (1, -1)
}


def few_shot(form: Form, goal: str, event: str) -> str:
    """The examples with their answers, then the question."""
    answered = [form.text(g, e) + (form.yes if helps else form.no) for g, e, helps in EXAMPLES[:: form.order]]
    return "\n\n".join([*answered, form.text(goal, event)])


def asked_about(messages: Messages) -> tuple[str, str]:
    """Goal and caption of a question of :class:`Helps`: the first two JSON texts in it."""
    found = re.findall(r'"(?:[^"\\]|\\.)*"', messages[-1]["content"])
    return json.loads(found[0]), json.loads(found[1])


class Oracle:
    """Answers for the model; loads it when it is first asked."""

    def __init__(self, folder: Path) -> None:
        self.model = cache(lambda: LocalModel(folder))
        self.odds = cache(self._odds)

    def _odds(self, text: str, yes: str, no: str) -> float:
        return self.model().log_odds(text, yes, no)

    def label(self, form: Form, above: float, messages: Messages) -> Reply:
        """Yes where the log-odds are above a number; they stand before the answer, which is all that a run reads."""
        text = few_shot(form, *asked_about(messages))
        odds = self.odds(text, form.yes, form.no)
        answer = json.dumps({"answer": "yes" if odds > above else "no"})
        return Reply(f"log-odds {odds:.6f}\n{answer}", self.model().count(text), 1)

    def parameters(self, order: int, messages: Messages) -> Reply:
        """JSON, as far as the model gets."""
        head = "".join(f"{task_text(words, bounds)} {json.dumps(n)}\n\n" for words, bounds, n in SHOWN[::order])
        text = head + messages[-1]["content"]
        model = self.model()
        reply = model.go_on(text, "}", most=60) or " "  # no server may answer with nothing
        return Reply(reply, model.count(text), model.count(reply) - 1)


# -- parameters, as Language to Rewards asks for them ------------------------------------------------------------------


Bounds: TypeAlias = dict[str, tuple[float, float]]


def task_text(words: str, bounds: Bounds) -> str:
    """A question for numbers."""
    named = ", ".join(f"{name} from {low:g} to {high:g}" for name, (low, high) in bounds.items())
    return f"Task: {words}\nNumbers: {named}\nJSON:"


SHOWN: tuple[tuple[str, Bounds, dict[str, float]], ...] = (  # answered examples
    (
        "Keep the room at 21 degrees. Comfort matters more than power.",
        {"temperature": (15, 30), "comfort": (0, 10), "power": (0, 10)},
        {"temperature": 21, "comfort": 8, "power": 2},
    ),
    ("Move the lift fast; its doors do not matter.", {"speed": (0, 1), "doors": (0, 1)}, {"speed": 1, "doors": 0}),
    (
        "Water the left bed much and the right bed little.",
        {"left": (0, 5), "right": (0, 5)},
        {"left": 4.5, "right": 0.5},
    ),
)


@dataclass(frozen=True)
class Numbers:
    """A task whose reward has parameters, what would be sensible, and how often uniformly drawn numbers are."""

    wordings: tuple[str, ...]
    bounds: Bounds
    sensible: Callable[[dict[str, float]], bool]
    chance: float


NUMBERS = {
    "corner": Numbers(
        (
            "Walk to the upper right corner.",
            "Go as far up and to the right as you can.",
            "The target is at the top right.",
        ),
        {"target_x": (0, 1), "target_y": (0, 1)},
        lambda n: n["target_x"] > 0.5 and n["target_y"] > 0.5,
        1 / 4,
    ),
    "crossing": Numbers(
        (
            "Short queues matter most, then short waits, then few switches.",
            "Queues are worst. Waits are bad. Switches hardly matter.",
            "Avoid queues above all, waits a little, and switches least.",
        ),
        {"queue": (0, 10), "wait": (0, 10), "switch": (0, 10)},
        lambda n: n["queue"] > n["wait"] > n["switch"],
        1 / 6,
    ),
    "cliff": Numbers(
        (
            "Reach the goal. A fall is much worse than a long way.",
            "Never fall off the cliff; steps cost little; reaching the goal is important.",
            "Get to the goal safely, however long it takes.",
        ),
        {"goal": (0, 10), "fall": (0, 10), "step": (0, 10)},
        lambda n: n["step"] < min(n["goal"], n["fall"]),
        1 / 3,
    ),
}


def judged(text: str, numbers: Numbers) -> tuple[bool, bool, bool]:
    """Whether a reply is JSON with the names asked for and no others, within bounds, and sensible."""
    try:
        found = json_object_at(text, text.index("{"))
    except ValueError:
        return False, False, False
    if found.keys() != numbers.bounds.keys() or any(type(v) not in (int, float) for v in found.values()):
        return False, False, False
    within = all(low <= found[name] <= high for name, (low, high) in numbers.bounds.items())
    return True, within, within and numbers.sensible(found)


# -- asking ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Args:
    """What to do."""

    out: Path = Path("results/llm_labels")
    """folder of the model's file, the stores of replies and the figures"""
    train: bool = True
    """whether to train under the labels"""
    steps: int = 20_000
    """environment steps of a run"""
    seeds: str = SEEDS
    """of runs, and of scripted labellers: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""


@contextmanager
def client(args: Args, oracle: Oracle, name: str, answer: Callable[[Messages], Reply]) -> Iterator[Recorded]:
    """Somebody to ask, with a store for what was replied."""
    with serve({name: answer}) as base_url:
        asking = OpenAIClient(
            name, base_url, temperature=0.0, max_tokens=60, timeout=1200.0, retries=0, most_requests=1000
        )
        yield Recorded(asking, ReplyStore.begin(store_path(args, name), name, asking.settings))


def store_path(args: Args, name: str) -> Path:
    """File of the replies."""
    return args.out / "replies" / f"{re.sub('[^a-z0-9]+', '_', name)}.jsonl"


@dataclass(frozen=True)
class Asked:
    """What a form replied about some games: log-odds and truth of each caption."""

    odds: list[float]
    true: list[bool]

    def said(self, above: float) -> list[bool]:
        """Labels by a threshold."""
        return [odds > above for odds in self.odds]


def ask(whom: Recorded, games: Sequence[Captioned]) -> Asked:
    """Ask about every caption of some games."""
    odds, true = [], []
    for game in games:
        for caption in game.captions:
            reply = whom.ask(Helps(game.goal, caption).messages()).text
            odds.append(float(reply.split()[1]))
            true.append(caption in game.helpful)
    return Asked(odds, true)


def threshold(asked: Asked) -> float:
    """Log-odds above which as many captions are called helpful as are, on the games of TUNED."""
    ranked = sorted(asked.odds, reverse=True)
    helpful = sum(asked.true)
    return (ranked[helpful - 1] + ranked[helpful]) / 2


def parameters(args: Args, oracle: Oracle) -> Table:
    """Ask for numbers, and count what can be used."""
    table = Table("task", "replies", "JSON with these names", "within bounds", "sensible", "by chance", box=SIMPLE)
    table.title = "parameters"
    found: dict[str, list[tuple[bool, bool, bool]]] = {task: [] for task in NUMBERS}
    for order in (1, -1):
        name = f"{MODEL}, parameters{', reversed' if order < 0 else ''}"
        with client(args, oracle, name, partial(oracle.parameters, order)) as whom:
            for task, numbers in NUMBERS.items():
                for words in numbers.wordings:
                    asked = [{"role": "user", "content": task_text(words, numbers.bounds)}]
                    found[task].append(judged(whom.ask(asked).text, numbers))
    for task, rows in found.items():
        counts = [str(sum(column)) for column in zip(*rows, strict=True)]
        table.add_row(task, str(len(rows)), *counts, f"{NUMBERS[task].chance * len(rows):.1f}")
    return table


# -- training ----------------------------------------------------------------------------------------------------------

TRAINED: dict[str, dict[str, Any]] = {
    "KeyRoom": {"size": 5, "observe": "private"},
    "MultiRoom": {"observe": "private"},
}
UNSEEN = 10_000_000  # first evaluation seed, far from those of training
EPISODES = 500
ARMS = {  # name -> which captions are called helpful, and how that is paid
    "no labels": ("", ""),
    "true, potential": ("true", "potential"),
    "model, potential": ("model", "potential"),
    "all yes, potential": ("all", "potential"),
    "true, added": ("true", "added"),
    "model, added": ("model", "added"),
    "all yes, added": ("all", "added"),
}
COLOURS = {"": "#000000", "true": "#0072B2", "model": "#D55E00", "all": "#009E73"}
LINES = {"": ":", "potential": "-", "added": "--"}


def specification(game: Captioned, arm: str, model_says: tuple[str, ...]) -> str:
    """The reward learner of an arm: labels as they are, paid less the more often an episode has had the caption."""
    labels, use = ARMS[arm]
    if not labels:
        return "none"
    taken = {"true": game.helpful, "model": model_says, "all": game.captions}[labels]
    in_order = [caption for caption in game.captions if caption in taken]
    return f"oni:goal={json.dumps(game.goal)},use={use},truth={json.dumps(in_order)}"


class Run(NamedTuple):
    """A learning curve, and how the trained policy does in episodes not seen before."""

    step: np.ndarray
    success: np.ndarray
    trained: float


@cache
def train(name: str, reward_learner: str, steps: int, seed: int) -> Run:
    """Train once; where the model says just what is true, both arms are the same run."""
    env_id, keywords = f"payoff/{name}-v0", TRAINED[name]
    settings = ppo.Args(
        env_id=env_id,
        env_params=keywords,
        seed=seed,
        total_steps=steps,
        num_envs=16,
        num_steps=32,
        epochs=4,
        gamma=0.95,
        final_temperature=0.1,
    )
    problem = Problem(env_id=env_id, keywords=keywords, gamma=settings.gamma, on_truncation="bootstrap", seed=seed)
    reward = learned(reward_learner, problem)
    result = ppo.train(settings, wrapper=None if reward is None else lambda env: wrap(env, reward))
    tried = evaluate(result.policy, env_id, episodes=EPISODES, seed=UNSEEN, env_kwargs=keywords)
    return Run(result.curve["step"], result.curve["welfare"], tried.welfare)


# -- what is shown -----------------------------------------------------------------------------------------------------


def scripted(error: float, seed: int) -> Scores:
    """Of a labeller that knows the truth and errs at a rate."""
    said, true = [], []
    for game in CLAIMED:
        labeller = ScriptedLabeller(InOrder(game.helpful), errors=error, seed=seed)
        said += [labeller.answer(Helps(game.goal, caption)) > 0 for caption in game.captions]
        true += [caption in game.helpful for caption in game.captions]
    return scores(said, true)


def guesses(share: float, true: list[bool], seed: int) -> Scores:
    """Of one that reads nothing, and says yes to so many captions, drawn by chance."""
    drawn = np.random.default_rng(seed).permutation(len(true)) < round(share * len(true))
    return scores(drawn.tolist(), true)


def shown(found: Sequence[Scores]) -> list[str]:
    """Cells of a table: one labeller's scores, or median and range of several."""
    columns = [[getattr(one, name) for one in found] for name in ("yes", "precision", "recall", "f1")]
    return [median_range(c) if len(c) > 1 else f"{c[0]:.2f}" for c in columns]


def draw_labels(path: Path, asked: Asked, above: float, form: str, f1: dict[str, list[float]]) -> None:
    """Left, log-odds of each caption; right, F1 of everybody, a dot for a seed, a line at the median."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
    draws = np.random.default_rng(0)
    for at, (truth, colour) in enumerate(((False, "#D55E00"), (True, "#0072B2"))):
        odds = [o for o, t in zip(asked.odds, asked.true, strict=True) if t == truth]
        left.plot(odds, at + draws.uniform(-0.15, 0.15, len(odds)), "o", color=colour, alpha=0.6, markersize=5)
    left.axvline(above, color="#555555", linestyle=":")
    left.set_yticks([0, 1], ["do not help", "help"])
    left.set_ylim(-0.5, 1.5)
    left.set_xlabel(f"log-odds of yes, form “{form}”; dotted: threshold from other games", fontsize=9)
    for at, (name, values) in enumerate(reversed(f1.items())):
        colour = "#D55E00" if name.startswith("model") else "#000000"
        right.plot(values, np.full(len(values), at), "o", color=colour, alpha=0.4, markersize=4)
        right.vlines(np.median(values), at - 0.3, at + 0.3, color=colour, linewidth=2)
    right.set_yticks(range(len(f1)), list(f1)[::-1], fontsize=8)
    right.set_xlabel("F1", fontsize=9)
    right.set_xlim(0, 1.03)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color="#e6e6e6", linewidth=0.7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_learning(path: Path, args: Args, found: dict[str, dict[str, list[Run]]]) -> None:
    """A panel for each game: learning curves in payoffs."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(found), figsize=(11, 3.8), layout="constrained", sharey=True)
    for axes, (game, arms) in zip(panels, found.items(), strict=True):
        for arm, runs in arms.items():
            labels, use = ARMS[arm]
            curves = np.array([binned(run.success) for run in runs])
            steps, look = binned(runs[0].step) / 1000, {"colour": COLOURS[labels], "line": LINES[use]}
            draw_curves(axes, steps, curves, label=arm, **look)
        axes.set_title(f"{game}: PPO, {len(seeds_of(args.seeds))} seeds", fontsize=10)
        axes.set_xlabel("thousand steps", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    panels[0].set_ylabel("success", fontsize=9)
    panels[0].legend(frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def label(args: Args, oracle: Oracle, console: Console) -> dict[str, tuple[str, ...]]:
    """Ask in every form, print scores, draw; the captions of each game that the chosen form calls helpful."""
    tuned: dict[str, Asked] = {}
    claimed: dict[str, Asked] = {}
    begun = process_time()
    for name, form in FORMS.items():
        with client(args, oracle, f"{MODEL}, {name}", partial(oracle.label, form, 0.0)) as whom:
            tuned[name], claimed[name] = ask(whom, TUNED), ask(whom, CLAIMED)
            console.print(f"{name}: done, {process_time() - begun:.0f} CPU seconds so far")
    best = max(FORMS, key=lambda name: auc(tuned[name].odds, tuned[name].true))
    above = threshold(tuned[best])
    chosen = f"{MODEL}, {best}, above {above:.6f}"
    with client(args, oracle, chosen, partial(oracle.label, FORMS[best], above)) as whom:
        asked = ask(whom, CLAIMED)
    seeds, true = seeds_of(args.seeds), asked.true
    table = Table("form", "AUC elsewhere", "AUC", "threshold", "yes", "precision", "recall", "F1", box=SIMPLE)
    table.title = f"{len(true)} captions of {len(CLAIMED)} games, {sum(true)} of which help"
    for name in FORMS:
        aucs = [f"{auc(a.odds, a.true):.2f}" for a in (tuned[name], claimed[name])]
        for words, at in (("0", 0.0), (f"{threshold(tuned[name]):.2f}", threshold(tuned[name]))):
            mark = " (chosen)" if name == best and at == above else ""
            table.add_row(name + mark, *aucs, words, *shown([scores(claimed[name].said(at), true)]))
    console.print(table)
    own = scores(asked.said(above), true)
    everybody = {f"model, {best}": [own], "model, the same, log-odds above 0": [scores(asked.said(0.0), true)]}
    everybody |= {
        f"scripted, {error:.0%} errors": [scripted(error, seed) for seed in seeds] for error in (0.0, 0.1, 0.2, 0.4)
    }
    everybody["always yes"] = [scores([True] * len(true), true)]
    everybody[f"guesses, {own.yes:.0%} yes"] = [guesses(own.yes, true, seed) for seed in seeds]
    table = Table("labeller", "yes", "precision", "recall", "F1", box=SIMPLE)
    for name, found in everybody.items():
        table.add_row(name, *shown(found))
    console.print(table)
    said = iter(asked.said(above))
    helpful = {game.name: tuple(caption for caption in game.captions if next(said)) for game in CLAIMED}
    for name, captions in helpful.items():
        console.print(f"{name}: {'; '.join(captions) or 'nothing'}", highlight=False)
    f1 = {name: [one.f1 for one in found] for name, found in everybody.items()}
    draw_labels(args.out / "small_model_labels.png", asked, above, best, f1)
    return helpful


def main(args: Args) -> None:
    """Ask, score, train, draw."""
    console = Console(width=140)
    if missing := what_is_missing():
        console.print(f"llm_labels.py: {missing}", soft_wrap=True)
        return
    console.print(describe())
    oracle = Oracle(args.out)
    model_says = label(args, oracle, console)
    console.print(parameters(args, oracle))
    if not args.train:
        return
    begun, seeds = process_time(), seeds_of(args.seeds)
    todo = [
        (game.name, arm, specification(game, arm, model_says[game.name]), seed)
        for game in CLAIMED
        if game.name in TRAINED
        for arm in ARMS
        for seed in seeds
    ]
    found: dict[str, dict[str, list[Run]]] = {name: {arm: [] for arm in ARMS} for name in TRAINED}
    for name, arm, reward_learner, seed in track(todo, "training", console=console):
        found[name][arm].append(train(name, reward_learner, args.steps, seed))
    table = Table("labels", *TRAINED, box=SIMPLE)
    table.title = f"success of trained policies in {EPISODES} episodes not seen before, seeds {args.seeds}"
    for arm in ARMS:
        table.add_row(arm, *(median_range([run.trained for run in found[name][arm]]) for name in TRAINED))
    console.print(table)
    draw_learning(args.out / "small_model_learning.png", args, found)
    console.print(f"training: {process_time() - begun:.0f} CPU seconds; figures in {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
