"""Bad input gets an error that names the argument, and changes nothing."""

import copy
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

import payoff

TRUST = "payoff/TrustDilemma-v0"
VIEWS = {
    "env": lambda **k: gym.make(TRUST, **k),
    "vector": lambda **k: gym.make_vec(TRUST, num_envs=2, **k),
    "parallel": lambda **k: payoff.parallel_env(TRUST, **k),
    "aec": lambda **k: payoff.aec_env(TRUST, **k),
    "arrays": lambda **k: payoff.multi_agent_vec(TRUST, 2, **k),
}
every_view = pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS)


@every_view
def test_unknown_keyword_is_named_with_the_nearest_one(make):
    with pytest.raises(TypeError, match=r"'rewrad'.*did you mean 'reward'"):
        make(rewrad="private")
    with pytest.raises(TypeError, match=r"'trust_sensitivty'.*did you mean 'trust_sensitivity'"):
        make(trust_sensitivty=1.0)


@every_view
def test_unknown_reward_lists_the_known(make):
    with pytest.raises(ValueError, match=r"private.*integrated.*cooperative.*mutuality.*got 'selfish'"):
        make(reward="selfish")
    with pytest.raises(TypeError, match="reward must be"):
        make(reward=3)


@every_view
@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("max_steps", -1, "max_steps must be an integer at least 1, got -1"),
        ("max_steps", 2.5, "max_steps must be an integer"),
        ("trust_building_rate", float("nan"), "trust_building_rate must be a number in"),
        ("trust_erosion_rate", 0.0, "trust_erosion_rate must be a number in"),
        ("trust_sensitivity", "high", "trust_sensitivity must be a number in"),
        ("observe", "everything", "observe must be one of 'full', 'private', 'minimal'"),
        ("actions", "discrete:1", "K >= 2"),
        ("actions", "squashed", "actions must be 'native', 'unit' or 'discrete:K'"),
        ("info", "some", "info must be one of 'full', 'minimal', 'published', got 'some'"),
    ],
)
def test_values_out_of_range(make, keyword, value, message):
    with pytest.raises(ValueError, match=message):
        make(**{keyword: value})


