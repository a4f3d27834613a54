"""Reward learners calm and ellm, and the method calm of the command: settings, stores, replays, kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from payoff.baselines import checkpoint
from payoff.baselines.llm.answering import play_randomly
from payoff.baselines.llm.judged_subgoals import JudgedSubgoal
from payoff.baselines.llm.step_judges import Calm, Ellm
from payoff.baselines.reward_learners import Problem, learned, reward_learner
from payoff.baselines.run import configure, execute
from payoff.envs import registry
from payoff.wrappers import wrap
from payoff.wrappers.llm.store import ReplyStore
from payoff.wrappers.llm.subset_questions import members
from tests.baselines.commands import call, refused
from tests.wrappers.llm import scripted_verdicts

KEY_ROOM = "payoff/KeyRoom-v0"
SUBGOALS = ["picked up the key", "opened the door"]
CAPTIONS = registry.load(KEY_ROOM).captions
TRUTH = {subgoal: f"info.caption == {CAPTIONS.index(subgoal)}" for subgoal in SUBGOALS}
TOLD = f"truth={json.dumps(TRUTH)}"
CALM = f"calm:goal=reach the goal,subgoals={json.dumps(SUBGOALS)},crop=3"
SMALL = {"size": 5, "max_steps": 40, "layouts": 2}


def problem(env_id=KEY_ROOM, seed=1, **keywords):
    keywords = {**SMALL, **keywords} if env_id == KEY_ROOM else keywords
    return Problem(env_id=env_id, keywords=keywords, gamma=0.9, on_truncation="bootstrap", seed=seed)


# -- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("specification", "kind", "message"),
    [
        ("calm:goal=g", TypeError, "calm needs subgoals"),
        (CALM, ValueError, "must be named by one of model .*, replay or truth, got none"),
        (f"{CALM},{TOLD},replay=x", ValueError, "got truth and replay"),
        (f"calm:goal=g,subgoals=[],{TOLD}", ValueError, "subgoals must be 1 to 50 different texts"),
        (f"calm:goal=g,subgoals=key,{TOLD}", TypeError, "subgoals must be a sequence of texts"),
        (f"{CALM},{TOLD},once=2", ValueError, "once must be"),
        (f"{CALM[:-1]}4,{TOLD}", ValueError, "crop must be odd"),
        (f"{CALM},{TOLD},screen=a.b:C", ValueError, "crop must be left out"),
        (f"{CALM[:-7]},{TOLD},screen=no.such:Name", ValueError, "there is no module no"),
        (f"{CALM},{TOLD},captions=words", ValueError, "info has no 'words'.*captions must name an entry of info"),
        (f"{CALM},{TOLD},use=reward", ValueError, "use must be"),
        (f"{CALM},{TOLD},errors=2", ValueError, "errors must be"),
        (f"{CALM},{TOLD},latency=2", TypeError, "latency"),
        (f"{CALM},truth=[1]", TypeError, "truth must be a dict"),
        (CALM + ',truth={"opened a door":"1"}', ValueError, r"truth must be of .*, got 'opened a door' \(did you mean"),
        (CALM + ',truth={"opened the door":"1 +"}', ValueError, "truth of 'opened the door': "),
        (CALM + ',truth={"opened the door":3}', TypeError, "truth of 'opened the door': "),
        (CALM + ',truth={"opened the door":"info.nothing"}', ValueError, "info has no 'nothing'"),
        (f"{CALM},replay=none.jsonl", ValueError, "none.jsonl"),
        ("ellm:goal=g,most=0," + TOLD, ValueError, "most must be"),
        ('ellm:goal=g,phrases=3,truth={"A":"1"}', TypeError, "phrases must be a sequence of texts, got 3"),
        ('ellm:goal=g,phrases=["A","a!"],truth={"A":"1"}', ValueError, "phrases must be 1 to 50 different"),
    ],
)
def test_what_is_refused_before_anything_runs(specification, kind, message):
    with pytest.raises(kind, match=message):
        reward_learner(specification).check(problem())


def test_observations_without_names_need_a_screen():
    here = problem("CartPole-v1")
    settings = {"goal": "stand", "captions": "none", "subgoals": ["stood"], "truth": {"stood": "1"}}
    with pytest.raises(ValueError, match=r"screen must be a function of yours.*CartPole-v1 does not say"):
        Calm(**settings).check(here)
    Calm(**settings, screen=f"{__name__}:rounded").check(here)


def rounded(obs, info):
    return [" ".join(f"{x:.1f}" for x in row) for row in obs]


# -- what is paid ----------------------------------------------------------------------------------------------------


def rollout(reward, steps=80, seed=3):
    """Rewards without the game's, and captions ``(T, R)``."""
    env = wrap(problem().make(8), reward)
    env.reset(seed=seed)
    draws, found = np.random.default_rng(0), []
    for _ in range(steps):
        _, reward, _, _, info = env.step(draws.integers(0, 5, 8))
        found.append((reward - info["true_reward"], [env.unwrapped.caption(int(c)) for c in info["caption"]]))
    return [np.array(part) for part in zip(*found, strict=True)]


