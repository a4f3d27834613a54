"""REINFORCE: its gradients and its step by hand and by other means, and what it learns where the answer is known."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
import torch

from payoff.baselines import reinforce
from payoff.baselines.environments import make_vector
from payoff.baselines.episodes import Episodes
from payoff.baselines.reinforce import Args, FourierBasis, Minibatch, ReinforceLearners, Running
from payoff.baselines.training import NotFiniteError
from payoff.wrappers import PotentialShaping, RewardMethod, wrap
from tests.baselines.fixtures import Match, Stub, StubVectorEnv


class Choose(Stub):
    """Two states, seen as 0 and 1, and two actions: pays PAY[state, action]."""

    num_actions = 2
    PAY = np.array([[1.0, 0.0], [0.0, 0.5]])

    def observe(self, luck):
        return np.floor(2 * luck)[..., None].astype(np.float32)

    def pay(self, luck, actions):
        return self.PAY[np.floor(2 * luck).astype(int), actions]


class Always(Choose):
    """Pays the same, whatever is done."""

    def __init__(self, *args, amount, **settings):
        super().__init__(*args, **settings)
        self.amount = amount

    def pay(self, luck, actions):
        return np.full_like(luck, self.amount)


class OneMemory(StubVectorEnv):
    """Writes all observations into the same memory."""

    def reset(self, **kwargs):
        obs, info = super().reset(**kwargs)
        self.memory = obs.copy()
        return self.memory, info

    def step(self, actions):
        self.memory[:], *rest = super().step(actions)
        return self.memory, *rest


class Twice(RewardMethod):
    term = "aux"

    def __call__(self, t):
        return 2.0 * t.reward


class NaiveSum(RewardMethod):
    term = "aux"

    def __call__(self, t):
        return t.reward + t.info["aux"].reshape(-1)


@pytest.fixture(autouse=True)
def stubs():
    games = {"Choose": Choose, "Always": Always, "Match": Match, "OneMemory": Choose}
    for name, game in games.items():
        view = OneMemory if name == "OneMemory" else StubVectorEnv
        gym.register(f"reinforce/{name}-v0", vector_entry_point=view, kwargs={"game": game})
    yield
    for name in games:
        del gym.registry[f"reinforce/{name}-v0"]


def lure(obs, info):
    """The misleading auxiliary reward of a sub-step that ends at a position."""
    return 50.0 * ((obs >= 0.4) & (obs <= 0.6)).all(axis=-1)


def as_potential(env):
    return wrap(env, PotentialShaping(lure, gamma=0.99, on_truncation="terminal"))


def naive(env):
    return wrap(env, NaiveSum())


def test_fourier_basis_by_hand():
    """Multiples (0, 0), (0, 1), (1, 0), (1, 1); in the unit square the points are (1/2, 1/2), (0, 1) and (1/2, 1)."""
    basis = FourierBasis(np.array([0.0, -1.0]), np.array([2.0, 1.0]), order=1)
    found = basis(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    assert found == pytest.approx(np.array([[1, 0, 0, -1, 1], [1, -1, 1, -1, 1], [1, -1, 0, 0, 1]]), abs=1e-15)
    assert FourierBasis(np.zeros(1), np.ones(1), 3)(np.array([1 / 3])) == pytest.approx([1, 0.5, -0.5, -1, 1])
    assert FourierBasis(np.zeros(2), np.ones(2), order=3).size == 16 + 1


WRONG_BOUNDS = [
    ([0.0], [np.inf], "finite bounds"),
    ([0.0, 1.0], [1.0, 1.0], "low < high"),
    ([[0.0]], [[1.0]], "vectors"),
    ([0.0] * 8, [1.0] * 8, "order 3 in 8 numbers makes over 10000 features"),
]


@pytest.mark.parametrize(("low", "high", "message"), WRONG_BOUNDS)
def test_fourier_basis_refuses(low, high, message):
    with pytest.raises(ValueError, match=message):
        FourierBasis(np.array(low), np.array(high), 3)


def test_returns_by_hand():
    rewards = np.array([[1.0, 2.0, 4.0, 0.0], [0.0, 0.0, 0.0, 8.0]])
    assert reinforce.returns_to_go(rewards, 0.5).tolist() == [[3, 4, 4, 0], [1, 2, 4, 8]]
    assert rewards[0].tolist() == [1, 2, 4, 0]


def example(learners=2, episodes=3, padded=4, features=5, actions=3, seed=0):
    """Weights and a batch in which learner 0 has one episode fewer, as early in a training."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, padded + 1, size=(learners, episodes))
    lengths[0, -1] = 0
    mask = np.arange(padded) < lengths[..., None]
    batch = Minibatch(
        features=rng.normal(size=(learners, episodes, padded, features)),
        actions=rng.integers(actions, size=(learners, episodes, padded)),
        rewards=np.where(mask, rng.normal(size=mask.shape), 0.0),
        mask=mask,
    )
    return rng.normal(size=(learners, features, actions)), batch


