"""What every environment of one player with a known optimum promises, whatever its problem."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.certifying import random_play
from payoff.envs.core.game import Episode, paid
from payoff.envs.core.state import OVER
from payoff.envs.mdp import as_mdp, from_rows
from payoff.envs.theory import tabular

SOLVED = [i for i in payoff.ids() if registry.load(i).optimum is not None]
CONTINUOUS = [i for i in SOLVED if registry.load(i).shape(registry.load(i).params()).n_actions is None]
LEVELS = [(i, level) for i in SOLVED for level in registry.load(i).levels]
each = pytest.mark.parametrize("game_id", SOLVED, ids=lambda i: i.removeprefix("payoff/"))
each_level = pytest.mark.parametrize(("game_id", "level"), LEVELS, ids=[f"{i[7:]}-{level}" for i, level in LEVELS])


def rollout(env_id, keywords, seed):
    """An episode of the game's own policy, sent as it is, and what its optimum promised at the start."""
    game = registry.load(env_id)
    params = game.params.from_keywords(env_id, dict(keywords))
    env = payoff.multi_agent_vec(env_id, 1, autoreset_mode="disabled", info="minimal", **keywords)
    env.reset(seed=seed)
    promised = game.optimum(params, env.engine.state[0].copy())[0]
    payoffs = []
    while env.engine.state[0, OVER] == 0.0:
        action = game.policy(params, env.engine.state[0].copy())
        env.step(np.asarray(action, dtype=float).reshape(1, 1, -1))
        payoffs.append(env.engine.payoff[0].copy())
    episode = Episode(np.array(payoffs), env.engine.state[0].copy(), bool(env.engine.flags[0, 0]))
    return promised, episode, params


@each
def test_it_says_how_its_optimum_is_known(game_id):
    game = registry.load(game_id)
    assert game.optimum_kind in ("exact", "exact_small", "reference")
    assert game.success is not None and game.policy is not None
    assert game.tabular == ("tabular" in registry.load(game_id).tags)
    assert list(game.levels)[-1] == "hard" and len(game.levels) >= 3
    assert (game.bound is not None) == (game.optimum_kind == "reference")
    held = payoff.certificate(game_id)
    assert held.optimum_kind == game.optimum_kind
    certified = [dict(level.parameters) for level in held.levels]
    assert all(dict(keywords) in certified for keywords in game.levels.values())


@pytest.mark.parametrize("game_id", [i for i in SOLVED if "sparse" in registry.load(i).tags])
def test_undirected_search_fails_at_the_hard_level_of_a_sparse_problem(game_id):
    game = registry.load(game_id)
    held = payoff.certificate(game_id)
    hard = next(x for x in held.levels if dict(x.parameters) == dict(game.levels["hard"]))
    assert hard.random_success.mean + 2 * hard.random_success.standard_error < 1e-3


@each_level
def test_own_policy_keeps_what_the_optimum_promises(game_id, level):
    """To 1e-9 where nothing is drawn after the reset, within four standard errors of the mean elsewhere."""
    game = registry.load(game_id)
    keywords = game.levels[level]
    fixed = game.chance is None and not game.noisy
    runs = [rollout(game_id, keywords, seed) for seed in range(3 if fixed else 100)]
    gaps = np.array([promised - episode.payoff.sum() for promised, episode, _ in runs])
    if fixed:
        assert np.abs(gaps).max() < 1e-9
    else:
        assert abs(gaps.mean()) < 4 * gaps.std(ddof=1) / np.sqrt(len(gaps)) + 1e-9
    if game.optimum_kind == "exact" and fixed:
        assert all(game.success(params, episode) for promised, episode, params in runs if promised > 0)


@pytest.mark.parametrize("actions", [None, "native"])
@pytest.mark.parametrize("game_id", CONTINUOUS, ids=lambda i: i.removeprefix("payoff/"))
def test_policy_speaks_the_units_of_the_default_view(game_id, actions):
    """What it returns lies in the box of gym.make(id), [-1, 1], and earns the optimum there.

    The native boxes of these games lie around 0, so native units are these times the upper bound.
    """
    game = registry.load(game_id)
    env = gym.make(game_id, **({} if actions is None else {"actions": actions}))
    env.reset(seed=0)
    engine = env.unwrapped.engine
    high = game.bounds(engine.rows[0])[0, :, 1]
    promised, paid_so_far, over = game.optimum(engine.rows[0], engine.state[0].copy())[0], 0.0, False
    while not over:
        action = game.policy(engine.rows[0], engine.state[0].copy())
        assert action.shape == high.shape and np.abs(action).max() <= 1.0
        _, reward, terminated, truncated, _ = env.step(action if actions is None else action * high)
        paid_so_far, over = paid_so_far + reward, terminated or truncated
    assert paid_so_far == pytest.approx(promised, abs=1e-9)


