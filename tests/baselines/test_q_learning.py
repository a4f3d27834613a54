"""Tabular learners: exact values, the ends of episodes, and what each kind of shaping does to them."""

import time

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import payoff
from payoff.baselines.q_learning import Args, QLearners, train
from payoff.baselines.tabular import States
from payoff.envs.theory.tabular import q_values, value_iteration
from payoff.wrappers import PotentialShaping, RewardMethod, from_table, wrap
from payoff.wrappers.potential.bootstrapped import largest_eta
from payoff.wrappers.potential.initial import q_init_from_potential
from payoff.wrappers.potential.neutral import ReturnNeutralBonus

CLIFF = "payoff/CliffWalk-v0"


class Line(gym.Env):
    """States 0 .. 4 in a row, start 1; action 1 goes right and 0 left; reaching 4 pays 1 and ends, 0 ends for nothing.

    With ``horizon`` episodes are cut off.
    """

    observation_space = gym.spaces.Discrete(5)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, horizon=1000, start=1):
        self.horizon, self.start = horizon, start

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.t = self.start, 0
        return self.x, {}

    def step(self, action):
        self.x, self.t = self.x + 2 * int(action) - 1, self.t + 1
        return self.x, float(self.x == 4), self.x in (0, 4), self.t >= self.horizon, {}


class Stay(gym.Env):
    """One state that pays 1 whatever is done; the episode is over after ``horizon`` steps, in one way or the other."""

    observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2, start=3)

    def __init__(self, terminates, horizon=4):
        self.terminates, self.horizon = terminates, horizon

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert action in (3, 4)
        self.t += 1
        over = self.t >= self.horizon
        return np.zeros(1, np.float32), 1.0, over and self.terminates, over and not self.terminates, {}


def batch(make, copies, mode=AutoresetMode.NEXT_STEP):
    return SyncVectorEnv([make] * copies, autoreset_mode=mode)


def cliff(copies, **keywords):
    return gym.make_vec(CLIFF, num_envs=copies, vectorization_mode="vector_entry_point", **keywords)


def cell(obs):
    """Number of a cell of the cliff, from its one-hot row and column."""
    return obs[:, :4].argmax(axis=1) * 12 + obs[:, 4:].argmax(axis=1)


def line_values(gamma):
    """Optimal action values of the line, by hand: x steps before the payment are worth gamma^x."""
    q = np.zeros((5, 2))
    for x in (1, 2, 3):
        q[x, 1] = gamma ** (3 - x)
        q[x, 0] = 0.0 if x == 1 else gamma * gamma ** (4 - x)
    return q


def whole(obs):
    return np.asarray(obs)


@pytest.mark.parametrize("horizon", [1000, 3])
def test_values_of_the_line_are_exact(horizon):
    """Also where most episodes are cut off: a truncated state is worth what it is worth, a terminal one nothing."""
    args = Args(total_steps=12_000, gamma=0.8, learning_rate=1.0, epsilon=1.0, final_epsilon=1.0)
    result = train(args, batch(lambda: Line(horizon), 6), state=whole)
    np.testing.assert_allclose(result.q, np.broadcast_to(line_values(0.8), (6, 5, 2)), atol=1e-12)
    assert (result.greedy[:, 1:4] == 1).all()


@pytest.mark.parametrize("rule", ["q", "sarsa"])
@pytest.mark.parametrize("terminates", [False, True])
def test_truncation_bootstraps_and_termination_does_not(terminates, rule):
    """Reward 1 for ever is worth 1 / (1 - gamma); if the last of 4 steps ends it, the state's value stays below."""
    rate = 0.05 if terminates else 0.5
    args = Args(total_steps=8000, gamma=0.5, learning_rate=rate, final_epsilon=1.0, rule=rule)
    result = train(args, batch(lambda: Stay(terminates), 4))
    assert result.states.tolist() == [[0.0]]
    if terminates:  # one state of which a quarter of the departures ends: V = 1 + 0.75 gamma V
        assert result.q == pytest.approx(1.0 / (1.0 - 0.75 * 0.5), abs=0.15)
    else:
        assert result.q == pytest.approx(2.0, abs=1e-6)


