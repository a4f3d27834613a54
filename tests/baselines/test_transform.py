"""Whole episodes, wrappers and reward transforms in our trainers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from payoff.baselines import checkpoint, ippo, ppo
from payoff.baselines.environments import make_all_seats, make_one_seat
from payoff.baselines.methods import around
from payoff.baselines.rewriting import collect_episodes
from payoff.baselines.rollout import Episodes
from payoff.wrappers import DelayReward, RewardMethod, wrap
from payoff.wrappers.redistribution.base import RewardTransform
from payoff.wrappers.redistribution.rd import LinearDecomposition
from tests.baselines.fixtures import Match

SMALL = {"num_envs": 8, "hidden": (16,), "minibatches": 2, "rollout": "episodes"}
CHAIN = {"length": 8, "start": 3, "goal": 5, "slip": 0.3, "max_steps": 9}
CASES = {
    "chain": (ppo, {"env_id": "payoff/Chain-v0", "env_params": CHAIN, "num_steps": 9, "total_steps": 500}),
    "trust": (ippo, {"env_id": "payoff/TrustDilemma-v0", "num_steps": 100, "total_steps": 3000}),
    "team": (
        ippo,
        {"env_id": "payoff/LoyaltyTeam-v0", "num_steps": 100, "total_steps": 4000, "share_parameters": True},
    ),
}


def settings(name, **more):
    trainer, own = CASES[name]
    return trainer, trainer.Args(**{**SMALL, **own, **more})


class Square(RewardMethod):
    """Pays r^2 + 1, step by step."""

    def __call__(self, t):
        return t.reward**2 + 1.0


class SquareAfter(RewardTransform):
    """The same, after the episode."""

    def rewrite(self, batch):
        return batch.rewards**2 + 1.0


class Count(RewardTransform):
    """Adds the number of its calls and something drawn from them; its state is that number. Keeps what it was shown."""

    needs = ()

    def __init__(self, needs=()):
        self.calls, self.needs, self.batches = 0, needs, []

    def learn(self, batch):
        self.calls += 1
        self.batches.append(batch)

    def rewrite(self, batch):
        return batch.rewards + np.random.default_rng(self.calls).normal(size=batch.rewards.shape)

    def state_dict(self):
        return {"calls": np.array(self.calls)}

    def load_state_dict(self, state):
        self.calls = int(state["calls"])


def assert_same(a, b):
    for (name, x), (_, y) in zip(a.policy.net.named_parameters(), b.policy.net.named_parameters(), strict=True):
        assert x.detach().numpy().tobytes() == y.detach().numpy().tobytes(), name
    for name in a.curve:
        assert a.curve[name].tobytes() == b.curve[name].tobytes(), name
    assert a.steps == b.steps


# -- whole episodes ----------------------------------------------------------------------------------------------------


class Seeded(Match):
    """A stub that has been seeded before."""

    def reset(self, seed=0):
        return super().reset(seed)


def half(obs):
    return np.zeros((*obs.shape[:2], 1))


def test_one_episode_a_copy():
    env, episodes = make_one_seat("payoff/Chain-v0", 40, {**CHAIN, "info": "minimal"}), Episodes(40)
    env.reset(seed=3)
    rng = np.random.default_rng(0)
    r = collect_episodes(env, lambda obs: rng.integers(0, 2, size=(40, 1, 1)), 9, episodes, record=("payoff", "state"))
    done = r.terminated | r.truncated
    assert (done.sum(axis=0) == 1).all()
    assert r.terminated.any() and r.truncated.any() and (r.valid.sum(axis=0) < 9).any()
    for b in range(40):
        length = int(done[:, b].argmax()) + 1
        assert r.valid[:, b].tolist() == [True] * length + [False] * (len(r.valid) - length)
    assert (r.rewards[~r.valid] == 0).all()
    assert (r.rewards[..., 0] == np.where(r.valid, r.info["payoff"][..., 0], 0.0)).all()
    # each copy plays the first episode of a new reset: the same as with the seed after one episode
    assert (r.obs[0].argmax(axis=-1) == 3).all()
    assert (r.info["state"][..., 0] == np.cumsum(r.valid, axis=0))[r.valid].all()  # the clock
    assert not r.start["state"][:, 0].any()
    means = episodes.means()
    assert means["welfare"] == pytest.approx(r.rewards.sum() / 40)
    assert means["episode_length"] == pytest.approx(r.valid.sum() / 40)


def test_the_horizon_bounds_what_is_played():
    env = Seeded(3, 2, horizon=4)
    assert len(collect_episodes(env, half, 10, Episodes(3)).valid) == 4
    with pytest.raises(ValueError, match="num_steps of at least the longest episode, got 3"):
        collect_episodes(env, half, 3, Episodes(3))


def test_unfinished_business_before_the_reset_is_forgotten():
    env, episodes = Seeded(3, 2, horizon=4), Episodes(3)
    episodes.running += 1000.0
    r = collect_episodes(env, half, 4, episodes)
    assert episodes.means()["welfare"] == pytest.approx(r.rewards.sum() / 3)


def test_seats_are_columns():
    env = make_all_seats("payoff/TrustDilemma-v0", 3, {"info": "full", "reward": "private"})
    env.reset(seed=1)
    r = collect_episodes(env, lambda obs: obs[..., :1] * 0.2, 100, Episodes(3), record=("payoff", "trust"))
    batch = r.batch(np.array([5, 5, 6]))
    assert batch.seats == 2
    assert batch.group.tolist() == [5, 5, 5, 5, 6, 6]
    for b in range(3):
        for i in range(2):
            column = 2 * b + i
            assert (batch.obs[:, column] == r.obs[:, b, i]).all()
            assert (batch.rewards[:, column] == r.rewards[:, b, i]).all()
            assert (batch.actions[:, column] == r.actions[:, b, i]).all()
            assert (batch.info["payoff"][:, column] == r.rewards[:, b, i]).all()
    assert batch.info["trust"].shape == (len(batch.valid), 6, 2, 2)
    assert set(batch.start) == {"payoff", "trust"}


def test_groups_start_alike():
    args = {"env_id": "payoff/KeyRoom-v0", "env_params": {"size": 5, "max_steps": 6}, "num_steps": 6}
    seen = Count(("state",))
    ppo.train(ppo.Args(**SMALL, **args, total_steps=140, group_size=4), transform=seen)
    starts = [batch.obs[0] for batch in seen.batches]
    assert len(starts) == 3
    for obs, batch in zip(starts, seen.batches, strict=True):
        assert (obs[:4] == obs[0]).all() and (obs[4:] == obs[4]).all() and (obs[0] != obs[4]).any()
        assert (batch.group[:4] == batch.group[0]).all() and batch.group[0] != batch.group[4]
    assert (starts[0][0] != starts[1][0]).any()
    assert len({int(g) for batch in seen.batches for g in batch.group}) == 6


# -- rewards -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_a_transform_equals_training_on_the_rewards_it_gives(name):
    trainer, args = settings(name)
    after = trainer.train(args, transform=SquareAfter())
    along = trainer.train(args, wrapper=lambda env: wrap(env, Square()))
    plain = trainer.train(args)
    for x, y in zip(after.policy.net.parameters(), along.policy.net.parameters(), strict=True):
        assert x.detach().numpy().tobytes() == y.detach().numpy().tobytes()
    assert any(
        (x != y).any() for x, y in zip(after.policy.net.parameters(), plain.policy.net.parameters(), strict=True)
    )
    # what is reported is payoffs, and the reward before a transform but after a wrapper
    for column in ("step", "welfare", "episode_length"):
        assert after.curve[column].tobytes() == along.curve[column].tobytes()
    assert (after.curve["reward"] != along.curve["reward"]).any()


def test_doubled_rewards_are_doubled_rewards():
    class Twice(RewardTransform):
        def rewrite(self, batch):
            return 2.0 * batch.rewards

    class TwiceAlong(RewardMethod):
        def __call__(self, t):
            return 2.0 * t.reward

    trainer, args = settings("chain")
    after = trainer.train(args, transform=Twice())
    along = trainer.train(args, wrapper=lambda env: wrap(env, TwiceAlong()))
    for x, y in zip(after.policy.net.parameters(), along.policy.net.parameters(), strict=True):
        assert x.detach().numpy().tobytes() == y.detach().numpy().tobytes()


def test_a_transform_is_told_what_it_needs():
    trainer, args = settings("trust", total_steps=800)
    told = Count(("log_prob", "payoff", "state"))
    result = trainer.train(args, transform=told)
    first = told.batches[0]
    assert set(first.info) == {"log_prob", "payoff", "state"}
    assert first.info["log_prob"].shape == first.rewards.shape
    assert np.isfinite(first.info["log_prob"][first.valid]).all()
    assert sum(int(batch.valid.sum()) for batch in told.batches) == 2 * result.steps
    with pytest.raises(KeyError, match="no_such"):
        trainer.train(args, transform=Count(("no_such",)))


def test_step_scores_can_be_needed():
    """The scores of FillerSteps: 0.9 for going on and filling, 0.5 for stopping, 0.1 for what is wrong."""
    told = Count(("aux",))
    args = ppo.Args(env_id="payoff/FillerSteps-v0", rollout="episodes", num_envs=4, num_steps=40, total_steps=200)
    ppo.train(args, transform=told)
    batch = told.batches[0]
    scores = batch.info["aux"]
    assert scores.shape == batch.rewards.shape
    assert set(np.round(scores[batch.valid], 12)) <= {0.9, 0.5, 0.1}
    assert (batch.start["aux"] == 0.0).all()


def test_log_probs_are_those_of_the_policy_that_played():
    """At the start the actor's last layer is nearly zero, so each of two actions has a chance of about one half."""
    trainer, args = settings("chain", total_steps=1)
    told = Count(("log_prob",))
    trainer.train(args, transform=told)
    (batch,) = told.batches
    assert batch.info["log_prob"][batch.valid] == pytest.approx(np.log(0.5), abs=0.03)


