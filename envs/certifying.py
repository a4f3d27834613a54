"""Works out certificates of games of one player: by dynamic programming where they are tabular, else by play.

``python -m payoff.envs.certifying [NAME ...]`` computes and stores certificates, of all ids or of those named. A name
is an id, ``package.module:ns/Name-v0`` for a game of another package, whose certificate lies in the folder
``certificates`` beside its module. A game without a certificate gets its first, for the levels of its
theory, 1,000 starts and a discount of 0.99 per step. One that has a certificate is computed anew with the levels,
starts, discounts and numbers of episodes that it states: the file changes only where the game has changed, or the way
it is certified. Either way, the defaults are added where no level has them, and where the theory says that there are
only so many starts, all of them are taken. All ids take about seven minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from payoff.envs import mdp as models
from payoff.envs import registry
from payoff.envs.certificate import Certificate, Estimate, Level, certificate, file_name, folder_of
from payoff.envs.core.game import Episode, Game
from payoff.envs.core.params import Params
from payoff.envs.core.state import Array
from payoff.envs.theory import tabular
from payoff.envs.views.engine import bare_engine

__all__ = ["certify", "random_play"]

_COPIES = 1024  # played at once
_DRAWS = 64  # seeds for each start that there is: one of n starts is missed with probability below n exp(-64)
_FOUND_BY = {
    "exact": "Optima are exact",
    "exact_small": "Optima are exact at this size",
    "reference": "Optima are returns of the scripted reference",
}


def random_play(game: Game[Any], params: Params, episodes: int, seed: int = 0) -> list[Episode]:
    """Episodes of uniformly random play.

    Args:
        game: a game of one player.
        params: its parameters.
        episodes: at least so many are played: whole batches of 1,024 copies, or one smaller batch.
        seed: of starts and actions.
    """
    copies = min(_COPIES, episodes)
    engine = bare_engine(game, params, copies, observe=game.observations[-1], autoreset="next_step")
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
            payoffs.append(engine.payoff.copy())
            ended = running & engine.flags.any(axis=1)
            if ended.any():
                paid_so_far = np.stack(payoffs)
                for b in np.flatnonzero(ended).tolist():
                    found.append(Episode(paid_so_far[:, b], engine.state[b].copy(), bool(engine.flags[b, 0])))
            running &= ~ended
    return found


def _every_start(game: Game[Any], params: Params, n: int) -> Array:
    """The ``n`` states ``(n, S)`` that an episode may start in."""
    engine = bare_engine(game, params, _DRAWS * n, observe=game.observations[-1], autoreset="next_step")
    for b in range(_DRAWS * n):
        engine.seed(b, b)
    engine.reset()
    rows: Array = np.unique(models.canonical(engine.state, engine.shape.layout), axis=0)
    if len(rows) != n:
        raise ArithmeticError(
            f"{game.id} {params}: starts in {n} states, by its theory, but {len(rows)} were found, "
            f"from {_DRAWS * n} seeds"
        )
    return rows


def _sampled_starts(game: Game[Any], params: Params, first_seed: int, n: int) -> Array:
    """First states ``(n, S)`` of the seeds from ``first_seed`` on."""
    engine = bare_engine(game, params, n, observe=game.observations[-1], autoreset="next_step")
    for b in range(n):
        engine.seed(b, first_seed + b)
    engine.reset()
    return engine.state


def _estimate(values: Array, counts: Array, *, sampled: bool = True) -> Estimate:
    """Mean over starts, of which ``counts`` begin in the states that have these values; ``sampled``: there are more."""
    n = counts.sum()
    mean = (counts * values).sum() / n
    if not sampled or np.ptp(values) <= 1e-12 * (1.0 + abs(mean)):  # the same from every start, but for rounding
        return Estimate(float(mean), 0.0)
    variance = (counts * (values - mean) ** 2).sum() / max(n - 1, 1)
    return Estimate(float(mean), float(np.sqrt(variance / n)))


def _share(successes: int, episodes: int) -> Estimate:
    """Share of successes; its standard error is that of one success more, so that none at all does not look certain."""
    p = (successes + 1) / (episodes + 1)
    return Estimate(successes / episodes, float(np.sqrt(p * (1 - p) / episodes)))


def _play(game: Game[Any], params: Params, episodes: int) -> dict[str, Any]:
    """What sampled random play comes to."""
    assert game.success is not None
    played = random_play(game, params, episodes)
    returns = np.array([e.payoff.sum() for e in played])
    return {
        "random_success": _share(sum(game.success(params, e) for e in played), len(played)),
        "random_return": _estimate(returns, np.ones(len(played))),
        "random_episodes": len(played),
    }


def _model(game: Game[Any], params: Params, rows: Array) -> models.MDP | None:
    """The exact model; None where there is none of a size that can be solved."""
    if not game.tabular:
        return None
    try:
        return models.from_rows(game, params, rows)
    except models.TooManyStatesError:
        return None


def _from_model(
    game: Game[Any],
    params: Params,
    mdp: models.MDP,
    *,
    starts: int,
    sampled: bool,
    gamma: float,
    max_steps: int,
    episodes: int,
) -> dict[str, Any]:
    """What dynamic programming finds, beside what the game says of itself."""
    assert game.optimum is not None
    within = tabular.finite_horizon(mdp, None, max_steps)
    begun = np.flatnonzero(mdp.initial)
    counts = np.rint(mdp.initial[begun] * starts).astype(np.int64)

    def mean(values: Array) -> Estimate:
        return _estimate(values[begun], counts, sampled=sampled)

    closed = np.array([game.optimum(params, row)[0] for row in mdp.states[begun]])
    if not np.allclose(closed, within[begun], rtol=0.0, atol=1e-9):
        raise ArithmeticError(
            f"{game.id} {params}: optimum() and dynamic programming differ by {np.abs(closed - within[begun]).max():g}"
        )
    uniform = tabular.uniform_policy(mdp)
    found: dict[str, Any] = {"random_episodes": None} if mdp.solved is not None else _play(game, params, episodes)
    if mdp.solved is not None:
        found["random_success"] = mean(tabular.success_probability(mdp, uniform, max_steps))
    found["random_return"] = mean(tabular.finite_horizon(mdp, uniform, max_steps))
    found["discounted_optimum"] = mean(tabular.value_iteration(mdp, gamma).values)
    return found


def _level(
    game: Game[Any], parameters: Mapping[str, Any], first_seed: int, starts: int, gamma: float, episodes: int
) -> Level:
    """One level; ``starts`` seeds from ``first_seed`` on, unless the game has so few starts that it counts them."""
    params = game.params.from_keywords(game.id, dict(parameters))
    assert game.optimum is not None
    few = game.starts(params)
    sampled = few is None
    rows = _sampled_starts(game, params, first_seed, starts) if few is None else _every_start(game, params, few)
    max_steps = game.shape(params).max_steps
    best = np.array([game.optimum(params, row) for row in rows])
    mdp = _model(game, params, rows)
    if mdp is None:
        found = _play(game, params, episodes) | {"discounted_optimum": None}
    else:
        found = _from_model(
            game,
            params,
            mdp,
            starts=len(rows),
            sampled=sampled,
            gamma=gamma,
            max_steps=max_steps,
            episodes=episodes,
        )
    once = np.ones(len(rows))
    return Level(
        parameters=dict(parameters),
        max_steps=max_steps,
        first_seed=first_seed if sampled else None,
        starts=len(rows),
        gamma=gamma,
        optimum=_estimate(best[:, 0], once, sampled=sampled),
        horizon_to_reward=_estimate(best[:, 1], once, sampled=sampled),
        bound=game.bound(params) if game.bound is not None else None,
        **found,
    )


def _is_default(game: Game[Any], parameters: Mapping[str, Any]) -> bool:
    return bool(game.params.from_keywords(game.id, dict(parameters)) == game.params())


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
        levels: keywords of each level, easiest first. None: the levels, starts and gamma of the stored certificate; of
            a game that has none, the levels that its theory names. The defaults follow where no level has them.
        starts: number of start states, those of the seeds 0, 1, ...; of a game that has only few, all are taken.
        gamma: discount, per step.
        episodes: episodes of random play, where its success is not computed.

    Raises:
        ValueError: an unknown id, a game that this cannot certify, or one that has neither levels nor a certificate.
        ArithmeticError: the game's optimum contradicts its dynamics, or its number of starts its reset.
    """
    game = registry.load(env_id)
    if game.optimum is None or game.optimum_kind is None or game.success is None:
        raise ValueError(f"{game.id} cannot be certified: that takes a game of one player with a known optimum")
    has_one = (folder_of(game.id) / file_name(game.id)).is_file()
    if levels is None and not has_one:
        levels = list(game.levels.values())
        if not levels:
            raise ValueError(f"{game.id} has no levels: Theory(levels=...) names at least one")
    if levels is None:
        held = certificate(game.id).levels
        asked = [(v.parameters, v.first_seed or 0, v.starts, v.gamma, v.random_episodes or episodes) for v in held]
    else:
        asked = [(parameters, 0, starts, gamma, episodes) for parameters in levels]
    if not any(_is_default(game, parameters) for parameters, *_ in asked):
        asked.append(({}, *asked[-1][1:]))
    made = [_level(game, *one) for one in asked]
    return Certificate(
        id=game.id,
        players=1,
        optimum=next(v.optimum.mean for v in made if _is_default(game, v.parameters)),
        optimum_kind=game.optimum_kind,
        method=(
            f"{_FOUND_BY[game.optimum_kind]}; means are over the starts, with the standard error of a sample unless "
            "every start is counted, which is where first_seed is null. Random play by dynamic "
            "programming over every state that the starts lead to, exact up to rounding, where random_episodes is "
            "null; else success, and the return where the game is not tabular, from so many episodes."
        ),
        levels=tuple(made),
    )


def main(names: Sequence[str]) -> None:
    """Compute and store the certificates of these games; of all that can be certified where none is named."""
    from rich.progress import track

    chosen = [registry.full_id(n) for n in names] or [i for i in registry.ids() if registry.load(i).optimum is not None]
    for env_id in track(chosen, "certificates"):
        folder = folder_of(env_id)
        folder.mkdir(exist_ok=True)
        certify(env_id).write(folder / file_name(env_id))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (TypeError, ValueError) as error:
        sys.exit(f"certifying: {error}")