def test_single_agent_keywords():
    for keyword, value, message in [
        ("agent", 2, r"agent must be 0 \.\. 1 or one of agent_0, agent_1, got 2"),
        ("control", "both", "control must be one of 'single', 'joint', got 'both'"),
        ("partners", "nice", "partners must be one of constant, tit_for_tat, reciprocator, random"),
        ("partners", "constant:2", r"level must be a number in \[0, 1\], got 2.0"),
        ("partners", "tit_for_tat:1", "tit_for_tat does not take 1 numbers"),
        ("partners", {0: "random"}, r"partners must name exactly the seats \[1\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            VIEWS["env"](**{keyword: value})
    with pytest.raises(ValueError, match="render_mode must be one of None, 'human', 'rgb_array', got 'ansi'"):
        payoff.parallel_env(TRUST, render_mode="ansi")


def test_unknown_id_gets_a_suggestion():
    with pytest.raises(ValueError, match="did you mean 'payoff/TrustDilemma-v0'"):
        payoff.parallel_env("payoff/TrustDilema-v0")


BAD_VALUES = [(np.nan, "got nan"), (np.inf, "got inf"), (-np.inf, "got -inf")]


@pytest.mark.parametrize(("value", "message"), BAD_VALUES)
@pytest.mark.parametrize("actions", ["native", "unit"])
def test_not_finite_actions_leave_the_state(value, message, actions):
    env = VIEWS["env"](actions=actions, disable_env_checker=True)
    env.reset(seed=0)
    env.step(np.zeros(1, np.float32))
    before = env.unwrapped.snapshot()
    with pytest.raises(ValueError, match=f"agent_0.*{message}.*state is unchanged"):
        env.step(np.array([value], np.float32))
    for name, array in env.unwrapped.snapshot().arrays().items():
        np.testing.assert_array_equal(array, before.arrays()[name], err_msg=name)


@pytest.mark.parametrize(("value", "message"), BAD_VALUES)
def test_one_bad_copy_stops_the_whole_batch(value, message):
    for threads in (1, 2):
        env = payoff.multi_agent_vec(TRUST, 5, num_threads=threads)
        env.reset(seed=0)
        before = env.engine.state.copy()
        actions = np.full((5, 2, 1), 30.0)
        actions[4, 1, 0] = value
        with pytest.raises(ValueError, match=f"agent_1 of copy 4.*{message}"):
            env.step(actions)
        np.testing.assert_array_equal(env.engine.state, before)
        env.close()


def test_parallel_names_missing_and_unknown_agents():
    env = VIEWS["parallel"]()
    env.reset(seed=0)
    before = env.engine.state.copy()
    good = np.array([10.0])
    for actions in ({"agent_0": good}, {"agent_0": good, "agent_1": good, "agent_2": good}):
        with pytest.raises(ValueError, match="actions must name exactly"):
            env.step(actions)
    with pytest.raises(ValueError, match="agent_1: action must have shape"):
        env.step({"agent_0": good, "agent_1": np.zeros(3)})
    with pytest.raises(ValueError, match="agent_1 must be a finite number"):
        env.step({"agent_0": good, "agent_1": np.array([np.nan])})
    np.testing.assert_array_equal(env.engine.state, before)


def test_aec_refuses_a_bad_action_before_anything_moves():
    env = VIEWS["aec"]()
    env.reset(seed=0)
    env.step(np.array([10.0]))
    shown = env.observe("agent_1")
    for bad in (None, np.array([np.nan]), np.zeros(2)):
        with pytest.raises(ValueError, match="agent_1"):
            env.step(bad)
    assert env.agent_selection == "agent_1"
    np.testing.assert_array_equal(env.observe("agent_1"), shown)


@pytest.mark.parametrize("shape", [(2,), (1, 1), (0,)])
def test_wrong_shapes(shape):
    env = VIEWS["env"](disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"action must have shape \(1,\)"):
        env.step(np.zeros(shape))


@pytest.mark.parametrize("action", [-1, 5, 2.5])
def test_discrete_out_of_range(action):
    env = VIEWS["env"](actions="discrete:5", disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"must be an integer in 0 \.\. 4"):
        env.step(action)


def test_the_box_is_strict_unless_told_to_clip_and_published_native_clips():
    unit = VIEWS["env"](actions="unit", disable_env_checker=True)
    unit.reset(seed=0)
    with pytest.raises(ValueError, match=r"finite number in \[-1, 1\], got 1.5"):
        unit.step(np.array([1.5]))
    clipping = VIEWS["env"](actions="unit", clip_actions=True, disable_env_checker=True)
    native = VIEWS["env"](disable_env_checker=True)
    clipping.reset(seed=0)
    native.reset(seed=0)
    assert clipping.step(np.array([1.5]))[1] == native.step(np.array([150.0]))[1]


def test_stepping_out_of_order():
    for name in ("env", "vector", "parallel", "arrays"):
        env = VIEWS[name]()
        env = getattr(env, "unwrapped", env)
        with pytest.raises(gym.error.ResetNeeded, match="reset"):
            env.step({} if name == "parallel" else np.zeros((2, 2, 1)))
    env = gym.make(TRUST, max_steps=1, disable_env_checker=True)
    env.reset(seed=0)
    env.step(np.zeros(1))
    with pytest.raises(gym.error.ResetNeeded, match="the episode is over"):
        env.step(np.zeros(1))
    parallel = payoff.parallel_env(TRUST, max_steps=1)
    parallel.reset(seed=0)
    parallel.step({a: np.zeros(1) for a in parallel.agents})
    assert parallel.step({}) == ({}, {}, {}, {}, {})


def test_reset_arguments():
    env = VIEWS["arrays"]()
    with pytest.raises(ValueError, match="seed must be a non-negative integer, got -1"):
        env.reset(seed=-1)
    with pytest.raises(ValueError, match="seed must be a non-negative integer or 2 of them, got 3"):
        env.reset(seed=[1, 2, 3])
    with pytest.raises(ValueError, match="reset option must be one of 'group', 'reset_mask', got 'start'"):
        env.reset(options={"start": 1})
    with pytest.raises(ValueError, match="non-negative integer, got -2"):
        env.reset(options={"group": [1, -2]})
    with pytest.raises(ValueError, match="reset option must be one of 'group', got 'reset_mask'"):  # a single copy
        VIEWS["env"]().reset(options={"reset_mask": np.array([True])})


@pytest.mark.parametrize("view", ["env", "vector", "parallel", "arrays"])
def test_reset_options_are_a_dict(view):
    for bad in ("abc", [1], 3, [("group", 1)]):
        with pytest.raises(TypeError, match="options must be a dict"):
            VIEWS[view]().reset(options=bad)


@pytest.mark.parametrize("view", ["vector", "arrays"])
def test_a_reset_mask_is_a_bool_array_after_the_first_reset(view):
    env = VIEWS[view]()
    with pytest.raises(gym.error.ResetNeeded, match="the first reset must start every copy"):
        env.reset(options={"reset_mask": np.array([True, False])})
    env.reset(seed=0)
    for bad in ([True, False], np.array([1, 0]), np.array([True]), True, "abc"):
        with pytest.raises(ValueError, match=r"options\['reset_mask'\] must be a bool array of shape \(2,\), got"):
            env.reset(options={"reset_mask": bad})


@pytest.mark.parametrize("view", ["env", "vector", "parallel", "aec", "arrays"])
def test_clip_actions_is_yes_or_no(view):
    for bad in ("yes", 1, None):
        with pytest.raises(ValueError, match="clip_actions must be True or False, got"):
            VIEWS[view](clip_actions=bad)


def test_a_partner_function_must_answer_in_shape():
    env = VIEWS["env"](partners=lambda obs: np.zeros((3, 1)), disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"partner of seat 1 must return actions of shape \(1, 1\), got \(3, 1\)"):
        env.step(np.zeros(1))
    wild = VIEWS["env"](partners=lambda obs: np.full((len(obs), 1), np.nan), disable_env_checker=True)
    wild.reset(seed=0)
    with pytest.raises(ValueError, match="agent_1 must be a finite number"):
        wild.step(np.zeros(1))


def test_a_reward_function_must_answer_in_shape():
    env = VIEWS["env"](reward=lambda given: given.payoff[0], disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"finite rewards of shape \(1, 2\)"):
        env.step(np.zeros(1))


def test_snapshot_of_another_batch_is_refused():
    small, large = payoff.multi_agent_vec(TRUST, 2), payoff.multi_agent_vec(TRUST, 3)
    large.reset(seed=0)
    before = large.engine.state.copy()
    small.reset(seed=0)
    with pytest.raises(ValueError, match=r"snapshot.state must be numbers of shape \(3, .*got float64 \(2, "):
        large.restore(small.snapshot())
    np.testing.assert_array_equal(large.engine.state, before)


@pytest.mark.parametrize("bad", [np.array(["50"]), [True], np.array([1 + 2j]), ["x"], None, np.array([b"3"])], ids=repr)
def test_only_numbers_are_actions(bad):
    for actions in ("native", "discrete:5"):
        env = VIEWS["env"](actions=actions, disable_env_checker=True)
        env.reset(seed=0)
        with pytest.raises(ValueError, match="action must"):
            env.step(bad)


@pytest.mark.parametrize("bad", [True, 1.5, "7", [1, 2, 3], (-1, 2)], ids=repr)
def test_only_whole_numbers_are_seeds(bad):
    for name in ("vector", "parallel", "aec", "arrays"):
        with pytest.raises(ValueError, match="seed must be a non-negative integer"):
            VIEWS[name]().reset(seed=bad)
    assert np.array_equal(VIEWS["arrays"]().reset(seed=np.uint8(255))[0], VIEWS["arrays"]().reset(seed=255)[0])


def test_a_class_is_not_an_instance():
    from payoff.envs import partners, rewards

    with pytest.raises(TypeError, match=r"did you mean Private\(\)\?"):
        VIEWS["arrays"](reward=rewards.Private)
    with pytest.raises(TypeError, match=r"did you mean Random\(\)\?"):
        VIEWS["env"](partners=partners.Random)
    for bad in ("reward", "partners"):
        with pytest.raises(ValueError, match="must be numbers"):
            VIEWS["env"](**{bad: {"reward": "mutuality:", "partners": "constant:"}[bad]})


def test_a_layer_of_ones_own_is_checked_before_the_kernel_sees_it():
    from payoff.rewards import Layer

    class Broken(Layer):
        def weights(self, depend):
            return np.ones((1, 1))

    class Endless(Layer):
        def weights(self, depend):
            return np.full(depend.shape, np.inf)

    class Plain(Layer):
        def rule(me, i, t):
            return 0.0

    shape = r"\(1, 2, 2\)"
    with pytest.raises(ValueError, match=rf"Broken.*weights\(depend\) must give finite .* {shape}, got shape \(1, 1\)"):
        VIEWS["arrays"](reward=Broken())
    with pytest.raises(ValueError, match=rf"Endless.*weights\(depend\) must give finite .* {shape}, got some"):
        VIEWS["arrays"](reward=Endless())
    with pytest.raises(TypeError, match=r"Plain.rule must be compiled: decorate it with payoff.rewards.jit"):
        VIEWS["arrays"](reward=Plain())
    with pytest.raises(NotImplementedError, match=r"Layer must define weights\(depend\), or have a rule"):
        VIEWS["arrays"](reward=Layer())


@every_view
def test_nothing_to_keep_before_the_first_reset(make):
    env = make()
    env = getattr(env, "unwrapped", env)
    with pytest.raises(gym.error.ResetNeeded, match="reset"):
        env.snapshot()
    with pytest.raises(TypeError, match="snapshot must be a"):
        env.restore({"state": 0})


def test_a_failing_reward_function_undoes_the_step():
    def fails_late(given):
        if given.action[0, 0, 0] > 50:
            raise RuntimeError("no reward for that")
        return given.payoff

    env = payoff.aec_env(TRUST, reward=fails_late)
    env.reset(seed=0)
    env.step(np.array([60.0]))
    before = env.unwrapped.engine.state.copy()
    with pytest.raises(RuntimeError, match="no reward for that"):
        env.step(np.array([60.0]))
    np.testing.assert_array_equal(env.unwrapped.engine.state, before)
    assert env.agent_selection == "agent_1"
    kept = env.unwrapped.snapshot()
    env.restore(replace(kept, raw=np.where(kept.raw == 60.0, 40.0, kept.raw)))  # what the function can live with
    env.step(np.array([60.0]))
    assert env.unwrapped.engine.state[:, 0][0] == 1 and env.agent_selection == "agent_0"


def test_a_reward_function_need_not_be_defined_where_nothing_was_played():
    """log of the payoff 0 of a restarting copy is -inf, and is nobody's reward."""
    env = payoff.multi_agent_vec(
        TRUST, 2, reward=lambda given: np.log(np.maximum(given.payoff, 1e-300)), max_steps=[1, 3]
    )
    strict = payoff.multi_agent_vec(TRUST, 2, reward=lambda given: 1 / given.payoff, max_steps=[1, 3])
    for e in (env, strict):
        e.reset(seed=0)
        with np.errstate(divide="ignore"):
            rewards = [e.step(np.full((2, 2, 1), 30.0))[1] for _ in range(3)]
        assert (rewards[1][0] == 0).all() and (rewards[1][1] != 0).all() and np.isfinite(rewards).all()


def test_partner_functions_are_asked_only_about_good_actions():
    asked = []
    env = VIEWS["env"](partners=lambda obs: asked.append(1) or np.full((len(obs), 1), 40.0), disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="agent_0"):
        env.step(np.array([np.nan]))
    assert not asked
    env.step(np.array([40.0]))
    assert len(asked) == 1


@pytest.mark.parametrize("view", ["env", "vector", "parallel", "aec", "arrays"])
def test_words_are_texts(view):
    """An array of a word is no word, and says so."""
    for name in ("info", "actions"):
        with pytest.raises(ValueError, match=f"{name} must be"):
            VIEWS[view](**{name: np.array(["full", "minimal"])})
    with pytest.raises(ValueError, match="actions must be"):
        VIEWS[view](actions="discrete:\u0665\u0665")  # digits that Python reads


def test_odd_keywords_of_batches():
    for bad in ([], {}, np.zeros(2), 3):
        with pytest.raises(ValueError, match="autoreset_mode must be one of"):
            VIEWS["arrays"](autoreset_mode=bad)
    for bad in (5, 0.5, True, "agent_0", np.array([0, 1])):
        with pytest.raises(ValueError, match="order must be a list of agents"):
            VIEWS["aec"](order=bad)
    for bad in (np.array(3), np.array(1.0)):
        with pytest.raises(ValueError, match=r"must be a non-negative integer or 2 of them"):
            VIEWS["arrays"]().reset(seed=bad)
    assert VIEWS["arrays"](max_steps=np.array(7)).max_steps == 7
    steps = [5, 7]
    env = VIEWS["arrays"](max_steps=steps)
    env.reset(seed=0)
    steps[0] = 9
    assert copy.deepcopy(env).engine.rows[0].max_steps == 5


def test_no_limit_is_minus_one():
    assert gym.make_vec(TRUST, num_envs=2, max_episode_steps=-1).spec.max_episode_steps == 100
    assert payoff.multi_agent_vec(TRUST, 2, max_episode_steps=-1).max_steps == 100


def test_a_whole_number_beyond_every_float():
    env = VIEWS["env"](actions="discrete:5", disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action must be a number that a float holds"):
        env.step(10**400)


@pytest.mark.parametrize(
    "answer", [3 + 7j, "0.5", [[10**400, 1]], {"a": 1}, [[1], [1, 2]], np.datetime64("2020-01-01")]
)
def test_what_functions_return_is_real_numbers(answer):
    rewarded = VIEWS["env"](reward=lambda given: answer, disable_env_checker=True)
    rewarded.reset(seed=0)
    with pytest.raises(ValueError, match="what the reward function returns must hold real numbers"):
        rewarded.step(np.array([5.0]))
    partnered = VIEWS["env"](partners=lambda seen: answer, disable_env_checker=True)
    partnered.reset(seed=0)
    with pytest.raises(ValueError, match="what the partner of seat 1 returns must hold real numbers"):
        partnered.step(np.array([5.0]))


def test_odd_snapshots():
    env = VIEWS["env"]().unwrapped
    env.reset(seed=0)
    kept = env.snapshot()
    for damaged, message in (
        (replace(kept, parameters="[" * 100_000), "snapshot.parameters must be"),
        (replace(kept, parameters='[{"max_steps": ' + "9" * 5000 + "}]"), "snapshot.parameters must be"),
        (replace(kept, ended=np.array([[0.5, 0.0]])), "snapshot.ended must be 0 or 1, got 0.5"),
    ):
        with pytest.raises(ValueError, match=message):
            env.restore(damaged)
    arrays = kept.arrays()
    for name, value in (("game", None), ("game", "x"), ("parameters", {}), ("state", [[1], [1, 2]]), ("game", [[1]])):
        with pytest.raises(ValueError, match=f"snapshot.{name} must be"):
            type(kept).from_arrays(arrays | {name: value})


def test_published_info_is_the_same_in_every_batch():
    """To the last bit, and flags are no objects in a vector of environments."""
    game = "payoff/PlatformEcosystem-v0"
    single, batch = gym.make(game, info="published"), gym.make_vec(game, num_envs=3, info="published")
    single.reset(seed=11)
    batch.reset(seed=11)
    one, many = single.step(np.array([37.3]))[4], batch.step(np.full((3, 1), 37.3))[4]
    for key in ("mean_trust", "mean_reputation_damage"):
        assert one[key] == many[key][0]
    keywords = {"info": "published", "vectorization_mode": "sync"}
    talks = gym.make_vec("payoff/CooperativeNegotiation-v0", num_envs=2, **keywords)
    info = talks.reset(seed=0)[1]
    assert info["agreement_reached"].dtype == info["breach_occurred"].dtype == bool