def objective(weights, batch, gamma, ent_coef, b):
    """What equation (5) is the gradient of, for learner b, written out with the returns held fixed."""
    total, entropies, episodes = 0.0, [], 0
    for n, steps in enumerate(batch.mask[b].sum(axis=-1)):
        episodes += steps > 0
        for t in range(steps):
            scores = batch.features[b, n, t] @ weights
            pi = np.exp(scores) / np.exp(scores).sum()
            ahead = sum(gamma ** (k - t) * batch.rewards[b, n, k] for k in range(t, steps))
            total += np.log(pi[batch.actions[b, n, t]]) * ahead / batch.mask.shape[-1]
            entropies.append(-(pi * np.log(pi)).sum())
    return total / episodes + ent_coef * np.mean(entropies)


def slope(function, weights, h=1e-6):
    """Gradient by central differences."""
    gradient = np.zeros_like(weights)
    for at in np.ndindex(*weights.shape):
        step = np.zeros_like(weights)
        step[at] = h
        gradient[at] = (function(weights + step) - function(weights - step)) / (2 * h)
    return gradient


@pytest.mark.parametrize("ent_coef", [0.0, 0.7])
def test_policy_gradient_is_the_slope_of_its_objective(ent_coef):
    weights, batch = example()
    found = reinforce.policy_gradient(weights, batch, gamma=0.9, ent_coef=ent_coef)
    for b in range(2):
        expected = slope(lambda w, b=b: objective(w, batch, 0.9, ent_coef, b), weights[b])
        assert found[b] == pytest.approx(expected, abs=1e-8)


def test_score_and_entropy_gradients_are_slopes():
    weights, batch = example(learners=1, episodes=1)
    features, actions = batch.features[:, 0], batch.actions[:, 0]
    coefficient = np.array([[0.3, -1.0, 2.0, 0.5]])
    pi = lambda w: np.exp(reinforce.log_policy(w[None], features)[0])  # noqa: E731
    assert pi(weights[0]).sum(axis=-1) == pytest.approx(np.ones(4))
    logs = slope(lambda w: (coefficient[0] * np.log(pi(w))[np.arange(4), actions[0]]).sum(), weights[0])
    assert reinforce.score_gradient(weights, features, actions, coefficient)[0] == pytest.approx(logs, abs=1e-8)
    entropy = slope(lambda w: -(coefficient[0] * (pi(w) * np.log(pi(w))).sum(axis=-1)).sum(), weights[0])
    assert reinforce.entropy_gradient(weights, features, coefficient)[0] == pytest.approx(entropy, abs=1e-8)


def test_probabilities_of_huge_weights_are_finite():
    weights = np.array([[[1e4, -1e4, 0.0]]])
    assert np.exp(reinforce.log_policy(weights, np.ones((1, 1, 1)))[0, 0]).tolist() == [1, 0, 0]
    assert np.isfinite(reinforce.entropy_gradient(weights, np.ones((1, 1, 1)), np.ones((1, 1)))).all()


