"""RMSprop in numpy and in torch."""

from __future__ import annotations

import numpy as np
import torch

from payoff.baselines.rmsprop import root_mean_square


def test_by_hand():
    """V = 4 * 3/4 + 16 / 4 = 7 and 0 + 4 / 4 = 1."""
    square, root = root_mean_square(np.array([4.0, 0.0]), np.array([-4.0, 2.0]), share=0.25, eps=0.5)
    assert square.tolist() == [7.0, 1.0] and root.tolist() == [7.0**0.5 + 0.5, 1.5]


def test_numpy_and_torch_agree():
    """Up to the last bit: torch rounds some roots in another way."""
    rng = np.random.default_rng(0)
    ours, theirs = np.zeros(50), torch.zeros(50, dtype=torch.float64)
    for _ in range(20):
        gradient = rng.normal(size=50)
        ours, root = root_mean_square(ours, gradient)
        theirs, of_torch = root_mean_square(theirs, torch.from_numpy(gradient))
        np.testing.assert_array_equal(ours, theirs.numpy())
        np.testing.assert_allclose(root, of_torch.numpy(), rtol=1e-15)
