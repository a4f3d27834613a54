"""Distributions against torch's own and against calculus; networks that do not meet."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import AffineTransform, TransformedDistribution
from torch.distributions import Beta as TorchBeta
from torch.distributions import Categorical as TorchCategorical

from payoff.baselines.networks import Beta, Categorical, Ensemble, NetworkShape, check_finite, clip_gradients
from payoff.baselines.ppo import ActorCritic, Args, NetworkPolicy, transitions
from payoff.baselines.ppo import losses as losses_of
from payoff.baselines.returns import ReturnScale
from payoff.baselines.rollout import Rollout
from payoff.baselines.training import NotFiniteError

OUTPUT = torch.tensor([[-2.0, 0.5, 1.0, 3.0], [4.0, -1.0, 0.0, -30.0]])  # two rows, A = 2


def seats(num_agents=3, num_actions=None, shared=False, action_size=2):
    return ActorCritic(NetworkShape(num_agents, 5, action_size, num_actions, (16, 8), shared), seed=1)


def observations(rows=7, num_agents=3):
    return np.random.default_rng(0).random((rows, num_agents, 5), dtype=np.float32)


def test_beta_density_is_that_of_torch_moved_to_the_unit_box():
    ours = Beta.from_output(OUTPUT)
    assert torch.allclose(ours.alpha, torch.nn.functional.softplus(OUTPUT[:, :2]) + 1, atol=2e-6)
    reference = TransformedDistribution(TorchBeta(ours.alpha, ours.beta), AffineTransform(-1.0, 2.0))
    actions = torch.tensor([[-0.9, 0.3], [0.5, 0.99]])
    assert torch.allclose(ours.log_prob(actions), reference.log_prob(actions).sum(-1), rtol=1e-5)
    # entropy moves by log 2 for each entry when the box doubles
    expected = (TorchBeta(ours.alpha, ours.beta).entropy() + math.log(2)).sum(-1)
    assert torch.allclose(ours.entropy(), expected, rtol=1e-5)


def test_beta_mode_is_where_the_density_is_largest():
    ours = Beta.from_output(OUTPUT[:1])
    grid = torch.linspace(-0.9999, 0.9999, 20_001)
    density = TorchBeta(ours.alpha, ours.beta).log_prob((grid[:, None] + 1) / 2)
    assert torch.allclose(ours.mode()[0], grid[density.argmax(dim=0)], atol=2e-4)


def test_beta_draws_have_its_moments_and_stay_inside():
    ours = Beta.from_output(OUTPUT[0].repeat(20_000, 1))
    draws = ours.sample(np.random.default_rng(0))
    assert draws.dtype == torch.float32
    assert (draws.abs() < 1).all()
    reference = TorchBeta(ours.alpha[0], ours.beta[0])
    error = 5 * 2 * reference.stddev / math.sqrt(20_000)
    assert ((draws.mean(0) - (2 * reference.mean - 1)).abs() < error).all()


def test_beta_is_finite_where_softplus_underflows():
    extreme = Beta.from_output(torch.tensor([[-200.0, -200.0], [200.0, -200.0]]))
    for x in (extreme.mode(), extreme.entropy(), extreme.log_prob(extreme.sample(np.random.default_rng(0)))):
        assert torch.isfinite(x).all()


def test_temperature_sharpens_a_density_and_keeps_its_peak():
    """The density to the power 1 / T, up to its normalisation; the best guess stays where it is."""
    warm, cold = (Beta.from_output(OUTPUT[:1], t) for t in (1.0, 0.1))
    assert torch.allclose(cold.mode(), warm.mode(), atol=1e-6)
    a, b = torch.tensor([[-0.3, 0.2]]), torch.tensor([[0.4, 0.6]])
    ratio = [p.log_prob(a) - p.log_prob(b) for p in (warm, cold)]
    assert torch.allclose(ratio[1], 10 * ratio[0], rtol=1e-4)
    warm, cold = (Categorical.from_output(torch.tensor([[0.0, 1.0, 3.0]]), 3, t) for t in (1.0, 0.1))
    assert torch.equal(cold.mode(), warm.mode())
    ratio = [p.log_probs[..., 2] - p.log_probs[..., 1] for p in (warm, cold)]
    assert torch.allclose(ratio[1], 10 * ratio[0])


def test_temperature_of_the_networks_is_that_of_their_draws():
    net = seats()
    policy = NetworkPolicy(net, ReturnScale(3))
    spread, best = [], []
    for net.temperature in (1.0, 0.01):
        spread.append(policy.act(np.tile(observations(1), (500, 1, 1)), deterministic=False).std(axis=0))
        best.append(policy.act(observations(1)))
    assert (spread[1] < 0.2 * spread[0]).all()
    assert best[1] == pytest.approx(best[0], abs=1e-5)


def test_categorical_is_that_of_torch():
    output = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))  # A = 2, K = 3
    ours = Categorical.from_output(output, 3)
    reference = TorchCategorical(logits=output.view(5, 2, 3))
    actions = torch.tensor([[0, 2], [1, 1], [2, 0], [0, 0], [2, 2]])
    assert torch.allclose(ours.log_prob(actions), reference.log_prob(actions).sum(-1), atol=1e-6)
    assert torch.allclose(ours.entropy(), reference.entropy().sum(-1), atol=1e-6)
    assert torch.equal(ours.mode(), reference.probs.argmax(-1))


def test_categorical_draws_have_its_frequencies():
    ours = Categorical.from_output(torch.tensor([0.0, 1.0, 2.0]).repeat(20_000, 1), 3)
    frequencies = np.bincount(ours.sample(np.random.default_rng(0))[:, 0].numpy()) / 20_000
    expected = np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum()
    assert frequencies == pytest.approx(expected, abs=5 * np.sqrt(0.25 / 20_000))


def test_an_ensemble_is_separate_networks():
    ensemble = Ensemble(3, (5, 16, 2), 0.5, torch.Generator().manual_seed(0))
    x = torch.rand(3, 7, 5)
    for m in range(3):
        first, second = (w[m] for w in ensemble.weights)
        assert torch.allclose(torch.tanh(x[m] @ first) @ second, ensemble(x)[m], atol=1e-6)
    assert not torch.equal(ensemble.weights[0][0], ensemble.weights[0][1])


def test_weights_start_orthogonal():
    ensemble = Ensemble(2, (5, 16, 2), 0.5, torch.Generator().manual_seed(0))
    for weight, gain in zip(ensemble.weights, (math.sqrt(2), 0.5), strict=True):
        for w in weight:
            gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
            assert torch.allclose(gram, gain**2 * torch.eye(len(gram)), atol=1e-5)


@pytest.mark.parametrize("num_actions", [None, 4])
def test_a_seats_loss_reaches_its_own_weights_only(num_actions):
    net, rng = seats(num_actions=num_actions), np.random.default_rng(0)
    obs = observations(20)
    inputs = net.inputs(obs)
    with torch.no_grad():
        policy = net.policy(inputs)
        actions = policy.sample(rng)
        # played by a slightly different policy: with all ratios at exactly 1 the gradient is special
        log_probs = policy.log_prob(actions) + 0.05
    rows = {name: torch.from_numpy(rng.normal(size=(3, 20)).astype(np.float32)) for name in ("advantages", "returns")}
    batch = {"inputs": inputs, "actions": actions, "log_probs": log_probs, "values": net.value(inputs).detach(), **rows}
    losses, _ = losses_of(net, batch, clip=0.2, clip_value=True)
    for seat in range(3):
        net.zero_grad()
        total = losses["policy"] + losses["value"] - 0.01 * losses["entropy"]
        total[seat].backward(retain_graph=True)
        for name, p in net.named_parameters():
            assert (p.grad[seat] != 0).any(), name
            assert (np.delete(p.grad.numpy(), seat, axis=0) == 0).all(), name


def test_gradients_are_clipped_seat_by_seat():
    net = seats()
    for p in net.parameters():
        p.grad = torch.ones_like(p) * torch.tensor([1e-4, 1.0, 100.0]).view(-1, *[1] * (p.dim() - 1))
    before = [p.grad.clone() for p in net.parameters()]
    clip_gradients(net, 0.5)
    norms = torch.stack([p.grad.flatten(1).pow(2).sum(1) for p in net.parameters()]).sum(0).sqrt()
    assert torch.allclose(norms[1:], torch.tensor([0.5, 0.5]), rtol=1e-4)
    for old, p in zip(before, net.parameters(), strict=True):
        assert torch.equal(old[0], p.grad[0])  # below the limit: as it was


def test_loss_depends_on_the_action_taken_and_is_clipped():
    net = seats(num_agents=1)
    inputs = net.inputs(observations(1, 1))
    low, high = (torch.full((1, 1, 2), a) for a in (-0.5, 0.5))
    one = torch.ones(1, 1)
    batch = {"inputs": inputs, "advantages": one, "returns": one, "values": one}
    with torch.no_grad():
        log_prob = net.policy(inputs).log_prob(low)
        a = losses_of(net, {**batch, "actions": low, "log_probs": log_prob}, clip=0.2, clip_value=False)
        b = losses_of(net, {**batch, "actions": high, "log_probs": log_prob - 1.0}, clip=0.2, clip_value=False)
    assert a[0]["policy"].item() == pytest.approx(-1.0)  # the ratio is 1
    assert b[0]["policy"].item() == pytest.approx(-1.2)  # the ratio is far above and clipped
    assert b[1]["clipped"].item() == 1.0


@pytest.mark.parametrize(
    ("before", "target", "plain", "clipped"),
    [
        (
            -1.0,
            0.0,
            0.0,
            0.5 * 0.8**2,
        ),  # it moved by 1, and only 0.2 of it count: an error of 0.8, though there is none
        (1.0, 0.0, 0.0, 0.5 * 0.8**2),
        (-1.0, -3.0, 0.5 * 3.0**2, 0.5 * 3.0**2),  # the move was away from the target: the larger error stays
        (0.1, 2.0, 0.5 * 2.0**2, 0.5 * 2.0**2),  # a move within the range counts whole
    ],
)
def test_the_larger_error_of_a_clipped_value_counts(before, target, plain, clipped):
    """Values before the update and returns are given relative to the value that the network says now."""
    net = seats(num_agents=1)
    inputs = net.inputs(observations(1, 1))
    action, one = torch.full((1, 1, 2), 0.5), torch.ones(1, 1)
    with torch.no_grad():
        value = net.value(inputs)
        batch = {"inputs": inputs, "advantages": one, "returns": value + target, "values": value + before}
        batch |= {"actions": action, "log_probs": net.policy(inputs).log_prob(action)}
        found = [losses_of(net, batch, clip=0.2, clip_value=flag)[0]["value"].item() for flag in (False, True)]
    assert found == pytest.approx([plain, clipped], abs=1e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_or_a_weight_that_is_not_finite_is_named(value):
    net = torch.nn.Linear(2, 1)
    check_finite(net, {"loss/value": 1.0, "update/explained_variance": value}, 3, 300)  # of equal returns nothing
    with pytest.raises(NotFiniteError, match=r"update 3 \(step 300\): loss/value is not finite"):
        check_finite(net, {"loss/value": value}, 3, 300)
    with torch.no_grad():
        net.bias[0] = value
    with pytest.raises(NotFiniteError, match="the weight bias is not finite"):
        check_finite(net, {"loss/value": 1.0}, 3, 300)


def test_a_shared_network_knows_which_seat_it_plays():
    net, obs = seats(shared=True), np.tile(observations(4, 1), (1, 3, 1))
    assert sum(p.shape[0] for p in net.parameters()) == len(list(net.parameters()))
    value = net.unfold(net.value(net.inputs(obs)))
    assert value.shape == (4, 3)
    assert (value[:, 0] != value[:, 1]).all()


@pytest.mark.parametrize("shared", [False, True])
def test_folding_is_undone_by_unfolding(shared):
    net, x = seats(shared=shared), observations()
    assert net.fold(x).shape == ((1, 21, 5) if shared else (3, 7, 5))
    assert (net.unfold(net.fold(x)) == x).all()


@pytest.mark.parametrize(("num_actions", "kind"), [(None, np.float32), (4, np.int64)])
def test_a_network_policy_plays_every_seat(num_actions, kind):
    scale = ReturnScale(3)
    scale.mean, scale.deviation = np.array([10.0, 20.0, 30.0]), np.array([1.0, 2.0, 3.0])
    net = seats(num_actions=num_actions)
    policy = NetworkPolicy(net, scale)
    obs = observations()
    actions = policy.act(obs)
    assert actions.shape == (7, 3, 2)
    assert actions.dtype == kind
    assert (actions == policy.act(obs)).all()
    assert (policy.act(obs, deterministic=False) != policy.act(obs, deterministic=False)).any()
    critic = net.unfold(net.value(net.inputs(obs)))
    assert policy.value(obs) == pytest.approx(np.array([10, 20, 30]) + np.array([1, 2, 3]) * critic)


def test_values_that_clipping_starts_from_are_those_of_the_networks_that_played():
    """The scale of returns moves with every rollout; the centre of value clipping must not move with it."""
    net, returns = seats(num_agents=2), ReturnScale(2)
    rng = np.random.default_rng(0)
    flags = np.zeros((5, 3), dtype=bool)
    obs = rng.random((6, 3, *observations(1, 2).shape[1:]), dtype=np.float32)
    actions = rng.uniform(-0.9, 0.9, (5, 3, 2, 2)).astype(np.float32)
    rollout = Rollout(obs, actions, rng.normal(100.0, 1.0, (5, 3, 2)), flags, flags, ~flags)
    table, _ = transitions(Args(), net, returns, rollout)
    assert returns.mean.min() > 10.0  # far from the first scale, mean 0 and deviation 1
    with torch.no_grad():
        assert torch.equal(table["values"], net.value(table["inputs"]))
