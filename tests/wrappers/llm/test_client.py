"""A server that misbehaves: a client goes on, or stops with one line, and what is recorded stays."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from payoff.wrappers.llm.client import KEY, NoReplyError, OpenAIClient, Recorded, Scripted
from payoff.wrappers.llm.store import Reply, ReplyStore
from tests.baselines.commands import call, refused

SECRET = "sk-very-secret-0123456789"


def asked(i=0):
    return [{"role": "user", "content": f"question {i}"}]


def completion(text, **more):
    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}], "usage": usage, **more})


def send(handler, body, status=200, kind="application/json", **headers):
    data = body.encode()
    handler.send_response(status)
    for name, value in {"Content-Type": kind, "Content-Length": len(data), **headers}.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(data)


def fine(handler, text="a reply"):
    send(handler, completion(text))


def slow(handler):
    time.sleep(0.6)
    fine(handler)


def drip(handler):
    """A byte now and then: no read ever waits long."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(20):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


def cut(handler):
    """No answer at all."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def cut_body(handler):
    """Half of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def busy(handler):
    send(handler, '{"error": {"message": "too many"}}', 429, Retry_After="0")


def broken(handler):
    send(handler, '{"error": {"message": "oh"}}', 500)


def streamed(handler):
    send(handler, 'data: {"choices": [{"delta": {"content": "a"}}]}\n\ndata: [DONE]\n\n', kind="text/event-stream")


def echo(handler):
    """A server that repeats the key, as some do in their errors."""
    send(handler, json.dumps({"error": {"message": f"bad key {handler.headers['Authorization']}"}}), 401)


def echo_reply(handler):
    fine(handler, f"you sent {handler.headers['Authorization']}")


@pytest.fixture
def serve():
    """Starts a server that behaves as a list says, one entry a request; gives its address and what it was sent."""
    servers = []

    def start(*behaviours):
        seen, left = [], list(behaviours)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen.append((self.path, json.loads(body), self.headers["Authorization"]))
                self.close_connection = True
                with contextlib.suppress(OSError):  # whoever asked is gone
                    left.pop(0)(self)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1", seen

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No pause between tries; and no setting of whoever runs this."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
    monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 0.01)


def test_half_a_surrogate_pair_is_sent_as_an_escape(serve):
    """Replies and captions may hold one; no encoding has it."""
    url, seen = serve(fine)
    assert client(url).ask([{"role": "user", "content": "a \ud83d b"}]).text == "a reply"
    assert seen[0][1]["messages"] == [{"role": "user", "content": r"a \ud83d b"}]


def client(url, **settings):
    return OpenAIClient("a-model", url, **{"timeout": 0.4, "retries": 2, **settings})


def test_what_is_asked_and_what_comes_back(serve, monkeypatch):
    monkeypatch.setenv(KEY, SECRET)
    url, seen = serve(fine)
    asks = client(url, temperature=0.25, max_tokens=99)
    assert asks.ask(asked()) == Reply("a reply", 7, 5)
    body = {"model": "a-model", "messages": asked(), "temperature": 0.25, "max_tokens": 99}
    assert seen == [("/v1/chat/completions", body, f"Bearer {SECRET}")]
    assert (asks.requests, asks.tokens) == (1, 12)


@pytest.mark.parametrize("fault", [slow, cut, busy, broken])
def test_it_goes_on_after_what_passes(serve, fault):
    url, seen = serve(fault, fault, fine)
    assert client(url).ask(asked()).text == "a reply"
    assert len(seen) == 3


def test_what_retry_after_asks_for_is_waited(serve, monkeypatch):
    url, _ = serve(lambda h: send(h, "{}", 429, Retry_After="1"), fine)
    began = time.monotonic()
    assert client(url).ask(asked()).text == "a reply"
    assert time.monotonic() - began >= 1.0


def html(handler):
    send(handler, "<html>", kind="text/html")


def answers(body):
    return lambda handler: send(handler, body)


