"""Weighted checks: the numbers of the notes, copies that share their worth, groups, and Sudoku's lines."""

import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.wrappers.redistribution.base import EpisodeBatch
from payoff.wrappers.transforms.weighted_checks import WeightedChecks, check_weights, group_advantages

RATES = np.array([1.0, 0.95, 0.9, 0.9, 0.2, 0.05])


def test_published_numbers():
    difficulty = np.exp(-RATES)
    np.testing.assert_allclose(difficulty, [0.368, 0.387, 0.407, 0.407, 0.819, 0.951], atol=5e-4)
    weights = check_weights(RATES, alpha=1.0, sigma=0.1, delta=0.0)
    np.testing.assert_allclose(weights, [0.119, 0.106, 0.117, 0.117, 0.618, 0.718], atol=5e-4)
    np.testing.assert_allclose(difficulty / weights, [3.096, 3.647, 3.489, 3.489, 1.325, 1.325], atol=5e-4)


@pytest.mark.parametrize("delta", [0.0, 0.1, 1.0])
def test_copies_of_a_check_share_its_worth(delta):
    """The planted hack: n copies of an easy check have together n / (n + delta) of its weight, never more than it."""
    totals = []
    for n in (1, 2, 10, 1000):
        rates = np.concatenate([np.full(n, 0.9), [0.1]])
        weights = check_weights(rates, delta=delta, sigma=0.01)
        totals.append(weights[:n].sum())
        assert totals[-1] == pytest.approx(np.exp(-0.9) * n / (n + delta), rel=1e-9)
        assert weights[-1] == pytest.approx(np.exp(-0.1) / (1.0 + delta), rel=1e-9)  # untouched
    assert max(totals) <= np.exp(-0.9) + 1e-12


def test_harder_is_worth_more_and_weights_are_bounded():
    rates = np.linspace(0, 1, 11)
    weights = check_weights(rates[:, None], delta=0.0)[:, 0]  # one check each
    np.testing.assert_allclose(weights, np.exp(-rates), rtol=1e-12)
    some = check_weights(np.random.default_rng(0).random((100, 8)))
    assert (some > 0.0).all() and (some <= 1.0).all()


def checks_of(*steps):
    return [list(map(float, s)) for s in steps]


def test_payments_by_hand(batch):
    """Two groups; in the first, check 0 is passed by both at the end and check 1 by one."""
    lists = [
        checks_of((1, 0), (1, 1)),
        checks_of((0, 1), (1, 0), (1, 0)),
        checks_of((0, 0)),
    ]
    episodes = batch([[0.0, 1.0], [0.0] * 3, [0.5]], group=[5, 5, 2], checks=lists)
    method = WeightedChecks("checks", delta=0.0)
    first = check_weights(np.array([1.0, 0.5]), delta=0.0)
    second = check_weights(np.array([0.0, 0.0]), delta=0.0)
    np.testing.assert_allclose(second, [0.5, 0.5])
    np.testing.assert_allclose(method.weights(episodes), [second, first], rtol=1e-12)
    new = method(episodes)
    np.testing.assert_allclose(new[:2, 0], [first[0], 1.0 + first[1]], rtol=1e-12)
    np.testing.assert_allclose(new[:, 1], [first[1], first[0] - first[1], 0.0], atol=1e-12)
    assert new[0, 2] == 0.5
    end = WeightedChecks("checks", pay="end", delta=0.0)(episodes)
    np.testing.assert_allclose(end[:, 1], [0.0, 0.0, first[0]], atol=1e-15)
    turn = WeightedChecks("checks", pay="turn", delta=0.0, coef=2.0)(episodes)
    rates = check_weights(np.array([4 / 5, 2 / 5]), delta=0.0)  # over all five turns of the group
    np.testing.assert_allclose(turn[:, 1], [2 * rates[1], 2 * rates[0], 2 * rates[0]], rtol=1e-12)


def test_checks_of_the_start_are_not_paid(batch):
    episodes = batch(
        [[0.0], [0.0]],
        group=[0, 0],
        start={"checks": np.array([[True, False], [True, False]])},
        checks=[checks_of((1, 1)), checks_of((1, 0))],
    )
    weight = check_weights(np.array([1.0, 0.5]))
    np.testing.assert_allclose(WeightedChecks()(episodes)[0], [weight[1], 0.0], atol=1e-15)


