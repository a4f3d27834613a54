"""Would the tests notice? One small error at a time in a copy of the source, and the tests that should find it.

    python benchmarks/mutants.py --seed 1                    # 20 mutants of each area
    python benchmarks/mutants.py --seed 1 --areas compare    # one area
    python benchmarks/mutants.py --seed 1 --show             # the mutants alone; runs nothing

A mutant is one change at one point: another comparison, sum for difference, product for quotient, ``and`` for ``or``, a
number that is one more, ``True`` for ``False``, ``min`` for ``max``, a condition turned round. Points are drawn among
all those of an area, so long files come more often; annotations, texts, the arguments of errors, ``zip(strict=True)``
and pictures (in modules of figures the numbers) are left out. Tests next to the file run first, then the rest of its
area, until one fails. A test counts only if the tests of its file pass without the mutant; a single test that takes
over two minutes counts as one that fails. Some mutants change nothing that anybody could see: read the survivors, which
are printed with their line. Results, with the test that found each, are appended to ``results/mutants.jsonl`` one by
one, and a second run goes on behind them.

To be fast, say which tests reach which line. This measures it (pip install pytest-cov), in about ten minutes:

    COVERAGE_FILE=results/reach pytest -n 2 --dist loadfile --cov=payoff --cov-context=test --cov-report=
    python benchmarks/mutants.py --seed 1 --reach results/reach
"""

from __future__ import annotations

import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import tyro
from _machine import describe
from rich.console import Console
from rich.progress import Progress

ROOT = Path(__file__).resolve().parents[1]
Area: TypeAlias = Literal["kernels", "wrappers", "baselines", "compare", "views"]
FILES: dict[Area, tuple[str, ...]] = {
    "kernels": ("envs/core", "envs/coopetition", "envs/sight", "envs/social", "envs/sparse"),
    "wrappers": ("wrappers",),
    "baselines": ("baselines",),
    "compare": ("calibration/compare",),
    "views": (
        "envs/views",
        "envs/rewards",
        "envs/partners.py",
        "envs/certificate.py",
        "envs/certifying.py",
        "envs/mdp.py",
    ),
}
# what runs, in this order, after the tests that are named like the file
TESTS: dict[Area, tuple[str, ...]] = {
    "kernels": ("tests/core", "tests/test_golden.py", "tests/test_mdp.py", "tests/views", "tests/test_certificate.py"),
    "wrappers": ("tests/wrappers", "tests/baselines/test_methods.py", "tests/baselines/test_transform.py"),
    "baselines": ("tests/baselines", "tests/test_own_package.py"),
    "compare": ("tests/calibration", "tests/baselines/test_cli_compare.py"),
    "views": (
        *(
            "tests/views",
            "tests/rewards",
            "tests/test_rewards.py",
            "tests/test_partners.py",
            "tests/test_certificate.py",
        ),
        *("tests/test_mdp.py", "tests/theory", "tests/test_golden.py", "tests/test_docs.py", "tests/baselines"),
    ),
}
FEW = "TrustDilemma or PublicGoods or KeyRoom or CarBall or not v0"
COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "is": "is not", "is not": "is"}
OPERATORS = {"+": "-", "-": "+", "*": "/", "/": "*", "//": "*", "%": "*", "**": "*", "|": "&", "&": "|", "@": "*"}
CALLS = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "minimum": "maximum",
    "maximum": "minimum",
    "floor": "ceil",
}


@dataclass(frozen=True)
class Args:
    """What to do."""

    seed: int
    """of the draw"""
    areas: tuple[Area, ...] = ("kernels", "wrappers", "baselines", "compare", "views")
    """where mutants are drawn"""
    each: int = 20
    """mutants of each area"""
    limit: float = 900.0
    """seconds of tests a mutant; one for which that is too short has survived"""
    reach: Path | None = None
    """which tests reach which line, as coverage with contexts has measured it: only these run, and their files"""
    show: bool = False
    """print the mutants and run nothing"""
    out: Path = Path("results/mutants.jsonl")
    """what has been found so far"""


