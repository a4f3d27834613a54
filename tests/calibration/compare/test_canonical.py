"""Canonical forms: numbers worked out by hand, the formulas term by term, and what each form is blind to."""

import itertools

import numpy as np
import pytest

from payoff.calibration import TabularModel, canonicalise
from payoff.calibration.compare.canonical import KINDS
from payoff.envs.mdp import MDP

SHAPED = ("val", "val_potential", "epic", "dard", "minimal_potential", "minimal")
SEEDS = range(40)


def test_two_states_by_hand():
    """Action 0 stays, 1 switches, and only 0 -> 1 by action 1 pays: V = (2.75, 2.25) at gamma 0.9."""
    transition = np.zeros((2, 2, 2))
    transition[0, 0, 0] = transition[1, 0, 1] = transition[0, 1, 1] = transition[1, 1, 0] = 1.0
    reward = np.zeros((2, 2, 2))
    reward[0, 1, 1] = 1.0
    model = TabularModel.from_arrays(transition, 0.9)
    c = canonicalise(reward, model)
    expected = np.array([[-0.275, 0.275], [-0.225, 0.225]])
    np.testing.assert_allclose(c, np.repeat(expected[:, :, None], 2, axis=2), atol=1e-14)
    # R + 0.9 V(s') - V(s), with the transitions that cannot happen
    v = np.array([2.75, 2.25])
    np.testing.assert_allclose(
        canonicalise(reward, model, "val_potential"), reward + 0.9 * v - v[:, None, None], atol=1e-13
    )


def epic_by_loops(reward, problem):
    n, a, _ = reward.shape
    c = np.empty(reward.shape)
    everything = np.mean(reward)
    for s, k, t in itertools.product(range(n), range(a), range(n)):
        c[s, k, t] = reward[s, k, t] + problem.gamma * reward[t].mean() - reward[s].mean() - problem.gamma * everything
    return c


def dard_by_loops(reward, problem):
    n, a, _ = reward.shape
    chance, gamma = problem.transition, problem.gamma
    c = np.empty(reward.shape)
    for s, k, t in itertools.product(range(n), range(a), range(n)):
        later = own = last = 0.0
        for b in range(a):
            later += chance[t, b] @ reward[t, b] / a
            own += chance[s, b] @ reward[s, b] / a
            for i, j in itertools.product(range(n), range(n)):
                last += chance[s, b, i] * reward[i, b, j] * chance[t, b, j] / a
        c[s, k, t] = reward[s, k, t] + gamma * later - own - gamma * last
    return c


@pytest.mark.parametrize("seed", range(4))
def test_epic_and_dard_term_by_term(problem, seed):
    p = problem(seed, states=4)
    r = p.reward()
    np.testing.assert_allclose(canonicalise(r, p.model, "epic"), epic_by_loops(r, p), atol=1e-12)
    np.testing.assert_allclose(canonicalise(r, p.model, "dard"), dard_by_loops(r, p), atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_minimal_forms_are_projections(problem, seed):
    """Least squares over the explicit list of changes: potentials, and for ``minimal`` redistributions as well."""
    p = problem(seed, states=4)
    r = p.reward()
    size, n, a = r.size, p.n_states, p.n_actions
    potentials = np.zeros((size, n))
    for i in range(n):
        phi = np.eye(n)[i]
        move = np.broadcast_to(p.gamma * phi - phi[:, None, None], r.shape)
        potentials[:, i] = move.ravel()
    moves = []
    for s, k in itertools.product(range(n), range(a)):
        free = np.linalg.svd(p.transition[s, k][None])[2][1:]  # what is orthogonal to the probabilities
        for x in free:
            change = np.zeros(r.shape)
            change[s, k] = x
            moves.append(change.ravel())
    for kind, changes in (
        ("minimal_potential", potentials),
        ("minimal", np.column_stack([potentials, np.array(moves).T])),
    ):
        rest = r.ravel() - changes @ np.linalg.lstsq(changes, r.ravel())[0]
        np.testing.assert_allclose(canonicalise(r, p.model, kind).ravel(), rest, atol=1e-10)
        root = np.sqrt(p.transition).ravel()
        weighed = changes * root[:, None]
        rest = root * r.ravel() - weighed @ np.linalg.lstsq(weighed, root * r.ravel())[0]
        c = canonicalise(r, p.model, kind, weighted=True)
        np.testing.assert_allclose(root * c.ravel(), rest, atol=1e-10)


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_form_is_blind_to(problem, kind, ends):
    shaped, moved = [], []
    for seed in SEEDS:
        p = problem(seed, ends=ends)
        r = p.reward()
        c = canonicalise(r, p.model, kind)
        shaped.append(np.abs(canonicalise(r + p.shaping(), p.model, kind) - c).max())
        moved.append(np.abs(canonicalise(r + p.redistribution(), p.model, kind) - c).max())
        np.testing.assert_allclose(canonicalise(-2.5 * r, p.model, kind), -2.5 * c, atol=1e-10)  # linear
    if kind in SHAPED:
        assert max(shaped) < 1e-10
    else:
        assert min(shaped) > 1e-3
    if kind in ("val", "minimal"):
        assert max(moved) < 1e-10
    else:
        assert min(moved) > 1e-3


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("val", "dard")])
def test_a_form_is_its_own_form(problem, kind):
    p = problem(3)
    c = canonicalise(p.reward(), p.model, kind)
    np.testing.assert_allclose(canonicalise(c, p.model, kind), c, atol=1e-12)


