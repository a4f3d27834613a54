"""Theorems of potential-based shaping, potentials that change, and the ways to make a potential."""

import pickle
import subprocess
import sys

import numba
import numpy as np
import pytest

from payoff.wrappers import BatchInfo, PotentialShaping, from_info, from_table, wrap
from payoff.wrappers.potential.shaping import from_value, jitted

NO_INFO = BatchInfo(lambda key: {}[key], [], np.zeros(0, dtype=bool))


def test_of_300_problems_none_changes_its_optimal_policy_unless_a_rule_is_broken(problem):
    """The spec measured 29.3 % with the terminal potential kept and 8.3 % with discount 1, on problems of its own."""
    rng, gamma = np.random.default_rng(0), 0.95
    changed = {"rule": 0, "terminal potential kept": 0, "discount 1": 0}
    worst = 0.0
    for _ in range(300):
        p = problem(rng)
        best = p.solve(p.reward, gamma)
        for name, discount, ends in (
            ("rule", gamma, "terminated"),
            ("terminal potential kept", gamma, "truncated"),
            ("discount 1", 1.0, "terminated"),
        ):
            method = PotentialShaping(from_table(p.table), gamma=discount, on_truncation="bootstrap")
            q = p.solve(p.shaped(method, ends), gamma)
            changed[name] += (q.argmax(axis=1) != best.argmax(axis=1))[~p.terminal].any()
            if name == "rule":  # Q' = Q - Phi
                worst = max(worst, np.abs(q - (best - p.table[:, None]))[~p.terminal].max())
    assert changed["rule"] == 0 and worst < 1e-12
    assert 0.20 < changed["terminal potential kept"] / 300 < 0.40
    assert 0.03 < changed["discount 1"] / 300 < 0.15


@pytest.mark.parametrize("evaluate", ["on arrival", "again at departure"])
def test_a_potential_that_changes_telescopes_only_when_its_arrival_value_is_taken_back(evaluate, walk):
    """The classic mistake, evaluating Phi(s) anew at departure, leaves a sum that depends on the path."""
    clock = [0]

    def drifting(obs, info):  # as that of a value function that learns between the steps
        return obs[:, 0] * (1.0 + clock[0]) + 0.5 * clock[0]

    gamma, left = 0.9, {}
    for path in ([2, 2, 0, 0, 2, 0], [0, 0, 2, 2, 0, 2]):  # both from x to x
        clock[0] = 0
        env = wrap(walk(horizon=6, edge=100), PotentialShaping(drifting, gamma=gamma, on_truncation="bootstrap"))
        obs, _ = env.reset(seed=0)
        first, total = float(drifting(obs[None], None)[0]), 0.0
        for t, action in enumerate(path):
            before = obs
            clock[0] += 1
            obs, *_, info = env.step(action)
            paid = info["reward_terms"]["shaping"]
            if evaluate == "again at departure":
                paid = gamma * drifting(obs[None], None)[0] - drifting(before[None], None)[0]
            total += gamma**t * paid
        left[tuple(path)] = total - (gamma**6 * float(drifting(obs[None], None)[0]) - first)
    if evaluate == "on arrival":
        assert np.abs(list(left.values())).max() < 1e-12
    else:
        one, two = left.values()
        assert min(abs(one), abs(two), abs(one - two)) > 0.1


# -- where potentials come from ------------------------------------------------------------------------------


def height(x):
    return 1.0 - 2.0 * abs(x[0]) + 0.5 * x[1]


def heights(obs, info):
    x = obs.astype(np.float64).reshape(len(obs), -1)
    return 1.0 - 2.0 * np.abs(x[:, 0]) + 0.5 * x[:, 1]


def test_jitted_equals_the_same_function_of_a_batch():
    obs = np.random.default_rng(0).normal(size=(50, 3))
    for batch in (
        obs,
        obs.astype(np.float32).astype(np.float64),
        (10 * obs).astype(np.int64),
        obs[:, None, :],  # flattened
        obs[::2],
        np.asfortranarray(obs),
    ):
        np.testing.assert_allclose(jitted(height)(batch, NO_INFO), heights(batch, NO_INFO), rtol=1e-15, atol=1e-15)
    assert jitted(numba.njit(height))(obs, NO_INFO).tolist() == jitted(height)(obs, NO_INFO).tolist()
    assert jitted(allocates)(obs, NO_INFO) == pytest.approx(np.abs(obs - obs.mean(axis=1, keepdims=True)).sum(axis=1))
    assert jitted(entry)(np.arange(4), NO_INFO).tolist() == [0.0, 1.0, 2.0, 3.0]  # observations that are numbers


def allocates(x):
    return np.abs(x - x.mean()).sum()


def entry(x):
    return x[0]


def test_jitted_is_not_called_for_rows_that_are_left_out():
    obs = np.array([[1.0, 0.0], [np.nan, np.nan], [3.0, 0.0]])
    assert jitted(height).masked(obs, NO_INFO, np.array([True, False, True])).tolist() == [-1.0, 0.0, -5.0]
    with pytest.raises(ValueError, match=r"potential jitted\(height\) must return finite numbers .* got nan"):
        jitted(height)(obs, NO_INFO)