class Line:
    """States 0 and 1, two actions, three steps: the action is the next state with probability 0.8; all enumerated."""

    STEPS, GAIN = 3, np.array([[0.2, -1.0], [1.5, 0.4]])

    def paths(self):
        """Probability without the policy's part, states, actions, rewards."""
        for actions in itertools.product((0, 1), repeat=self.STEPS):
            for states in itertools.product((0, 1), repeat=self.STEPS - 1):
                states = (0, *states)
                luck = np.prod([0.8 if s == a else 0.2 for s, a in zip(states[1:], actions[:-1], strict=True)])
                yield luck, np.array(states), np.array(actions), self.GAIN[states, actions]

    def value(self, weights):
        pi = np.exp(reinforce.log_policy(weights[None], np.eye(2)[None])[0])
        return sum(luck * pi[s, a].prod() * r.sum() for luck, s, a, r in self.paths())

    def expected_gradient(self, weights, baseline):
        """Mean over all paths of (5), T times, with ``baseline(states, actions)`` taken off the returns."""
        pi = np.exp(reinforce.log_policy(weights[None], np.eye(2)[None])[0])
        total = np.zeros_like(weights)
        for luck, s, a, r in self.paths():
            less = baseline(s, a)
            given = r - less + np.append(less[1:], 0.0)  # (3) turns it into G_t - baseline_t at gamma = 1
            batch = Minibatch(
                np.eye(2)[s][None, None], a[None, None], given[None, None], np.ones((1, 1, 3), dtype=bool)
            )
            gradient = reinforce.policy_gradient(weights[None], batch, gamma=1.0, ent_coef=0.0)[0]
            total += luck * pi[s, a].prod() * self.STEPS * gradient
        return total


def test_mean_over_all_paths_is_the_gradient_of_the_value():
    """The policy gradient theorem; a potential leaves it alone, one that knows the action does not."""
    line, weights = Line(), np.array([[0.3, -0.2], [0.8, 0.1]])
    expected = slope(line.value, weights)
    assert line.expected_gradient(weights, lambda s, a: np.zeros(3)) == pytest.approx(expected, abs=1e-8)
    phi, advice = np.array([5.0, -30.0]), np.array([[5.0, -30.0], [0.0, 10.0]])
    assert line.expected_gradient(weights, lambda s, a: phi[s]) == pytest.approx(expected, abs=1e-8)
    assert np.abs(line.expected_gradient(weights, lambda s, a: advice[s, a]) - expected).max() > 1.0


def test_rmsprop_by_hand_and_by_torch():
    settings = {"rate": 0.5, "decay": 0.75, "eps": 1.0}
    weights, square = reinforce.rmsprop(np.zeros(1), np.zeros(1), np.full(1, 4.0), **settings)
    assert (square[0], weights[0]) == (4.0, pytest.approx(2 / 3))  # v = 16 / 4, step 0.5 * 4 / (2 + 1)
    weights, square = reinforce.rmsprop(weights, square, np.full(1, -2.0), **settings)
    assert (square[0], weights[0]) == (4.0, pytest.approx(1 / 3))  # v = 3 + 1

    rng = np.random.default_rng(0)
    ours, square = rng.normal(size=6), np.zeros(6)
    theirs = torch.nn.Parameter(torch.tensor(ours))
    optimizer = torch.optim.RMSprop([theirs], lr=0.005, alpha=0.99, eps=1e-8, maximize=True)
    for _ in range(20):
        gradient = rng.normal(size=6)
        theirs.grad = torch.tensor(gradient)
        optimizer.step()
        ours, square = reinforce.rmsprop(ours, square, gradient, 0.005)
    assert ours == pytest.approx(theirs.detach().numpy(), rel=1e-12)


def test_running_episodes_end_apart():
    """Learner 1 plays episodes of two steps that pay 10 e + t, learner 0 one longer episode that pays 1 a step."""
    running, kept = Running(2, 7, 1), [Episodes(2, 7, 1, 10, 1) for _ in range(2)]
    for e in range(3):
        for t in range(2):
            running.add(np.array([0, 1]), np.full((2, 1), t), np.array([0, e]), np.array([1.0, 10.0 * e + t]))
        running.end(1, kept[1])
    running.add(np.array([1]), np.zeros((1, 1)), np.array([3]), np.array([30.0]))
    running.end(1, kept[1])
    running.end(0, kept[0])
    obs, actions, numbers, mask = kept[1].take(kept[1].latest(2), 7)
    assert numbers[0].tolist() == [[30, 0, 0, 0, 0, 0, 0], [20, 21, 0, 0, 0, 0, 0]]
    assert mask.sum(axis=1).tolist() == [1, 2] and actions[:, 0].tolist() == [3, 2] and obs[1, :2, 0].tolist() == [0, 1]
    assert kept[0].numbers[0, 0].tolist() == [1] * 6 + [0] and [k.count for k in kept] == [1, 4]
    for _ in range(7):
        running.add(np.array([0]), np.zeros((1, 1)), np.array([0]), np.array([1.0]))
    with pytest.raises(ValueError, match="padded_steps must be at least the length of every episode, got 7"):
        running.add(np.array([0]), np.zeros((1, 1)), np.array([0]), np.array([1.0]))


