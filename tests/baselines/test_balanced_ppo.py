"""PPO on several rewards: against PPO itself, on aims of very different size, on aims in conflict, and resumed."""

from __future__ import annotations

import dataclasses

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

import payoff  # noqa: F401  # registers the ids
from payoff.baselines import balanced_ppo, ppo
from payoff.baselines.balanced_ppo import Args, Balance, VectorCritic
from payoff.baselines.networks import NetworkShape
from payoff.baselines.ppo import losses as losses_of
from payoff.baselines.run import load_checkpoint
from tests.baselines.fixtures import StubSnapshot

SMALL = {"num_envs": 8, "num_steps": 12, "hidden": (16,), "minibatches": 2, "epochs": 2}
AIMS = {"env_id": "stub/Aims-v0", "gamma": 0.0, "hidden": (16,), "num_envs": 16, "num_steps": 32, "ent_coef": 0.0}
QUICK = {**AIMS, "total_steps": 8000, "learning_rate": 5e-3, "epochs": 2}


class Aims(gym.vector.VectorEnv):
    """Two aims: -scale_k (a - target_k)^2 for action k, or for action 0 in both where they ``share`` it.

    Observations show nothing. Episodes of five steps end by truncation; the reward is the sum of both aims.
    """

    def __init__(self, num_envs=1, scales=(1.0, 1.0), targets=(0.5, -0.5), share=False, named=True, **ignored):
        self.num_envs, self.scales, self.targets = num_envs, np.array(scales), np.array(targets)
        self.share, self.named = share, named
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (1,))
        self.single_action_space = gym.spaces.Box(-1.0, 1.0, (2,))
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def _result(self, vector):
        obs = np.full((self.num_envs, 1), 0.5, dtype=np.float32)
        info = {"payoff": vector.sum(axis=1, keepdims=True)} | ({"reward_vector": vector} if self.named else {})
        return obs, info

    def reset(self, *, seed=None, options=None):
        self.clock, self.over = np.zeros(self.num_envs, dtype=int), np.zeros(self.num_envs, dtype=bool)
        return self._result(np.zeros((self.num_envs, 2)))

    def step(self, actions):
        chosen = actions[:, [0, 0]] if self.share else actions
        vector = np.where(self.over[:, None], 0.0, -self.scales * (chosen - self.targets) ** 2)
        self.clock = np.where(self.over, 0, self.clock + 1)
        truncated = self.clock >= 5
        self.over = truncated.copy()
        obs, info = self._result(vector)
        return obs, vector.sum(axis=1), np.zeros_like(truncated), truncated, info

    def snapshot(self):
        return StubSnapshot(np.zeros(1), self.clock.copy(), self.over.copy())

    def restore(self, snapshot):
        self.clock, self.over = snapshot.clock.copy(), snapshot.over.copy()
        return self._result(np.zeros((self.num_envs, 2)))


@pytest.fixture(autouse=True)
def stub():
    gym.register("stub/Aims-v0", vector_entry_point=Aims)
    yield
    del gym.registry["stub/Aims-v0"]


def played(result):
    """The best guess of a trained policy, (2,)."""
    return result.policy.act(np.full((1, 1, 1), 0.5, dtype=np.float32))[0, 0]


