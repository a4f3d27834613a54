"""The machine beside an environment: observation, info and reward at every kind of end, captions, counterfactuals."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import payoff
from payoff.envs import registry
from payoff.wrappers import PotentialShaping, Transition, WrapperSnapshot, wrap
from payoff.wrappers.objectives.augment import augment
from payoff.wrappers.objectives.labels import Labels, caption_is
from payoff.wrappers.objectives.ltlf import ltlf_machine
from payoff.wrappers.objectives.machine_reward import MachineReward, crm_transitions, machine_potential
from payoff.wrappers.objectives.memory import joined
from payoff.wrappers.objectives.reward_machine import Edge, reward_machine
from payoff.wrappers.rows import single_info

ROOM, LINE = "payoff/KeyRoom-v0", "payoff/LineKey-v0"


def x_of(t):
    obs = t.next_obs["x"] if isinstance(t.next_obs, dict) else t.next_obs
    return obs[..., 0]


WHERE = Labels({"left": lambda t: x_of(t) < 0, "right": lambda t: x_of(t) > 0, "zero": lambda t: x_of(t) == 0})


def there_and_back(**keywords):
    """To the right, then to the left: 1; each visit to 0 on the way pays the environment's own luck."""
    edges = [
        Edge("out", "right", "back", 0.25),
        Edge("back", "left", "done", 1.0),
        Edge("back", "zero", "back", lambda t: np.asarray(t.info["progress"]) - x_of(t)),
    ]
    return reward_machine(edges, initial="out", terminal=["done"], final={"back": -0.5}, **keywords)


def method(mode="replace", on_truncation="bootstrap"):
    return MachineReward(there_and_back(), WHERE, mode=mode, on_truncation=on_truncation)


@pytest.mark.parametrize("on_truncation", ["bootstrap", "terminal"])
@pytest.mark.parametrize("paid", ["replace", "add"])
@pytest.mark.parametrize("dictionary", [False, True])
def test_wrapped_batch_equals_batch_of_wrapped(
    mode, paid, on_truncation, dictionary, walk, dict_walk, sync, rollout, same
):
    inner = dict_walk if dictionary else walk
    outside = rollout(augment(sync(inner, 5, mode), method(paid, on_truncation)))
    inside = rollout(sync(lambda: augment(inner(), method(paid, on_truncation)), 5, mode))
    same(outside, inside, mode, told=["rm_state"])


def test_shaping_by_the_machine_stacks(mode, walk, sync, rollout, same):
    machine = ltlf_machine("F (right & X F left)")

    def stack(env):
        env = augment(env, MachineReward(machine, WHERE))
        return wrap(env, PotentialShaping(machine_potential(machine, 0.5), gamma=0.9, on_truncation="bootstrap"))

    same(rollout(stack(sync(walk, 5, mode))), rollout(sync(lambda: stack(walk()), 5, mode)), mode, told=["rm_state"])


def test_what_the_learner_sees(walk):
    env = augment(walk(horizon=50, edge=100), method())
    bare = walk(horizon=50, edge=100)
    seed = next(s for s in range(100) if bare.reset(seed=s)[0][0] == 0)
    obs, info = env.reset(seed=seed)
    assert obs.shape == (5,) and obs.dtype == np.float32 and obs[2:].tolist() == [1, 0, 0] and info["rm_state"] == 0
    states, rewards, luck = [], [], []
    for action in (0, 1, 2, 2, 0, 0, 2, 1):  # x: -1, -1, 0, 1, 0, -1, 0, 0
        obs, reward, _, _, info = env.step(action)
        states.append(obs[2:].argmax().item())
        assert info["rm_state"] == states[-1]
        rewards.append(reward)
        luck.append(info["progress"] - obs[0])
        assert sum(info["reward_terms"].values()) == pytest.approx(reward, abs=1e-12)
    assert states == [0, 0, 0, 1, 1, 2, 2, 2]
    assert rewards == pytest.approx([0, 0, 0, 0.25, luck[4], 1.0, 0, 0])


