"""``payoff reward``: the numbers of a file, and pictures that show what is paid."""

from __future__ import annotations

import numpy as np
import pytest

from payoff.baselines.reward_figure import reward_figure
from payoff.wrappers import BlendForm, RewardBlend, save_reward
from payoff.wrappers.learned.basis import ScaledNumbers
from tests.baselines.commands import call, refused


def blend(phi, actions, size, **form):
    form = BlendForm(inputs=size + 1, actions=actions, **form)
    return RewardBlend(form, ScaledNumbers(np.zeros(size), np.ones(size)), np.array(phi), gamma=0.9)


def test_a_plane_shows_what_is_added_and_what_the_auxiliary_reward_weighs():
    """f = 2 x' + 1 and w = -y' with x', y' from -1 to 1: at the corners 3 and -1, and -1 and 1."""
    reward = blend([2.0, 0.0, 0.0, -1.0, 1.0, 0.0], 4, 2)
    figure = reward_figure(reward, "payoff/GridNav-v0", {})
    added, weight = (axes.collections[0].get_array() for axes in figure.axes[:2])
    assert (added[0, 0], added[-1, -1]) == pytest.approx((-1.0, 3.0), abs=1e-5)
    assert (weight[0, 0], weight[-1, 0]) == pytest.approx((1.0, -1.0), abs=1e-5)


def test_episodes_show_sums_of_both_rewards():
    """Twice the given reward of 1 a step: after n steps n and 2 n."""
    reward = blend(np.zeros(5), 2, 4, own="state", aux="none", primary=2.0)
    figure = reward_figure(reward, "CartPole-v1", {}, seed=3)
    for axes, slope in zip(figure.axes, (1.0, 2.0), strict=True):
        for line in axes.lines:
            values = line.get_ydata()[np.isfinite(line.get_ydata())]
            assert len(values) > 5
            np.testing.assert_allclose(values, slope * np.arange(len(values)))


def test_the_command(tmp_path, capsys):
    path = tmp_path / "reward.safetensors"
    save_reward(path, blend([2.0, 0.0, 0.0, -1.0, 1.0, 0.0], 4, 2))
    status, out, _ = call(capsys, "reward", path)
    assert status == 0 and "RewardBlend" in out and "gamma: 0.9" in out and "phi: 6, -1 to 2" in out
    status, out, _ = call(capsys, "reward", path, "--env", "GridNav-v0", "--out", tmp_path / "x.png")
    assert status == 0 and (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert "cannot read nothing: No such file" in refused(capsys, "reward", "nothing")
    assert "a figure needs both --env and --out" in refused(capsys, "reward", path, "--env", "GridNav-v0")
    assert "must be a file that ends in .png or .svg" in refused(
        capsys, "reward", path, "--env", "GridNav-v0", "--out", tmp_path / "x.gif"
    )
    other = refused(capsys, "reward", path, "--env", "CartPole-v1", "--out", tmp_path / "x.png")
    assert "observations must be 2 numbers, got 4" in other
