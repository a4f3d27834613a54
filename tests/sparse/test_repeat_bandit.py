"""RepeatBandit: exact values against enumeration in fractions, and play against its rules."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.game import Episode
from payoff.envs.core.state import CLOCK, OVER
from payoff.envs.sparse import repeat_bandit_theory as theory
from payoff.envs.sparse.repeat_bandit import RepeatBanditParams
from payoff.envs.sparse.repeat_bandit_theory import Bandit, evaluate, solver

ID = "payoff/RepeatBandit-v0"
GAME = registry.load(ID)
LAYOUT = GAME.shape(RepeatBanditParams()).layout
optimum, policy = GAME.optimum, GAME.policy


def mean(history, arm):
    """Posterior mean of an arm after a task's (arm, paid) pairs: the rule of succession of Laplace."""
    own = [paid for k, paid in history if k == arm]
    return Fraction(1 + sum(own), 2 + len(own))


def enumerated(arms, pulls, episodes, rho, choose=None):
    """Expected return by going through every history, in fractions; ``choose`` gives equally likely arms."""
    horizon, rho = pulls * episodes, Fraction(rho)

    @cache
    def value(t, history):
        if t == horizon:
            return Fraction(0)

        def later(after):
            if (t + 1) % pulls:
                return value(t + 1, after)
            return rho * value(t + 1, after) + (1 - rho) * value(t + 1, ())

        def pull(k):
            m = mean(history, k)
            return m * (1 + later((*history, (k, 1)))) + (1 - m) * later((*history, (k, 0)))

        if choose is None:
            return max(map(pull, range(arms)))
        chosen = choose(history)
        return sum(map(pull, chosen)) / len(chosen)

    return value(0, ())


def bandit_of(arms, pulls, episodes, rho):
    return Bandit(arms, pulls, pulls * episodes, float(rho))


