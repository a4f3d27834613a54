"""Bi-level reward learning: its gradients against a path without autograd, what it keeps, and what it gives away."""

from __future__ import annotations

import dataclasses

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch.func import grad

from payoff.baselines import reinforce
from payoff.baselines.bilevel import METHODS, Args, learn, load_policy, train
from payoff.baselines.bilevel_learner import policy_of
from payoff.baselines.bilevel_objectives import Objectives, discounted
from payoff.baselines.checkpoint import load, save
from payoff.baselines.episodes import Episodes
from payoff.baselines.reward_file import read_reward
from payoff.baselines.training import NotFiniteError
from payoff.baselines.trajectories import KINDS, Batch, remember, take
from payoff.files import save_arrays
from payoff.wrappers import RewardBlend, load_reward, save_reward, wrap
from payoff.wrappers.base import Transition
from payoff.wrappers.learned.basis import FourierBasis, ScaledNumbers
from payoff.wrappers.learned.blend import BlendForm, head_size
from payoff.wrappers.learned.hypergradient import Neumann, answer, forward_response, unrolled_hypergradient
from payoff.wrappers.rows import vector_info

N, T, F, A = 4, 9, 5, 3
GAMMA, ENT = 0.9, 0.25
SHORT = {"episodes": 30, "buffer_episodes": 20, "order": 1}


class Case:
    """Random episodes of different lengths, a random linear policy and a random blend, in numpy and in torch."""

    def __init__(self, seed, **form):
        rng = np.random.default_rng(seed)
        self.form = BlendForm(inputs=F, actions=A, **{"learn_gamma": True, **form})
        self.x = rng.normal(size=(N, T, F))
        self.x[..., -1] = 1.0
        self.mask = np.arange(T) < np.array([T, 3, 6, 1])[:, None]
        self.actions = rng.integers(A, size=(N, T)) * self.mask
        self.primary, self.aux = (rng.normal(size=(N, T)) * self.mask for _ in range(2))
        self.weights = rng.normal(size=(F, A))
        self.phi = rng.normal(size=self.form.size)
        self.objectives = Objectives(self.form, T, GAMMA, ENT)
        self.batch = self.of(np.log(self.pi(self.weights)))
        self.theta = torch.from_numpy(self.weights.ravel())

    def pi(self, weights):
        scores = self.x @ weights
        odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return odds / odds.sum(axis=-1, keepdims=True)

    def of(self, log_pi):
        told = np.take_along_axis(log_pi, self.actions[..., None], axis=-1)[..., 0] * self.mask
        arrays = (self.x, self.actions, self.primary, self.aux, self.mask.astype(np.float64), told)
        return Batch(*map(torch.from_numpy, arrays))

    @property
    def gamma(self):
        return 1.0 / (1.0 + np.exp(-self.phi[-1])) if self.form.learn_gamma else GAMMA

    def told(self):
        """The blend, by its equation: f(s) + r_p + w(s) r_a."""
        own, weight = (self.x @ self.phi[: 2 * F].reshape(F, 2)).transpose(2, 0, 1)
        return (own + self.primary + weight * self.aux) * self.mask

    def climb(self, weights):
        """d_theta J_in, as the numpy learner has it."""
        batch = reinforce.Minibatch(self.x[None], self.actions[None], self.told()[None], self.mask[None])
        return reinforce.policy_gradient(weights[None], batch, gamma=self.gamma, ent_coef=ENT)[0]

    def curvature(self, along, step=1e-4):
        """H along a direction: differences of fourth order of the gradient."""
        near, far = (
            self.climb(self.weights + k * step * along) - self.climb(self.weights - k * step * along)
            for k in (1.0, 2.0)
        )
        return (8.0 * near - far) / (12.0 * step)

    def answer(self, s):
        """A^T s by hand: with D_t = (d log pi_t . s) / (n T) and E_k = sum_{t <= k} gamma^(k - t) D_t, the gradient is
        sum_k E_k x_k for f, sum_k E_k r_a x_k for w, and sum_t D_t dG_t / dgamma for the discount."""
        chosen = np.eye(A)[self.actions]
        d = self.mask * np.einsum("ntf,nta,fa->nt", self.x, chosen - self.pi(self.weights), s) / (N * T)
        e, told, gamma = np.zeros((N, T)), self.told(), self.gamma
        returns, slope = np.zeros(N), np.zeros(N)
        for_gamma = 0.0
        for t in reversed(range(T)):
            slope = returns + gamma * slope  # of the return from t on, with the return from t + 1 on
            returns = told[:, t] + gamma * returns
            for_gamma += (d[:, t] * slope).sum()
        for k in range(T):
            e[:, k] = d[:, k] + (gamma * e[:, k - 1] if k else 0.0)
        e = e * self.mask
        own, weight = np.einsum("nt,ntf->f", e, self.x), np.einsum("nt,nt,ntf->f", e, self.aux, self.x)
        return np.concatenate([np.stack([own, weight], axis=1).ravel(), [gamma * (1.0 - gamma) * for_gamma]])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("steps", [0, 5])
