"""What was asked of a language model and what it replied, in a file from which the same run can be made again.

The first line says who replied and how they were asked; each further line is one exchange::

    {"by": "scripted", "format": "payoff-replies-1", "settings": {}}
    {"hash": "6d0c...", "messages": [...], "reply": "...", "sample": 0, "tokens_in": 310, "tokens_out": 95}

Where a reply comes while something goes on, such as a training, further lines say at which of its steps the prompt was
asked and at which the reply was first used, so that a replay uses it at that step too::

    {"event": "asked", "hash": "6d0c...", "step": 312}
    {"event": "arrived", "hash": "6d0c...", "step": 340}

Lines are only ever added, and each is on the disk before the reply is used. A last line that was cut off in the middle
counts as not written. A file is written by one program at a time. ``by`` is the name of a model, or ``scripted`` for
replies that no model gave. No key, header or address of a server is ever in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from payoff.envs.core.arrays import shown
from payoff.envs.core.params import check_integer, check_word
from payoff.files import append_line, read_lines, write_atomically
from payoff.wrappers.arguments import check_text

__all__ = ["MOST_REPLY", "ROLES", "SCRIPTED", "Messages", "Reply", "ReplyStore", "check_messages", "prompt_hash"]

Messages: TypeAlias = Sequence[Mapping[str, str]]

SCRIPTED = "scripted"  # who replied, where no model did
MOST_REPLY = 100_000  # bytes of a reply
ROLES = ("system", "user", "assistant")
_FORM = "payoff-replies-1"
_EVENTS = ("asked", "arrived")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Attributes:
        text: at most ``MOST_REPLY`` bytes.
        tokens_in: of the prompt, as the server counts; None where it does not say.
        tokens_out: of the reply.

    Raises:
        TypeError: ``text`` is no text.
        ValueError: it is too long, or a count is no whole number of at least 0.
    """

    text: str
    tokens_in: int | None = None
    tokens_out: int | None = None

    def __post_init__(self) -> None:
        """Check the fields."""
        check_text("text", self.text)
        size = len(self.text.encode("utf-8", "surrogatepass"))
        if size > MOST_REPLY:
            raise ValueError(f"text must have at most {MOST_REPLY} bytes, got {size}")
        for name in ("tokens_in", "tokens_out"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 0)


def check_messages(messages: Any) -> None:
    """Raise TypeError or ValueError unless these are messages: a list of ``{"role": ..., "content": ...}``."""
    if not isinstance(messages, Sequence) or isinstance(messages, str | bytes) or not messages:
        raise TypeError(f"messages must be a list of at least one message, got {shown(messages)}")
    for message in messages:
        if not isinstance(message, Mapping) or message.keys() != {"role", "content"}:
            raise ValueError(f"messages must each have role and content, got {shown(message)}")
        if message["role"] not in ROLES or not isinstance(message["content"], str):
            raise ValueError(f"messages must have a role of {', '.join(ROLES)} and a text, got {shown(message)}")


def prompt_hash(by: str, settings: Mapping[str, Any], messages: Messages, sample: int = 0) -> str:
    """SHA-256, in 64 hexadecimal digits, of everything a reply depends on.

    Args:
        by: who is asked.
        settings: of the sampling; JSON values.
        messages: the prompt.
        sample: number of the reply, from 0, where the same is asked several times.
    """
    asked = {"by": by, "settings": dict(settings), "messages": [dict(m) for m in messages], "sample": sample}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, allow_nan=False).encode()).hexdigest()