def test_steps_are_the_transitions_that_were_made():
    trainer, args = settings("chain", total_steps=200)
    seen, told = Count(), []
    result = trainer.train(args, transform=seen, on_progress=lambda done, total: told.append((done, total)))
    made = np.cumsum([int(batch.valid.sum()) for batch in seen.batches])
    assert result.curve["step"].tolist() == made.tolist()
    assert [done for done, _ in told] == made.tolist()
    assert made[-2] < 200 <= made[-1] == result.steps


def test_the_end_of_a_truncated_episode():
    """Pays 1 a step for 10 steps. Without discounting the value at the start is 10 if that is the end of it."""

    class Ones(RewardTransform):
        def rewrite(self, batch):
            return np.ones(batch.rewards.shape)

    args = {"env_id": "payoff/KeyRoom-v0", "env_params": {"size": 5, "max_steps": 10, "observe": "minimal"}}
    args |= {"gamma": 1.0, "lam": 1.0, "num_steps": 10, "total_steps": 8_000, "hidden": (32,), "num_envs": 16}
    result = ppo.train(ppo.Args(**{**SMALL, **args}, on_truncation="terminal", learning_rate=1e-2), transform=Ones())
    env = make_one_seat("payoff/KeyRoom-v0", 16, {**args["env_params"], "info": "minimal"})
    values = result.policy.value(env.reset(seed=0)[0])
    assert 0.0 < values.mean() < 10.5  # the clock is not seen: a mean over 1 to 10 steps to go
    trainer = ppo.Args(**{**SMALL, **args}, on_truncation="bootstrap", learning_rate=1e-2)
    assert ppo.train(trainer, transform=Ones()).policy.value(env.reset(seed=0)[0]).mean() > 12.0


