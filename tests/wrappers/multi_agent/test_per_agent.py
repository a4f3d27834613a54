"""A method for every agent: potentials that differ, in both views, at every end, with state of their own."""

import itertools

import numpy as np
import pytest

import payoff
from payoff.wrappers import (
    DelayReward,
    DifferenceReward,
    PotentialShaping,
    RewardMethod,
    WrapperSnapshot,
    from_simulation,
    total_payoff,
    wrap,
)
from payoff.wrappers.multi_agent.method_per_agent import MethodPerAgent

GAMMA = 0.9
TRUST = "payoff/TrustDilemma-v0"


def first_entry(obs, info):
    return 1.0 + obs[:, 0].astype(float)


def steep(obs, info):
    return 10.0 * obs[:, 0].astype(float)


def trusting(obs, info):
    return 5.0 * info["trust"][:, 1, 0]


def loyal(obs, info):
    return info["loyalty"]


def shaping(potential, on_truncation="bootstrap", gamma=GAMMA):
    return PotentialShaping(potential, gamma=gamma, on_truncation=on_truncation)


@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
@pytest.mark.parametrize("on_truncation", ["bootstrap", "terminal"])
def test_wrapped_batch_equals_wrapped_parallel_games(mode, on_truncation, same_in_both_views):
    """Each agent with a potential of its own, one of them of info, over terminations and truncations."""

    def method():
        return MethodPerAgent({"agent_0": shaping(steep, on_truncation), 1: shaping(trusting, on_truncation)})

    batch = wrap(payoff.multi_agent_vec(TRUST, 3, autoreset_mode=mode, max_steps=12), method())
    single = wrap(payoff.parallel_env(TRUST, max_steps=12), method())
    actions = 100.0 * np.random.default_rng(0).random((60, 3, 2, 1), dtype=np.float32).astype(float)
    actions[:, 0] = 0.0  # destroys all trust, which terminates the episode
    assert same_in_both_views(batch, single, actions, mode).min() > 0


def test_each_agent_is_shaped_as_if_alone():
    """Rows of agent i are what its own potential makes of all rows; agents without a method keep their reward."""
    game = {"n_agents": 4, "max_steps": 6}

    def batch(method):
        return wrap(payoff.multi_agent_vec("payoff/LoyaltyTeam-v0", 3, actions="unit", **game), method)

    methods = {0: shaping(first_entry), 1: shaping(steep, "terminal", 0.5), 3: shaping(loyal)}
    mixed = batch(MethodPerAgent(methods))
    alone = {i: batch(m) for i, m in methods.items()}
    bare = payoff.multi_agent_vec("payoff/LoyaltyTeam-v0", 3, actions="unit", **game)
    for env in (mixed, bare, *alone.values()):
        env.reset(seed=0)
    for action in np.random.default_rng(1).uniform(-1, 1, (20, 3, 4, 1)):
        reward, plain = mixed.step(action)[1], bare.step(action)[1]
        np.testing.assert_array_equal(reward[:, 2], plain[:, 2])
        for i, env in alone.items():
            np.testing.assert_array_equal(reward[:, i], env.step(action)[1][:, i])


def test_default_method_and_copies_of_one_method():
    """One PotentialShaping for two agents and for two environments: each has its own memory."""
    shared = shaping(steep)
    method = MethodPerAgent({1: shared, 2: shared}, default=DelayReward())
    env = wrap(payoff.multi_agent_vec("payoff/LoyaltyTeam-v0", 2, n_agents=4, actions="unit"), method)
    other = wrap(payoff.multi_agent_vec("payoff/LoyaltyTeam-v0", 3, n_agents=4, actions="unit"), method)
    assert env.method is method and other.method is not method
    env.reset(seed=0), other.reset(seed=0)
    _, reward, _, _, info = env.step(np.zeros((2, 4, 1)))
    assert not reward[:, [0, 3]].any() and (reward[:, [1, 2]] != info["true_reward"][:, [1, 2]]).all()
    assert set(env.method.state_dict()) == {"0.owed", "0.steps", "1.phi", "2.phi", "3.owed", "3.steps"}
    assert other.method.state_dict()["0.steps"].tolist() == [0, 0, 0]
    assert env.method.state_dict()["0.steps"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("terminated", "truncated", "on_truncation", "left"),
    [
        (True, False, "bootstrap", 0.0),
        (False, True, "bootstrap", GAMMA),
        (False, True, "terminal", 0.0),
        (True, True, "bootstrap", 0.0),
    ],
)
def test_end_of_an_episode(terminated, truncated, on_truncation, left, scripted, rewards_of):
    """Phi_0 = 1 + t, Phi_1 = 10 t, agent 2 has none; rewards are 0. Agent 0 leaves after one step."""
    ends = {0: (1, True, False), 1: (2, terminated, truncated), 2: (2, True, False)}
    method = MethodPerAgent({0: shaping(first_entry, on_truncation), 1: shaping(steep, on_truncation)})
    env = wrap(scripted(ends), method)
    for _ in range(2):
        first, last = rewards_of(env, (0, 0, 0), (0, 0, 0))
        assert first == pytest.approx({0: -1.0, 1: GAMMA * 10, 2: 0.0})
        assert last == pytest.approx({1: left * 20 - 10, 2: 0.0})


