"""A stage game as a picture: welfare where all do the same, and where selfish and less selfish players end up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from payoff.envs.theory.stage_game import Curve, Profile, StageGame
from payoff.extras import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["stage_figure"]

_BLUE, _ORANGE, _GREEN = "#0072B2", "#D55E00", "#009E73"  # of Okabe and Ito
_STYLE = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "text.parse_math": False,  # a name may hold a dollar
    "svg.hashsalt": "payoff",  # the same figure is the same file
}
_POINTS = 201  # along the diagonal, where actions are continuous


def stage_figure(name: str, game: StageGame, nash: Profile | None, optimum: Profile, curve: Curve) -> Figure:
    """Left, welfare where all play the same share of their range, with Nash and optimum; right, W(s).

    Nash and optimum stand at the mean share of their actions, which need not lie on the line where players differ.

    Args:
        name: of the game.
        game: the game.
        nash: its worst Nash equilibrium; None where there is none.
        optimum: its welfare optimum.
        curve: W(s).
    """
    matplotlib, figures = require("matplotlib", "train"), require("matplotlib.figure", "train")
    low, high = (np.array([levels[k] for levels in game.levels]) for k in (0, -1))
    shares = np.linspace(0.0, 1.0, _POINTS if game.continuous else len(game.levels[0]))
    along = game.payoffs(low + shares[:, None] * (high - low)).sum(axis=1)
    marks = [(optimum, "optimum", _GREEN, "s"), *([(nash, "Nash", _ORANGE, "o")] if nash else [])]
    with matplotlib.rc_context(_STYLE):
        figure: Figure = figures.Figure(figsize=(9.2, 3.6), layout="constrained")
        diagonal, levels = figure.subplots(1, 2)
        line: dict[str, Any] = {"lw": 1.8} if game.continuous else {"ls": "", "marker": "D", "ms": 4}
        diagonal.plot(shares, along, color=_BLUE, label="all play the same share", **line)
        for profile, label, colour, marker in marks:
            share = float(((profile.actions - low) / (high - low)).mean())
            text = f"{label}: {profile.welfare:.6g}"
            diagonal.plot(share, profile.welfare, color=colour, marker=marker, ls="", ms=7, label=text)
        diagonal.set_xlabel("action, as a share of its range")
        diagonal.set_ylabel("welfare of one step (payoff units)")
        diagonal.set_title(name)
        diagonal.legend()
        levels.axhline(optimum.welfare, color=_GREEN, lw=1.2, ls=":", label="optimum")
        levels.plot(curve.s, curve.best, color=_GREEN, lw=1.8, ls="--", label="best equilibrium")
        levels.plot(curve.s, curve.worst, color=_ORANGE, lw=1.8, marker="o", ms=3.5, label="worst equilibrium")
        if curve.s_95 is not None:
            levels.axvline(curve.s_95, color="#555555", lw=1.1, ls="-.", label=f"s_95 = {curve.s_95:.3g}")
        bottom = min(0.0, float(np.nanmin([*curve.worst, optimum.welfare])))
        levels.set_ylim(bottom, max(1.08 * optimum.welfare, bottom + 1e-9))  # from 0: a small gap shall look small
        levels.set_xlim(1.02, 1.0 / game.n_players - 0.02)  # less selfish to the right
        levels.set_xlabel("self-interest s (left: selfish; right: all have one goal)")
        levels.set_ylabel("W(s), welfare at equilibrium")
        levels.set_title("Where players settle")
        levels.legend(loc="lower left")
    return figure
