"""Answers arrive when they should, once each, and again at the same step."""

from __future__ import annotations

import copy
import pickle
import threading
import time

import pytest

from payoff.wrappers.llm.client import NoReplyError, Scripted
from payoff.wrappers.llm.labellers import InOrder, RecordedLabeller, ScriptedLabeller, SilentLabeller, StoredLabeller
from payoff.wrappers.llm.questions import Helps, Nearer
from payoff.wrappers.llm.store import ReplyStore

GOAL = "get out"


def helps(i):
    return Helps(GOAL, f"caption {i}")


def test_the_truth():
    truth = InOrder(("key", "door"))
    assert [truth(Helps(GOAL, c)) for c in ("key", "door", "wall")] == [1.0, 1.0, 0.0]
    order = {("key", "door"): 0.0, ("door", "key"): 1.0, ("wall", "door"): 0.0, ("wall", "floor"): 0.5}
    assert all(truth(Nearer(GOAL, *pair)) == answer for pair, answer in order.items())
    with pytest.raises(ValueError, match="texts must be different"):
        InOrder(("a", "a"))
    with pytest.raises(TypeError, match="texts must be a sequence"):
        InOrder("ab")


def test_errors_come_at_their_rate_and_depend_on_the_question_alone():
    truth = InOrder(tuple(f"caption {i}" for i in range(1000)))
    answers = [ScriptedLabeller(truth, errors=0.2, seed=3).answer(helps(i)) for i in range(2000)]
    wrong = [answer != float(i < 1000) for i, answer in enumerate(answers)]
    assert abs(sum(wrong) - 400) < 4 * (2000 * 0.2 * 0.8) ** 0.5  # four standard deviations of a binomial count
    again = ScriptedLabeller(truth, errors=0.2, seed=3)
    assert [again.answer(helps(i)) for i in reversed(range(2000))] == answers[::-1]
    others = [ScriptedLabeller(truth, errors=0.2, seed=4).answer(helps(i)) for i in range(2000)]
    assert others != answers
    sure = [ScriptedLabeller(truth, errors=rate).answer(Nearer(GOAL, "x", "y")) for rate in (0.0, 1.0)]
    assert sure[0] == 0.5 and sure[1] in (0.0, 1.0)


def test_a_scripted_answer_arrives_after_its_latency():
    labeller = ScriptedLabeller(InOrder(()), latency=3)
    waiting = {helps(0): 5, helps(1): 6}
    arrived = {step: labeller.poll(step, waiting) for step in range(5, 10)}
    assert [len(arrived[step]) for step in range(5, 10)] == [0, 0, 0, 1, 2]
    assert ScriptedLabeller(InOrder(()), latency=0).poll(5, {helps(0): 5}) == [(helps(0), 0.0)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"errors": 1.5}, "errors must be"), ({"latency": -1}, "latency must be"), ({"seed": -1}, "seed must be")],
)
def test_bad_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        ScriptedLabeller(InOrder(()), **settings)
    with pytest.raises(TypeError, match="truth must be a function"):
        ScriptedLabeller(None)


# -- a model ---------------------------------------------------------------------------------------------------------


def caption_of(messages):
    return messages[1]["content"].partition("reports: ")[2].partition("\n")[0]


class Gate:
    """A client that answers when it is let, and remembers what it was asked."""

    by, settings = "a-model", {}

    def __init__(self, reply='{"answer": "yes"}'):
        self.asked, self.may, self.reply = [], threading.Semaphore(0), reply

    def ask(self, messages, *, sample=0):
        self.asked.append(caption_of(messages))
        self.may.acquire()
        return Scripted(lambda *_: self.reply).ask(messages)


def store(path, client=Gate):
    return ReplyStore.begin(path, client.by, client.settings)


def until(condition):
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("it did not come about")


def poll_until(labeller, waiting, steps):
    """(step, answers) of the first poll that brings some."""
    for step in steps:
        if came := labeller.poll(step, waiting):
            return step, came
        time.sleep(0.005)
    raise AssertionError("nothing arrived")


def test_the_newest_question_is_asked_first_and_nothing_waits(tmp_path):
    gate = Gate()
    labeller = RecordedLabeller(gate, store(tmp_path / "s"))
    waiting = {helps(0): 1}
    assert labeller.poll(1, waiting) == []
    until(lambda: gate.asked)  # it is being asked; the others are on the stack
    waiting |= {helps(1): 2, helps(2): 2, helps(3): 3}
    assert labeller.poll(3, waiting) == []
    for _ in range(4):
        gate.may.release()
    until(lambda: len(ReplyStore(tmp_path / "s")) == 4)
    assert [caption.strip('"') for caption in gate.asked] == [f"caption {i}" for i in (0, 3, 2, 1)]
    step, came = poll_until(labeller, waiting, range(4, 2000))
    assert {answer for _, answer in came} == {1.0} and step >= 4