@dataclass(frozen=True)
class Mutant:
    """One change: ``old`` at ``line`` and ``column`` of a file becomes ``new``; ``text`` is the line as it stands."""

    area: Area
    file: str
    line: int
    column: int
    old: str
    new: str
    text: str

    def applied(self, source: str) -> str:
        """The source with the change."""
        lines = source.splitlines(keepends=True)
        at = lines[self.line - 1].encode()  # columns of syntax trees count bytes
        assert at[self.column :].startswith(self.old.encode()), self
        changed = at[: self.column] + self.new.encode() + at[self.column + len(self.old.encode()) :]
        lines[self.line - 1] = changed.decode()
        return "".join(lines)

    def __str__(self) -> str:
        """Where, what, and the line as it stands."""
        return f"{self.file}:{self.line}: {self.old!r} -> {self.new!r} in: {self.text.strip()}"


def idle(node: ast.AST) -> bool:
    """Whether a change in here says nothing about the tests: errors, texts, guards against bugs of ours, pictures."""
    if isinstance(node, ast.keyword):
        return node.arg == "strict"
    if isinstance(node, ast.FunctionDef):
        return node.name == "draw"
    return isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr)


def live(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below one that do something: no annotation, no error message, no assertion for type checkers."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list") or isinstance(value, ast.Raise | ast.Assert):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.UnaryOp) and isinstance(node, ast.Call) and "reshape" in ast.unparse(node.func):
                continue  # numpy takes any negative length for -1
            if isinstance(child, ast.AST) and not idle(child):
                yield child
                yield from live(child)


