"""What dilemma the published games pose in one step, and the figures of ``docs/guides/dilemmas.md``.

``python benchmarks/dilemmas.py`` draws both figures and writes the table of the page. Nothing is random but a
start: the first of seed 0, where a game draws its start.
"""

from __future__ import annotations

import importlib
import re
import sys
import tempfile
from pathlib import Path

from _machine import describe

from payoff.baselines.stage_figure import stage_figure
from payoff.calibration.compare.figure import encode
from payoff.envs import registry
from payoff.envs.stage import StageCertificate, certify_stage

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "guides" / "dilemmas.md"


def example() -> str:
    """The game of the page, registered; its id."""
    ((name, text),) = re.findall(r"```python title=(\S+)\.py\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    folder = Path(tempfile.mkdtemp())
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    sys.path.insert(0, str(folder))
    importlib.import_module(name)
    return "mine/LinearPublicGoods-v0"


def row(found: StageCertificate) -> str:
    """A line of the table."""
    numbers = [
        f"{100 * found.gap:.3f} %" if found.gap is not None else "-",
        f"{100 * found.lost:.2f} %" if found.lost is not None else "-",
        f"{found.curve.s_95:.3f}" if found.curve.s_95 is not None else "-",
        found.dilemma.kind if found.dilemma is not None else "none",
    ]
    return f"| {found.id.removeprefix('payoff/')} | {found.game.n_players} | {' | '.join(numbers)} |"


def main() -> None:
    """Draw and write."""
    machine = describe()
    print(machine)
    for env_id, name in ((example(), "public_goods"), ("payoff/TrustDilemma-v0", "trust")):
        found = certify_stage(env_id)
        figure = stage_figure(env_id.rpartition("/")[2], found.game, found.nash, found.optimum, found.curve)
        (DOCS / "figures" / f"dilemma_{name}.png").write_bytes(encode(figure, "png"))
    published = [i for i in registry.ids() if registry.load(i).rules.published]
    rows = [row(certify_stage(env_id)) for env_id in published]
    head = "| id | players | of the optimum's welfare | lost | s_95 | kind |\n|---|---|---|---|---|---|"
    table = "\n".join([head, *rows, "", f"{machine}; start of seed 0."])
    print(table)
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- table -->\n")
    after = rest.partition("<!-- end of table -->")[2]
    PAGE.write_text(f"{before}<!-- table -->\n{table}\n<!-- end of table -->{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
