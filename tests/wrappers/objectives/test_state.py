"""What every method here shares: stored in the middle of an episode it goes on the same, and bad states are refused."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import payoff
from payoff.wrappers import WrapperSnapshot, wrap
from payoff.wrappers.objectives.augment import augment
from payoff.wrappers.objectives.fine_grained import FineGrainedReward
from payoff.wrappers.objectives.labels import Labels, caption_is
from payoff.wrappers.objectives.limit_average import DifferentialReward
from payoff.wrappers.objectives.ltlf import ltlf_machine
from payoff.wrappers.objectives.machine_reward import MachineReward
from payoff.wrappers.objectives.memory import MemoryMethod
from payoff.wrappers.objectives.outer import UtilityOfMeanReturn, UtilityOfReturn
from payoff.wrappers.objectives.scalarise import LogSum, Thresholded, VectorReward, WeightedSum

GAME, COPIES = "payoff/Delivery-v0", 6
SEVEN = (1.0, 50.0, -50.0, 1.0, -1.0, -2.0, 50.0)
VECTOR = {"size": 7, "key": "reward_vector"}
EVENTS = Labels(
    {
        "coin": caption_is(GAME, "collected a coin on road", "collected a coin on brick"),
        "block": caption_is(GAME, "passed a roadblock on road", "passed a roadblock on brick"),
    }
)
METHODS = {
    "machine": lambda: MachineReward(ltlf_machine("F coin & G !block"), EVENTS, on_truncation="terminal"),
    "of the return": lambda: UtilityOfReturn(Thresholded([3.0] * 7, SEVEN), gamma=0.9, learner_gamma=0.95, **VECTOR),
    "of the mean": lambda: UtilityOfMeanReturn(
        LogSum(np.abs(SEVEN), [200.0] * 7).gradient, gamma=0.9, start=[0.0] * 7, rate=0.1, **VECTOR
    ),
    "shared mean": lambda: UtilityOfMeanReturn(
        LogSum(np.abs(SEVEN), [200.0] * 7).gradient, gamma=0.9, start=[0.0] * 7, shared=True, **VECTOR
    ),
    "differential": lambda: DifferentialReward(rate=0.01),
    "shared differential": lambda: DifferentialReward(shared=True),
    "fine-grained": lambda: FineGrainedReward(SEVEN, ["step", "episode", 3, 4, "step", "episode", 5]),
    "vector": lambda: VectorReward(WeightedSum(SEVEN), size=7),
}
EACH = pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)


def around(env, method):
    return augment(env, method) if isinstance(method, MemoryMethod) else wrap(env, method)


def drive(make):
    env = gym.make_vec(GAME, num_envs=COPIES, vectorization_mode="vector_entry_point", max_steps=12)
    return around(env, make())


@EACH
def test_resume_from_stored_arrays_goes_on_the_same(make):
    env, actions = drive(make), np.random.default_rng(0).integers(0, 4, (60, COPIES))
    env.reset(seed=0)
    for t in range(40):
        if t in (0, 5, 12, 13, 30):
            arrays = env.snapshot().arrays()
            other = drive(make)
            other.reset(seed=99)
            other.restore(WrapperSnapshot.from_arrays(arrays))
            ahead = [(r[0].tolist(), r[1].tolist()) for r in map(other.step, actions[t : t + 20])]
            assert ahead == [(r[0].tolist(), r[1].tolist()) for r in map(env.step, actions[t : t + 20])]
            env.restore(WrapperSnapshot.from_arrays(arrays))
        env.step(actions[t])


@EACH
def test_bad_state_is_refused_and_changes_nothing(make):
    env = drive(make)
    env.reset(seed=0)
    env.step(np.zeros(COPIES, dtype=int))
    kept = env.method.state_dict()
    bad = [{"other": np.zeros(COPIES)}]
    if kept:
        name = next(iter(kept))
        bad += [{}, {**kept, name: kept[name][1:]}, {**kept, name: kept[name] * np.nan}, {**kept, "more": kept[name]}]
    for state in bad:
        with pytest.raises(
            ValueError, match=r"takes the arrays|must have shape|must hold finite numbers|keeps no state"
        ):
            env.method.load_state_dict(state)
    after = env.method.state_dict()
    assert after.keys() == kept.keys()
    for name, value in kept.items():
        np.testing.assert_array_equal(after[name], value)


@pytest.mark.parametrize("name", [name for name in METHODS if "shared" not in name])  # one mean for all is no row's own
def test_every_view_is_paid_the_same(name):
    """Vector, single, parallel and batch: the same play, the same rewards, and the same memory in the observation."""
    make = METHODS[name]
    play = np.random.default_rng(1).integers(0, 4, (40, 3))
    vector = around(gym.make_vec(GAME, num_envs=3, vectorization_mode="vector_entry_point", max_steps=12), make())
    batch = around(payoff.multi_agent_vec(GAME, 3, max_steps=12), make())
    singles = [around(gym.make(GAME, max_steps=12), make()) for _ in range(3)]
    parallels = [around(payoff.parallel_env(GAME, max_steps=12), make()) for _ in range(3)]
    views = [vector.reset(seed=5)[0], batch.reset(seed=5)[0][:, 0]]
    views += [np.stack([env.reset(seed=5 + b)[0] for b, env in enumerate(singles)])]
    views += [np.stack([env.reset(seed=5 + b)[0]["agent_0"] for b, env in enumerate(parallels)])]
    for other in views[1:]:
        np.testing.assert_array_equal(other, views[0])
    over = np.zeros(3, dtype=bool)
    for actions in play:
        obs, paid, terminated, truncated, _ = vector.step(actions)
        seats = batch.step(actions[:, None])
        np.testing.assert_array_equal(seats[0][:, 0], obs)
        np.testing.assert_array_equal(seats[1][:, 0], paid)
        for b in range(3):
            if over[b]:
                one, two = singles[b].reset()[0], parallels[b].reset()[0]["agent_0"]
            else:
                one, first, *_ = singles[b].step(actions[b])
                seen, second, *_ = parallels[b].step({"agent_0": actions[b]})
                two = seen["agent_0"]
                assert first == second["agent_0"] == paid[b]
            np.testing.assert_array_equal(one, obs[b])
            np.testing.assert_array_equal(two, obs[b])
        over = terminated | truncated


def test_parallel_environment_resumes_and_has_its_space():
    env = augment(payoff.parallel_env(GAME, max_steps=12), METHODS["machine"]())
    obs, infos = env.reset(seed=0)
    space = env.observation_space("agent_0")
    assert space is env.observation_space("agent_0") and space.contains(obs["agent_0"])
    assert infos["agent_0"]["rm_state"] == 0
    kept = env.snapshot()
    ahead = [env.step({"agent_0": a})[0]["agent_0"].tolist() for a in (0, 1, 3)]
    seen, _ = env.restore(kept)
    np.testing.assert_array_equal(seen["agent_0"], obs["agent_0"])
    assert [env.step({"agent_0": a})[0]["agent_0"].tolist() for a in (0, 1, 3)] == ahead


def test_same_step_autoreset_in_the_views_of_a_game():
    """The batched views write ``final_obs`` as arrays, Gymnasium's own as objects: the memory at the end is in both."""
    mode = AutoresetMode.SAME_STEP
    keywords = {"max_steps": 5}
    whole = gym.make_vec(GAME, num_envs=3, vectorization_mode="vector_entry_point", autoreset_mode=mode, **keywords)
    whole = around(whole, METHODS["machine"]())
    seats = around(payoff.multi_agent_vec(GAME, 3, autoreset_mode="same_step", **keywords), METHODS["machine"]())
    parts = gym.vector.SyncVectorEnv(
        [lambda: around(gym.make(GAME, **keywords), METHODS["machine"]())] * 3, autoreset_mode=mode
    )
    for env in (whole, seats, parts):
        env.reset(seed=5)
    ends, states = 0, set()
    for actions in np.random.default_rng(2).integers(0, 4, (40, 3)):
        one, two, three = whole.step(actions), seats.step(actions[:, None]), parts.step(actions)
        np.testing.assert_array_equal(one[0], three[0])
        np.testing.assert_array_equal(two[0][:, 0], three[0])
        assert one[1].tolist() == two[1][:, 0].tolist() == three[1].tolist()
        np.testing.assert_array_equal(one[4]["rm_state"], three[4]["rm_state"])
        for b in np.flatnonzero(one[2] | one[3]):
            np.testing.assert_array_equal(one[4]["final_obs"][b], three[4]["final_obs"][b])
            np.testing.assert_array_equal(two[4]["final_obs"][b, 0], three[4]["final_obs"][b])
            found = [view["final_info"]["rm_state"][b] for view in (one[4], two[4], three[4])]
            assert found[0] == found[1] == found[2] == three[4]["final_obs"][b][-3:].argmax()
            states.add(int(found[0]))
            ends += 1
    assert ends > 10 and len(states) > 1
