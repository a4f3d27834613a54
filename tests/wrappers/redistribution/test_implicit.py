"""Implicit step rewards: the identities behind them, and what is learned from outcomes alone."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from payoff.wrappers.redistribution.base import EpisodeBatch
from payoff.wrappers.redistribution.episode_learning import EpisodeLearning
from payoff.wrappers.redistribution.implicit import ImplicitStepRewards, implicit_rewards

QUICK = EpisodeLearning(hidden=(6,), gradient_steps=3)
DEPTH, WIDTH, BETA = 4, 3, 0.05


def test_the_best_policy_for_an_outcome_pays_differences_of_its_value():
    """Spec, checked on a tree of 4 steps and 3 actions: r_t = V(s_{t+1}) - V(s_t), in all R - V(start)."""
    rng = np.random.default_rng(0)
    leaves = list(itertools.product(range(WIDTH), repeat=DEPTH))
    value = dict(zip(leaves, rng.random(len(leaves)), strict=True))  # the outcomes R, in [0, 1]
    reference, best = {}, {}
    for depth in range(DEPTH - 1, -1, -1):
        for h in itertools.product(range(WIDTH), repeat=depth):
            reference[h] = rng.dirichlet(np.ones(WIDTH))
            after = np.array([value[(*h, a)] for a in range(WIDTH)])
            weights = reference[h] * np.exp((after - after.max()) / BETA)
            value[h] = after.max() + BETA * np.log(weights.sum())
            best[h] = weights / weights.sum()
    for leaf in leaves:
        states = [leaf[:t] for t in range(DEPTH + 1)]
        steps = list(zip(states[:-1], leaf, strict=True))
        log_prob, log_reference = (np.log([policy[h][a] for h, a in steps]) for policy in (best, reference))
        rewards = implicit_rewards(log_prob, log_reference, beta=BETA, limit=np.inf)
        assert rewards == pytest.approx(np.diff([value[h] for h in states]), abs=1e-12)
        assert rewards.sum() == pytest.approx(value[leaf] - value[()], abs=1e-12)


def test_large_ratios_are_clipped():
    rewards = implicit_rewards(np.array([0.0, -50.0, -1.0]), np.array([-30.0, 0.0, -2.0]), beta=0.1)
    assert rewards.tolist() == pytest.approx([1.0, -1.0, 0.1])


def decided(episodes, seed, steps=6):
    """Actions are uniform; the one at step 2 alone decides whether 1 is paid at the end."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, 2, size=(steps, episodes, 1))
    rewards = np.zeros((steps, episodes))
    rewards[-1] = actions[2, :, 0]
    ends = np.zeros((steps, episodes), dtype=bool)
    ends[-1] = True
    clock = np.broadcast_to(np.eye(steps + 1)[:, None], (steps + 1, episodes, steps + 1)).copy()
    log_prob = np.full((steps, episodes), np.log(0.5))
    return EpisodeBatch(clock, actions, rewards, ends, ends & False, np.ones_like(ends), {"log_prob": log_prob})


@pytest.mark.parametrize("loss", ["cross_entropy", "pairs"])
@pytest.mark.parametrize("reference", ["start", "played"])
def test_outcomes_alone_tell_which_step_mattered(loss, reference):
    learning = EpisodeLearning(hidden=(16,), gradient_steps=100, learning_rate=1e-2)
    transform = ImplicitStepRewards(2, loss=loss, reference=reference, beta=1.0, keep=False, learning=learning)
    for seed in range(3):
        transform(decided(256, seed))
    unseen = decided(200, seed=9)
    new = transform.rewrite(unseen)
    right = unseen.actions[2, :, 0] == 1
    gap = new[:, right].mean(axis=1) - new[:, ~right].mean(axis=1)
    assert new[2, right].min() > 0.0 > new[2, ~right].max()
    assert np.abs(np.delete(gap, 2)).max() < 0.2 * gap[2]


def forward(state, net, obs):
    """The perceptron once more, in numpy."""
    layers = sorted({name.split(".")[1] for name in state if name.startswith(f"{net}.")}, key=int)
    x = obs
    for at, layer in enumerate(layers):
        x = x @ state[f"{net}.{layer}.weight"].T + state[f"{net}.{layer}.bias"]
        x = np.tanh(x) if at < len(layers) - 1 else x
    return x


def test_steps_add_up_to_the_ratio_of_the_sequences(make_batch):
    transform = ImplicitStepRewards(4, beta=0.3, keep=False, learning=QUICK)
    for seed in range(3):
        batch = make_batch(seed)
        new = transform(batch)
    state = transform.state_dict()
    chances = []
    for net in ("net", "start"):
        logits = forward(state, net, batch.obs[:-1].astype(float))
        power = np.exp(logits - logits.max(axis=-1, keepdims=True))
        chosen = np.take_along_axis(power / power.sum(axis=-1, keepdims=True), batch.actions, axis=-1)[..., 0]
        chances.append(np.where(batch.valid, chosen, 1.0).prod(axis=0))
    assert new.sum(axis=0) == pytest.approx(0.3 * np.log(chances[0] / chances[1]), rel=1e-9)
    assert np.abs(new).max() > 1e-4