def same(a, b):
    pairs = zip(a.policy.net.parameters(), b.policy.net.parameters(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_weighted_sum_is_ppo_to_the_last_bit():
    """Where no gradient is clipped; PPO clips actor and critic together, this trainer apart."""
    settings = {**AIMS, **SMALL, "total_steps": 960, "max_grad_norm": 1e9}
    mine = balanced_ppo.train(Args(balance="weighted_sum", **settings))
    other = ppo.train(ppo.Args(**settings))
    assert same(mine, other)
    for name, values in other.curve.items():
        np.testing.assert_array_equal(mine.curve[name], values)
    total = mine.curve["objective/0"] + mine.curve["objective/1"]
    assert total == pytest.approx(mine.curve["welfare"])


def test_one_objective_is_ppo_whatever_the_balance():
    settings = {**AIMS, **SMALL, "total_steps": 960, "max_grad_norm": 1e9, "objectives": {"both": [1, 1]}}
    results = [balanced_ppo.train(Args(balance=b, **settings)) for b in ("min_norm", "fixed", "weighted_sum")]
    assert same(results[0], results[1]) and same(results[0], results[2])


@pytest.mark.parametrize("balance", ["min_norm", "fixed", "weighted_sum"])
def test_aims_of_very_different_size(balance):
    """1000 (x - 0.5)^2 and (y + 0.5)^2 are met together; the sum of rewards hears the second one late or never."""
    args = Args(balance=balance, env_params={"scales": (1000.0, 1.0)}, **QUICK)
    result = balanced_ppo.train(args)
    x, y = played(result)
    assert x == pytest.approx(0.5, abs=0.1)
    assert (abs(y + 0.5) < 0.1) == (balance != "weighted_sum")


def test_aims_in_conflict():
    """(a - 0.2)^2 and (a + 0.2)^2 conflict between their targets and nowhere else: the policy ends there."""
    args = Args(env_params={"share": True, "targets": (0.2, -0.2)}, **QUICK)
    result = balanced_ppo.train(args)
    assert abs(played(result)[0]) <= 0.25
    weights = np.stack([result.curve["balance/0"], result.curve["balance/1"]])
    assert (weights >= 0).all() and weights.sum(axis=0) == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(5))
def test_step_of_the_policy_goes_against_no_objective(seed):
    """Three random, conflicting advantages: the merged gradient has no negative product with any, and a short step
    along it lowers every loss; the gradients' plain mean raises one in some of the cases (see the next test).
    """
    net, batch = conflict(seed)
    losses, gradients = losses_and_gradients(net, batch)
    chosen = Balance(Args(env_id="stub/Aims-v0"), np.ones(3)).choose(losses, net.actor)
    merged = torch.from_numpy(chosen).float() @ gradients
    products = gradients @ merged
    assert (products >= merged @ merged - 1e-5 * gradients.abs().max() ** 2).all()
    step(net, merged, 1e-2 / merged.norm())
    after, _ = losses_and_gradients(net, batch)
    assert (after < losses).all()


def test_plain_mean_of_gradients_goes_against_some():
    against = 0
    for seed in range(10):
        _, gradients = losses_and_gradients(*conflict(seed))
        against += bool((gradients @ gradients.mean(dim=0) < 0).any())
    assert against > 0


def conflict(seed):
    """Networks for three objectives, and a batch of 200 rows whose advantages are far apart in size, in conflict."""
    shape = NetworkShape(1, 4, 2, None, (16,))
    net = VectorCritic(shape, seed, 3)
    rng = np.random.default_rng(seed)
    inputs = torch.from_numpy(rng.normal(size=(1, 200, 4)).astype(np.float32))
    with torch.no_grad():
        policy = net.policy(inputs)
        actions = policy.sample(rng)
        log_probs = policy.log_prob(actions)
    u = actions[0].numpy()
    advantages = np.stack([10 * u[:, 0], u[:, 1] - 0.9 * u[:, 0], 0.1 * (u[:, 1] + u[:, 0])])
    batch = {"inputs": inputs, "actions": actions, "log_probs": log_probs}
    batch["advantages"] = torch.from_numpy((advantages - advantages.mean(axis=1, keepdims=True)).astype(np.float32))
    return net, batch | {"returns": torch.zeros(3, 200), "values": torch.zeros(3, 200)}


def losses_and_gradients(net, batch):
    losses = losses_of(net, batch, clip=0.2, clip_value=False)[0]["policy"]
    parameters = list(net.actor.parameters())
    rows = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses]
    return losses, torch.stack([torch.cat([g.reshape(-1) for g in row]) for row in rows])


def step(net, direction, size):
    at = 0
    with torch.no_grad():
        for p in net.actor.parameters():
            p -= size * direction[at : at + p.numel()].view_as(p)
            at += p.numel()