@pytest.mark.parametrize(
    ("terminated", "truncated", "bootstrap", "terminal"),
    [(True, False, -0.25, -0.25), (False, True, 0.25, -0.25), (True, True, -0.25, -0.25), (False, False, 0.25, 0.25)],
)
def test_final_reward_at_each_end(terminated, truncated, bootstrap, terminal, drive):
    """Entering ``back`` pays 0.25, ending there -0.5 more; in the place of the environment's 9, or on top of it."""
    labels = Labels({name: lambda t, name=name: np.array([name == "right"]) for name in ("left", "right", "zero")})
    for on_truncation, paid in (("bootstrap", bootstrap), ("terminal", terminal)):
        reward = MachineReward(there_and_back(), labels, on_truncation=on_truncation)
        assert drive(reward, [{"terminated": terminated, "truncated": truncated, "reward": 9.0}]) == [paid]
        added = MachineReward(there_and_back(), labels, mode="add", on_truncation=on_truncation)
        assert drive(added, [{"terminated": terminated, "truncated": truncated, "reward": 9.0}]) == [9.0 + paid]


def test_autoreset_call_pays_nothing_and_begins_anew(walk, sync):
    env = augment(sync(lambda: walk(horizon=3, edge=100), 2), method(on_truncation="terminal"))
    env.reset(seed=0)
    for _ in range(2):
        env.step(np.array([2, 2]))
    obs, _, _, truncated, info = env.step(np.array([2, 2]))
    assert truncated.all() and info["rm_state"].tolist() == [1, 1] and obs[:, 2:].argmax(axis=1).tolist() == [1, 1]
    obs, reward, *_, info = env.step(np.array([2, 2]))
    assert reward.tolist() == [0, 0] and info["rm_state"].tolist() == [0, 0] and obs[:, 2].tolist() == [1, 1]


def test_rows_that_did_not_move_keep_their_state(drive):
    labels = Labels({name: lambda t, name=name: np.array([name == "right"]) for name in ("left", "right", "zero")})
    reward = MachineReward(there_and_back(), labels, on_truncation="terminal")
    drive(reward, [{"active": False}])
    assert reward.state_dict()["state"].tolist() == [0]
    drive(reward, [{}], start=False)
    assert reward.state_dict()["state"].tolist() == [1]


# -- games ------------------------------------------------------------------------------------------------------------


def fetch():
    edges = [Edge("search", "key", "has key"), Edge("has key", "door", "inside"), Edge("inside", "goal", "done", 1.0)]
    machine = reward_machine(edges, initial="search", terminal=["done"])
    texts = {"key": "picked up the key", "door": "opened the door", "goal": "reached the goal"}
    return MachineReward(machine, Labels({name: caption_is(ROOM, text) for name, text in texts.items()}))


def best(env, copies):
    """Actions of the game's own optimal policy, ``(B,)``."""
    engine = env.unwrapped.engine
    game = engine.game
    return np.array([game.policy(engine.rows[0], engine.state[b]) for b in range(copies)]).reshape(copies).astype(int)


@pytest.fixture(scope="module")
def plays():
    """Actions of a play of KeyRoom in which two copies play well and two at random, (T, 4)."""
    env = gym.make_vec(ROOM, num_envs=4, vectorization_mode="vector_entry_point", size=5, max_steps=30)
    rng, actions = np.random.default_rng(0), []
    env.reset(seed=3)
    for _ in range(90):
        action = np.where(np.arange(4) < 2, best(env, 4), rng.integers(0, 5, 4))
        actions.append(action)
        env.step(action)
    return actions


def test_key_room_in_every_view(plays):
    """The game's payoff is the machine's reward, seen through captions, in three views; the stages are in order."""
    keywords = {"size": 5, "max_steps": 30}
    vector = augment(gym.make_vec(ROOM, num_envs=4, vectorization_mode="vector_entry_point", **keywords), fetch())
    single = gym.vector.SyncVectorEnv([lambda: augment(gym.make(ROOM, **keywords), fetch())] * 4)
    seats = augment(payoff.multi_agent_vec(ROOM, 4, **keywords), fetch())
    obs = [env.reset(seed=3)[0] for env in (vector, single, seats)]
    assert seats.obs_size == obs[2].shape[2] == vector.single_observation_space.shape[0]
    won, stages, before = 0, set(), np.zeros(4, dtype=int)
    for action in plays:
        one, two, three = vector.step(action), single.step(action), seats.step(action[:, None])
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[0], three[0][:, 0])
        assert one[1].tolist() == two[1].tolist() == three[1][:, 0].tolist() == one[4]["true_reward"].tolist()
        assert one[4]["rm_state"].tolist() == two[4]["rm_state"].tolist() == three[4]["rm_state"][:, 0].tolist()
        assert seats.state().shape[1] == seats.env.state().shape[1] + 4
        won += one[1].sum()
        stages |= set(zip(before.tolist(), one[4]["rm_state"].tolist(), strict=True))
        before = one[4]["rm_state"]
    assert won > 2 and stages <= {(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 3), (3, 0), (2, 0), (1, 0)}
    assert {(0, 1), (1, 2), (2, 3)} <= stages


