"""What the views share: keywords, seeds, start groups."""

from __future__ import annotations

import copy
import difflib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal, Self

import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded

from payoff.envs import partners as partner_policies
from payoff.envs import registry
from payoff.envs.core.game import Game
from payoff.envs.core.params import Params, check_flag, check_integer, is_whole, unknown_keyword
from payoff.envs.core.state import Array
from payoff.envs.views.engine import AUTORESET, Engine

__all__ = [
    "Rebuilt",
    "Specified",
    "agent_names",
    "autoreset_mode",
    "build_engine",
    "check_choice",
    "copy_seeds",
    "parameter_rows",
    "reset_options",
    "seat_index",
    "start_groups",
]


class Specified:
    """``spec`` of the Gymnasium views, whose ``max_episode_steps`` is the horizon.

    ``gym.make`` sets the spec without one, since the limit of an episode is the game's and no wrapper's. As with any
    spec that has one, an environment made from it is truncated there, whatever the game's keywords say;
    ``gym.make(spec, max_episode_steps=-1)`` leaves it to the game.
    """

    engine: Engine
    _spec: EnvSpec | None = None

    @property
    def spec(self) -> EnvSpec | None:
        """What this environment was made from."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = spec
        if spec is not None and spec.max_episode_steps is None:
            self._spec = copy.copy(spec)
            self._spec.max_episode_steps = self.engine.horizon


class Rebuilt:
    """Copies and pickles a view by building it anew and restoring its state.

    A view holds arrays that share memory with the engine's; copied one by one they would fall apart silently.
    """

    _started: bool
    _made_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **keywords: Any) -> Self:
        """Remember what the view is made with."""
        self = super().__new__(cls)
        # a list may be changed by whoever made it, which is no matter of this view
        own = {k: copy.deepcopy(v) if isinstance(v, list | np.ndarray) else v for k, v in keywords.items()}
        self._made_with = (args, own)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Class, arguments, the snapshot once an episode has begun, and what Gymnasium keeps beside it."""
        own = vars(self)
        kept = {name: own[name] for name in _KEPT if name in own}
        return _rebuild, (type(self), *self._made_with, self.snapshot() if self._started else None, kept)

    def snapshot(self) -> Any:
        """Copy of everything that the next step depends on."""
        raise NotImplementedError(f"{type(self).__name__} must define snapshot()")


# spaces hold the generators of their samples; the reward's are set from outside (MultiObjective)
_KEPT = (
    "_spec",
    "_np_random",
    "_np_random_seed",
    "action_space",
    "observation_space",
    "single_action_space",
    "single_observation_space",
    "action_spaces",
    "observation_spaces",
    "reward_space",
    "reward_dim",
)


def _rebuild(
    view: type[Any], args: tuple[Any, ...], keywords: dict[str, Any], snapshot: Any, kept: dict[str, Any]
) -> Any:
    made = view(*args, **keywords)
    if snapshot is not None:
        made.restore(snapshot)
    vars(made).update(kept)
    return made


def agent_names(n: int) -> list[str]:
    """``agent_0`` .. ``agent_{n - 1}``."""
    return [f"agent_{i}" for i in range(n)]


def autoreset_mode(mode: Any) -> Literal["next_step", "same_step", "disabled"]:
    """Mode from its name or Gymnasium's ``AutoresetMode``.

    Raises:
        ValueError: neither.
    """
    value = getattr(mode, "value", mode)
    names = {"NextStep": "next_step", "SameStep": "same_step", "Disabled": "disabled"}
    name = names.get(value, mode) if isinstance(value, str) else mode
    check_choice("autoreset_mode", name, list(AUTORESET))
    return name  # type: ignore[no-any-return]


def check_choice(name: str, value: Any, allowed: Sequence[Any]) -> None:
    """Raise ValueError unless ``value`` is one of ``allowed``."""
    if not any(type(value) is type(one) and value == one for one in allowed):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def seat_index(agent: Any, n: int) -> int:
    """Seat of ``agent=``: a number or ``agent_k``.

    Raises:
        ValueError: no such seat.
    """
    names = agent_names(n)
    if isinstance(agent, str) and agent in names:
        return names.index(agent)
    if isinstance(agent, int | np.integer) and not isinstance(agent, bool) and 0 <= agent < n:
        return int(agent)
    raise ValueError(f"agent must be 0 .. {n - 1} or one of {', '.join(names)}, got {agent!r}")


def parameter_rows(game: Game[Any], keywords: Mapping[str, Any], n_copies: int) -> list[Params]:
    """Parameter record of each copy, or a single one for all.

    A list or array of length B gives each copy its own value. Of a parameter that is itself a pair, a flat list is one
    value and a list of B pairs gives each copy its own.

    Raises:
        TypeError: an unknown keyword.
        ValueError: a value out of range, or a list of another length.
    """
    tuples = {f.name for f in fields(game.params) if isinstance(f.default, tuple)}
    keywords = {k: v.item() if isinstance(v, np.ndarray) and v.ndim == 0 else v for k, v in keywords.items()}
    lists = {
        k: v
        for k, v in keywords.items()
        if isinstance(v, list | np.ndarray) and not (k in tuples and all(np.ndim(x) == 0 for x in v))
    }
    for name, values in lists.items():
        if len(values) != n_copies:
            raise ValueError(f"{name} must be one value or {n_copies} (one a copy), got {len(values)}")
    if not lists:
        return [game.params.from_keywords(game.id, dict(keywords))]
    rows = []
    for b in range(n_copies):
        own = {
            name: values[b].tolist() if isinstance(values, np.ndarray) else values[b] for name, values in lists.items()
        }
        rows.append(game.params.from_keywords(game.id, {**keywords, **own}))
    return rows


