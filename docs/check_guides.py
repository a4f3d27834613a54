"""Runs the programs of a page in the current interpreter, those whose packages it has.

A program is a block ```` ```python title=NAME.py ```` or ```` ```sh title=NAME.sh ````; other blocks with a title are
files that programs read. Each runs in one new folder that holds them all, with this interpreter first on the path, and
with warnings as they come. What a program needs is read from its text: the packages that it imports or runs by
``python -m``, and the variables that it insists on, ``${NAME:?what it is}``.

python docs/check_guides.py                  # docs/guides/other_tools.md
python docs/check_guides.py torchrl_ppo.py   # this program of it
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

PAGE = Path(__file__).resolve().parent / "guides" / "other_tools.md"


def files(text: str) -> dict[str, str]:
    """Name -> text of every block with a title."""
    return dict(re.findall(r"^```\w+ title=(\S+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))


def programs(named: Mapping[str, str]) -> list[str]:
    """Names of the files that are programs."""
    return [name for name in named if name.endswith((".py", ".sh"))]


def packages(name: str, named: Mapping[str, str]) -> set[str]:
    """Packages that a program of the page imports or runs, without the standard library and the page's own files."""
    text = named[name]
    if name.endswith(".sh"):
        found = {module for module in re.findall(r"\bpython -m ([\w.]+)", text)}
    else:
        found = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
    top = {module.partition(".")[0] for module in found}
    return {package for package in top - sys.stdlib_module_names if f"{package}.py" not in named}


def missing(name: str, named: Mapping[str, str]) -> list[str]:
    """What a program needs and this interpreter or its environment lacks."""
    lacks = sorted(p for p in packages(name, named) if importlib.util.find_spec(p) is None)
    return lacks + [f"${v}" for v in re.findall(r"\$\{(\w+):\?", named[name]) if not os.environ.get(v)]


def run(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in the folder that holds the page's files; standard error comes with standard output."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = [sys.executable, name] if name.endswith(".py") else ["bash", "-eu", name]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def write(named: Mapping[str, str], folder: Path) -> None:
    """Write the page's files into a folder."""
    for name, text in named.items():
        (folder / name).write_text(text, encoding="utf-8")


def versions(wanted: set[str]) -> str:
    """Versions of packages, as the page states them."""
    distributions = metadata.packages_distributions()
    owners = {distributions[p][0] for p in wanted if p in distributions}
    return ", ".join(f"{owner} {metadata.version(owner)}" for owner in sorted(owners, key=str.lower))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them; exit code 0, 1 if one fails, 2 for a name that the page does not have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="programs to run; default: all that can run here")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page; default: docs/guides/other_tools.md")
    options = parser.parse_args(arguments)
    named = files(options.page.read_text(encoding="utf-8"))
    unknown = sorted(set(options.names) - set(programs(named)))
    if unknown:
        print(f"{options.page.name} has no program {unknown[0]}; it has {', '.join(programs(named))}", file=sys.stderr)
        return 2
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        write(named, Path(folder))
        for name in options.names or programs(named):
            lacks = missing(name, named)
            if lacks:
                print(f"{name}: not run, there is no {', '.join(lacks)}")
                failed |= name in options.names
                continue
            start = time.perf_counter()
            done = run(name, Path(folder))
            said = done.stdout.strip().splitlines()
            print(
                f"{name}: {'ran' if done.returncode == 0 else 'FAILED'}, {time.perf_counter() - start:.0f} s; "
                f"{versions(packages(name, named))}"
            )
            print("\n".join(f"    {line}" for line in said[-30 if done.returncode else -1 :]))
            failed |= done.returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
