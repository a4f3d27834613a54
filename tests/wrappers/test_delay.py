"""Delayed reward: exact sums, ends of every kind, state of its own for each copy, and one layer over many copies."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from pettingzoo import ParallelEnv

import payoff
from payoff.wrappers import DelayReward, PotentialShaping, WrapperSnapshot, from_info, wrap

COPIES, STEPS = 5, 80
NEXT, SAME, DISABLED = AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED
MODES = pytest.mark.parametrize("mode", [NEXT, SAME, DISABLED], ids=lambda m: m.value)
EVERY = pytest.mark.parametrize("every", [None, 1, 2, 4])


def expected(rewards, ended, every):
    """The rule once more, for the rewards of one copy: a list of payments."""
    paid, since = [], []
    for reward, end in zip(rewards, ended, strict=True):
        since.append(reward)
        due = end or (every is not None and len(since) == every)
        paid.append(sum(since) if due else 0.0)
        since = [] if due else since
    return paid


@EVERY
def test_single_environment(walk, every):
    env, bare = wrap(walk(), DelayReward(every)), walk()
    rng = np.random.default_rng(0)
    kinds = set()
    for episode in range(40):
        env.reset(seed=episode), bare.reset(seed=episode)
        got, true, ended = [], [], [False]
        while not ended[-1]:
            action = int(rng.integers(0, 3))
            _, reward, terminated, truncated, info = env.step(action)
            true.append(bare.step(action)[1])
            got.append(reward)
            ended.append(terminated or truncated)
            assert info["true_reward"] == true[-1] == info["reward_terms"]["env"]
            assert sum(info["reward_terms"].values()) == pytest.approx(reward, abs=1e-12)
        kinds.add((terminated, truncated))
        assert got == expected(true, ended[1:], every)
        assert sum(got) == pytest.approx(sum(true), abs=1e-12)
        if every is None:
            assert not any(got[:-1])
    assert len(kinds) == 3  # terminated, truncated and both at once: all pay what is owed


def test_every_step_is_no_delay(walk):
    env, bare = wrap(walk(terms=True), DelayReward(every=1)), walk(terms=True)
    env.reset(seed=3), bare.reset(seed=3)
    for action in (0, 1, 2):
        _, reward, *_, info = env.step(action)
        assert reward == bare.step(action)[1]
        assert info["reward_terms"]["shaping"] == 0.0
        assert set(info["reward_terms"]) == {"payoff", "layer", "shaping"}


def test_abandoned_episode_pays_nothing_more(walk):
    env = wrap(walk(horizon=50, edge=100), DelayReward())
    env.reset(seed=0)
    for _ in range(4):
        assert env.step(1)[1] == 0.0
    env.reset(seed=1)
    bare = walk(horizon=50, edge=100)
    bare.reset(seed=1)
    true = [bare.step(1)[1] for _ in range(50)]
    assert [env.step(1)[1] for _ in range(50)] == [0.0] * 49 + [pytest.approx(sum(true), abs=1e-12)]


# -- many copies ---------------------------------------------------------------------------------------------


def rollout(env, seed=0):
    """Reward, flags and info of the same random play in any vector environment; ended copies are reset by hand."""
    rng = np.random.default_rng(seed)
    env.reset(seed=seed)
    out = []
    for _ in range(STEPS):
        _, reward, terminated, truncated, info = env.step(rng.integers(0, 3, COPIES))
        out.append((reward, terminated, truncated, info))
        ended = terminated | truncated
        if env.metadata["autoreset_mode"] is DISABLED and ended.any():
            env.reset(options={"reset_mask": ended})
    return out


@EVERY
@MODES
def test_wrapped_batch_equals_batch_of_wrapped(mode, every, walk, sync):
    outside = rollout(wrap(sync(walk, COPIES, mode), DelayReward(every)))
    inside = rollout(sync(lambda: wrap(walk(), DelayReward(every)), COPIES, mode))
    ends = np.zeros(3)
    for (reward, *flags, info), (other, *same, told) in zip(outside, inside, strict=True):
        np.testing.assert_array_equal(reward, other, strict=True)
        np.testing.assert_array_equal(flags, same)
        terminated, truncated = flags
        now = ~(terminated | truncated) if mode is SAME else np.ones(COPIES, bool)
        for key in ("env", "shaping"):
            np.testing.assert_array_equal(info["reward_terms"][key][now], told["reward_terms"][key][now])
            if not now.all():
                last = told["final_info"]["reward_terms"][key]
                np.testing.assert_array_equal(info["reward_terms"][key][~now], last[~now])
        np.testing.assert_array_equal(info["true_reward"][now], told["true_reward"][now])
        ends += [(terminated & ~truncated).sum(), (truncated & ~terminated).sum(), (terminated & truncated).sum()]
    assert ends.min() > 0


@EVERY
@MODES
def test_each_copy_is_paid_by_the_rule(mode, every, walk, sync):
    bare = rollout(sync(walk, COPIES, mode))
    delayed = rollout(wrap(sync(walk, COPIES, mode), DelayReward(every)))
    for b in range(COPIES):
        fresh, true, ended, got = False, [], [], []
        for (reward, terminated, truncated, _), (paid, *_) in zip(bare, delayed, strict=True):
            if fresh:  # next-step autoreset: this call only restarts the copy
                assert paid[b] == reward[b] == 0.0
                fresh = False
                continue
            true.append(reward[b])
            got.append(paid[b])
            ended.append(bool(terminated[b] or truncated[b]))
            fresh = ended[-1] and mode is NEXT
        assert sum(ended) > 3
        assert got == expected(true, ended, every)


@MODES
def test_stacked_layers(mode, walk, sync):
    """By parts and then in whole is in whole, in any mixture of layers inside and outside; the true reward survives."""
    whole = rollout(wrap(sync(walk, COPIES, mode), DelayReward()))
    stacks = {
        "outside": wrap(wrap(sync(walk, COPIES, mode), DelayReward(3)), DelayReward()),
        "inside": sync(lambda: wrap(wrap(walk(), DelayReward(3)), DelayReward()), COPIES, mode),
        "mixed": wrap(sync(lambda: wrap(walk(), DelayReward(3)), COPIES, mode), DelayReward()),
    }
    found = {name: rollout(env) for name, env in stacks.items()}
    for t, (reward, terminated, truncated, info) in enumerate(whole):
        now = ~(terminated | truncated) if mode is SAME else np.ones(COPIES, bool)
        for results in found.values():
            np.testing.assert_array_equal(results[t][0], found["inside"][t][0])
            np.testing.assert_allclose(results[t][0], reward, atol=1e-12)
            np.testing.assert_array_equal(results[t][3]["true_reward"][now], info["true_reward"][now])


def test_reset_of_some_copies_leaves_what_the_others_are_owed(walk, sync):
    env = wrap(sync(lambda: walk(horizon=50, edge=100), 3), DelayReward())
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.ones(3, dtype=int))
    before = env.method.state_dict()
    env.reset(seed=9, options={"reset_mask": np.array([False, True, False])})
    after = env.method.state_dict()
    assert after["steps"].tolist() == [3, 0, 3]
    assert after["owed"].tolist() == [before["owed"][0], 0.0, before["owed"][2]]


# -- several agents ------------------------------------------------------------------------------------------


class Leaving(ParallelEnv):
    """Agent k leaves after k + 1 steps, by termination if k is even; its reward is 10^k each step."""

    metadata = {"name": "leaving"}  # noqa: RUF012
    possible_agents = [0, 1, 2]  # noqa: RUF012

    def observation_space(self, agent):
        return self._observation

    def action_space(self, agent):
        return self._action

    _observation, _action = gym.spaces.Box(0, 9, (1,), np.float32), gym.spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        self.t, self.agents = 0, [0, 1, 2]
        return {a: np.zeros(1, np.float32) for a in self.agents}, {a: {} for a in self.agents}

    def step(self, actions):
        self.t += 1
        there, gone = self.agents, {a for a in self.agents if self.t > a}
        self.agents = [a for a in there if a not in gone]
        return (
            {a: np.full(1, self.t, np.float32) for a in there},
            {a: 10.0**a for a in there},
            {a: a in gone and a % 2 == 0 for a in there},
            {a: a in gone and a % 2 == 1 for a in there},
            {a: {} for a in there},
        )


@pytest.mark.parametrize(
    ("every", "paid"),
    [
        (None, [{0: 1.0, 1: 0.0, 2: 0.0}, {1: 20.0, 2: 0.0}, {2: 300.0}]),
        (2, [{0: 1.0, 1: 0.0, 2: 0.0}, {1: 20.0, 2: 200.0}, {2: 100.0}]),
    ],
)
def test_agents_are_paid_when_they_leave(every, paid):
    env = wrap(Leaving(), DelayReward(every))
    for _ in range(2):  # the second episode owes nothing from the first
        env.reset(seed=0)
        for due in paid:
            _, rewards, _, _, infos = env.step({a: 0 for a in env.agents})
            assert rewards == due
            assert {a: infos[a]["true_reward"] for a in due} == {a: 10.0**a for a in due}


@pytest.mark.parametrize("every", [None, 7])
def test_games_of_this_package_in_every_view(every):
    """One layer over a multi-agent batch, over the vector view and over single environments: the same payments."""
    game, keywords = "payoff/CoinLine-v0", {"max_steps": 10}
    play = np.random.default_rng(0).integers(0, 2, (33, 3))
    batch = wrap(payoff.multi_agent_vec(game, 3, **keywords), DelayReward(every))
    vector = wrap(
        gym.make_vec(game, num_envs=3, vectorization_mode="vector_entry_point", **keywords), DelayReward(every)
    )
    single = gym.vector.SyncVectorEnv([lambda: wrap(gym.make(game, **keywords), DelayReward(every))] * 3)
    for env in (batch, vector, single):
        env.reset(seed=0)
    for actions in play:
        _, one, *_, info = batch.step(actions[:, None])
        two, three = vector.step(actions)[1], single.step(actions)[1]
        assert one[:, 0].tolist() == two.tolist() == three.tolist()
        np.testing.assert_array_equal(info["payoff"], info["true_reward"])


def test_delay_undoes_nothing_of_shaping(walk):
    """Outside a shaping layer: the sum over the episode is the shaped one, and each layer's change is in the terms."""
    env = wrap(
        wrap(walk(), PotentialShaping(from_info("progress"), gamma=1.0, on_truncation="terminal")), DelayReward()
    )
    _, info = env.reset(seed=0)
    start, got, true = info["progress"], 0.0, 0.0
    ended = False
    while not ended:
        _, reward, terminated, truncated, info = env.step(1)
        ended = terminated or truncated
        got, true = got + reward, true + info["true_reward"]
        assert (reward != 0.0) == ended
    assert got == pytest.approx(true - start, abs=1e-12)


