"""Labels in training: as a reward learner, at the command line, replayed, resumed after a kill, and around others."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from payoff.baselines import checkpoint, ppo, read_results
from payoff.baselines.llm.labelled import Motif, Oni
from payoff.baselines.reward_learners import Problem, learned, pinned, reward_learner
from payoff.baselines.run import configure, execute
from payoff.wrappers import wrap
from payoff.wrappers.llm.client import NoReplyError
from payoff.wrappers.llm.labellers import RecordedLabeller
from payoff.wrappers.llm.questions import Helps
from payoff.wrappers.llm.store import ReplyStore
from tests.baselines.commands import call, refused
from tests.wrappers.llm import mini_grid

KEY_ROOM = "payoff/KeyRoom-v0"
TRUTH = 'truth=["picked up the key","opened the door"]'
LIVE = "model=m,base_url=http://localhost:1/v1"
SMALL = {"size": 5, "max_steps": 40}


def problem(env_id=KEY_ROOM, **keywords):
    return Problem(env_id=env_id, keywords={**SMALL, **keywords}, gamma=0.9, on_truncation="bootstrap", seed=1)


# -- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("specification", "kind", "message"),
    [
        ("oni", TypeError, "oni needs goal"),
        ("oni:goal=reach the goal", ValueError, "must be named by one of model .*, replay or truth, got none"),
        (f"oni:goal=g,{TRUTH},replay=x", ValueError, "got replay and truth|got truth and replay"),
        ("oni:goal=g,model=m", ValueError, "model must have base_url and store"),
        (f"oni:goal=g,{TRUTH},kind=guess", ValueError, "kind must be"),
        (f"oni:goal=g,{TRUTH},use=reward", ValueError, "use must be"),
        (f"oni:goal=g,{TRUTH},threshold=0.7", ValueError, "threshold must be left out without kind=classification"),
        (f"oni:goal=g,{TRUTH},quantile=0.7", ValueError, "quantile must be left out without kind=ranking"),
        (f"oni:goal=g,{TRUTH},store=x", ValueError, "store must be left out without model"),
        ("oni:goal=g,replay=x,errors=0.5", ValueError, "errors must be left out without truth"),
        (f"motif:goal=g,{TRUTH},latency=5", ValueError, "latency must be left out"),
        (f"oni:goal=g,{TRUTH},errors=2", ValueError, "errors must be"),
        (f"oni:goal=g,{TRUTH},beta=-1", ValueError, "beta must be"),
        ("oni:goal=g,truth=key", TypeError, "truth must be a sequence of captions"),
        ('oni:goal=g,truth=["picked up a key"]', ValueError, "'picked up a key' is no caption"),
        (f"oni:goal=g,{TRUTH},captions=words", ValueError, "info has no 'words'.*captions must name an entry of info"),
        (f"oni:goal=g,{TRUTH},captions=no.such:Name", ValueError, "there is no module no"),
        ("oni:goal=g,replay=none.jsonl", ValueError, "none.jsonl"),
        (f"motif:goal=g,{TRUTH},kind=ranking", TypeError, "kind"),
        (f"oni:goal=g,{LIVE},store=s,requests=null", ValueError, "requests must be an integer at least 1, got None"),
        (f"oni:goal=g,{LIVE},store=s,max_tokens={{}}", ValueError, "max_tokens must be an integer"),
        (f"oni:goal=g,{LIVE},store=s,temperature=3", ValueError, "temperature must be a number"),
        (f"oni:goal=g,{LIVE},store=/", ValueError, "store must be a file, got /"),
    ],
)
def test_what_is_refused_before_anything_runs(specification, kind, message):
    with pytest.raises(kind, match=message):
        reward_learner(specification).check(problem())


def test_a_game_without_captions_is_refused():
    with pytest.raises(ValueError, match="info has no 'caption'"):
        Oni(goal="g", truth=("x",)).check(
            Problem(env_id="payoff/TrustDilemma-v0", keywords={}, gamma=0.9, on_truncation="bootstrap", seed=1)
        )


# -- what is paid ----------------------------------------------------------------------------------------------------


def rollout(reward, steps=80):
    """Rewards without the game's and captions, ``(T, R)``."""
    env = wrap(problem().make(8), reward)
    env.reset(seed=3)
    draws, found = np.random.default_rng(0), []
    for _ in range(steps):
        _, reward, _, _, info = env.step(draws.integers(0, 5, 8))
        found.append((reward - info["true_reward"], [env.unwrapped.caption(int(c)) for c in info["caption"]]))
    return [np.array(part) for part in zip(*found, strict=True)]


