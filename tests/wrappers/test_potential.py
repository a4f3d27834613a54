"""Potential-based shaping against its theory."""

import re

import gymnasium as gym
import numpy as np
import pytest

from payoff.wrappers import BatchInfo, PotentialShaping, Transition, from_info, from_table, wrap
from payoff.wrappers.rows import single_info

NO_INFO = BatchInfo(lambda key: {}[key], [], np.zeros(0, dtype=bool))


def shaped_rewards(method, obs, reward, next_obs, terminated, truncated=None):
    """What the method makes of independent transitions, each as the first of an episode."""
    rows = len(reward)
    everyone = np.ones(rows, dtype=bool)
    truncated = ~everyone if truncated is None else truncated
    method.reset(obs, NO_INFO, everyone)
    action = np.zeros(rows, dtype=int)
    return method(Transition(obs, action, reward, next_obs, terminated, truncated, NO_INFO, everyone))


class TwoArms(gym.Env):
    """One state 0; action 0 leads to state 1 and pays 1, action 1 leads to state 2 and pays 0."""

    observation_space = gym.spaces.Discrete(3)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, flags):
        self.flags = flags

    def reset(self, *, seed=None, options=None):
        return 0, {}

    def step(self, action):
        return int(action) + 1, 1.0 - action, *self.flags, {}


@pytest.mark.parametrize(
    ("flags", "on_truncation", "expected"),
    [
        ((True, False), "bootstrap", (0.5, -0.5)),  # right: the arm that pays wins
        ((True, False), "terminal", (0.5, -0.5)),
        ((True, True), "bootstrap", (0.5, -0.5)),
        ((False, True), "terminal", (0.5, -0.5)),
        ((False, True), "bootstrap", (0.68, 1.30)),  # kept: for learners that add gamma V(s') with Q' = Q - Phi
        ((False, False), "terminal", (0.68, 1.30)),
    ],
)
def test_smallest_example_and_the_ends_of_episodes(flags, on_truncation, expected):
    method = PotentialShaping(from_table([0.5, 0.2, 2.0]), gamma=0.9, on_truncation=on_truncation)
    env = wrap(TwoArms(flags), method)
    for action in (0, 1):
        env.reset()
        assert env.step(action)[1] == pytest.approx(expected[action], abs=1e-15)


# -- invariance on random decision problems ------------------------------------------------------------------

STATES, ACTIONS, DISCOUNT = 8, 3, 0.95
TERMINAL = np.arange(STATES) >= STATES - 2


def random_problem(rng):
    """T (S, A, S), R (S, A, S) and a potential (S,), which is not zero in the two terminal states."""
    move = rng.random((STATES, ACTIONS, STATES))
    return move / move.sum(-1, keepdims=True), rng.normal(size=move.shape), rng.normal(size=STATES)


def action_values(move, reward):
    """Optimal Q (S, A) by value iteration; terminal states are worth 0."""
    q = np.zeros((STATES, ACTIONS))
    for _ in range(5000):
        value = np.where(TERMINAL, 0.0, q.max(axis=1))
        new = (move * (reward + DISCOUNT * value)).sum(axis=-1)
        if np.abs(new - q).max() < 1e-13:
            return new
        q = new
    raise AssertionError("value iteration did not converge")


def shaped_problem(reward, table, gamma, keep_terminal):
    """R (S, A, S) after the method; with ``keep_terminal`` ends look like truncations, and keep their potential."""
    s, _, after = np.indices(reward.shape).reshape(3, -1)
    ends = TERMINAL[after]
    method = PotentialShaping(from_table(table), gamma=gamma, on_truncation="bootstrap")
    flags = (np.zeros_like(ends), ends) if keep_terminal else (ends, np.zeros_like(ends))
    return shaped_rewards(method, s, reward.ravel(), after, *flags).reshape(reward.shape)


