"""A package of somebody's own: its game, reward layer, wrapper and trainer in one ablation, without a fork."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from payoff.baselines import read_results

GAMES = '''
    """A prisoner's dilemma of five rounds: taking pays 1 more, whatever the other does, and costs the other 2.

    (1) pi_i = 2 + x_i - 2 x_j, x = 1 for taking and 0 for sharing: both share 2, both take 1.
    """
    from dataclasses import dataclass
    from payoff import register
    from payoff.game import Copy, Game, Params, Rules, Seat, State, jit, numbers, real

    @dataclass(frozen=True, slots=True, kw_only=True)
    class PrisonersParams(Params):
        max_steps: int = 5

    class Prisoner(Seat):
        action: float = real(0, 1)

    @jit
    def step(p, s, prisoners, action, payoff):
        for i in range(2):
            prisoners[i].action = action[i]
            payoff[i] = 2.0 + action[i] - 2.0 * action[1 - i]  # (1)
        return False

    @jit
    def look(p, s, prisoners, view, seen):
        for v in range(view.shape[0]):
            seen[v, 0] = prisoners[1 - view[v].seat].action

    GAME = Game("lab/Prisoners-v0", "Taking pays, whatever the other does.", tags=("dilemma",),
        rules=Rules(params=PrisonersParams, state=State(Copy, prisoners=Prisoner), step=step, actions=lambda p: 2,
            seats=lambda p: 2),
        sight=numbers(look, ("other's action",), several=True), draw=None)
    register(GAME)
'''
REWARDS = '''
    """Spite: what the other gets hurts."""
    from dataclasses import dataclass
    from payoff.rewards import Layer, jit

    @jit
    def spite(me, i, t):
        return t.payoff[i] - me.weight * t.payoff[1 - i]

    @dataclass(frozen=True, slots=True)
    class Spite(Layer):
        weight: float = 0.5
        rule = spite
'''
SHAPING = '''
    """A wrapper's method, and potentials for environments of other packages."""
    import numpy as np
    from payoff.wrappers import PotentialShaping, RewardMethod

    class Nudge(RewardMethod):
        """Pays for taking."""

        reads_obs = False

        def __init__(self, scale: float = 1.0):
            self.scale = scale

        def __call__(self, t):
            return t.reward + self.scale * np.reshape(t.action, (len(t.reward), -1))[:, 0]

    def upright(scale: float = 1.0, *, gamma: float, on_truncation: str):
        """CartPole: less the more the pole leans."""
        lean = lambda obs, info: -scale * np.abs(obs[:, 2])
        return PotentialShaping(lean, gamma=gamma, on_truncation=on_truncation)

    def with_key(scale: float = 1.0, *, gamma: float, on_truncation: str):
        """MiniGrid: the cell under the agent shows what it carries; object 5 is a key (direction has 4 entries)."""
        def carries(obs, info):
            view = obs[:, 4:].reshape(-1, 7, 7, 3)
            return scale * (view[:, 3, 6, 0] == 5)
        return PotentialShaping(carries, gamma=gamma, on_truncation=on_truncation)
'''
TRAINER = '''
    """Tries both actions for an episode, with all seats alike, and keeps the one that was told more."""
    from dataclasses import dataclass

    import numpy as np
    from payoff.baselines.environments import make_all_seats
    from payoff.baselines.policies import ConstantPolicy
    from payoff.baselines.training import RunArgs, TrainingRun

    VIEW = "multi"

    @dataclass(frozen=True, kw_only=True)
    class Args(RunArgs):
        rounds: int = 5

    def train(args, *, wrapper=None, on_progress=None):
        env = make_all_seats(args.env_id, 1, args.keywords(), wrapper or (lambda env: env))
        with TrainingRun("my_lab.trainer", args, on_progress) as run:
            told = []
            for action in (0, 1):
                env.reset(seed=args.seed)
                steps = [env.step(np.full((1, env.num_agents, 1), action)) for _ in range(args.rounds)]
                told.append(sum(step[1].mean() for step in steps))
                paid = sum(step[4]["payoff"].sum() for step in steps)
                curves = {"welfare": paid, "reward": told[-1], "cooperation": np.nan, "episode_length": args.rounds}
                run.record(args.rounds, {}, curves)
            best = ConstantPolicy(float(np.argmax(told)), num_actions=env.num_actions)
            run.save({"action": np.array(np.argmax(told))}, {"step": run.step, "update": run.update})
            return run.result(best)
'''


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Folder with the package in it; commands run there."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "my_lab").mkdir()
    modules = {"games": GAMES, "rewards": REWARDS, "shaping": SHAPING, "trainer": TRAINER, "__init__": ""}
    for name, text in modules.items():
        (folder / "my_lab" / f"{name}.py").write_text(textwrap.dedent(text))
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
