"""Who answers a prompt: a server that speaks as OpenAI's does, a function of yours, or the record of an earlier run.

All of them are a :class:`ChatClient`. A reply is a text and stays one: nothing here reads it.
"""

from __future__ import annotations

import math
import os
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from payoff.envs.core.arrays import shown
from payoff.envs.core.params import check_integer, check_number
from payoff.extras import require
from payoff.files import json_object
from payoff.wrappers.arguments import check_text
from payoff.wrappers.llm.store import MOST_REPLY, SCRIPTED, Messages, Reply, ReplyStore, check_messages

__all__ = [
    "KEY",
    "ChatClient",
    "NoReplyError",
    "OpenAIClient",
    "Recorded",
    "Scripted",
    "UnreadableError",
    "ask_readable",
]

T = TypeVar("T")

KEY = "PAYOFF_LLM_KEY"  # environment variable of the server's key: not that of another tool, meant for another server
_HEADERS = "OPENAI_CUSTOM_HEADERS"  # the package sends them wherever it is told to ask
_MOST_BODY = 1_000_000  # bytes that are read of a server
_MOST_ERROR = 10_000  # bytes that are read of a server's error
_MOST_TOLD = 300  # characters of an error
_MOST_REPEATED = 2000  # characters of a bad reply that the model is shown again


class NoReplyError(RuntimeError):
    """There is no reply that could be used; says why in one line."""


class UnreadableError(NoReplyError):
    """Replies came, and none of them could be read."""


class ChatClient(Protocol):
    """Answers prompts.

    Attributes:
        by: who answers: the name of a model, or ``scripted``.
        settings: of the sampling, in JSON values; together with ``by`` and the prompt they say what a reply is to.
    """

    @property
    def by(self) -> str:
        """Name."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Of the sampling."""

    def ask(self, messages: Messages, *, sample: int = 0) -> Reply:
        """The reply to a prompt.

        Args:
            messages: ``{"role": "system", "user" or "assistant", "content": text}`` each, in their order.
            sample: number of the reply, from 0, where the same is asked several times.

        Raises:
            NoReplyError: there is none.
        """


