"""What may be written after ``reward=``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeAlias

from payoff.envs.core import names as paths
from payoff.envs.core.game import Game
from payoff.envs.core.rule import is_compiled
from payoff.envs.rewards.base import Layer
from payoff.envs.rewards.functions import RewardFunction
from payoff.envs.rewards.inequity import InequityAversion
from payoff.envs.rewards.linear import SVO, Cooperative, Integrated, Mutuality, Private, SelfInterest
from payoff.envs.rewards.svo_angle import SVOAngle
from payoff.envs.rewards.trust_gated import PublishedCooperative, TrustIntegrated, TrustReciprocal

__all__ = ["LAYERS", "Reward", "resolve", "working"]

Reward: TypeAlias = Layer | RewardFunction

_RULE = "; a compiled rule belongs to a layer class, name that"

LAYERS: dict[str, type[Layer]] = {
    "private": Private,
    "integrated": Integrated,
    "trust_integrated": TrustIntegrated,
    "trust_reciprocal": TrustReciprocal,
    "cooperative": Cooperative,
    "published_cooperative": PublishedCooperative,
    "mutuality": Mutuality,
    "self_interest": SelfInterest,
    "svo": SVO,
    "svo_angle": SVOAngle,
    "inequity_aversion": InequityAversion,
}


def working(game: Game[Any]) -> list[str]:
    """Names of the layers that work in a game: without a dependence matrix, those that do not use one."""
    none = game.rules.dependence is None
    names = [name for name, kind in LAYERS.items() if not (none and kind().uses_dependence)]
    return names if "mutuality" in names else [*names, "mutuality:0", "mutuality:1"]


def resolve(reward: Any, names: Mapping[str, str] | None = None) -> Reward:
    """Layer or function for what the user wrote after ``reward=``.

    Args:
        reward: a layer; a name, with numbers after a colon (``"svo:0.4"``, ``"inequity_aversion:0.85,0.315"``); a
            function of a :class:`payoff.envs.rewards.RewardInput`; or where one of these is,
            ``"package.module:Name"``, with the numbers of a layer class after a further colon.
        names: what a name means in this game, where it is not the layer of that name.

    Raises:
        ValueError: an unknown name (the message lists the known ones) or a number out of its range.
        TypeError: none of the above.
    """
    if isinstance(reward, Layer):
        return reward
    if isinstance(reward, str):
        name, colon, rest = reward.partition(":")
        meant = (names or {}).get(name, name)
        if meant in LAYERS:
            return _with_numbers(reward, name, LAYERS[meant], rest if colon else None)
        return _elsewhere(f"{meant}{colon}{rest}")
    if _is_function(reward):
        return reward
    hint = f"; did you mean {reward.__name__}()?" if isinstance(reward, type) else _RULE * is_compiled(reward)
    raise TypeError(f"reward must be a layer, a name or a function, got {reward!r}{hint}")


def _is_function(given: Any) -> bool:
    """Whether it may be a function of a :class:`payoff.envs.rewards.RewardInput`; a compiled rule is none."""
    return callable(given) and not isinstance(given, type) and not is_compiled(given)


def _with_numbers(reward: str, name: str, kind: type[Layer], numbers: str | None) -> Layer:
    takes = {f.name: f for f in fields(kind) if f.type in ("float", float, "int", int)}
    given = [] if numbers is None else numbers.split(",")
    if len(given) > len(takes):
        listed = f": {', '.join(takes)}" if takes else ""
        raise ValueError(
            f"reward {reward!r}: {name} takes at most {len(takes)} number{'s' * (len(takes) != 1)}{listed}"
        )
    try:
        values = {
            field.name: int(n) if field.type in ("int", int) else float(n)
            for field, n in zip(takes.values(), given, strict=False)
        }
    except ValueError:
        raise ValueError(f"reward {reward!r}: what follows the colon must be numbers") from None
    missing = [f.name for f in fields(kind) if f.default is f.default_factory is MISSING and f.name not in values]
    if missing:
        raise ValueError(f"reward {reward!r}: {name} needs {', '.join(missing)}")
    return kind(**values)


def _elsewhere(reward: str) -> Reward:
    """What ``package.module:Name[:numbers]`` stands for."""
    module, _, rest = reward.partition(":")
    attribute, colon, numbers = rest.partition(":")
    if not paths.is_path(f"{module}:{attribute}"):
        near = difflib.get_close_matches(module, LAYERS, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        known = ", ".join(LAYERS)
        raise ValueError(
            f"reward must be one of {known}, package.module:Name, a layer or a function, got {reward!r}{hint}"
        )
    found = paths.load("reward", f"{module}:{attribute}")
    if isinstance(found, type) and issubclass(found, Layer):
        return _with_numbers(reward, attribute, found, numbers if colon else None)
    if colon:
        raise ValueError(f"reward {reward!r}: only a layer class takes numbers, and {attribute} is {found!r}")
    if isinstance(found, Layer) or _is_function(found):
        return found
    hint = _RULE * is_compiled(found)
    raise ValueError(
        f"reward {reward!r}: {attribute} must be a layer class, a layer or a function, got {found!r}{hint}"
    )
