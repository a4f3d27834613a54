"""Look-back and look-ahead advice."""

import numpy as np
import pytest

from payoff.wrappers import BatchInfo, RewardMethod, Transition, wrap
from payoff.wrappers.potential.advice import LookAheadAdvice, LookBackAdvice, of_all_actions
from payoff.wrappers.potential.neutral import ReturnNeutralBonus
from payoff.wrappers.redistribution.base import EpisodeBatch

NO_INFO = BatchInfo(lambda key: {}[key], [], np.zeros(0, dtype=bool))
GAMMA = 0.9


def advice(obs, action):
    """Elementwise, so that the bits do not depend on the batch size."""
    return obs[:, 0] * 0.5 + np.asarray(action) * 0.25 + 1.0


class AsBonus(RewardMethod):
    def __call__(self, t):
        return advice(t.obs, t.action)


def episode(env, rng, seed):
    """Advice that was followed, terms that were paid, and the flags at the end."""
    obs, _ = env.reset(seed=seed)
    given, paid, over = [], [], False
    while not over:
        action = int(rng.integers(0, 3))
        given.append(float(advice(obs[None].astype(float), np.array([action]))[0]))
        obs, _, terminated, truncated, info = env.step(action)
        paid.append(info["reward_terms"]["shaping"])
        over = terminated or truncated
    return given, paid, (terminated, truncated)


def test_unclosed_look_back_leaves_the_last_advice(walk):
    """gamma^t F_t sums up to gamma^(N-1) Phi(s_{N-1}, a_{N-1}), at every kind of end."""
    env, rng, kinds = wrap(walk(), LookBackAdvice(advice, gamma=GAMMA)), np.random.default_rng(0), set()
    for seed in range(30):
        given, paid, kind = episode(env, rng, seed)
        assert paid[0] == pytest.approx(given[0], abs=1e-6)  # nothing came before the first step
        total = sum(GAMMA**t * f for t, f in enumerate(paid))
        assert total == pytest.approx(GAMMA ** (len(paid) - 1) * given[-1], abs=1e-6)
        kinds.add(kind)
    assert len(kinds) == 3


@pytest.mark.parametrize("on_truncation", ["bootstrap", "terminal"])
def test_closed_look_back_is_a_neutral_bonus_with_a_delay_of_one(on_truncation, walk):
    closed = wrap(walk(), LookBackAdvice(advice, gamma=GAMMA, close=True, on_truncation=on_truncation))
    neutral = wrap(walk(), ReturnNeutralBonus(AsBonus(), gamma=GAMMA, delay=1, on_truncation=on_truncation))
    rng, kinds = np.random.default_rng(0), set()
    for seed in range(30):
        closed.reset(seed=seed), neutral.reset(seed=seed)
        total, t, over = 0.0, 0, False
        while not over:
            action = int(rng.integers(0, 3))
            _, reward, terminated, truncated, info = closed.step(action)
            assert reward == pytest.approx(neutral.step(action)[1], abs=1e-12)
            total += GAMMA**t * info["reward_terms"]["shaping"]
            t, over = t + 1, terminated or truncated
        kinds.add((terminated, truncated))
        if terminated or on_truncation == "terminal":
            assert abs(total) < 1e-12
        else:
            assert total == pytest.approx(GAMMA**t * neutral.method.debt.item() / GAMMA, abs=1e-12)
    assert len(kinds) == 3


# gamma 0.5, Phi = 1, 2, 3: F = 1, 2 - 1 / 0.5, 3 - 2 / 0.5, and in a closed last step -2 / 0.5
@pytest.mark.parametrize(
    ("keywords", "flags", "last"),
    [
        ({}, (True, False), -1.0),
        ({}, (False, True), -1.0),
        ({"close": True, "on_truncation": "bootstrap"}, (True, False), -4.0),
        ({"close": True, "on_truncation": "bootstrap"}, (False, True), -1.0),
        ({"close": True, "on_truncation": "bootstrap"}, (True, True), -4.0),
        ({"close": True, "on_truncation": "terminal"}, (False, True), -4.0),
        ({"close": True, "on_truncation": "terminal"}, (False, False), -1.0),
    ],
)
def test_ends_of_episodes(keywords, flags, last, one_row, begin):
    method = LookBackAdvice(lambda obs, action: obs[:, 0], gamma=0.5, **keywords)
    begin(method)
    assert method(one_row(1.0)).tolist() == [1.0]
    assert method(one_row(active=False, obs=np.nan)).shape == (1,)  # no step: nothing is remembered
    assert method(one_row(2.0)).tolist() == [0.0]
    terminated, truncated = flags
    assert method(one_row(3.0, terminated=terminated, truncated=truncated)).tolist() == [last]
    begin(method)
    assert method(one_row(5.0)).tolist() == [5.0]


