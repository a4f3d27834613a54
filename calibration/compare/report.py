"""One call from an id and names of rewards to distances, regrets, cliffs and curves: what ``payoff compare`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from payoff.calibration.compare.canonical import KINDS, canonicalise
from payoff.calibration.compare.cliff import CliffReport, policy_cliff
from payoff.calibration.compare.distance import NORMS, distance, distances, standardise
from payoff.calibration.compare.fitted import SAMPLED_KINDS, FittedModel
from payoff.calibration.compare.layers import Layer, evaluate, parse
from payoff.calibration.compare.model import MOST_DENSE, TabularModel
from payoff.calibration.compare.overoptimisation import Curve, over_optimisation
from payoff.calibration.compare.regret import normalised_regret, regret_bound, span, worst_case_regret
from payoff.calibration.compare.sampled import collect
from payoff.calibration.compare.tabulate import tabulate, tabulate_method
from payoff.envs import registry
from payoff.envs.core.game import Game
from payoff.envs.core.params import check_number, check_word
from payoff.envs.core.state import Array
from payoff.envs.mdp import TooManyStatesError, as_mdp
from payoff.wrappers import LearnedReward

__all__ = ["Comparison", "Judged", "Plan", "compare_layers"]


@dataclass(frozen=True, slots=True)
class Judged:
    """One reward, judged by the payoff, on an exact model.

    Attributes:
        name: of the reward.
        distance: from the payoff.
        regret: share of the payoff's span that a policy loses which is optimal for this reward.
        worst: share that is lost at worst on moving to a policy that this reward likes at least as well.
        bound: upper bound of ``worst`` by the distance; above 1 it says nothing.
        cliff: how its own optimal policy answers small changes of it; None where no policy is better than another.
        width: its own largest return minus its smallest.
    """

    name: str
    distance: float
    regret: float
    worst: float
    bound: float
    cliff: CliffReport | None
    width: float


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Distances between rewards, and what else is known.

    Attributes:
        env_id: the game.
        names: of the rewards, n.
        table: ``(n, n)`` distances.
        canon: kind of the canonical forms.
        norm: of them.
        weighted: whether the norm weighs transitions by their probability.
        gamma: discount.
        basis: what the numbers rest on, in words.
        floor: ``(n,)`` noise floors of sampled distances; None where distances are exact.
        flat: rewards about which the sample says nothing: they paid the same on every transition, and that was 0 or no
            episode ended by itself.
        judged: of exact models of up to MOST_DENSE states.
        curves: reward -> payoff as it is pressed harder, where they were asked for.
    """

    env_id: str
    names: tuple[str, ...]
    table: Array
    canon: str
    norm: str
    weighted: bool
    gamma: float
    basis: str
    floor: Array | None = None
    flat: tuple[str, ...] = ()
    judged: tuple[Judged, ...] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to compare.

    Attributes:
        canon: kind of canonical form; None: ``"val"`` where distances are exact, else ``"val_potential"``.
        norm: one of ``NORMS``.
        weighted: weigh transitions by their probability (exact distances only; a sample is weighted as it is).
        gamma: discount, in (0, 1).
        sampled: sample even where an exact model could be made.
        starts: seeds of the starts of an exact model.
        max_states: largest exact model.
        samples: transitions of a sample.
        agent: seat whose rewards are compared.
        seed: of the sample, its features and the changes that are tried at a cliff.
        epsilon: size of those changes, in (0, 1], as a share of the largest advantage that the reward gives an action
            over random play: the same for rewards that differ by shaping, whose own ranges differ.
        curves: whether to compute over-optimisation curves (exact models only).
    """

    canon: str | None = None
    norm: str = "l2"
    weighted: bool = False
    gamma: float = 0.99
    sampled: bool = False
    starts: tuple[int, ...] = (0,)
    max_states: int = 10_000
    samples: int = 20_000
    agent: int = 0
    seed: int = 0
    epsilon: float = 0.01
    curves: bool = False

    def __post_init__(self) -> None:
        """Check what is checked nowhere else (ValueError)."""
        check_word("norm", self.norm, NORMS)
        check_number("gamma", self.gamma, 0.0, 1.0, open_low=True, open_high=True)
        check_number("epsilon", self.epsilon, 0.0, 1.0, open_low=True)
        if self.canon is not None:
            check_word("canon", self.canon, KINDS)


def compare_layers(
    env_id: str,
    layers: Sequence[str],
    plan: Plan | None = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    learned: Mapping[str, LearnedReward] | None = None,
) -> Comparison:
    """Compare rewards of a game: exactly on the model of a tabular game of one player, else from samples.

    Args:
        env_id: environment id; the namespace may be left out.
        layers: names of rewards, see :mod:`payoff.calibration.compare.layers`.
        plan: how; None: the defaults.
        parameters: keywords of the game.
        learned: further rewards by name, which are compared on exact models; with the layers, at least two.

    Raises:
        ValueError: a name, a setting or a parameter is not allowed, the exact model is too large, or there is none for
            a learned reward.
        TypeError: an unknown parameter.
    """
    plan = Plan() if plan is None else plan
    env_id = registry.full_id(env_id)
    learned = dict(learned or {})
    names = [*layers, *learned]
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(f"layers must name at least two different rewards, got {', '.join(names) or 'none'}")
    parsed = [parse(name) for name in layers]
    game = registry.load(env_id)
    keywords = dict(parameters or {})
    params = game.params.from_keywords(env_id, keywords)
    exact = game.tabular and game.shape(params).n_agents == 1 and not plan.sampled
    if not exact and learned:
        raise ValueError(f"learned rewards are compared on exact models, and {env_id} is sampled")
    if not exact:
        return _sampled(env_id, parsed, plan, keywords)
    if plan.agent != 0:
        raise ValueError(f"agent must be 0: {env_id} has one player, got {plan.agent}")
    return _exact(game, params, parsed, plan, keywords, learned)


def _exact(
    game: Game[Any],
    params: Any,
    layers: list[Layer],
    plan: Plan,
    keywords: dict[str, Any],
    learned: Mapping[str, LearnedReward],
) -> Comparison:
    try:
        mdp = as_mdp(game.id, list(plan.starts), max_states=plan.max_states, **keywords)
    except TooManyStatesError as error:
        raise ValueError(f"{error}: allow more, choose smaller parameters, or compare samples") from error
    model = TabularModel.from_mdp(mdp, plan.gamma)
    terms = tabulate(
        game,
        params,
        mdp,
        layers=[name for layer in layers for name in layer.rewards],
        keys=[key for layer in layers for key in layer.keys],
    )
    rewards = {layer.name: model.align(evaluate(layer, terms, plan.gamma)) for layer in layers}
    for name, reward in learned.items():
        rewards[name] = model.align(tabulate_method(game, params, mdp, partial(_itself, reward)))
    payoff = model.align(terms.payoff)
    canon = plan.canon or "val"
    table = distances(list(rewards.values()), model, canon, plan.norm, weighted=plan.weighted)
    small = model.n_states <= MOST_DENSE
    if plan.curves and not small:
        raise ValueError(f"curves need a model of at most {MOST_DENSE} states, {game.id} has {model.n_states}")
    return Comparison(
        env_id=game.id,
        names=tuple(rewards),
        table=table,
        canon=canon,
        norm=plan.norm,
        weighted=plan.weighted,
        gamma=plan.gamma,
        basis=f"exact, {model.n_states:,} states and {model.n_actions} actions",
        judged=tuple(_judge(name, r, payoff, model, plan, canon) for name, r in rewards.items()) if small else (),
        curves={name: over_optimisation(payoff, r, model) for name, r in rewards.items()} if plan.curves else {},
    )


def _itself(reward: LearnedReward) -> LearnedReward:
    """What remembers nothing need not be made anew."""
    return reward


def _judge(name: str, reward: Array, payoff: Array, model: TabularModel, plan: Plan, canon: str) -> Judged:
    width = span(payoff, model).width
    sound = "val" if canon == "dard" else canon  # DARD bounds nothing
    bound = regret_bound(payoff, reward, model, sound, plan.norm, weighted=plan.weighted).constant
    cliff, size = None, float(np.abs(canonicalise(reward, model)).max())
    if standardise(reward, model).any():
        cliff = policy_cliff(reward, model, plan.epsilon * size, temperature=size, tries=8, seed=plan.seed)
    return Judged(
        name=name,
        distance=distance(payoff, reward, model, canon, plan.norm, weighted=plan.weighted),
        regret=normalised_regret(payoff, reward, model),
        worst=worst_case_regret(payoff, reward, model).share,
        bound=bound / width if width > 0.0 else 0.0,
        cliff=cliff,
        width=span(reward, model).width,
    )


def _sampled(env_id: str, layers: list[Layer], plan: Plan, keywords: dict[str, Any]) -> Comparison:
    canon = plan.canon or "val_potential"
    if canon not in SAMPLED_KINDS:
        raise ValueError(f"canon must be one of {', '.join(SAMPLED_KINDS)} where {env_id} is sampled, got {canon!r}")
    if plan.curves:
        raise ValueError(f"curves need an exact model, and {env_id} is sampled here")
    if plan.weighted:
        raise ValueError("weighted is for exact models: a sample is weighted by how often transitions occur")
    samples = collect(
        env_id,
        layers=[name for layer in layers for name in layer.rewards],
        keys=[key for layer in layers for key in layer.keys],
        samples=plan.samples,
        seed=plan.seed,
        agent=plan.agent,
        **keywords,
    )
    fitted = FittedModel(samples, plan.gamma, seed=plan.seed)
    rewards = [evaluate(layer, samples.terms, plan.gamma) for layer in layers]
    return Comparison(
        env_id=env_id,
        names=tuple(layer.name for layer in layers),
        table=fitted.distances(rewards, canon, plan.norm),
        canon=canon,
        norm=plan.norm,
        weighted=False,
        gamma=plan.gamma,
        basis=f"{len(samples):,} transitions of uniformly random play, seat {plan.agent}",
        floor=np.array([fitted.noise_floor(r, canon, plan.norm) for r in rewards]),
        flat=tuple(layer.name for layer, r in zip(layers, rewards, strict=True) if fitted.flat(r)),
    )
