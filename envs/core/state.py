"""The state of a game: one row of float64 per copy, read and written by name.

A copy is one running instance of a game, with an episode and random numbers of its own; a batch has many. A seat is the
place of one player in it. A game declares, with the range of each number, what a copy has once and what it has for
each seat, each pair of seats, or each cell of a grid::

    class Harvest(Copy):
        stock: float = real(0.0, lambda p: p.capacity)
        event: float = whole(0, EVENT)


    class Harvester(Seat):
        taken: float = real(0.0)


    class Tie(Pair):
        trust: float = real(0.0, 1.0)


    STATE = State(Harvest, seats=Harvester, pairs=Tie, board=Cells(lambda p: (p.size, p.size), whole(0, 9)))

Rules then get ``s``, one record of the copy, and the parts in the order of the declaration: ``seats`` ``(N,)`` records,
``pairs`` ``(N, N)`` records, and arrays of numbers. They all lie in the copy's row, so a snapshot, the state of an
environment saved by the user to be restored later, is a copy of an array. A snapshot may hold any state whose numbers
are in their ranges, which restoring checks, even one that play does not reach. Whole numbers below 2**53 are exact in
float64; that is how the clock, the random key and its counter live beside the rest, in the columns every row begins
with.

All numbers that a copy draws, at a start and later, are its own: a draw (:mod:`payoff.envs.core.rng`) is a function of
``s.key``, ``s.episode`` and ``s.counter``, whatever other copies do. This sequence is the copy's stream.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CLOCK",
    "COUNTER",
    "EPISODE",
    "HEADER",
    "KEY",
    "MARKED",
    "MOST_PARTS",
    "NEVER",
    "OVER",
    "TERMINATED",
    "TRUNCATED",
    "Array",
    "Cells",
    "Copy",
    "Field",
    "Layout",
    "Named",
    "Pair",
    "Pairs",
    "Record",
    "Seat",
    "Seats",
    "State",
    "real",
    "row_of",
    "whole",
]

Array: TypeAlias = NDArray[Any]
Bound: TypeAlias = float | Callable[[Any], Any]
T_co = TypeVar("T_co", covariant=True)


class Seats(Protocol[T_co]):
    """Type of a rule's argument that holds one record per seat: ``seats[i].taken``."""

    shape: tuple[int]

    def __getitem__(self, i: int, /) -> T_co:
        """Record of seat i."""


class Pairs(Protocol[T_co]):
    """Type of a rule's argument that holds one record per pair of seats: ``pairs[i, j].trust``."""

    shape: tuple[int, int]

    def __getitem__(self, ij: tuple[int, int], /) -> T_co:
        """What seat i holds of seat j."""


CLOCK = 0  # steps taken in this episode
KEY = 1  # random key of the copy, from its seed
EPISODE = 2  # episodes started since that seed
COUNTER = 3  # draws taken in this episode
OVER = 4  # 0 while running, NEVER before the first episode, MARKED, or the sum of TERMINATED and TRUNCATED
HEADER = 5

NEVER = -2.0
MARKED = -1.0  # to be restarted by the next call
TERMINATED = 1
TRUNCATED = 2

EXACT = 2.0**53  # whole numbers up to here are exact
MOST_PARTS, MOST_AXES = 8, 3  # of a state, and of each part


@dataclass(frozen=True, slots=True)
class Field:
    """One declared number, or a short vector of them.

    Attributes:
        low: smallest value, a number or a function of the parameters; of a field of the seats, also one per seat.
        high: largest value, likewise.
        whole: whether only whole numbers are allowed.
        size: length of a vector; 0 for a number.
    """

    low: Bound
    high: Bound
    whole: bool
    size: int = 0

    def range(self, params: Any) -> tuple[Array, Array]:
        """Smallest and largest value for these parameters, of shapes that broadcast to the field's."""
        low, high = (np.asarray(b(params) if callable(b) else b, dtype=np.float64) for b in (self.low, self.high))
        return low, high


def whole(low: Bound = 0, high: Any = EXACT, *, size: int = 0) -> Any:
    """Declare a whole number in the range low .. high, ends included, or a vector of ``size`` of them.

    The two arguments are the range, and none is a first value: before ``start`` runs, every number is 0. Each may be a
    function of the parameters. ``high`` may be the game's events or words: then the number is one of them. The field
    is annotated as ``float``, since the whole row is float64.
    """
    return Field(low, len(high) - 1 if isinstance(high, tuple) else high, True, size)


