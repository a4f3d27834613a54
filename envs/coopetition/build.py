"""Makes the record of a published game from its parameters and rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from payoff.envs import render
from payoff.envs.coopetition import observation, published
from payoff.envs.coopetition.packing import layout, pack
from payoff.envs.coopetition.published_info import Facts, common
from payoff.envs.coopetition.rules import Rules
from payoff.envs.core.game import Game, Readout, Shape
from payoff.envs.core.params import Params
from payoff.envs.core.state import Array

__all__ = ["published_game"]

P = TypeVar("P", bound=Params)

# state field -> key of info
_FIELDS = {
    "trust": "trust",
    "damage": "reputation_damage",
    "loyalty": "loyalty",
    "member": "members",
    "memory": "memory_average",
    "score": "reputation_scores",
    "agreement": "current_agreement",
}


def published_game(
    game_id: str,
    params: type[P],
    rules: Callable[[P], Rules],
    doc: str,
    info: Callable[[Sequence[P], Facts], dict[str, Array]] | None = None,
) -> Game[P]:
    """Record of a ``-v0`` game.

    Args:
        game_id: ``payoff/Name-v0``.
        params: its keywords.
        rules: keywords -> numbers of the shared kernels.
        doc: documentation page.
        info: what this game alone reports under ``info="published"``: (parameter rows, state) -> name -> array.
    """
    sample = rules(params())

    def shape(p: P) -> Shape:
        r = rules(p)
        n = len(r.endowment)
        return Shape(n, 1, None, layout(r), r.max_steps)

    def bounds(p: P) -> Array:
        endowment = np.array(rules(p).endowment, dtype=np.float64)
        return np.stack([np.zeros_like(endowment), endowment], axis=-1)[:, None, :]

    def more_info(rows: Sequence[P], state: Array) -> dict[str, Array]:
        facts = Facts([rules(p) for p in rows], state)
        return common(facts) | (info(rows, facts) if info else {})

    fields = {name: key for name, key in _FIELDS.items() if name in layout(sample)}
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
        observations=(*observation.SETTINGS, observation.PUBLISHED),
        fields=fields,
        flag_fields=tuple(name for name in ("member",) if name in fields),
        readouts=(Readout("total_value", False), *([Readout("theory_payoff", True)] if sample.loyalty else [])),
        more_info=more_info,
        default_reward="integrated",
        reward_names={"integrated": "trust_integrated", "cooperative": "published_cooperative"},
        clips_native=True,
    )
