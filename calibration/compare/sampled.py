"""Transitions of any game under uniformly random play, with what every reward to be compared pays for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.calibration.compare.layers import Terms
from payoff.envs.core.params import check_integer
from payoff.envs.core.state import Array
from payoff.envs.views.common import seat_index
from payoff.envs.views.multi_agent import MultiAgentVec

__all__ = ["MOST_NUMBERS", "MOST_SAMPLES", "Samples", "collect"]

MOST_NUMBERS = 256  # of a state; a board of 40 players has thousands, which fits would drown in
MOST_SAMPLES = 10_000_000  # all are in memory at once
_NO_STATE = ("caption", "payoff", "rewards", "true_reward")  # entries of info that tell of a step


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """n transitions in the order in which they were made.

    Attributes:
        state: ``(n, D)`` float64, everything there is to observe before; where that is more than ``MOST_NUMBERS``, a
            random projection of it onto so many.
        next_state: ``(n, D)`` after; at an episode's end its last state.
        action: ``(n, M)`` float64, of all seats, in [0, 1], or one-hot where they are whole numbers.
        terms: what was paid and reported, ``(n,)`` each; ``ended`` where the game ended the episode. An episode that
            its horizon ended goes on as far as values are concerned.
    """

    state: Array
    next_state: Array
    action: Array
    terms: Terms

    def __len__(self) -> int:
        return len(self.state)


def collect(
    env_id: str,
    *,
    layers: Iterable[str] = (),
    keys: Iterable[str] = (),
    samples: int = 20_000,
    seed: int = 0,
    agent: int | str = 0,
    num_envs: int = 64,
    **parameters: Any,
) -> Samples:
    """Play all seats uniformly at random and keep what one of them is paid.

    Args:
        env_id: environment id.
        layers: reward layers, names as ``reward=`` takes them; every one sees the same play.
        keys: entries of ``info`` to be known before and after each transition.
        samples: least number of transitions, at most :data:`MOST_SAMPLES`.
        seed: of starts and actions.
        agent: seat whose rewards are kept, a number or its name.
        num_envs: copies that play at once.
        **parameters: keywords of the game, and of its multi-agent view.

    Raises:
        ValueError: an argument is out of its range, or the game has no such entry or layer.
        TypeError: an unknown keyword.
    """
    check_integer("samples", samples, 1, MOST_SAMPLES)
    check_integer("seed", seed, 0)
    names = list(dict.fromkeys(layers))
    envs = [
        MultiAgentVec(env_id, num_envs, reward=name, autoreset_mode="disabled", **parameters)
        for name in ("private", *names)
    ]
    seat = seat_index(agent, envs[0].num_agents)
    wanted = list(dict.fromkeys(keys))
    rounds = -(-samples // num_envs)
    kept: dict[str, list[Array]] = {}
    for row in _play(envs, names, wanted, seat, rounds, seed):
        for name, value in row.items():
            kept.setdefault(name, []).append(np.array(value))
    for env in envs:
        env.close()
    table = {name: np.concatenate(kept.pop(name)) for name in list(kept)}  # popped: the parts are as large
    return _assemble(envs[0].game_id, table, names, wanted)


def _play(
    envs: list[MultiAgentVec], names: list[str], keys: list[str], seat: int, rounds: int, seed: int
) -> Iterator[dict[str, Array]]:
    """Columns ``(B, ...)`` of each round; the first environment pays the payoff, the others a layer each."""
    first = envs[0]
    rng = np.random.default_rng(seed)
    infos = [env.reset(seed=seed)[1] for env in envs]
    shrink = _projection(first.state().shape[1], seed)
    entries = {key: _entry(first, infos[0], key, seat) for key in keys}
    for _ in range(rounds):
        drawn, written = _draw(first, rng)
        row = {"state": shrink(first.state()), "action": written, **{f"before.{k}": v for k, v in entries.items()}}
        ended = np.zeros(first.num_envs, dtype=np.bool_)
        for name, env in zip(("", *names), envs, strict=True):
            _, rewards, terminated, truncated, info = env.step(drawn)
            if env is first:
                ended = terminated | truncated
                row |= {"next_state": shrink(first.state()), "ended": terminated, "payoff": info["payoff"][:, seat]}
                row |= {f"after.{key}": _entry(first, info, key, seat) for key in keys}
                if "aux" in info:
                    row["aux"] = info["aux"][:, seat]
            else:
                row[f"reward.{name}"] = rewards[:, seat]
            if ended.any():
                info = env.reset(options={"reset_mask": ended})[1]
            if env is first:
                entries = {key: _entry(first, info, key, seat) for key in keys}
        yield row


def _assemble(owner: str, table: dict[str, Array], names: list[str], keys: list[str]) -> Samples:
    terms = Terms(
        owner=owner,
        payoff=table["payoff"],
        rewards={name: table[f"reward.{name}"] for name in names},
        aux=table.get("aux"),
        before={key: table[f"before.{key}"] for key in keys},
        after={key: table[f"after.{key}"] for key in keys},
        ended=table["ended"],
    )
    return Samples(
        state=table["state"],
        next_state=table["next_state"],
        action=table["action"],
        terms=terms,
    )


def _projection(size: int, seed: int) -> Callable[[Array], Array]:
    """Function from states ``(B, size)`` to ``(B, at most MOST_NUMBERS)``."""
    if size <= MOST_NUMBERS:
        return lambda state: state.astype(np.float64)
    matrix = np.random.default_rng([seed, 1]).normal(size=(size, MOST_NUMBERS)) / np.sqrt(size)
    return lambda state: state @ matrix


def _draw(env: MultiAgentVec, rng: np.random.Generator) -> tuple[Array, Array]:
    """Actions ``(B, N, A)`` as the environment takes them, and as features ``(B, M)``."""
    shape = (env.num_envs, env.num_agents, env.action_size)
    if env.num_actions is not None:
        drawn = rng.integers(0, env.num_actions, shape)
        return drawn, np.eye(env.num_actions)[drawn].reshape(env.num_envs, -1)
    unit = rng.random(shape)
    return env.action_low + (env.action_high - env.action_low) * unit, unit.reshape(env.num_envs, -1)


def _entry(env: MultiAgentVec, info: dict[str, Any], key: str, seat: int) -> Array:
    """One number a copy: the seat's own where the entry has one a seat.

    Raises:
        ValueError: there is no such entry, or it is no number.
    """
    value = info.get(key)
    shape = (env.num_envs,)
    if isinstance(value, np.ndarray) and value.shape == (*shape, env.num_agents):
        value = value[:, seat]
    if not isinstance(value, np.ndarray) or value.shape != shape or key in _NO_STATE:
        numbers = [k for k, v in info.items() if isinstance(v, np.ndarray) and v.shape[1:] in ((), (env.num_agents,))]
        known = ", ".join(k for k in numbers if k not in _NO_STATE) or "none"
        raise ValueError(f"{env.game_id} reports no number {key!r} of a state; it reports: {known}")
    return value.astype(np.float64)