@pytest.mark.parametrize("on_truncation", ["bootstrap", "terminal"])
def test_shaping_ends_where_the_learner_says(on_truncation):
    """Without discounting, an episode that was cut off is paid Phi(end) - Phi(start) more; at an end Phi is 0."""
    seen = Count(("progress", "payoff"))
    params = {"size": 5, "max_steps": 12}
    more = {"env_id": "payoff/KeyRoom-v0", "env_params": params, "num_steps": 12, "total_steps": 1, "gamma": 1.0}
    args = ppo.Args(**{**SMALL, **more}, on_truncation=on_truncation)
    ppo.train(args, wrapper=around("progress", "none", args.gamma, args.on_truncation), transform=seen)
    (batch,) = seen.batches
    cut = batch.truncated.any(axis=0)
    paid = batch.info["payoff"].reshape(batch.rewards.shape).sum(axis=0, where=batch.valid)
    start, end = batch.start["progress"].ravel(), batch.at_end(batch.info["progress"]).ravel()
    assert cut.any() and (end[cut] > 0.0).any()
    left = end if on_truncation == "bootstrap" else 0.0 * end
    assert batch.returns[cut] == pytest.approx((paid + left - start)[cut], abs=1e-12)


# -- checkpoints -------------------------------------------------------------------------------------------------------


class KilledError(Exception):
    pass


def stop_after(updates):
    calls = []

    def on_progress(done, total):
        calls.append(done)
        if len(calls) == updates:
            raise KilledError

    return on_progress


