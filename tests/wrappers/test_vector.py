"""One method around B copies equals B wrapped copies, bit for bit, with ends of all kinds inside the rollout."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from payoff.wrappers import RewardMethod, from_info, wrap

GAMMA, COPIES, STEPS = 0.9, 5, 60
NEXT, SAME, DISABLED = AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED


def rollout(env, seed=0, steps=STEPS):
    """Results of the same random play in any vector environment; in disabled mode the ended copies are reset."""
    rng = np.random.default_rng(seed)
    manual = env.metadata["autoreset_mode"] is DISABLED
    obs, info = env.reset(seed=seed)
    results = [(obs, np.zeros(COPIES), np.zeros(COPIES, bool), np.zeros(COPIES, bool), info)]
    for _ in range(steps):
        result = env.step(rng.integers(0, 3, COPIES))
        results.append(result)
        ended = result[2] | result[3]
        if manual and ended.any():
            obs, _ = env.reset(options={"reset_mask": ended})
            results.append((obs, np.zeros(COPIES), ended & False, ended & False, result[4]))
    return results


def assert_same(one, two):
    """Equal to the last bit, through dicts."""
    assert type(one) is type(two)
    if isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one:
            assert_same(one[key], two[key])
    elif isinstance(one, np.ndarray) and one.dtype == object:
        for a, b in zip(one, two, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert_same(a, b)
    else:
        np.testing.assert_array_equal(one, two, strict=True)


def ends(results):
    """Numbers of ends: by termination alone, truncation alone, both."""
    terminated, truncated = (np.stack([r[k] for r in results]) for k in (2, 3))
    return (terminated & ~truncated).sum(), (truncated & ~terminated).sum(), (terminated & truncated).sum()


@pytest.mark.parametrize("on_truncation", ["bootstrap", "terminal"])
@pytest.mark.parametrize("terms", [False, True], ids=["bare", "terms"])
@pytest.mark.parametrize("kind", ["array", "dict"])
@pytest.mark.parametrize("mode", [NEXT, SAME, DISABLED], ids=lambda m: m.value)
def test_wrapped_batch_equals_batch_of_wrapped(mode, kind, terms, on_truncation, walk, dict_walk, sync, shaping):
    def make():
        return (walk if kind == "array" else dict_walk)(terms=terms)

    outside = rollout(wrap(sync(make, COPIES, mode), shaping(on_truncation)))
    inside = rollout(sync(lambda: wrap(make(), shaping(on_truncation)), COPIES, mode))
    assert min(ends(inside)) > 0
    for one, two in zip(outside, inside, strict=True):
        for a, b in zip(one[:4], two[:4], strict=True):
            assert_same(a, b)
        rows = ~(one[2] | one[3]) if mode is SAME else np.ones(COPIES, bool)  # ended rows: see the next test
        for key in ("progress", "true_reward", "_true_reward"):
            assert_same(one[4][key][rows], two[4][key][rows])
        for key in ("payoff", "layer", "shaping") if terms else ("env", "shaping"):
            assert_same(one[4]["reward_terms"][key][rows], two[4]["reward_terms"][key][rows])
        if "final_info" in two[4]:
            assert_same(one[4]["final_obs"], two[4]["final_obs"])
            for key, values in two[4]["final_info"]["reward_terms"].items():
                if not key.startswith("_"):
                    assert_same(one[4]["final_info"]["reward_terms"][key][~rows], values[~rows])
            for key in ("progress", "true_reward"):
                assert_same(one[4]["final_info"][key][~rows], two[4]["final_info"][key][~rows])


@pytest.mark.parametrize("terms", [False, True], ids=["bare", "terms"])
@pytest.mark.parametrize("mode", [NEXT, SAME, DISABLED], ids=lambda m: m.value)
def test_terms_add_up_to_the_reward_in_every_row_of_every_step(mode, terms, walk, sync, shaping):
    for _, reward, _, _, info in rollout(wrap(sync(lambda: walk(terms=terms), COPIES, mode), shaping()))[1:]:
        if mode is DISABLED and not reward.any():
            continue  # the row that the rollout adds for a manual reset
        known = [v for k, v in info["reward_terms"].items() if not k.startswith("_")]
        np.testing.assert_allclose(sum(known), reward, atol=1e-12)
        np.testing.assert_allclose(info["true_reward"] + info["reward_terms"]["shaping"], reward, atol=1e-12)


@pytest.mark.parametrize("on_truncation", ["bootstrap", "terminal"])
@pytest.mark.parametrize("mode", [NEXT, SAME, DISABLED], ids=lambda m: m.value)
def test_discounted_shaping_telescopes_in_each_episode(mode, on_truncation, walk, sync, shaping, potential):
    env = wrap(sync(walk, COPIES, mode), shaping(on_truncation))
    results = rollout(env)
    closed, kept = 0, 0
    for b in range(COPIES):
        start, total, t, fresh = potential(results[0][0][b].astype(np.float64), None), 0.0, 0, False
        for obs, reward, terminated, truncated, info in results[1:]:
            if fresh:  # the observation that a reset gave
                start, total, t, fresh = potential(obs[b].astype(np.float64), None), 0.0, 0, False
                assert reward[b] == 0.0
                continue
            if mode is DISABLED and not reward.any():
                continue  # another copy was reset
            total += GAMMA**t * info["reward_terms"]["shaping"][b]
            t += 1
            if terminated[b] or truncated[b]:
                last = info["final_obs"][b] if mode is SAME else obs[b]
                left = not terminated[b] and on_truncation == "bootstrap"
                expected = left * GAMMA**t * potential(last.astype(np.float64), None) - start
                assert total == pytest.approx(expected, abs=1e-6)  # potentials of float32 observations
                closed, kept = closed + 1, kept + left
                start, total, t, fresh = potential(obs[b].astype(np.float64), None), 0.0, 0, mode is not SAME
    assert closed > 3 * COPIES
    assert (kept > 0) == (on_truncation == "bootstrap")


@pytest.mark.parametrize("mode", [NEXT, SAME], ids=lambda m: m.value)
def test_potential_from_info_reads_the_end_of_the_old_episode(mode, walk, sync, shaping):
    def make():
        return shaping(potential=from_info("progress"))

    outside = rollout(wrap(sync(walk, COPIES, mode), make()))
    inside = rollout(sync(lambda: wrap(walk(), make()), COPIES, mode))
    for one, two in zip(outside, inside, strict=True):
        assert_same(one[1], two[1])


@pytest.mark.parametrize("mode", [NEXT, SAME], ids=lambda m: m.value)
def test_true_reward_survives_two_wrappers(mode, walk, sync, shaping):
    bare = rollout(sync(walk, COPIES, mode))
    stacks = {
        "outside": wrap(wrap(sync(walk, COPIES, mode), shaping()), shaping("terminal", shift=2.0)),
        "inside": sync(lambda: wrap(wrap(walk(), shaping()), shaping("terminal", shift=2.0)), COPIES, mode),
        "mixed": wrap(sync(lambda: wrap(walk(), shaping()), COPIES, mode), shaping("terminal", shift=2.0)),
    }
    found = {name: rollout(env) for name, env in stacks.items()}
    for t, (_, true, terminated, truncated, _) in enumerate(bare):
        ended = (terminated | truncated) & (mode is SAME)
        for name, results in found.items():
            info, reward = results[t][4], results[t][1]
            told = np.where(ended, info["final_info"]["true_reward"], info["true_reward"]) if ended.any() else None
            assert_same(info["true_reward"] if told is None else told, true)
            if name != "inside":  # a Gymnasium batch of wrapped copies shows the new episode's entries
                assert_same(info["true_reward"], true)
                np.testing.assert_allclose(info["reward_terms"]["env"] + info["reward_terms"]["shaping"], reward)
            assert_same(reward, found["inside"][t][1])


def test_the_environments_arrays_are_not_written_into(walk, shaping):
    class Recycling(SyncVectorEnv):
        """Hands out its own buffers, and keeps what it gave last."""

        def step(self, actions):
            *_, infos = super().step(actions)
            self.given = infos
            self._rewards.flags.writeable = False
            result = (self._observations, self._rewards, self._terminations, self._truncations, infos)
            self._rewards = self._rewards.copy()
            return result

    env = Recycling([lambda: walk(terms=True)] * 3, copy=False, autoreset_mode=SAME)
    reference = wrap(SyncVectorEnv([lambda: walk(terms=True)] * 3, autoreset_mode=SAME), shaping())
    wrapped = wrap(env, shaping())
    wrapped.reset(seed=0), reference.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(20):
        actions = rng.integers(0, 3, 3)
        obs, reward, *_, infos = wrapped.step(actions)
        assert "shaping" not in env.given["reward_terms"]
        assert "true_reward" not in env.given
        assert infos["reward_terms"] is not env.given["reward_terms"]
        assert not np.shares_memory(reward, infos["true_reward"])
        np.testing.assert_array_equal(reward, reference.step(actions)[1])
        assert np.shares_memory(obs, env._observations)  # passed through as it is


def test_a_full_reset_inside_an_episode_starts_over(walk, sync, shaping, potential):
    env = wrap(sync(walk, COPIES), shaping())
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.ones(COPIES, dtype=int))
    obs, info = env.reset(seed=7)
    np.testing.assert_array_equal(env.method.state_dict()["phi"], potential(obs, None))
    assert info["reward_terms"]["shaping"].tolist() == [0.0] * COPIES


def test_a_reset_right_after_the_end_leaves_nothing_to_restart(walk, sync, shaping):
    """In next-step mode the call after such a reset is a step like any other, and is paid for."""
    one, two = wrap(sync(walk, 2), shaping()), sync(lambda: wrap(walk(), shaping()), 2)
    for env in (one, two):
        env.reset(seed=0)
        while not (ended := np.logical_or(*env.step(np.array([2, 1]))[2:4])).any():
            pass
        env.reset(seed=5, options={"reset_mask": ended})
    for _ in range(4):
        (_, reward, *_, info), (_, expected, *_) = one.step(np.array([1, 1])), two.step(np.array([1, 1]))
        np.testing.assert_array_equal(reward, expected)
        assert info["reward_terms"]["shaping"][0] != 0.0


class Difference(RewardMethod):
    """Pays the move along the line, and keeps the transitions."""

    term = "bonus"

    def __init__(self):
        self.seen = []

    def __call__(self, t):
        self.seen.append((t, {k: np.array(getattr(t, k)) for k in ("obs", "next_obs", "reward")}))
        return t.reward + t.next_obs[:, 0] - t.obs[:, 0]


@pytest.mark.parametrize("mode", [NEXT, SAME], ids=lambda m: m.value)
def test_transitions_stay_whole_when_the_environment_reuses_its_buffer(mode, walk, sync):
    method = Difference()
    env = wrap(sync(walk, COPIES, mode, copy=False), method)
    results = rollout(env)
    moves = np.random.default_rng(0).integers(0, 3, (STEPS, COPIES)) - 1
    for (_, _, _, _, info), move, (t, then) in zip(results[1:], moves, method.seen, strict=True):
        np.testing.assert_allclose(info["reward_terms"]["bonus"], move * t.active, atol=1e-12)
        for key, value in then.items():  # what a method keeps does not change afterwards
            np.testing.assert_array_equal(getattr(t, key), value)


def test_reset_options_are_not_changed(walk, sync, shaping):
    env = wrap(sync(walk, COPIES), shaping())
    env.reset(seed=0)
    options = {"reset_mask": np.array([True, False, True, False, False])}
    kept = env.method.state_dict()["phi"]
    env.reset(seed=3, options=options)
    assert options["reset_mask"].tolist() == [True, False, True, False, False]
    assert (env.method.state_dict()["phi"] == kept).tolist() == [False, True, False, True, True]


def test_autoreset_mode_must_be_known(walk, sync, shaping):
    env = sync(walk, 2)
    env.metadata = {}
    with pytest.raises(ValueError, match="autoreset_mode"):
        wrap(env, shaping())


def test_list_of_infos_can_be_made(walk, sync, shaping):
    env = gym.wrappers.vector.DictInfoToList(wrap(sync(lambda: walk(terms=True), 2), shaping()))
    env.reset(seed=0)
    *_, infos = env.step(np.array([0, 2]))
    assert [set(i["reward_terms"]) for i in infos] == [{"payoff", "layer", "shaping"}] * 2


def test_asynchronous_copies(walk, shaping):
    env = wrap(gym.vector.AsyncVectorEnv([walk] * 2, context="spawn"), shaping())
    reference = wrap(SyncVectorEnv([walk] * 2), shaping())
    try:
        env.reset(seed=0), reference.reset(seed=0)
        for _ in range(10):
            np.testing.assert_array_equal(env.step(np.array([2, 1]))[1], reference.step(np.array([2, 1]))[1])
    finally:
        env.close()
