"""``docs/guides/other_tools.md``: programs whose packages the tests install are run; the others name their versions."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location("docs_check_guides", ROOT / "docs" / "check_guides.py")
guides = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(guides)

TEXT = guides.PAGE.read_text(encoding="utf-8")
FILES = guides.files(TEXT)
INSTALLED = {
    "gymnasium",
    "numpy",
    "payoff",
    "pettingzoo",
    "sb3_contrib",
    "stable_baselines3",
    "torch",
}  # by the extras train and dev
RUN_HERE = [
    name for name in guides.programs(FILES) if name.endswith(".py") and guides.packages(name, FILES) <= INSTALLED
]
TOOLS = (
    "Stable-Baselines3",
    "RL Baselines3 Zoo",
    "CleanRL",
    "TorchRL",
    "RLlib",
    "Tianshou",
    "SuperSuit",
    "AgileRL",
    "Minari",
    "MiniGrid",
    "mpe2",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guide")
    guides.write(FILES, folder)
    return folder


@pytest.mark.parametrize("name", RUN_HERE)
def test_programs_of_the_page_run(folder, name, monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    done = guides.run(name, folder)
    assert done.returncode == 0, done.stdout


def test_what_the_tests_install_is_run():
    assert {"own_ids.py", "sb3_ppo.py", "sb3_native.py", "sb3_masks.py"} <= set(RUN_HERE)


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_has_a_section_with_a_program_and_versions(tool):
    section = re.search(rf"^## {re.escape(tool)}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert section, f"there is no section {tool}"
    assert guides.programs(guides.files(section[1]))
    assert re.search(r"^Run with .*\d+\.\d+", section[1], re.MULTILINE)


def page(tmp_path, **blocks):
    path = tmp_path / "page.md"
    kinds = {"py": "python", "sh": "sh", "txt": "text"}
    path.write_text(
        "".join(f"```{kinds[n.rpartition('_')[2]]} title={n.replace('_', '.')}\n{t}\n```\n" for n, t in blocks.items())
    )
    return path


def test_a_program_that_fails_is_said_with_what_it_printed(tmp_path, capsys):
    path = page(
        tmp_path, good_py="import part\nprint(part.x)", part_py="x = 3", bad_sh="echo before; python -c 'x = y'"
    )
    assert guides.main(["--page", str(path)]) == 1
    said = capsys.readouterr().out
    assert re.search(r"good.py: ran, \d+ s; \n    3\n", said)
    assert "bad.sh: FAILED" in said and "    before\n" in said and "NameError" in said
    assert guides.main(["--page", str(path), "good.py"]) == 0


def test_a_program_that_lacks_something_is_not_run_and_said(tmp_path, capsys, monkeypatch):
    path = page(
        tmp_path, one_py="import no_such_package.part", two_sh='echo "${NO_SUCH_FOLDER:?a clone}"', it_txt="data"
    )
    monkeypatch.delenv("NO_SUCH_FOLDER", raising=False)
    assert guides.main(["--page", str(path)]) == 0
    assert capsys.readouterr().out == (
        "one.py: not run, there is no no_such_package\ntwo.sh: not run, there is no $NO_SUCH_FOLDER\n"
    )
    assert guides.main(["--page", str(path), "one.py"]) == 1  # asked for by name
    monkeypatch.setenv("NO_SUCH_FOLDER", "here")
    assert guides.main(["--page", str(path), "two.sh"]) == 0
    assert "    here\n" in capsys.readouterr().out


def test_a_program_that_the_page_does_not_have_is_a_user_error(tmp_path, capsys):
    path = page(tmp_path, one_py="", it_txt="data")
    assert guides.main(["--page", str(path), "it.txt"]) == 2
    assert capsys.readouterr().err == "page.md has no program it.txt; it has one.py\n"


def test_what_a_program_needs_is_read_from_its_text():
    named = {
        "a.py": "import os\nimport numpy as np\nfrom torch.nn import Linear\nimport b\nfrom . import c\n",
        "b.py": "",
        "z.sh": "python -m rl_zoo3.train --x\npython b.py\n",
    }
    assert guides.packages("a.py", named) == {"numpy", "torch"}
    assert guides.packages("z.sh", named) == {"rl_zoo3"}
    assert guides.missing("b.py", named) == []
