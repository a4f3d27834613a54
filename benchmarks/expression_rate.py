"""Rewards a second of a function that a model might write, beside plain numpy, and beside Monty's sandbox.

    python benchmarks/expression_rate.py                 # half a minute
    pip install pydantic-monty && python benchmarks/expression_rate.py

One process, one thread. Each repeat times, in turn, for R rows at once:

- ours: the function as text, read once, as an ``ExpressionReward`` that is handed R steps;
- numpy: the same, written by hand for arrays, from the same steps; it gives the same bits;
- Monty, where the package ``pydantic-monty`` is there: the same function defined in a session of its worker process,
  and called for all R rows in one request. It gives the same up to the last digits.

All is processor time, which other processes disturb less than time on the clock; for Monty that of the worker is added
(from Linux's /proc), and waiting for it is not counted. The ratio is taken repeat by repeat. Further lines say what a
text costs once (to be read, or a worker to be started), and of how many of the hostile functions of
``tests/wrappers/llm/hostile.py`` a number came in Monty.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import runpy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tyro
from _machine import describe, spread
from rich.console import Console
from rich.table import Table

from payoff.wrappers import ExpressionReward, Transition
from payoff.wrappers.llm.reward_text import parse
from payoff.wrappers.rows import vector_info

try:
    import pydantic_monty  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    pydantic_monty = None

SIZES = (1, 8, 256, 4096)
HOSTILE = Path(__file__).parents[1] / "tests" / "wrappers" / "llm" / "hostile.py"
TEXT = """def reward(obs, action, next_obs, info, terminated):
    dx, dy = next_obs[0] - 0.9, next_obs[1] - 0.9
    before = math.sqrt((obs[0] - 0.9) ** 2 + (obs[1] - 0.9) ** 2)
    after = math.sqrt(dx ** 2 + dy ** 2)
    paid = 2.0 * (before - after)
    if after < 0.1:
        paid += 1.0
    elif after < 0.3 and action[0] != 0:
        paid += 0.25
    if info["progress"] > 0.5:
        paid += 0.5 * math.tanh(info["progress"])
    if terminated:
        return 10.0
    paid -= 0.01 * abs(action[0] - 1)
    return min(max(paid, -1.0), 1.0)
"""


@dataclass(frozen=True)
class Args:
    """What to measure."""

    repeats: int = 15
    """timed repeats; minimum, median and maximum are printed"""
    milliseconds: float = 50.0
    """rough length of one timing"""


def steps(rows: int) -> Transition:
    """Random steps of a walk in the unit square."""
    rng = np.random.default_rng(0)
    active = np.ones(rows, dtype=np.bool_)
    return Transition(
        obs=rng.random((rows, 2), dtype=np.float32),
        action=rng.integers(0, 4, rows),
        reward=np.zeros(rows),
        next_obs=rng.random((rows, 2), dtype=np.float32),
        terminated=rng.random(rows) < 0.05,
        truncated=np.zeros(rows, dtype=np.bool_),
        active=active,
        info=vector_info({"progress": rng.random(rows)}, active),
    )


def by_hand(t: Transition) -> np.ndarray:
    """The function, for arrays."""
    x, after_x = t.obs.astype(np.float64), t.next_obs.astype(np.float64)
    apart, apart_after = x - 0.9, after_x - 0.9
    before = np.sqrt(apart[:, 0] ** 2 + apart[:, 1] ** 2)
    after = np.sqrt(apart_after[:, 0] ** 2 + apart_after[:, 1] ** 2)
    progress = t.info["progress"]
    paid = 2.0 * (before - after)
    paid += np.where(after < 0.1, 1.0, np.where((after < 0.3) & (t.action != 0), 0.25, 0.0))
    paid += np.where(progress > 0.5, 0.5 * np.tanh(progress), 0.0)
    paid -= 0.01 * np.abs(t.action - 1.0)
    return np.where(t.terminated, 10.0, np.minimum(np.maximum(paid, -1.0), 1.0))


def plain_rows(t: Transition) -> list[tuple[Any, ...]]:
    """The steps as Python's numbers: observation, action, next observation, info, end."""
    parts = (t.obs.tolist(), t.action.tolist(), t.next_obs.tolist(), t.info["progress"].tolist(), t.terminated.tolist())
    return [(obs, [action], after, {"progress": x}, end) for obs, action, after, x, end in zip(*parts, strict=True)]