def test_each_critic_learns_its_own_objective():
    """gamma 0: the value of an objective is its mean payment a step, whatever the policy's temperature does to it."""
    args = Args(env_params={"scales": (10.0, 0.1)}, **QUICK)
    result = balanced_ppo.train(args)
    values = result.policy.value(np.full((1, 1, 1), 0.5, dtype=np.float32))
    last = [result.curve[f"objective/{k}"][-1] / 5 for k in range(2)]
    assert values.shape == (1, 2)
    assert values[0] == pytest.approx(last, abs=0.02 * 10)


def test_calls_that_restart_a_copy_count_for_nothing():
    """Objectives are summed over episodes of five steps; the sixth call restarts."""
    args = Args(**{**AIMS, **SMALL, "total_steps": 96})
    result = balanced_ppo.train(args)
    assert result.curve["episode_length"].tolist() == [5.0]
    total = result.curve["objective/0"] + result.curve["objective/1"]
    assert total == pytest.approx(result.curve["welfare"])


def test_a_killed_training_goes_on_to_the_same_numbers(tmp_path):
    class KilledError(Exception):
        pass

    def kill(done, total):
        if done == 5 * 96:
            raise KilledError

    args = Args(**{**AIMS, **SMALL}, total_steps=7 * 96, checkpoint=str(tmp_path / "state"), checkpoint_every=2)
    whole = balanced_ppo.train(dataclasses.replace(args, checkpoint=None))
    with pytest.raises(KilledError):
        balanced_ppo.train(args, on_progress=kill)
    seen = []
    resumed = balanced_ppo.train(args, on_progress=lambda done, total: seen.append(done))
    assert seen == [480, 576, 672] and resumed.steps == whole.steps == 672
    assert same(resumed, whole)
    for name, values in whole.curve.items():
        np.testing.assert_array_equal(resumed.curve[name], values)
    assert balanced_ppo.train(args).policy.net.temperature == whole.policy.net.temperature < 1.0
    policy, meta = load_checkpoint(args.checkpoint)
    obs = np.full((1, 1, 1), 0.5, dtype=np.float32)
    assert meta["names"] == ["0", "1"]
    np.testing.assert_array_equal(policy.act(obs), whole.policy.act(obs))
    np.testing.assert_array_equal(policy.value(obs), whole.policy.value(obs))
    with pytest.raises(ValueError, match="is a checkpoint of balanced_ppo, not of ppo"):
        ppo.train(ppo.Args(**{**AIMS, **SMALL}, total_steps=96, checkpoint=args.checkpoint))


def test_a_game_with_a_reward_vector():
    """Delivery-v0: seven features, two objectives; what is logged adds up to the payoff by the game's own weights."""
    objectives = {"goal": [0, 50, -50, 0, 0, 0, 50], "road": [-1, 0, 0, 1, -1, -2, 0]}
    result = balanced_ppo.train(Args(env_id="payoff/Delivery-v0", objectives=objectives, total_steps=2000, **SMALL))
    ended = np.isfinite(result.curve["welfare"])
    assert ended.any()
    total = result.curve["objective/goal"] + result.curve["objective/road"]
    assert total[ended] == pytest.approx(result.curve["welfare"][ended])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"balance": "equal"}, "balance must be one of"),
        ({"rollout": "episodes"}, "rollout must be 'steps' for this trainer"),
        ({"objectives": {"a": [1, 0], "b": [1]}}, "objectives must weigh as many entries each"),
        ({"objectives": {"a": ["much", 0]}}, r"objectives\['a'\] must be a number"),
        ({"objectives": {"a": [1, 0]}, "weights": {"b": 1.0}}, "weights must name objectives, a, got 'b'"),
        ({"weights": {"0": -1.0}}, r"weights\['0'\] must be a number in \[0"),
        ({"objectives": {"a": [1, 0, 0]}}, r"must weigh the 2 entries of reward_vector"),
        ({"weights": {"2": 1.0}}, "weights must name objectives, 0, 1, got 2"),
        ({"weights": {"0": 0.0, "1": 0.0}}, "a weight must be above 0"),
        ({"env_params": {"named": False}}, "reports no reward_vector in info"),
    ],
)
def test_bad_settings_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        balanced_ppo.train(Args(**{**AIMS, **SMALL, "total_steps": 96, **change}))
