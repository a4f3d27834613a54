"""Declarations of states: where things lie, what their names may be, and how many parts there are."""

from types import SimpleNamespace

import numpy as np
import pytest

from payoff.envs.core.state import HEADER, Cells, Copy, Pair, Seat, State, real, whole


class Market(Copy):
    stock: float = real(0.0, 5.0)
    dials: float = whole(0, 3, size=2)


class Firm(Seat):
    action: float = real(0.0, lambda p: p.most)
    loyalty: float = real(0.0, 1.0)


class Tie(Pair):
    trust: float = real(0.0, 1.0)
    damage: float = real(0.0, 1.0)


STATE = State(Market, seats=Firm, pairs=Tie, board=Cells(lambda p: (p.height, 3), whole(0, 9)))
PARAMS = SimpleNamespace(most=[1.0, 2.0], height=4)


def test_every_number_has_one_column_and_its_own_range():
    """Two seats: header, 3 numbers of the copy, 2 x 2 of the seats, 4 x 2 of the pairs, 4 x 3 cells."""
    layout = STATE.layout(PARAMS, 2)
    assert layout.size == HEADER + 3 + 4 + 8 + 12
    row = np.arange(layout.size, dtype=np.float64)
    s, seats, pairs, board = layout.open(row)
    assert (s.stock, *s.dials) == (HEADER, HEADER + 1, HEADER + 2)
    assert seats[1].loyalty == layout.column("loyalty", 1) == HEADER + 3 + 3
    assert pairs[1, 0].damage == layout.column("damage", 1, 0) == HEADER + 3 + 4 + 5
    assert board[3, 2] == layout.column("board", 3, 2) == layout.size - 1
    for name in layout.shapes:
        np.testing.assert_array_equal(layout.view(row[None], name)[0], row[layout.view(row[None], name)[0].astype(int)])
    pairs[0, 1].trust = 0.25  # parts are views of the row
    assert row[layout.column("trust", 0, 1)] == 0.25
    low, high, whole_only = layout.ranges(PARAMS, 50)
    assert high[[layout.column("action", i) for i in (0, 1)]].tolist() == [1.0, 2.0]
    assert whole_only[layout.column("dials", 1)] and not whole_only[layout.column("stock")]
    assert layout.name_of(layout.column("trust", 0, 1)) == "trust[0, 1]"
    assert layout.name_of(layout.column("stock")) == "stock"
    assert (low[:HEADER] == 0).all() and high[0] == 50


def test_a_name_of_every_copy_is_taken():
    with pytest.raises(ValueError, match=r"Clashing\.key must have another name"):
        type("Clashing", (Copy,), {"key": whole(0, 3)})
    with pytest.raises(ValueError, match="declares 'stock' twice"):
        State(Market, seats=type("Own", (Seat,), {"stock": real()})).layout(PARAMS, 2)


def test_parts_and_axes_are_few():
    with pytest.raises(ValueError, match="at most 8 parts, got 9"):
        State(Market, **{f"part{k}": Firm for k in range(9)})
    with pytest.raises(ValueError, match="cells 'board' must have 1 to 3 lengths"):
        State(Market, board=Cells(lambda p: (1, 2, 3, 4), whole())).layout(PARAMS, 1)