def test_an_answer_arrives_again_at_its_step(tmp_path):
    gate = Gate()
    live = RecordedLabeller(gate, store(tmp_path / "s"))
    waiting = {helps(0): 1}
    assert live.poll(1, waiting) == []
    gate.may.release()
    until(lambda: len(ReplyStore(tmp_path / "s")) == 1)
    arrived, came = poll_until(live, waiting, range(7, 2000))
    waiting |= {helps(1): arrived}
    assert live.poll(arrived, {helps(1): arrived}) == []  # asked, and never answered
    for again in (RecordedLabeller(None, ReplyStore(tmp_path / "s")), RecordedLabeller(Gate(), store(tmp_path / "s"))):
        assert again.poll(arrived - 1, waiting) == []
        assert again.poll(arrived, waiting) == came == [(helps(0), 1.0)]
        assert again.poll(arrived + 50, waiting) == came
    with pytest.raises(NoReplyError, match='knows nothing of the question about "caption 2": it is of another'):
        RecordedLabeller(None, ReplyStore(tmp_path / "s")).poll(1, {helps(2): 1})


def test_replies_without_steps_arrive_when_they_are_asked_for(tmp_path):
    client = Scripted(lambda messages, sample: '{"answer": "no"}')
    assert RecordedLabeller(client, store(tmp_path / "s", client)).answer(helps(0)) == 0.0
    assert RecordedLabeller(None, ReplyStore(tmp_path / "s")).poll(9, {helps(0): 9}) == [(helps(0), 0.0)]


def test_a_table_answers_at_once_and_whatever_it_does_not_know_alike(tmp_path):
    client = Scripted(lambda messages, sample: '{"answer": "yes"}')
    RecordedLabeller(client, store(tmp_path / "s", client)).answer(helps(0))
    table = StoredLabeller(ReplyStore(tmp_path / "s"), 0.0)
    assert table.poll(1, {helps(0): 1, helps(1): 1}) == [(helps(0), 1.0), (helps(1), 0.0)]
    assert table.knows(helps(0)) and not table.knows(helps(1))
    with pytest.raises(ValueError, match="tries must be"):
        StoredLabeller(ReplyStore(tmp_path / "s"), 0.0, tries=0)


def test_nobody_answers():
    assert SilentLabeller().poll(9, {helps(0): 1}) == []
    with pytest.raises(NoReplyError, match="nobody is asked"):
        SilentLabeller().answer(helps(0))


def test_a_model_that_fails_stops_the_run_with_one_line(tmp_path):
    gate = Gate("perhaps")
    labeller = RecordedLabeller(gate, store(tmp_path / "s"), tries=2)
    assert labeller.poll(1, {helps(0): 1}) == []
    gate.may.release(), gate.may.release()
    until(lambda: len(ReplyStore(tmp_path / "s")) == 2)
    with pytest.raises(NoReplyError, match="none of 2 replies could be read; of the last, there is no JSON object"):
        poll_until(labeller, {helps(0): 1}, range(2, 2000))


def test_a_labeller_that_is_gone_writes_nothing_more(tmp_path):
    gate, others = Gate(), {*threading.enumerate()}
    labeller = RecordedLabeller(gate, store(tmp_path / "s"))
    labeller.poll(1, {helps(0): 1})
    until(lambda: gate.asked)
    (thread,) = {*threading.enumerate()} - others
    del labeller
    gate.may.release()
    thread.join(5.0)
    assert not thread.is_alive() and len(ReplyStore(tmp_path / "s")) == 0


def test_two_programs_do_not_write_one_store(tmp_path):
    first, second = store(tmp_path / "s"), store(tmp_path / "s")
    first.note("asked", helps(0).messages(), 3)
    with pytest.raises(ValueError, match="must be written by one program at a time"):
        second.note("asked", helps(0).messages(), 4)
    assert ReplyStore(tmp_path / "s").steps["asked"] == first.steps["asked"]
    assert len(first.steps["asked"]) == 1 and [*first.steps["asked"].values()] == [3]
    with pytest.raises(ValueError, match="the same was asked before"):
        first.note("asked", helps(0).messages(), 5)
    with pytest.raises(ValueError, match="step must be at least that of the asking, 3, got 2"):
        first.note("arrived", helps(0).messages(), 2)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps])
def test_it_is_not_copied(tmp_path, how):
    """Two would write to one file, and a thread has no copy."""
    labeller = RecordedLabeller(None, ReplyStore.begin(tmp_path / "s.jsonl", "a-model", {}))
    with pytest.raises(TypeError, match="a RecordedLabeller must stay where it is"):
        how([labeller] if how is not copy.copy else labeller)
