"""Shaping and initial values are the same thing to a tabular learner."""

import numpy as np
import pytest

from payoff.wrappers import BatchInfo, PotentialShaping, Transition, from_table
from payoff.wrappers.potential.initial import q_init_from_potential

NO_INFO = BatchInfo(lambda key: {}[key], [], np.zeros(0, dtype=bool))
STATES, ACTIONS, GAMMA, RATE = 12, 3, 0.95, 0.3
UPDATES = 20_000


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.7, 0.4)])
def test_same_experience_keeps_the_difference_at_the_potential(scale, shift):
    """20,000 random updates; one in ten ends in a terminal state, one in ten is cut off and bootstraps."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=STATES)
    shaping = PotentialShaping(from_table(table), gamma=GAMMA, on_truncation="bootstrap", scale=scale, shift=shift)
    shaped = np.full((STATES, ACTIONS), 0.5)
    plain = np.broadcast_to(
        q_init_from_potential(shaping, base=0.5)(np.arange(STATES), NO_INFO)[:, None], shaped.shape
    ).copy()
    s, a, after = (rng.integers(0, n, UPDATES) for n in (STATES, ACTIONS, STATES))
    reward, kind = rng.normal(size=UPDATES), rng.integers(0, 10, UPDATES)
    everyone = np.ones(UPDATES, dtype=bool)
    shaping.reset(s, NO_INFO, everyone)
    paid = shaping(Transition(None, a, reward, after, kind == 0, kind == 1, NO_INFO, everyone))
    worst = 0.0
    for i in range(UPDATES):
        for q, r in ((shaped, paid[i]), (plain, reward[i])):
            target = r + GAMMA * (kind[i] != 0) * q[after[i]].max()
            q[s[i], a[i]] += RATE * (target - q[s[i], a[i]])
        worst = max(worst, np.abs(plain[s[i]] - shaped[s[i]] - (scale * table[s[i]] + shift)).max())
    assert worst < 1e-12
    assert np.abs(plain - shaped - (scale * table + shift)[:, None]).max() < 1e-12
    assert np.abs(plain - plain.mean()).max() > 1.0  # they have learned something


def test_the_equivalence_fails_where_the_terminal_potential_is_kept():
    rng = np.random.default_rng(0)
    table, q = rng.normal(size=3), np.zeros((2, 3, 1))
    q[1] = q_init_from_potential(table)
    for kept in (0.0, table[2]):
        for k, r in enumerate((GAMMA * kept - table[0], 0.0)):
            q[k, 0, 0] += RATE * (r - q[k, 0, 0])
        difference = q[1, 0, 0] - q[0, 0, 0] - table[0]
        assert (abs(difference) < 1e-15) == (kept == 0.0)


def test_what_it_makes_of_each_kind_of_potential():
    assert q_init_from_potential([1.0, 2.0], base=0.5).tolist() == [[1.5], [2.5]]
    made = q_init_from_potential(from_table([1.0, 2.0]), base=-1.0)
    assert made(np.array([1, 0]), NO_INFO).tolist() == [1.0, 0.0]
    with pytest.raises(TypeError, match="potential must be a potential"):
        q_init_from_potential("progress")
    with pytest.raises(ValueError, match=r"finite numbers \(S,\), got shape \(1, 1\)"):
        q_init_from_potential([[1.0]])
    with pytest.raises(ValueError, match="base must be a number"):
        q_init_from_potential([1.0], base=float("nan"))
