"""Stable-Baselines3 on our ids."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecNormalize

from payoff.baselines import sb3
from payoff.baselines.environments import make_vector
from payoff.baselines.evaluation import evaluate
from payoff.baselines.run import load_checkpoint
from payoff.baselines.training import NotFiniteError
from payoff.wrappers import ExpressionReward, LinearReward, wrap

TRUST, KEYS = "payoff/TrustDilemma-v0", "payoff/KeyRoom-v0"
SMALL = {"num_envs": 8, "n_steps": 32, "batch_size": 64}


def view(env_id, copies, **keywords):
    return make_vector(env_id, copies, keywords, autoreset_mode=AutoresetMode.SAME_STEP)


@pytest.mark.parametrize(
    ("game", "keywords", "cut"),
    [
        (TRUST, {"max_steps": 7, "actions": "unit"}, True),
        (TRUST, {"actions": "unit"}, False),
        (KEYS, {"max_steps": 20}, True),
    ],
)
def test_the_adapter_is_the_view(game, keywords, cut):
    """Observations, rewards and ends are those of the view; the last observation of an episode is handed over.

    Low contributions end TrustDilemma for good within a few steps, unless the time limit comes first.
    """
    env = sb3.NativeVecEnv(view(game, 3, **keywords))
    raw = view(game, 3, **keywords)
    env.seed(5)
    assert (env.reset() == raw.reset(seed=5)[0]).all()
    ends = 0
    for step in range(60):
        actions = np.full((3, 1), 0.9 if cut and step < 2 else -0.99, dtype=np.float32)
        actions = actions if game == TRUST else np.array([step % 3] * 3)
        obs, rewards, done, infos = env.step(actions)
        expected = raw.step(actions)
        assert (obs == expected[0]).all()
        assert rewards == pytest.approx(expected[1], rel=1e-6)
        assert (done == expected[2] | expected[3]).all()
        for b in range(3):
            assert ("terminal_observation" in infos[b]) == done[b]
            if done[b]:
                ends += 1
                assert (infos[b]["terminal_observation"] == expected[4]["final_obs"][b]).all()
                assert infos[b]["TimeLimit.truncated"] == (expected[3][b] and not expected[2][b])
    assert ends > 0


def test_episodes_are_summed_from_the_reset_on():
    """An episode that a reset broke off counts for nothing; the next one is its payoffs, of both seats, and 3 steps."""
    env, raw = (view(TRUST, 2, max_steps=3, actions="unit") for _ in range(2))
    adapter = sb3.NativeVecEnv(env)
    adapter.seed(5)
    actions = np.full((2, 1), 0.5, dtype=np.float32)
    adapter.reset()
    adapter.step(actions)
    adapter.reset()
    raw.reset(seed=5)
    raw.step(actions)
    raw.reset()
    paid = 0.0
    for _ in range(3):
        adapter.step(actions)
        paid += raw.step(actions)[4]["payoff"].sum() / 2  # mean over the two copies
    means = adapter.episodes.means()
    assert means["welfare"] == pytest.approx(paid, rel=1e-12) and means["episode_length"] == 3.0
    assert means["cooperation"] == pytest.approx(0.75, rel=1e-6)  # 0.5 of [-1, 1] is three quarters of the endowment


def test_copies_share_the_attributes_of_the_view():
    env = sb3.NativeVecEnv(view(TRUST, 3))
    assert env.get_attr("num_envs") == [3, 3, 3]
    assert env.get_attr("num_envs", [0]) == [3]
    assert env.env_is_wrapped(VecNormalize) == [False] * 3
    env.set_attr("mark", 7)
    assert env.get_attr("mark", 1) == [7]
    env.reset()
    assert len(env.env_method("snapshot")) == 3


def test_training_pays_off_and_is_measured_in_payoffs():
    """From erratic play, which ends episodes within a dozen steps, to whole episodes."""
    keywords = {"reward": "private"}
    model = sb3.make_sb3(TRUST, num_envs=16, env_kwargs=keywords, n_steps=50, batch_size=200)
    callback = sb3.PayoffCallback(TRUST, keywords, every=10_000, episodes=2)
    model.learn(24_000, callback=callback)
    assert [h["step"] for h in callback.history] == [10_000, 20_000, 24_000]
    assert callback.history[-1]["episode_length"] == 100
    assert callback.history[-1]["score"] > 0.8


@pytest.mark.parametrize(
    ("game", "params"), [(TRUST, {"control": "joint"}), (TRUST, {"actions": "discrete:5", "agent": 1}), (KEYS, {})]
)
def test_a_finished_checkpoint_is_returned_and_plays_the_same(game, params, tmp_path):
    args = sb3.Args(env_id=game, env_params=params, total_steps=512, checkpoint=str(tmp_path / "state"), **SMALL)
    seen = []
    result = sb3.train(args, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(256, 512), (512, 512)]
    assert result.steps == 512
    assert result.curve["step"].tolist() == [256, 512]
    again = sb3.train(args)
    loaded, meta = load_checkpoint(args.checkpoint)
    assert meta["args"]["env_id"] == game
    payoffs = [
        evaluate(policy, game, episodes=3, seed=0, env_kwargs=params, view="single").payoffs
        for policy in (result.policy, again.policy, loaded)
    ]
    assert (payoffs[0] == payoffs[1]).all()
    assert (payoffs[0] == payoffs[2]).all()
    for name in result.curve:
        assert np.array_equal(result.curve[name], again.curve[name], equal_nan=True)
    with pytest.raises(ValueError, match=r"gamma=0\.99, not 0\.5"):
        sb3.train(dataclasses.replace(args, gamma=0.5))


def test_same_seed_same_numbers():
    args = sb3.Args(total_steps=512, **SMALL)
    first, again = sb3.train(args), sb3.train(args)
    for name in first.curve:
        assert np.array_equal(first.curve[name], again.curve[name], equal_nan=True)


def test_a_weight_that_is_not_finite_stops_the_training():
    args = sb3.Args(total_steps=512, learning_rate=float("nan"), **SMALL)
    with pytest.raises((NotFiniteError, ValueError)):
        sb3.train(args)


def test_a_wrapper_changes_what_is_learned_from_and_not_the_payoffs():
    """Only steps on road, the first feature of Delivery, are paid: each is 1, or 0 on brick and at ends."""
    reward = LinearReward([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    small = {"num_envs": 3, "n_steps": 32, "batch_size": 96}
    model = sb3.make_sb3(
        "payoff/Delivery-v0", env_kwargs={"info": "full"}, wrapper=lambda env: wrap(env, reward), **small
    )
    native = model.get_env().unwrapped
    native.reset()
    for t in range(60):
        native.step_async(np.full(3, t % 4))
        _, paid, done, infos = native.step_wait()
        assert set(paid) <= {0.0, 1.0}
        assert all(("terminal_observation" in infos[b]) == done[b] for b in range(3))
    welfare, told, _, steps = native.episodes.running
    assert (welfare[steps > 0] <= 0.0).all() and (told >= 0.0).all()  # no step but a delivery pays more than 0
    assert steps.max() > 0 and (welfare != told)[steps > 0].all()


def test_an_environment_that_is_not_ours_is_its_own_payoff():
    """CartPole pays 1 a step, whatever a wrapper makes of it: an episode's payoff is its length."""
    double = ExpressionReward("2")
    model = sb3.make_sb3("CartPole-v1", num_envs=3, n_steps=32, batch_size=96, wrapper=lambda env: wrap(env, double))
    native = model.get_env().unwrapped
    native.reset()
    for t in range(40):
        native.step_async(np.full(3, t % 2))
        _, paid, _, _ = native.step_wait()
        assert (paid == 2.0).all()
    welfare, told, _, steps = native.episodes.running
    assert (welfare == steps).all() and (told == 2.0 * steps).all() and steps.max() > 0