def test_a_batch_has_empty_episodes_where_there_are_too_few():
    """One episode of two steps, where three are asked for: the gradient is that of the one episode."""
    args = Args(seeds=(1,), batch_episodes=3, padded_steps=2)
    learners = ReinforceLearners(args, FourierBasis(np.zeros(1), np.ones(1), 1), 2)
    learners.episodes[0].add(np.array([[0.25], [0.5]]), np.array([1, 0]), np.array([[2.0, 4.0]]))
    learners.improve(np.array([0]))
    features = learners.basis(np.array([[[[0.25], [0.5]]]]))
    one = Minibatch(features, np.array([[[1, 0]]]), np.array([[[2.0, 4.0]]]), np.ones((1, 1, 2), dtype=bool))
    gradient = reinforce.policy_gradient(np.zeros((1, 3, 2)), one, gamma=args.gamma, ent_coef=args.ent_coef)
    expected, _ = reinforce.rmsprop(np.zeros((1, 3, 2)), np.zeros((1, 3, 2)), gradient, args.learning_rate)
    assert learners.weights == pytest.approx(expected, rel=1e-12) and expected.any()


def test_true_and_told_returns_and_lengths():
    keywords = {"horizon": 3, "amount": 0.5}
    args = Args(env_id="reinforce/Always-v0", env_params=keywords, seeds=(4, 5), episodes=7, padded_steps=3)
    result = reinforce.train(args, wrap=lambda env: wrap(env, Twice()))
    assert (result.length == 3).all()
    assert (result.true_return == 1.5).all()
    assert (result.told_return == 3.0).all()
    assert result.true_return.shape == (2, 7)


def test_observations_may_lie_in_the_same_memory():
    args = Args(env_id="reinforce/Choose-v0", seeds=(1, 2), episodes=12)
    plain, same = reinforce.train(args), reinforce.train(dataclasses.replace(args, env_id="reinforce/OneMemory-v0"))
    assert np.array_equal(plain.weights, same.weights)
    assert plain.weights.any()


def test_shaped_monte_carlo_returns_are_returns_less_the_potential():
    """G'_t = G_t - Phi(s_t) along random episodes that end either way."""
    env = as_potential(make_vector("payoff/GridNav-v0", 1, {"aux": "misleading", "max_steps": 30}))
    rng, ends, inside = np.random.default_rng(0), [], 0
    obs, _ = env.reset(seed=3)
    for _ in range(20):
        phi, true, told, over = [], [], [], False
        while not over:
            phi.append(lure(obs, None)[0])
            obs, reward, terminated, truncated, info = env.step(rng.choice(4, size=1, p=[0.35, 0.35, 0.15, 0.15]))
            true.append(info["true_reward"][0])
            told.append(reward[0])
            over = bool(terminated[0] | truncated[0])
        ends.append(bool(terminated[0]))
        inside += np.count_nonzero(phi)
        returns, shaped = (reinforce.returns_to_go(np.array(r), 0.99) for r in (true, told))
        assert shaped == pytest.approx(returns - phi, abs=1e-9)
        obs, *_ = env.step(np.zeros(1, dtype=int))  # restarts
    assert set(ends) == {True, False}
    assert inside > 0


def test_learns_the_softmax_of_two_states():
    """The best of E[r] + c E[H] in one step is known: pi(a | s) = softmax_a(r(s, a) / c)."""
    args = Args(
        env_id="reinforce/Choose-v0",
        env_params={"horizon": 1},
        seeds=tuple(range(20)),
        episodes=4000,
        ent_coef=0.5,
        learning_rate=0.01,
        episodes_per_update=8,
        batch_episodes=8,
        padded_steps=1,
    )
    result = reinforce.train(args)
    found = np.exp(reinforce.log_policy(result.weights, result.basis(np.array([[0.0], [1.0]]))[None])).mean(axis=0)
    best = np.exp(Choose.PAY / 0.5)
    assert found == pytest.approx(best / best.sum(axis=1, keepdims=True), abs=0.03)


