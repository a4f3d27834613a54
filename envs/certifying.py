"""Works out certificates of games of one player: by dynamic programming where they are tabular, else by play."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from payoff.envs import mdp as models
from payoff.envs import registry
from payoff.envs.certificate import Certificate, Estimate, Level, certificate
from payoff.envs.core import loop
from payoff.envs.core.game import Episode, Game, paid
from payoff.envs.core.params import Params
from payoff.envs.core.state import Array
from payoff.envs.theory import tabular
from payoff.envs.views.engine import Engine

__all__ = ["certify", "random_play"]

_COPIES = 1024  # played at once
_FOUND_BY = {
    "exact": "Optima are exact",
    "exact_small": "Optima are exact at this size",
    "reference": "Optima are returns of the scripted reference",
}


def _engine(game: Game[Any], params: Params, n_copies: int) -> Engine:
    return Engine(
        game,
        [params],
        n_copies,
        reward="private",
        partners={},
        seats=[0],
        observe=game.observations[-1],
        actions="native",
        clip_actions=False,
        autoreset="next_step",
    )


def random_play(game: Game[Any], params: Params, episodes: int, seed: int = 0) -> list[Episode]:
    """Episodes of uniformly random play.

    Args:
        game: a game of one player.
        params: its parameters.
        episodes: at least so many are played: whole batches of 1,024 copies, or one smaller batch.
        seed: of starts and actions.
    """
    copies = min(_COPIES, episodes)
    engine = _engine(game, params, copies)
    draws = np.random.default_rng(seed)
    low, high = engine.format.low[0], engine.format.high[0]
    found: list[Episode] = []
    for batch in range(-(-episodes // copies)):
        for b in range(copies):
            engine.seed(b, seed + batch * copies + b)
        engine.reset()
        running = np.ones(copies, dtype=bool)
        payoffs: list[Array] = []
        while running.any():
            shape = (copies, len(low))
            if engine.shape.n_actions is None:
                engine.raw[:, 0] = draws.uniform(low, high, shape)
            else:
                engine.raw[:, 0] = draws.integers(0, engine.shape.n_actions, shape)
            engine.advance()
            payoffs.append(engine.work[:, loop.PAYOFF].copy())
            ended = running & engine.flags.any(axis=1)
            if ended.any():
                paid_so_far = np.stack(payoffs)
                for b in np.flatnonzero(ended).tolist():
                    found.append(Episode(paid_so_far[:, b], engine.state[b].copy(), bool(engine.flags[b, 0])))
            running &= ~ended
    return found


def _estimate(values: Array, counts: Array) -> Estimate:
    """Mean over starts, of which ``counts`` begin in the states that have these values."""
    n = counts.sum()
    mean = (counts * values).sum() / n
    variance = (counts * (values - mean) ** 2).sum() / max(n - 1, 1)
    return Estimate(float(mean), float(np.sqrt(variance / n)))


def _share(successes: int, episodes: int) -> Estimate:
    """Share of successes; its standard error is that of one success more, so that none at all does not look certain."""
    p = (successes + 1) / (episodes + 1)
    return Estimate(successes / episodes, float(np.sqrt(p * (1 - p) / episodes)))


def _tabular_level(
    game: Game[Any], parameters: Mapping[str, Any], first_seed: int, starts: int, gamma: float, episodes: int
) -> Level:
    params = game.params.from_keywords(game.id, dict(parameters))
    assert game.optimum is not None
    max_steps = game.shape(params).max_steps
    mdp = models.as_mdp(game.id, starts=range(first_seed, first_seed + starts), **parameters)
    best = tabular.value_iteration(mdp, gamma)
    within = tabular.finite_horizon(mdp, None, max_steps)
    begun = np.flatnonzero(mdp.initial)
    counts = np.rint(mdp.initial[begun] * starts).astype(np.int64)
    closed = [game.optimum(params, row) for row in mdp.states[begun]]
    returns, steps = np.array([c[0] for c in closed]), np.array([c[1] for c in closed])
    if not np.allclose(returns, within[begun], rtol=0.0, atol=1e-9):
        raise ArithmeticError(f"{game.id} {dict(parameters)}: optimum() and dynamic programming disagree on the return")
    if game.success is paid:
        chances = tabular.success_probability(mdp, tabular.uniform_policy(mdp), max_steps)
        success = _estimate(chances[begun], counts)
    else:
        success = _played(game, params, episodes)
    return Level(
        parameters=dict(parameters),
        max_steps=max_steps,
        first_seed=first_seed,
        starts=starts,
        gamma=gamma,
        optimum=_estimate(returns, counts),
        discounted_optimum=_estimate(best.values[begun], counts),
        random_success=success,
        horizon_to_reward=_estimate(steps, counts),
    )


def _played(game: Game[Any], params: Params, episodes: int) -> Estimate:
    assert game.success is not None
    played = random_play(game, params, episodes)
    return _share(sum(game.success(params, e) for e in played), len(played))


def _level(
    game: Game[Any], parameters: Mapping[str, Any], first_seed: int, starts: int, gamma: float, episodes: int
) -> Level:
    if game.tabular:
        return _tabular_level(game, parameters, first_seed, starts, gamma, episodes)
    params = game.params.from_keywords(game.id, dict(parameters))
    assert game.optimum is not None
    engine = _engine(game, params, starts)
    for b in range(starts):
        engine.seed(b, first_seed + b)
    engine.reset()
    best = [game.optimum(params, row) for row in engine.state]
    once = np.ones(starts, dtype=np.int64)
    return Level(
        parameters=dict(parameters),
        max_steps=engine.shape.max_steps,
        first_seed=first_seed,
        starts=starts,
        gamma=gamma,
        optimum=_estimate(np.array([b[0] for b in best]), once),
        discounted_optimum=None,
        random_success=_played(game, params, episodes),
        horizon_to_reward=_estimate(np.array([b[1] for b in best]), once),
        bound=game.bound(params) if game.bound is not None else None,
    )


def certify(
    env_id: str,
    levels: Sequence[Mapping[str, Any]] | None = None,
    *,
    starts: int = 1000,
    gamma: float = 0.99,
    episodes: int = 20_000,
) -> Certificate:
    """Work out the certificate of a game of one player.

    Args:
        env_id: environment.
        levels: keywords of each level, easiest first; None: the levels, starts and gamma of the stored certificate.
        starts: number of start states, those of the seeds 0, 1, ...
        gamma: discount, per step.
        episodes: episodes of random play, where its success is not computed.

    Raises:
        ValueError: an unknown id, a game that this cannot certify, or (with None) no stored certificate.
        ArithmeticError: the game's optimum contradicts its dynamics.
    """
    game = registry.load(env_id)
    if game.optimum is None or game.optimum_kind is None or game.success is None:
        raise ValueError(f"{game.id} cannot be certified: that takes a game of one player with a known optimum")
    if levels is None:
        stored = certificate(game.id).levels
        made = [_level(game, v.parameters, v.first_seed, v.starts, v.gamma, episodes) for v in stored]
    else:
        made = [_level(game, parameters, 0, starts, gamma, episodes) for parameters in levels]
    exact_success = game.tabular and game.success is paid
    return Certificate(
        id=game.id,
        players=1,
        optimum=max(v.optimum.mean for v in made),
        optimum_kind=game.optimum_kind,
        method=(
            f"{_FOUND_BY[game.optimum_kind]}; means and standard errors are over the starts. Random success "
            + (
                "by dynamic programming over every state that the starts lead to, exact up to rounding."
                if exact_success
                else f"from at least {episodes:,} episodes; its standard error is that of one success more."
            )
        ),
        levels=tuple(made),
    )