def test_barfi_gradients_are_those_of_the_closed_form(seed, steps):
    """Gradient, curvature and answer without autograd, put together by the Neumann series; K = 0 is LIRPG's."""
    case, rate = Case(seed), 0.05
    inner, phi = case.objectives.inner(case.batch), torch.from_numpy(case.phi)
    climbed = grad(inner)(case.theta, phi).numpy().reshape(F, A)
    np.testing.assert_allclose(climbed, case.climb(case.weights), rtol=1e-9, atol=1e-12)
    v = np.random.default_rng(seed).normal(size=(F, A))
    term = total = v
    for _ in range(steps):
        term = term + rate * case.curvature(term)
        total = total + term
    s = Neumann(steps, rate)(inner, case.theta, phi, torch.from_numpy(v.ravel()))
    assert np.abs(s.numpy().reshape(F, A) - rate * total).max() <= 1e-6 * np.abs(rate * total).max()
    expected = case.answer(rate * total)
    assert np.abs(answer(inner, case.theta, phi, s).numpy() - expected).max() <= 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "form",
    [
        {},
        {"own": "action", "aux": "none"},
        {"own": "none", "aux": "action"},
        {"own": "none", "aux": "share"},
        {"hidden": (4,)},
    ],
    ids=str,
)
def test_one_step_gradients_are_differences_of_what_a_step_leads_to(seed, form):
    """The outer aim after one step of the learner, as a function of phi, for every form of a blend."""
    case = Case(seed, **form)
    inner, outer = case.objectives.inner(case.batch), case.objectives.outer(case.batch, weighted=True)
    phi, rate = torch.from_numpy(case.phi), 0.05

    def reached(phi):
        return outer(case.theta + rate * grad(inner)(case.theta, phi), phi)

    unit = 1e-5 * torch.eye(len(phi), dtype=torch.float64)
    expected = torch.stack([(reached(phi + e) - reached(phi - e)) / 2e-5 for e in unit])
    found, _ = unrolled_hypergradient([inner], outer, case.theta, phi, rate)
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()
    carried = forward_response(inner, case.theta, phi, torch.zeros(len(case.theta), len(phi)).double(), rate)
    moved = case.theta + rate * grad(inner)(case.theta, phi)
    assert (grad(outer)(moved, phi) @ carried - found).abs().max() <= 1e-12


def test_a_policy_that_is_fed_the_weight_moves_with_it():
    """d log pi / dphi where scores are theta x + 2 w(s, a): of the outer aim, by differences."""
    case = Case(0, own="none", aux="action", learn_gamma=False)
    objectives = dataclasses.replace(case.objectives, fed=True)
    theta, phi = torch.cat([case.theta, torch.tensor([2.0], dtype=torch.float64)]), torch.from_numpy(case.phi)
    outer = objectives.outer(case.batch, weighted=False)
    unit = 1e-5 * torch.eye(len(phi), dtype=torch.float64)
    expected = torch.stack([(outer(theta, phi + e) - outer(theta, phi - e)) / 2e-5 for e in unit])
    assert (grad(outer, argnums=1)(theta, phi) - expected).abs().max() <= 1e-4 * expected.abs().max()
    pi = policy_of(objectives, theta.numpy(), case.phi, case.x)
    scores = case.x @ case.weights + 2.0 * (case.x @ case.phi.reshape(F, A))
    np.testing.assert_allclose(np.log(pi[..., 1] / pi[..., 0]), scores[..., 1] - scores[..., 0], atol=1e-12)