def test_optimal_policy_changes_only_when_a_rule_is_broken():
    rng = np.random.default_rng(0)
    changed = {"rule": 0, "terminal potential kept": 0, "other discount": 0}
    worst = 0.0
    for _ in range(300):
        move, reward, table = random_problem(rng)
        q = action_values(move, reward)
        best = q[~TERMINAL].argmax(axis=1)
        for name, gamma, keep in (
            ("rule", DISCOUNT, False),
            ("terminal potential kept", DISCOUNT, True),
            ("other discount", 1.0, False),
        ):
            shaped = action_values(move, shaped_problem(reward, table, gamma, keep))
            changed[name] += bool((shaped[~TERMINAL].argmax(axis=1) != best).any())
            if name == "rule":  # Q' = Q - Phi, in every state that can be acted in
                worst = max(worst, np.abs(shaped - (q - table[:, None]))[~TERMINAL].max())
    assert changed["rule"] == 0
    assert worst < 1e-11
    assert 0.20 < changed["terminal potential kept"] / 300 < 0.40
    assert 0.02 < changed["other discount"] / 300 < 0.20


def test_shift_adds_a_constant_and_takes_it_back_at_the_end():
    rng = np.random.default_rng(1)
    table, c = rng.normal(size=4), 0.7
    obs, after = np.array([0, 1, 2]), np.array([1, 2, 3])
    terminated = np.array([False, False, True])
    plain, shifted = (
        shaped_rewards(
            PotentialShaping(from_table(table), gamma=0.9, on_truncation="terminal", shift=shift),
            obs,
            np.zeros(3),
            after,
            terminated,
        )
        for shift in (0.0, c)
    )
    np.testing.assert_allclose(shifted - plain, [(0.9 - 1) * c, (0.9 - 1) * c, -c], atol=1e-15)


def test_scale_multiplies_the_term():
    obs, after, none = np.array([0, 1]), np.array([1, 2]), np.zeros(2, dtype=bool)
    one, three = (
        shaped_rewards(
            PotentialShaping(from_table([0.3, 0.8, -1.0]), gamma=0.9, on_truncation="terminal", scale=scale),
            obs,
            np.zeros(2),
            after,
            none,
        )
        for scale in (1.0, 3.0)
    )
    np.testing.assert_allclose(three, 3 * one, rtol=1e-15)


def test_potential_that_changes_is_evaluated_once_on_arrival(walk):
    """Dynamic shaping telescopes to gamma^N Phi_N(s_N) - Phi_0(s_0) only if the arrival value is taken back."""
    seen = []

    def drifting(obs, info):
        seen.append(float(obs[0, 0]) + 10.0 * len(seen))
        return np.array(seen[-1:])

    env = wrap(walk(horizon=5, edge=100), PotentialShaping(drifting, gamma=0.9, on_truncation="bootstrap"))
    env.reset(seed=0)
    total = sum(0.9**t * env.step(2)[4]["reward_terms"]["shaping"] for t in range(5))
    assert len(seen) == 6
    assert total == pytest.approx(0.9**5 * seen[-1] - seen[0], abs=1e-12)


def test_potential_is_not_asked_about_terminal_states():
    def undefined_at_the_end(obs, info):
        return np.where(obs == 0, 0.5, np.nan)

    env = wrap(TwoArms((True, False)), PotentialShaping(undefined_at_the_end, gamma=0.9, on_truncation="bootstrap"))
    env.reset()
    assert env.step(0)[1] == 0.5


# -- what is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"gamma": 0.0}, ValueError, r"gamma .* \(0, 1\], got 0.0"),
        ({"gamma": 1.01}, ValueError, "gamma .* got 1.01"),
        ({"gamma": float("nan")}, ValueError, "gamma .* got nan"),
        ({"gamma": True}, ValueError, "gamma .* got True"),
        ({"on_truncation": "keep"}, ValueError, "on_truncation must be one of 'bootstrap', 'terminal', got 'keep'"),
        ({"scale": float("inf")}, ValueError, "scale .* got inf"),
        ({"shift": "1"}, ValueError, "shift .* got '1'"),
        ({"potential": "progress"}, TypeError, r"from_info\('progress'\)"),
        ({"potential": np.zeros(3)}, TypeError, r"from_table\(values\)"),
    ],
)
def test_arguments_are_checked(keywords, error, message):
    arguments = {"potential": from_info("progress"), "gamma": 0.9, "on_truncation": "bootstrap"} | keywords
    with pytest.raises(error, match=message):
        PotentialShaping(arguments.pop("potential"), **arguments)


