"""Files that are whole or not there: bytes written atomically, lines of JSON, and arrays in safetensors.

A file of arrays carries the SHA-256 of all it holds: the safetensors header alone would not notice a flipped byte in
the numbers, and whatever is made from a wrong number looks like anything else. Nothing is ever pickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from payoff.extras import require

__all__ = [
    "OtherFileError",
    "append_line",
    "check_digest",
    "digest_of",
    "json_object",
    "json_object_at",
    "load_arrays",
    "new_beside",
    "read_lines",
    "save_arrays",
    "write_atomically",
]

_MOST_DIGITS = 308  # of a whole number: any such is a float as well
_KINDS = "biuf"  # bool, signed and unsigned integers, floats


class OtherFileError(ValueError):
    """A file of arrays that says to be something else than it was taken for."""


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that its name never stands for half of it; folders are made where missing.

    Raises:
        OSError: the file cannot be written; names it. An older file of that name is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_beside(path) as temporary:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
    except OSError as error:  # one that comes of writing says nothing of the file
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


@contextlib.contextmanager
def new_beside(path: Path) -> Iterator[Path]:
    """A new empty file in the folder of ``path``, as the umask wants it, which is gone at the end.

    :mod:`tempfile` makes files that only their owner may read, and they stay so under another name.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    temporary.touch(0o666, exist_ok=False)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def save_arrays(
    path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any], what: str
) -> None:
    """Write arrays and metadata; the name never stands for half of it, and an older file of that name is replaced.

    Args:
        path: the file; folders are made where missing.
        tensors: name -> array of bools, integers or floats.
        meta: JSON values.
        what: what the file is, such as ``"checkpoint"``; whoever loads it as something else is told.

    Raises:
        ValueError: an array of another type, or a number in ``meta`` that is not finite.
        TypeError: ``meta`` holds something that JSON cannot say.
    """
    arrays = {}
    for name, tensor in tensors.items():
        array = np.asarray(tensor)
        if array.dtype.kind not in _KINDS or array.dtype.itemsize > 8:
            raise ValueError(f"tensor {name!r} must hold bools, integers or floats, got dtype {array.dtype}")
        # safetensors writes the memory as it lies; ascontiguousarray alone would turn a scalar into an array of one
        arrays[name] = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")).reshape(array.shape)
    text = json.dumps(dict(meta), sort_keys=True, allow_nan=False)
    header = {"format": _form(what), "meta": text, "sha256": _digest(arrays, text)}
    write_atomically(Path(path), require("safetensors.numpy", "train").save(arrays, header))


def load_arrays(path: str | os.PathLike[str], what: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a file of :func:`save_arrays`.

    Args:
        path: the file.
        what: what it should be.

    Returns:
        The arrays and the metadata that it was made with.

    Raises:
        OtherFileError: the file says to be something else.
        ValueError: it is damaged, cut short, or no file of arrays.
        FileNotFoundError: there is no such file.
    """
    safetensors = require("safetensors", "train")
    data = Path(path).read_bytes()
    try:
        arrays = require("safetensors.numpy", "train").load(data)
    except (safetensors.SafetensorError, KeyError) as error:  # KeyError: a type that numpy does not have
        raise ValueError(f"{path} is damaged or no {what}: {str(error).splitlines()[0]}") from error
    # the header is an 8-byte length and a JSON object, which safetensors has just accepted
    try:
        header = json_object(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__") or {}
    except ValueError as error:
        raise ValueError(f"{path} is damaged or no {what}: its header is {error}") from error
    if header.get("format") != _form(what):
        raise OtherFileError(f"{path} is damaged or no {what}: its header does not say {_form(what)}")
    if not {"meta", "sha256"} <= set(header):
        raise ValueError(f"{path} is damaged or no {what}: its header lacks meta or sha256")
    if header["sha256"] != _digest(arrays, header["meta"]):
        raise ValueError(f"{path} is damaged: its content does not match its checksum")
    try:
        return arrays, json_object(header["meta"])
    except ValueError as error:
        raise ValueError(f"{path} is damaged or no {what}: its metadata is {error}") from error


def append_line(path: str | os.PathLike[str], record: Mapping[str, Any]) -> None:
    """Add one JSON object to a file of lines, and have it on the disk; what a kill has left of a line goes.

    Args:
        path: the file, which must be there.
        record: JSON values.

    Raises:
        FileNotFoundError: there is no such file.
    """
    data = (json.dumps(dict(record), sort_keys=True, allow_nan=False) + "\n").encode()
    with open(path, "r+b") as file:
        file.seek(_end_of_lines(file))
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _end_of_lines(file: BinaryIO, step: int = 4096) -> int:
    """Where the last line that has its end ends; only what follows that is read, and a little before."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - step)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def read_lines(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The JSON objects of a file of lines; a last line that was cut off in the middle counts as not written.

    Raises:
        ValueError: a line is damaged; names the file and the line.
        FileNotFoundError: there is no such file.
    """
    found = []
    for number, line in enumerate(_complete(Path(path).read_bytes()).splitlines(), 1):
        try:
            found.append(json_object(line))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}: {line[:60]!r}") from error
    return found


def _complete(data: bytes) -> bytes:
    """Lines that have their end."""
    return data[: data.rfind(b"\n") + 1]


def json_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object as this package writes it: no name twice, and every number finite.

    Raises:
        ValueError: it is something else; says what in one line, which begins with "no JSON object".
    """
    return _object(lambda: json.loads(text, **_STRICT))


def json_object_at(text: str, start: int) -> dict[str, Any]:
    """The JSON object, as of :func:`json_object`, that begins at a place of a text; what follows it is not read.

    Raises:
        ValueError: there is none; says why in one line.
    """
    return _object(lambda: json.JSONDecoder(**_STRICT).raw_decode(text, start)[0])


def _object(read: Callable[[], Any]) -> dict[str, Any]:
    try:
        found = read()
    except RecursionError:
        raise ValueError("no JSON object: it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON object: {error.msg} at character {error.pos}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"no JSON object: {error.reason}") from error
    except ValueError as error:  # one of those below
        raise ValueError(f"no JSON object: {error}") from error
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name[:60]!r} stands there twice")
        found[name] = value
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:60]} is no finite number")
    return number


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


_STRICT: dict[str, Any] = {
    "object_pairs_hook": _once,
    "parse_constant": _finite,
    "parse_float": _finite,
    "parse_int": _whole,
}


def digest_of(what: str, path: str | os.PathLike[str]) -> str:
    """Short text that stands for what a file holds: a letter and the first 16 hexadecimal digits of its SHA-256.

    Args:
        what: the file is, for errors.
        path: the file.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return f"h{hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]}"  # the letter: digits alone are a number
    except (OSError, ValueError) as error:  # ValueError: no path may have a null byte
        raise ValueError(f"{what} cannot be read: {path}: {getattr(error, 'strerror', error)}") from error


def check_digest(path: str | os.PathLike[str], wanted: str) -> None:
    """Raise ValueError where a file holds something else than :func:`digest_of` said; ``""`` is any content."""
    if wanted and (found := digest_of("file", path)) != wanted:
        raise ValueError(f"{path} has changed: its digest is {found}, and sha256 says {wanted}")


def _form(what: str) -> str:
    return f"payoff-{what}-1"


def _digest(arrays: Mapping[str, np.ndarray], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype.name} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