def test_returns_to_go_by_hand():
    """Seven rewards of 1 at a discount of 1/2: 2 - 1 / 2^(n - 1) with n of them left."""
    found = discounted(torch.ones(7, dtype=torch.float64), 0.5).tolist()
    assert found == pytest.approx([2.0 - 2.0 ** (1 - n) for n in range(7, 0, -1)], abs=1e-15)


# -- the reward that is handed over ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"own": "action", "aux": "none", "primary": 0.0},
        {"own": "none", "aux": "action"},
        {"own": "none", "aux": "share", "learn_gamma": False},
        {"hidden": (4, 3), "own": "action"},
    ],
    ids=str,
)
def test_the_frozen_reward_is_what_the_learner_was_told(tmp_path, form):
    case = Case(1, **form)
    low, high = np.full(F - 1, -2.0), np.full(F - 1, 2.0)
    reward = RewardBlend(case.form, ScaledNumbers(low, high), case.phi, gamma=0.7)
    expected = case.objectives.blended(torch.from_numpy(case.phi), case.batch).numpy()[case.mask]
    save_reward(tmp_path / "reward", reward)
    for found in (reward, load_reward(tmp_path / "reward")):
        paid = found(
            transition(
                2.0 * case.x[case.mask][:, :-1], case.actions[case.mask], case.primary[case.mask], case.aux[case.mask]
            )
        )
        np.testing.assert_allclose(paid, expected, rtol=1e-12, atol=1e-12)
        assert found.gamma == pytest.approx(case.gamma if case.form.learn_gamma else 0.7, rel=1e-12)


def transition(obs, action, reward, aux):
    rows = len(reward)
    flags = np.zeros(rows, dtype=bool)
    info = vector_info({"aux": aux}, ~flags)
    return Transition(obs, action, reward, obs, flags, flags, info, ~flags)


def test_a_blend_begins_as_the_sum_of_both_rewards():
    form = BlendForm(inputs=F, actions=A, own="action", aux="state", learn_gamma=True, hidden=(6,))
    phi = form.start(np.random.default_rng(0), gamma=0.95)
    assert len(phi) == form.size == head_size((F, 6, A + 1)) + 1 == F * 6 + 7 * (A + 1) + 1
    reward = RewardBlend(form, ScaledNumbers(np.zeros(F - 1), np.ones(F - 1)), phi, gamma=0.5)
    obs = np.random.default_rng(1).random((7, F - 1))
    paid = reward(transition(obs, np.arange(7) % A, np.arange(7.0), np.full(7, 0.5)))
    np.testing.assert_allclose(paid, np.arange(7.0) + 0.5, atol=1e-12)
    assert reward.gamma == pytest.approx(0.95, rel=1e-12)


@pytest.mark.parametrize(
    ("obs", "action", "message"),
    [
        (np.zeros((2, 3)), [0, 1], "observations must be 4 numbers, got 3"),
        (np.zeros((2, 4)), [0, 3], r"actions must be whole numbers in 0 \.\. 2"),
        (np.zeros((2, 4)), [0, 0.5], r"actions must be whole numbers in 0 \.\. 2"),
    ],
)
def test_what_a_blend_does_not_know_is_refused(obs, action, message):
    form = BlendForm(inputs=F, actions=A)
    reward = RewardBlend(form, ScaledNumbers(np.zeros(4), np.ones(4)), np.zeros(form.size), gamma=0.9)
    with pytest.raises(ValueError, match=message):
        reward(transition(obs, np.array(action), np.zeros(2), np.zeros(2)))


def test_features():
    """Half waves along each axis; scaled numbers where there are bounds, and as they are where there are none."""
    found = FourierBasis(np.zeros(1), np.full(1, 2.0), 2)(np.array([[0.0], [1.0], [2.0]]))
    np.testing.assert_allclose(found, [[1, 1, 1, 1], [1, 0, -1, 1], [1, -1, 1, 1]], atol=1e-12)
    long = FourierBasis(np.zeros(100), np.ones(100), 0)  # more axes than an array of numpy may have
    np.testing.assert_array_equal(long(np.full(100, 0.5)), [1.0, 1.0])
    found = ScaledNumbers(np.array([0.0, -np.inf]), np.array([10.0, np.inf]))(np.array([[10.0, 7.0], [2.5, -1.0]]))
    np.testing.assert_allclose(found, [[1.0, 7.0, 1.0], [-0.5, -1.0, 1.0]])


