"""Compiled code: one signature for every size, one game's edit compiles one game, and a word about compiling."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.binding import kernel

SIZES = {
    "AdditiveSet-v0": [{"elements": 6, "choose": 2}, {"elements": 10, "choose": 3}, {"elements": 20, "choose": 4}],
    "ApacheProject-v0": [{"phase": phase} for phase in ("emergence", "growth", "maturity")],
    "CarBall-v0": [{"players": 1}, {"players": 2}, {"players": 4}],
    "Chain-v0": [{"length": 4}, {"length": 62}, {"length": 200, "slip": 0.0}],
    "CliffWalk-v0": [{"width": 4}, {"width": 12}, {"width": 20}],
    "CoalitionFormation-v0": [{"n_agents": 4}, {"n_agents": 6}, {"n_agents": 12}],
    "Congestion-v0": [{"n_agents": 4, "sections": 2}, {"n_agents": 100}, {"n_agents": 30, "sections": 9}],
    "CorridorStar-v0": [{"corridors": 2}, {"corridors": 5}, {"corridors": 7}],
    "DeepSea-v0": [{"size": 3}, {"size": 10}, {"size": 40}],
    "FourRooms-v0": [{"size": 7}, {"size": 11}, {"size": 19}],
    "HyperGrid-v0": [{"dimensions": 1, "height": 8}, {"dimensions": 2, "height": 8}, {"dimensions": 4, "height": 16}],
    "KeyRoom-v0": [{"size": 5}, {"size": 8}, {"size": 12}],
    "LoyaltyTeam-v0": [{"n_agents": 2}, {"n_agents": 4}, {"n_agents": 40}],
    "Minesweeper-v0": [{"size": 3, "mines": 2}, {"size": 4, "mines": 3}, {"size": 5, "mines": 3}],
    "MultiRoom-v0": [{"rooms": 2}, {"rooms": 6, "width": 5}, {"rooms": 9, "height": 7}],
    "PublicGoods-v0": [{"n_agents": 2}, {"n_agents": 5}, {"n_agents": 20}],
    "RedundantArm-v0": [{"joints": 2}, {"joints": 20}, {"joints": 50}],
    "Sudoku-v0": [{"size": 4}, {"size": 6}, {"size": 9}],
    "TrustDilemma-v0": [{}, {"max_steps": 7}, {"trust_erosion_rate": 0.1}],
    "TwentyQuestions-v0": [{"features": 3, "hypotheses": 4}, {}, {"features": 12, "hypotheses": 16}],
}


@pytest.mark.parametrize("name", SIZES)
def test_no_size_compiles_anything_anew(name):
    """Three sizes, two batch sizes and every observation setting: one signature."""
    env_id = f"payoff/{name}"
    game = registry.load(env_id)
    for keywords in SIZES[name]:
        for copies, observe in [(1, game.observations[0]), (3, game.observations[-1])]:
            env = payoff.multi_agent_vec(env_id, copies, observe=observe, **keywords)
            env.reset(seed=0)
            env.step(np.broadcast_to(env.engine.format.low, env.engine.raw.shape))
            env.engine.look()
            env.engine.features(env.engine.state.copy())
    assert len(kernel(game).signatures) == 1


LOCK = """
    from dataclasses import dataclass
    from payoff.envs.core.game import Game, Rules
    from payoff.envs.core.jit import jit
    from payoff.envs.core.params import Params
    from payoff.envs.core.state import Copy, whole
    from payoff.envs.sight.symbols import Symbol, symbols
    from {package} import shared

    @dataclass(frozen=True, slots=True, kw_only=True)
    class LockParams(Params):
        max_steps: int = 9

    class Lock(Copy):
        dials: float = whole(0, 3)

    @jit
    def start(p, s):
        pass

    @jit
    def step(p, s, action, payoff):
        s.dials = shared.turned(s.dials, action[0])
        payoff[0] = s.dials
        return False

    GAME = Game("tests/{name}-v0", "A lock.", tags=("tabular",),
        rules=Rules(params=LockParams, state=Lock, start=start, step=step, actions=lambda p: 2),
        sight=symbols(lambda p: (Symbol("dials", 4),)), draw=None)
"""
SHARED = """
    from payoff.envs.core.jit import jit

    @jit
    def turned(dials, action):
        return (dials + action) % {modulus}
"""
PLAY = """
    import sys, payoff
    from numba.core import event
    from locks import first, second
    class Names(event.Listener):
        def on_start(self, event):
            print("compiled", event.data["dispatcher"].py_func.__module__)
        def on_end(self, event): pass
    with event.install_listener("numba:compile", Names()):
        for game in (first.GAME, second.GAME):
            payoff.register(game)
            env = payoff.multi_agent_vec(game.id, 1)
            env.reset(seed=0)
            print("paid", sum(env.step([[[1]]])[1].item() for _ in range(5)))
"""


def write(folder: Path, file: str, text: str, **names: object) -> None:
    (folder / file).write_text(textwrap.dedent(text).format(**names) if names else textwrap.dedent(text))


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "PAYOFF_QUIET")}
    own |= {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": str(folder), **environment}
    return subprocess.run(
        [sys.executable, str(folder / "play.py")], capture_output=True, text=True, check=True, env=own, cwd=folder
    )


def compiled(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Modules of which something was compiled, but for numba's own."""
    found = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("compiled")}
    return {name for name in found if not name.startswith("numba.")}


def paid(done: subprocess.CompletedProcess[str]) -> list[float]:
    return [float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("paid")]


def test_an_edit_compiles_what_depends_on_it_and_nothing_else(tmp_path):
    """Two games of another package that share a block: the cache is found again, and never stale."""
    package = tmp_path / "locks"
    package.mkdir()
    (package / "__init__.py").touch()
    write(package, "shared.py", SHARED, modulus=4)
    for name in ("first", "second"):
        write(package, f"{name}.py", LOCK, name=name.title(), package="locks")
    write(tmp_path, "play.py", PLAY)

    fresh = run(tmp_path)
    assert {"locks.first", "locks.second", "locks.shared"} <= compiled(fresh)
    assert paid(fresh) == [1 + 2 + 3 + 0 + 1] * 2
    assert fresh.stderr.count("payoff: compiling") == 1, "one line for each process"

    again = run(tmp_path)
    assert compiled(again) == set()
    assert "payoff:" not in again.stderr

    with (package / "first.py").open("a") as file:
        file.write("# a comment\n")
    assert compiled(run(tmp_path)) == {"locks.first"}

    write(package, "shared.py", SHARED, modulus=3)
    edited = run(tmp_path, PAYOFF_QUIET="1")
    assert compiled(edited) >= {"locks.first", "locks.second", "locks.shared"}
    assert not any(name.startswith("payoff.") for name in compiled(edited))
    assert paid(edited) == [1 + 2 + 0 + 1 + 2] * 2
    assert "payoff:" not in edited.stderr
