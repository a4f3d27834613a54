"""``docs/rewards.md``: its files are written out as they stand there, and run; its tables are what the code has."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from payoff.rewards import LAYERS, Happened, RewardInput

TEXT = (Path(__file__).parents[2] / "docs" / "rewards.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python title=(\S+)\n(.*?)```", TEXT, re.DOTALL))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    (folder / "my_pkg").mkdir()
    (folder / "my_pkg" / "__init__.py").touch()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", [name for name in FILES if "/" not in name])
def test_every_program_of_the_page_runs(folder, name):
    done = subprocess.run([sys.executable, "-W", "error", name], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_page_has_every_layer_once():
    table = re.search(r"\| name, numbers .*?\n\n", TEXT, re.DOTALL)[0]
    rows = re.findall(r"^\| `(\w+)(?::([\w,]+))?` \| `(\w+)` \|.*\| (.*) \|$", table, re.MULTILINE)
    assert [row[0] for row in rows] == list(LAYERS)
    for name, numbers, kind, uses in rows:
        assert LAYERS[name].__name__ == kind
        takes = [f.name for f in fields(LAYERS[name]) if f.type == "float"]
        assert numbers.split(",") == takes or (numbers == "" and not takes)
        assert (uses != "no") == LAYERS[name]().uses_dependence


def test_the_page_has_every_name_that_a_reward_is_given():
    for field in fields(RewardInput):
        assert re.search(rf"^\| [^|]*`{field.name}`", TEXT, re.MULTILINE), field.name
    assert {f.name for f in fields(RewardInput)} == set(Happened._fields)
    for name in Happened._fields:
        assert f"`t.{name}`" in TEXT
