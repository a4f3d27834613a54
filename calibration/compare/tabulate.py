"""What a tabular game pays and reports on every transition of its exact model, and what a wrapper would pay there.

The model (:func:`payoff.as_mdp`) holds payoffs only. Here its states are put back into the game's own kernel and every
action and outcome is played once more, so that auxiliary rewards, reward layers and entries of ``info`` become arrays
beside the model's. Time is no part of the model: all is as on the first step of an episode that does not end by time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from payoff.calibration.compare.layers import Terms
from payoff.envs.core import chance
from payoff.envs.core.game import Game
from payoff.envs.core.params import Params
from payoff.envs.core.state import OVER, TERMINATED, Array
from payoff.envs.mdp import canonical
from payoff.envs.views.engine import Engine, bare_engine

if TYPE_CHECKING:
    from payoff.envs.mdp import MDP
    from payoff.wrappers import RewardMethod

__all__ = ["tabulate", "tabulate_method"]

_CHUNK = 1024  # transitions that are played at once


def tabulate(
    game: Game[Any], params: Params, mdp: MDP, *, layers: Iterable[str] = (), keys: Iterable[str] = ()
) -> Terms:
    """Reward terms of every transition.

    Args:
        game: a tabular game of one player.
        params: its parameters.
        mdp: its model, by :func:`payoff.as_mdp` with the same parameters.
        layers: reward layers, names as ``reward=`` takes them.
        keys: entries of ``info`` that are to be known before and after each transition, such as ``"progress"``.

    Returns:
        Terms of shape ``(S, A, K)``; an auxiliary reward is among them where the game reports one.

    Raises:
        ValueError: the game has no such entry, or it is no function of the state; an unknown layer; or ``mdp`` is the
            model of another game or of other parameters.
    """
    played = _Transitions(game, params, mdp)
    after, payoff = played.play(None)
    if not np.allclose(payoff, mdp.reward[~mdp.terminal].ravel(), rtol=0.0, atol=1e-12) or not np.array_equal(
        canonical(after, played.layout), mdp.states[mdp.next_state[~mdp.terminal].ravel()]
    ):
        raise ValueError(f"mdp is no model of {game.id} with {params}")
    told = played.engine("private").features(after)
    known = {name: told[name] for name in told if told[name].size == len(after) and name != "caption"}
    own: dict[str, Array] = {}
    for key in dict.fromkeys(keys):
        if key not in known:
            raise ValueError(f"{game.id} reports no number {key!r} of a state; it reports: {_listed(known)}")
        own[key] = _of_state(game, key, known[key].reshape(-1), mdp, played)
    return Terms(
        owner=game.id,
        payoff=played.full(payoff),
        rewards={name: played.full(played.play(name)[1]) for name in dict.fromkeys(layers)},
        aux=played.full(known["aux"].reshape(-1)) if "aux" in known else None,
        before={k: np.broadcast_to(v[:, None, None], mdp.reward.shape) for k, v in own.items()},
        after={k: v[mdp.next_state] for k, v in own.items()},
        ended=mdp.terminal[mdp.next_state],
    )


def _listed(known: Iterable[str]) -> str:
    return ", ".join(k for k in known if k != "aux") or "none"


def _of_state(game: Game[Any], key: str, reached: Array, mdp: MDP, played: _Transitions) -> Array:
    """Entry of every state, ``(S,)``.

    Raises:
        ValueError: transitions that reach the same state report different numbers.
    """
    entry = played.engine("private").features(mdp.states.copy())[key].reshape(-1).astype(np.float64)
    target = mdp.next_state[~mdp.terminal].ravel()
    if not np.allclose(entry[target], reached, rtol=0.0, atol=1e-12):
        raise ValueError(f"info[{key!r}] of {game.id} is no function of the state, so it is no potential on its model")
    return entry


class _Transitions:
    """All transitions of a model: states that are not terminal, in them actions, in them outcomes."""

    def __init__(self, game: Game[Any], params: Params, mdp: MDP) -> None:
        shape = game.shape(params)
        if shape.n_agents != 1 or not game.tabular or shape.n_actions is None:
            raise ValueError(f"{game.id} is no tabular game of one player")
        _, n_actions, width = mdp.next_state.shape
        if n_actions != shape.n_actions**shape.action_size or mdp.states.shape[1] != shape.layout.size:
            raise ValueError(f"mdp is no model of {game.id} with {params}")
        self.game, self.params, self.mdp, self.layout = game, params, mdp, shape.layout
        digits = np.indices((shape.n_actions,) * shape.action_size).reshape(shape.action_size, -1).T
        running = mdp.states[~mdp.terminal]
        self.rows = np.repeat(running, n_actions * width, axis=0)
        self.actions = np.tile(np.repeat(digits.astype(np.float64), width, axis=0), (len(running), 1))
        if chance.FORCED in self.layout:
            number = np.tile(np.arange(1.0, width + 1.0), len(running) * n_actions)
            self.layout.view(self.rows, chance.FORCED)[...] = number if game.chance is not None else 0.0
        self._engines: dict[str, Engine] = {}

    def engine(self, layer: str) -> Engine:
        """A batch of ``_CHUNK`` copies under a reward layer."""
        if layer not in self._engines:
            self._engines[layer] = bare_engine(self.game, self.params, _CHUNK, reward=layer, observe="full")
            self._engines[layer].reset()
        return self._engines[layer]

    def chunks(self) -> Iterable[tuple[Array, Array]]:
        """(transitions, the same repeated to fill a batch)."""
        for at in range(0, len(self.rows), _CHUNK):
            part = np.arange(at, min(at + _CHUNK, len(self.rows)))
            yield part, np.resize(part, _CHUNK)

    def play(self, layer: str | None) -> tuple[Array, Array]:
        """State rows after each transition, and what a layer pays (None: the payoff)."""
        engine = self.engine(layer or "private")
        after, paid = np.empty(self.rows.shape), np.empty(len(self.rows))
        for part, padded in self.chunks():
            engine.state[...] = self.rows[padded]
            engine.raw[:, 0] = self.actions[padded]
            engine.advance()
            after[part] = engine.state[: len(part)]
            paid[part] = (engine.payoff if layer is None else engine.reward)[: len(part), 0]
        return after, paid

    def full(self, values: Array) -> Array:
        """Numbers of the transitions as ``(S, A, K)``, 0 in terminal states."""
        table = np.zeros(self.mdp.reward.shape)
        table[~self.mdp.terminal] = values.reshape(-1, *table.shape[1:])
        return table


def tabulate_method(game: Game[Any], params: Params, mdp: MDP, make: Callable[[], RewardMethod]) -> Array:
    """What a shaping wrapper's method pays for every transition of a model, ``(S, A, K)``.

    The method begins an episode in each state and makes one step from it, so of a method that remembers more of an
    episode than its current state this is the first step only. What it sees is what it would see around a vector
    environment with full observations and full info.

    Args:
        game: a tabular game of one player.
        params: its parameters.
        mdp: its model.
        make: makes the method; called once for every batch of transitions.
    """
    from payoff.wrappers.base import Transition
    from payoff.wrappers.rows import vector_info

    played = _Transitions(game, params, mdp)
    engine = played.engine("private")
    paid = np.empty(len(played.rows))
    everyone = np.ones(_CHUNK, dtype=np.bool_)

    def seen() -> tuple[Array, Any]:
        told = engine.features(engine.state.copy())
        own = {name: v[:, 0] if v.ndim == 2 and v.shape[1] == 1 else v for name, v in told.items()}
        return engine.look(engine.state)[:, 0], vector_info(own, everyone)

    for part, padded in played.chunks():
        method = make()
        engine.state[...] = played.rows[padded]
        obs, info = seen()
        method.reset(obs, info, everyone)
        engine.raw[:, 0] = played.actions[padded]
        engine.advance()
        next_obs, next_info = seen()
        ended = np.floor_divide(engine.state[:, OVER], TERMINATED) % 2 == 1.0
        step = Transition(
            obs=obs,
            action=played.actions[padded].astype(np.int64).squeeze(axis=1)
            if played.actions.shape[1] == 1
            else played.actions[padded].astype(np.int64),
            reward=engine.payoff[:, 0].copy(),
            next_obs=next_obs,
            terminated=ended,
            truncated=np.zeros(_CHUNK, dtype=np.bool_),
            info=next_info,
            active=everyone,
        )
        paid[part] = np.asarray(method(step), dtype=np.float64)[: len(part)]
    return played.full(paid)
