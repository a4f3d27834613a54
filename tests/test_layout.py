"""What holds for the tree as a whole: links, guards, light imports, and what may not stand in a file."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import payoff
from payoff.extras import require

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("envs", "wrappers", "baselines", "calibration")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# The patterns do not match themselves: a slash in them is followed by a bracket.
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:work|root|farm|opt|home/\w+|Users/\w+)\b")
PACKAGE_INDEX = re.compile(r"\w+://[\w.:@/-]*(?:pypi|pythonhosted|/simple|/whl|artifactory|nexus)[\w./-]*")
PUBLIC_INDEX = "https://download.pytorch.org/whl/cpu"  # the one of the README; PyTorch's own page names it


def source_files() -> Iterator[Path]:
    """Files of the project; not ``git ls-files``, since tests also run in a tree without a repository."""
    yield from (path for path in ROOT.iterdir() if path.is_file())
    for top in (*FOLDERS, "src", "tests", "benchmarks", "docs", ".ci"):
        for folder, names, files in os.walk(ROOT / top):  # does not follow links: each file comes once
            names[:] = [n for n in names if n != "__pycache__" and not n.endswith(".egg-info")]
            yield from (Path(folder, name) for name in files)


def python_files(*tops: str) -> list[Path]:
    """All Python files, or those below the named folders."""
    files = (path for path in source_files() if path.suffix == ".py")
    return sorted(path for path in files if not tops or path.relative_to(ROOT).parts[0] in tops)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def run_python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ)
    environment.pop("PYTHONSAFEPATH", None)  # it would take the folder off the path
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("name", FOLDERS)
def test_link_leads_to_the_folder_at_the_top(name: str) -> None:
    link = ROOT / "src" / "payoff" / name
    assert link.is_symlink(), f"{relative(link)} is no link: clone with core.symlinks=true"
    assert Path(os.readlink(link)).as_posix() == f"../../{name}"
    assert link.resolve() == ROOT / name


@pytest.mark.parametrize("name", FOLDERS)
def test_bare_import_is_refused(name: str) -> None:
    done = run_python(f"import {name}", ROOT)
    assert done.returncode == 1
    assert done.stderr.strip().endswith(f"ImportError: import payoff.{name}, not {name}")


@pytest.mark.parametrize("name", FOLDERS)
def test_installed_name_is_the_same_folder(name: str, tmp_path: Path) -> None:
    done = run_python(f"import payoff.{name} as p; print(p.__file__)", tmp_path)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).resolve() == ROOT / name / "__init__.py"


def test_import_payoff_is_light(tmp_path: Path) -> None:
    heavy = ["numba", "torch", "pygame", "pyarrow", "polars", "matplotlib", "stable_baselines3"]
    done = run_python(f"import sys, payoff; print([m for m in {heavy} if m in sys.modules])", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_version_is_stated_once() -> None:
    assert payoff.__version__ == PROJECT["project"]["version"]


def test_missing_package_names_the_extra() -> None:
    message = r'^no_such_package\.part is not installed; .* "train": pip install "payoff\[train\]"$'
    with pytest.raises(ImportError, match=message) as caught:
        require("no_such_package.part", extra="train")
    assert caught.value.name == "no_such_package.part"


def test_broken_package_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "payoff_broken_package.py").write_text("import no_such_dependency\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'no_such_dependency'$"):
        require("payoff_broken_package", extra="train")


def test_require_returns_the_module() -> None:
    assert require("os.path", extra="train") is os.path


# Distribution -> the modules that it brings, where they are called otherwise.
MODULES = {"pygame-ce": "pygame"}
# Nothing of ours imports these: other packages do, when they are asked to.
FOR_OTHERS = {"moviepy": "gymnasium.wrappers.RecordVideo", "tensorboard": "torch.utils.tensorboard"}


def declared(extra: str | None = None) -> set[str]:
    """Modules of the packages that pyproject.toml asks for, always or with an extra."""
    project = PROJECT["project"]
    asked = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    names = [re.match(r"[\w-]+", requirement)[0] for requirement in asked]  # type: ignore[index]
    return {MODULES.get(name, name.replace("-", "_")) for name in names}


def imports(path: Path) -> Iterator[tuple[str, str | None]]:
    """Packages of others that a file imports, each with the extra that it names for it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        found: list[str] = []
        extra = None
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found = [str(node.module)]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "require":
            given = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "extra")]
            extra = ast.literal_eval(given[0])
            found = [node.args[0].value] if isinstance(node.args[0], ast.Constant) else []
        for name in (
            {module.split(".")[0] for module in found} - set(sys.stdlib_module_names) - {"payoff", "__future__"}
        ):
            yield name, extra


def test_whatever_is_imported_is_declared_and_the_other_way_round() -> None:
    extras = {extra: declared(extra) for extra in PROJECT["project"]["optional-dependencies"]}
    used = set()
    for path in python_files(*FOLDERS, "src"):
        for name, extra in imports(path):
            where = f"{relative(path)} imports {name}"
            if extra is not None:
                assert extra in extras and name in extras[extra], f'{where} from the extra "{extra}"'
            elif relative(path).startswith("envs/"):  # games need no extra
                assert name in declared(), where
            else:
                assert name in declared().union(*extras.values()), where
            used.add(name)
    wanted = declared().union(*(names for extra, names in extras.items() if extra != "dev"))
    assert wanted - used == FOR_OTHERS.keys()


def test_makefile_installs_a_torch_that_is_allowed() -> None:
    (allowed,) = (r for r in PROJECT["project"]["optional-dependencies"]["train"] if r.startswith("torch"))
    (pin,) = re.findall(r"torch==(\S+)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert Requirement(allowed).specifier.contains(pin)


def test_every_package_folder_has_an_init() -> None:
    folders = {p.parent for p in python_files(*FOLDERS)}
    assert [relative(f) for f in sorted(folders) if not (f / "__init__.py").exists()] == []


def test_every_public_module_has_a_docstring() -> None:
    public = [p for p in python_files(*FOLDERS, "src") if not re.match(r"_(?!_)", p.name)]
    documented = {p for p in public if ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))}
    assert [relative(p) for p in public if p not in documented] == []


def test_every_stub_is_shipped() -> None:
    shipped = PROJECT["tool"]["setuptools"]["package-data"]
    for stub in (path for path in source_files() if path.suffix == ".pyi"):
        package = ".".join(("payoff", *stub.parent.relative_to(ROOT).parts))
        assert any(stub.match(pattern) for pattern in shipped.get(package, ())), relative(stub)


def test_no_machine_path_and_no_package_index_in_a_file() -> None:
    found = []
    for path in source_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a picture or an array
            continue
        for pattern in (MACHINE_PATH, PACKAGE_INDEX):
            found += [(relative(path), match[0]) for match in pattern.finditer(text)]
    assert [(name, text) for name, text in found if text != PUBLIC_INDEX] == []


def test_python_of_the_readme_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        done = run_python(block, tmp_path)
        assert done.returncode == 0, done.stderr