def test_added_flags():
    settings = {"goal": "g", "subgoals": SUBGOALS, "truth": TRUTH, "use": "added", "crop": 3}
    paid, captions = rollout(Calm(**settings, once=False, coef=0.25).learn(problem()))
    helpful = np.isin(captions, SUBGOALS)
    assert helpful.any() and (paid == 0.25 * helpful).all()
    once, _ = rollout(Calm(**settings).learn(problem()))
    assert (once == 0.1 * helpful).all()  # a key is picked up once an episode, and a door opened once
    shaped, _ = rollout(Calm(**{**settings, "use": "potential"}).learn(problem()))
    first = np.argwhere(helpful)[0]
    assert shaped[tuple(first)] == pytest.approx(0.9 * 0.1) and (shaped < 0).any()


def test_suggestions_are_paid_where_they_fit():
    """To pick up the key is sensible with the hands free alone; the truth reads the state before the step."""
    truth = {"picked up the key": "obs.carries_the_key == 0", "found nothing to open": "obs.carries_the_key"}
    settings = {"goal": "g", "truth": truth, "use": "added", "coef": 1.0}
    paid, captions = rollout(Ellm(**settings).learn(problem()), steps=400)
    keys = captions == "picked up the key"
    assert keys.any() and (paid[keys] == 1.0).all()
    assert (paid[~np.isin(captions, [*truth])] == 0.0).all()
    opened = captions == "found nothing to open"
    assert 0 < paid[opened].sum() < opened.sum()
    assert len(Ellm(goal="g", truth=truth).texts_of(problem())) == len(CAPTIONS)


@pytest.mark.parametrize("errors", [0.1, 0.3])
def test_precision_and_recall_follow_from_the_errors(errors):
    """Recall is 1 - e, the share of false flags e, and precision what Bayes makes of them, each within 4 deviations."""
    flagged, true = [], []
    for seed in range(3):
        here, learner = problem(seed=seed, layouts=None), Calm(goal="g", subgoals=SUBGOALS, truth=TRUTH, errors=errors)
        truth = learner.truth_of(here)
        bonus = learner.bonus(here, learner.labeller(here, truth), truth)
        play_randomly(here, bonus, 3000)
        flagged.append(members(np.array([*bonus.book.answers.values()]), 2).ravel())
        true.append(members(np.array([truth(question) for question in bonus.book.answers]), 2).ravel())
    flagged, true = np.concatenate(flagged), np.concatenate(true)
    positives, negatives = true.sum(), (~true).sum()
    deviation = (errors * (1 - errors)) ** 0.5
    assert abs(flagged[true].mean() - (1 - errors)) < 4 * deviation / positives**0.5
    assert abs(flagged[~true].mean() - errors) < 4 * deviation / negatives**0.5
    p = true.mean()
    theory = p * (1 - errors) / (p * (1 - errors) + (1 - p) * errors)
    spread = 4 * deviation * positives**0.5 / flagged.sum() + 4 * theory / flagged.sum() ** 0.5
    assert positives > 20 and abs(true[flagged].mean() - theory) < spread