class ReplyStore:
    """Replies in a file, by the hash of what was asked.

    Args:
        path: a file of :meth:`begin`.

    Attributes:
        by: who replied: the name of a model, or ``scripted``.
        settings: of the sampling.
        steps: event, ``"asked"`` or ``"arrived"`` -> hash of a prompt -> step at which it happened.

    Raises:
        ValueError: the file is damaged or something else; names the line.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._size = self.path.stat().st_size
        self._lock = threading.Lock()  # replies may come in a thread of their own
        lines = read_lines(path)
        head = lines[0] if lines else {}
        if head.get("format") != _FORM or not isinstance(head.get("by"), str):
            raise ValueError(f"{path} holds no replies: its first line must say {_FORM}, and by whom")
        if not isinstance(head.get("settings"), dict):
            raise ValueError(f"{path}, line 1: settings must be an object, got {shown(head.get('settings'))}")
        self.by: str = head["by"]
        self.settings: dict[str, Any] = head["settings"]
        self._replies: dict[str, Reply] = {}
        self.steps: dict[str, dict[str, int]] = {event: {} for event in _EVENTS}
        for number, line in enumerate(lines[1:], 2):
            try:
                self._take("event" in line, line)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{path}, line {number}: {error}") from error

    @classmethod
    def begin(cls, path: str | os.PathLike[str], by: str, settings: Mapping[str, Any]) -> ReplyStore:
        """The store of a file, which is made where there is none.

        Args:
            path: the file; folders are made where missing.
            by: who will reply: the name of a model, or ``scripted``.
            settings: of the sampling; JSON values.

        Raises:
            TypeError: ``by`` is no text.
            ValueError: ``by`` is empty, or the file is of somebody else, of other settings, or damaged.
        """
        check_text("by", by)
        if not by:
            raise ValueError("by must be a name, got ''")
        if not Path(path).exists():
            head = {"format": _FORM, "by": by, "settings": dict(settings)}
            write_atomically(Path(path), (json.dumps(head, sort_keys=True, allow_nan=False) + "\n").encode())
        found = cls(path)
        if (found.by, found.settings) != (by, dict(settings)):
            raise ValueError(
                f"{path} holds replies of {shown(found.by)} with {shown(found.settings)}, not of {shown(by)} with "
                f"{shown(dict(settings))}: name another file"
            )
        return found

    def __len__(self) -> int:
        """Exchanges."""
        return len(self._replies)

    def tokens(self) -> tuple[int, int]:
        """Tokens of all prompts and of all replies, as far as servers counted them."""
        replies = self._replies.values()
        return sum(reply.tokens_in or 0 for reply in replies), sum(reply.tokens_out or 0 for reply in replies)

    def find(self, messages: Messages, sample: int = 0) -> Reply | None:
        """The reply to this prompt; None where it was never asked."""
        return self._replies.get(prompt_hash(self.by, self.settings, messages, sample))

    def add(self, messages: Messages, sample: int, reply: Reply) -> None:
        """Write an exchange, and have it on the disk.

        Raises:
            ValueError: the same was asked before, or another program writes to the file.
        """
        line = {
            "hash": prompt_hash(self.by, self.settings, messages, sample),
            "messages": [dict(message) for message in messages],
            "sample": sample,
            "reply": reply.text,
            "tokens_in": reply.tokens_in,
            "tokens_out": reply.tokens_out,
        }
        self._add(False, line)

    def note(self, event: str, messages: Messages, step: int) -> None:
        """Write at which step a prompt was ``"asked"``, or its reply ``"arrived"``, and have it on the disk.

        Raises:
            ValueError: an unknown event, one that was noted before, an arrival before the asking, or another program
                writes to the file.
        """
        self._add(True, {"event": event, "hash": prompt_hash(self.by, self.settings, messages), "step": step})

    def _add(self, event: bool, line: dict[str, Any]) -> None:
        with self._lock:
            if self.path.stat().st_size != self._size:
                raise ValueError(f"{self.path} must be written by one program at a time, and another one does so")
            self._take(event, line, lambda: append_line(self.path, line))
            self._size = self.path.stat().st_size

    def _take(self, event: bool, line: dict[str, Any], write: Callable[[], None] = lambda: None) -> None:
        """Take in a line of the file, or a new one, which is written where it is fine."""
        if event:
            name, word, step = self._event(line)
            write()
            self.steps[word][name] = step
        else:
            name, reply = self._exchange(line)
            write()
            self._replies[name] = reply

    def _event(self, line: dict[str, Any]) -> tuple[str, str, int]:
        if line.keys() != {"event", "hash", "step"} or not isinstance(line["hash"], str):
            raise ValueError(f"an event has event, hash and step, got {shown(sorted(line))}")
        name, word, step = line["hash"], line["event"], line["step"]
        check_word("event", word, _EVENTS)
        check_integer("step", step, 0)
        if name in self.steps[word]:
            raise ValueError(f"event must be new: the same was {word} before")
        if word == "arrived":
            asked = self.steps["asked"].get(name)
            if asked is None or step < asked:
                raise ValueError(f"step must be at least that of the asking, {asked}, got {step}")
        return name, word, step

    def _exchange(self, line: dict[str, Any]) -> tuple[str, Reply]:
        wanted = {"hash", "messages", "sample", "reply", "tokens_in", "tokens_out"}
        if line.keys() != wanted:
            raise ValueError(f"an exchange has {', '.join(sorted(wanted))}, got {shown(sorted(line))}")
        check_messages(line["messages"])
        check_integer("sample", line["sample"], 0)
        if line["hash"] != prompt_hash(self.by, self.settings, line["messages"], line["sample"]):
            raise ValueError("hash does not belong to messages and sample: the line was changed")
        if line["hash"] in self._replies:
            raise ValueError("messages must be new, and the store holds a reply to them")
        return line["hash"], Reply(line["reply"], line["tokens_in"], line["tokens_out"])