@pytest.mark.parametrize("batch", [{}, {"batch_from": "buffer", "batch_episodes": 2, "gradient_steps": 2}])
@pytest.mark.parametrize("around", [naive, as_potential])
def test_a_learner_is_the_same_alone_and_among_others(batch, around):
    args = Args(env_params={"aux": "misleading"}, seeds=(7, 1, 12), episodes=40, buffer_episodes=8, **batch)
    together = reinforce.train(args, wrap=around)
    assert len({together.length[b].sum() for b in range(3)}) > 1  # they do not run in step
    for b, seed in enumerate(args.seeds):
        alone = reinforce.train(dataclasses.replace(args, seeds=(seed,)), wrap=around)
        for name in ("weights", "true_return", "told_return", "length"):
            assert np.array_equal(getattr(together, name)[b], getattr(alone, name)[0]), name


def test_weights_are_kept_on_the_way():
    """After 12 and 24 of 30 episodes, each as in a training that ends there."""
    args = Args(env_params={"aux": "misleading"}, seeds=(7, 1), episodes=30)
    assert reinforce.train(args).kept.shape == (2, 0, 17, 4)
    kept = reinforce.train(dataclasses.replace(args, keep_every=12)).kept
    assert kept.shape == (2, 2, 17, 4)
    for k, episodes in enumerate((12, 24)):
        np.testing.assert_array_equal(kept[:, k], reinforce.train(dataclasses.replace(args, episodes=episodes)).weights)


def test_settings_reach_the_learner():
    args = Args(seeds=(1,), episodes=60)
    base = reinforce.train(args).weights
    assert np.array_equal(base, reinforce.train(args).weights)
    numbers = {"gamma": 0.5, "learning_rate": 0.01, "ent_coef": 0.0, "padded_steps": 90, "seeds": (2,)}
    whole = {"episodes_per_update": 4, "gradient_steps": 2, "batch_episodes": 2, "batch_from": "buffer"}
    for name, value in {**numbers, **whole}.items():
        changed = reinforce.train(dataclasses.replace(args, **{name: value}))
        assert not np.array_equal(base, changed.weights), name
    assert reinforce.train(dataclasses.replace(args, order=1)).weights.shape == (1, 5, 4)


def test_naive_sum_is_hacked_and_the_potential_is_not():
    """The demonstration of benchmarks/reward_hacking.py, with three episodes in a batch, which learns faster."""
    args = Args(env_params={"aux": "misleading"}, seeds=(1, 2, 3), episodes=500, batch_episodes=3)
    hacked, safe = reinforce.train(args, wrap=naive), reinforce.train(args, wrap=as_potential)
    assert hacked.true_return[:, -100:].mean() < 5
    assert hacked.told_return[:, -100:].mean() > 1000
    assert safe.true_return[:, -100:].mean() > 90


OUT_OF_RANGE = [
    *[("seeds", seeds) for seeds in ((), (1, 1), (-1,))],
    *[(name, 0) for name in ("episodes", "episodes_per_update", "gradient_steps", "batch_episodes", "padded_steps")],
    *[
        ("gamma", 1.1),
        ("ent_coef", -0.1),
        ("learning_rate", 0.0),
        ("order", -1),
        ("keep_every", -1),
        ("batch_from", "all"),
    ],
]


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE)
def test_settings_out_of_range(name, value):
    with pytest.raises(ValueError, match=name):
        Args(**{name: value})


def test_environments_it_cannot_learn():
    with pytest.raises(ValueError, match=r"Discrete from 0 on, got Box"):
        reinforce.train(Args(env_id="reinforce/Match-v0"))
    with pytest.raises(ValueError, match="over 10000 features"):
        reinforce.train(Args(env_id="payoff/KeyRoom-v0"))
    with pytest.raises(ValueError, match="padded_steps must be at least the length of every episode, got 9"):
        reinforce.train(Args(padded_steps=9, ent_coef=5.0))


def test_a_reward_that_is_not_finite_stops_it():
    with pytest.raises(NotFiniteError, match=r"update 1 .*weight is not finite"):
        reinforce.train(Args(env_id="reinforce/Always-v0", env_params={"amount": float("nan")}, episodes=10))


def test_runs_as_a_script_without_torch():
    code = "import sys, payoff.baselines.reinforce; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    call = [sys.executable, "-m", "payoff.baselines.reinforce", "--seeds", "3", "4", "--episodes"]
    done = subprocess.run([*call, "5"], check=True, capture_output=True, text=True)
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["seed 3", "seed 4"]
    wrong = subprocess.run([*call, "5", "--order", "200"], check=False, capture_output=True, text=True)
    assert (wrong.returncode, wrong.stderr.startswith("error: ")) == (1, True)