def test_added_labels_of_each_kind():
    goal, truth = "reach the goal", ("picked up the key", "opened the door", "walked")
    common = {"goal": goal, "use": "added", "beta": 0.0, "truth": truth}
    paid, captions = rollout(Oni(**common, coef=0.25).learn(problem()))
    helpful = np.isin(captions, truth)
    assert helpful.any() and (paid == 0.25 * helpful).all()
    once, _ = rollout(Oni(**{**common, "beta": "inf"}).learn(problem()))
    assert 0 < (once > 0).sum() < helpful.sum() and set(np.unique(once)) == {0.0, 0.4}
    classified, captions = rollout(Oni(**common, kind="classification", coef=0.25).learn(problem()))
    late = classified[40:]
    assert (late == 0.25 * np.isin(captions[40:], truth)).mean() > 0.95
    for ranked in (Oni(**common, kind="ranking"), Motif(**common)):
        values, captions = rollout(ranked.learn(problem()))
        worth = {caption: values[captions == caption][-1] for caption in np.unique(captions)}
        assert worth["walked"] > max(worth[c] for c in worth if c not in truth)


def test_motif_asks_all_pairs_before():
    told = []
    asked = dataclasses.replace(problem(), on_progress=lambda done, total: told.append((done, total)))
    method = Motif(goal="reach the goal", truth=("picked up the key",)).learn(asked)
    book = method.bonus.values.book
    assert told == [(i, 78) for i in range(1, 79)]  # of the 13 captions of the game
    assert len(book.answers) == 78 and not book.waiting and book.step == 0
    rollout(method)
    assert len(book.answers) == 78


# -- a model ---------------------------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """A server that answers by the caption in the prompt, slowly."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = body["messages"][1]["content"].partition("reports: ")[2].split("\n")[0]
        self.server.asked.append(asked)
        time.sleep(self.server.delay)
        if len(self.server.asked) > self.server.held:
            self.server.go_on.wait(60.0)
        answer = "yes" if any(word in asked for word in ("walked", "key", "opened")) else "no"
        reply = {"choices": [{"message": {"content": self.server.reply or json.dumps({"answer": answer})}}]}
        data = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.asked, found.delay, found.reply = [], 0.02, None
    found.held, found.go_on = 10**9, threading.Event()  # questions that are answered before it is told to go on
    threading.Thread(target=found.serve_forever, daemon=True).start()
    found.url = f"http://127.0.0.1:{found.server_address[1]}/v1"
    yield found
    found.shutdown()
    found.server_close()


def live(server, store):
    return f"oni:goal=reach the goal,model=a-model,base_url={server.url},store={store}"


def run_of(specification, total_steps=1600):
    settings = {"num_envs": 4, "num_steps": 4, "minibatches": 1, "epochs": 1}
    return configure(
        algo="ppo",
        env_id=KEY_ROOM,
        reward="private",
        seed=1,
        env_params=SMALL,
        reward_learner=specification,
        settings=settings,
        total_steps=total_steps,
        evaluation_episodes=1,
    )


def policy(out, config):
    """Arrays of the trained policy and of the reward's memory."""
    arrays, _ = checkpoint.load(out / "checkpoints" / f"{config.run_id}.safetensors")
    return arrays


def same(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[k], second[k], equal_nan=True) for k in first)


