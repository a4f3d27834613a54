"""The kernel cache: where it lies, and that an edit of a shared block is never answered with old numbers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = (
    "import payoff, numpy as np; from payoff.envs.core.jit import cache_folder; "
    "e = payoff.multi_agent_vec('payoff/TrustDilemma-v0', 1, reward='private'); e.reset(seed=0); "
    "print(e.step(np.full((1, 2, 1), 50.0))[1][0, 0], cache_folder())"
)


def run(tree, **environment):
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | {
        "PYTHONPATH": str(tree / "src"),
        **environment,
    }
    done = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=True, cwd=tree)
    number, folder = done.stdout.split(maxsplit=1)
    return float(number), Path(folder.strip())


@pytest.fixture
def tree(tmp_path):
    """A copy of the sources, links included."""
    for name in ("envs", "wrappers", "baselines", "calibration", "src"):
        shutil.copytree(
            ROOT / name, tmp_path / "tree" / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path / "tree"


def test_an_edit_of_a_shared_block_is_compiled_anew(tree, tmp_path):
    """f(a) lives in core/value.py, the cached step in coopetition/published.py."""
    cache = str(tmp_path / "cache")
    before, folder = run(tree, XDG_CACHE_HOME=cache)
    assert before == pytest.approx(50 + 78.636513 + 0.35 * 50, abs=1e-6)
    assert folder == tmp_path / "cache" / "payoff" and any(folder.rglob("*.nbi"))
    kept = {f.name for f in folder.glob("kernels-*")}
    source = tree / "envs" / "core" / "value.py"
    source.write_text(source.read_text().replace("return scale * math.log1p(action)", "return 0.0 * scale"))
    after, other = run(tree, XDG_CACHE_HOME=cache)
    assert after == pytest.approx(50 + 0.35 * 50, abs=1e-9)
    assert other == folder
    added = {f.name.split("-")[1] for f in folder.glob("kernels-*") if f.name not in kept}
    assert {"value", "published"} <= added
    assert not added & {"trust", "rng", "layer", "partner"}, "these do not depend on it"


def test_a_cache_that_cannot_be_written_is_replaced_by_a_private_one(tree, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    number, folder = run(tree, XDG_CACHE_HOME=str(blocked))
    assert number == pytest.approx(50 + 78.636513 + 0.35 * 50, abs=1e-6)
    assert tmp_path not in folder.parents and folder.name.startswith("payoff-kernels-")
    assert not list(tree.rglob("*.nbi"))
    assert not folder.exists()
