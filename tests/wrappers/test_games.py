"""All four adapters on this package's games: the same rewards to the last bit, resets inside, and exact resumes."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import payoff
from payoff.wrappers import PotentialShaping, RewardMethod, WrapperSnapshot, from_info, wrap

GAMMA, COPIES, STEPS, SEED = 0.95, 4, 130, 11
GAMES = {
    "payoff/TrustDilemma-v0": {"max_steps": 50},
    "payoff/KeyRoom-v0": {"size": 5, "max_steps": 30},
}
MODES = {"next_step": AutoresetMode.NEXT_STEP, "same_step": AutoresetMode.SAME_STEP, "disabled": AutoresetMode.DISABLED}


def trust_or_progress(obs, info):
    """Mean trust, or progress: a number of the state that both games have in info; no sum over the batch."""
    if "progress" in info:
        return info["progress"] * 3.0
    return info["trust"][:, 0, 1] + 0.5 * info["trust"][:, 1, 0] + obs[:, 0]


def method(on_truncation="bootstrap"):
    return PotentialShaping(trust_or_progress, gamma=GAMMA, on_truncation=on_truncation, scale=2.0, shift=0.25)


def batch(game, mode):
    return payoff.multi_agent_vec(game, COPIES, autoreset_mode=mode, **GAMES[game])


@pytest.fixture(scope="module")
def plays():
    """(game, mode) -> actions (T, B, N, A) of a play in which episodes end both ways.

    KeyRoom: copies 0 and 1 take the action after which the reward and then the progress is highest, the others draw.
    TrustDilemma: copies 0 and 1 contribute nothing, which destroys their trust, the others more than half.
    """

    def make(game, mode):
        env, rng = batch(game, mode), np.random.default_rng(0)
        env.reset(seed=SEED)
        actions = []
        for _ in range(STEPS):
            if env.discrete:
                before, score = env.snapshot(), np.zeros((COPIES, env.num_actions))
                for a in range(env.num_actions):
                    _, reward, _, _, info = env.step(np.full((COPIES, 1), a))
                    score[:, a] = 10 * reward[:, 0] + info["progress"]
                    env.restore(before)
                score += rng.random(score.shape) * np.where(np.arange(COPIES) < 2, 0.2, 100.0)[:, None]
                action = score.argmax(axis=1)[:, None, None].astype(np.float64)
            else:
                action = env.action_high * (1.0 - 0.5 * rng.random((COPIES, 2, 1), dtype=np.float32))
                action[:2] = 0.0
                action = action.astype(np.float32).astype(np.float64)  # unchanged by every view
            actions.append(action)
            _, _, terminated, truncated, _ = env.step(action)
            if mode == "disabled" and (terminated | truncated).any():
                env.reset(options={"reset_mask": terminated | truncated})
        return np.stack(actions)

    return {(game, mode): make(game, mode) for game in GAMES for mode in MODES}


def roll(env, actions, mode):
    """Rewards, flags and info of a play in any batched view; ended copies are reset by hand in disabled mode."""
    env.reset(seed=SEED)
    out = []
    for action in actions:
        result = env.step(action)
        out.append(result[1:])
        ended = result[2] | result[3]
        if mode == "disabled" and ended.any():
            env.reset(options={"reset_mask": ended})
    return out


def vector(game, mode, **keywords):
    return gym.make_vec(
        game,
        num_envs=COPIES,
        vectorization_mode="vector_entry_point",
        autoreset_mode=MODES[mode],
        **GAMES[game],
        **keywords,
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("game", GAMES)
def test_vector_of_the_game_equals_vector_of_wrapped_games(game, mode, plays):
    actions = plays[game, mode][:, :, 0]
    if game == "payoff/KeyRoom-v0":
        actions = actions[..., 0].astype(np.int64)
    whole = roll(wrap(vector(game, mode), method()), actions, mode)
    single = gym.vector.SyncVectorEnv(
        [lambda: wrap(gym.make(game, **GAMES[game]), method())] * COPIES, autoreset_mode=MODES[mode]
    )
    parts = roll(single, actions, mode)
    terminated, truncated = 0, 0
    for (reward, *flags, info), (expected, *same, other) in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(reward, expected, strict=True)
        np.testing.assert_array_equal(flags, same)
        ended = flags[0] | flags[1]
        now = ~ended if mode == "same_step" else np.ones(COPIES, bool)
        for key in ("env", "shaping"):
            np.testing.assert_array_equal(info["reward_terms"][key][now], other["reward_terms"][key][now])
            if not now.all():
                final, last = info["final_info"]["reward_terms"][key], other["final_info"]["reward_terms"][key]
                np.testing.assert_array_equal(final[ended], last[ended])
                np.testing.assert_array_equal(info["reward_terms"][key][ended], last[ended])
        np.testing.assert_array_equal(info["true_reward"][now], other["true_reward"][now])
        terminated, truncated = terminated + flags[0].sum(), truncated + flags[1].sum()
    assert min(terminated, truncated) > 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("game", GAMES)
def test_multi_agent_batch_equals_wrapped_parallel_games(game, mode, plays):
    actions = plays[game, mode]
    wrapped = wrap(batch(game, mode), method())
    whole = roll(wrapped, actions, mode)
    terminated, truncated = (np.stack([w[k] for w in whole]).sum() for k in (1, 2))
    assert min(terminated, truncated) > 0
    for b in range(COPIES):
        env = wrap(payoff.parallel_env(game, **GAMES[game]), method())
        env.reset(seed=SEED + b)
        over = False
        for action, (reward, terminated, truncated, info) in zip(actions[:, b], whole, strict=True):
            if over:  # next-step: this call restarts the copy
                env.reset()
                over = False
                assert (reward[b] == 0.0).all()
                assert (info["reward_terms"]["shaping"][b] == 0.0).all()
                continue
            chosen = {a: int(x.item()) if wrapped.discrete else x for a, x in zip(env.agents, action, strict=True)}
            _, rewards, *_, infos = env.step(chosen)
            assert reward[b].tolist() == list(rewards.values())
            for key in ("env", "shaping"):
                assert info["reward_terms"][key][b].tolist() == [i["reward_terms"][key] for i in infos.values()]
            assert info["true_reward"][b].tolist() == [i["true_reward"] for i in infos.values()]
            if terminated[b] or truncated[b]:
                if mode == "same_step":
                    for key in ("env", "shaping"):
                        final = info["final_info"]["reward_terms"][key][b]
                        assert final.tolist() == [i["reward_terms"][key] for i in infos.values()]
                if mode == "next_step":
                    over = True
                else:
                    env.reset()


@pytest.mark.parametrize("game", GAMES)
def test_shaping_only_adds_to_the_rewards(game, plays):
    actions = plays[game, "next_step"]
    bare, shaped = (
        roll(env, actions, "next_step") for env in (batch(game, "next_step"), wrap(batch(game, "next_step"), method()))
    )
    for (reward, *flags, info), (other, *same, more) in zip(bare, shaped, strict=True):
        np.testing.assert_array_equal(flags, same)
        np.testing.assert_array_equal(info["payoff"], more["payoff"])
        np.testing.assert_array_equal(more["true_reward"], reward)
        np.testing.assert_allclose(sum(more["reward_terms"].values()), other, atol=1e-9)


@pytest.mark.parametrize("on_truncation", ["bootstrap", "terminal"])
@pytest.mark.parametrize("game", GAMES)
def test_discounted_shaping_telescopes_over_the_seats(game, on_truncation, plays):
    env = wrap(batch(game, "next_step"), PotentialShaping(first_entry, gamma=GAMMA, on_truncation=on_truncation))
    obs, _ = env.reset(seed=SEED)
    start, total, t = obs[:, :, 0].astype(float), np.zeros(obs.shape[:2]), np.zeros(COPIES)
    closed = 0
    for action in plays[game, "next_step"]:
        fresh = t < 0
        obs, _, terminated, truncated, info = env.step(action)
        value = obs[:, :, 0].astype(float)
        start[fresh], total[fresh] = value[fresh], 0.0
        total += GAMMA ** np.maximum(t, 0)[:, None] * info["reward_terms"]["shaping"]
        t += 1
        for b in np.flatnonzero(terminated | truncated):
            left = on_truncation == "bootstrap" and not terminated[b]
            np.testing.assert_allclose(total[b], left * GAMMA ** t[b] * value[b] - start[b], atol=1e-9)
            closed, t[b] = closed + 1, -1.0
    assert closed >= 2 * COPIES


def first_entry(obs, info):
    return obs[:, 0]


@pytest.mark.parametrize("game", GAMES)
def test_potential_needs_full_info(game):
    env = wrap(batch(game, "next_step"), PotentialShaping(from_info("progress"), gamma=GAMMA, on_truncation="terminal"))
    if game == "payoff/KeyRoom-v0":
        env.reset(seed=0)
    bare = payoff.multi_agent_vec(game, 2, info="minimal", **GAMES[game])
    poor = wrap(bare, PotentialShaping(from_info("progress"), gamma=GAMMA, on_truncation="terminal"))
    with pytest.raises(KeyError, match=r"info has no 'progress' .*info='full'"):
        poor.reset(seed=0)


def test_minimal_info_still_gets_its_terms():
    env = wrap(
        payoff.multi_agent_vec("payoff/TrustDilemma-v0", 2, info="minimal"),
        PotentialShaping(first_entry, gamma=GAMMA, on_truncation="terminal"),
    )
    env.reset(seed=0)
    _, reward, _, _, info = env.step(np.full((2, 2, 1), 30.0))
    np.testing.assert_allclose(info["true_reward"] + info["reward_terms"]["shaping"], reward, atol=1e-12)
    np.testing.assert_array_equal(info["true_reward"], info["rewards"])


# -- exact resumes -------------------------------------------------------------------------------------------


def single_env(game):
    return gym.make(game, control="joint", **GAMES[game])


@pytest.mark.parametrize("kind", ["env", "vector", "parallel", "multi_agent"])
@pytest.mark.parametrize("game", GAMES)
def test_resume_from_stored_arrays_gives_the_same_rewards(game, kind, plays):
    mode = "next_step"
    make = {
        "env": lambda: single_env(game),
        "vector": lambda: vector(game, mode, control="joint"),
        "parallel": lambda: payoff.parallel_env(game, **GAMES[game]),
        "multi_agent": lambda: batch(game, mode),
    }[kind]

    def stacked():
        return wrap(wrap(make(), method()), method("terminal"))

    def step(env, action):
        """Rewards as a list; restarts ended episodes of the views that do not do so by themselves."""
        if kind in ("vector", "multi_agent"):
            flat = action if kind == "multi_agent" else action.reshape(COPIES, -1)
            if kind == "vector" and game == "payoff/KeyRoom-v0":
                flat = flat[:, 0].astype(np.int64)
            return env.step(flat)[1].tolist()
        if kind == "parallel":
            chosen = {
                a: int(x.item()) if game == "payoff/KeyRoom-v0" else x
                for a, x in zip(env.agents, action[0], strict=True)
            }
            rewards = list(env.step(chosen)[1].values())
            if not env.agents:
                env.reset()
            return rewards
        own = int(action[0].item()) if game == "payoff/KeyRoom-v0" else action[0].ravel()
        _, reward, terminated, truncated, _ = env.step(own)
        if terminated or truncated:
            env.reset()
        return [reward]

    actions = plays[game, mode]
    if kind in ("env", "parallel"):
        actions = actions[:, 2:]  # a drawn play: it does not depend on where the restarts fall
    env = stacked()
    env.reset(seed=SEED)
    over = 0
    for t, action in enumerate(actions):
        if t in (
            0,
            49,
            50,
            51,
            77,
        ):  # 50 is the first restart of the published game: the snapshot lies on both sides of it
            arrays = env.snapshot().arrays()
            assert all(isinstance(x, np.ndarray) for x in arrays.values())
            other = stacked()
            other.reset(seed=999)
            other.restore(WrapperSnapshot.from_arrays({k: v.copy() for k, v in arrays.items()}))
            ahead = [step(other, a) for a in actions[t : t + 20]]
            env.restore(type(env.snapshot()).from_arrays(arrays))
            assert ahead == [step(env, a) for a in actions[t : t + 20]]
            env.restore(WrapperSnapshot.from_arrays(arrays))
            over += 1
        step(env, action)
    assert over == 5


def test_a_snapshot_of_something_else_is_refused_and_changes_nothing():
    env = wrap(batch("payoff/TrustDilemma-v0", "next_step"), method())
    env.reset(seed=0)
    kept = env.snapshot().arrays()
    larger = wrap(payoff.multi_agent_vec("payoff/TrustDilemma-v0", 9), method())
    larger.reset(seed=0)
    short = wrap(
        payoff.multi_agent_vec("payoff/LoyaltyTeam-v0", 2),
        PotentialShaping(first_entry, gamma=1.0, on_truncation="terminal"),
    )
    short.reset(seed=0)  # 8 rows too, of another game
    for snapshot, message in (
        (larger.snapshot(), "shape"),
        (short.snapshot(), "game must be 'payoff/TrustDilemma-v0'"),
    ):
        with pytest.raises(ValueError, match=message):
            env.restore(snapshot)
    with pytest.raises(TypeError, match="WrapperSnapshot, got Snapshot"):
        env.restore(short.env.snapshot())
    for name, array in env.snapshot().arrays().items():
        np.testing.assert_array_equal(array, kept[name])
    with pytest.raises(ValueError, match="needs over, got nothing"):
        WrapperSnapshot.from_arrays({})
    with pytest.raises(ValueError, match="no array 'phi'"):
        WrapperSnapshot.from_arrays({**kept, "phi": np.zeros(8)})


def test_a_wrapper_with_state_in_between_stops_snapshots():
    env = wrap(gym.wrappers.TimeLimit(gym.make("payoff/KeyRoom-v0"), 5), method())
    env.reset(seed=0)
    with pytest.raises(TypeError, match=r"TimeLimit has no snapshot\(\)"):
        env.snapshot()


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")
@pytest.mark.parametrize("game", GAMES)
def test_gymnasium_checker_accepts_wrapped_games(game):
    unit = {} if game == "payoff/KeyRoom-v0" else {"actions": "unit"}
    check_env(wrap(gym.make(game, **GAMES[game], **unit), method()), skip_render_check=True)


def test_multi_agent_wrapper_passes_the_rest_through():
    bare = batch("payoff/TrustDilemma-v0", "next_step")
    env = wrap(wrap(bare, method()), method("terminal"))
    env.reset(seed=0)
    for name in ("num_envs", "num_agents", "agents", "obs_size", "action_high", "max_steps", "game_id"):
        assert getattr(env, name) is getattr(bare, name)
    assert env.state().shape == bare.state().shape
    with pytest.raises(AttributeError):
        env.no_such_thing  # noqa: B018
    env.close()


# -- rows of info --------------------------------------------------------------------------------------------


class Seen(RewardMethod):
    """Keeps what info says, at the start and after a step."""

    def reset(self, obs, info, mask):
        self.start = dict(info)

    def __call__(self, t):
        self.later = dict(t.info)
        return t.reward.copy()


@pytest.mark.parametrize("game", ["payoff/KeyRoom-v0", "payoff/TrustDilemma-v0", "payoff/CliffWalk-v0"])
def test_a_batch_shows_a_method_the_rows_of_the_parallel_game(game):
    """Masks ``(1, K)``, lists, matrices, numbers: the part of each seat and what seats share, by the game's word."""
    one, two = wrap(payoff.parallel_env(game), Seen()), wrap(payoff.multi_agent_vec(game, 1), Seen())
    one.reset(seed=0), two.reset(seed=0)
    action = 0 if two.discrete else [30.0]
    one.step(dict.fromkeys(one.agents, action))
    two.step(np.reshape([action] * two.num_agents, (1, two.num_agents, 1)))
    for found, expected in ((two.method.start, one.method.start), (two.method.later, one.method.later)):
        assert found.keys() == expected.keys() and len(found) > 2
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value, err_msg=key, strict=True)
    if game == "payoff/KeyRoom-v0":
        assert two.method.later["action_mask"].shape == (1, 5)


def test_a_list_as_long_as_there_are_seats_is_shared_where_the_batch_says_so():
    class Pair:
        """Two copies of a game of two seats: ``duo`` is a list of two numbers, ``own`` a number per seat."""

        num_envs, num_agents, autoreset_mode = 2, 2, "disabled"

        def reset(self, seed=None, options=None):
            return np.zeros((2, 2, 1)), self._info()

        def step(self, actions):
            over = np.zeros(2, dtype=bool)
            return np.zeros((2, 2, 1)), np.ones((2, 2)), over, over, self._info()

        def _info(self):
            return {"duo": np.array([[10, 11], [20, 21]]), "own": np.array([[1, 2], [3, 4]])}

    class Declared(Pair):
        per_agent = {"duo": False}  # noqa: RUF012

    for kind, duo in ((Pair, [10, 11, 20, 21]), (Declared, [[10, 11], [10, 11], [20, 21], [20, 21]])):
        env = wrap(kind(), Seen())
        env.reset()
        env.step(np.zeros((2, 2, 1)))
        for info in (env.method.start, env.method.later):
            assert info["duo"].tolist() == duo
            assert info["own"].tolist() == [1, 2, 3, 4]