# -- state ---------------------------------------------------------------------------------------------------


def test_resume_from_stored_arrays_pays_the_same():
    def make():
        return wrap(payoff.multi_agent_vec("payoff/TrustDilemma-v0", 3, max_steps=20), DelayReward(6))

    env, actions = make(), np.random.default_rng(0).random((70, 3, 2, 1)) * 100
    env.reset(seed=0)
    for t in range(40):
        if t in (0, 3, 6, 20, 21):
            arrays = env.snapshot().arrays()
            other = make()
            other.reset(seed=99)
            other.restore(WrapperSnapshot.from_arrays(arrays))
            ahead = [other.step(a)[1].tolist() for a in actions[t : t + 30]]
            assert ahead == [env.step(a)[1].tolist() for a in actions[t : t + 30]]
            env.restore(WrapperSnapshot.from_arrays(arrays))
        env.step(actions[t])


def test_method_in_use_is_copied_and_pickles_keep_what_is_owed(walk):
    method = DelayReward(4)
    env, other = wrap(walk(horizon=50, edge=100), method), wrap(walk(), method)
    assert env.method is method and other.method is not method and other.method.every == 4
    env.reset(seed=0), other.reset(seed=0)
    env.step(1)
    assert other.method.state_dict()["steps"].tolist() == [0]
    again = pickle.loads(pickle.dumps(method))
    assert again.state_dict()["owed"].tolist() == method.state_dict()["owed"].tolist() != [0.0]


def test_bad_state_is_refused_and_changes_nothing(walk, sync):
    env = wrap(sync(walk, 2), DelayReward())
    env.reset(seed=0)
    env.step(np.ones(2, dtype=int))
    kept = env.method.state_dict()
    for bad in ({}, {"owed": np.zeros(2)}, {"owed": np.zeros(3), "steps": np.zeros(3)}):
        with pytest.raises(ValueError, match=r"takes the arrays owed, steps|owed must have shape \(2,\)"):
            env.method.load_state_dict(bad)
    with pytest.raises(ValueError, match=r"steps must have shape \(2,\), got \(1,\)"):
        env.method.load_state_dict({"owed": np.zeros(2), "steps": np.zeros(1)})
    for key, value in env.method.state_dict().items():
        np.testing.assert_array_equal(value, kept[key])


@pytest.mark.parametrize("every", [0, -1, 2.0, True, "end"])
def test_bad_argument_is_named(every):
    with pytest.raises(ValueError, match="every must be an integer at least 1"):
        DelayReward(every)