def sparse_copy(p, rng, width=3, double=True):
    """A random MDP with few outcomes, some of which lead to the same state, and the full matrices of the same."""
    n, a = p.n_states, p.n_actions
    following = rng.integers(0, n, (n, a, width))
    if double:
        following[:, :, -1] = following[:, :, 0]
    chance = rng.dirichlet(np.ones(width), (n, a))
    ends = p.terminal[:, None, None]
    following = np.where(ends, np.arange(n)[:, None, None], following)
    reward = np.where(ends, 0.0, rng.normal(size=(n, a, width)))
    mdp = MDP(np.zeros((n, 1)), following, chance, reward, p.initial, p.terminal)
    transition, _ = mdp.dense()
    total = np.zeros((n, a, n))
    s, k, _ = np.indices(following.shape)
    np.add.at(total, (s, k, following), chance * reward)
    full = np.divide(total, transition, out=np.zeros(total.shape), where=transition > 0.0)
    return mdp, transition, full


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ends", [False, True])
def test_lists_of_outcomes_and_full_matrices_agree(problem, kind, ends):
    for seed in range(10):
        p = problem(seed, ends=ends, states=14)  # 14 states and 3 outcomes: the double sum goes by outcomes
        mdp, transition, full = sparse_copy(p, np.random.default_rng(seed))
        few = TabularModel.from_mdp(mdp, p.gamma)
        all_ = TabularModel.from_arrays(
            transition, p.gamma, initial=p.initial, terminal=p.terminal, reachable_only=True
        )
        for weighted in (False, True):
            one = canonicalise(mdp.reward, few, kind, weighted=weighted)
            other = canonicalise(full, all_, kind, weighted=weighted)
            seen = np.take_along_axis(other, few.next_state, axis=2)
            at = few.held & (few.probability > 0.0)
            np.testing.assert_allclose(one[at], seen[at], atol=1e-10)


def test_completion_is_what_full_matrices_would_say(problem):
    """EPIC on a list of possible transitions equals EPIC on full matrices whose other entries are the completion."""
    for seed in range(10):
        p = problem(seed, states=14)
        mdp, transition, full = sparse_copy(p, np.random.default_rng(seed), double=False)
        few = TabularModel.from_mdp(mdp, p.gamma)
        all_ = TabularModel.from_arrays(transition, p.gamma, initial=p.initial)
        play = np.full((14, p.n_actions), 1.0 / p.n_actions)
        expected = (transition * full).sum(axis=2)
        v = np.linalg.solve(np.eye(14) - p.gamma * np.einsum("sa,sat->st", play, transition), expected.mean(axis=1))
        advantage = expected + p.gamma * transition @ v - v[:, None]
        neutral = advantage[:, :, None] - p.gamma * v + v[:, None, None]
        completed = np.where(transition > 0.0, full, neutral)
        for kind, by_loops in (("epic", epic_by_loops), ("dard", dard_by_loops)):
            q = problem(seed, states=14)
            q.transition = transition
            wanted = by_loops(completed, q) if kind == "epic" or seed == 0 else canonicalise(completed, all_, kind)
            seen = np.take_along_axis(wanted, few.next_state, axis=2)
            one = canonicalise(mdp.reward, few, kind)
            np.testing.assert_allclose(one[few.listed], seen[few.listed], atol=1e-10)


def test_large_models_are_solved_by_substitution(problem, monkeypatch):
    """The same values, forwards and backwards, without a matrix."""
    p = problem(5, ends=True, gamma=0.95)
    play = p.policy()
    right = p.rng.normal(size=p.n_states)
    both = [p.model.solve(play, right, backward=b) for b in (False, True)]
    monkeypatch.setattr("payoff.calibration.compare.model.MOST_DENSE", 1)
    monkeypatch.setattr("payoff.calibration.compare.canonical.MOST_DENSE", 1)
    for backward, x in enumerate(both):
        np.testing.assert_allclose(p.model.solve(play, right, backward=bool(backward)), x, atol=1e-12)
    with pytest.raises(ValueError, match="'minimal' beyond 1 states"):
        canonicalise(p.reward(), p.model, "minimal")


def test_what_is_paid_in_terminal_states_does_not_count(problem):
    p = problem(1, ends=True)
    r = p.reward()
    other = r.copy()
    other[-1] += 5.0
    for kind in KINDS:
        np.testing.assert_array_equal(canonicalise(r, p.model, kind), canonicalise(other, p.model, kind))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"transition": np.ones((2, 3, 2))}, "must hold probabilities"),
        ({"transition": np.ones((2, 3))}, r"shape \(S, A, S\), got \(2, 3\)"),
        ({"gamma": 1.0}, r"gamma must be a number in \(0, 1\), got 1.0"),
        ({"initial": np.ones(3) / 3}, "initial must hold 2 probabilities"),
        ({"initial": np.ones(2)}, "initial must hold 2 probabilities"),
        ({"initial": np.array([1.5, -0.5])}, "initial must hold 2 probabilities"),  # they sum to 1
        ({"terminal": [True]}, r"terminal must have shape \(2,\)"),
    ],
)
def test_bad_settings_are_refused(change, text):
    given = {"transition": np.full((2, 3, 2), 0.5), "gamma": 0.9} | change
    with pytest.raises(ValueError, match=text):
        TabularModel.from_arrays(**given)


def test_bad_rewards_are_refused(problem):
    p = problem(0, states=4)
    with pytest.raises(ValueError, match="kind must be one of 'val'"):
        canonicalise(p.reward(), p.model, "value")
    with pytest.raises(ValueError, match=r"reward must have shape \(4, . 4\)|reward must have shape"):
        canonicalise(np.zeros((4, 4)), p.model)
    r = p.reward()
    r[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="finite numbers, got nan"):
        canonicalise(r, p.model)
    with pytest.raises(ValueError, match="potential must have shape"):
        p.model.shaping(np.zeros(3))