def test_calls_that_restart_a_copy_are_no_transitions():
    """From a terminal state no update starts, and the curve counts the rewards of steps only."""
    args = Args(total_steps=4000, gamma=0.9, learning_rate=1.0, epsilon=0.5, final_epsilon=0.5)
    result = train(args, batch(Line, 4), state=whole, q_init=np.full((5, 1), 0.25))
    assert (result.q[:, [0, 4]] == 0.25).all()
    returns = result.curve["true_return"][np.isfinite(result.curve["true_return"])]
    assert returns.min() >= 0.0 and returns.max() <= 1.0


@pytest.mark.parametrize("rule", ["q", "sarsa"])
def test_same_seed_same_numbers(rule):
    runs = [train(Args(total_steps=6000, seed=s, rule=rule), cliff(5)) for s in (3, 3, 4)]
    np.testing.assert_array_equal(runs[0].q, runs[1].q)
    np.testing.assert_array_equal(runs[0].curve["true_return"], runs[1].curve["true_return"])
    assert runs[0].q.shape != runs[2].q.shape or (runs[0].q != runs[2].q).any()


def test_all_learners_of_a_batch_find_the_best_way_along_the_cliff():
    """Values are those of exact value iteration wherever the best policy leads, with episodes cut off at 100 steps."""
    args = Args(total_steps=900_000, gamma=0.95, learning_rate=1.0, epsilon=1.0, final_epsilon=0.0, epsilon_share=0.8)
    result = train(args, cliff(100), state=cell)
    assert (result.curve["true_return"][-1] == -13.0).all()  # the book's optimum; the certificate says the same
    mdp = payoff.as_mdp(CLIFF, starts=[0])
    solved = value_iteration(mdp, 0.95)
    cells = next(c for c in mdp.states.T if len(np.unique(c)) == mdp.n_states).astype(int)
    exact = np.zeros((48, 4))
    exact[cells] = q_values(mdp, solved.values, 0.95)
    path = [36, *range(24, 36)]
    found = result.q[:, path].max(axis=2)
    np.testing.assert_allclose(found, np.broadcast_to(exact[path].max(axis=1), found.shape), atol=1e-9)


def test_sarsa_keeps_away_from_the_cliff_while_it_explores():
    """Example 6.6 of Sutton and Barto: with epsilon 0.1 SARSA earns more on the way than Q-learning."""
    settings = dict(total_steps=400_000, gamma=1.0, learning_rate=0.5, epsilon=0.1, final_epsilon=0.1)
    earned = {
        rule: np.nanmean(train(Args(rule=rule, **settings), cliff(50)).curve["true_return"][-10:])
        for rule in ("q", "sarsa")
    }
    assert earned["sarsa"] > -35.0 > earned["q"]  # the book's figure shows about -25 and -50


def test_equally_good_actions_are_drawn_and_epsilon_falls():
    """With nothing learned the first actions are uniform; with one action preferred, explorers are a known share."""
    taken = []

    class Watched(Stay):
        def step(self, action):
            taken.append(int(action) - 3)
            return super().step(action)

    env = batch(lambda: Watched(False, horizon=10**6), 400)
    train(Args(total_steps=400, epsilon=0.0, final_epsilon=0.0), env)
    assert 140 < sum(taken) < 260  # 200 +- 6 standard deviations
    taken.clear()
    preferred = np.array([[1e6, 0.0]])
    args = Args(total_steps=400 * 100, epsilon=1.0, final_epsilon=0.2, epsilon_share=0.5, learning_rate=1e-9)
    train(args, batch(lambda: Watched(False, horizon=10**6), 400), state=lambda o: np.zeros(400, int), q_init=preferred)
    explored = np.array(taken).reshape(100, 400).mean(axis=1)
    for call, epsilon in ((0, 1.0), (25, 0.6), (50, 0.2), (99, 0.2)):
        assert explored[call] == pytest.approx(epsilon / 2, abs=0.12)


