"""EXPRD: the game is solved anew under its reward, by other code, and what is best there is best in the game."""

import dataclasses

import numpy as np
import pytest

from payoff.baselines.environments import make_vector
from payoff.envs.mdp import MDP
from payoff.wrappers import Teacher, explicable_reward
from payoff.wrappers.learned.teacher import solve_linear
from tests.wrappers.learned.conftest import model, seen, solve


def gaps_kept(teacher, reward):
    """Least of V_R - Q_R(s, a) - (gap of s) over actions that are not best in the game, and of V_R - Q_R over pi*."""
    running, best = teacher.running, teacher.best
    true = solve(teacher.transition, teacher.reward, teacher.gamma)
    told = solve(teacher.transition, np.where(running[:, None], reward, 0.0), teacher.gamma)
    short = told.max(axis=1, keepdims=True) - told
    missed = true.max(axis=1, keepdims=True) - true
    gap = np.where(best, np.inf, missed).min(axis=1, keepdims=True)
    wrong = ~best & running[:, None]
    chosen = short[np.arange(len(short)), teacher.policy]
    return (short - gap)[wrong].min(), chosen.max()


@pytest.mark.parametrize("seed", range(100))
def test_what_is_best_stays_best_in_random_games(random_teacher, seed):
    teacher = random_teacher(seed)
    paying = int(teacher.reward.any(axis=1).sum())
    design = explicable_reward(teacher, states=seed % 3, fines=seed % 2 == 0, horizons=(1, 4))
    least, missed = gaps_kept(teacher, design.reward)
    assert least >= -5e-6  # SLACK of a gap below 2 / (1 - gamma), and the accuracy of the solver
    assert missed <= 1e-7
    assert design.margin > 0.0
    assert np.abs(design.reward).max() <= 10.0
    assert np.count_nonzero(design.reward.any(axis=1)) <= paying + seed % 3
    assert not design.reward[[s for s in range(6) if s not in design.paid]].any()


def test_gaps_of_the_corridor(corridor):
    """V* is 2, 1, 1/2, 1/4 at 0, 1, 2, 3 steps from the goal; left from cell c leads to half of V*(c - 1)."""
    assert corridor.q == pytest.approx(np.array([[0.125, 0.25], [0.125, 0.5], [0.25, 1.0], [0.5, 2.0]]), abs=1e-9)
    assert corridor.gap == pytest.approx([0.125, 0.375, 0.75, 1.5], abs=1e-9)
    assert corridor.policy.tolist() == [1, 1, 1, 1]


def test_a_single_step_is_fined_by_its_gap(corridor):
    """h = 1, all states, fines: at the optimum nothing is lacking, and l1 takes all that is more than needed.

    Q_1(s, right) - Q_1(s, left) = R(s, right) + R(s', right) / 2 - ..., and in the goal, the one place that may pay
    above 0, the fine of left and the payment of right together make up for what lacks: no lack, whatever the price.
    """
    design = explicable_reward(corridor, states=4, horizons=(1,), l1=1e-6)
    reward = design.reward
    right = np.append(reward[1:, 1], reward[3, 1])
    left = np.append(reward[0, 1], reward[:3, 1])
    one = reward[:, 1] + 0.5 * right - reward[:, 0] - 0.5 * left
    assert (one >= corridor.gap - 1e-6).all()
    assert design.objective == pytest.approx(-1e-6 * np.abs(reward).sum(), abs=1e-7)
    assert (reward[:3] <= 1e-9).all()


def test_without_added_states_only_the_goal_pays(corridor):
    design = explicable_reward(corridor, states=0)
    assert design.paid == (3,)
    assert np.flatnonzero(design.reward.any(axis=1)).tolist() == [3]


def test_greedy_choice_is_the_best_single_state(corridor):
    """The state that is added is that of the best program; each candidate is solved here by itself."""
    first = explicable_reward(corridor, states=1, horizons=(1, 4))
    assert len(first.paid) == 2
    better = explicable_reward(corridor, states=2, horizons=(1, 4))
    assert better.paid[:2] == first.paid and better.objective >= first.objective - 1e-9


def test_equally_good_actions_may_be_told_apart_but_not_for_the_worse():
    """Two ways to the same place: pi* is one of them, and must stay best."""
    transition = np.zeros((2, 3, 2))
    transition[0, :2, 1] = transition[0, 2, 0] = transition[1, :, 1] = 1.0
    reward = np.zeros((2, 3))
    reward[1, 0] = 1.0
    teacher = Teacher(model(transition, reward), seen(2), 0.9)
    assert teacher.best.tolist() == [[True, True, False], [True, False, False]]
    least, missed = gaps_kept(teacher, explicable_reward(teacher, fines=False).reward)
    assert least >= -5e-6 and missed <= 1e-7


