"""What the reasoning games share: observation settings, names of the auxiliary rewards, and checks of a batch.

Their payoff is the outcome alone. An auxiliary reward grades each step exactly; it stands in
``info["reward_terms"]["aux"]`` and is part of no reward. ``oracle`` pays 1 for a step that the game's exact oracle
would take; ``belief_prob`` and ``belief_log`` pay what a step adds to the exact posterior probability of the truth (or
to its logarithm), so they add up to the last probability minus the first. Process rewards of these kinds: IGPO (arXiv
2510.14967) for the belief.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs.core.params import Params, check_word
from payoff.envs.core.state import Array
from payoff.envs.sparse.settings import chosen

__all__ = [
    "FULL",
    "MINIMAL",
    "PRIVATE",
    "SEEN",
    "SETTINGS",
    "Observe",
    "draw_digit",
    "same_in_all",
    "seen",
    "setting_of",
]

SCOPES = ("full", "private", "minimal")
FULL, PRIVATE, MINIMAL = range(3)
SEEN = np.dtype([("scope", np.int64), ("cells", np.int64), ("kinds", np.int64), ("clock", np.float64)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        scope: what is shown, as the setting of this name.
        clock: whether steps taken over the horizon come last.
    """

    scope: Literal["full", "private", "minimal"] = "full"
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        check_word("observe.scope", self.scope, SCOPES)
        if not isinstance(self.clock, bool):
            raise ValueError(f"observe.clock must be True or False, got {self.clock!r}")


SETTINGS = {
    "full": Observe(scope="full"),
    "private": Observe(scope="private"),
    "minimal": Observe(scope="minimal"),
}


def setting_of(setting: Any) -> Observe:
    """Observation setting from its name or itself; see :func:`payoff.envs.sparse.settings.chosen`."""
    return chosen(setting, SETTINGS, Observe)


def seen(rows: Sequence[Any], setting: Observe, cells: int, kinds: int = 0) -> Array:
    """``(P,)`` records of dtype SEEN: scope, two sizes of the game, and one over each parameter row's ``horizon``."""
    scope = SCOPES.index(setting.scope)
    return np.array([(scope, cells, kinds, 1.0 / p.horizon) for p in rows], dtype=SEEN)


def same_in_all(rows: Sequence[Params], *names: str) -> None:
    """Raise ValueError unless these keywords, which decide the state row, are the same in all copies of a batch."""
    for name in names:
        values = {getattr(p, name) for p in rows}
        if len(values) > 1:
            raise ValueError(f"{name} must be the same in all copies of a batch, got {sorted(values, key=repr)}")


# each digit as five rows of three pixels, a row as an octal digit
_FONT = ("75557", "26227", "71747", "71717", "55711", "74717", "74757", "71111", "75757", "75717")


def draw_digit(picture: Array, top: int, left: int, pixel: int, digit: int, colour: tuple[int, int, int]) -> None:
    """Draw a digit 0 .. 9 as 3 x 5 squares of ``pixel`` pixels, its top left corner at (top, left)."""
    for i, line in enumerate(_FONT[digit]):
        for j in range(3):
            if int(line, 8) >> (2 - j) & 1:
                y, x = top + i * pixel, left + j * pixel
                picture[y : y + pixel, x : x + pixel] = colour