def real(low: Bound = -math.inf, high: Bound = math.inf, *, size: int = 0) -> Any:
    """Declare a finite number in the range [low, high], or a vector of ``size`` of them; see :func:`whole`."""
    return Field(low, high, False, size)


class Named(np.record):  # type: ignore[misc]
    """A record whose fields come before attributes of numpy's records, such as ``size``: as in compiled code."""

    def __getattribute__(self, name: str) -> Any:
        """The field of this name, where there is one."""
        if name in np.record.__getattribute__(self, "dtype").names:
            return self[name]
        return super().__getattribute__(name)


class Record:
    """Base of what a game declares: annotated attributes that :func:`whole` and :func:`real` describe.

    Attributes:
        fields: name -> declaration, those of base classes first.
        dtype: the record, float64 throughout.
    """

    fields: ClassVar[dict[str, Field]] = {}
    dtype: ClassVar[np.dtype[Any]]

    def __init_subclass__(cls) -> None:
        """Collect the declarations."""
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        for name in own:
            if name in cls.fields:
                raise ValueError(f"{cls.__name__}.{name} must have another name: {name!r} is one that every copy has")
        cls.fields = {**cls.fields, **own}
        columns: list[Any] = [(name, np.float64, (f.size,) if f.size else ()) for name, f in cls.fields.items()]
        # A title of its own keeps numba from taking a record for another whose columns it begins with.
        columns[:1] = [((cls.__qualname__, name), *rest) for name, *rest in columns[:1]]
        # aligned: numba types it alike in compiled rules and in calls from Python
        cls.dtype = np.dtype((Named, np.dtype(columns, align=True)))


class Copy(Record):
    """What a copy has once: these five, and what a game declares in a subclass.

    The loop around the rules (:mod:`payoff.envs.core.loop`) sets the five. Rules may read them, and change none but
    ``counter``, which every draw advances. To draw the numbers of another stream, a rule may set ``key``,
    ``episode`` and ``counter`` for some draws, and must put them back.

    Attributes:
        clock: steps taken in this episode, 0 at a start. The loop adds 1 after ``step`` has returned, so in ``step`` it
            is the number of steps before the running one, which is the last when ``clock + 1`` is the horizon.
        key: random key of the copy, from its seed.
        episode: episodes started since that seed.
        counter: draws taken in this episode.
        over: 0 while the episode runs. After a step the loop adds TERMINATED where ``step`` returned True, and
            TRUNCATED where ``clock`` has reached the horizon. NEVER before the first episode.
    """

    clock: float = whole(0)
    key: float = whole(0)
    episode: float = whole(0)
    counter: float = whole(0)
    over: float = whole(0, TERMINATED + TRUNCATED)


class Seat(Record):
    """What each seat has. Partners read ``action``, the last native action, where there is one."""


class Pair(Record):
    """What seat i holds of seat j; reward layers and partners read ``trust`` and ``damage``, where there are such."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Numbers on a grid whose size the parameters decide.

    Attributes:
        shape: (parameters) -> lengths, at most three.
        field: what each number may be.
    """

    shape: Callable[[Any], tuple[int, ...]]
    field: Field


class State:
    """The declaration of a game's state.

    Args:
        copy: what a copy has once.
        **parts: what it has many of, by the name of the rules' argument: a :class:`Seat`, a :class:`Pair`, or
            :class:`Cells`.

    Raises:
        ValueError: more than eight parts.
    """

    def __init__(self, copy: type[Copy], **parts: type[Record] | Cells) -> None:
        if len(parts) > MOST_PARTS:
            raise ValueError(f"a state must have at most {MOST_PARTS} parts, got {len(parts)}: {', '.join(parts)}")
        self.copy = copy
        self.parts = parts

    def layout(self, params: Any, n_agents: int) -> Layout:
        """Columns for these parameters."""
        return Layout(self, params, n_agents)


def row_of(s: Any) -> Array:
    """The state row ``(S,)`` of a copy that has no parts: a view of its record."""
    row: Array = np.asarray(s).reshape(1).view(np.float64)
    return row


