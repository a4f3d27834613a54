"""Makes the record of a published game from its parameters and rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from payoff.envs import render
from payoff.envs.coopetition import observation, published
from payoff.envs.coopetition.rules import Rules, pack
from payoff.envs.core.game import Game, Readout, Shape
from payoff.envs.core.params import Params
from payoff.envs.core.state import Array

__all__ = ["published_game"]

P = TypeVar("P", bound=Params)


def published_game(game_id: str, params: type[P], rules: Callable[[P], Rules], doc: str) -> Game[P]:
    """Record of a ``-v0`` game.

    Args:
        game_id: ``payoff/Name-v0``.
        params: its keywords.
        rules: keywords -> numbers of the shared kernels.
        doc: documentation page.
    """
    sample = rules(params())

    def shape(p: P) -> Shape:
        r = rules(p)
        n = len(r.endowment)
        return Shape(n, 1, None, published.layout(n, r.slots), r.max_steps)

    def bounds(p: P) -> Array:
        endowment = np.array(rules(p).endowment, dtype=np.float64)
        return np.stack([np.zeros_like(endowment), endowment], axis=-1)[:, None, :]

    fields = {"trust": "trust", "damage": "reputation_damage"}
    if sample.loyalty:
        fields["loyalty"] = "loyalty"
    if sample.reciprocity:
        fields["memory"] = "memory_average"
    return Game(
        id=game_id,
        params=params,
        doc=doc,
        kernels=published.KERNELS,
        shape=shape,
        pack=lambda rows: pack([rules(p) for p in rows]),
        bounds=bounds,
        baseline=lambda p: np.array(rules(p).baseline, dtype=np.float64),
        dependence=lambda p: np.asarray(rules(p).depend, dtype=np.float64),
        plan=lambda rows, seats, setting: observation.plan(
            [rules(p) for p in rows], shape(rows[0]).layout, seats, setting
        ),
        frame=lambda p, row, s: render.shares_and_trust(
            s.layout.view(row[None], "action")[0] / bounds(p)[:, 0, 1], s.layout.view(row[None], "trust")[0]
        ),
        observations=tuple(observation.SETTINGS),
        fields=fields,
        readouts=(Readout("total_value", False), *([Readout("theory_payoff", True)] if sample.loyalty else [])),
        default_reward="integrated",
        reward_names={"integrated": "trust_integrated", "cooperative": "published_cooperative"},
        clips_native=True,
    )
