"""What the reasoning games share: observation settings, names of the auxiliary rewards, and digits in pictures.

Their payoff is the outcome alone. An auxiliary reward grades each step exactly; it is reported in
``info["aux"]`` and never added to the reward. ``oracle`` pays 1 for a step that the game's exact oracle
would take; ``belief_prob`` and ``belief_log`` pay what a step adds to the exact posterior probability of the truth (or
to its logarithm), so they add up to the last probability minus the first. Process rewards of these kinds: IGPO (arXiv
2510.14967) for the belief.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs.core.game import ObservationPlan, Sight
from payoff.envs.core.jit import inlined
from payoff.envs.core.params import check_word
from payoff.envs.core.state import Array, Copy, Layout
from payoff.envs.core.words import words
from payoff.envs.sight.settings import chosen

__all__ = ["AUX", "SCOPE", "SETTINGS", "Observe", "draw_digit", "see_clock", "sight"]

AUX = words("none", "oracle", "belief_prob", "belief_log")
SCOPE = words("full", "private", "minimal")
VIEW = np.dtype([("scope", np.int64), ("step", np.float64)], align=True)  # step: 1 / horizon


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        scope: what is shown: the same as under the setting of this name.
        clock: whether the clock, steps taken divided by the horizon, comes last.
    """

    scope: Literal["full", "private", "minimal"] = "full"
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        check_word("observe.scope", self.scope, SCOPE._fields)
        if not isinstance(self.clock, bool):
            raise ValueError(f"observe.clock must be True or False, got {self.clock!r}")


SETTINGS = {
    "full": Observe(scope="full"),
    "private": Observe(scope="private"),
    "minimal": Observe(scope="minimal"),
}


def sight(look: Any, named: Callable[[Any, str], list[str]]) -> Sight:
    """What is seen of a reasoning game.

    Args:
        look: compiled; its ``view`` has ``scope``, a number of SCOPE, and ``step``, 1 / horizon.
        named: (parameters, scope) -> names of the entries before the clock.
    """

    def plan(rows: Sequence[Any], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
        """Raise ValueError for an unknown name, TypeError for neither a name nor an Observe."""
        observe = chosen(setting, SETTINGS, Observe)
        names = [*named(rows[0], observe.scope), *(["clock"] if observe.clock else [])]
        scope = SCOPE._fields.index(observe.scope)
        return ObservationPlan(np.array([(scope, 1.0 / p.horizon) for p in rows], dtype=VIEW), tuple(names))

    return Sight(look, plan, tuple(SETTINGS))


@inlined
def see_clock(s: Copy, view: Any, seen: Array, at: int) -> None:
    """Write the clock into entry ``at``, if the setting shows the clock: only then is there such an entry."""
    if seen.shape[0] > at:
        seen[at] = min(s.clock * view.step, 1.0)


# each digit as five rows of three pixels, a row as an octal digit
_FONT = ("75557", "26227", "71747", "71717", "55711", "74717", "74757", "71111", "75757", "75717")


def draw_digit(picture: Array, top: int, left: int, pixel: int, digit: int, colour: tuple[int, int, int]) -> None:
    """Draw a digit 0 .. 9 as 3 x 5 squares of ``pixel`` pixels, its top left corner at (top, left)."""
    for i, line in enumerate(_FONT[digit]):
        for j in range(3):
            if int(line, 8) >> (2 - j) & 1:
                y, x = top + i * pixel, left + j * pixel
                picture[y : y + pixel, x : x + pixel] = colour
