"""What may be written after ``reward=``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from payoff.envs.core.game import Game
from payoff.envs.core.rule import is_compiled
from payoff.envs.core.specification import Specification, build, imported, near, parse
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
        reward: a layer, a function of a :class:`payoff.envs.rewards.RewardInput`, or a specification
            (:mod:`payoff.envs.core.specification`): ``"svo:0.4"``, ``"inequity_aversion:0.85,0.315"``, or
            ``"package.module:Name"`` for a layer or a function of any module.
        names: what a name means in this game, where it is not the layer of that name.

    Raises:
        ValueError: an unknown name (the message lists the known ones) or a number out of its range.
        TypeError: none of the above.
    """
    if isinstance(reward, Layer):
        return reward
    if isinstance(reward, str):
        return _named(reward, names or {})
    if _is_function(reward):
        return reward
    hint = f"; did you mean {reward.__name__}()?" if isinstance(reward, type) else _RULE * is_compiled(reward)
    raise TypeError(f"reward must be a layer, a name or a function, got {reward!r}{hint}")


def _is_function(given: Any) -> bool:
    """Whether it may be a function of a :class:`payoff.envs.rewards.RewardInput`; a compiled rule is none."""
    return callable(given) and not isinstance(given, type) and not is_compiled(given)


def _named(reward: str, names: Mapping[str, str]) -> Reward:
    """What a specification stands for."""
    chosen = parse(reward, "reward", {*LAYERS, *names})
    meant = names.get(chosen.name, chosen.name)
    try:
        return _built(reward, replace(chosen, name=meant))  # a game may give any layer a name of its own
    except TypeError as error:  # a value too many, or too few
        raise ValueError(f"reward {reward!r}: {error}") from error


def _built(reward: str, chosen: Specification) -> Reward:
    if chosen.name in LAYERS:
        return build(LAYERS[chosen.name], chosen)
    if not chosen.outside:
        known = f"{', '.join(LAYERS)}, package.module:Name, a layer or a function"
        raise ValueError(f"reward must be one of {known}, got {reward!r}{near(chosen.name, LAYERS)}")
    return imported(chosen, _pays, "a reward layer or a function")


def _pays(thing: Any) -> bool:
    """Whether it is a layer, or a function that may be one.

    Raises:
        ValueError: a compiled rule alone.
    """
    if is_compiled(thing):
        raise ValueError(f"reward must be a layer class, a layer or a function, got {thing!r}{_RULE}")
    return isinstance(thing, Layer) or _is_function(thing)