def with_children() -> float:
    """Processor seconds of this process and its children, which live."""
    folder = Path("/proc/self/task")
    children = {pid for task in folder.iterdir() for pid in (task / "children").read_text().split()}
    threads = [task for pid in children for task in Path(f"/proc/{pid}/task").iterdir()]
    return time.process_time() + sum(int((task / "schedstat").read_text().split()[0]) for task in threads) / 1e9


def timed(
    run: Callable[[], object], milliseconds: float, clock: Callable[[], float] = time.thread_time
) -> Callable[[], float]:
    """Timer: seconds a call, of so many calls that they take about so long."""
    run()
    began = clock()
    run()
    calls = max(1, int(milliseconds / 1e3 / (clock() - began)))

    def timer() -> float:
        began = clock()
        for _ in range(calls):
            run()
        return (clock() - began) / calls

    return timer


def rates(args: Args, session: Any) -> Table:
    """A row for each number of rows."""
    heads = ("rows at once", "ours, rewards/s", "numpy, rewards/s", "ours / numpy, time")
    table = Table(*heads, *(("Monty, rewards/s", "Monty / ours, time") if session else ()))
    reward = ExpressionReward(TEXT, limit=100.0)
    for rows in SIZES:
        t = steps(rows)
        np.testing.assert_array_equal(reward(t), by_hand(t))
        runs: list[Callable[[], object]] = [lambda t=t: reward(t), lambda t=t: by_hand(t)]
        if session:
            given = plain_rows(t)

            def ask(given: Any = given) -> Any:
                return session.feed_run("[reward(*row) for row in rows]", inputs={"rows": given})

            np.testing.assert_allclose(ask(), by_hand(t), rtol=1e-12)
        timers = [timed(run, args.milliseconds) for run in runs]
        if session:
            timers.append(timed(ask, args.milliseconds, with_children))
        found = [[timer() for timer in timers] for _ in range(args.repeats)]
        cells = [spread([rows / one[k] for one in found]) for k in range(len(timers))]
        ratios = [spread([one[a] / one[b] for one in found], 2) for a, b in ((0, 1), (-1, 0))]
        table.add_row(str(rows), *cells[:2], ratios[0], *((cells[2], ratios[1]) if session else ()))
    return table


def stopped(session: Any) -> str:
    """How many of the hostile functions give a number in a session, and how many are read here."""
    texts = [text for text in runpy.run_path(str(HOSTILE))["TEXTS"] if text.lstrip().startswith("def ")]
    call = "result = reward(**{k: v for k, v in {'obs': [0.5, 0.5], 'info': {'progress': 0.5}}.items() if k in names})"
    gave = ours = 0
    for text in texts:
        try:
            parse(text)
            ours += 1
        except ValueError:
            pass
        names = [name for name in ("obs", "info") if name in text.partition(")")[0]]
        try:
            for code in (text, call):
                session.feed_run(code, inputs={"names": names}, print_callback=lambda stream, words: None)
            gave += isinstance(session.feed_run("result"), int | float)
        except pydantic_monty.MontyError:
            continue
    return f"of {len(texts)} hostile functions, {gave} give a number in Monty, and {ours} are read here"


def main(args: Args) -> None:
    """Measure and print."""
    console = Console(width=160)
    console.print(describe())
    read = [timed(lambda: parse(TEXT), args.milliseconds)() for _ in range(args.repeats)]
    console.print(f"reading the text: {1e3 * median(read):.2f} ms once; {parse(TEXT).size} parts")
    if pydantic_monty is None:
        console.print(rates(args, None))
        console.print("for Monty: pip install pydantic-monty")
        return
    began = time.perf_counter()
    with pydantic_monty.Monty() as pool, pool.checkout() as session:
        session.feed_run(f"import math\n{TEXT}")
        console.print(f"pydantic-monty {pydantic_monty.__version__}: {time.perf_counter() - began:.2f} s to start")
        console.print(rates(args, session))
    limits = {"max_feed_duration_secs": 1.0, "max_memory": 100_000_000, "max_recursion_depth": 100}
    with pydantic_monty.Monty() as pool, pool.checkout(limits=limits) as session:
        console.print(stopped(session))


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