# -- a model ---------------------------------------------------------------------------------------------------------


def reply_to(messages):
    """What the server says: flags what the report names, takes a turn to the left for the door, and likes the key."""
    asked = messages[1]["content"]
    if "at most 2, in their order" in asked:
        return json.dumps({"subgoals": SUBGOALS})
    if "All reports:" in asked:
        return '{"next": ["picked up the key"]}'
    report = asked.partition("The game reports: ")[2].partition("\n")[0].strip('"')
    return f"So: {json.dumps({'achieved': {SUBGOALS[0]: report == SUBGOALS[0], SUBGOALS[1]: report in DOOR}})}"


DOOR = (SUBGOALS[1], "turned left")


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        messages = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"]
        self.server.asked.append(messages[1]["content"])
        time.sleep(self.server.delay)
        data = json.dumps({"choices": [{"message": {"content": reply_to(messages)}}]}).encode()
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
    found.asked, found.delay = [], 0.0
    found.url = f"http://127.0.0.1:{found.server_port}/v1"
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


def run_of(specification, total_steps=320):
    return configure(
        algo="ppo",
        env_id=KEY_ROOM,
        reward="private",
        seed=1,
        env_params={"size": 5, "max_steps": 40, "layouts": 1},
        reward_learner=specification,
        settings={"num_envs": 4, "num_steps": 4, "minibatches": 1, "epochs": 1},
        total_steps=total_steps,
        evaluation_episodes=1,
    )


def policy(out, config):
    arrays, _ = checkpoint.load(out / "checkpoints" / f"{config.run_id}.safetensors")
    return arrays


def same(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[k], second[k], equal_nan=True) for k in first)


def slowly(done, total):
    """An update takes its time, so that answers arrive in the middle of the training."""
    time.sleep(0.02)


@pytest.mark.parametrize("start", [CALM, "ellm:goal=reach the goal,crop=3"])
def test_the_same_store_and_seed_give_the_same_policy(start, server, tmp_path, monkeypatch):
    store = tmp_path / "steps.jsonl"
    first = run_of(f"{start},model=a-model,base_url={server.url},store={store}")
    assert execute(first, tmp_path / "live", slowly)["status"] == "ok"
    kept = ReplyStore(store)
    asked, arrived = kept.steps["asked"], kept.steps["arrived"]
    assert len(arrived) > 10 and any(arrived[name] > asked[name] for name in arrived)
    assert len(server.asked) == len(set(server.asked))

    def refuse(*_):
        raise AssertionError("the network was touched")

    monkeypatch.setattr("socket.socket.connect", refuse)
    second = run_of(f"{start},replay={store}")
    row = execute(second, tmp_path / "again", lambda done, total: None)
    assert row["status"] == "ok", row["message"]
    assert same(policy(tmp_path / "live", first), policy(tmp_path / "again", second))


CHILD = """
import sys
from pathlib import Path
from tests.baselines.llm.test_step_judges import run_of, slowly
from payoff.baselines.run import execute
def told(done, total):
    print(done, flush=True)
    slowly(done, total)
if __name__ == "__main__":
    execute(run_of(sys.argv[1], 800), Path(sys.argv[2]), told)
"""


