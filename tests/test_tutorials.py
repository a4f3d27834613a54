"""The games of ``docs/tutorials`` are whole files: written out as they stand there, they run in every view."""

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import api_test, parallel_api_test

import payoff
from payoff.baselines import read_results
from payoff.envs import registry

PAGE = Path(__file__).parents[1] / "docs" / "tutorials" / "your_first_game.md"
FILES = dict(re.findall(r"```python title=(\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
MOST_LINES = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder with the tutorial's files, from which they can be imported; afterwards the ids are gone again."""
    folder = tmp_path_factory.mktemp("games")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    sys.path.insert(0, str(folder))
    before = set(registry.ids())
    for name in FILES:
        importlib.import_module(name.removesuffix(".py"))
    yield folder
    sys.path.remove(str(folder))
    for name in FILES:
        del sys.modules[name.removesuffix(".py")]
    for env_id in set(registry.ids()) - before:
        del registry._ADDED[env_id], gym.registry[env_id]


@pytest.fixture(params=["mine/Lock-v0", "mine/StagHunt-v0"])
def own_id(request, folder):
    return request.param


@pytest.mark.parametrize("name", FILES)
def test_a_game_is_one_short_documented_file(name):
    """At most 120 lines, docstring included."""
    assert len(FILES[name].splitlines()) <= MOST_LINES
    assert ast.get_docstring(ast.parse(FILES[name]))


def test_every_view_takes_it(own_id):
    check_env(gym.make(own_id).unwrapped, skip_render_check=True)
    parallel_api_test(payoff.parallel_env(own_id), num_cycles=100)
    api_test(payoff.aec_env(own_id), num_cycles=100)
    assert gym.make(own_id, render_mode="rgb_array").unwrapped.metadata["render_modes"]


def test_views_agree(own_id, draw_actions):
    batch = payoff.multi_agent_vec(own_id, 3)
    vector = gym.make_vec(
        own_id, num_envs=3, vectorization_mode="vector_entry_point", control="joint", actions="native"
    )
    single = [payoff.parallel_env(own_id, actions="native") for _ in range(3)]
    batch = payoff.multi_agent_vec(own_id, 3, actions="native")
    first, _ = batch.reset(seed=4)
    np.testing.assert_array_equal(first[:, 0], vector.reset(seed=4)[0])
    for k, env in enumerate(single):
        env.reset(seed=4 + k)
    alive = np.ones(3, dtype=bool)
    for actions in draw_actions(batch, 15):
        obs, rewards, *_ = batch.step(actions)
        seen, mean, *_ = vector.step(actions.reshape(3, -1).astype(int if batch.discrete else np.float64))
        np.testing.assert_array_equal(obs[:, 0], seen)
        np.testing.assert_array_equal(rewards.mean(axis=1), mean)
        for k, env in enumerate(single):
            if env.agents and alive[k]:
                chosen = {a: actions[k, i] for i, a in enumerate(env.agents)}
                got = env.step(chosen)
                np.testing.assert_array_equal([got[0][a] for a in chosen], obs[k])
                np.testing.assert_array_equal([got[1][a] for a in chosen], rewards[k])
            alive[k] = bool(env.agents)


def test_the_lock_is_what_its_page_says(folder):
    """The combination in base 4 opens it; one wrong digit springs it; the model knows the same optimum."""
    env = gym.make("lock:mine/Lock-v0")
    env.reset(seed=0)
    digits = [2718 // 4**k % 4 for k in range(6)]
    assert env.unwrapped.caption(env.step(digits[0])[4]["caption"]) == "a dial was set"
    assert env.unwrapped.caption(env.step((digits[1] + 1) % 4)[4]["caption"]) == "the dials sprang back"
    paid = [env.step(d) for d in digits]
    assert [p[1] for p in paid] == [0, 0, 0, 0, 0, 1] and paid[-1][2]
    model = payoff.as_mdp("mine/Lock-v0", starts=[0])
    assert model.n_states == 7


def test_the_stag_hunt_is_what_its_page_says(folder):
    """pi = 2 min(x) - x_i, so deviating from any common effort loses; partners and layers work."""
    env = payoff.parallel_env("mine/StagHunt-v0", actions="native", reward="cooperative")
    env.reset(seed=0)
    for common in (0.0, 0.3, 1.0):
        for other in (0.0, 0.25, 0.75, 1.0):
            env.reset(seed=0)
            _, _, _, _, info = env.step({"agent_0": np.array([other]), "agent_1": np.array([common])})
            assert info["agent_0"]["payoff"] == pytest.approx(2 * min(other, common) - other)
            assert info["agent_0"]["payoff"] <= (2 - 1) * common + 1e-12
    learner = gym.make("stag_hunt:mine/StagHunt-v0", reward="svo:0.8", partners="tit_for_tat")
    learner.reset(seed=0)
    for _ in range(3):
        learner.step(np.array([1.0], dtype=np.float32))
    assert learner.step(np.array([1.0], dtype=np.float32))[4]["payoff"][1] == pytest.approx(1.0)


def test_an_outsider_makes_a_certificate(folder):
    """The command of the page writes it beside the module; its optimum agrees with dynamic programming."""
    with pytest.raises(ValueError, match=r"mine/Lock-v0 has no certificate.*payoff.envs.certifying"):
        payoff.certificate("mine/Lock-v0")
    done = subprocess.run(
        [sys.executable, "-m", "payoff.envs.certifying", "lock:mine/Lock-v0"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    held = payoff.certificate("mine/Lock-v0")
    assert json.loads((folder / "certificates" / "Lock-v0.json").read_text())["id"] == "mine/Lock-v0"
    assert [level.optimum.mean for level in held.levels] == [1.0, 1.0, 1.0]
    assert [level.horizon_to_reward.mean for level in held.levels] == [3, 6, 10]
    easy = held.levels[0].random_success.mean
    # by hand: the chance that some run of three right digits (1/4 each) ends within 50 draws
    state = np.array([1.0, 0.0, 0.0, 0.0])
    step = np.array([[3, 1, 0, 0], [3, 0, 1, 0], [3, 0, 0, 1], [0, 0, 0, 4]]) / 4
    assert easy == pytest.approx((state @ np.linalg.matrix_power(step, 50))[3], rel=1e-12)
    again = subprocess.run(
        [sys.executable, "-m", "payoff.envs.certifying", "nothing:at/All-v0"], capture_output=True, text=True
    )
    assert again.returncode == 1 and "there is no module nothing" in again.stderr and "Traceback" not in again.stderr


def test_registering_refuses_what_is_no_game_of_ones_own(folder):
    lock = registry.load("mine/Lock-v0")
    payoff.register(lock)  # again: nothing changes
    from dataclasses import replace

    with pytest.raises(ValueError, match=r"game.id must be new, got 'mine/Lock-v0'"):
        payoff.register(replace(lock))
    for bad in ("Lock-v0", "payoff/Lock-v0", "mine/Lock", "mine/Lock-1"):
        with pytest.raises(ValueError, match=r"game.id must be namespace/Name-vN"):
            payoff.register(replace(lock, id=bad))
    with pytest.raises(TypeError, match="game must be a Game, got str"):
        payoff.register("mine/Lock-v0")


def test_a_game_of_another_package_is_ablated_in_processes_of_its_own(folder, tmp_path):
    """Its module is named in the id, since a worker process starts empty."""
    small = ["--total-steps", "80", "--episodes", "1", "--seeds", "1", "--processes", "1"]
    settings = ["--set", "num_envs=2", "num_steps=20", "hidden=[8]", "epochs=1", "minibatches=1"]
    command = ["ablate", "--envs", "lock:mine/Lock-v0", "--rewards", "default", "--algo", "ippo", *small, *settings]
    done = subprocess.run(
        [sys.executable, "-m", "payoff", *command, "--out", str(tmp_path)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_results(tmp_path)["env_id"].to_list() == ["lock:mine/Lock-v0"] and "│ mine/Lock-v0 │" in done.stdout
    wrong = [sys.executable, "-m", "payoff", "ablate", "--envs", "lokc:mine/Lock-v0", "--out", str(tmp_path / "none")]
    done = subprocess.run(wrong, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 2 and "there is no module lokc" in done.stderr and not (tmp_path / "none").exists()