def test_group_advantages_by_hand():
    trajectory = np.array([1.0, 0.0, 0.5])
    turns = np.array([[1.0, 0.0, 2.0], [3.0, np.nan, 4.0]])
    valid = np.array([[True, True, True], [True, False, True]])
    found = group_advantages(trajectory, np.nan_to_num(turns), valid, np.array([0, 0, 1]), beta=0.5)
    mean = 4 / 3
    np.testing.assert_allclose(found[:, 0], [0.5 + 0.5 * (1 - mean), 0.5 + 0.5 * (3 - mean)])
    np.testing.assert_allclose(found[:, 1], [-0.5 + 0.5 * (0 - mean), 0.0])
    np.testing.assert_allclose(found[:, 2], [0.5 * (2 - 3), 0.5 * (4 - 3)])


def test_partial_success_gives_groups_without_success_an_advantage():
    """Pass-all rewards of a group that all failed are equal; weighted checks still tell its episodes apart."""
    group, valid = np.zeros(4, int), np.ones((1, 4), bool)
    passed = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0]], float)
    weight = check_weights(passed.mean(axis=0))
    none = group_advantages(np.zeros(4), np.zeros((1, 4)), valid, group, beta=1.0)
    some = group_advantages(np.zeros(4), (passed @ weight)[None], valid, group, beta=1.0)
    assert (none == 0.0).all() and np.ptp(some) > 0.1 and some.sum() == pytest.approx(0.0, abs=1e-12)


def test_sudoku():
    """Groups of one puzzle, the oracle with slips: what is paid is the weight of the lines that are complete."""
    game, copies = registry.load("payoff/Sudoku-v0"), 24
    env = payoff.multi_agent_vec("payoff/Sudoku-v0", copies, autoreset_mode="disabled")
    group = np.repeat(np.arange(6), 4)
    rng = np.random.default_rng(0)
    _, info = env.reset(options={"group": group.tolist()})
    start, columns, running = info["checks"].copy(), [], np.ones(copies, bool)
    while running.any():
        wrong = rng.random(copies) < 0.1
        actions = np.array([game.policy(game.params(), row)[0] for row in env.engine.state]).astype(int)
        actions = np.where(wrong, (actions + 1) % 64, actions)
        _, _, terminated, truncated, info = env.step(actions[:, None])
        ended = running & (terminated | truncated)
        columns.append(
            (info["payoff"][:, 0].copy(), info["checks"].copy(), running & terminated, running & truncated, running)
        )
        running = running & ~ended
        if running.any() and (terminated | truncated).any():
            env.reset(options={"reset_mask": terminated | truncated})
    paid, checks, terminated, truncated, valid = (np.array(c) for c in zip(*columns, strict=True))
    steps = len(paid)
    episodes = EpisodeBatch(
        np.zeros((steps + 1, copies, 1)),
        np.zeros((steps, copies)),
        np.where(valid, paid, 0.0),
        terminated,
        truncated,
        valid,
        {"checks": checks},
        {"checks": start},
        group,
    )
    new = WeightedChecks(delta=0.01)(episodes).sum(axis=0)
    final = episodes.at_end(checks)
    assert 0 < episodes.returns.sum() < copies and start[:, 12:].all()
    for g in range(6):
        mine = np.flatnonzero(group == g)
        rates = final[mine].mean(axis=0)
        density = np.exp(-(((rates[:, None] - rates) / 0.1) ** 2) / 2).sum(axis=1)
        weight = np.exp(-rates) / (density + 0.01)
        for b in mine:
            gained = (final[b].astype(float) - start[b]) @ weight
            assert new[b] == pytest.approx(episodes.returns[b] + gained, abs=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: WeightedChecks(3), TypeError, "checks must be the name"),
        (lambda: WeightedChecks(pay="never"), ValueError, "pay must be one of"),
        (lambda: WeightedChecks(alpha=-1), ValueError, "alpha must be a number"),
        (lambda: WeightedChecks(sigma=0), ValueError, "sigma must be a number"),
        (lambda: WeightedChecks(delta=-1), ValueError, "delta must be a number"),
        (lambda: check_weights(np.array([1.1])), ValueError, r"rates must be in \[0, 1\]"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_bad_batches(batch):
    with pytest.raises(ValueError, match=r"batch.group must say which, got None"):
        WeightedChecks()(batch([[0.0]], checks=[checks_of((1, 0))]))
    with pytest.raises(ValueError, match="must be true or false"):
        WeightedChecks()(batch([[0.0]], group=[0], checks=[checks_of((1, 0.5))]))