def test_a_killed_run_loses_no_verdict_and_asks_none_twice(server, tmp_path):
    store, out, server.delay = tmp_path / "steps.jsonl", tmp_path / "out", 0.02
    specification = f"{CALM},model=a-model,base_url={server.url},store={store}"
    words = [sys.executable, "-c", CHILD, specification, str(out)]
    there = {**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONPATH": os.pathsep.join(["src", "."])}
    child = subprocess.Popen(
        words, cwd=Path(__file__).resolve().parents[3], env=there, stdout=subprocess.PIPE, text=True
    )
    for line in child.stdout:
        if int(line) >= 400 and len(server.asked) >= 10:
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    before, server.delay = ReplyStore(store), 0.0
    assert len(before) >= 9
    config = run_of(specification, 800)
    assert execute(config, out, slowly)["status"] == "ok"
    after = ReplyStore(store)
    assert before.steps["arrived"].items() <= after.steps["arrived"].items()
    repeated = len(server.asked) - len(set(server.asked))
    assert repeated <= 1 and len(after) > len(before)  # what was being asked when the process died had no answer yet
    again = run_of(f"{CALM},replay={store}", 800)
    assert execute(again, tmp_path / "again", lambda done, total: None)["status"] == "ok"
    assert same(policy(out, config), policy(tmp_path / "again", again))


# -- the command -----------------------------------------------------------------------------------------------------


ASK = ("llm-reward", "KeyRoom-v0", "--params", "size=5", "max_steps=40", "layouts=1", "--task", "reach the goal")


def counted(store):
    """Of the steps in a store: how many in all, and how many whose report is each of these."""
    lines = [json.loads(line) for line in Path(store).read_text().splitlines()[1:]]
    prompts = [line["messages"][1]["content"] for line in lines if "The game reports" in line["messages"][1]["content"]]
    return len(prompts), {c: sum(f'The game reports: "{c}"' in p for p in prompts) for c in (*SUBGOALS, "turned left")}


def test_the_method_judges_steps_and_its_store_trains(server, tmp_path, capsys, monkeypatch):
    """First without subgoals, then from the store with the truth beside it: what is counted is precision and recall."""
    method = "calm:crop=3,most=2"
    out = tmp_path / "llm"
    model = ("--model", "a-model", "--base-url", server.url, "--most-requests", 5000)
    status, told, err = call(capsys, *ASK, "--steps", 1600, "--out", out, "--method", method, *model)
    assert status == 0, err
    steps, reports = counted(out / "store.jsonl")
    keys, doors, turns = reports[SUBGOALS[0]], reports[SUBGOALS[1]], reports["turned left"]
    assert steps == len(server.asked) - 1 and keys > 0 and doors > 0 and turns > 4
    assert f"{keys} of {steps} steps are said to achieve it" in " ".join(told.split())
    assert "steps are judged" in err

    def refuse(*_):
        raise AssertionError("the network was touched")

    monkeypatch.setattr("socket.socket.connect", refuse)
    method = f"calm:crop=3,subgoals={json.dumps(SUBGOALS)},{TOLD}"
    again = tmp_path / "again"
    status, told, err = call(
        capsys, *ASK, "--steps", 1600, "--out", again, "--method", method, "--replay", out / "store.jsonl"
    )
    assert status == 0, err
    found = [json.loads(line) for line in (again / "candidates.jsonl").read_text().splitlines()]
    assert [(f["text"], f["steps"], f["flagged"], f["true"], f["both"]) for f in found] == [
        (SUBGOALS[0], steps, keys, keys, keys),
        (SUBGOALS[1], steps, doors + turns, doors, doors),
    ]
    assert found[1]["precision"] == doors / (doors + turns) and found[1]["recall"] == 1.0
    assert f"precision {doors / (doors + turns):.3f}, recall 1.000" in " ".join(told.split())
    option, specification = told.strip().splitlines()[-1].rpartition("--reward-learner ")[1:]
    assert option and reward_learner(specification.strip("'")).subgoals == SUBGOALS
    config = run_of(specification.strip("'"))  # of steps that random play did not meet, the table says nothing
    row = execute(config, tmp_path / "train", lambda done, total: None)
    assert row["status"] == "ok", row["message"]
    other = specification.strip("'").replace("opened the door", "opened a door")
    with pytest.raises(ValueError, match="replay must hold answers about this environment"):
        learned(other, problem(layouts=1))


def test_the_example_of_the_page(tmp_path, capsys, monkeypatch):
    """The store of a script, replayed: one step picks the key up, one opens the door, and 18 are turns to the left."""

    def refuse(*_):
        raise AssertionError("the network was touched")

    monkeypatch.setattr("socket.socket.connect", refuse)
    told = {"picked up the key": "info.caption == 8", "opened the door": "info.caption == 11"}
    method = f"calm:crop=3,subgoals={json.dumps(list(scripted_verdicts.SUBGOALS))},truth={json.dumps(told)}"
    words = ("llm-reward", "KeyRoom-v0", "--params", "size=5", "layouts=1", "max_steps=40", "--method", method)
    words = (*words, "--task", scripted_verdicts.TASK, "--steps", scripted_verdicts.STEPS)
    status, out, err = call(capsys, *words, "--replay", scripted_verdicts.PATH, "--out", tmp_path)
    assert status == 0, err
    steps, reports = counted(scripted_verdicts.PATH)
    assert (steps, *reports.values()) == (91, 1, 1, 18)
    assert [line.rstrip() for line in out.splitlines()[2:4]] == [
        "yes     picked up the key  1 of 91 steps are said to achieve it, and 1 do: precision 1.000, recall 1.000",
        "yes     opened the door    19 of 91 steps are said to achieve it, and 1 do: precision 0.053, recall 1.000",
    ]


def test_a_subgoal_that_is_never_achieved_ends_with_status_1(server, tmp_path, capsys, monkeypatch):
    method = 'calm:crop=3,subgoals=["flew","reached the moon"]'
    monkeypatch.setattr(f"{__name__}.SUBGOALS", ["flew", "reached the moon"])
    monkeypatch.setattr(f"{__name__}.DOOR", ())
    words = (*ASK, "--steps", 16, "--out", tmp_path, "--method", method, "--model", "a-model", "--base-url", server.url)
    status, told, _ = call(capsys, *words)
    assert status == 1 and "no candidate met every demand" in told and not (tmp_path / "best.txt").exists()


@pytest.mark.parametrize(
    ("method", "more", "message"),
    [
        ("calm", ("--steps", 0), "steps must be"),
        ("calm:most=9", (), "most must be"),
        ("calm:subgoals=3", (), "subgoals must be a sequence of texts, got 3"),
        ('calm:subgoals=["a","a"]', (), "subgoals must be"),
        ('calm:truth={"a":"1"}', (), "truth must be left out"),
        ('calm:subgoals=["a"],truth={"b":"1"}', (), "truth must be of 'a', got 'b'"),
        ("calm:captions=words", (), "info has no 'words'"),
        ("calm", ("--use", "reward"), "use must be potential or added"),
    ],
)
def test_the_method_refuses(method, more, message, tmp_path, capsys):
    words = (
        *ASK,
        "--out",
        tmp_path / "x",
        "--method",
        method,
        *more,
        "--model",
        "m",
        "--base-url",
        "http://localhost:1/v1",
    )
    assert message in refused(capsys, *words)
    assert not (tmp_path / "x").exists()


def test_what_no_option_can_say_is_refused_before_anybody_is_asked(server, tmp_path, capsys, monkeypatch):
    """A name of the folder at once; a subgoal of the model is sent back."""
    model = ("--method", "calm:crop=3,most=2", "--model", "a-model", "--base-url", server.url)
    assert "must have no quotes or brackets" in refused(capsys, *ASK, "--out", tmp_path / 'a "b [', *model)
    assert not server.asked and not list(tmp_path.iterdir())
    monkeypatch.setattr(f"{__name__}.SUBGOALS", ['opened " ], the door'])
    assert "must have no quotes or brackets" in refused(capsys, *ASK, "--out", tmp_path / "x", *model, "--tries", 1)
    assert len(server.asked) == 1


def test_shares_of_nothing():
    nobody = JudgedSubgoal("a", "scripted", 5, 0, 0, 0)
    assert nobody.precision is nobody.recall is None and not nobody.passed
    assert nobody.found == "0 of 5 steps are said to achieve it, and 0 do: precision none, recall none"
    assert JudgedSubgoal("a", "m", 5, 2).found == "2 of 5 steps are said to achieve it"
