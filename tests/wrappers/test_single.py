"""The Env adapter, what all adapters share (ownership, checks, snapshots), and how ``wrap`` chooses."""

import copy
import pickle
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

from payoff.wrappers import PotentialShaping, RewardMethod, RewardWrapper, from_info, wrap

GAMMA = 0.9


@pytest.mark.parametrize("on_truncation", ["bootstrap", "terminal"])
def test_discounted_shaping_telescopes(on_truncation, walk, shaping, potential):
    env = wrap(walk(), shaping(on_truncation))
    rng = np.random.default_rng(0)
    kinds = set()
    for episode in range(30):
        obs, info = env.reset(seed=episode)
        assert info["reward_terms"] == {"env": 0.0, "shaping": 0.0}
        assert info["true_reward"] == 0.0
        start, total, t, over = potential(obs, None), 0.0, 0, False
        while not over:
            obs, reward, terminated, truncated, info = env.step(rng.integers(0, 3))
            assert type(reward) is float
            assert info["true_reward"] + info["reward_terms"]["shaping"] == pytest.approx(reward, abs=1e-12)
            total, t, over = total + GAMMA**t * info["reward_terms"]["shaping"], t + 1, terminated or truncated
        left = not terminated and on_truncation == "bootstrap"
        assert total == pytest.approx(left * GAMMA**t * potential(obs, None) - start, abs=1e-6)
        kinds.add((terminated, truncated))
    assert len(kinds) == 3


def test_true_reward_and_terms_survive_two_wrappers(walk, shaping):
    bare, env = walk(terms=True), wrap(wrap(walk(terms=True), shaping()), shaping("terminal", scale=0.5))
    bare.reset(seed=1), env.reset(seed=1)
    once = wrap(walk(terms=True), shaping())
    once.reset(seed=1)
    for action in (2, 0, 1):
        _, true, *_, plain = bare.step(action)
        _, reward, *_, info = env.step(action)
        first = once.step(action)[4]["reward_terms"]["shaping"]
        assert info["true_reward"] == true
        assert {k: info["reward_terms"][k] for k in ("payoff", "layer")} == plain["reward_terms"]
        # the half-scaled term of the second is added under the same key
        assert info["reward_terms"]["shaping"] == pytest.approx(1.5 * first, abs=1e-12)
        assert sum(info["reward_terms"].values()) == pytest.approx(reward, abs=1e-12)


def test_info_of_the_environment_is_not_written_into(walk, shaping):
    class Keeping(walk):
        def step(self, action):
            result = super().step(action)
            self.given = result[4]
            return result

    env = wrap(Keeping(terms=True), shaping())
    env.reset(seed=0)
    env.step(1)
    assert set(env.unwrapped.given) == {"progress", "pair", "reward_terms"}
    assert set(env.unwrapped.given["reward_terms"]) == {"payoff", "layer"}


class Looking(RewardMethod):
    """Keeps the transitions that it sees."""

    term = "aux"

    def __init__(self):
        self.seen = []

    def __call__(self, t):
        self.seen.append(t)
        return t.reward + 1.0


def test_transition_is_a_batch_of_one(dict_walk):
    method = Looking()
    env = wrap(dict_walk(), method)
    first, _ = env.reset(seed=0)
    last, _, terminated, truncated, info = env.step(np.int64(2))
    (t,) = method.seen
    for key in first:
        np.testing.assert_array_equal(t.obs[key], np.asarray(first[key])[None])
        np.testing.assert_array_equal(t.next_obs[key], np.asarray(last[key])[None])
    assert t.action.tolist() == [2]
    assert (t.terminated.tolist(), t.truncated.tolist(), t.active.tolist()) == ([terminated], [truncated], [True])
    assert t.info["pair"].tolist() == [[*info["pair"]]]
    assert info["reward_terms"]["aux"] == pytest.approx(1.0)
    assert set(t.info) == {"progress", "pair"}
    with pytest.raises(AttributeError):
        t.reward = np.zeros(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: np.zeros(2), r"must return shape \(1,\), got \(2,\)"),
        (lambda t: t.reward + np.nan, "made the reward nan in row 0"),
        (lambda t: np.add(t.reward, 1.0, out=t.reward), "read-only"),
    ],
)
def test_bad_method_is_named(call, message, walk):
    class Bad(RewardMethod):
        def __call__(self, t):
            return call(t)

    env = wrap(walk(), Bad())
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(0)