@pytest.mark.parametrize("on_truncation", ["bootstrap", "terminal"])
def test_masked_potentials_pay_what_plain_functions_pay(on_truncation, walk, sync, shaping):
    """Rows end and restart at different times, so that all of the potential's ways are taken."""
    table = np.random.default_rng(0).normal(size=9)

    def state(obs):
        return obs[:, 0].astype(np.int64) + 4

    pairs = [
        (jitted(height), heights),
        (from_table(table, state=state), lambda obs, info: table[state(obs)]),
        (from_info("progress"), lambda obs, info: np.asarray(info["progress"])),
    ]
    for fast, plain in pairs:
        one, two = (wrap(sync(walk, 5), shaping(on_truncation, p, scale=1.5, shift=0.25)) for p in (fast, plain))
        one.reset(seed=0), two.reset(seed=0)
        rng, partial = np.random.default_rng(1), 0
        for _ in range(80):
            action = rng.integers(0, 3, 5)
            _, reward, terminated, truncated, _ = one.step(action)
            np.testing.assert_allclose(reward, two.step(action)[1], atol=1e-14)
            partial += 0 < (terminated | truncated).sum() < 5
        assert partial > 20


def test_jitted_says_what_is_wrong():
    with pytest.raises(TypeError, match="numba cannot compile jitted"):
        jitted(lambda x: x.no_such_thing)(np.zeros((2, 3)), NO_INFO)
    with pytest.raises(TypeError, match="needs observations that are arrays, got a dict"):
        jitted(height)({"x": np.zeros((2, 3))}, NO_INFO)
    with pytest.raises(TypeError, match="function must be a function of one observation, got 3"):
        jitted(3)
    with pytest.raises(IndexError):  # and not whatever lies in memory there
        jitted(lambda x: x[7])(np.zeros((2, 3)), NO_INFO)


def test_jitted_is_pickled_without_its_code():
    potential = jitted(height)
    obs = np.random.default_rng(0).normal(size=(5, 2))
    kept = potential(obs, NO_INFO).tolist()
    again = pickle.loads(pickle.dumps(potential))
    assert again(obs, NO_INFO).tolist() == kept
    assert repr(again) == "jitted(height)"


def test_table_looks_at_the_states_of_the_mask_only():
    table = from_table([5.0, 7.0, 9.0], state=lambda obs: obs[:, 0].astype(np.int64))
    obs = np.array([[2.0], [99.0], [0.0], [-1.0], [1.0]])
    for mask in ([True, False, True, False, True], [False, False, True, False, False]):
        found = table.masked(obs, NO_INFO, np.array(mask))
        assert found[mask].tolist() == np.array([9.0, 0.0, 5.0, 0.0, 7.0])[mask].tolist()
    with pytest.raises(ValueError, match=r"states must be whole numbers, one a row, got shape \(1,\)"):
        from_table([0.0], state=lambda obs: np.zeros(1, dtype=int)).masked(obs, NO_INFO, np.ones(5, dtype=bool))
    with pytest.raises(ValueError, match=r"0 \.\. 2, got 0 \.\. 99"):
        table.masked(obs, NO_INFO, np.array([True, True, True, False, False]))
    with pytest.raises(ValueError, match=r"0 \.\. 2, got -1 \.\. 2"):
        table(obs[[0, 3]], NO_INFO)


def test_value_function_of_any_kind():
    obs = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    expected = obs.sum(axis=1)
    assert from_value(lambda x: x.sum(axis=1))(obs, NO_INFO).tolist() == expected.tolist()
    assert from_value(lambda x: x.sum(axis=1, keepdims=True))(obs, NO_INFO).tolist() == expected.tolist()
    with pytest.raises(TypeError, match="value must be a function obs -> "):
        from_value([1.0, 2.0])


def test_value_function_that_is_a_torch_module(walk, shaping):
    torch = pytest.importorskip("torch")
    net = torch.nn.Linear(2, 1)
    with torch.no_grad():
        net.weight[:] = torch.tensor([[0.5, -1.0]])
        net.bias[:] = 2.0
    obs = np.array([[1.0, 2.0], [3.0, 4.0]])
    obs.flags.writeable = False
    found = from_value(net)(obs, NO_INFO)
    assert isinstance(found, np.ndarray) and found.tolist() == [0.5, -0.5]
    env = wrap(walk(), shaping(potential=from_value(net.double())))
    env.reset(seed=0)
    assert env.step(1)[4]["reward_terms"]["shaping"] != 0.0
    assert net.weight.grad is None


def test_value_functions_do_not_import_torch():
    code = """
import sys, numpy as np
from payoff.wrappers.potential.shaping import from_value, jitted
jitted(len)
from_value(lambda x: x[:, 0])(np.zeros((2, 2)), None)
print([m for m in ("torch", "numba") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