def test_gymnasium_has_nothing_to_say():
    with pytest.warns(UserWarning, match="is different from the unwrapped version") as told:
        check_env(augment(gym.make(ROOM, size=5), fetch()), skip_render_check=True)
    assert len(told) == 1


def test_captions_as_texts_and_codes():
    texts = registry.load(LINE).captions
    event = caption_is(LINE, texts[4])
    for told in (np.array([texts[4], texts[1]]), np.array([texts[4], texts[1]], dtype=object), np.array([4, 1])):
        t = Transition(None, None, np.zeros(2), None, None, None, {"caption": told}, None)
        assert event(t).tolist() == [True, False]
    assert caption_is(texts, texts[1], texts[2]).texts == (texts[1], texts[2])
    with pytest.raises(ValueError, match="'jumped' is no caption; captions are 'the episode began'"):
        caption_is(LINE, "jumped")
    with pytest.raises(ValueError, match="needs a caption"):
        caption_is(LINE)
    with pytest.raises(KeyError, match="info has no 'caption'"):
        env = augment(gym.make(ROOM, size=5, info="minimal"), fetch())
        env.reset(seed=0)
        env.step(0)


def test_resume_from_stored_arrays_goes_on_the_same(plays):
    def make():
        return augment(
            gym.make_vec(ROOM, num_envs=4, vectorization_mode="vector_entry_point", size=5, max_steps=30), fetch()
        )

    env = make()
    env.reset(seed=3)
    for t, action in enumerate(plays[:60]):
        if t in (0, 9, 14, 30, 31):
            arrays = env.snapshot().arrays()
            other = make()
            other.reset(seed=99)
            seen, info = other.restore(WrapperSnapshot.from_arrays(arrays))
            np.testing.assert_array_equal(info["rm_state"], arrays["method.state"])
            np.testing.assert_array_equal(seen[:, -4:].argmax(axis=1), arrays["method.state"])
            ahead = [(r[0].tolist(), r[1].tolist()) for r in map(other.step, plays[t : t + 20])]
            assert ahead == [(r[0].tolist(), r[1].tolist()) for r in map(env.step, plays[t : t + 20])]
            env.restore(WrapperSnapshot.from_arrays(arrays))
        env.step(action)


def test_single_environment_and_seats_resume_too():
    for env, action in (
        (augment(gym.make(ROOM, size=5), fetch()), 1),
        (augment(payoff.multi_agent_vec(ROOM, 2, size=5), fetch()), np.ones((2, 1), dtype=int)),
    ):
        env.reset(seed=0)
        kept = env.snapshot()
        first = env.step(action)
        env.step(action)
        seen, info = env.restore(kept)
        assert seen.shape == first[0].shape and np.all(info["rm_state"] == 0)
        np.testing.assert_array_equal(env.step(action)[0], first[0])


def test_bad_state_is_refused_and_changes_nothing(walk, sync):
    env = augment(sync(walk, 2), method())
    env.reset(seed=0)
    env.step(np.array([2, 2]))
    kept = env.method.state_dict()
    for bad in (
        {},
        {"state": np.zeros(3)},
        {"state": np.array([0, 3])},
        {"state": np.array([-1, 0])},
        {"u": kept["state"]},
    ):
        with pytest.raises(ValueError, match=r"takes the arrays state|shape \(2,\)|numbers in 0 .. 2"):
            env.method.load_state_dict(bad)
    assert env.method.state_dict()["state"].tolist() == kept["state"].tolist()


# -- counterfactual experiences ---------------------------------------------------------------------------------------


def transition(x, terminated=False, truncated=False):
    obs = np.array([[0.0, 0.5]], dtype=np.float32)
    after = np.array([[x, 0.25]], dtype=np.float32)
    info = single_info({"progress": x + 0.125})
    flags = np.array([terminated]), np.array([truncated])
    return Transition(obs, np.array([2]), np.array([7.0]), after, *flags, info, np.array([True]))