def test_margin_is_negative_where_another_action_is_best(corridor):
    backwards = np.zeros((4, 2))
    backwards[0, 0] = 1.0
    assert corridor.margin(backwards) == pytest.approx(0.0, abs=1e-9)  # left is best in all cells
    assert corridor.margin(corridor.reward) == pytest.approx(0.125, abs=1e-9)  # the smallest gap


def test_visits_of_the_corridor(corridor):
    """Always right from cell 0: half of the time there, then a quarter, an eighth, and the rest in the goal."""
    right = np.tile([0.0, 1.0], (4, 1))
    assert corridor.visits(right) == pytest.approx([0.5, 0.25, 0.125, 0.125])


def test_nothing_to_teach_is_refused():
    transition = np.broadcast_to(np.eye(2)[:, None], (2, 2, 2)).copy()
    with pytest.raises(ValueError, match="every action is best in every state, as where nothing is ever paid"):
        Teacher(model(transition, np.zeros((2, 2))), seen(2), 0.9)


def test_payoffs_that_are_no_numbers_are_refused(corridor):
    mdp = corridor.mdp
    broken = MDP(**{f.name: getattr(mdp, f.name) for f in dataclasses.fields(mdp)} | {"reward": mdp.reward * np.nan})
    with pytest.raises(ValueError, match="payoffs must be finite, got nan"):
        Teacher(broken, seen(4), 0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"states": -1}, "states must be an integer at least 0, got -1"),
        ({"horizons": ()}, "horizons must be at least one"),
        ({"horizons": (0,)}, "horizons must be an integer in 1"),
        ({"l1": -1.0}, "l1 must be a number"),
        ({"limit": 0.5}, "limit must be at least the game's largest payoff, 1, got 0.5"),
        ({"fines": 1}, "fines must be True or False"),
    ],
)
def test_bad_arguments_are_refused(corridor, settings, message):
    with pytest.raises(ValueError, match=message):
        explicable_reward(corridor, **settings)


@pytest.mark.parametrize("gamma", [0.0, 1.0, np.nan])
def test_discount_must_be_below_one(corridor, gamma):
    with pytest.raises(ValueError, match=r"gamma must be a number in \(0, 1\)"):
        Teacher(corridor.mdp, seen(4), gamma)


def test_program_without_a_solution_is_named():
    with pytest.raises(ValueError, match="a test: the linear program was not solved"):
        solve_linear("a test", np.ones(1), A_ub=np.ones((1, 1)), b_ub=-np.ones(1), bounds=[(0.0, None)])


def test_states_of_a_game_are_what_a_learner_observes():
    """All cells of FourRooms but the absorbing one, as its vector view shows them."""
    env = make_vector("payoff/FourRooms-v0", 1, {})
    teacher = Teacher.of(env, 0.95, range(2))
    assert len(teacher.states) == 49
    obs, _ = env.reset(seed=3)
    rng, everyone = np.random.default_rng(0), np.ones(1, dtype=bool)
    start = np.flatnonzero(teacher.running)[teacher.states.number(obs, everyone, "a test")]
    assert teacher.initial[start] == 1.0
    for _ in range(20):
        before, action = obs, rng.integers(4, size=1)
        obs, _, terminated, _, _ = env.step(action)
        if terminated.any():
            break
        now, then = (np.flatnonzero(teacher.running)[teacher.states.number(o, everyone, "x")[0]] for o in (before, obs))
        assert teacher.transition[now, action[0], then] > 0.0
    env.close()


def test_observed_clock_is_refused():
    from payoff.envs.sparse.chain import Observe

    env = make_vector("payoff/Chain-v0", 1, {"observe": Observe(clock=True)})
    with pytest.raises(ValueError, match="must not show the clock"):
        Teacher.of(env, 0.95, [0])
    env.close()


def test_states_that_look_the_same_are_refused():
    env = make_vector("payoff/LineKey-v0", 1, {"observe": "minimal", "length": 16, "keys": 2})
    Teacher.of(env, 0.95, range(20))  # place and key as numbers tell all apart
    env.close()
    with pytest.raises(ValueError, match="look the same"):
        Teacher(model(np.broadcast_to(np.eye(2)[:, None], (2, 2, 2)).copy(), np.eye(2)), np.zeros((2, 1)), 0.9)