@pytest.mark.parametrize(
    ("fault", "message", "requests"),
    [
        (slow, "the server gave no answer: Request timed out", 3),
        (cut, "the server gave no answer: Connection error", 3),
        (busy, "the server gave no answer: .*429.*too many", 3),
        (broken, "the server gave no answer: .*500", 3),
        (cut_body, "the server gave no answer", 1),
        (drip, r"the server's answer was not there after 0\.4 seconds", 1),
        (html, "must answer application/json, got 'text/html'", 1),
        (streamed, "must answer application/json, got 'text/event-stream'", 1),
        (lambda h: send(h, '{"error": "no such model"}', 404), "the server gave no answer: .*no such model", 1),
        (answers(completion("x" * 5_000_000)), "more than 1000000 bytes", 1),
        (answers(completion("x" * 100_001)), "has 100001 characters, more than 100000", 1),
        (answers('{"choices": []}'), r"has no choices, but \['choices'\]", 1),
        (answers("{}"), "has no choices", 1),
        (answers('{"choices": [1]}'), "its first choice has no text", 1),
        (answers('{"choices": [{"message": {"content": null}}]}'), "its first choice has no text", 1),
        (answers('{"choices": [{"message": {"content": ""}}]}'), "its first choice has no text", 1),
        (answers("[" * 100_000), "nested too deeply", 1),
        (answers('{"choices": '), "no JSON object", 1),
        (answers("[]"), "no JSON object", 1),
        (answers(""), "no JSON object", 1),
    ],
)
def test_it_stops_with_one_line_and_what_was_recorded_stays(serve, tmp_path, fault, message, requests):
    url, seen = serve(fine, *[fault] * 3, fine)
    asks = client(url)
    store = ReplyStore.begin(tmp_path / "store.jsonl", asks.by, asks.settings)
    recorded = Recorded(asks, store)
    recorded.ask(asked(0))
    with pytest.raises(NoReplyError, match=message) as caught:
        recorded.ask(asked(1))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert len(seen) == 1 + requests
    assert len(ReplyStore(store.path)) == 1
    assert recorded.ask(asked(0)).text == "a reply" and len(seen) == 1 + requests


@pytest.mark.parametrize("status", [404, 503])
def test_the_body_of_an_error_is_not_read_to_its_end(serve, status):
    """A body of a gigabyte, and one that never ends: the line says what it begins with, and what was sent is little."""
    sent = []

    def endless(handler):
        handler.send_response(status)
        handler.send_header("Content-Type", "text/plain")
        handler.send_header("Content-Length", str(10**9))
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(10**9 // 100_000):
                handler.wfile.write(b"broken " * 14_285)
                sent.append(100_000)

    def dripping(handler):
        handler.send_response(status)
        handler.send_header("Content-Type", "text/plain")
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(1000):
                handler.wfile.write(b"broken")
                handler.wfile.flush()
                time.sleep(0.1)

    url, _ = serve(endless, dripping)
    for _ in range(2):
        with pytest.raises(NoReplyError, match=f"the server gave no answer: .*{status}.*broken") as caught:
            client(url, retries=0).ask(asked())
        assert len(str(caught.value)) < 500
    assert sum(sent) < 50_000_000  # what the sockets hold


def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(NoReplyError, match=r"the server gave no answer: Connection error: .*refused"):
        client(url, retries=0).ask(asked())


@pytest.mark.parametrize(
    ("fault", "message"), [(echo, f"wants another key in {KEY}"), (echo_reply, "it holds the key")]
)
def test_the_key_is_nowhere(serve, tmp_path, monkeypatch, fault, message):
    monkeypatch.setenv(KEY, SECRET)
    url, _ = serve(fine, fault)
    asks = client(url)
    store = ReplyStore.begin(tmp_path / "store.jsonl", asks.by, asks.settings)
    Recorded(asks, store).ask(asked())
    with pytest.raises(NoReplyError, match=message) as caught:
        Recorded(asks, store).ask(asked(1))
    assert SECRET not in str(caught.value)
    held = store.path.read_text()
    assert SECRET not in held and "Bearer" not in held and "127.0.0.1" not in held


def test_what_is_meant_for_another_server_is_not_sent(serve, monkeypatch):
    """The package openai reads these by itself."""
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"OPENAI_{name}", f"secret-{name}")
    monkeypatch.delenv(KEY, raising=False)
    sent = []
    url, _ = serve(lambda handler: (sent.append(str(handler.headers)), fine(handler)))
    client(url).ask(asked())
    assert "secret" not in sent[0].lower() and "Bearer none" in sent[0]
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: secret-header")
    with pytest.raises(ValueError, match=r"base_url would be sent the headers of .* OPENAI_CUSTOM_HEADERS: unset it"):
        client(url)


def test_a_budget_ends(serve):
    url, seen = serve(*[fine] * 5)
    asks = client(url, most_requests=2)
    asks.ask(asked()), asks.ask(asked())
    with pytest.raises(NoReplyError, match="all 2 requests are used"):
        asks.ask(asked())
    asks = client(url, most_tokens=12)
    asks.ask(asked())
    with pytest.raises(NoReplyError, match="12 tokens are used, and most_tokens is 12"):
        asks.ask(asked())
    assert len(seen) == 3


def test_prompts_are_spread_over_the_minute(serve, monkeypatch):
    """Thirty a minute: two seconds lie between them, and what a reply took counts towards it."""
    now, waited = [100.0], []

    def sleep(seconds):
        waited.append(seconds)
        now[0] += seconds

    url, _ = serve(*[fine] * 3)
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)  # of one module: servers in threads sleep, too
    monkeypatch.setattr("payoff.wrappers.llm.client.time", clock)
    asks = client(url, per_minute=30)
    asks.ask(asked(0))
    now[0] += 0.5
    asks.ask(asked(1))
    now[0] += 7.0
    asks.ask(asked(2))
    assert waited == [0.0, 1.5, 0.0]