# -- training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_training_goes_on_where_it_was_killed(tmp_path, method):
    """Policy, reward and curves, bit for bit; half of it in another process, so to speak."""
    args = Args(
        method=method,
        checkpoint=str(tmp_path / "x"),
        checkpoint_every=1,
        warm_up=9,
        first_steps=2,
        inner_steps=2,
        env_params={"max_steps": 20},
        **SHORT,
    )
    whole = learn(dataclasses.replace(args, checkpoint=None))
    learn(dataclasses.replace(args, total_steps=1))
    middle = load(tmp_path / "x")[1]["update"]
    resumed = learn(args)
    assert 1 <= middle < len(resumed.result.curve["step"]) == 10
    np.testing.assert_array_equal(resumed.reward.phi, whole.reward.phi)
    for name, curve in whole.result.curve.items():
        np.testing.assert_array_equal(resumed.result.curve[name], curve)
    policy = load_policy(*load(tmp_path / "x"))
    obs = np.random.default_rng(0).random((6, 1, 2)).astype(np.float32)
    np.testing.assert_array_equal(policy.pi(obs), whole.result.policy.pi(obs))
    assert policy.act(obs, deterministic=True).shape == (6, 1)
    found = read_reward(tmp_path / "x")  # the reward is in the checkpoint as well
    np.testing.assert_array_equal(found.phi, whole.reward.phi)
    assert (found.form, found.gamma) == (whole.reward.form, whole.reward.gamma)
    np.testing.assert_array_equal(found.basis(obs), whole.reward.basis(obs))


def test_a_checkpoint_of_which_no_reward_can_be_read(tmp_path):
    """What is wrong is said in one line: of a damaged file, its damage; of a forged one, what does not fit."""
    path, forged = tmp_path / "x", tmp_path / "forged"
    learn(Args(checkpoint=str(path), **{**SHORT, "total_steps": 1}))
    tensors, meta = load(path)
    huge = 10**400  # a whole number that is no float
    for change, message in (
        ({"args": [1]}, r"cannot be used: args must be a dict of settings, got \[1\]$"),
        ({"form": None}, "cannot be used: form must be a dict of settings, got None$"),
        ({"low": [7]}, "cannot be used: low must be a list of texts, got"),
        ({"high": 7}, "cannot be used: high must be a list of texts, got"),
        ({"low": [huge]}, "is damaged or no checkpoint: its metadata is no JSON object: a number has 401 digits$"),
        ({"trainer": None}, "is a checkpoint of no trainer, which learns no reward$"),
    ):
        save(forged, tensors, {**meta, **change})
        with pytest.raises(ValueError, match=message):
            read_reward(forged)
    save(forged, tensors, {name: value for name, value in meta.items() if name != "low"})
    with pytest.raises(ValueError, match=r"cannot be used: low is missing$"):
        read_reward(forged)
    save_arrays(forged, tensors, meta, "segments")
    with pytest.raises(ValueError, match=r"is damaged or no reward: its header does not say payoff-reward-1$"):
        read_reward(forged)
    data = path.read_bytes()
    forged.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ValueError, match=r"is damaged: its content does not match its checksum$"):
        read_reward(forged)


def test_episodes_are_kept_and_forgotten_in_their_order():
    class Played:
        def __init__(self, lengths, mark):
            longest = max(lengths)
            self.valid = np.arange(longest)[:, None] < np.array(lengths)
            self.obs = np.full((longest + 1, len(lengths), 1, 1), mark, dtype=np.float32)
            self.actions = np.ones((longest, len(lengths), 1, 1), dtype=np.int64)
            self.rewards = np.full((longest, len(lengths), 1), float(mark))

    kept = Episodes(3, 5, 1, 10, KINDS)
    for mark, lengths in enumerate([(5, 2), (1, 3)]):
        played = Played(lengths, mark)
        shape = played.valid.shape
        remember(kept, played, np.full(shape, 10.0), np.full(shape, -1.0))
    assert kept.count == 4 and kept.latest(2).tolist() == [0, 2] and kept.latest(9).tolist() == [0, 2, 1]
    batch = take(kept, np.array([0, 1]), ScaledNumbers(np.zeros(1), np.ones(1)))
    assert batch.mask.tolist() == [[1, 1, 1], [1, 1, 0]]  # the second of the second pair; the second of the first
    assert batch.primary.tolist() == [[1, 1, 1], [0, 0, 0]] and batch.aux.tolist() == [[10, 10, 10], [10, 10, 0]]
    assert batch.log_prob.tolist() == [[-1, -1, -1], [-1, -1, 0]]


