"""RUDDER: the loss by hand, differences that add up, credit at the step that decides, state."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from payoff.wrappers.redistribution.base import EpisodeBatch, return_error
from payoff.wrappers.redistribution.episode_learning import EpisodeLearning
from payoff.wrappers.redistribution.rudder import Rudder, prediction_loss
from payoff.wrappers.redistribution.step_features import StepFeatures, evaluated_steps

QUICK = EpisodeLearning(hidden=(5,), gradient_steps=3, episodes=4)


def test_squared_errors_are_averaged_and_not_errors():
    """Errors +1 and -1: the mean error is 0, the mean squared error 1."""
    returns, lengths = torch.tensor([0.0, 0.0]), torch.tensor([1, 1])
    assert prediction_loss(torch.tensor([[1.0, -1.0]]), returns, lengths, aux=0.0).item() == 1.0
    # episodes of 3 and 1 steps, G = 2 and 0: final errors 1 and 3, all errors (2, 4, 1) and (3)
    predictions = torch.tensor([[0.0, 3.0], [-2.0, 9.0], [3.0, 9.0]])
    loss = prediction_loss(predictions, torch.tensor([2.0, 0.0]), torch.tensor([3, 1]), aux=0.5)
    assert loss.item() == pytest.approx(((1.0 + 0.5 * 21.0 / 3) + (9.0 + 0.5 * 9.0)) / 2)


def test_differences_add_up_to_the_prediction_of_the_end(make_batch):
    transform = Rudder(StepFeatures(4), learning=QUICK, residual=False)
    batch = make_batch()
    new = transform(batch)
    with torch.no_grad():
        inputs = torch.from_numpy(evaluated_steps(transform.features, batch, None))
        predictions = transform.scale * transform.predict(inputs).numpy()
    assert new.sum(axis=0) == pytest.approx(batch.at_end(predictions), rel=1e-12)
    assert new[0] == pytest.approx(predictions[0])


def test_returns_are_conserved(make_batch):
    transform = Rudder(StepFeatures(4), learning=QUICK)
    for seed in range(6):
        batch = make_batch(seed)
        assert return_error(batch, transform(batch)).max(initial=0.0) < 1e-9


def choice(episodes, seed, steps=12):
    """The action at step 3 decides: +1 or -1, paid at the last step with noise; the others do nothing."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, 2, size=(steps, episodes, 1))
    rewards = np.zeros((steps, episodes))
    rewards[-1] = 2.0 * actions[3, :, 0] - 1.0 + 0.5 * rng.normal(size=episodes)
    ends = np.zeros((steps, episodes), dtype=bool)
    ends[-1] = True
    clock = np.broadcast_to(np.eye(steps + 1)[:, None], (steps + 1, episodes, steps + 1))
    return EpisodeBatch(clock.copy(), actions, rewards, ends, np.zeros_like(ends), np.ones_like(ends))


def test_the_deciding_step_gets_the_credit():
    transform = Rudder(
        lambda obs, actions, next_obs: (obs[:, :, None] * np.eye(2)[actions[:, 0]][:, None]).reshape(len(obs), -1),
        learning=EpisodeLearning(hidden=(8,), gradient_steps=300, learning_rate=1e-2),
    )
    transform(choice(512, seed=0))
    unseen = choice(200, seed=1)
    new = transform.rewrite(unseen)
    right = unseen.actions[3, :, 0] == 1
    gap = new[:, right].mean(axis=1) - new[:, ~right].mean(axis=1)
    assert gap[3] == pytest.approx(2.0, abs=0.35)  # the true difference that the choice makes
    assert np.abs(np.delete(gap, 3)).max() < 0.35
    assert new[4:].std() < 0.35  # what is left to come is luck, evenly spread: 0.5 / 12 a step


def test_state_goes_on_where_it_was(make_batch):
    whole, part, other = (Rudder(StepFeatures(4), learning=QUICK) for _ in range(3))
    for seed in range(2):
        whole(make_batch(seed)), part(make_batch(seed))
    other.load_state_dict(part.state_dict())
    for seed in range(2, 4):
        assert whole(make_batch(seed)).tobytes() == other(make_batch(seed)).tobytes()


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="aux must be"):
        Rudder(StepFeatures(4), aux=-0.1)
    with pytest.raises(ValueError, match="number of memory cells"):
        Rudder(StepFeatures(4), learning=EpisodeLearning(hidden=()))
