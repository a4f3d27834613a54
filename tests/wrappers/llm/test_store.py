"""Replies in a file: nothing that was written is lost, and nothing that was changed is believed."""

from __future__ import annotations

import hashlib
import json

import pytest

from payoff.wrappers.llm.store import MOST_REPLY, Reply, ReplyStore, prompt_hash

ASKED = [{"role": "user", "content": "what?"}]


def asked(i):
    return [{"role": "user", "content": f"question {i}"}]


def filled(path, count=3):
    store = ReplyStore.begin(path, "a-model", {"temperature": 0.5})
    for i in range(count):
        store.add(asked(i), 0, Reply(f"reply {i}\nof two lines \u00e9 \ud800", 10 + i, None))
    return store


def test_what_was_written_is_read(tmp_path):
    filled(tmp_path / "new" / "store.jsonl")
    store = ReplyStore(tmp_path / "new" / "store.jsonl")
    assert len(store) == 3 and store.by == "a-model" and store.settings == {"temperature": 0.5}
    assert store.find(asked(1)) == Reply("reply 1\nof two lines \u00e9 \ud800", 11, None)
    assert store.find(asked(1), 1) is None and store.find(asked(3)) is None


def test_the_hash_is_of_all_that_a_reply_depends_on():
    whole = '{"by": "m", "messages": [{"content": "what?", "role": "user"}], "sample": 2, "settings": {"t": 1}}'
    assert prompt_hash("m", {"t": 1}, ASKED, 2) == hashlib.sha256(whole.encode()).hexdigest()
    others = [
        prompt_hash("n", {"t": 1}, ASKED, 2),
        prompt_hash("m", {"t": 2}, ASKED, 2),
        prompt_hash("m", {"t": 1}, asked(0), 2),
        prompt_hash("m", {"t": 1}, ASKED, 3),
    ]
    assert len({*others, prompt_hash("m", {"t": 1}, ASKED, 2)}) == 5


def test_a_kill_at_any_byte_leaves_the_lines_before(tmp_path):
    path = tmp_path / "store.jsonl"
    filled(path)
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(ends[0], len(whole), 3):
        path.write_bytes(whole[:size])
        assert len(ReplyStore(path)) == sum(end <= size for end in ends) - 1
    store = ReplyStore(path)  # of the last cut, in the middle of the third exchange
    store.add(asked(7), 0, Reply("later"))
    again = ReplyStore(path)
    assert len(again) == 3 and again.find(asked(7)) == Reply("later") and again.find(asked(2)) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line[:-9], "line 3: no JSON object"),
        (lambda line: line.replace(b"question 1", b"question 8"), "line 3: hash does not belong to messages"),
        (lambda line: line.replace(b'"sample": 0', b'"sample": -1'), "line 3: sample must be an integer"),
        (lambda line: line.replace(b'"tokens_in": 11', b'"tokens_in": true'), "line 3: tokens_in must be an integer"),
        (lambda line: line.replace(b'"user"', b'"root"'), "line 3: messages must have a role"),
        (lambda line: b"{}", "line 3: an exchange has hash, messages, reply"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, change, message):
    path = tmp_path / "store.jsonl"
    filled(path)
    lines = path.read_bytes().splitlines()
    lines[2] = change(lines[2])
    path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(ValueError, match=f"store.jsonl, {message}"):
        ReplyStore(path)


def test_one_exchange_twice_is_refused(tmp_path):
    path = tmp_path / "store.jsonl"
    store = filled(path)
    with pytest.raises(ValueError, match="holds a reply to them"):
        store.add(asked(0), 0, Reply("another"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[1]]))
    with pytest.raises(ValueError, match=r"line 5: .* holds a reply to them"):
        ReplyStore(path)


@pytest.mark.parametrize(
    "head", [b"", b"{}\n", b'{"format": "payoff-replies-1"}\n', b'{"by": "m", "format": "other"}\n']
)
def test_other_files_are_no_store(tmp_path, head):
    path = tmp_path / "store.jsonl"
    path.write_bytes(head)
    with pytest.raises(ValueError, match="holds no replies"):
        ReplyStore(path)


def test_nothing_arrives_that_was_not_asked(tmp_path):
    path = tmp_path / "store.jsonl"
    store = filled(path)
    with pytest.raises(ValueError, match="step must be at least that of the asking, None, got 3"):
        store.note("arrived", asked(0), 3)
    whole = path.read_text()
    path.write_text(whole + json.dumps({"event": "arrived", "hash": "x", "step": 3}) + "\n")
    with pytest.raises(ValueError, match="line 5: step must be at least that of the asking"):
        ReplyStore(path)


def test_replies_of_another_are_not_added(tmp_path):
    path = tmp_path / "store.jsonl"
    filled(path)
    assert len(ReplyStore.begin(path, "a-model", {"temperature": 0.5})) == 3
    for by, settings in (("scripted", {"temperature": 0.5}), ("a-model", {"temperature": 0.6})):
        with pytest.raises(ValueError, match="holds replies of 'a-model' with"):
            ReplyStore.begin(path, by, settings)


def test_a_long_reply_is_refused():
    assert len(Reply("x" * MOST_REPLY).text) == MOST_REPLY
    with pytest.raises(ValueError, match="text must have at most 100000 bytes, got 100002"):
        Reply("\u00e9" * 50_001)


def test_bad_arguments(tmp_path):
    with pytest.raises(TypeError, match="text must be a text"):
        Reply(None)
    with pytest.raises(ValueError, match="tokens_out must be an integer"):
        Reply("x", 1, -1)
    with pytest.raises(ValueError, match="by must be a name"):
        ReplyStore.begin(tmp_path / "s", "", {})
    with pytest.raises(FileNotFoundError):
        ReplyStore(tmp_path / "none")


def test_the_line_is_what_the_module_says(tmp_path):
    filled(tmp_path / "s", 1)
    head, line = (json.loads(text) for text in (tmp_path / "s").read_text().splitlines())
    assert head == {"by": "a-model", "format": "payoff-replies-1", "settings": {"temperature": 0.5}}
    assert set(line) == {"hash", "messages", "reply", "sample", "tokens_in", "tokens_out"}