class OpenAIClient:
    """Asks a server that speaks OpenAI's ``/chat/completions``; needs the extra ``llm``.

    The key is read from the environment variable ``PAYOFF_LLM_KEY`` and kept nowhere; servers on your own machine want
    none. Failures that pass (no connection, status 408, 409, 429 and 5xx) are tried again after a pause, the one that
    the server's Retry-After asks for where there is one.

    Args:
        model: its name, as the server knows it.
        base_url: of the server, up to ``/v1``, without user and password.
        temperature: of the sampling, in [0, 2].
        max_tokens: most tokens of one reply.
        timeout: seconds for one try.
        retries: tries after the first.
        most_requests: prompts that may be asked; the next is an error.
        most_tokens: after which no more is asked; a server that does not count is taken to use one for 4 bytes.
        per_minute: prompts that are asked in a minute at most, evenly spread, above 0; inf: no limit.

    Attributes:
        requests: prompts asked so far.
        tokens: used so far.

    Raises:
        ImportError: the package ``openai`` is not installed.
        TypeError: ``model`` or ``base_url`` is no text.
        ValueError: an argument is out of its range, or the variable ``OPENAI_CUSTOM_HEADERS`` is set.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        temperature: float = 0.7,
        max_tokens: int = 4000,
        timeout: float = 120.0,
        retries: int = 4,
        most_requests: int = 100,
        most_tokens: int = 1_000_000,
        per_minute: float = math.inf,
    ) -> None:
        check_text("model", model)
        if not model or model == SCRIPTED:
            raise ValueError(f"model must be the name of a model, got {model!r}")
        check_text("base_url", base_url)
        _check_url(base_url)
        check_number("temperature", temperature, 0.0, 2.0)
        check_integer("max_tokens", max_tokens, 1, 1_000_000)
        check_number("timeout", timeout, 0.0, 86_400.0, open_low=True)
        check_integer("retries", retries, 0, 100)
        check_integer("most_requests", most_requests, 1)
        check_integer("most_tokens", most_tokens, 1)
        if per_minute != math.inf:
            check_number("per_minute", per_minute, 0.0, open_low=True)
        self.by = model
        self.settings = {"temperature": float(temperature), "max_tokens": int(max_tokens)}
        self.requests = self.tokens = 0
        self._pause, self._next = 60.0 / per_minute, time.monotonic()
        self._most_requests, self._most_tokens, self._timeout = most_requests, most_tokens, float(timeout)
        if os.environ.get(_HEADERS):
            raise ValueError(f"base_url would be sent the headers of the environment variable {_HEADERS}: unset it")
        self._openai = require("openai", "llm")
        self._key = os.environ.get(KEY, "")
        http = self._openai.DefaultHttpxClient(event_hooks={"response": [partial(_shorten_error, self._timeout)]})
        weakref.finalize(self, http.close)
        self._client = self._openai.OpenAI(
            api_key=self._key or "none",
            base_url=base_url,
            timeout=self._timeout,
            max_retries=int(retries),
            http_client=http,
        )
        self._client.organization = self._client.project = None  # read from the environment, for another server

    def ask(self, messages: Messages, *, sample: int = 0) -> Reply:
        """See :class:`ChatClient`."""
        check_messages(messages)
        check_integer("sample", sample, 0)
        if self.requests >= self._most_requests:
            raise NoReplyError(f"all {self._most_requests} requests are used")
        if self.tokens >= self._most_tokens:
            raise NoReplyError(f"{self.tokens} tokens are used, and most_tokens is {self._most_tokens}")
        self.requests += 1
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + self._pause
        body = self._body(messages)
        try:
            reply = _reply(body)
        except (TypeError, ValueError) as error:
            raise NoReplyError(f"the server's answer cannot be used: {self._told(error)}") from error
        if self._key and self._key in reply.text:
            raise NoReplyError("the server's answer cannot be used: it holds the key")
        asked = sum(len(message["content"].encode("utf-8", "surrogatepass")) for message in messages)
        counts = (reply.tokens_in, asked), (reply.tokens_out, len(reply.text))
        self.tokens += sum(-(-size // 4) if count is None else count for count, size in counts)
        return reply

    def _body(self, messages: Messages) -> bytes:
        """What the server answers; read piece by piece, so that no more than ``_MOST_BODY`` is ever held."""
        deadline = time.monotonic() + self._timeout
        ask = self._client.chat.completions.with_streaming_response.create
        try:
            with ask(model=self.by, messages=[*map(_sendable, messages)], **self.settings) as response:
                kind = response.headers.get("content-type", "none").partition(";")[0].strip().lower()
                if kind != "application/json":
                    raise NoReplyError(f"the server must answer application/json, got {shown(kind)}")
                body = b""
                deadline = max(deadline, time.monotonic() + self._timeout)  # tries before this one took their time
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > _MOST_BODY:
                        raise NoReplyError(f"the server's answer has more than {_MOST_BODY} bytes")
                    if time.monotonic() > deadline:
                        raise NoReplyError(f"the server's answer was not there after {self._timeout:g} seconds")
                return body
        except NoReplyError:
            raise
        except self._openai.AuthenticationError as error:
            raise NoReplyError(f"the server wants another key in {KEY}: {self._told(error)}") from error
        except Exception as error:  # an answer that breaks off is an error of the package below openai
            raise NoReplyError(f"the server gave no answer: {self._told(error)}") from error

    def _told(self, error: Exception) -> str:
        """An error in one short line, without the key, which some servers repeat."""
        words = str(error) or type(error).__name__
        if error.__cause__ is not None and str(error.__cause__) and isinstance(error, self._openai.APIConnectionError):
            words = f"{words.rstrip('.')}: {error.__cause__}"  # "Connection error." alone does not say why
        body = getattr(error, "body", None)  # openai leaves out one that is a bare text
        text = " ".join((f"{words}: {body}" if isinstance(body, str) and body not in words else words).split())
        text = text.replace(self._key, "***") if self._key else text
        return text if len(text) <= _MOST_TOLD else f"{text[:_MOST_TOLD]} ..."


class Scripted:
    """Answers with what a function returns: for tests and for replies that a person wrote.

    Args:
        function: (messages, sample) -> text.

    Raises:
        TypeError: ``function`` cannot be called.
    """

    by = SCRIPTED

    def __init__(self, function: Callable[[Messages, int], str]) -> None:
        if not callable(function):
            raise TypeError(f"function must be a function of messages and sample, got {shown(function)}")
        self.settings: dict[str, Any] = {}
        self._function = function

    def ask(self, messages: Messages, *, sample: int = 0) -> Reply:
        """See :class:`ChatClient`; ValueError where the text is too long."""
        check_messages(messages)
        return Reply(self._function(messages, sample))


class Recorded:
    """Answers from a store; what is not there it asks of a client, and writes down before it returns.

    Args:
        client: whom to ask; None: nobody, and a prompt that the store does not hold is an error.
        store: of the same name and settings as the client.

    Raises:
        ValueError: the store is of somebody else or of other settings.
    """

    def __init__(self, client: ChatClient | None, store: ReplyStore) -> None:
        if client is not None and (client.by, dict(client.settings)) != (store.by, store.settings):
            raise ValueError(
                f"store must be of {shown(client.by)} with {shown(dict(client.settings))}, got that of "
                f"{shown(store.by)} with {shown(store.settings)}"
            )
        self.by, self.settings = store.by, store.settings
        self._client, self._store = client, store

    def ask(self, messages: Messages, *, sample: int = 0) -> Reply:
        """See :class:`ChatClient`."""
        check_messages(messages)
        check_integer("sample", sample, 0)
        found = self._store.find(messages, sample)
        if found is not None:
            return found
        if self._client is None:
            raise NoReplyError(
                f"{self._store.path} holds no reply to this prompt: it was recorded with other words, settings or "
                "another version of the game"
            )
        reply = self._client.ask(messages, sample=sample)
        self._store.add(messages, sample, reply)
        return reply


def ask_readable(
    client: ChatClient, messages: Messages, read: Callable[[str], T], *, tries: int = 3, sample: int = 0
) -> tuple[T, Messages]:
    """Ask until a reply can be read: one that cannot be is answered with the reason, and the model may try again.

    Args:
        client: whom to ask.
        messages: the prompt, which asks for a JSON object.
        read: from a reply to what is wanted of it; raises ValueError, in one line, where it cannot be read.
        tries: replies that are read, 1 to 100.
        sample: number of the reply, from 0, where the same is asked several times.

    Returns:
        What was read, and the prompt that it is an answer to.

    Raises:
        NoReplyError: no reply came.
        UnreadableError: (a NoReplyError) none could be read.
        ValueError: ``tries`` is out of its range.
    """
    check_integer("tries", tries, 1, 100)
    for left in reversed(range(tries)):
        reply = client.ask(messages, sample=sample).text
        try:
            return read(reply), messages
        except ValueError as error:
            if not left:
                raise UnreadableError(f"none of {tries} replies could be read; of the last, {error}") from error
            messages = [
                *messages,
                {"role": "assistant", "content": reply[:_MOST_REPEATED]},
                {"role": "user", "content": f"This cannot be read: {error}. Reply with the JSON object alone."},
            ]
    raise AssertionError("the last try returns or raises")


def _shorten_error(timeout: float, response: Any) -> None:
    """Let the body of an error end where it is too long or takes too long: openai reads the whole of it."""
    if not response.is_error:
        return
    deadline, read = time.monotonic() + timeout, response.iter_bytes

    def first_bytes(chunk_size: int | None = None) -> Iterator[bytes]:
        left = _MOST_ERROR
        for piece in read(chunk_size):
            yield piece[:left]
            left -= len(piece)
            if left <= 0 or time.monotonic() > deadline:
                return

    response.iter_bytes = first_bytes


def _sendable(message: Mapping[str, str]) -> dict[str, str]:
    """The message with half surrogate pairs, which no encoding has, as escapes: replies and captions may hold them."""
    return {name: text.encode("utf-8", "backslashreplace").decode("utf-8") for name, text in message.items()}


def _check_url(url: str) -> None:
    """Raise ValueError for an address that is none of a web server, or that holds a secret."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fine = False
    if not fine:
        raise ValueError("base_url must be the address of a server, such as http://localhost:8080/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"base_url must have no user, password or query: a key goes into {KEY}")


def _reply(body: bytes) -> Reply:
    """The reply in a server's answer.

    Raises:
        ValueError: there is none.
    """
    found = json_object(body)
    choices = found.get("choices")
    if not isinstance(choices, list) or not choices:
        raise ValueError(f"it has no choices, but {shown(sorted(found))}")
    message = choices[0].get("message") if isinstance(choices[0], dict) else None
    text = message.get("content") if isinstance(message, dict) else None
    if not isinstance(text, str) or not text:
        raise ValueError(f"its first choice has no text: {shown(choices[0])}")
    if len(text) > MOST_REPLY:
        raise ValueError(f"its text has {len(text)} characters, more than {MOST_REPLY}")
    usage = found.get("usage")
    counts = [usage.get(name) if isinstance(usage, dict) else None for name in ("prompt_tokens", "completion_tokens")]
    return Reply(text, *(n if isinstance(n, int) and not isinstance(n, bool) and n >= 0 else None for n in counts))