# -- shaping -------------------------------------------------------------------------------------------------


def test_shaping_and_initial_values_learn_the_same():
    """Same seed, same actions, and Q_B - Q_A = Phi; the curves are in true rewards and thus the same too."""
    table = np.random.default_rng(0).normal(size=48)
    args = Args(total_steps=60_000, gamma=0.95, learning_rate=0.3, final_epsilon=0.1)
    shaping = PotentialShaping(from_table(table, state=cell), gamma=0.95, on_truncation="bootstrap", scale=2.0)
    shaped = train(args, wrap(cliff(20), shaping), state=cell)
    plain = train(args, cliff(20), state=cell, q_init=q_init_from_potential(2.0 * table))
    grown = train(args, cliff(20), q_init=q_init_from_potential(shaping))  # asked for each state when it is met
    met = np.abs(shaped.q).sum(axis=(0, 2)) > 0
    assert np.abs(plain.q - shaped.q - 2.0 * table[: plain.q.shape[1], None])[:, met].max() < 1e-12
    np.testing.assert_array_equal(shaped.curve["true_return"], plain.curve["true_return"])
    np.testing.assert_array_equal(grown.curve["true_return"], plain.curve["true_return"])
    np.testing.assert_allclose(grown.q, plain.q[:, cell(grown.states)], atol=1e-12)


def test_look_ahead_advice_learns_as_if_it_started_from_the_advice():
    """Q' + Phi is the plain learner's Q that starts from Phi(s, a): same actions, same values, to rounding."""
    bias = np.random.default_rng(0).normal(size=(48, 4))

    def advice(obs, action):
        return bias[cell(obs), action]

    for rule in ("q", "sarsa"):
        args = Args(total_steps=40_000, gamma=0.95, learning_rate=0.3, final_epsilon=0.1, rule=rule)
        advised = train(args, cliff(20), look_ahead=advice)
        plain = train(args, cliff(20), q_init=lambda obs, info: bias[cell(obs)])
        np.testing.assert_array_equal(advised.states, plain.states)
        assert np.abs(advised.values - plain.q).max() < 1e-11
        np.testing.assert_array_equal(advised.curve["true_return"], plain.curve["true_return"])
        assert (advised.q.argmax(axis=2) != advised.greedy).any()  # acting on Q' alone would be another policy


@pytest.mark.parametrize("eta", [-0.5, -0.1, 0.02, 0.05, 0.0516])
def test_bootstrapped_shaping_learns_the_scaled_optimum(eta):
    gamma = 0.9
    assert eta < largest_eta(gamma)
    args = Args(total_steps=40_000, gamma=gamma, learning_rate=0.5, bsrs_eta=eta, epsilon=1.0, final_epsilon=1.0)
    result = train(args, batch(Line, 4), state=whole)
    exact = line_values(gamma)
    np.testing.assert_allclose(
        result.q.max(axis=2) * (1.0 + eta), np.broadcast_to(exact.max(axis=1), (4, 5)), atol=1e-9
    )
    np.testing.assert_allclose(result.q, (exact - eta * result.q.max(axis=2, keepdims=True)), atol=1e-9)
    assert (result.greedy[:, 1:4] == 1).all()


class CornerBonus(RewardMethod):
    """1 for each step that ends in the upper left corner."""

    def __call__(self, t):
        return np.where(cell(t.next_obs) == 0, 1.0, 0.0)


class Added(RewardMethod):
    """The bonus, three times, added as it is."""

    term = "bonus"

    def __call__(self, t):
        return t.reward + 3.0 * np.where(cell(t.next_obs) == 0, 1.0, 0.0)


