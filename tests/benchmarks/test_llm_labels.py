"""What `benchmarks/llm_labels.py` stands on: the endpoint, without a model, and the scores of labels."""

import importlib
import math
import sys
from pathlib import Path

import pytest

from payoff.wrappers.llm.client import NoReplyError, OpenAIClient, Recorded
from payoff.wrappers.llm.questions import Helps
from payoff.wrappers.llm.store import Reply, ReplyStore

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch):
    """Function that imports a file of `benchmarks/`."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if name.startswith("_") and (ROOT / "benchmarks" / f"{name}.py").exists():
            del sys.modules[name]


def answers(messages):
    """A model that likes doors."""
    yes = "door" in messages[-1]["content"]
    return Reply(f'log-odds 0.5\n{{"answer": "{"yes" if yes else "no"}"}}', 9, 1)


def fails(messages):
    raise RuntimeError("out of memory")


def test_the_products_client_asks_the_endpoint(script, tmp_path):
    serve = script("_endpoint").serve
    with serve({"small": answers}) as base_url:
        assert base_url.startswith("http://127.0.0.1:")
        client = OpenAIClient("small", base_url, retries=0)
        store = ReplyStore.begin(tmp_path / "replies.jsonl", "small", client.settings)
        whom = Recorded(client, store)
        for caption, helps in (("opened the door", 1.0), ("walked", 0.0)):
            question = Helps("get out", caption)
            assert question.read(whom.ask(question.messages()).text) == helps
        assert (client.requests, client.tokens) == (2, 20)
    assert len(ReplyStore(tmp_path / "replies.jsonl")) == 2


@pytest.mark.parametrize(
    ("model", "words"), [("unheard of", "unknown model or path"), ("broken", "RuntimeError: out of memory")]
)
def test_a_failure_is_told(script, model, words):
    with script("_endpoint").serve({"small": answers, "broken": fails}) as base_url:
        with pytest.raises(NoReplyError, match=words):
            OpenAIClient(model, base_url, retries=0).ask([{"role": "user", "content": "door"}])


def test_the_endpoint_is_gone_afterwards(script):
    with script("_endpoint").serve({"small": answers}) as base_url:
        pass
    with pytest.raises(NoReplyError):
        OpenAIClient("small", base_url, retries=0).ask([{"role": "user", "content": "door"}])


def test_scores_are_those_of_a_table_counted_by_hand(script):
    """2 hits, 1 false alarm, 2 missed: precision 2/3, recall 2/4, F1 = 2 * 2 / (3 + 4)."""
    said = [True, True, True, False, False, False]
    true = [True, True, False, True, True, False]
    found = script("_scores").scores(said, true)
    assert found.yes == 1 / 2
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(1 / 2)
    assert found.f1 == pytest.approx(4 / 7)


def test_who_never_says_yes_has_no_precision(script):
    found = script("_scores").scores([False, False], [True, False])
    assert math.isnan(found.precision)
    assert (found.yes, found.recall, found.f1) == (0.0, 0.0, 0.0)


def test_scores_need_a_caption_that_helps(script):
    with pytest.raises(ValueError, match="must have 2 labels"):
        script("_scores").scores([True, False], [False, False])


def test_auc_counts_pairs(script):
    """Helpful 3 and 1, others 2 and 1: of four pairs two are right, one is a tie."""
    assert script("_scores").auc([3.0, 2.0, 1.0, 1.0], [True, False, True, False]) == pytest.approx(2.5 / 4)


def test_what_is_taken_for_true_can_be_reported(script):
    """Every caption that is called helpful is one of its game; no game is both tuned on and claimed about."""
    labels = script("llm_labels")
    for game in (*labels.CLAIMED, *labels.TUNED):
        assert set(game.helpful) < set(game.captions), game.name
    assert not {g.name for g in labels.CLAIMED} & {g.name for g in labels.TUNED}


def test_the_question_is_read_back(script):
    labels = script("llm_labels")
    asked = Helps('say "yes"', "the door\n is open").messages()
    assert labels.asked_about(asked) == ('say "yes"', "the door\n is open")


def test_numbers_are_judged(script):
    labels = script("llm_labels")
    task = labels.NUMBERS["crossing"]
    assert labels.judged('{"queue": 9, "wait": 3, "switch": 1}', task) == (True, True, True)
    assert labels.judged(' {"queue": 1, "wait": 3, "switch": 9} and', task) == (True, True, False)
    assert labels.judged('{"queue": 11, "wait": 3, "switch": 1}', task) == (True, False, False)
    assert labels.judged('{"queue": 9, "wait": 3}', task) == (False, False, False)
    assert labels.judged('{"queue": true, "wait": 3, "switch": 1}', task) == (False, False, False)
    assert labels.judged("queue 9, wait 3", task) == (False, False, False)