def test_the_same_store_and_seed_give_the_same_policy(server, tmp_path, monkeypatch):
    """Answers that arrived while the policy trained arrive again at their steps; and no network is touched."""
    store = tmp_path / "labels.jsonl"
    first = run_of(live(server, store))
    assert execute(first, tmp_path / "live", slowly)["status"] == "ok"
    kept = ReplyStore(store)
    asked, arrived = kept.steps["asked"], kept.steps["arrived"]
    assert len(arrived) > 5 and any(arrived[name] > asked[name] for name in arrived)
    assert len(server.asked) == len(set(server.asked))

    def refuse(*_):
        raise AssertionError("the network was touched")

    monkeypatch.setattr("socket.socket.connect", refuse)
    second = run_of(f"oni:goal=reach the goal,replay={store}")
    assert second.reward_learner.startswith(f"oni:goal=reach the goal,replay={store},sha256=h")
    assert execute(second, tmp_path / "again", lambda done, total: None)["status"] == "ok"
    assert same(policy(tmp_path / "live", first), policy(tmp_path / "again", second))
    other = run_of(f"oni:goal=reach the goal,{TRUTH}")
    assert execute(other, tmp_path / "other", lambda done, total: None)["status"] == "ok"
    assert not same(policy(tmp_path / "live", first), policy(tmp_path / "other", other))
    store.write_text(store.read_text() + '{"event": "asked", "hash": "x", "step": 1}\n')
    with pytest.raises(ValueError, match="has changed: its digest is"):
        learned(second.reward_learner, problem())


def slowly(done, total):
    """An update takes its time, so that answers arrive in the middle of the training."""
    time.sleep(0.01)


CHILD = """
import sys, time
from pathlib import Path
from tests.baselines.llm.test_labelled import run_of
from payoff.baselines.run import execute
def slowly(done, total):
    print(done, flush=True)
    time.sleep(0.01)
if __name__ == "__main__":
    row = execute(run_of(sys.argv[1]), Path(sys.argv[2]), slowly)
    print(row["status"], row["message"], flush=True)
"""