def test_a_neutral_bonus_leaves_the_way_along_the_cliff_and_a_naive_one_does_not():
    """With a bonus of the state reached and a delay of 1 the neutral form is potential shaping, so learners find Q*."""
    args = Args(total_steps=300_000, gamma=0.95, learning_rate=1.0, epsilon=1.0, final_epsilon=0.0, epsilon_share=0.8)
    neutral = ReturnNeutralBonus(CornerBonus(), gamma=0.95, delay=1, on_truncation="bootstrap", coef=3.0)
    found = train(args, wrap(cliff(50), neutral))
    assert (found.curve["true_return"][-1] == -13.0).all()
    naive = train(args, wrap(cliff(50), Added()))
    assert (naive.curve["true_return"][-1] == -100.0).all()  # in the corner until the horizon


def test_pies_learns_the_value_of_the_advice_and_lets_go_of_it():
    """Phi is minus the value of R+; at the end only Q counts, so misleading advice costs nothing in the end."""
    args = Args(
        total_steps=40_000, gamma=0.5, learning_rate=0.5, pies_weight=1.0, pies_share=1.0, pies_learning_rate=0.2
    )
    result = train(args, batch(lambda: Stay(False), 4), advice_reward=lambda t: np.full(4, 0.7))
    assert result.phi == pytest.approx(-0.7 / (1.0 - 0.5), abs=1e-6)
    assert result.q == pytest.approx(2.0, abs=1e-6)  # no reward of the advice in Q

    visits = []

    def corner(t):
        there = (cell(t.next_obs) == 0) & t.active
        visits.append(there.mean())
        return 10.0 * there

    args = Args(
        total_steps=400_000,
        learning_rate=0.5,
        epsilon=0.3,
        final_epsilon=0.0,
        epsilon_share=0.9,
        pies_weight=1.0,
        pies_share=0.5,
    )
    advised = train(args, cliff(50), advice_reward=corner)
    tenth = len(visits) // 10
    assert np.mean(visits[tenth : 3 * tenth]) > 0.4  # it was followed
    assert np.mean(visits[-tenth:]) == 0.0
    assert (advised.curve["true_return"][-1] == -13.0).all()


def test_pies_reads_the_auxiliary_reward_of_a_game():
    args = Args(total_steps=2000, pies_weight=0.5)
    assert np.abs(train(args, cliff(4, aux="dense")).phi).max() > 0.0
    with pytest.raises(KeyError, match="info has no 'aux'"):
        train(args, batch(lambda: Stay(False), 2))


# -- the rest ------------------------------------------------------------------------------------------------


def test_three_hundred_copies_in_one_batch_are_fast():
    """Measured at about 2 million environment steps a second; a twentieth of it is asked for, of processor time."""
    env = cliff(300, info="minimal")
    train(Args(total_steps=3000), env)
    start = time.process_time()
    result = train(Args(total_steps=150_000), env)
    assert result.steps / (time.process_time() - start) > 100_000


def test_made_from_an_id_and_on_the_command_line(capsys):
    from payoff.baselines import q_learning

    seen = []
    args = Args(env_id=CLIFF, env_params={"width": 5}, num_envs=3, total_steps=600, curve_points=4)
    result = train(args, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(150, 600), (300, 600), (450, 600), (600, 600)]
    assert result.curve["step"].tolist() == [150, 300, 450, 600] and result.steps == 600
    assert result.q.shape[0] == 3 and result.curve["true_return"].shape == (4, 3)
    q_learning.main(args)
    assert "600 steps of 3 learners" in capsys.readouterr().out


