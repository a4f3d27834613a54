"""``docs/tutorials/your_own_package.md``: its files are a package, and one ablation uses all of it, without a fork."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from payoff.baselines import read_results

PAGE = Path(__file__).parents[1] / "docs" / "tutorials" / "your_own_package.md"
FILES = dict(re.findall(r"```python title=(\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Folder with the package in it; commands run there."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "my_lab").mkdir()
    (folder / "my_lab" / "__init__.py").touch()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def run(folder: Path, *words: str) -> str:
    """What ``payoff`` prints, run in the folder as a user would."""
    payoff = Path(sys.executable).with_name("payoff")
    done = subprocess.run(
        [str(payoff), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_one_ablation_of_all_four(lab):
    """Five rounds of two seats: sharing is worth 2 * 5 * 2 = 20, taking 10.

    A seat is told pi - 2 pi of the other under Spite:2, -10 for sharing and -5 for taking, so it takes; a nudge of 5
    per round makes it take under any reward.
    """
    words = "ablate --envs my_lab.games:lab/Prisoners-v0 --rewards private my_lab.rewards:Spite:2"
    words += " --shaping none my_lab.shaping:Nudge:scale=5 --algo my_lab.trainer --seeds 2 --processes 1 --out out"
    run(lab, *words.split())
    rows = read_results(lab / "out").to_dicts()
    found = {(row["reward"], row["shaping"], row["seed"]): row["welfare"] for row in rows}
    rewards, shapings = ("private", "my_lab.rewards:Spite:2"), ("none", "my_lab.shaping:Nudge:scale=5")
    assert {row["status"] for row in rows} == {"ok"}
    assert found == {
        (reward, shaping, seed): 20.0 if (reward, shaping) == ("private", "none") else 10.0
        for reward, shaping, seed in itertools.product(rewards, shapings, (1, 2))
    }
    taking = next(row["run_id"] for row in rows if row["welfare"] == 10.0)
    file = f"out/checkpoints/{taking}.safetensors"
    assert " 10 " in run(lab, "evaluate", file, "--algo", "my_lab.trainer")
    refused = subprocess.run(
        [Path(sys.executable).with_name("payoff"), "evaluate", file], cwd=lab, capture_output=True, text=True
    )
    assert refused.returncode == 2 and "name it: --algo my_lab.trainer" in refused.stderr
    assert {row["env_id"] for row in rows} == {"my_lab.games:lab/Prisoners-v0"}
    told = {row["reward"]: row["curve_reward"] for row in rows if row["shaping"] == "none"}
    assert told == {"private": [10.0, 5.0], "my_lab.rewards:Spite:2": [-10.0, -5.0]}


def test_every_command_knows_the_game(lab):
    game = "my_lab.games:lab/Prisoners-v0"
    assert "lab/Prisoners-v0" in run(lab, "list", "my_lab.games")
    assert "taking pays 1 more" in run(lab, "info", game)
    assert "welfare" in run(lab, "evaluate", "random", "--env", game)
    trained = run(
        lab,
        "train",
        "--env",
        game,
        "--algo",
        "ippo",
        "--reward",
        "my_lab.rewards:Spite:2",
        "--out",
        "one",
        "--total-steps",
        "4000",
        "--set",
        "num_envs=8",
        "num_steps=16",
    )
    checkpoint = trained.split("checkpoint: ")[1].split()[0]
    assert "welfare" in run(lab, "evaluate", checkpoint)
    page = run(lab, "info", game, "--markdown")
    assert "# lab/Prisoners-v0" in page and "both share 2" in page


@pytest.mark.parametrize(
    ("env", "shaping"), [("CartPole-v1", "upright"), ("minigrid:MiniGrid-DoorKey-5x5-v0", "with_key")]
)
def test_an_ablation_of_shaping_in_environments_of_others(lab, env, shaping):
    if env.startswith("minigrid"):
        pytest.importorskip("minigrid")
    words = (
        f"ablate --envs {env} --algo ppo --shaping none my_lab.shaping:{shaping}:scale=0.5 --bonus none count:coef=0.01"
    )
    words += f" --seeds 1 --processes 1 --total-steps 2048 --episodes 2 --out {shaping}"
    run(lab, *words.split(), "--set", "num_envs=8", "num_steps=64")
    rows = read_results(lab / shaping).to_dicts()
    assert [row["status"] for row in rows] == ["ok"] * 4
    assert len({(row["shaping"], row["bonus"]) for row in rows}) == 4
    if env == "CartPole-v1":  # a pole that stands for k steps is paid k, whatever the learner was told
        assert all(row["welfare"] == row["episode_length"] for row in rows)