def points(area: Area, file: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a file."""
    texts = source.splitlines()
    lines = [line.encode() for line in texts]
    pictured = Path(file).stem in ("figure", "figures")  # numbers there are sizes, places and colours

    def mutant(line: int, column: int, old: str, new: str) -> Mutant:
        return Mutant(area, file, line, column, old, new, texts[line - 1])

    def between(left: ast.expr, right: ast.expr, table: dict[str, str]) -> Iterator[Mutant]:
        """The operator that stands between two expressions, where that is on one line."""
        if left.end_lineno != right.lineno or left.end_lineno is None or left.end_col_offset is None:
            return
        gap = lines[right.lineno - 1][left.end_col_offset : right.col_offset].decode()
        word = gap.strip(" ()")
        if word in table:
            column = left.end_col_offset + gap.encode().index(word.encode())
            yield mutant(right.lineno, column, word, table[word])

    for node in live(ast.parse(source)):
        if isinstance(node, ast.Compare):
            for left, right in zip([node.left, *node.comparators], node.comparators, strict=False):
                yield from between(left, right, COMPARISONS)
        elif isinstance(node, ast.BinOp):
            yield from between(node.left, node.right, OPERATORS)
        elif isinstance(node, ast.BoolOp):
            for left, right in zip(node.values, node.values[1:], strict=False):
                yield from between(left, right, {"and": "or", "or": "and"})
        elif isinstance(node, ast.Constant) and type(node.value) in (bool, int, float) and not pictured:
            new = str(not node.value) if isinstance(node.value, bool) else f"{node.value + 1!r}"
            old = ast.get_source_segment(source, node) or ""
            yield mutant(node.lineno, node.col_offset, old, new)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield mutant(node.lineno, node.col_offset, "not ", "")
        elif isinstance(node, ast.If | ast.While | ast.IfExp):
            test = ast.get_source_segment(source, node.test) or ""
            if "\n" not in test:
                yield mutant(node.test.lineno, node.test.col_offset, test, f"(not ({test}))")
        elif isinstance(node, ast.Name) and node.id in CALLS and isinstance(node.ctx, ast.Load):
            yield mutant(node.lineno, node.col_offset, node.id, CALLS[node.id])


def draw(args: Args, tree: Path) -> list[Mutant]:
    """The mutants of a seed in a source tree, area by area."""
    drawn = []
    for area in args.areas:
        found = [(tree / place) for place in FILES[area]]
        files = sorted(f for place in found for f in (place.rglob("*.py") if place.is_dir() else [place]))
        names = [f.relative_to(tree).as_posix() for f in files if f.name != "__init__.py"]
        every = [m for name in names for m in points(area, name, (tree / name).read_text(encoding="utf-8"))]
        drawn += random.Random(f"{args.seed} {area}").sample(every, args.each)
    return drawn


class Reach:
    """Which tests reach which line; compiled kernels are not seen from there."""

    def __init__(self, path: Path) -> None:
        from coverage import CoverageData

        self._data = CoverageData(str(path))
        self._data.read()

    def tests(self, mutant: Mutant) -> list[str]:
        """Node ids, in the order of files, of the tests that reach the line; none where only an import does."""
        tree = ast.parse((ROOT / mutant.file).read_text(encoding="utf-8"))
        statements = (n for n in ast.walk(tree) if isinstance(n, ast.stmt))
        around = [n for n in statements if n.lineno <= mutant.line <= (n.end_lineno or 0)]
        functions = (n for n in around if isinstance(n, ast.FunctionDef))
        if any("jit" in ast.unparse(decorator) for f in functions for decorator in f.decorator_list):
            return []
        first = max(n.lineno for n in around)  # of its statement, which may have several lines
        return self._between(mutant.file, first, mutant.line)

    def files(self, mutant: Mutant) -> list[str]:
        """Files with tests that reach any line of the mutant's file."""
        return sorted({test.partition("::")[0] for test in self._between(mutant.file, 0, sys.maxsize)})

    def _between(self, name: str, first: int, last: int) -> list[str]:
        file = next((f for f in self._data.measured_files() if Path(f).as_posix().endswith(f"/{name}")), None)
        lines = self._data.contexts_by_lineno(file) if file else {}
        contexts = (c for line, found in lines.items() if first <= line <= last for c in found)
        return sorted({c.rpartition("|")[0] for c in contexts} - {""})


def commands(mutant: Mutant, reach: Reach | None) -> Iterator[list[str]]:
    """Arguments of pytest: the file's own tests, those that reach the line, the files that these are in.

    Where an import alone reaches the line, files that reach another line of the file; for a game, and where nothing is
    known: the tests of its folder, then those of the area, for a game those of its ids.
    """
    path = Path(mutant.file)
    own = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "tests").rglob(f"test_{path.stem}*.py"))
    if own:
        yield own
    if reach is not None and (tests := reach.tests(mutant)):
        places = TESTS[mutant.area]
        yield sorted(
            tests, key=lambda t: next((k for k, place in enumerate(places) if t.startswith(place)), len(places))
        )
        if files := sorted({t.partition("::")[0] for t in tests} - set(own)):  # what a fixture did for one test
            yield files
        return
    module = f"payoff.{path.with_suffix('').as_posix().replace('/', '.')}"
    ids = [i for i, where in games().items() if where.partition(":")[0] == module]
    if reach is not None and not ids and (files := reach.files(mutant)):
        yield files
        return
    folder = ROOT / "tests" / path.parent
    if folder.is_dir() and folder.name not in TESTS[mutant.area]:
        yield [folder.relative_to(ROOT).as_posix()]
    chosen = ["-k", " or ".join(i.removeprefix("payoff/") for i in ids)] if ids else []
    if not ids and mutant.area in ("kernels", "views"):  # what every id runs through: a few of them first
        yield [*TESTS[mutant.area], "-k", FEW]
    for place in TESTS[mutant.area]:
        yield [place, *chosen]


def games() -> dict[str, str]:
    """Ids and where their games are."""
    from payoff.envs.registry import GAMES

    return GAMES


