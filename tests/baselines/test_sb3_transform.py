"""Reward transforms in Stable-Baselines3: the rollout buffer is rewritten and nothing else changes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.vec_env import DummyVecEnv

from payoff.baselines import sb3
from payoff.envs import registry
from payoff.wrappers.redistribution.base import RewardTransform
from payoff.wrappers.redistribution.information import InformationGain, truth_probability
from payoff.wrappers.redistribution.rd import LinearDecomposition
from tests.wrappers.conftest import Walk


class Line(Walk):
    """Walks whose rewards may be multiplied, and which end in all ways: edge, time limit, both."""

    def __init__(self, factor=1.0):
        super().__init__(horizon=6, edge=3)
        self.factor = factor

    def step(self, action):
        obs, reward, *rest = super().step(action)
        return obs, self.factor * reward, *rest


class Twice(RewardTransform):
    def rewrite(self, batch):
        return 2.0 * batch.rewards


class Seen(RewardTransform):
    """Rewards stay; keeps what it was shown."""

    def __init__(self, needs=()):
        self.needs, self.batches = needs, []

    def rewrite(self, batch):
        self.batches.append(batch)
        return batch.rewards


def model(algorithm=PPO, factor=1.0, copies=3, steps=20, **more):
    env = DummyVecEnv([lambda: Line(factor)] * copies)
    return algorithm("MlpPolicy", env, n_steps=steps, seed=1, device="cpu", policy_kwargs={"net_arch": [8]}, **more)


def weights(trained):
    return {name: p.detach().numpy() for name, p in trained.policy.named_parameters()}


@pytest.mark.parametrize("algorithm", [PPO, A2C])
def test_doubling_equals_training_on_doubled_rewards(algorithm):
    """Over ten rollouts with terminated, truncated and crossing episodes; the bootstrap is not doubled by itself."""
    more = {"batch_size": 20, "n_epochs": 2} if algorithm is PPO else {}
    after = model(algorithm, **more).learn(600, callback=sb3.RewardTransformCallback(Twice()))
    along = model(algorithm, factor=2.0, **more).learn(600)
    plain = model(algorithm, **more).learn(600)
    for name, value in weights(after).items():
        assert value == pytest.approx(weights(along)[name], abs=1e-4), name
    assert any(np.abs(value - weights(plain)[name]).max() > 1e-3 for name, value in weights(after).items())


class Buffer(BaseCallback):
    """Copies of the rollout buffer, before and after another callback."""

    def __init__(self):
        super().__init__()
        self.rollouts = []

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        buffer = self.model.rollout_buffer
        names = ("rewards", "returns", "advantages", "values", "episode_starts", "observations")
        self.rollouts.append({name: getattr(buffer, name).copy() for name in names})


def test_a_transform_that_changes_nothing_changes_nothing():
    before, after = Buffer(), Buffer()
    callback = CallbackList([before, sb3.RewardTransformCallback(Seen()), after])
    with_it = model(batch_size=20).learn(600, callback=callback)
    without = model(batch_size=20).learn(600)
    for a, b in zip(before.rollouts, after.rollouts, strict=True):
        for name in a:
            assert b[name] == pytest.approx(a[name], abs=2e-6), name
    for name, value in weights(with_it).items():
        assert value == pytest.approx(weights(without)[name], abs=1e-4)


def test_advantages_are_those_of_the_new_rewards():
    """Pays 1 a step: by hand, with the bootstrap of truncated episodes that the library had put in."""

    class Ones(RewardTransform):
        def rewrite(self, batch):
            return np.ones(batch.rewards.shape)

    before, after = Buffer(), Buffer()
    raw = []

    class Raw(BaseCallback):
        def _on_step(self):
            raw.append(self.locals["rewards"].copy())
            return True

    trained = model(gamma=0.9, gae_lambda=1.0, batch_size=20)
    trained.learn(60, callback=CallbackList([Raw(), before, sb3.RewardTransformCallback(Ones()), after]))
    old, new = before.rollouts[0], after.rollouts[0]
    bootstrap = old["rewards"] - np.array(raw)
    assert (np.abs(bootstrap) > 1e-3).any() and (bootstrap == 0.0).any()
    rewards = 1.0 + bootstrap
    assert new["rewards"] == pytest.approx(rewards, abs=1e-6)
    starts = new["episode_starts"]
    for b in range(3):
        last = int(np.flatnonzero(starts[:, b])[-1])  # from here on the episode may go on after the rollout
        following = 0.0
        for t in range(last - 1, -1, -1):
            following = rewards[t, b] + 0.9 * (0.0 if starts[t + 1, b] else following)
            assert new["returns"][t, b] == pytest.approx(following, abs=1e-5)


def lone_episodes(actions, copies):
    """What each copy plays, episode by episode: the environment stepped once more with the same actions."""
    found = []
    for b in range(copies):
        env = Line()
        obs, _ = env.reset(seed=1 + b)
        episode = [[obs], [], False, False]
        for action in actions[b]:
            obs, reward, terminated, truncated, _ = env.step(int(action))
            episode[0].append(obs)
            episode[1].append(reward)
            if terminated or truncated:
                found.append((*episode[:2], terminated, truncated and not terminated))
                obs, _ = env.reset()
                episode = [[obs], []]
        found.append((*episode, False, False))
    return found


def test_episodes_that_cross_rollouts_are_shown_whole():
    seen, actions = Seen(("log_prob", "progress")), [[], [], []]

    class Actions(BaseCallback):
        def _on_step(self):
            for b, action in enumerate(self.locals["actions"]):
                actions[b].append(action)
            return True

    model(steps=10, batch_size=10).learn(60, callback=CallbackList([Actions(), sb3.RewardTransformCallback(seen)]))
    assert len(seen.batches) == 2
    first, second = seen.batches
    assert not first.finished.all()
    expected = lone_episodes(actions, 3)
    shown = []
    for batch in (first, second):
        for b in range(len(batch.lengths)):
            n = batch.lengths[b]
            end = batch.terminated[n - 1, b], batch.truncated[n - 1, b]
            shown.append((batch.obs[: n + 1, b], batch.rewards[:n, b], *end))
            # `progress` of this environment is a number made of the observation that it comes with
            assert batch.info["progress"][:n, b] == pytest.approx(batch.obs[1 : n + 1, b].sum(axis=1), abs=1e-6)
            assert batch.start["progress"][b] == pytest.approx(batch.obs[0, b].sum(), abs=1e-6)
    finished = [e for e in shown if e[2] or e[3]]
    for obs, rewards, terminated, truncated in expected:
        matches = [
            e
            for e in (finished if terminated or truncated else shown)
            if len(e[1]) == len(rewards) and np.allclose(e[0], obs) and (e[2], e[3]) == (terminated, truncated)
        ]
        assert len(matches) == 1
        assert matches[0][1] == pytest.approx(rewards, rel=1e-6)
    # the part of a crossing episode that was shown unfinished is the beginning of what is shown later
    crossing = [b for b in range(len(first.lengths)) if not first.finished[b]]
    for b in crossing:
        n = first.lengths[b]
        assert any(
            second.lengths[c] > n and np.allclose(second.obs[: n + 1, c], first.obs[: n + 1, b])
            for c in range(len(second.lengths))
        )


def test_returns_within_a_rollout_are_conserved():
    callback, after, before = sb3.RewardTransformCallback(LinearDecomposition(lambda o, a, n: n)), Buffer(), Buffer()
    model(steps=30, batch_size=30, gamma=1.0).learn(90, callback=CallbackList([before, callback, after]))
    old, new = before.rollouts[0], after.rollouts[0]
    starts = new["episode_starts"]
    episodes = 0
    for b in range(3):
        borders = np.flatnonzero(starts[:, b])
        for first, stop in itertools.pairwise(borders):
            assert new["rewards"][first:stop, b].sum() == pytest.approx(old["rewards"][first:stop, b].sum(), abs=1e-4)
            episodes += 1
    assert episodes > 10
    assert np.abs(new["rewards"] - old["rewards"]).max() > 0.1


def test_training_may_go_on_with_the_same_callback():
    seen = Seen()
    callback = sb3.RewardTransformCallback(seen)
    trained = model(steps=10, batch_size=10).learn(30, callback=callback)
    trained.learn(30, callback=callback, reset_num_timesteps=False)
    first, second = seen.batches
    open_ended = np.flatnonzero(~first.finished)
    assert len(open_ended) and {tuple(first.obs[0, b]) for b in open_ended} <= {tuple(x) for x in second.obs[0]}
    other = Seen()  # one that comes in the middle knows nothing of the running episodes until they are over
    trained.learn(30, callback=sb3.RewardTransformCallback(other), reset_num_timesteps=False)
    assert other.batches[0].valid.sum() < 30


def test_a_training_that_was_broken_off_leaves_nothing_behind():
    class Stop(BaseCallback):
        def _on_step(self):
            return self.num_timesteps < 3 * 7

    seen = Seen()
    callback = sb3.RewardTransformCallback(seen)
    trained = model(steps=10, batch_size=10).learn(60, callback=CallbackList([callback, Stop()]))
    assert not seen.batches
    trained.learn(30, callback=callback)
    (batch,) = seen.batches
    assert batch.valid.sum() == 30


def test_our_view_tells_what_a_transform_needs():
    game = "payoff/TwentyQuestions-v0"
    trained = sb3.make_sb3(
        game, num_envs=4, env_kwargs={"info": "full", "aux": "belief_log"}, n_steps=32, batch_size=32, norm_reward=False
    )
    seen = Seen(("progress",))
    trained.learn(256, callback=sb3.RewardTransformCallback(seen))
    batch = seen.batches[-1]
    informed = Seen(("state",))
    trained.learn(128, callback=sb3.RewardTransformCallback(informed))
    # the game's own gain of information, kept in its state row, is what the belief says
    (told,) = informed.batches
    gain = InformationGain(truth_probability(game), keep=False)(told)
    game_row = registry.load(game)
    at = game_row.shape(game_row.params.from_keywords(game, {"aux": "belief_log"})).layout.column("aux")
    assert gain == pytest.approx(np.where(told.valid, told.info["state"][..., at], 0.0), abs=1e-9)
    assert gain.any() and told.finished.sum() > 10
    assert batch.info["progress"].shape == batch.rewards.shape
    assert (batch.start["progress"] == 0.0).all()
    assert (batch.at_end(batch.info["progress"]) > 0.0).any()
    lacking = sb3.make_sb3(game, num_envs=4, n_steps=32, batch_size=32)
    with pytest.raises(KeyError, match="progress"):
        lacking.learn(32, callback=sb3.RewardTransformCallback(Seen(("progress",))))


def test_step_scores_can_be_needed():
    seen = Seen(("aux",))
    trained = sb3.make_sb3("payoff/FillerSteps-v0", num_envs=4, env_kwargs={"info": "full"}, n_steps=50, batch_size=200)
    trained.learn(200, callback=sb3.RewardTransformCallback(seen))
    scores = np.concatenate([batch.info["aux"][batch.valid] for batch in seen.batches])
    assert scores.size and set(np.round(scores, 12)) <= {0.9, 0.5, 0.1}


def test_what_has_no_rollouts_is_refused():
    with pytest.raises(TypeError, match="transform must be a RewardTransform"):
        sb3.RewardTransformCallback(lambda batch: batch.rewards)
    env = DummyVecEnv([Line])
    with pytest.raises(TypeError, match="on-policy"):
        DQN("MlpPolicy", env).learn(10, callback=sb3.RewardTransformCallback(Twice()))
    from tests.wrappers.conftest import DictWalk

    with pytest.raises(TypeError, match="Dict space"):
        PPO("MultiInputPolicy", DummyVecEnv([DictWalk]), n_steps=8, batch_size=8).learn(
            8, callback=sb3.RewardTransformCallback(Twice())
        )