def test_a_killed_run_loses_no_label_and_asks_none_twice(server, tmp_path):
    """kill -9 in the middle; the run goes on from its checkpoint, and its store replays to the same policy."""
    store, out, server.held = tmp_path / "labels.jsonl", tmp_path / "out", 4
    specification = live(server, store)
    words = [sys.executable, "-c", CHILD, specification, str(out)]
    there = {**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONPATH": os.pathsep.join(["src", "."])}
    root = Path(__file__).resolve().parents[3]
    child = subprocess.Popen(words, cwd=root, env=there, stdout=subprocess.PIPE, text=True)
    since = 0
    for line in child.stdout:
        since += int(line) >= 400 and len(server.asked) > 4  # a fifth is asked: four answers are there
        if since == 3:
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    before = ReplyStore(store)
    assert len(before) == len(before.steps["arrived"]) == 4
    server.held = 10**9
    server.go_on.set()
    config = run_of(specification)
    assert checkpoint.load(out / "checkpoints" / f"{config.run_id}.safetensors")[1]["step"] == 320  # after 20 updates
    assert execute(config, out, slowly)["status"] == "ok"
    after = ReplyStore(store)
    assert before.steps["arrived"].items() <= after.steps["arrived"].items()
    assert len(after) > 6
    assert len(server.asked) == len(set(server.asked)) + 1  # the one that had no answer when the process died
    again = run_of(f"oni:goal=reach the goal,replay={store}")
    assert execute(again, tmp_path / "again", lambda done, total: None)["status"] == "ok"
    assert same(policy(out, config), policy(tmp_path / "again", again))


def test_a_model_that_cannot_answer_stops_the_run_with_one_line(server, tmp_path, capsys):
    server.reply, server.delay = "I would rather not", 0.0
    words = ("train", "--algo", "ppo", "--env", "KeyRoom-v0", "--params", "size=5", "--out", tmp_path, "--episodes", 1)
    words = (*words, "--total-steps", 4000, "--set", "num_envs=4", "num_steps=16", "minibatches=1")
    status, _, err = call(capsys, *words, "--reward-learner", live(server, tmp_path / "labels.jsonl"))
    assert status == 1
    assert "the run failed: UnreadableError: none of 3 replies could be read" in err and len(err.splitlines()) == 1


def test_the_commands(tmp_path, capsys):
    words = ("train", "--algo", "ppo", "--env", "KeyRoom-v0", "--params", "size=5", "--out", tmp_path, "--episodes", 1)
    words = (*words, "--total-steps", 256, "--set", "num_envs=4", "num_steps=16", "minibatches=1")
    asked = f"oni:goal=reach the goal,{TRUTH},errors=0.1,latency=20"
    status, out, err = call(capsys, *words, "--reward-learner", asked)
    assert status == 0, err
    assert "checkpoint" in out
    assert "kind must be" in refused(capsys, *words, "--reward-learner", f"{asked},kind=x")
    assert pinned(asked) == asked


def test_an_ablation(tmp_path, capsys):
    words = (
        "ablate",
        "--envs",
        "KeyRoom-v0",
        "--params",
        "size=5",
        "--rewards",
        "private",
        "--algo",
        "ppo",
        "--seeds",
        1,
    )
    words = (*words, "--total-steps", 128, "--episodes", 1, "--processes", 1, "--out", tmp_path)
    words = (*words, "--set", "num_envs=4", "num_steps=16", "minibatches=1")
    kinds = [f"oni:goal=reach the goal,{TRUTH}", f"motif:goal=reach the goal,{TRUTH},use=added"]
    status, _, err = call(capsys, *words, "--reward-learners", "none", *kinds)
    assert status == 0, err
    rows = read_results(tmp_path).to_dicts()
    assert {(row["reward_learner"], row["status"]) for row in rows} == {(name, "ok") for name in ("none", *kinds)}


def test_a_run_goes_on_from_its_checkpoint_to_the_same_numbers(tmp_path):
    """With questions that wait, in a process that stops in the middle."""
    specification = f"oni:goal=reach the goal,{TRUTH},errors=0.1,latency=30,kind=classification"
    method = {"wrapper": lambda env: wrap(env, learned(specification, problem()))}
    common = {"env_id": KEY_ROOM, "env_params": {**SMALL, "info": "full"}, "num_envs": 4, "num_steps": 16}
    common |= {"minibatches": 1, "seed": 1, "checkpoint_every": 1}
    ppo.train(ppo.Args(**common, total_steps=512, checkpoint=str(tmp_path / "a")), **method)

    def stop(done, total):
        if done >= 192:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ppo.train(ppo.Args(**common, total_steps=512, checkpoint=str(tmp_path / "b")), on_progress=stop, **method)
    ppo.train(ppo.Args(**common, total_steps=512, checkpoint=str(tmp_path / "b")), **method)
    assert same(*(checkpoint.load(tmp_path / name)[0] for name in "ab"))


# -- environments of others ------------------------------------------------------------------------------------------


class Corridor(gym.Env):
    """Five cells; the key is at one end, the door at the other. Reports nothing."""

    observation_space = gym.spaces.Box(0.0, 1.0, (2,), dtype=np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.key = 2, False
        return self._seen(), {}

    def step(self, action):
        self.at = int(np.clip(self.at + (1 if action else -1), 0, 4))
        self.key |= self.at == 0
        over = bool(self.key and self.at == 4)
        return self._seen(), float(over), over, False, {"words": "has the key" if self.key else "walks"}

    def _seen(self):
        return np.array([self.at / 4, self.key], dtype=np.float32)


gym.register("tests/Corridor-v0", f"{__name__}:Corridor", max_episode_steps=30)


def of_observation(obs, info):
    return ["has the key" if row[1] else "walks" for row in obs]


@pytest.mark.parametrize("captions", ["words", f"{__name__}:of_observation"])
@pytest.mark.parametrize("name", ["oni", "motif"])
def test_around_an_environment_of_others(name, captions, tmp_path):
    config = configure(
        algo="ppo",
        env_id="tests/Corridor-v0",
        reward="private",
        seed=1,
        reward_learner=f'{name}:goal=open the door,truth=["has the key"],captions={captions}',
        settings={"num_envs": 4, "num_steps": 32, "minibatches": 1},
        total_steps=256,
        evaluation_episodes=1,
    )
    row = execute(config, tmp_path, lambda done, total: None)
    assert row["status"] == "ok", row["message"]


def test_a_replay_of_another_run_stops_with_one_line(tmp_path):
    store = ReplyStore.begin(tmp_path / "s", "scripted", {})
    method = Oni(goal="reach the goal", replay=str(store.path)).learn(problem())
    with pytest.raises(NoReplyError, match="knows nothing of the question about"):
        rollout(method, 5)


# -- MiniGrid --------------------------------------------------------------------------------------------------------


def test_the_recorded_store_is_of_a_script_and_answers_today_s_prompts():
    store = ReplyStore(mini_grid.PATH)
    assert store.by == "scripted" and len(store) == 4
    recorded = RecordedLabeller(None, store)
    told = {caption: recorded.answer(Helps(mini_grid.GOAL, caption)) for caption in mini_grid.CAPTIONS.values()}
    assert {caption for caption, value in told.items() if value} == set(mini_grid.HELP)


class LooksLikeMiniGrid(gym.Env):
    """Has the observations of MiniGrid's DoorKey: a key is ahead at first, and picked up by action 3."""

    observation_space = gym.spaces.Dict(
        direction=gym.spaces.Discrete(4), image=gym.spaces.Box(0, 255, (7, 7, 3), dtype=np.uint8)
    )
    action_space = gym.spaces.Discrete(7)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.image = np.zeros((7, 7, 3), dtype=np.uint8)
        self.image[3, 5, 0] = mini_grid.KEY
        return self._seen(), {}

    def step(self, action):
        if action == 3:
            self.image[3, 6, 0], self.image[3, 5, 0] = mini_grid.KEY, 0
        return self._seen(), 0.0, False, False, {}

    def _seen(self):
        return {"direction": 0, "image": self.image.copy()}


gym.register("tests/LooksLikeMiniGrid-v0", f"{__name__}:LooksLikeMiniGrid", max_episode_steps=20)


@pytest.mark.parametrize("name", ["tests/LooksLikeMiniGrid-v0", "minigrid:MiniGrid-DoorKey-5x5-v0"])
@pytest.mark.filterwarnings("ignore:.*entries mission of the observation are left out")
def test_labels_of_a_recorded_store_around_mini_grid(name, tmp_path):
    if name.startswith("minigrid"):
        pytest.importorskip("minigrid")
    learner = f'oni:goal="{mini_grid.GOAL}",replay={mini_grid.PATH},captions=tests.wrappers.llm.mini_grid:captions'
    config = configure(
        algo="ppo",
        env_id=name,
        reward="private",
        seed=1,
        reward_learner=learner,
        settings={"num_envs": 4, "num_steps": 64, "minibatches": 1},
        total_steps=2048,
        evaluation_episodes=1,
    )
    row = execute(config, tmp_path, lambda done, total: None)
    assert row["status"] == "ok", row["message"]
    others = Problem(env_id=name, keywords={}, gamma=0.9, on_truncation="bootstrap", seed=1)
    env = wrap(others.make(1), learned(f"{learner},coef=1,beta=inf", others))
    env.reset(seed=0)
    env.action_space.seed(0)
    paid, key = 0.0, False
    for _ in range(400):  # random play until it has the key: paid gamma, once
        obs, reward, _, _, info = env.step(env.action_space.sample())
        paid = reward[0] - info["true_reward"][0]
        if mini_grid.captions(obs, info)[0] == "carries a key":
            key = True
            break
    assert key and paid == 0.9