def test_nash_equilibria_of_a_repeated_game_stay():
    """Two agents, two rounds, every strategy that looks back: own payoffs, each shaped by another potential."""
    strategies = np.array(list(itertools.product(range(2), repeat=5)))
    profiles = np.array(list(itertools.product(range(32), repeat=2)))
    chosen = strategies[profiles]

    def split(obs, info):
        return 3.0 * obs[:, 0].astype(float) + obs[:, 2].astype(float)

    def crowd(obs, info):
        return np.square(info["crowd"])

    def returns(method):
        game = {"n_agents": 2, "sections": 2, "capacity": 0.8, "max_steps": 2}
        env = payoff.multi_agent_vec("payoff/Congestion-v0", len(profiles), **game)
        env = env if method is None else wrap(env, method)
        env.reset(seed=0)
        first = chosen[:, :, 0]
        reward = env.step(first)[1]
        seen = 1 + first[:, 0] * 2 + first[:, 1]
        second = chosen[np.arange(len(profiles))[:, None], np.arange(2), seen[:, None]]
        return (reward + GAMMA * env.step(second)[1]).reshape(32, 32, 2)

    def equilibria(values):
        gains = [values[..., i].max(axis=i, keepdims=True) - values[..., i] for i in range(2)]
        return (np.stack(gains) < 1e-9).all(axis=0)

    plain = returns(None)
    shaped = returns(MethodPerAgent({0: shaping(split, "terminal"), 1: shaping(crowd, "terminal")}))
    np.testing.assert_allclose(shaped, plain, atol=1e-12)  # both potentials are 0 at the start
    np.testing.assert_array_equal(equilibria(shaped), equilibria(plain))
    assert 0 < equilibria(plain).sum() < 1024


# -- state and bad input -------------------------------------------------------------------------------------


def test_resume_in_the_middle_of_an_episode():
    def make():
        method = MethodPerAgent({0: shaping(steep), 1: DelayReward(3)})
        return wrap(payoff.multi_agent_vec(TRUST, 2, max_steps=7), method)

    env, actions = make(), np.random.default_rng(0).random((40, 2, 2, 1)) * 100
    env.reset(seed=0)
    for t in range(16):
        arrays = env.snapshot().arrays()
        other = make()
        other.reset(seed=5)
        other.restore(WrapperSnapshot.from_arrays(arrays))
        ahead = [other.step(a)[1].tolist() for a in actions[t : t + 9]]
        assert ahead == [env.step(a)[1].tolist() for a in actions[t : t + 9]]
        env.restore(WrapperSnapshot.from_arrays(arrays))
        env.step(actions[t])


def test_bad_state_is_refused_and_changes_nothing():
    env = wrap(payoff.multi_agent_vec(TRUST, 2), MethodPerAgent({0: shaping(steep), 1: DelayReward()}))
    env.reset(seed=0)
    env.step(np.full((2, 2, 1), 60.0))
    kept = env.method.state_dict()
    changed = {**kept, "0.phi": kept["0.phi"] + 1.0}
    for bad in ({**changed, "1.owed": np.zeros(3)}, {**changed, "2.phi": kept["0.phi"]}, {"0.phi": kept["0.phi"]}):
        with pytest.raises(
            ValueError, match=r"owed must have shape|no method for '2.phi'|takes the arrays owed, steps"
        ):
            env.method.load_state_dict(bad)
        for name, array in env.method.state_dict().items():
            np.testing.assert_array_equal(array, kept[name])


def test_bad_methods_are_named():
    class Bonus(RewardMethod):
        term = "bonus"

    with pytest.raises(TypeError, match="methods must be RewardMethods, got str"):
        MethodPerAgent({0: "progress"})
    with pytest.raises(ValueError, match="methods must share one term, got bonus, shaping"):
        MethodPerAgent({0: Bonus(), 1: DelayReward()})
    with pytest.raises(ValueError, match="got no method"):
        MethodPerAgent({})
    for whole in (DifferenceReward(total_payoff, from_simulation), MethodPerAgent({0: DelayReward()})):
        with pytest.raises(TypeError, match=f"methods must work row by row, but {type(whole).__name__} looks at all"):
            MethodPerAgent({}, default=whole)
    for key in ("agent_2", 2, -1, True):
        with pytest.raises(ValueError, match=f"methods must name agents, which are agent_0, agent_1; got {key!r}"):
            wrap(payoff.multi_agent_vec(TRUST, 2), MethodPerAgent({key: DelayReward()}))
    with pytest.raises(ValueError, match="methods must name each agent once"):
        wrap(payoff.multi_agent_vec(TRUST, 2), MethodPerAgent({0: DelayReward(), "agent_0": DelayReward()}))


def test_other_terms_keep_their_name():
    class Bonus(RewardMethod):
        term = "bonus"

        def __call__(self, t):
            return t.reward + 1.0

    env = wrap(payoff.multi_agent_vec(TRUST, 2), MethodPerAgent({1: Bonus()}))
    env.reset(seed=0)
    info = env.step(np.full((2, 2, 1), 60.0))[4]
    np.testing.assert_allclose(info["reward_terms"]["bonus"], [[0.0, 1.0]] * 2, atol=1e-9)