def test_a_server_that_does_not_count_is_counted(serve):
    url, _ = serve(answers(completion("12345678", usage=None)))
    asks = client(url)
    assert asks.ask(asked()) == Reply("12345678", None, None)
    assert asks.tokens == 3 + 2  # "question 0" is 10 bytes: 3 fours; the reply 8: 2


def test_a_record_answers_without_a_network(tmp_path, monkeypatch):
    asks = Scripted(lambda messages, sample: f"{messages[0]['content']} {sample}")
    store = ReplyStore.begin(tmp_path / "s", asks.by, asks.settings)
    assert store.by == "scripted"
    assert [Recorded(asks, store).ask(asked(), sample=i).text for i in (0, 1)] == ["question 0 0", "question 0 1"]

    def refuse(*_):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    replay = Recorded(None, ReplyStore(tmp_path / "s"))
    assert replay.by == "scripted" and replay.ask(asked(), sample=1).text == "question 0 1"
    with pytest.raises(NoReplyError, match="holds no reply to this prompt"):
        replay.ask(asked(1))


def test_a_store_of_another_is_refused(tmp_path):
    store = ReplyStore.begin(tmp_path / "s", "a-model", {})
    with pytest.raises(ValueError, match=r"store must be of 'scripted' with \{\}, got that of 'a-model'"):
        Recorded(Scripted(lambda messages, sample: ""), store)


def test_a_command_that_failed_goes_on_from_its_store(serve, tmp_path, capsys):
    """The first reply is no use and the second breaks off; a second call asks for the second again, and no more."""
    good = json.dumps({"expressions": [{"text": "obs.x", "why": "right"}]})
    url, seen = serve(fine, cut_body, lambda handler: fine(handler, good))
    arguments = ("llm-reward", "GridNav-v0", "--task", "walk to the goal", "--out", tmp_path, "--steps", 20)
    arguments = (*arguments, "--model", "a-model", "--base-url", url, "--temperature", "0.5")
    assert "the server gave no answer" in refused(capsys, *arguments)
    assert len(seen) == 2 and len(ReplyStore(tmp_path / "store.jsonl")) == 1
    status, out, err = call(capsys, *arguments)
    assert status == 0, err
    assert len(seen) == 3 and len(ReplyStore(tmp_path / "store.jsonl")) == 2
    assert out.startswith("1 candidate by a-model, as potential\n") and (tmp_path / "best.txt").exists()
    assert call(capsys, *arguments) == (0, out, err) and len(seen) == 3
    assert f"2 replies in {tmp_path / 'store.jsonl'}: 14 tokens of prompts, 10 of replies\n" in err
    status, _, err = call(capsys, *arguments, "--prices", 0.5, 2)
    assert status == 0 and "14 tokens of prompts, 10 of replies, 2.7e-05 at these prices\n" in err  # (7 + 20) / 10^6
    assert "prices must be a number" in refused(capsys, *arguments, "--prices", 0.5, "nan")
    assert "holds replies of 'a-model' with" in refused(capsys, *arguments[:-1], "0.7")


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"model": 1}, TypeError, "model must be a text"),
        ({"model": ""}, ValueError, "model must be the name"),
        ({"model": "scripted"}, ValueError, "model must be the name"),
        ({"base_url": None}, TypeError, "base_url must be a text"),
        ({"base_url": "localhost:80"}, ValueError, "base_url must be the address"),
        ({"base_url": "file:///etc/passwd"}, ValueError, "base_url must be the address"),
        ({"base_url": "http://localhost:99999/v1"}, ValueError, "base_url must be the address"),
        ({"base_url": "http://me:pass@localhost/v1"}, ValueError, "base_url must have no user"),
        ({"base_url": "http://localhost/v1?key=1"}, ValueError, "base_url must have no user"),
        ({"temperature": 3.0}, ValueError, "temperature must be"),
        ({"max_tokens": 0}, ValueError, "max_tokens must be"),
        ({"timeout": 0.0}, ValueError, "timeout must be"),
        ({"retries": -1}, ValueError, "retries must be"),
        ({"most_requests": 0}, ValueError, "most_requests must be"),
        ({"most_tokens": 0}, ValueError, "most_tokens must be"),
        ({"per_minute": 0.0}, ValueError, "per_minute must be"),
        ({"per_minute": float("nan")}, ValueError, "per_minute must be"),
    ],
)
def test_bad_arguments(settings, kind, message):
    with pytest.raises(kind, match=message) as caught:
        OpenAIClient(**{"model": "a-model", "base_url": "http://localhost/v1", **settings})
    assert "me:" not in str(caught.value)


@pytest.mark.parametrize(
    ("messages", "kind"),
    [
        ("text", TypeError),
        ([], TypeError),
        ([{"role": "user"}], ValueError),
        ([{"role": "x", "content": ""}], ValueError),
    ],
)
def test_bad_messages(messages, kind):
    with pytest.raises(kind, match="messages must"):
        Scripted(lambda messages, sample: "").ask(messages)
    with pytest.raises(TypeError, match="function must be a function"):
        Scripted("text")
