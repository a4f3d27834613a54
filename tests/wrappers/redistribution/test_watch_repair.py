"""RUDDER's demonstration: with the reward at the decision, tabular learning needs a thousand episodes.

Measured counts until the decisions are right: oracle redistribution 900 to 1,500 episodes, temporal differences above
60,000, Monte Carlo above 100,000. Here learners see 3,000 episodes. That of temporal differences has a value for each
step of the way, brand and decision, and none for counts of jams and flats: fewer numbers to learn than in the source.
"""

from __future__ import annotations

import numpy as np

BEST = np.array([1, 0, 0, 1])  # send away, repair, repair, send away
EPISODES, WINDOW, RATE, EPSILON, OPTIMISM = 3000, 750, 0.1, 0.1, 10.0
ENOUGH = 0.93  # with exploration at 0.1 the best that can be is 0.95


def run(learn, batch):
    """Episodes until so many decisions of the last 750 were right, None for never; episodes come from ``batch``."""
    rng = np.random.default_rng(1)
    brands = batch.obs[0, :, :4].argmax(axis=1)
    q, right = np.full((4, 2), OPTIMISM), []
    pools = [[np.flatnonzero((brands == k) & (batch.actions[0, :, 0] == a)).tolist() for a in (0, 1)] for k in range(4)]
    for _ in range(EPISODES):
        brand = int(rng.integers(4))
        action = int(rng.integers(2)) if rng.random() < EPSILON else int(q[brand].argmax())
        right.append(action == BEST[brand])
        if not pools[brand][action]:
            break
        learn(q, brand, action, pools[brand][action].pop())
    assert len(right) > 2000  # enough for the count of the oracle, published and measured
    rates = np.convolve(right, np.full(WINDOW, 1.0 / WINDOW), "valid")
    return WINDOW + int((rates >= ENOUGH).argmax()) if rates.max() >= ENOUGH else None


def test_the_oracle_learns_where_the_others_do_not(play):
    rng = np.random.default_rng(0)
    batch = play("payoff/WatchRepair-v0", 12_000, lambda obs, t: rng.integers(0, 2, size=12_000))
    brands, repaired = batch.obs[0, :, :4].argmax(axis=1), batch.actions[0, :, 0] == 0
    margin = np.array([-1.5, 3.5, 3.5, -1.5])[brands] * repaired
    jams, flats = np.diff(batch.obs[..., 6] * 50.0, axis=0), np.diff(batch.obs[..., 7] * 50.0, axis=0)
    # price, repair and delivery at the decision with the expected way, then what each step of the way costs above it
    oracle = (18.0 / 50.0 - 0.1 * jams - 7.0 * flats) * repaired
    oracle[0] += margin
    assert np.abs(oracle.sum(axis=0) - batch.returns).max() < 1e-3  # it is a redistribution; float32 counts
    luck = batch.returns - margin

    def immediate(q, brand, action, b):
        q[brand, action] += RATE * (margin[b] - q[brand, action])

    def monte_carlo(q, brand, action, b):
        q[brand, action] += RATE * (batch.returns[b] - q[brand, action])

    chain = np.full((4, 2, 51), OPTIMISM)  # value of the steps on the way, by brand and decision

    def differences(q, brand, action, b):
        values = chain[brand, action]
        q[brand, action] += RATE * (values[1] - q[brand, action])
        values[1:50] += RATE * (np.append(values[2:50], batch.returns[b]) - values[1:50])

    assert luck[repaired].std() > 10.0
    assert 750 <= run(immediate, batch) <= 1500
    assert run(monte_carlo, batch) is None
    assert run(differences, batch) is None
