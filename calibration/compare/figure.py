"""Figures of a comparison: a heat map of distances, and true return against divergence."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from payoff.extras import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from payoff.calibration.compare.report import Comparison

__all__ = ["FORMS", "curves", "encode", "heat_map"]

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # of Okabe and Ito
_LINES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_STYLE = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#555555",
    "legend.frameon": False,
    "text.parse_math": False,  # a name may hold a dollar
    "svg.hashsalt": "payoff",  # the same figure is the same file
}
FORMS = ("png", "svg")


def heat_map(comparison: Comparison) -> Figure:
    """Distances of all pairs, 0 light and 2 dark; of sampled ones the noise floor on the diagonal."""
    matplotlib, figures = require("matplotlib", "train"), require("matplotlib.figure", "train")
    n = len(comparison.names)
    with matplotlib.rc_context(_STYLE):
        figure: Figure = figures.Figure(figsize=(3.0 + 0.75 * n, 2.2 + 0.6 * n), layout="constrained")
        axes = figure.subplots()
        shown = np.array(comparison.table)
        most = max(2.0, float(shown.max()))
        image = axes.imshow(shown, vmin=0.0, vmax=most, cmap="Blues")
        for i in range(n):
            for j in range(n):
                sampled = i == j and comparison.floor is not None
                text = f"floor\n{comparison.floor[i]:.2f}" if sampled else f"{shown[i, j]:.2f}"  # type: ignore[index]
                dark = shown[i, j] > 0.55 * most
                axes.text(j, i, text, ha="center", va="center", color="white" if dark else "black")
        axes.set_xticks(range(n), comparison.names, rotation=30, ha="right")
        axes.set_yticks(range(n), comparison.names)
        axes.tick_params(length=0)
        kind = f"{comparison.canon}, {comparison.norm}{', weighted' if comparison.weighted else ''}"
        axes.set_title(f"{comparison.env_id.removeprefix('payoff/')}: {kind}, γ = {comparison.gamma:g}")
        note = comparison.basis + ("; diagonal: noise floor" if comparison.floor is not None else "")
        axes.set_xlabel(note)
        figure.colorbar(image, ax=axes, label="distance")
    return figure


def curves(comparison: Comparison) -> Figure:
    """Payoff against divergence from random play, one line for each reward that is pressed harder."""
    matplotlib, figures = require("matplotlib", "train"), require("matplotlib.figure", "train")
    with matplotlib.rc_context(_STYLE):
        figure: Figure = figures.Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        for k, (name, curve) in enumerate(comparison.curves.items()):
            look: dict[str, Any] = {"color": _COLOURS[k % 7], "ls": _LINES[k % 4], "marker": _MARKERS[k % 7]}
            axes.plot(np.sqrt(curve.divergence), curve.true, ms=3.5, lw=1.6, label=name, **look)
        best = next(iter(comparison.curves.values())).best
        axes.axhline(best, color="#555555", lw=1.1, ls=":", label="best payoff")
        axes.set_xlabel("square root of the divergence from random play (discounted KL, nats)")
        axes.set_ylabel("expected discounted payoff")
        axes.set_title(f"{comparison.env_id.removeprefix('payoff/')}: payoff as each reward is pressed harder")
        axes.grid(color="#e6e6e6", lw=0.7)
        axes.set_axisbelow(True)
        figure.legend(loc="outside lower center", ncols=4)
    return figure


def encode(figure: Figure, form: str) -> bytes:
    """The figure as a file: ``form`` is one of ``FORMS``."""
    matplotlib = require("matplotlib", "train")
    buffer = io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(buffer, format=form, dpi=150, metadata={"Date": None} if form == "svg" else None)
    return buffer.getvalue()