def test_equal_outcomes_teach_nothing():
    batch = decided(32, 0)
    for rewards in (np.zeros_like(batch.rewards), np.ones_like(batch.rewards)):
        transform = ImplicitStepRewards(2, learning=QUICK)
        same = batch.with_rewards(rewards)
        assert (transform(same) == rewards).all()
        assert transform.state_dict()["steps"] == 0
    # two start groups, one that always succeeds and one that never does: no pair to compare
    grouped = dataclasses.replace(batch, group=batch.actions[2, :, 0])
    transform = ImplicitStepRewards(2, loss="pairs", learning=QUICK)
    assert (transform(grouped) == grouped.rewards).all()


def test_imitation_starts_from_the_policy_that_played():
    """Of actions that are always 1 the network says so, and since it is its own reference, it pays nothing yet."""
    batch = decided(64, 0)
    batch = dataclasses.replace(batch, actions=np.ones_like(batch.actions), rewards=np.zeros_like(batch.rewards))
    learning = EpisodeLearning(hidden=(8,), learning_rate=1e-2)
    transform = ImplicitStepRewards(2, reference="played", beta=1.0, imitate=300, learning=learning)
    batch = dataclasses.replace(batch, info={"log_prob": np.zeros_like(batch.rewards)})
    assert np.abs(transform(batch)).max() < 0.02  # log 1 of the one policy against that of the other


@pytest.mark.parametrize("reference", ["start", "played"])
def test_state_goes_on_where_it_was(reference):
    whole, part, other = (ImplicitStepRewards(2, reference=reference, learning=QUICK) for _ in range(3))
    assert part.state_dict() == {}
    for seed in range(2):
        whole(decided(20, seed)), part(decided(20, seed))
    other.load_state_dict(part.state_dict())
    for seed in range(2, 4):
        assert whole(decided(20, seed)).tobytes() == other(decided(20, seed)).tobytes()
    kept, good = other.state_dict(), part.state_dict()
    for bad, message in [
        ({}, "sizes must be"),
        ({**good, "sizes": np.array([3, 1])}, "sizes must be"),
        ({name: x for name, x in good.items() if name != "net.0.bias"}, "missing or unknown"),
        ({**good, "net.0.bias": good["net.0.bias"] * np.inf}, "finite"),
        ({**good, "steps": np.array(-5)}, "steps must be a whole number"),
        ({**good, "steps": np.array(2.5)}, "steps must be a whole number"),
    ]:
        with pytest.raises(ValueError, match=message):
            other.load_state_dict(bad)
    assert all((other.state_dict()[name] == kept[name]).all() for name in kept)


def test_groups_without_a_pair_teach_nothing():
    """Outcomes differ between the starts but not within one: there is nothing to compare, and no weight may move."""
    transform = ImplicitStepRewards(2, loss="pairs", learning=QUICK)
    batch = decided(8, seed=0)
    paid = batch.returns
    assert 0 < paid.sum() < 8
    transform(dataclasses.replace(batch, group=np.zeros(8, dtype=int)))
    before = transform.state_dict()
    transform(dataclasses.replace(batch, group=paid.astype(int)))
    after = transform.state_dict()
    assert all((before[name] == after[name]).all() for name in before)


def test_inference_mode_makes_no_difference():
    usual, inside, loaded = (ImplicitStepRewards(2, learning=QUICK) for _ in range(3))
    expected = [usual(decided(20, seed)) for seed in range(2)]
    with torch.inference_mode():
        first = inside(decided(20, 0))
        loaded.load_state_dict(inside.state_dict())
    assert first.tobytes() == expected[0].tobytes()
    assert inside(decided(20, 1)).tobytes() == loaded(decided(20, 1)).tobytes() == expected[1].tobytes()


def test_arguments_are_checked(make_batch):
    for wrong, message in [
        ({"num_actions": 1}, "num_actions must be"),
        ({"loss": "mse"}, "loss must be"),
        ({"reference": "old"}, "reference must be"),
        ({"beta": 0.0}, "beta must be"),
        ({"imitate": -1}, "imitate must be"),
    ]:
        with pytest.raises(ValueError, match=message):
            ImplicitStepRewards(**{"num_actions": 2, **wrong})
    with pytest.raises(TypeError, match="outcome must be"):
        ImplicitStepRewards(2, outcome=1.0)
    with pytest.raises(ValueError, match=r"integers in 0 \.\. 1"):
        ImplicitStepRewards(2)(make_batch())
    with pytest.raises(ValueError, match="numbers in"):
        ImplicitStepRewards(4, outcome=lambda batch: batch.returns * 1e6)(make_batch())
    with pytest.raises(KeyError, match="log_prob"):
        ImplicitStepRewards(4, reference="played")(make_batch())
