"""What changes a reward, by its specification: shaping, exploration bonuses, transforms of finished episodes.

The grammar is that of :mod:`payoff.envs.core.specification`: ``progress``, ``count:coef=0.1``, ``ircr:memory=500``, or
``package.module:Name:key=value`` for anything from outside. Each table below maps a name to the function that builds
the method; the keys of a specification are its parameters. What the training knows by itself is filled in where a
parameter has the name: ``gamma``, ``on_truncation``, ``seed``, ``num_actions`` and ``obs_names``.

A *shaping* is a :class:`payoff.wrappers.RewardMethod` around the environment, a *bonus* a
:class:`payoff.wrappers.Bonus` that is paid on top, a *transform* a :class:`payoff.wrappers.RewardTransform` that
rewrites whole episodes before anything is learned from them.

A function outside the package builds its method anew each time it is called, with a fresh memory.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import gymnasium as gym

from payoff import wrappers
from payoff.envs.core.params import check_word, unknown_keyword
from payoff.envs.core.specification import Specification, build, imported, parse, unknown_name
from payoff.wrappers import Bonus, RewardMethod, RewardTransform, wrap
from payoff.wrappers.llm.expression_reward import LIMIT

__all__ = ["BONUSES", "SHAPINGS", "TRANSFORMS", "Builder", "Ending", "around", "parameters", "transform_of"]

Ending: TypeAlias = Literal["bootstrap", "terminal"]
Builder: TypeAlias = Callable[..., Any] | str


def _progress(scale: float = 1.0, *, gamma: float, on_truncation: Ending, shift: float = 0.0) -> RewardMethod:
    """Potential-based shaping by ``info["progress"]``; ``scale``: units of reward for the whole progress."""
    return _potential(key="progress", scale=scale, gamma=gamma, on_truncation=on_truncation, shift=shift)


def _potential(
    *,
    key: str | None = None,
    expression: str | None = None,
    limit: float | None = None,
    scale: float = 1.0,
    gamma: float,
    on_truncation: Ending,
    shift: float = 0.0,
    obs_names: Sequence[str] = (),
) -> RewardMethod:
    """Potential-based shaping by any entry of ``info``, such as ``key=aux``, or by ``expression=1 - abs(obs.x)``.

    ``limit``: size to which the value of an expression is cut.
    """
    if key is not None and expression is None and limit is None:
        potential: Any = wrappers.from_info(key)
    elif expression is not None and key is None:
        cut = {} if limit is None else {"limit": limit}
        potential = wrappers.from_expression(expression, names=obs_names, **cut)
    else:
        raise ValueError("shaping potential needs either key=... or expression=..., and limit goes with expression")
    return wrappers.PotentialShaping(potential, gamma=gamma, on_truncation=on_truncation, scale=scale, shift=shift)


def _distillation(features: int, learning_rate: float, learn_every: int, seed: int) -> Any:
    settings = wrappers.BonusLearning(learning_rate=learning_rate, learn_every=learn_every, seed=seed)
    return wrappers.Distillation(features=features, settings=settings)


def _dynamics(
    num_actions: int | None, action_size: int, features: int, share: float, rate: float, every: int, seed: int
) -> Any:
    settings = wrappers.BonusLearning(learning_rate=rate, learn_every=every, seed=seed)
    return wrappers.DynamicsModel(
        num_actions=num_actions,
        action_size=action_size,
        features=features,
        forward_share=share,
        settings=settings,
    )


def _rnd(*, features: int = 32, learning_rate: float = 1e-3, learn_every: int = 256, seed: int = 0) -> Bonus:
    """Error in predicting a random network."""
    return wrappers.RND(_distillation(features, learning_rate, learn_every, seed))


def _noveld(
    *,
    alpha: float = 0.5,
    once: bool = True,
    features: int = 32,
    learning_rate: float = 1e-3,
    learn_every: int = 256,
    seed: int = 0,
) -> Bonus:
    """Difference of RND novelties, once a state and episode."""
    return wrappers.NovelD(_distillation(features, learning_rate, learn_every, seed), alpha=alpha, once=once)


def _icm(
    *,
    features: int = 32,
    forward_share: float = 0.2,
    learning_rate: float = 1e-3,
    learn_every: int = 256,
    seed: int = 0,
    num_actions: int | None,
    action_size: int = 1,
) -> Bonus:
    """Error of a learned forward model."""
    return wrappers.ICM(_dynamics(num_actions, action_size, features, forward_share, learning_rate, learn_every, seed))


def _ride(
    *,
    features: int = 32,
    forward_share: float = 0.2,
    learning_rate: float = 1e-3,
    learn_every: int = 256,
    seed: int = 0,
    num_actions: int | None,
    action_size: int = 1,
) -> Bonus:
    """Change of learned features, less where the episode has been."""
    return wrappers.RIDE(_dynamics(num_actions, action_size, features, forward_share, learning_rate, learn_every, seed))


def _count(*, power: float = 0.5, per_row: bool = False) -> Bonus:
    """1 / visits ** power, in all of training."""
    return wrappers.Count(power=power, per_row=per_row)


def _first_visit() -> Bonus:
    """1 for states new in the episode."""
    return wrappers.FirstVisit()


def _product(*, power: float = 0.5, per_row: bool = False) -> Bonus:
    """Count times first_visit."""
    return wrappers.Product(_count(power=power, per_row=per_row), wrappers.FirstVisit())


def _bebold(*, alpha: float = 1.0, once: bool = True, per_row: bool = False) -> Bonus:
    """Difference of 1 / visits, once a state and episode."""
    return wrappers.BeBold(alpha=alpha, once=once, per_row=per_row)


def _e3b(*, ridge: float = 0.1) -> Bonus:
    """Elliptical episodic bonus of the numbers of the observation."""
    return wrappers.E3B(ridge=ridge)


def _learning(seed: int) -> Any:
    return wrappers.EpisodeLearning(seed=seed)


def _rd(*, ridge: float = 1e-6, residual: bool = True, num_actions: int | None) -> RewardTransform:
    """Return decomposition, linear least squares."""
    return wrappers.LinearDecomposition(wrappers.StepFeatures(num_actions), ridge=ridge, residual=residual)


def _rrd(
    *,
    subset: int | None = None,
    unbiased: bool = False,
    residual: bool = True,
    seed: int = 0,
    num_actions: int | None,
) -> RewardTransform:
    """Randomised return decomposition by a network."""
    features, learning = wrappers.StepFeatures(num_actions), _learning(seed)
    return wrappers.NetworkDecomposition(
        features, subset=subset, unbiased=unbiased, learning=learning, residual=residual
    )


def _lare(
    *,
    factors: Sequence[str],
    decoder: Literal["network", "linear"] = "network",
    subset: int | None = None,
    residual: bool = True,
    limit: float = LIMIT,
    seed: int = 0,
    obs_names: Sequence[str] = (),
) -> RewardTransform:
    """LaRe: return decomposition on factors that are expressions, such as ``factors=["next_obs.x - obs.x"]``.

    ``decoder``: a network, or weights and a constant found by least squares. ``subset``: K steps of an episode that the
    network learns from at a time, without the bias of that; all of them where it is left out.
    """
    check_word("decoder", decoder, ("network", "linear"))
    if subset is not None and decoder == "linear":
        raise ValueError(f"subset must be left out with decoder=linear, got {subset!r}")
    features = wrappers.Factors(factors, names=obs_names, constant=decoder == "linear", limit=limit)
    if decoder == "linear":
        return wrappers.LinearDecomposition(features, residual=residual)
    return wrappers.NetworkDecomposition(
        features, subset=subset, unbiased=subset is not None, learning=_learning(seed), residual=residual
    )


def _rudder(*, aux: float = 0.5, residual: bool = True, seed: int = 0, num_actions: int | None) -> RewardTransform:
    """Differences of a recurrent prediction of the return."""
    features, learning = wrappers.StepFeatures(num_actions), _learning(seed)
    return wrappers.Rudder(features, aux=aux, learning=learning, residual=residual)


def _stepwise(
    *, alpha: float = 1.0, beta: float = 0.5, ridge: float = 1e-6, num_actions: int | None
) -> RewardTransform:
    """Progress rewards from a linear decomposition."""
    return wrappers.StepwiseProgress(_rd(ridge=ridge, num_actions=num_actions), alpha=alpha, beta=beta)


_PAYING = ("coef", "decay", "normalise", "clip", "on_terminal")  # of BonusReward
_NEUTRAL = ("neutral", "delay", "horizon")  # of ReturnNeutralBonus

# name -> what builds it, called when it is asked for: its module is imported then
SHAPINGS: dict[str, Builder] = {
    "progress": _progress,
    "potential": _potential,
    "delay": "DelayReward",
    "differential": "DifferentialReward",
    "running": "RunningReward",
    "length_penalty": "LengthPenalty",
    "ceiling": "Ceiling",
    "noise": "NoisyReward",
    "flip": "FlipReward",
    "unflip": "UnflipReward",
    "completion": "CompletionReward",
    "team_spirit": "TeamSpirit",
}
BONUSES: dict[str, Builder] = {
    "count": _count,
    "first_visit": _first_visit,
    "product": _product,
    "bebold": _bebold,
    "noveld": _noveld,
    "rnd": _rnd,
    "icm": _icm,
    "ride": _ride,
    "e3b": _e3b,
}
TRANSFORMS: dict[str, Builder] = {
    "ircr": "GuidanceReward",
    "rd": _rd,
    "rrd": _rrd,
    "lare": _lare,
    "rudder": _rudder,
    "stepwise": _stepwise,
    "implicit": "ImplicitStepRewards",
    "prefix_tree": "PrefixTreeValues",
    "group_preference": "GroupPreference",
    "information": "InformationGain",
    "clip_delta": "ClipDelta",
    "min_form": "MinForm",
    "outcome_calibrated": "OutcomeCalibrated",
    "weighted_checks": "WeightedChecks",
}


def around(
    shaping: str, bonus: str, gamma: float, on_truncation: Ending, *, seed: int = 0
) -> Callable[[Any], Any] | None:
    """Wrapper that shapes an environment's reward and pays a bonus on top.

    Args:
        shaping: specification, ``none`` for nothing.
        bonus: likewise. ``coef``, ``decay``, ``normalise``, ``clip`` and ``on_terminal`` are those of
            :class:`payoff.wrappers.BonusReward`; the first number without a key is ``coef``. ``neutral=true`` takes
            every bonus back (:class:`payoff.wrappers.ReturnNeutralBonus`) after ``delay`` steps or, with
            ``horizon``, at the end of an episode of at most so many steps.
        gamma: the learner's discount.
        on_truncation: what the learner takes the end of a truncated episode for.
        seed: of what is random in them.

    Returns:
        Function from an environment of any kind (see :func:`payoff.wrappers.wrap`) to the wrapped one; each call
        builds new methods. None where both are none.

    Raises:
        ValueError: an unknown name, or a value that is not allowed; values that depend on the environment are checked
            when the function is called.
        TypeError: a key that the method does not take.
    """
    given = {"gamma": gamma, "on_truncation": on_truncation, "seed": seed}
    shaped, paid = parse(shaping, "shaping", SHAPINGS), parse(bonus, "bonus", BONUSES)
    _known("shaping", shaped, SHAPINGS)
    _known("bonus", paid, BONUSES)
    if shaping == bonus == "none":
        return None

    def wrapper(env: Any) -> Any:
        known = given | _actions(env) | {"obs_names": wrappers.observation_names(env)}
        if shaping != "none":
            env = wrap(env, _make("a shaping", shaped, SHAPINGS, _reward_method, known))
        if bonus != "none":
            env = wrap(env, _paying(paid, known))
        return env

    return wrapper


def transform_of(
    specification: str, *, num_actions: int | None = None, obs_names: Sequence[str] = (), seed: int = 0
) -> RewardTransform | None:
    """Transform of finished episodes.

    Args:
        specification: see the module; ``none`` for nothing.
        num_actions: how many integer actions there are; None where actions are real numbers.
        obs_names: what the numbers of an observation are called.
        seed: of what is random in it.

    Raises:
        ValueError: an unknown name, or a value that is not allowed.
        TypeError: a key that the transform does not take.
    """
    parsed = parse(specification, "transform", TRANSFORMS)
    _known("transform", parsed, TRANSFORMS)
    if specification == "none":
        return None
    given = {"num_actions": num_actions, "obs_names": obs_names, "seed": seed}
    made: RewardTransform = _make("a transform", parsed, TRANSFORMS, lambda x: isinstance(x, RewardTransform), given)
    return made


def parameters(builder: Builder) -> list[inspect.Parameter]:
    """What a specification may say to a builder of the tables: numbers and words, but not what a training knows."""
    found = inspect.signature(_builder(builder)).parameters.values()
    objects = ("Signal", "Callable", "Sequence[Soft", "Sequence[Hard", "Learning", "Mapping", "Key")
    own = ("gamma", "on_truncation", "num_actions", "action_size", "first_row", "obs_names")
    return [p for p in found if p.name not in own and not any(word in str(p.annotation) for word in objects)]


def _paying(specification: Specification, given: Mapping[str, Any]) -> RewardMethod:
    """The bonus, with what says how it is paid."""
    named = dict(specification.named)
    if len(specification.values) > 1:
        raise TypeError(f"bonus {specification.name} takes one number, coef, got {len(specification.values)}")
    if specification.values:
        if "coef" in named:
            raise TypeError(f"bonus {specification.name} got coef both as a number and by its name")
        named["coef"] = specification.values[0]
    if not specification.outside:
        own = [p.name for p in parameters(BONUSES[specification.name])]
        for name in named:
            if name not in (*own, *_PAYING, *_NEUTRAL):
                raise unknown_keyword(f"bonus {specification.name}", name, (*own, *_PAYING, *_NEUTRAL))
    how: dict[str, Any] = {k: named.pop(k) for k in _PAYING if k in named}
    back: dict[str, Any] = {k: named.pop(k) for k in _NEUTRAL if k in named}
    if how.get("normalise") == "return":
        how["gamma"] = given["gamma"]
    bare = Specification(specification.name, (), named)
    bonus = _make("a bonus", bare, BONUSES, lambda x: isinstance(x, Bonus), given)
    if not back:
        return wrappers.BonusReward(bonus, **how)
    if back.pop("neutral", False) is not True:
        raise ValueError(f"bonus {specification.name}: delay and horizon need neutral=true")
    ending = {"gamma": given["gamma"], "on_truncation": given["on_truncation"]}
    return wrappers.ReturnNeutralBonus(wrappers.PaidBonus(bonus, **how), **{"delay": None, **back}, **ending)


def _known(kind: str, specification: Specification, table: Mapping[str, Any]) -> None:
    """Raise ValueError for a name that is neither known nor from outside."""
    if specification.name == "none":
        if specification.values or specification.named:
            raise ValueError(f"{kind} none takes no values")
    elif not specification.outside and specification.name not in table:
        raise unknown_name(kind, specification.name, ["none", *table])


def _make(
    kind: str,
    specification: Specification,
    table: Mapping[str, Builder],
    wanted: Callable[[Any], bool],
    given: Mapping[str, Any],
) -> Any:
    if specification.outside:
        found = imported(specification, wanted, kind, given)
        return copy.deepcopy(found)  # an object of the module keeps its memory to itself
    return build(_builder(table[specification.name]), specification, given)


def _builder(builder: Builder) -> Callable[..., Any]:
    """The function itself, or the class of that name in the toolkit."""
    found: Callable[..., Any] = getattr(wrappers, builder) if isinstance(builder, str) else builder
    return found


def _reward_method(thing: Any) -> bool:
    """Whether it may be put around an environment; a bonus alone is no reward."""
    return isinstance(thing, RewardMethod) and not isinstance(thing, Bonus)


def _actions(env: Any) -> dict[str, Any]:
    """``num_actions`` and ``action_size`` of an environment of any kind."""
    space = getattr(env, "single_action_space", getattr(env, "action_space", None))
    if isinstance(space, gym.spaces.Discrete):
        return {"num_actions": int(space.n), "action_size": 1}
    if isinstance(space, gym.spaces.MultiDiscrete):
        return {"num_actions": int(space.nvec.max()), "action_size": int(space.nvec.size)}
    if isinstance(space, gym.spaces.Box):
        return {"num_actions": None, "action_size": int(space.shape[0]) if space.shape else 1}
    return {"num_actions": getattr(env, "num_actions", None), "action_size": getattr(env, "action_size", 1)}