def test_numbers_of_states():
    states = States(None)
    obs = np.array([[0.0, 1.0], [2.0, 3.0], [-0.0, 1.0]])
    assert states.number(obs).tolist() == [0, 1, 0]  # -0.0 is 0.0
    assert states.number(np.array([[5.0, 5.0], [2.0, 3.0]])).tolist() == [2, 1]
    assert states.count == 3 and np.array(states.seen).tolist() == [[0.0, 1.0], [2.0, 3.0], [5.0, 5.0]]
    assert States(None).number(np.array([4, 9, 4])).tolist() == [0, 1, 0]
    with pytest.raises(TypeError, match="observations must be arrays, got dict; see state="):
        States(None).number({"x": obs})
    for bad in (np.array([0.5]), np.array([[1]]), np.array([-1])):
        with pytest.raises(ValueError, match="state must give whole numbers"):
            States(lambda o, bad=bad: bad).number(obs)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"gamma": 1.5}, "gamma must be a number"),
        ({"learning_rate": 0.0}, "learning_rate must be a number"),
        ({"rule": "double"}, "rule must be one of"),
        ({"bsrs_eta": -1.0}, "bsrs_eta must be a number"),
        ({"num_envs": 0}, "num_envs must be an integer"),
        ({"epsilon_share": 2.0}, "epsilon_share must be a number"),
    ],
)
def test_settings_are_checked(keywords, message):
    with pytest.raises(ValueError, match=message):
        Args(**keywords)


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(0.5), np.int64(2), 2])
def test_initial_values_of_any_type_of_number(number):
    """States that were never left keep what they began with."""
    result = train(Args(total_steps=400), batch(Line, 2), state=whole, q_init=number)
    assert (result.q[:, [0, 4]] == float(number)).all()


def test_what_does_not_fit_is_refused():
    args = Args(total_steps=100)
    with pytest.raises(ValueError, match="autoreset_mode must be next_step"):
        train(args, batch(Line, 2, AutoresetMode.SAME_STEP))
    with pytest.raises(ValueError, match=r"actions must be whole numbers \(Discrete\)"):
        train(Args(env_id="payoff/TrustDilemma-v0", num_envs=2, total_steps=10))
    with pytest.raises(ValueError, match="needs state="):
        train(args, batch(Line, 2), q_init=np.zeros((5, 2)))
    with pytest.raises(ValueError, match="q_init has 2 rows, got state"):
        train(args, batch(Line, 2), q_init=np.zeros((2, 2)), state=whole)
    with pytest.raises(ValueError, match=r"q_init must be finite numbers \(S, 2\) or \(S, 1\)"):
        train(args, batch(Line, 2), q_init=np.zeros((5, 3)), state=whole)
    with pytest.raises(ValueError, match=r"q_init must give \(1,\) or \(1, 2\) values"):
        train(args, batch(Line, 2), q_init=lambda obs, info: np.zeros(7))
    with pytest.raises(ValueError, match="q_init must give finite values, got nan"):
        train(args, batch(Line, 2), q_init=lambda obs, info: np.full(len(obs), np.nan))
    with pytest.raises(ValueError, match="look_ahead cannot be combined"):
        train(Args(total_steps=100, bsrs_eta=0.1), batch(Line, 2), look_ahead=lambda o, a: np.zeros(len(a)))


def test_values_that_rounding_tells_apart_are_equally_good():
    """Of values of a million, 1e-7 is rounding and 1e-3 is not: half of the draws take either of the first two."""
    copies = 2000
    table = np.array([[1e6, 1e6 - 1e-7, 1e6 - 1e-3]])
    learners = QLearners(Args(epsilon=0.0, final_epsilon=0.0), copies, 3, table, None)
    counts = np.bincount(learners.act(np.zeros(copies, dtype=np.int64), 0.5), minlength=3)
    assert counts[2] == 0 and abs(counts[0] - copies / 2) < 4.0 * np.sqrt(copies / 4)


def test_tables_grow_behind_what_they_hold():
    """Values and potentials of the states that were known stay where they are, and new ones begin at 0."""
    learners = QLearners(Args(pies_weight=0.5), 2, 3, 0.0, None)
    learners.admit(np.array([0, 1]), 2, np.zeros((2, 1)), {})
    rng = np.random.default_rng(0)
    for table in (learners.q, learners.phi):
        table[...] = rng.random(table.shape)
    known = learners.q.copy(), learners.phi.copy()
    states = known[0].shape[1]
    learners.admit(np.array([states, 0]), states + 1, np.zeros((2, 1)), {})
    for table, before in zip((learners.q, learners.phi), known, strict=True):
        assert table.shape[1] > states and table.shape[2] == 3
        np.testing.assert_array_equal(table[:, :states], before)
        assert not table[:, states:].any()
