"""Everything that a game's file needs, under one name; ``docs/tutorials/your_first_game.md`` shows two games."""

from payoff.envs import planning
from payoff.envs.core import chance, rng
from payoff.envs.core.game import Each, Episode, Game, Listed, ObservationPlan, Rules, Sight, Theory, paid
from payoff.envs.core.jit import inlined, jit
from payoff.envs.core.params import Params, check_flag, check_integer, check_number, check_word, record
from payoff.envs.core.state import Array, Cells, Copy, Pair, Pairs, Seat, Seats, State, real, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.numbers import numbers, show_clock
from payoff.envs.sight.symbols import Symbol, symbols

__all__ = [
    "Array",
    "Cells",
    "Copy",
    "Each",
    "Episode",
    "Game",
    "Listed",
    "ObservationPlan",
    "Pair",
    "Pairs",
    "Params",
    "Rules",
    "Seat",
    "Seats",
    "Sight",
    "State",
    "Symbol",
    "Theory",
    "chance",
    "check_flag",
    "check_integer",
    "check_number",
    "check_word",
    "events",
    "inlined",
    "jit",
    "numbers",
    "paid",
    "planning",
    "real",
    "record",
    "rng",
    "show_clock",
    "symbols",
    "whole",
    "words",
]