def build_engine(
    view: type,
    game_id: str,
    parameters: Mapping[str, Any],
    n_copies: int,
    *,
    learned: Literal["all"] | int | str = "all",
    look: Sequence[int] | None = None,
    partners: Any = "reciprocator",
    autoreset: Literal["next_step", "same_step", "disabled"] = "disabled",
    info: str = "full",
    limit: int | None = None,
    **wiring: Any,
) -> Engine:
    """Engine of a view.

    Args:
        view: the view's class; its keywords are named when the user mistypes one.
        game_id: environment id.
        parameters: the keywords that the view did not take: the game's own.
        n_copies: B.
        learned: seat that is played from outside, or "all".
        look: seats whose observations are built; None: the learned ones.
        partners: who plays the other seats.
        autoreset: what happens to finished copies.
        info: how much ``info`` holds: "full", "minimal", or "published" where the game has that.
        limit: steps after which an episode is truncated, where that is before its horizon.
        **wiring: reward, observe, actions, clip_actions, num_threads of :class:`Engine`.

    Raises:
        TypeError: an unknown keyword, named with the nearest known one.
        ValueError: a value that is not allowed.
    """
    game = registry.load(game_id)
    own = [p for p in inspect.signature(view).parameters if p not in ("game", "parameters")]
    for name in parameters:
        if name not in game.params.names():
            raise unknown_keyword(game.id, name, {*own, *game.params.names()})
    check_choice("info", info, ["full", "minimal", *(["published"] if game.more_info else [])])
    check_integer("num_envs", n_copies, 1)
    check_flag("clip_actions", wiring["clip_actions"])
    limit = None if limit == -1 else limit  # Gymnasium's and PettingZoo's word for no limit
    if limit is not None:  # each API has its own name for it
        check_integer("max_cycles" if "max_cycles" in own else "max_episode_steps", limit, 1)
    rows = parameter_rows(game, parameters, n_copies)
    n_copies = int(n_copies)
    n = game.shape(rows[0]).n_agents
    seats = list(range(n)) if isinstance(learned, str) and learned == "all" else [seat_index(learned, n)]
    others = [i for i in range(n) if i not in seats]
    return Engine(
        game,
        rows,
        n_copies,
        partners=partner_policies.resolve(partners, others),
        seats=seats if look is None else look,
        autoreset=autoreset,
        reads=info != "minimal",
        published_info=info == "published",
        limit=limit,
        **wiring,
    )


def copy_seeds(seed: Any, n_copies: int) -> list[int | None]:
    """Seed of each copy, as Gymnasium's vector environments read ``seed``: an int s gives copy k the seed s + k.

    Raises:
        ValueError: a negative seed, or a list of another length.
    """
    if seed is None:
        return [None] * n_copies
    if is_whole(seed):
        _whole("seed", seed)
        return [int(seed) + k for k in range(n_copies)]
    return _one_each("seed", seed, n_copies)


def _one_each(name: str, values: Any, n_copies: int) -> list[int | None]:
    """List of non-negative whole numbers (or None), one a copy."""
    listed = isinstance(values, list | tuple) or (isinstance(values, np.ndarray) and values.ndim > 0)
    if not listed or len(values) != n_copies:
        got = len(values) if listed else repr(values)
        raise ValueError(f"{name} must be a non-negative integer or {n_copies} of them, got {got}")
    return [None if v is None else _whole(name, v) for v in values]


def _whole(name: str, value: Any) -> int:
    if not is_whole(value) or value < 0:
        raise ValueError(f"{name} must be a non-negative integer, got {value!r}")
    return int(value)


def reset_options(
    options: Mapping[str, Any] | None, n_copies: int, *, started: bool
) -> tuple[Array | None, list[int | None] | None]:
    """What a batch's ``reset`` is asked for: ``reset_mask`` ``(B,)`` bool (None: all copies), and start groups.

    Args:
        options: what ``reset`` was given.
        n_copies: B.
        started: whether every copy has been reset before.

    Raises:
        TypeError: ``options`` is no dict.
        ValueError: an unknown option, or a bad value of a known one.
        gymnasium.error.ResetNeeded: a mask in the first reset.
    """
    groups = start_groups(options, n_copies, known=("group", "reset_mask"))
    mask = None if options is None else options.get("reset_mask")
    if mask is None:
        return None, groups
    if not isinstance(mask, np.ndarray) or mask.shape != (n_copies,) or mask.dtype != np.bool_:
        raise ValueError(f"options['reset_mask'] must be a bool array of shape ({n_copies},), got {mask!r}")
    if not started:
        raise ResetNeeded("options['reset_mask']: the first reset must start every copy")
    return mask, groups


def start_groups(
    options: Mapping[str, Any] | None,
    n_copies: int,
    *,
    known: Sequence[str] = ("group",),
    others_allowed: bool = False,
) -> list[int | None] | None:
    """Start group of each copy from ``options={"group": g}``, g an int for all copies or one (or None) each.

    Args:
        options: what ``reset`` was given.
        n_copies: B.
        known: names of the options.
        others_allowed: ignore other options; PettingZoo asks for that (its API test sends one of its own).

    Raises:
        ValueError: an unknown option, a negative group, or a list of another length.
    """
    if options is None:
        return None
    if not isinstance(options, Mapping):
        raise TypeError(f"options must be a dict, got {options!r}")
    for name in options:
        meant = difflib.get_close_matches(str(name), ["group"], n=1)
        if not others_allowed or (meant and name != "group"):
            check_choice("reset option", name, known)
    group = options.get("group")
    if group is None:
        return None
    if is_whole(group):
        return [_whole("options['group']", group)] * n_copies
    return _one_each("options['group']", group, n_copies)