@pytest.mark.parametrize("written", ["native", "unit", "discrete:5"])
def test_policy_is_written_as_the_default_view_takes_it(written):
    """Native (0, 0.05) of [-0.2, 0.2] x [0, 0.1]: the middle of both, whatever the game declares."""
    game = registry.load("payoff/RedundantArm-v0")
    bounds = np.array([(-0.2, 0.2), (0.0, 0.1)])
    rules = dataclasses.replace(game.rules, actions=lambda p: bounds, default_actions=written)
    theory = dataclasses.replace(game.theory, policy=lambda p, *state: (0.0, 0.05))
    params = game.params(joints=2)
    row = np.zeros(game.shape(params).layout.size)
    found = dataclasses.replace(game, rules=rules, theory=theory).policy(params, row)
    expected = {"native": (0.0, 0.05), "unit": (0.0, 0.0), "discrete:5": (2.0, 2.0)}[written]
    assert found.tolist() == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("game_id", [i for i in SOLVED if registry.load(i).tabular])
def test_optimum_is_that_of_the_exact_model(game_id):
    """At the easiest level of a tabular game: dynamic programming over the enumerated model."""
    game = registry.load(game_id)
    keywords = next(iter(game.levels.values()))
    params = game.params.from_keywords(game_id, dict(keywords))
    model = as_mdp(game_id, starts=range(3), **keywords)
    begun = np.flatnonzero(model.initial)
    values = tabular.finite_horizon(model, None, game.shape(params).max_steps)
    for s in begun:
        assert game.optimum(params, model.states[s])[0] == pytest.approx(values[s], abs=1e-9)
        again = from_rows(game, params, model.states[s : s + 1])
        assert tabular.finite_horizon(again, None, game.shape(params).max_steps)[0] == pytest.approx(
            values[s], abs=1e-9
        )


@each
def test_random_play_is_what_the_certificate_says(game_id):
    """The easiest level, played: within five standard errors (of both) of the certified success and return."""
    game = registry.load(game_id)
    keywords = next(iter(game.levels.values()))
    params = game.params.from_keywords(game_id, dict(keywords))
    level = next(x for x in payoff.certificate(game_id).levels if dict(x.parameters) == dict(keywords))
    held = level.random_success
    played = random_play(game, params, 1024, seed=10_000)
    share = np.mean([game.success(params, episode) for episode in played])
    error = np.hypot(np.sqrt(max(held.mean * (1 - held.mean), 1 / len(played)) / len(played)), held.standard_error)
    assert abs(share - held.mean) < 5 * error
    returns = np.array([episode.payoff.sum() for episode in played])
    error = np.hypot(returns.std() / np.sqrt(len(played)), level.random_return.standard_error)
    # where next to nothing is ever paid, so few episodes may pay nothing at all
    rare = level.optimum.mean * np.sqrt(held.mean / len(played))
    assert abs(returns.mean() - level.random_return.mean) < 5 * max(error, rare) + 1e-12
    assert level.random_return.mean < level.optimum.mean


@pytest.mark.parametrize(
    ("game_id", "chance"),
    [
        # the chest takes N moves to the right in a row, of two actions
        ("payoff/DeepSea-v0", lambda level: 2.0 ** -level.parameters.get("size", 10)),
        # one of as many branches as there are choices
        ("payoff/Bifurcation-v0", lambda level: 1.0 / level.parameters.get("choices", 2)),
    ],
)
def test_random_success_is_exact_where_it_is_known(game_id, chance):
    for level in payoff.certificate(game_id).levels:
        assert level.random_episodes is None
        assert level.random_success.mean == pytest.approx(chance(level), rel=1e-12)


def test_certified_figures_of_sparse_ones_are_computed_or_of_many_episodes():
    for game_id in SOLVED:
        for level in payoff.certificate(game_id).levels:
            assert level.random_episodes is None or level.random_episodes >= 20_000


def test_paid_is_something_above_zero():
    last = np.zeros(5)
    assert paid(None, Episode(np.array([[0.0], [1e-9]]), last, True))
    assert not paid(None, Episode(np.array([[0.0], [-1.0]]), last, True))