def test_a_reward_that_was_not_finite_is_passed_on(walk, shaping):
    class Broken(walk):
        def step(self, action):
            obs, _, *rest = super().step(action)
            return obs, float("nan"), *rest

    env = wrap(Broken(), shaping())
    env.reset(seed=0)
    assert np.isnan(env.step(0)[1])


def test_step_before_reset_is_refused(walk, shaping):
    with pytest.raises(gym.error.ResetNeeded, match="PotentialShaping"):
        wrap(walk(), shaping()).step(0)


# -- one object, one environment -----------------------------------------------------------------------------


def test_stateful_method_serves_one_environment(walk):
    method = Looking()
    env = wrap(walk(), method)
    with pytest.raises(ValueError, match="this Looking already serves another environment"):
        wrap(walk(), method)
    del env
    wrap(walk(), method)


def test_shaping_in_use_is_copied(walk, sync, shaping):
    method = shaping()
    env, other = wrap(walk(), method), wrap(walk(), method)
    assert env.method is method
    assert other.method is not method
    assert other.method.potential is method.potential
    assert (other.method.gamma, other.method.on_truncation) == (method.gamma, method.on_truncation)
    shared = sync(lambda: wrap(walk(), method), 3)
    own = sync(lambda: wrap(walk(), shaping()), 3)
    shared.reset(seed=0), own.reset(seed=0)
    for _ in range(20):
        np.testing.assert_array_equal(shared.step(np.array([0, 1, 2]))[1], own.step(np.array([0, 1, 2]))[1])


def test_copies_and_pickles_are_free(walk, shaping):
    method = shaping()
    env = wrap(walk(), method)
    assert method.in_use
    assert not copy.deepcopy(method).in_use
    env.reset(seed=0)
    named = PotentialShaping(from_info("progress"), gamma=0.5, on_truncation="terminal")
    keep = wrap(walk(), named)
    keep.reset(seed=0)
    again = pickle.loads(pickle.dumps(named))
    assert not again.in_use
    assert again.state_dict()["phi"].tolist() == named.state_dict()["phi"].tolist()


def test_made_again_from_its_spec(shaping):
    env = wrap(gym.make("CartPole-v1"), PotentialShaping(cart_height, gamma=0.9, on_truncation="terminal"))
    assert env.spec.additional_wrappers[-1].name == "RewardWrapper"
    again = [gym.make(env.spec) for _ in range(2)]
    for other in (env, *again):
        other.reset(seed=0)
    rewards = {other.step(1)[1] for other in (env, *again)}
    assert len(rewards) == 1
    assert all(isinstance(other, RewardWrapper) for other in again)


def cart_height(obs, info):
    return 1.0 - np.abs(obs[:, 2])


# -- choosing the adapter ------------------------------------------------------------------------------------


@pytest.mark.parametrize("env", [None, "payoff/KeyRoom-v0", gym.Env, object()])
def test_other_things_are_refused(env, shaping):
    with pytest.raises(TypeError, match="env must be a gymnasium Env or VectorEnv"):
        wrap(env, shaping())


def test_method_must_be_one(walk):
    with pytest.raises(TypeError, match="method must be a RewardMethod, got function"):
        wrap(walk(), lambda t: t.reward)


def test_term_must_be_known(walk):
    class Odd(Looking):
        term = "extra"

    with pytest.raises(ValueError, match=r"Odd\.term must be one of shaping, bonus, aux, got 'extra'"):
        wrap(walk(), Odd())


def test_snapshot_needs_an_environment_that_takes_them(walk, shaping):
    env = wrap(walk(), shaping())
    env.reset(seed=0)
    with pytest.raises(TypeError, match=r"Walk has no snapshot\(\)"):
        env.snapshot()


def test_import_is_light():
    code = """
import sys
import payoff.wrappers
from payoff.wrappers import PotentialShaping, RewardWrapper, VectorRewardWrapper, from_info, wrap
assert set(payoff.wrappers.__all__) <= set(dir(payoff.wrappers))
print([m for m in ("numba", "torch") if m in sys.modules])
for name in payoff.wrappers.__all__:
    getattr(payoff.wrappers, name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