CASES = [(2, 1, 4, 1), (2, 1, 6, Fraction(1, 2)), (2, 3, 2, Fraction(1, 4)), (3, 1, 4, Fraction(3, 4)), (2, 2, 3, 0)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_optimum_is_that_of_every_history(case):
    bandit = bandit_of(*case)
    value = solver(bandit).value(bandit.horizon, solver(bandit).nothing)
    assert value == pytest.approx(float(enumerated(*case)), abs=1e-12)
    assert evaluate(bandit, "optimal").value == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_myopic_value_is_that_of_every_history(case):
    bandit = bandit_of(*case)

    def greedy(history):
        means = [mean(history, k) for k in range(case[0])]
        return [k for k, m in enumerate(means) if m == max(means)]

    assert evaluate(bandit, "myopic").value == pytest.approx(float(enumerated(*case, choose=greedy)), abs=1e-12)
    assert evaluate(bandit, "uniform").value == pytest.approx(bandit.horizon / 2, abs=1e-12)


def test_horizon_may_end_within_an_inner_episode():
    """Four pulls of a task that is drawn anew after three: the fourth is worth 1/2."""
    whole, cut = evaluate(Bandit(2, 3, 3, 0.0), "optimal"), evaluate(Bandit(2, 3, 4, 0.0), "optimal")
    assert cut.payoff == pytest.approx([*whole.payoff, 0.5], abs=1e-14)
    params = RepeatBanditParams(pulls=3, structure=0.0, max_steps=4)
    assert optimum(params, np.zeros(LAYOUT.size))[0] == pytest.approx(cut.value, abs=1e-12)


def test_two_pulls_by_hand():
    """1/2, then 2/3 on the same arm after a payment and 1/2 on the other after none."""
    assert evaluate(Bandit(2, 1, 2, 1.0), "optimal").payoff == pytest.approx([1 / 2, 7 / 12], abs=1e-15)


def test_thompson_by_hand():
    """The second pull: after a payment, Beta(2, 1) beats a uniform draw with its mean, 2/3."""
    assert theory.best_of_samples(((1, 0), (0, 0))) == pytest.approx((2 / 3, 1 / 3), abs=1e-14)
    assert theory.best_of_samples(((0, 0),) * 3) == pytest.approx((1 / 3,) * 3, abs=1e-14)
    paid = 2 / 3 * 2 / 3 + 1 / 3 * 1 / 2
    unpaid = 1 / 3 * 1 / 3 + 2 / 3 * 1 / 2
    assert evaluate(Bandit(2, 1, 2, 1.0), "thompson").payoff[1] == pytest.approx((paid + unpaid) / 2, abs=1e-14)


@pytest.mark.parametrize("counts", [((3, 1), (2, 2)), ((0, 5), (1, 0)), ((7, 2), (4, 9))])
def test_chance_that_one_draw_beats_another_is_the_known_sum(counts):
    """P(X > Y) = sum over i < a of B(c + i, d + b) / ((b + i) B(1 + i, b) B(c, d)), X Beta(a, b), Y Beta(c, d)."""
    from math import factorial

    def beta(x, y):
        return Fraction(factorial(x - 1) * factorial(y - 1), factorial(x + y - 1))

    (a, b), (c, d) = ((w + 1, u + 1) for w, u in counts)
    total = sum(beta(c + i, d + b) / ((b + i) * beta(1 + i, b) * beta(c, d)) for i in range(a))
    assert theory.best_of_samples(counts)[0] == pytest.approx(float(total), abs=1e-13)


def test_the_claim_in_its_smallest_form():
    """Reward alone makes the far-sighted player explore when the task comes back, and never the myopic one."""
    plays = {rule: evaluate(Bandit(2, 1, 20, 1.0), rule) for rule in theory.RULES}
    values = [plays[rule].value for rule in ("uniform", "thompson", "myopic", "optimal")]
    assert values == sorted(values) and len(set(values)) == 4
    assert plays["myopic"].exploration.sum() == 0.0 < plays["optimal"].exploration.sum()
    fresh = {rule: evaluate(Bandit(2, 1, 20, 0.0), rule) for rule in theory.RULES}  # no structure: nothing to gain
    assert {round(p.value, 12) for p in fresh.values()} == {10.0}
    assert not fresh["optimal"].exploration.any()
    np.testing.assert_allclose(plays["uniform"].regret, 2 / 3 - 1 / 2)


def test_values_stated_on_the_page():
    values = [evaluate(Bandit(2, 1, 20, 0.9), rule).value for rule in theory.RULES]
    stated = [float(x) for x in ("11.941", "11.909", "11.355", "10")]
    assert values == pytest.approx(stated, abs=5e-4)
    assert all(str(x).rstrip("0").rstrip(".") in GAME.doc for x in stated)


def test_state_is_solved_from_the_middle_of_an_episode():
    params = RepeatBanditParams(structure=1.0)
    env = payoff.multi_agent_vec(ID, 1, structure=1.0)
    env.reset(seed=0)
    row = env.engine.state[0].copy()
    LAYOUT.view(row[None], "paid")[0, :2], LAYOUT.view(row[None], "unpaid")[0, :2] = (3, 0), (0, 1)
    row[CLOCK] = 18
    assert policy(params, row) == 0.0
    assert optimum(params, row)[0] == pytest.approx(
        4 / 5 + 4 / 5
    )  # nothing that a pull could show changes the next one
    row[CLOCK] = 20
    assert optimum(params, row)[0] == 0.0


def test_what_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(theory, "LARGEST", 100)
    with pytest.raises(ValueError, match="takes more than 100 states"):
        theory.Solver(Bandit(4, 1, 19, 1.0)).value(19, ((0, 0),) * 4)
    with pytest.raises(ValueError, match="meets more than 100 states"):
        evaluate(Bandit(4, 1, 18, 1.0), "uniform")
    with pytest.raises(ValueError, match="rule must be one of 'optimal'"):
        evaluate(Bandit(2, 1, 2, 1.0), "ucb")


@pytest.fixture(scope="module")
def played():
    """Random play of 2,000 copies: states before and after, actions, payoffs, observations; three arms, pairs."""
    keywords = {"arms": 3, "pulls": 2, "episodes": 6, "structure": 0.7, "context_len": 2}
    env = payoff.multi_agent_vec(ID, 2000, autoreset_mode="disabled", **keywords)
    env.reset(seed=0)
    trace, draw = [], np.random.default_rng(0)
    for _ in range(12):
        before, actions = env.engine.state.copy(), draw.integers(0, 3, (2000, 1))
        obs, reward, _, truncated, info = env.step(actions)
        trace.append((before, actions[:, 0], reward[:, 0], env.engine.state.copy(), obs[:, 0], info))
    assert truncated.all()
    return trace


def test_payments_have_the_means_of_the_arms(played):
    means, paid = [], []
    for before, actions, reward, _, _, info in played:
        own = LAYOUT.view(before, "means")[np.arange(2000), actions]
        means.append(own)
        paid.append(reward)
        np.testing.assert_allclose(info["regret"], LAYOUT.view(before, "means").max(axis=1) - own)
    means, paid = np.concatenate(means), np.concatenate(paid)
    assert set(np.unique(paid)) == {0.0, 1.0}
    gap = paid - means
    for part in (means < 0.3, (means >= 0.3) & (means < 0.7), means >= 0.7):
        assert abs(gap[part].mean()) < 4 * gap[part].std() / np.sqrt(part.sum())
    assert abs(means.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 2000)


def test_tasks_stay_with_the_probability_asked_for(played):
    stays = []
    for t, (before, _, _, after, _, _) in enumerate(played):
        same = (LAYOUT.view(before, "means") == LAYOUT.view(after, "means")).all(axis=1)
        if t % 2 == 0:
            assert same.all()  # within an inner episode
        else:
            stays.append(same)
            assert not LAYOUT.view(after, "paid")[~same].any()
    stays = np.concatenate(stays)
    assert abs(stays.mean() - 0.7) < 4 * np.sqrt(0.7 * 0.3 / len(stays))


def test_counts_and_memory_are_those_of_the_pulls(played):
    counts, past = np.zeros((2000, 3, 2)), []
    for t, (before, actions, reward, after, obs, info) in enumerate(played):
        counts[np.arange(2000), actions, (1 - reward).astype(int)] += 1
        past.insert(0, np.hstack([np.eye(3)[actions], reward[:, None]]))
        changed = (LAYOUT.view(before, "means") != LAYOUT.view(after, "means")).any(axis=1)
        np.testing.assert_array_equal(changed, info["caption"] >= 3)
        counts[changed] = 0
        window = np.hstack((past + [np.zeros((2000, 4))] * 5)[:5])
        np.testing.assert_array_equal(obs[:, :20], window)
        shown = np.hstack([counts[:, :, 0], counts[:, :, 1]]) / 12
        np.testing.assert_allclose(obs[:, 20:26], shown, rtol=1e-6)
        np.testing.assert_allclose(obs[:, 26:], [[(t + 1) % 2 / 2, (t + 1) / 12]] * 2000, rtol=1e-6)


def test_private_observation_is_the_last_pull_alone():
    env = payoff.multi_agent_vec(ID, 1, observe="private")
    obs, _ = env.reset(seed=0)
    assert obs[0, 0].tolist() == [0, 0, 0]
    obs, reward, *_ = env.step(np.array([[1]]))
    assert obs[0, 0].tolist() == [0, 1, reward[0, 0]]


def test_success_is_the_return_of_one_who_knows_the_best_arm():
    params, last = RepeatBanditParams(episodes=15), np.zeros(LAYOUT.size)
    for total, good in ((10, True), (9, False)):
        payoffs = (np.arange(15) < total).astype(float)[:, None]
        assert GAME.success(params, Episode(payoffs, last, False)) is good


def test_an_episode_that_is_over_is_worth_nothing():
    params = RepeatBanditParams()
    row = np.zeros(LAYOUT.size)
    row[OVER] = 2.0
    assert optimum(params, row) == (0.0, 1)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"arms": 1}, r"arms must be an integer in 2 \.\. 10, got 1"),
        ({"structure": 1.1}, r"structure must be a number in \[0, 1\], got 1.1"),
        ({"pulls": 0}, "pulls must be an integer in 1"),
        ({"episodes": 0}, "episodes must be an integer in 1"),
        ({"context_len": 65}, r"context_len must be an integer in 0 \.\. 64"),
        ({"context_len": 13, "pulls": 5}, "context_len x pulls must be at most 64 pulls, got 13 x 5"),
    ],
)
def test_bad_parameter_is_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        RepeatBanditParams(**keywords)


def test_a_batch_has_one_number_of_arms():
    with pytest.raises(ValueError, match=r"arms must be the same in all copies of a batch, got \[2, 3\]"):
        payoff.multi_agent_vec(ID, 2, arms=[2, 3])