@pytest.mark.parametrize("name", CASES)
def test_a_killed_training_goes_on_to_the_same_numbers(name, tmp_path):
    """A transform with memory, and a delay whose memory lies in the middle of nothing: episodes are whole."""
    trainer, args = settings(name, checkpoint=str(tmp_path / "state"), checkpoint_every=2)
    delayed = lambda env: wrap(env, DelayReward())  # noqa: E731
    whole = trainer.train(dataclasses.replace(args, checkpoint=None), transform=Count(), wrapper=delayed)
    with pytest.raises(KilledError):
        trainer.train(args, transform=Count(), wrapper=delayed, on_progress=stop_after(3))
    assert checkpoint.load(args.checkpoint)[1]["update"] == 2
    resumed = Count()
    assert_same(trainer.train(args, transform=resumed, wrapper=delayed), whole)
    assert resumed.calls == len(whole.curve["step"]) == len(resumed.batches) + 2
    again = Count()
    returned = trainer.train(args, transform=again, wrapper=delayed)
    assert_same(returned, whole)
    assert not again.batches
    assert returned.policy.net.temperature == whole.policy.net.temperature < 1.0


def test_wrapped_rollouts_of_steps_resume_within_an_episode(tmp_path):
    args = ppo.Args(
        env_id="payoff/Chain-v0", env_params=CHAIN, num_envs=4, num_steps=7, total_steps=280, minibatches=2, hidden=(8,)
    )
    delayed = lambda env: wrap(env, DelayReward())  # noqa: E731
    whole = ppo.train(args, wrapper=delayed)
    kept = dataclasses.replace(args, checkpoint=str(tmp_path / "state"), checkpoint_every=1)
    with pytest.raises(KilledError):
        ppo.train(kept, wrapper=delayed, on_progress=stop_after(5))
    assert_same(ppo.train(kept, wrapper=delayed), whole)


def test_another_transform_or_wrapper_is_refused(tmp_path):
    trainer, args = settings("chain", checkpoint=str(tmp_path / "state"), total_steps=100)
    trainer.train(args, transform=Count(), wrapper=lambda env: wrap(env, DelayReward()))
    before = (tmp_path / "state").read_bytes()
    for transform, method, message in [
        (None, DelayReward(), "other transform: it was trained with 'Count', not None"),
        (SquareAfter(), DelayReward(), "other transform: it was trained with 'Count', not 'SquareAfter'"),
        (Count(), None, r"other wrappers: it was trained with \['DelayReward'\], not \[\]"),
        (Count(), Square(), r"other wrappers: .* not \['Square'\]"),
    ]:
        wrapper = None if method is None else lambda env, method=method: wrap(env, method)
        with pytest.raises(ValueError, match=message):
            trainer.train(args, transform=transform, wrapper=wrapper)
    assert (tmp_path / "state").read_bytes() == before


def test_fewer_steps_are_refused_and_more_go_on(tmp_path):
    trainer, args = settings("chain", checkpoint=str(tmp_path / "state"), total_steps=200)
    first = trainer.train(args)
    longer = trainer.train(dataclasses.replace(args, total_steps=400))
    assert len(longer.curve["step"]) > len(first.curve["step"])
    assert longer.curve["welfare"][: len(first.curve["step"])].tobytes() == first.curve["welfare"].tobytes()
    with pytest.raises(ValueError, match="past"):
        trainer.train(args)


# -- settings ----------------------------------------------------------------------------------------------------------


def test_a_transform_needs_whole_episodes():
    trainer, args = settings("chain")
    with pytest.raises(ValueError, match="rollout must be 'episodes', got 'steps'"):
        trainer.train(dataclasses.replace(args, rollout="steps"), transform=SquareAfter())


@pytest.mark.parametrize("wrong", [lambda batch: batch.rewards, Count], ids=["function", "class"])
def test_what_is_no_transform_is_refused(wrong):
    trainer, args = settings("chain")
    with pytest.raises(TypeError, match="transform must be a RewardTransform, got <"):
        trainer.train(args, transform=wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rollout": "whole"}, "rollout must be one of"),
        ({"on_truncation": "drop"}, "on_truncation must be one of"),
        ({"group_size": 0}, "group_size must be at least 1"),
        ({"group_size": 3}, "group_size must divide the 8 copies"),
        ({"rollout": "steps", "group_size": 2}, "group_size must be 1 unless"),
        ({"minibatches": 9}, "minibatches must be at most the 8 episodes"),
        ({"group_size": 2, "seed": 2**31}, "seed must be below"),
    ],
)
def test_settings_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        settings("chain", **change)


def test_delayed_coins_are_found_again():
    """CoinLine's own payment comes at the end; decomposed, half the training is enough for the best policy."""
    args = ppo.Args(
        env_id="payoff/CoinLine-v0", rollout="episodes", num_steps=50, num_envs=16, total_steps=16_000, gamma=1.0
    )
    result = ppo.train(args, transform=LinearDecomposition(lambda obs, actions, next_obs: next_obs[:, :13]))
    assert result.curve["welfare"][-1] == 25.0