class Line(gym.Env):
    """A step to the right pays 1, or ``paid``, and the auxiliary reward says the same as the 1."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, paid=1.0):
        self.paid = paid

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return np.zeros(1, np.float32), {"aux": 0.0}

    def step(self, action):
        self.at += 1
        return np.full(1, self.at, np.float32), self.paid * action, False, False, {"aux": float(action)}


@pytest.fixture
def line():
    gym.register("bilevel/Line-v0", Line, max_episode_steps=5)
    yield "bilevel/Line-v0"
    del gym.registry["bilevel/Line-v0"]


def test_any_environment_of_gymnasium_that_reports_an_auxiliary_reward(line):
    """Numbers as features, and small networks. Random play is paid 2.5 of 5."""
    args = Args(
        env_id=line,
        features="numbers",
        hidden=(4,),
        reward_hidden=(4,),
        learning_rate=0.05,
        episodes=300,
        warm_up=6,
        first_steps=3,
        ent_coef=0.0,
        seed=3,
    )
    found = learn(args)
    assert found.result.curve["welfare"][-10:].mean() > 4.0
    env = wrap(gym.make(line), found.reward)
    env.reset(seed=0)
    _, reward, *_, info = env.step(1)
    terms = info["reward_terms"]
    assert terms["env"] == 1.0 and terms["env"] + terms["shaping"] == pytest.approx(reward, abs=1e-12)


def test_no_signal_changes_nothing_but_by_its_penalty():
    """A primary reward that never comes: the blend stays as it began, and the training ends in good order."""
    args = Args(method="lirpg", env_id="payoff/FourRooms-v0", features="numbers", env_params={"max_steps": 3}, **SHORT)
    found = learn(args)
    assert found.result.curve["welfare"].max() == 0.0
    np.testing.assert_array_equal(found.reward.phi, np.zeros(found.reward.form.size))


@pytest.mark.filterwarnings("ignore:.*The reward is a NaN value")
def test_numbers_that_are_not_finite_end_a_training(tmp_path, line):
    """A primary reward of NaN: a clear end, and nothing is written."""
    args = Args(env_id=line, env_params={"paid": np.nan}, features="numbers", method="lirpg", **SHORT)
    with pytest.raises(NotFiniteError, match="a number of the policy or the reward"):
        train(args)
    with pytest.raises(ValueError, match="settings must be JSON values where a checkpoint is kept"):
        train(dataclasses.replace(args, checkpoint=str(tmp_path / "x")))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "none"}, "method must be one of"),
        ({"episodes": 0}, "episodes must be an integer at least 1"),
        ({"gamma": 1.0}, "gamma must be between 0 and 1 where it is learned"),
        ({"estimator": "input"}, "aux must be 'action', got 'state'"),
        ({"method": "reinforce", "estimator": "first_order"}, "has nothing to learn"),
        ({"buffer_episodes": 2}, "buffer_episodes must be an integer at least 3"),
        ({"estimator": "conjugate", "neumann_steps": 0}, "neumann_steps must be at least 1"),
        ({"env_id": "payoff/TrustDilemma-v0"}, "actions must be one whole number"),
        ({"env_id": "payoff/SparseMountainCar-v0", "num_steps": 10}, "num_steps of at least the longest episode"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        learn(Args(**{"order": 1, **settings}))


def test_rows_that_are_not_active_are_not_read():
    form = BlendForm(inputs=3, actions=2)
    reward = RewardBlend(form, ScaledNumbers(np.zeros(2), np.ones(2)), np.ones(form.size), gamma=0.9)
    seen, action, one = np.array([[0.5, 0.5], [np.nan, 7.0]]), np.array([0, -1]), np.ones(2)
    step = dataclasses.replace(transition(seen, action, one, one), active=np.array([True, False]))
    assert reward(step)[0] == pytest.approx(3.0)  # f = 1, r_p = 1, w r_a = 1 in the middle