@pytest.mark.parametrize("missing", ["gamma", "on_truncation"])
def test_discount_and_truncation_have_no_default(missing):
    keywords = {"gamma": 0.9, "on_truncation": "bootstrap"}
    del keywords[missing]
    with pytest.raises(TypeError, match=missing):
        PotentialShaping(from_info("progress"), **keywords)


def not_finite(obs, info):
    return np.full(len(obs), np.nan)


def one_number_for_all(obs, info):
    return np.zeros(1)


@pytest.mark.parametrize(
    ("potential", "message"),
    [(not_finite, "potential not_finite must .* got nan"), (one_number_for_all, r"shape \(3,\), got shape \(1,\)")],
)
def test_bad_potential_is_named(potential, message):
    method = PotentialShaping(potential, gamma=0.9, on_truncation="bootstrap")
    with pytest.raises(ValueError, match=message):
        method.reset(np.zeros(3), NO_INFO, np.ones(3, dtype=bool))


def test_table_checks_its_values_and_states():
    with pytest.raises(ValueError, match="finite numbers"):
        from_table([0.0, np.nan])
    with pytest.raises(ValueError, match="finite numbers"):
        from_table([[0.0]])
    table = from_table([0.0, 1.0])
    with pytest.raises(ValueError, match=r"0 \.\. 1, got -1 \.\. 0"):
        table(np.array([0, -1]), NO_INFO)
    with pytest.raises(ValueError, match=r"0 \.\. 1, got 0 \.\. 2"):
        table(np.array([0, 2]), NO_INFO)
    with pytest.raises(ValueError, match="whole numbers"):
        table(np.array([0.0]), NO_INFO)
    one_hot = from_table([5.0, 7.0], state=lambda obs: obs.argmax(axis=1))
    assert one_hot(np.array([[0.0, 1.0], [1.0, 0.0]]), NO_INFO).tolist() == [7.0, 5.0]


def test_info_potential_reads_the_entry_or_names_it():
    assert from_info("progress")(None, single_info({"progress": 0.25})).tolist() == [0.25]
    with pytest.raises(KeyError, match=re.escape("info has no 'progress' (it has: payoff, rewards)")) as caught:
        from_info("progress")(None, single_info({"payoff": 1.0, "rewards": 1.0}))
    assert "info='full'" in str(caught.value)
    with pytest.raises(TypeError, match="key must be a string"):
        from_info(3)


def test_state_goes_round_and_is_checked():
    table = from_table([1.0, 2.0, 4.0])
    method, other = (PotentialShaping(table, gamma=0.5, on_truncation="bootstrap") for _ in range(2))
    everyone = np.ones(2, dtype=bool)
    for m, obs in ((method, np.array([0, 1])), (other, np.array([2, 2]))):
        m.reset(obs, NO_INFO, everyone)
    state = method.state_dict()
    assert state["phi"].tolist() == [1.0, 2.0]
    other.load_state_dict(state)
    t = Transition(None, None, np.zeros(2), np.array([2, 0]), ~everyone, ~everyone, NO_INFO, everyone)
    assert other(t).tolist() == method(t).tolist() == [0.5 * 4 - 1, 0.5 * 1 - 2]
    assert state["phi"].tolist() == [1.0, 2.0]  # a copy: the call did not write into it
    for bad in ({}, {"phi": np.zeros(3)}, {"phi": np.array([0.0, np.nan])}, {"phi": np.zeros(2), "psi": np.zeros(2)}):
        with pytest.raises(ValueError, match="phi"):
            other.load_state_dict(bad)
    assert other.state_dict()["phi"].tolist() == method.state_dict()["phi"].tolist()


def test_reset_of_some_rows_leaves_the_others():
    method = PotentialShaping(from_table([1.0, 2.0, 4.0]), gamma=0.5, on_truncation="bootstrap")
    method.reset(np.array([0, 1, 2]), NO_INFO, np.ones(3, dtype=bool))
    method.reset(np.array([2, 2, 0]), NO_INFO, np.array([True, False, False]))
    assert method.state_dict()["phi"].tolist() == [4.0, 2.0, 4.0]
