"""Bifurcation: what its exact advantages say, against its own kernel and against the formula."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import CLOCK
from payoff.envs.sparse.bifurcation import V0, BifurcationParams, advantages, state_index
from payoff.envs.theory import tabular

ID = "payoff/Bifurcation-v0"
GAME = registry.load(ID)
LAYOUT = V0.shape(BifurcationParams()).layout
STEP, LANE, BRANCH = (LAYOUT.column(name) for name in ("step", "lane", "branch"))
UNDECIDED, GOOD, BAD = range(3)

CASES = [
    {"length": 8, "forks": 3},
    {"length": 7, "forks": 7, "decisive": 6, "choices": 3, "answer": 0, "slip": 0.2},
    {"length": 9, "forks": 2, "decisive": 0, "choices": 4, "answer": 3, "slip": 0.5, "noise": 2.0},
    {"length": 1, "forks": 1, "decisive": 0, "noise": 0.5},
]


def reference(params, state, taken):
    """Next (step, lane, branch) when an action takes effect."""
    step, lane, branch = state
    forks = [int(np.floor((k + 0.5) * params.length / params.forks)) for k in range(params.forks)]
    if step in forks:
        lane = 1 + taken
    if step == forks[params.decisive]:
        branch = GOOD if taken == params.answer else BAD
    return step + 1, lane, branch


@pytest.mark.parametrize("keywords", CASES)
def test_model_follows_the_rules(keywords):
    params, model = BifurcationParams(**keywords), payoff.as_mdp(ID, starts=[0], **keywords)
    states = [tuple(int(row[at]) for at in (STEP, LANE, BRANCH)) for row in model.states]
    n = params.choices
    for s, a in np.ndindex(model.n_states, n):
        assert model.terminal[s] == (states[s][0] == params.length)
        if model.terminal[s]:
            continue
        found, expected = {}, {}
        for k in range(model.next_state.shape[2]):
            event = (states[model.next_state[s, a, k]], model.reward[s, a, k])
            found[event] = found.get(event, 0.0) + model.probability[s, a, k]
        for taken, p in [(a, 1 - params.slip)] + [(b, params.slip / n) for b in range(n)]:
            after = reference(params, states[s], taken)
            end = after[0] == params.length
            for sign in (1, -1):
                pay = float(after[2] == GOOD) + sign * params.noise if end else 0.0
                expected[after, pay] = expected.get((after, pay), 0.0) + p / 2
        live = {e: p for e, p in found.items() if p > 0}
        assert live == pytest.approx({e: p for e, p in expected.items() if p > 0}, abs=1e-15)


@pytest.mark.parametrize("keywords", CASES)
def test_advantages_are_those_of_the_model(keywords):
    """Of the best and of an arbitrary policy: values of the enumerated model, equation (2) of the solver."""
    params, model = BifurcationParams(**keywords), payoff.as_mdp(ID, starts=[0], **keywords)
    running = np.flatnonzero(~model.terminal)
    numbers = [state_index(params, *LAYOUT.open(model.states[s])) for s in running]
    n_states = 3 * params.length * (1 + params.choices)
    assert len(set(numbers)) == len(running) and max(numbers) < n_states
    drawn = np.random.default_rng(0).dirichlet(np.ones(params.choices), n_states)
    in_model = np.full((model.n_states, params.choices), 1 / params.choices)
    in_model[running] = drawn[numbers]
    for given, of_model in ((None, None), (drawn, in_model)):
        values = tabular.finite_horizon(model, of_model, params.length)
        expected = tabular.q_values(model, values, 1.0) - values[:, None]
        found = advantages(params, given)
        assert found.shape == (n_states, params.choices)
        np.testing.assert_allclose(found[numbers], expected[running], atol=1e-12)
        if given is not None:
            np.testing.assert_allclose((drawn * found).sum(axis=1), 0.0, atol=1e-12)


def test_only_the_decisive_step_has_advantages():
    params = BifurcationParams(length=20, forks=5, decisive=3, choices=3, answer=2, slip=0.3, noise=7.0)
    assert params.fork_steps == (2, 6, 10, 14, 18) and params.decisive_step == 14
    policy = np.tile([0.5, 0.3, 0.2], (3 * 20 * 4, 1))
    found = advantages(params, policy).reshape(20, 4, 3, 3)
    np.testing.assert_allclose(np.delete(found, 14, axis=0), 0.0, atol=1e-15)
    np.testing.assert_allclose(found[14], np.broadcast_to([-0.7 * 0.2, -0.7 * 0.2, 0.7 * 0.8], (4, 3, 3)), atol=1e-12)
    best = advantages(params).reshape(20, 4, 3, 3)[14]
    np.testing.assert_allclose(best, np.broadcast_to([-0.7, -0.7, 0.0], (4, 3, 3)), atol=1e-12)


def test_optimum_in_every_state():
    for keywords in CASES:
        params, model = BifurcationParams(**keywords), payoff.as_mdp(ID, starts=[0], **keywords)
        for s, row in enumerate(model.states):
            within, row = tabular.finite_horizon(model, None, params.length - int(row[STEP]))[s], row.copy()
            row[CLOCK] = row[STEP]
            assert GAME.optimum(params, row)[0] == pytest.approx(within, abs=1e-12)
    assert GAME.optimum(BifurcationParams(slip=0.1, choices=4), model.states[0])[0] == pytest.approx(0.925)
    row = payoff.as_mdp(ID, starts=[0]).states[0]
    assert GAME.optimum(BifurcationParams(), row) == (1.0, 32)
    assert GAME.optimum(BifurcationParams(max_steps=31), row) == (0.0, 32)


def test_the_coin_is_fair_and_success_is_the_branch():
    env = payoff.multi_agent_vec(ID, 20_000, length=3, forks=1, decisive=0, noise=3.0, autoreset_mode="disabled")
    env.reset(seed=0)
    actions = np.repeat([0, 1], 10_000)[:, None]
    for step in range(3):
        _, _, terminated, _, info = env.step(actions)
        assert terminated.all() == (step == 2)
    for branch, half in ((0.0, slice(0, 10_000)), (1.0, slice(10_000, None))):
        paid = info["payoff"][half, 0]
        assert set(paid) == {branch - 3.0, branch + 3.0}
        assert abs(paid.mean() - branch) < 4 * 3.0 / 100
    assert (env.engine.state[:, BRANCH] == np.repeat([BAD, GOOD], 10_000)).all()


def test_info_says_what_was_decisive():
    env = gym.make(ID, length=8, forks=4, decisive=2)  # forks at 1, 3, 5, 7
    _, info = env.reset(seed=0)
    captions, rewards = [GAME.captions[info["caption"]]], []
    assert info["decisive_step"] == 5
    for action in (0, 1, 0, 0, 1, 1, 0, 0):
        _, reward, _, _, info = env.step(action)
        captions.append(GAME.captions[info["caption"]])
        rewards.append(reward)
        assert info["decisive_step"] == 5
    other = "took a fork that decides nothing"
    walked = "walked on"
    assert captions[1:] == [walked, other, walked, other, walked, "took the good branch", walked, captions[-1]]
    assert captions[-1] == "arrived in the good branch" and rewards == [0.0] * 7 + [1.0]


def test_branch_is_hidden_from_the_private_observation():
    full, private = (gym.make(ID, length=4, forks=2, decisive=0, observe=o) for o in ("full", "private"))
    seen = {}
    for action in (0, 1):
        for env in (full, private):
            env.reset(seed=0)
            for a in (0, action, 0, 1):  # forks at 1 and 3
                obs = env.step(a)[0]
            seen[action, env is full] = obs
    assert full.observation_space.shape == (5 + 3 + 3,) and private.observation_space.shape == (5 + 3,)
    assert not np.array_equal(seen[0, True], seen[1, True])
    np.testing.assert_array_equal(seen[0, False], seen[1, False])


def test_what_is_no_policy_is_refused():
    params = BifurcationParams(length=4, forks=1, decisive=0)
    with pytest.raises(ValueError, match=r"policy must have shape \(36, 2\), got \(2,\)"):
        advantages(params, np.ones(2))
    with pytest.raises(ValueError, match="policy must hold probabilities"):
        advantages(params, np.ones((36, 2)))
    row = np.zeros(LAYOUT.size)
    row[STEP] = 4
    with pytest.raises(ValueError, match="s must be a state of a running episode, got step 4 of 4"):
        state_index(params, *LAYOUT.open(row))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"length": 0}, "length must be"),
        ({"length": 3}, r"forks must be an integer in 1 \.\. 3, got 4"),
        ({"forks": 2, "decisive": 2}, "decisive must be"),
        ({"choices": 1}, "choices must be"),
        ({"answer": 2}, r"answer must be an integer in 0 \.\. 1, got 2"),
        ({"slip": 1.1}, "slip must be"),
        ({"noise": -0.1}, "noise must be"),
        ({"max_steps": 0}, "max_steps must be"),
    ],
)
def test_bad_parameters_are_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        BifurcationParams(**keywords)


def test_copies_share_their_number_of_actions():
    with pytest.raises(ValueError, match=r"choices must be the same in all copies of a batch, got \[2, 3\]"):
        payoff.multi_agent_vec(ID, 2, choices=[2, 3])
