"""A server of this machine that speaks as OpenAI's does, around functions that answer messages."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, TypeAlias

from payoff.wrappers.llm.store import Messages, Reply, check_messages

__all__ = ["Answer", "serve"]

Answer: TypeAlias = Callable[[Messages], Reply]

_PATH = "/v1/chat/completions"
_MOST_BODY = 1_000_000  # bytes of a request


@contextmanager
def serve(answers: Mapping[str, Answer]) -> Iterator[str]:
    """Answer requests for as long as the context lasts, one after the other, and on the loopback address alone.

    A request for something else is answered with status 404, one that is none of ``/chat/completions`` with 400, and
    with 500 where the function raises.

    Args:
        answers: name of a model -> what answers for it.

    Yields:
        The address, up to ``/v1``.
    """
    server = HTTPServer(("127.0.0.1", 0), _handler(answers))
    thread = threading.Thread(target=server.serve_forever, name="endpoint", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(answers: Mapping[str, Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer a request."""
            size = int(self.headers.get("Content-Length", 0))
            if size > _MOST_BODY:
                self._send(400, _error(f"a request has at most {_MOST_BODY} bytes, got {size}"))
                return
            body = self.rfile.read(size)
            try:
                asked = json.loads(body)
                model, messages = asked["model"], asked["messages"]
                check_messages(messages)
            except (KeyError, TypeError, ValueError) as error:
                self._send(400, _error(f"not a chat: {type(error).__name__}: {error}"))
                return
            if self.path != _PATH or model not in answers:
                self._send(404, _error(f"unknown model or path: {model!r} at {self.path}"))
                return
            try:
                reply = answers[model](messages)
            except Exception as error:  # the client's business, as with any server
                self._send(500, _error(f"{type(error).__name__}: {error}"))
                return
            self._send(200, _completion(model, reply))

        def _send(self, status: int, content: dict[str, Any]) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    return Handler


def _completion(model: str, reply: Reply) -> dict[str, Any]:
    message = {"role": "assistant", "content": reply.text}
    usage = {"prompt_tokens": reply.tokens_in, "completion_tokens": reply.tokens_out}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"object": "chat.completion", "model": model, "choices": [choice], "usage": usage}


def _error(words: str) -> dict[str, Any]:
    return {"error": {"message": words}}