def test_counterfactual_experiences_of_every_state():
    machine = there_and_back()
    found = crm_transitions(transition(1.0), machine, WHERE)
    assert found.obs.tolist() == [[0, 0.5, 1, 0, 0], [0, 0.5, 0, 1, 0]]
    assert found.next_obs.tolist() == [[1, 0.25, 0, 1, 0], [1, 0.25, 0, 1, 0]]
    assert found.reward.tolist() == [0.25, 0.0] and found.action.tolist() == [2, 2]
    assert found.info["rm_before"].tolist() == [0, 1] and found.info["rm_state"].tolist() == [1, 1]
    found = crm_transitions(transition(-1.0), machine, WHERE, mode="add")
    # beside the environment's own reward nothing ends with the machine, and its last state goes on being paid
    assert found.reward.tolist() == [7.0, 8.0, 7.0] and found.terminated.tolist() == [False] * 3
    assert found.info["rm_before"].tolist() == [0, 1, 2] and found.info["rm_state"].tolist() == [0, 2, 2]
    assert crm_transitions(transition(-1.0), machine, WHERE).terminated.tolist() == [False, True]
    found = crm_transitions(transition(0.0, terminated=True), machine, WHERE)
    assert found.reward.tolist() == [0.0, 0.125 - 0.5] and found.terminated.tolist() == [True, True]
    assert crm_transitions(transition(0.0, truncated=True), machine, WHERE).reward.tolist() == [0.0, 0.125]


def test_the_real_state_is_among_them(walk, sync):
    """What the wrapper itself showed and paid is the row of its own state, for every transition of a play."""
    machine = there_and_back()
    seen = []

    class Spy(MachineReward):
        def __call__(self, t):
            before = self.memory["state"].copy()
            paid = super().__call__(t)
            seen.append((before, t, paid, self.memory["state"].copy()))
            return paid

    env = augment(sync(walk, 3), Spy(machine, WHERE, on_truncation="bootstrap"))
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(60):
        env.step(rng.integers(0, 3, 3))
    for before, t, paid, after in seen:
        found = crm_transitions(t, machine, WHERE)
        for row in np.flatnonzero((before < 2) & t.active):
            own = 2 * row + before[row]
            assert found.reward[own] == paid[row] and found.info["rm_state"][own] == after[row]
            features = np.eye(3, dtype=np.float32)
            np.testing.assert_array_equal(found.obs[own], joined(t.obs[row], features[before[row]]))
            np.testing.assert_array_equal(found.next_obs[own], joined(t.next_obs[row], features[after[row]]))
            assert found.terminated[own] == (t.terminated[row] or after[row] == 2)


# -- arguments --------------------------------------------------------------------------------------------------------


def test_bad_arguments_are_named(walk):
    machine = there_and_back()
    with pytest.raises(TypeError, match="machine must be a RewardMachine"):
        MachineReward("F a", WHERE)
    with pytest.raises(TypeError, match="labels must be Labels"):
        MachineReward(machine, {"left": None})
    with pytest.raises(ValueError, match="the machine reads 'left', labels has up"):
        MachineReward(machine, Labels({"up": lambda t: t.reward > 0}))
    with pytest.raises(ValueError, match="on_truncation must be one of"):
        MachineReward(machine, WHERE)
    with pytest.raises(ValueError, match="mode must be one of"):
        method(mode="both")
    with pytest.raises(ValueError, match="coef must be a number"):
        MachineReward(machine, WHERE, coef="1", on_truncation="terminal")
    with pytest.raises(TypeError, match=r"events\['up'\] must be a function"):
        Labels({"up": 3})
    with pytest.raises(ValueError, match="symbols must be words"):
        Labels({"up and": lambda t: t.reward > 0})
    with pytest.raises(ValueError, match=r"events\['up'\] must return bool \(1,\), got float64"):
        env = augment(walk(), MachineReward(ltlf_machine("F up"), Labels({"up": lambda t: t.reward})))
        env.reset(seed=0)
        env.step(0)


def test_what_can_be_augmented(walk):
    with pytest.raises(TypeError, match="method must be a MemoryMethod, got DelayReward"):
        from payoff.wrappers import DelayReward

        augment(walk(), DelayReward())
    with pytest.raises(TypeError, match="a pettingzoo ParallelEnv or a multi-agent batch, got int"):
        augment(3, method())
    picture = walk()
    picture.observation_space = gym.spaces.Box(0, 1, (4, 4))
    with pytest.raises(TypeError, match="observations must be flat or a dict"):
        augment(picture, method())
