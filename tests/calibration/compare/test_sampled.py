"""Sampled distances: against exact forms where both can be had, exact invariances, and a floor under what is noise."""

import numpy as np
import pytest

import payoff
from payoff.calibration import FittedModel, TabularModel, canonicalise, collect, tabulate
from payoff.calibration.compare.fitted import SAMPLED_KINDS
from payoff.calibration.compare.layers import evaluate, parse
from payoff.calibration.compare.sampled import MOST_NUMBERS
from payoff.envs import registry

TRUST = "payoff/TrustDilemma-v0"
LAYERS = ("private", "integrated", "cooperative")
GAMMA = 0.95
INVARIANT = ("val_potential", "epic", "dard")


@pytest.fixture(scope="module")
def trust():
    return collect(TRUST, layers=LAYERS, samples=6000, seed=3)


@pytest.fixture(scope="module")
def fitted(trust):
    return FittedModel(trust, GAMMA, n_features=40)


def linear_shaping(samples, seed=0):
    """Shaping by a potential that is linear in the state, and 0 in terminal states."""
    weight = np.random.default_rng(seed).normal(size=samples.state.shape[1]) * 20.0
    after = np.where(samples.terms.ended, 0.0, 7.0 + samples.next_state @ weight)
    return GAMMA * after - (7.0 + samples.state @ weight)


