"""Where two segments are shown and a key is taken: a window, or pictures in files and a terminal."""

from __future__ import annotations

import contextlib
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from payoff.extras import require

__all__ = ["KEYS", "Key", "Screen", "Terminal", "Window", "open_screen", "png", "read_script"]

Key: TypeAlias = Literal["left", "right", "equal", "skip", "quit"]
KEYS: tuple[Key, ...] = ("left", "right", "equal", "skip", "quit")
Frames: TypeAlias = Sequence[np.ndarray]

_WORDS: dict[str, Key] = {
    **{key: key for key in KEYS},
    **{"l": "left", "1": "left", "r": "right", "2": "right", "=": "equal", "e": "equal", "s": "skip", "q": "quit"},
}
_GAP = 16  # pixels between the two, and around them
_HOLD = 3  # ticks that the last picture of a segment stays
_LARGEST = 640  # pixels of a side of a picture in the window; larger ones are thinned out
_MOST_SHOWN = 8  # pictures of a strip in a file


class Screen(Protocol):
    """Shows two segments and takes an answer."""

    def ask(self, first: Frames, second: Frames, title: str) -> Key:
        """Show pictures ``(H, W, 3)`` uint8 of both until a key comes."""

    def close(self) -> None:
        """Give the window back."""


def open_screen(kind: Literal["window", "terminal"], speed: float, script: Sequence[Key] | None, out: Path) -> Screen:
    """A window, or the terminal where that was asked for or no window can be opened.

    Args:
        kind: which is wanted.
        speed: pictures a second.
        script: keys that are pressed instead of a person's; after the last one comes ``quit``.
        out: file of the answers; a terminal writes its pictures beside it.

    Raises:
        ImportError: a window is wanted and pygame is not installed; names the extra.
    """
    keys = None if script is None else iter((*script, "quit"))
    if kind == "window":
        pygame = require("pygame", "play")
        try:
            return Window(pygame, speed, keys)
        except pygame.error as error:
            print(f"payoff: no window can be opened ({error}); asking here", file=sys.stderr)
    return Terminal(out, keys)


def read_script(path: Path) -> list[Key]:
    """Keys of a script, one a line; empty lines are passed over.

    Raises:
        ValueError: a line that is no key.
        OSError: the file cannot be read.
    """
    try:
        words = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be a text in UTF-8: {error}") from error
    for number, word in enumerate(words, start=1):
        if word and word not in _WORDS:
            raise ValueError(f"{path}, line {number}: must be one of {', '.join(KEYS)}, got {word!r}")
    return [_WORDS[word] for word in words if word]


class Window:
    """A pygame window with both segments side by side, over and over.

    Args:
        pygame: the module.
        speed: pictures a second.
        script: keys to press; None: a person does.
    """

    def __init__(self, pygame: Any, speed: float, script: Iterator[Key] | None) -> None:
        self.pygame, self.speed, self.script = pygame, speed, script
        pygame.display.init()  # not pygame.init(), which opens the sound device as well
        self.surface = pygame.display.set_mode((320, 160))
        self.clock = pygame.time.Clock()
        codes: dict[Key, tuple[int, ...]] = {
            "left": (pygame.K_LEFT, pygame.K_1, pygame.K_KP1),
            "right": (pygame.K_RIGHT, pygame.K_2, pygame.K_KP2),
            "equal": (pygame.K_DOWN, pygame.K_EQUALS, pygame.K_e),
            "skip": (pygame.K_UP, pygame.K_s),
            "quit": (pygame.K_q, pygame.K_ESCAPE),
        }
        self._of_code = {code: key for key, found in codes.items() for code in found}
        self._codes = {key: found[0] for key, found in codes.items()}

    def ask(self, first: Frames, second: Frames, title: str) -> Key:
        """See :class:`Screen`."""
        pygame = self.pygame
        pygame.display.set_caption(f"{title}: left, right, down (equal), up (skip), q (stop)")
        pygame.event.clear()
        tick = 0
        while True:
            self._draw(_at(first, tick), _at(second, tick))
            if self.script is not None:
                pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=self._codes[next(self.script)]))
            for event in pygame.event.get():
                if event.type == pygame.QUIT:
                    return "quit"
                if event.type == pygame.KEYDOWN and event.key in self._of_code:
                    return self._of_code[event.key]
            tick = (tick + 1) % (max(len(first), len(second)) + _HOLD)
            if self.script is None:
                self.clock.tick(self.speed)

    def _draw(self, left: np.ndarray, right: np.ndarray) -> None:
        picture = beside(left, right)
        size = (picture.shape[1], picture.shape[0])
        if self.surface.get_size() != size:
            self.surface = self.pygame.display.set_mode(size)
        self.surface.blit(self.pygame.surfarray.make_surface(picture.swapaxes(0, 1)), (0, 0))
        self.pygame.display.flip()

    def close(self) -> None:
        """See :class:`Screen`."""
        self.pygame.display.quit()


class Terminal:
    """Each segment as a strip of pictures in a file, and the answer from standard input.

    Args:
        out: file of the answers, beside which ``left.png`` and ``right.png`` are written.
        script: keys; None: a person types them.
    """

    def __init__(self, out: Path, script: Iterator[Key] | None) -> None:
        self.files = [out.with_suffix(f".{side}.png") for side in ("left", "right")]
        self.script = script

    def ask(self, first: Frames, second: Frames, title: str) -> Key:
        """See :class:`Screen`; the end of the input is ``quit``."""
        for path, frames in zip(self.files, (first, second), strict=True):
            path.write_bytes(png(strip(frames)))
        print(f"{title}: see {self.files[0]} and {self.files[1]}")
        if self.script is not None:
            return next(self.script)
        while True:
            print("left, right, equal, skip or quit? ", end="", flush=True)
            line = sys.stdin.readline()
            word = line.strip().lower()
            if not line:
                return "quit"
            if word in _WORDS:
                return _WORDS[word]
            print(f"not an answer: {word[:40]!r}")

    def close(self) -> None:
        """Remove the pictures."""
        for path in self.files:
            with contextlib.suppress(OSError):  # whatever stands in the way was named when the picture was written
                path.unlink(missing_ok=True)


def _at(frames: Frames, tick: int) -> np.ndarray:
    """The picture at a tick, the last one from the end on."""
    return frames[min(tick, len(frames) - 1)]


def beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two pictures of one size with a gap around and between them; large ones are thinned out."""
    step = -(-max(left.shape[:2]) // _LARGEST)
    left, right = left[::step, ::step], right[::step, ::step]
    height, width = left.shape[:2]
    canvas = np.full((height + 2 * _GAP, 2 * width + 3 * _GAP, 3), 40, dtype=np.uint8)
    canvas[_GAP : _GAP + height, _GAP : _GAP + width] = left
    canvas[_GAP : _GAP + height, 2 * _GAP + width : 2 * (_GAP + width)] = right
    return canvas


def strip(frames: Frames) -> np.ndarray:
    """Pictures of a segment from left to right, the first, the last and some between."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), _MOST_SHOWN)).round().astype(int))
    gap = np.full((frames[0].shape[0], _GAP // 2, 3), 40, dtype=np.uint8)
    parts = [part for i in chosen for part in (frames[i], gap)]
    return np.concatenate(parts[:-1], axis=1)


def png(picture: np.ndarray) -> bytes:
    """A picture ``(H, W, 3)`` uint8 as a PNG file (W3C recommendation, 8-bit RGB, no filter)."""
    height, width, _ = picture.shape
    rows = np.concatenate([np.zeros((height, 1), dtype=np.uint8), picture.reshape(height, -1)], axis=1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows.tobytes())) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
