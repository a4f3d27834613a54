"""Tables of a game's rewards agree with play, and a wrapper's rewards are as far from the payoff as theory says."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.calibration import TabularModel, distance, tabulate, tabulate_method
from payoff.envs import registry
from payoff.envs.mdp import canonical
from payoff.game import jit
from payoff.rewards import of_payoffs
from payoff.wrappers import DelayReward, PotentialShaping, from_info, wrap

GAMMA = 0.95
GAMES = (
    ("payoff/CliffWalk-v0", {"height": 3, "width": 4, "slip": 0.3, "aux": "dense"}),
    ("payoff/GridNav-v0", {"aux": "misleading", "noise": 0.2}),
    ("payoff/FillerSteps-v0", {}),
    ("payoff/Tamper-v0", {}),
)


def made(env_id, parameters):
    game = registry.load(env_id)
    return game, game.params(**parameters), payoff.as_mdp(env_id, starts=[0], **parameters)


def played(env_id, parameters, mdp, steps, method=None):
    """Random play of a vector environment, wrapped or not: (state, action, next state, reward, info) of each step."""
    env = gym.make_vec(env_id, num_envs=16, vectorization_mode="vector_entry_point", **parameters)
    engine = env.unwrapped.engine
    env = env if method is None else wrap(env, method)
    env.reset(seed=[0] * 16)
    numbers = {row.tobytes(): i for i, row in enumerate(mdp.states)}

    def number():
        """States of the model; -1 for those of episodes that began elsewhere."""
        return np.array([numbers.get(row.tobytes(), -1) for row in canonical(engine.state, engine.shape.layout)])

    rng = np.random.default_rng(0)
    at, over = number(), np.zeros(16, dtype=bool)
    for _ in range(steps):
        actions = rng.integers(0, mdp.n_actions, 16)
        _, reward, terminated, truncated, info = env.step(actions)
        reached = number()
        # the call that restarts a copy is no step, and the last step before the horizon may pay otherwise
        keep = ~over & ~truncated & (at >= 0)
        yield (
            at[keep],
            actions[keep],
            reached[keep],
            reward[keep],
            {k: _rows(info, k, keep) for k in ("aux", "progress")},
        )
        at, over = reached, terminated | truncated


def _rows(info, key, keep):
    value = info.get(key)
    return None if value is None else np.asarray(value)[keep]


def test_tables_agree_with_random_play():
    for env_id, parameters in GAMES:
        game, params, mdp = made(env_id, parameters)
        terms = tabulate(game, params, mdp, layers=["private", "self_interest:0.3"], keys=["progress"])
        np.testing.assert_array_equal(terms.payoff, mdp.reward)
        np.testing.assert_array_equal(terms.rewards["private"], terms.payoff)
        np.testing.assert_array_equal(terms.rewards["self_interest:0.3"], terms.payoff)  # one seat has no others
        seen = 0
        for at, action, reached, reward, info in played(env_id, parameters, mdp, 150):
            for i in range(len(at)):
                found = np.flatnonzero(mdp.next_state[at[i], action[i]] == reached[i])
                assert found.size
                here = at[i], action[i], found  # outcomes that lead there; chance may have made any of them
                assert (terms.before["progress"][here] == terms.before["progress"][at[i], 0, 0]).all()
                np.testing.assert_allclose(terms.after["progress"][here], info["progress"][i], atol=1e-12)
                outcomes = np.stack([mdp.reward[here], terms.aux[here]])
                assert np.abs(outcomes - [[reward[i]], [info["aux"][i]]]).max(axis=0).min() < 1e-12
                seen += 1
        assert seen > 500, env_id


def through_the_wrapper(env_id, parameters, mdp, method, steps=400):
    """Mean reward that a wrapped vector environment paid for each transition, ``(S, A, K)``; NaN where it made none."""
    total, count = np.zeros(mdp.reward.shape), np.zeros(mdp.reward.shape)
    for at, action, reached, reward, _ in played(env_id, parameters, mdp, steps, method):
        same = mdp.next_state[at, action] == reached[:, None]
        for i in range(len(at)):
            total[at[i], action[i], same[i]] += reward[i]
            count[at[i], action[i], same[i]] += 1
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


SMALL = ("payoff/CliffWalk-v0", {"height": 3, "width": 4, "variant": "sparse"})


def shaping(gamma=GAMMA):
    return PotentialShaping(from_info("progress"), gamma=gamma, on_truncation="bootstrap", scale=2.0)


def test_a_wrapped_game_is_at_distance_0_from_its_payoff():
    game, params, mdp = made(*SMALL)
    model = TabularModel.from_mdp(mdp, GAMMA)
    paid = through_the_wrapper(*SMALL, mdp, shaping(), steps=600)
    running = ~mdp.terminal
    assert np.isfinite(paid[running]).all()  # play has made every transition
    paid = np.where(running[:, None, None], paid, 0.0)
    for kind in ("val", "val_potential", "epic", "dard", "minimal_potential"):
        assert distance(mdp.reward, paid, model, kind) < 1e-9
    assert distance(mdp.reward, paid, model, "none") > 0.1
    # what the table of the method says is what the wrapper pays
    np.testing.assert_allclose(tabulate_method(game, params, mdp, shaping), paid, atol=1e-12)


def test_only_the_right_shaping_is_at_distance_0():
    for env_id, parameters in GAMES:
        game, params, mdp = made(env_id, parameters)
        model = TabularModel.from_mdp(mdp, GAMMA)
        right = tabulate_method(game, params, mdp, shaping)
        wrong = tabulate_method(game, params, mdp, lambda: shaping(gamma=0.5))
        terms = tabulate(game, params, mdp, keys=["progress"])
        own = mdp.reward + 2.0 * model.shaping(terms.before["progress"][:, 0, 0])
        np.testing.assert_allclose(model.align(right), model.align(own), atol=1e-9)
        assert distance(mdp.reward, right, model) < 1e-9
        assert distance(mdp.reward, wrong, model) > 1e-3, env_id


def test_a_method_with_memory_is_seen_on_its_first_step():
    game, params, mdp = made(*SMALL)
    paid = tabulate_method(game, params, mdp, DelayReward)
    ends = mdp.terminal[mdp.next_state] & ~mdp.terminal[:, None, None]
    np.testing.assert_array_equal(paid, np.where(ends, mdp.reward, 0.0))


@of_payoffs
def tripled(payoffs):
    return 3.0 * payoffs


def test_layers_are_told_from_the_payoff():
    """A layer of another package that pays three times the payoff."""
    game, params, mdp = made(*SMALL)
    name = f"{__name__}:tripled"
    terms = tabulate(game, params, mdp, layers=[name])
    np.testing.assert_allclose(terms.rewards[name], 3.0 * terms.payoff, atol=1e-12)
    assert np.abs(terms.payoff).max() > 0.0


def test_what_cannot_be_tabulated_is_refused():
    game, params, mdp = made(*SMALL)
    with pytest.raises(ValueError, match="reports no number 'trust' of a state; it reports: progress"):
        tabulate(game, params, mdp, keys=["trust"])
    with pytest.raises(ValueError, match="reward must be one of"):
        tabulate(game, params, mdp, layers=["privat"])
    with pytest.raises(ValueError, match="is no model of payoff/CliffWalk-v0"):
        tabulate(game, dataclasses.replace(params, variant="cost"), mdp)
    with pytest.raises(ValueError, match="is no model of payoff/CliffWalk-v0"):  # the same states, other payoffs
        tabulate(game, params, dataclasses.replace(mdp, reward=mdp.reward * (1.0 + 1e-6)))
    other = registry.load("payoff/KeyRoom-v0")
    with pytest.raises(ValueError, match="is no model of payoff/KeyRoom-v0"):
        tabulate(other, other.params(), mdp)
    for name in ("TrustDilemma", "Congestion", "Minesweeper"):  # two seats, many seats, no list of states
        other = registry.load(f"payoff/{name}-v0")
        with pytest.raises(ValueError, match=f"payoff/{name}-v0 is no tabular game of one player"):
            tabulate(other, other.params(), mdp)


@jit
def thousandth_of_the_event(p, s):
    """Small, so that nothing but equality passes for the same."""
    return 0.001 * s.event


def test_an_entry_that_the_state_does_not_decide_is_no_potential():
    """The caption's event says how a state was reached, and is no part of it."""
    game, params, mdp = made(*SMALL)
    telling = dataclasses.replace(game, info={**game.info, "event": thousandth_of_the_event})
    with pytest.raises(ValueError, match=r"info\['event'\] of payoff/CliffWalk-v0 is no function of the state"):
        tabulate(telling, params, mdp, keys=["event"])