def test_every_layer_sees_the_same_play(trust):
    """The rewards are those of one environment stepped by hand with the same draws."""
    env = payoff.multi_agent_vec(TRUST, 64, reward="cooperative", autoreset_mode="disabled")
    env.reset(seed=3)
    rng = np.random.default_rng(3)
    at, ends = 0, 0
    for _ in range(len(trust) // 64):
        part = slice(at, at + 64)
        np.testing.assert_array_equal(trust.state[part], env.state())
        unit = rng.random((64, 2, 1))
        _, reward, terminated, truncated, info = env.step(env.action_low + (env.action_high - env.action_low) * unit)
        np.testing.assert_array_equal(trust.next_state[part], env.state())
        np.testing.assert_array_equal(trust.terms.rewards["cooperative"][part], reward[:, 0])
        np.testing.assert_array_equal(trust.terms.payoff[part], info["payoff"][:, 0])
        np.testing.assert_array_equal(trust.terms.ended[part], terminated)
        np.testing.assert_array_equal(trust.action[part], unit.reshape(64, 2))
        at, ends = at + 64, ends + int(terminated.sum())
        if (terminated | truncated).any():
            env.reset(options={"reset_mask": terminated | truncated})
    assert at == len(trust) and ends > 10


def test_what_is_kept_is_the_other_seats():
    """Payoff, rewards and entry of seat 1, and not of seat 0, where the two differ: in GiftExchange and in CarBall."""
    env_id = "payoff/GiftExchange-v0"
    names, entry = ("private", "integrated"), "memory_average"
    second = collect(env_id, layers=names, keys=[entry], samples=16 * 12, seed=3, agent=1, num_envs=16)
    first = collect(env_id, layers=names, keys=[entry], samples=16 * 12, seed=3, agent=0, num_envs=16)
    envs = {name: payoff.multi_agent_vec(env_id, 16, reward=name, autoreset_mode="disabled") for name in names}
    before = {name: env.reset(seed=3)[1][entry] for name, env in envs.items()}["private"]
    env = envs["private"]
    for t in range(12):
        part = slice(16 * t, 16 * t + 16)
        action = env.action_low + (env.action_high - env.action_low) * second.action[part].reshape(16, 2, 1)
        found = {name: env.step(action) for name, env in envs.items()}
        info = found["private"][4]
        for seat, kept in ((0, first), (1, second)):
            np.testing.assert_array_equal(kept.terms.payoff[part], info["payoff"][:, seat])
            np.testing.assert_array_equal(kept.terms.before[entry][part], before[:, seat])
            np.testing.assert_array_equal(kept.terms.after[entry][part], info[entry][:, seat])
            for name in names:
                np.testing.assert_array_equal(kept.terms.rewards[name][part], found[name][1][:, seat])
        before = info[entry]
    for kept in ("payoff", "before", "after"):
        one, two = getattr(first.terms, kept), getattr(second.terms, kept)
        one, two = (x[entry] if isinstance(x, dict) else x for x in (one, two))
        assert not np.array_equal(one, two)
    assert all(not np.array_equal(first.terms.rewards[n], second.terms.rewards[n]) for n in names)
    ball = {"samples": 4000, "num_envs": 16, "seed": 0}
    scored = [collect("payoff/CarBall-v0", agent=seat, **ball).terms.payoff for seat in (0, 1)]
    np.testing.assert_array_equal(scored[0], -scored[1])  # zero-sum: what one is paid the other loses
    assert (scored[0] != 0.0).any()


def test_other_seat_and_other_seed(trust):
    other = collect(TRUST, layers=LAYERS, samples=6000, seed=3, agent="agent_1")
    np.testing.assert_array_equal(other.state, trust.state)
    assert not np.array_equal(other.terms.payoff, trust.terms.payoff)
    assert not np.array_equal(collect(TRUST, samples=64, seed=4).action, trust.action[:64])


@pytest.mark.parametrize("kind", SAMPLED_KINDS)
def test_invariances(trust, fitted, kind):
    """Exact for rescaled copies and, but for the ridge, for shaping that the features span."""
    r = trust.terms.rewards["integrated"]
    table = fitted.distances([r, 4.0 * r, r + linear_shaping(trust), -r], kind)
    assert table[0, 1] < 1e-9
    assert table[0, 3] == pytest.approx(2.0, abs=1e-9)
    if kind in INVARIANT:
        assert table[0, 2] < 1e-4
    else:
        assert table[0, 2] > 0.01


@pytest.mark.parametrize("kind", INVARIANT)
def test_layers_differ_by_more_than_the_floor(trust, fitted, kind):
    rewards = [trust.terms.rewards[name] for name in LAYERS]
    floor = [fitted.noise_floor(r, kind) for r in rewards]
    table = fitted.distances(rewards, kind)
    assert all(0.0 < x < 0.2 for x in floor)
    assert table[np.triu_indices(3, 1)].min() > 1.5 * max(floor)
    assert fitted.noise_floor(rewards[0], kind) == floor[0]  # seeded
    assert fitted.noise_floor(rewards[0], "none") > floor[0]


def tabular_sample(n=40_000):
    env_id, keywords = "payoff/CliffWalk-v0", {"height": 3, "width": 4, "slip": 0.3, "variant": "cost"}
    game = registry.load(env_id)
    mdp = payoff.as_mdp(env_id, starts=[0], **keywords)
    model = TabularModel.from_mdp(mdp, GAMMA)
    terms = tabulate(game, game.params(**keywords), mdp)
    samples = collect(env_id, samples=n, seed=1, **keywords)
    # the kernel's own rows tell which state of the model a sample shows: rows and columns, one-hot
    shown = payoff.multi_agent_vec(env_id, mdp.n_states, autoreset_mode="disabled", **keywords)
    shown.reset(seed=0)
    shown.engine.state[...] = mdp.states
    numbers = {row.tobytes(): i for i, row in enumerate(shown.state())}
    at = [
        np.array([numbers[row.astype(np.float32).tobytes()] for row in x]) for x in (samples.state, samples.next_state)
    ]
    return mdp, model, terms, samples, at


def test_fitted_values_are_those_of_the_model():
    """val_potential, transition by transition: exact V of random play against LSTD on 40,000 steps of a small grid."""
    mdp, model, terms, samples, (here, there) = tabular_sample()
    exact = canonicalise(terms.payoff, model, "val_potential")
    action = samples.action.argmax(axis=1)
    found = FittedModel(samples, GAMMA, n_features=60).canonicalise(samples.terms.payoff)
    same = mdp.next_state[here, action] == there[:, None]
    # outcomes that lead to one state may pay differently (the cliff and a wall lead to the start): one was drawn
    v_part = exact[here, action] - model.align(terms.payoff)[here, action]
    wanted = samples.terms.payoff + v_part[np.arange(len(here)), same.argmax(axis=1)]
    assert same.any(axis=1).all()
    error = np.sqrt(np.mean((found - wanted) ** 2)) / np.sqrt(np.mean(wanted**2))
    assert error < 0.05


def test_reward_that_never_varies_is_trivial(trust, fitted):
    nothing = np.zeros(len(trust))
    r = trust.terms.payoff
    assert fitted.distances([nothing, r])[0, 1] == pytest.approx(1.0, abs=1e-12)
    assert fitted.distances([nothing, nothing])[0, 1] == 0.0


def test_the_same_pay_on_every_step_says_nothing_until_an_episode_ends():
    """GridNav costs 0.1 a step. As long as no play reaches the goal that is as good as 0, and the floor is that of 0;
    where one did, each further step costs, which is an order of policies."""
    samples = collect("payoff/GridNav-v0", samples=1000, seed=0)
    r, fitted = samples.terms.payoff, FittedModel(samples, 0.99)
    assert np.ptp(r) == 0.0 and r[0] == pytest.approx(-0.1) and not samples.terms.ended.any()
    assert fitted.flat(r) and fitted.flat(0.0 * r) and not fitted.flat(np.arange(len(r)))
    for kind in INVARIANT:
        table = fitted.distances([r, 0.0 * r, np.arange(len(r))], kind)
        np.testing.assert_allclose(table, [[0, 0, 1], [0, 0, 1], [1, 1, 0]], atol=1e-12)
        assert fitted.noise_floor(r, kind) == pytest.approx(1.0, abs=1e-12)
    *_, ending, _ = tabular_sample(4000)
    still = FittedModel(ending, GAMMA)
    nothing, cost = np.zeros(len(ending)), np.full(len(ending), -1.0)
    assert ending.terms.ended.any() and still.flat(nothing) and not still.flat(cost)
    assert still.distances([nothing, cost])[0, 1] == pytest.approx(1.0, abs=1e-12)


def test_epic_of_an_additive_reward_in_closed_form(trust, fitted):
    """u(s) + v(a) + w(s') with linear parts; of a terminal state, where nothing is chosen, u and v are 0."""
    rng = np.random.default_rng(5)
    alive = ~trust.terms.ended
    u, w = (rng.normal(size=trust.state.shape[1]) for _ in range(2))
    v = np.array([2.0, -1.0])
    after = np.where(alive, trust.next_state @ w, 0.0)
    r = trust.state @ u + trust.action @ v + after
    c = fitted.canonicalise(r, "epic")
    u_after = np.where(alive, trust.next_state @ u, 0.0)
    mean_u, mean_w = (trust.state @ u).mean(), (trust.state @ w).mean()
    mean_v = (trust.action @ v).mean()
    later = GAMMA * (u_after + mean_v * alive + mean_w)  # E R(s', A, S')
    own = trust.state @ u + mean_v + mean_w
    expected = r + later - own - GAMMA * (mean_u + mean_v + mean_w)
    np.testing.assert_allclose(c, expected, atol=2e-4 * np.abs(r).max())


def test_states_of_many_numbers_are_projected():
    samples = collect("payoff/ApacheProject-v0", samples=64, num_envs=16)
    assert samples.state.shape == (64, MOST_NUMBERS) == samples.next_state.shape
    assert np.isfinite(samples.state).all()


def test_potentials_and_auxiliary_rewards_of_a_sample():
    """Between steps the entry after is the entry before of the next step, unless the episode ended."""
    samples = collect("payoff/GridNav-v0", keys=["progress"], samples=3000, num_envs=10, aux="good", max_steps=20)
    before = samples.terms.before["progress"].reshape(-1, 10)
    after = samples.terms.after["progress"].reshape(-1, 10)
    goes_on = (samples.next_state.reshape(-1, 10, 2)[:-1] == samples.state.reshape(-1, 10, 2)[1:]).all(axis=2)
    np.testing.assert_array_equal(after[:-1][goes_on], before[1:][goes_on])
    assert (before[1:][~goes_on] == 0.0).all() and not goes_on.all()
    assert (samples.terms.aux <= 0.0).all() and samples.terms.aux.min() < -0.5
    reward = evaluate(parse("shaped:progress"), samples.terms, GAMMA)
    ended = samples.terms.ended
    np.testing.assert_allclose(reward[ended], (samples.terms.payoff - samples.terms.before["progress"])[ended])


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({"layers": ["privat"]}, "reward must be one of"),
        ({"keys": ["progress"]}, "reports no number 'progress' of a state; it reports: total_value"),
        ({"keys": ["trust"]}, "reports no number 'trust' of a state; it reports: total_value"),  # a matrix
        ({"keys": ["payoff"]}, "reports no number 'payoff' of a state; it reports: total_value"),  # tells of a step
        ({"agent": 2}, "agent must be 0 .. 1"),
        ({"samples": 0}, r"samples must be an integer in 1 \.\. 10000000, got 0"),
        ({"seed": -1}, "seed must be an integer at least 0"),
    ],
)
def test_bad_samples_are_refused(keywords, text):
    with pytest.raises(ValueError, match=text):
        collect(TRUST, **keywords)


def test_bad_fits_are_refused(trust, fitted):
    with pytest.raises(ValueError, match="gamma must be a number"):
        FittedModel(trust, 1.0)
    most = len(trust) // 5  # five transitions for each feature; 1 and the state are features as well
    others = 1 + trust.state.shape[1]
    FittedModel(trust, GAMMA, n_features=most - others)
    least = f"samples must hold at least {5 * most + 5} for {most + 1} features of payoff/TrustDilemma-v0"
    with pytest.raises(ValueError, match=least):
        FittedModel(trust, GAMMA, n_features=most - others + 1)
    with pytest.raises(ValueError, match="kind must be one of 'val_potential'"):
        fitted.canonicalise(trust.terms.payoff, "val")
    with pytest.raises(ValueError, match="finite numbers of shape"):
        fitted.canonicalise(np.zeros(3))
    with pytest.raises(ValueError, match="copies must be an integer"):
        fitted.noise_floor(trust.terms.payoff, copies=0)
