"""What an expression would do to the optimal policy of a game with an exact model.

Findings in the form of :mod:`payoff.wrappers.llm.verdict`, which says what play at random can tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from payoff.calibration.compare.cycles import best_cycle
from payoff.calibration.compare.distance import distance
from payoff.calibration.compare.model import MOST_DENSE, TabularModel
from payoff.calibration.compare.regret import normalised_regret
from payoff.calibration.compare.tabulate import tabulate_method
from payoff.envs import registry
from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.envs.core.state import Array
from payoff.envs.mdp import TooManyStatesError, as_mdp
from payoff.wrappers import ExpressionReward, Finding, PotentialShaping, RewardMethod, from_expression
from payoff.wrappers.llm.expression_reward import LIMIT
from payoff.wrappers.llm.verdict import USES, Use

__all__ = ["MOST_LOST", "exact_findings"]

MOST_LOST = 0.001  # share of the payoff's span that following an expression may cost
_TINY = 1e-6  # as a share of the largest reward: what the programme is solved to


def exact_findings(
    env_id: str,
    text: str,
    *,
    use: Use = "potential",
    limit: float = LIMIT,
    gamma: float = 0.99,
    max_states: int = 10_000,
    parameters: Mapping[str, Any] | None = None,
) -> tuple[Finding, ...]:
    """Demands on an expression in a tabular game of one player, by name.

    - ``everywhere``: it has a value on every transition of the model;
    - ``no cycle``: it pays no play that never ends, or pays best what the payoff pays best;
    - ``follows the payoff``: a policy that is optimal under the new reward loses at most ``MOST_LOST`` of the span
      between the best and the worst return in payoff.

    As a potential it meets the last two by theorem, and what is looked at is whether it is a function of the state of
    this game: then gamma = 1 sums it up to 0 on every cycle.

    Args:
        env_id: environment id; the namespace may be left out.
        text: the expression, of observations with the setting ``full``.
        use: what for.
        limit: size to which its values are cut.
        gamma: the learner's discount, in (0, 1).
        max_states: largest model.
        parameters: keywords of the game.

    Returns:
        One finding of the name ``exact``, which says why there are no others, where there is no such model.

    Raises:
        ValueError: an argument is out of its range, or the expression cannot be used there.
        TypeError: an unknown parameter.
    """
    check_word("use", use, USES)
    check_number("gamma", gamma, 0.0, 1.0, open_low=True, open_high=True)
    check_integer("max_states", max_states, 1)
    game = registry.load(env_id)
    keywords = dict(parameters or {})
    params = game.params.from_keywords(game.id, keywords)
    if not game.tabular or game.shape(params).n_agents != 1:
        return (Finding("exact", None, f"{game.id} has no exact model of one player"),)
    names = [name.replace(" ", "_") for name in game.plan([params], [0], "full").names]
    made = partial(_method, text, names, limit, use)
    made(gamma)  # what cannot be made is told before the model is
    try:
        mdp = as_mdp(game.id, [0], max_states=max_states, **keywords)
    except TooManyStatesError as error:
        return (Finding("exact", None, str(error)),)
    model = TabularModel.from_mdp(mdp, gamma)
    try:
        paid = [model.align(tabulate_method(game, params, mdp, partial(made, g))) for g in (gamma, 1.0)]
    except ValueError as error:
        return (Finding("everywhere", False, str(error)),)
    payoff = model.align(mdp.reward)
    everywhere = Finding("everywhere", True, f"in {model.n_states:,} states and {model.n_actions} actions")
    cycle = _cycle(paid[1] - payoff if use == "potential" else paid[0], payoff, model)
    if model.n_states > MOST_DENSE:
        return (everywhere, cycle, Finding("follows the payoff", None, f"more than {MOST_DENSE} states"))
    return (everywhere, cycle, _regret(paid[0], payoff, model))


def _method(text: str, names: Sequence[str], limit: float, use: Use, gamma: float) -> RewardMethod:
    if use != "potential":
        return ExpressionReward(text, names=names, added=use == "added", limit=limit)
    potential = from_expression(text, names=names, limit=limit)
    return PotentialShaping(potential, gamma=gamma, on_truncation="bootstrap")


def _cycle(reward: Array, payoff: Array, model: TabularModel) -> Finding:
    """Whether going round for ever is paid, and whether the payoff wants it."""
    name = "no cycle"
    found = best_cycle(reward, model)
    if found is None:
        return Finding(name, True, "every episode ends, whatever is done")
    paid, _ = found
    rounding = _TINY * max(1.0, float(np.abs(reward).max()), float(np.abs(payoff).max()))
    paid_a_step = paid if abs(paid) > rounding else 0.0
    told, numbers = f"the best-paid play that never ends gets {paid_a_step:.4g} a step", {"paid a step": paid_a_step}
    if paid <= rounding:
        return Finding(name, True, told, numbers)
    most = best_cycle(payoff, model)
    there = best_cycle(payoff, model, among=reward, at_least=paid - rounding)
    assert most is not None and there is not None  # the play that was found is open to both
    real = there[0] if abs(there[0]) > rounding else 0.0
    if most[0] > rounding and real >= most[0] - rounding:
        return Finding(name, True, f"{told}, and {real:.4g} in payoff, the most there is", numbers)
    return Finding(name, False, f"{told}, and {real:.4g} in payoff: it can be farmed", numbers)


def _regret(reward: Array, payoff: Array, model: TabularModel) -> Finding:
    lost = normalised_regret(payoff, reward, model)
    apart = distance(payoff, reward, model)
    shown = f"{100.0 * round(lost, 9):.3g} % of the payoff's span; distance from the payoff {round(apart, 9):.3g} of 2"
    numbers = {"regret": lost, "distance": apart}
    return Finding("follows the payoff", lost <= MOST_LOST, f"its best policy loses {shown}", numbers)