class Layout:
    """Where everything is in a row, for given parameters.

    Args:
        state: the declaration.
        params: parameters of the game.
        n_agents: number of seats N.

    Attributes:
        size: number of columns.
        shapes: field -> shape in one copy.
        places: ``(parts, 4)`` first column and lengths of each part, as the compiled loop wants them.
    """

    def __init__(self, state: State, params: Any, n_agents: int) -> None:
        self.state = state
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._column: dict[str, int] = {}  # of the first number of a field
        self._step: dict[str, int] = {}  # columns between one element of a part and the next
        self._field: dict[str, Field] = {}
        self._blocks: list[tuple[int, tuple[int, ...], np.dtype[Any]]] = []
        at = self._record(state.copy, 0, ())
        for name, part in state.parts.items():
            if isinstance(part, Cells):
                lengths = tuple(int(k) for k in part.shape(params))
                if not 1 <= len(lengths) <= MOST_AXES:
                    raise ValueError(f"cells {name!r} must have 1 to {MOST_AXES} lengths, got {lengths}")
                self.shapes[name], self._column[name], self._step[name], self._field[name] = lengths, at, 1, part.field
                self._blocks.append((at, lengths, np.dtype(np.float64)))
                at += math.prod(lengths)
            else:
                lengths = (n_agents,) * (2 if issubclass(part, Pair) else 1)
                self._blocks.append((at, lengths, part.dtype))
                at = self._record(part, at, lengths)
        self.size = at
        self.places = np.zeros((max(1, len(self._blocks)), 4), dtype=np.int64)
        for k, (start, lengths, _) in enumerate(self._blocks):
            self.places[k, : 1 + len(lengths)] = start, *lengths

    def _record(self, record: type[Record], at: int, lengths: tuple[int, ...]) -> int:
        width = record.dtype.itemsize // 8
        for name, field in record.fields.items():
            if name in self.shapes:
                raise ValueError(f"the state declares {name!r} twice")
            offset = record.dtype.fields[name][1] // 8  # type: ignore[index]
            self._column[name], self._step[name], self._field[name] = at + offset, width, field
            self.shapes[name] = (*lengths, *([field.size] if field.size else []))
        return at + width * math.prod(lengths)

    @property
    def like(self) -> tuple[Array, ...]:
        """An empty array of the rank and dtype of each part."""
        return tuple(np.empty((0,) * len(lengths), dtype) for _, lengths, dtype in self._blocks)

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def column(self, name: str, *index: int) -> int:
        """Column of one number of a field, ``column("trust", i, j)``.

        Raises:
            KeyError: no such field.
        """
        shape, place = self.shapes[name], 0
        vector = bool(self._field[name].size)
        for length, k in zip(shape[: len(shape) - vector], index, strict=False):
            place = place * length + k
        return self._column[name] + place * self._step[name] + (index[-1] if vector and index else 0)

    def steps(self, name: str) -> tuple[int, ...]:
        """Columns from one element of a field to the next along each axis; nothing of a single number."""
        shape, steps = self.shapes[name], [1] if self._field[name].size else []
        step = self._step[name]
        for length in reversed(shape[: len(shape) - len(steps)]):
            steps.insert(0, step)
            step *= length
        return tuple(steps)

    def view(self, state: Array, name: str) -> Array:
        """The field in all copies, ``(B, *shape)``: a view of ``state`` ``(B, S)``."""
        strides = (state.strides[0], *(step * state.strides[1] for step in self.steps(name)))
        start = state[:, self._column[name] :]
        return np.lib.stride_tricks.as_strided(start, (len(state), *self.shapes[name]), strides)

    def open(self, row: Array) -> tuple[Any, ...]:
        """The record of a row ``(S,)`` and its parts, as the rules get them: views of the row."""
        row = np.ascontiguousarray(row, dtype=np.float64)
        width = self.state.copy.dtype.itemsize // 8
        parts = []
        for start, lengths, dtype in self._blocks:
            wide = math.prod(lengths) * (dtype.itemsize // 8)
            parts.append(row[start : start + wide].view(dtype).reshape(lengths))
        return row[:width].view(self.state.copy.dtype)[0], *parts

    def ranges(self, params: Any, max_steps: int) -> tuple[Array, Array, Array]:
        """Smallest and largest value of every column ``(S,)``, and whether it must be whole."""
        low, high, whole_only = np.empty(self.size), np.empty(self.size), np.empty(self.size, dtype=bool)
        for name, field in self._field.items():
            least, most = field.range(params)
            for array, value in ((low, least), (high, most), (whole_only, field.whole)):
                self.view(array[None], name)[...] = value
        high[CLOCK] = max_steps
        return low, high, whole_only

    def name_of(self, column: int) -> str:
        """Name of a column for messages, such as ``trust[0, 1]``."""
        marked = np.zeros((1, self.size))
        marked[0, column] = 1.0
        for name in self.shapes:
            found = np.argwhere(self.view(marked, name)[0] == 1.0)
            if len(found):
                return f"{name}[{', '.join(map(str, found[0]))}]" if found.shape[1] else name
        return f"column {column}"