class Tests:
    """The tests of a copy of the source tree."""

    def __init__(self, copy: Path, reach: Reach | None) -> None:
        self.copy, self.reach = copy, reach
        self._sound: dict[str, bool] = {}  # whether a file's tests pass as long as the sources are whole
        self._environment = os.environ | {"PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}

    def run(self, arguments: list[str], limit: float | None = None) -> tuple[bool, str]:
        """Whether all passed, and the line of the first that did not."""
        hang = ["-o", "faulthandler_timeout=120", "-o", "faulthandler_exit_on_timeout=true"]
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *hang, *arguments]
        done = subprocess.run(
            command, cwd=self.copy, env=self._environment, capture_output=True, text=True, timeout=limit
        )
        said = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return done.returncode in (0, 5), said[0] if said else (done.stderr or done.stdout)[-300:]  # 5: none chosen

    def check(self, said: str) -> None:
        """A test that fails without the mutant as well has found nothing.

        Raises:
            RuntimeError: It does.
        """
        file = said.removeprefix("FAILED ").removeprefix("ERROR ").partition(" - ")[0].partition("::")[0]
        if (self.copy / file).is_file() and file not in self._sound:
            self._sound[file], now = self.run([file])
            if not self._sound[file]:
                raise RuntimeError(f"the tests do not pass as they are: {now}")

    def try_mutant(self, mutant: Mutant, limit: float) -> tuple[str, float, str]:
        """What became of it ("found", "survived", "unfinished"), the seconds it took, and the test that found it."""
        target, began = self.copy / mutant.file, time.monotonic()
        source, fate, said = target.read_text(encoding="utf-8"), "survived", ""
        target.write_text(mutant.applied(source), encoding="utf-8")
        try:
            for tests in commands(mutant, self.reach):
                passed, said = self.run(tests, max(1.0, limit - (time.monotonic() - began)))
                if not passed:
                    fate = "found"
                    break
        except subprocess.TimeoutExpired:
            fate = "unfinished"
        finally:
            target.write_text(source, encoding="utf-8")
        seconds = time.monotonic() - began
        if fate == "found":
            self.check(said)
        return fate, seconds, said if fate == "found" else ""


def main(args: Args) -> int:
    """Draw, run, report; the exit status is 1 where an area's score is below 90 %."""
    console = Console()
    if args.show:
        for mutant in draw(args, ROOT):
            console.print(f"{mutant.area}: {mutant}", markup=False, highlight=False, soft_wrap=True)
        return 0
    console.print(describe(), highlight=False)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    done = {}
    if args.out.exists():
        rows = [json.loads(line) for line in args.out.read_text(encoding="utf-8").splitlines()]
        done = {(row["file"], row["line"], row["column"], row["new"]): row for row in rows}
    with tempfile.TemporaryDirectory() as folder, Progress(console=console) as progress:
        copy = Path(folder) / "payoff"
        ignored = shutil.ignore_patterns(".git", ".venv", "results", ".*_cache", ".hypothesis")
        shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
        drawn = draw(args, copy)  # of the copy, whoever edits the sources meanwhile
        tests = Tests(copy, Reach(args.reach) if args.reach else None)
        task = progress.add_task("mutants", total=len(drawn))
        for mutant in drawn:
            key = (mutant.file, mutant.line, mutant.column, mutant.new)
            if key not in done:
                fate, seconds, by = tests.try_mutant(mutant, args.limit)
                done[key] = {**vars(mutant), "fate": fate, "seconds": round(seconds, 1), "by": by}
                with args.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(done[key]) + "\n")
                if fate != "found":
                    console.print(f"{fate}: {mutant}", markup=False, highlight=False, soft_wrap=True)
            progress.advance(task)
    low = False
    for area in args.areas:
        fates = [done[m.file, m.line, m.column, m.new]["fate"] for m in drawn if m.area == area]
        score = fates.count("found") / len(fates)
        low |= score < 0.9
        console.print(f"{area}: {score:.0%} of {len(fates)} found, {fates.count('unfinished')} not finished in time")
    return int(low)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Args, description=__doc__)))
