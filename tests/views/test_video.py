"""Gymnasium's recorder writes videos of our ids, with the writer that the extra "play" brings."""

from __future__ import annotations

import gymnasium as gym
import pytest
from moviepy import VideoFileClip


@pytest.mark.parametrize("name", ["payoff/KeyRoom-v0", "payoff/TrustDilemma-v0"])
def test_a_recorded_episode_has_a_picture_for_each_state(name, tmp_path):
    env = gym.wrappers.RecordVideo(gym.make(name, render_mode="rgb_array", max_steps=6), str(tmp_path / "videos"))
    env.action_space.seed(1)
    env.reset(seed=1)
    height, width, _ = env.unwrapped.render().shape
    steps, over = 0, False
    while not over:
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        steps, over = steps + 1, terminated or truncated
    env.close()
    with VideoFileClip(str(tmp_path / "videos" / "rl-video-episode-0.mp4")) as clip:
        pictures = [picture.shape for picture in clip.iter_frames()]
    # the codec takes even sizes only
    assert pictures == [(height + height % 2, width + width % 2, 3)] * (steps + 1)
