"""The pages that are written by hand: links lead somewhere, and commands are accepted as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from payoff.baselines import ablation, run
from payoff.cli import main
from payoff.cli.ablating import Ablate
from payoff.cli.training import Train

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("*.md"), *sorted(ROOT.glob("docs/**/*.md"))]
# the other pages name modules that they write out themselves, and have tests of their own
WITH_COMMANDS = [
    *(ROOT / "README.md", ROOT / "docs" / "ablation.md"),
    *(
        ROOT / "docs" / "llm" / f"{name}.md"
        for name in ("README", "calm", "expressions", "functions", "labels", "lare")
    ),
    *sorted(ROOT.glob("docs/learned/*.md")),
]
NEEDS_A_FILE = re.compile(r"grid\.toml|FILE|mine:")  # of a run before, or of the reader


def commands(text: str, *names: str) -> list[list[str]]:
    """Words of the commands of these names, which begin their lines."""
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    found = [shlex.split(line.removeprefix("payoff "), comments=True) for line in lines if line.startswith("payoff ")]
    return [words for words in found if words[0] in names and not NEEDS_A_FILE.search(" ".join(words))]


def written(page: Path) -> str:
    """Shell commands of a page: those of its blocks and of the cells of its tables."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\|.*\|$", text, re.MULTILINE)
    return "\n".join([*blocks, *(cell for row in rows for cell in re.findall(r"`(payoff [^`]*)`", row))])


def anchors(page: Path) -> set[str]:
    """What a link may name after # in a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


class Accepted(Exception):
    """Training would begin now."""


def begin(*_: object, **__: object) -> None:
    """Stands in for whatever trains."""
    raise Accepted


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", text)):
        if re.match(r"https?:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.fixture
def nothing_trains(tmp_path, monkeypatch):
    """Every check of a training and of its reward learner comes before it begins, and here it does not begin."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "execute", begin)
    monkeypatch.setattr(ablation, "ablate", begin)


def check(text: str) -> int:
    """Call the trainings of a text; how many there are."""
    found = commands(text, "train", "ablate")
    for words in found:
        with pytest.raises(Accepted):
            raise AssertionError(f"status {main(words)}: payoff {shlex.join(words)}")
    return len(found)


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_are_accepted_as_they_stand(page, tmp_path, nothing_trains):
    (tmp_path / "keys").write_text("left\nright\n", encoding="utf-8")
    for words in commands(written(page), "prefer"):
        assert main([*words, "--segments", "4", "--questions", "2", "--script", "keys"]) == 0
    assert check(written(page))


def test_each_call_of_a_model_has_a_folder_of_its_own():
    """A folder of ``payoff llm-reward`` refuses a second call with other words, so pages must not share one."""
    folders: dict[str, list[str]] = {}
    for page in ROOT.glob("docs/llm/*.md"):
        for words in commands(written(page), "llm-reward"):
            folders.setdefault(words[words.index("--out") + 1], []).append(shlex.join(words))
    assert len(folders) > 6
    assert all(len(calls) == 1 for calls in folders.values()), folders


@pytest.mark.parametrize("command", [Train, Ablate])
def test_examples_of_the_help_are_accepted(command, nothing_trains):
    assert check(command.__doc__)