def test_autoreset_call_pays_nothing(walk, sync):
    env = wrap(sync(lambda: walk(horizon=2, edge=100), 2), LookBackAdvice(advice, gamma=GAMMA))
    env.reset(seed=0)
    for _ in range(2):
        env.step(np.array([1, 2]))
    _, reward, *_, info = env.step(np.array([1, 2]))
    assert reward.tolist() == info["reward_terms"]["shaping"].tolist() == [0.0, 0.0]
    assert env.method.state_dict()["last"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("close", [False, True])
def test_stacking(close, stacks_equal):
    for on_truncation in ("bootstrap", "terminal"):
        stacks_equal(lambda on=on_truncation: LookBackAdvice(advice, gamma=GAMMA, close=close, on_truncation=on))


def test_state_goes_round(walk):
    def make():
        env = wrap(walk(horizon=50, edge=100), LookBackAdvice(advice, gamma=GAMMA))
        env.reset(seed=0)
        return env

    one, two = make(), make()
    one.step(2), two.step(0), two.step(0)
    with pytest.raises(ValueError, match="last"):
        two.method.load_state_dict({"last": np.zeros(2)})
    assert two.method.state_dict()["last"].item() != one.method.state_dict()["last"].item()
    two.method.load_state_dict(one.method.state_dict())
    t = Transition(
        np.array([[1.0, 0.0]]), np.array([1]), np.zeros(1), None, *np.zeros((2, 1), bool), NO_INFO, np.ones(1, bool)
    )
    assert one.method(t).tolist() == two.method(t).tolist()


# -- look-ahead ----------------------------------------------------------------------------------------------


def batch():
    """Three episodes of up to 3 steps: terminated after 3, truncated after 2, not over after 3; obs are numbers."""
    obs = np.array([[1.0, 10.0, 100.0], [2.0, 20.0, 200.0], [3.0, 30.0, 300.0], [4.0, np.nan, 400.0]])[..., None]
    actions = np.array([[1, 2, 3], [4, 5, 6], [7, 99, 8]])
    valid = np.array([[True, True, True], [True, True, True], [True, False, True]])
    terminated = np.array([[False] * 3, [False] * 3, [True, False, False]])
    truncated = np.array([[False] * 3, [False, True, False], [False] * 3])
    return EpisodeBatch(obs, actions, np.full((3, 3), 0.5), terminated, truncated, valid)


def number(obs, action):
    """State plus a thousandth of the action, so that every pair has a number of its own."""
    return obs[:, 0] + 0.001 * action


@pytest.mark.parametrize("on_truncation", ["bootstrap", "terminal"])
def test_look_ahead_by_hand(on_truncation):
    method = LookAheadAdvice(number, gamma=0.5, on_truncation=on_truncation, act=lambda obs: np.full(len(obs), 9))
    kept = 30.009 if on_truncation == "bootstrap" else 0.0
    expected = 0.5 + np.array(
        [
            [0.5 * 2.004 - 1.001, 0.5 * 20.005 - 10.002, 0.5 * 200.006 - 100.003],
            [0.5 * 3.007 - 2.004, 0.5 * kept - 20.005, 0.5 * 300.008 - 200.006],
            [-3.007, -0.5, 0.5 * 400.009 - 300.008],  # -0.5: not valid, 0 in all
        ]
    )
    np.testing.assert_allclose(method(batch()), expected, atol=1e-12)


def test_look_ahead_telescopes():
    """Over an episode gamma^t F_t sums up to gamma^N Phi(s_N, a_N) - Phi(s_0, a_0)."""
    method = LookAheadAdvice(number, gamma=0.5, on_truncation="bootstrap", act=lambda obs: np.zeros(len(obs)))
    b = batch()
    total = (0.5 ** np.arange(3)[:, None] * np.where(b.valid, method(b) - b.rewards, 0.0)).sum(axis=0)
    np.testing.assert_allclose(total, [-1.001, 0.25 * 30.0 - 10.002, 0.125 * 400.0 - 100.003], atol=1e-12)


def test_look_ahead_subtracts_the_advice_from_the_values_of_every_policy(problem):
    """Q'_pi = Q_pi - Phi(s, a) on random problems, with rewards that the transform gave; linear equations, exact."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = problem(rng)
        phi, policy = rng.normal(size=(8, 3)), rng.integers(0, 3, 8)
        s, a, after = np.indices(p.reward.shape).reshape(3, -1)
        n = s.size
        over = p.terminal[after]
        obs = np.stack([s, after, after])  # two steps a column: (s, a), then the policy's action, which is cut off
        actions = np.stack([a, policy[after]])
        valid = np.stack([np.ones(n, dtype=bool), ~over])
        ends = np.stack([over, np.zeros(n, dtype=bool)])
        rewards = np.stack([p.reward.ravel(), np.zeros(n)])
        b = EpisodeBatch(obs, actions, rewards, ends, np.zeros_like(ends), valid)
        method = LookAheadAdvice(
            lambda obs, action, phi=phi: phi[obs, action],
            gamma=GAMMA,
            on_truncation="bootstrap",
            act=lambda obs, policy=policy: policy[obs],
        )
        shaped = method(b)[0].reshape(p.reward.shape)
        move = np.where(p.terminal[:, None, None], 0.0, p.move)

        def values(reward, move=move, policy=policy):
            paid, rows = (move * reward).sum(axis=-1), np.arange(8)
            v = np.linalg.solve(np.eye(8) - GAMMA * move[rows, policy], paid[rows, policy])
            return paid + GAMMA * move @ v

        difference = values(p.reward) - values(shaped) - phi
        assert np.abs(difference[~p.terminal]).max() < 1e-12
        state = np.arange(8)
        np.testing.assert_allclose(method.guided(state, values(shaped))[~p.terminal], values(p.reward)[~p.terminal])


def test_look_ahead_needs_to_know_what_comes_next():
    b = batch()
    with pytest.raises(ValueError, match="act must be given"):
        LookAheadAdvice(number, gamma=0.5, on_truncation="terminal")(b)
    done = EpisodeBatch(
        b.obs[:, :2], b.actions[:, :2], b.rewards[:, :2], b.terminated[:, :2], b.truncated[:, :2], b.valid[:, :2]
    )
    assert LookAheadAdvice(number, gamma=0.5, on_truncation="terminal")(done).shape == (3, 2)
    with pytest.raises(ValueError, match="act must be given"):
        LookAheadAdvice(number, gamma=0.5, on_truncation="bootstrap")(done)


def test_advice_about_all_actions():
    obs = np.array([[1.0], [2.0]])
    assert of_all_actions(number, obs, 3).tolist() == [[1.0, 1.001, 1.002], [2.0, 2.001, 2.002]]
    found = of_all_actions(lambda obs, action: obs["x"] + action, {"x": np.array([1.0, 5.0])}, 2)
    assert found.tolist() == [[1.0, 2.0], [5.0, 6.0]]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LookBackAdvice("go right", gamma=0.9), TypeError, "advice must be a function"),
        (lambda: LookBackAdvice(advice, gamma=1.5), ValueError, "gamma must be a number"),
        (lambda: LookBackAdvice(advice, gamma=0.9, close=True), ValueError, "on_truncation must be one of"),
        (lambda: LookBackAdvice(advice, gamma=0.9, close=1), ValueError, "close must be True or False"),
        (lambda: LookAheadAdvice(advice, gamma=0.9, on_truncation="keep"), ValueError, "on_truncation must be one of"),
        (lambda: LookAheadAdvice(None, gamma=0.9, on_truncation="terminal"), TypeError, "advice must be a function"),
        (lambda: LookAheadAdvice(advice, gamma=0.9, on_truncation="terminal", act=3), TypeError, "act must be a"),
    ],
)
def test_arguments_are_checked(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_bad_advice_is_named(one_row, begin):
    for bad, message in ((lambda o, a: np.full(len(a), np.nan), "got nan"), (lambda o, a: np.zeros(9), "got shape")):
        method = LookBackAdvice(bad, gamma=0.9)
        begin(method)
        with pytest.raises(ValueError, match=message):
            method(one_row())
