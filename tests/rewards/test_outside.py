"""Layers of another package: what they pay is the same in every view and batch, and they are named as ours are."""

import copy
import importlib
import pickle
import subprocess
import sys
import textwrap

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs.core.layer import KIND
from payoff.rewards import Cooperative, Layer, PerAgent, TrustIntegrated, jit, of_payoffs, resolve

TRUST, TEAM, CROWD = "payoff/TrustDilemma-v0", "payoff/LoyaltyTeam-v0", "payoff/Congestion-v0"

PACKAGE = {
    "__init__.py": "",
    "broken.py": "import there_is_no_such_thing",
    "rewards.py": '''
        """Layers of somebody else."""

        from __future__ import annotations

        from dataclasses import dataclass
        from typing import Literal

        import numpy as np

        from payoff.rewards import SVO, Happened, Layer, check_number, inlined, jit, of_payoffs


        @inlined
        def others(i: int, t: Happened) -> float:
            total = 0.0
            for j in range(t.payoff.shape[0]):
                if j != i:
                    total += t.payoff[j]
            return total / max(1, t.payoff.shape[0] - 1)


        @jit
        def spite(me: Spite, i: int, t: Happened) -> float:
            extra = t.action[i, 0] / t.high[i, 0] if me.of == 1 else 0.0
            return t.payoff[i] - me.weight * me.times * others(i, t) + extra


        @dataclass(frozen=True, slots=True)
        class Spite(Layer):
            weight: float = 0.5
            times: int = 1
            of: Literal["payoff", "effort"] = "payoff"

            rule = spite

            def __post_init__(self) -> None:
                check_number("weight", self.weight, 0.0)


        @jit
        def trusted(me: Trusted, i: int, t: Happened) -> float:
            total = t.payoff[i]
            for j in range(t.payoff.shape[0]):
                if j != i:
                    gate = 1.0
                    if t.trust.shape[0] > 0:
                        gate = min(t.trust[i, j], 1.0 - t.reputation_damage[i, j])
                    total += gate * t.dependence[i, j] * t.payoff[j]
            return total


        @dataclass(frozen=True, slots=True)
        class Trusted(Layer):
            """What trust_integrated is."""

            rule = trusted
            uses_dependence = True


        @jit
        def best(me: Best, i: int, t: Happened) -> float:
            most = t.payoff[0]
            for j in range(1, t.payoff.shape[0]):
                most = max(most, t.payoff[j])
            return most


        @dataclass(frozen=True, slots=True)
        class Best(Layer):
            rule = best
            shared = True


        @dataclass(frozen=True, slots=True)
        class Needs(Layer):
            weight: float

            def weights(self, depend):
                return self.weight * np.broadcast_to(np.eye(depend.shape[1]), depend.shape)


        @of_payoffs
        def worst_off(payoff):
            return np.broadcast_to(payoff.min(axis=-1, keepdims=True), payoff.shape)


        def twice(given):
            return 2 * given.payoff


        LIKED = SVO(0.3)
        NUMBER = 3
    ''',
}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Folder that holds the package ``outsider``, importable while these tests run."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "outsider").mkdir()
    for name, text in PACKAGE.items():
        (folder / "outsider" / name).write_text(textwrap.dedent(text), encoding="utf-8")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))
    for name in [n for n in sys.modules if n.partition(".")[0] == "outsider"]:
        del sys.modules[name]


def spite(pi, weight):
    return pi - weight * (pi.sum(axis=-1, keepdims=True) - pi) / (pi.shape[-1] - 1)


NAMES = [
    ("outsider.rewards:Spite:0.3", lambda pi: spite(pi, 0.3)),
    ("outsider.rewards:Spite:0.3,2", lambda pi: spite(pi, 0.6)),
    ("outsider.rewards:Best", lambda pi: np.repeat(pi.max(axis=-1, keepdims=True), pi.shape[-1], axis=-1)),
    ("outsider.rewards:worst_off", lambda pi: np.repeat(pi.min(axis=-1, keepdims=True), pi.shape[-1], axis=-1)),
    ("outsider.rewards:twice", lambda pi: 2 * pi),
    ("outsider.rewards:Needs:0.5", lambda pi: 0.5 * pi),
]


@pytest.mark.parametrize(("name", "formula"), NAMES, ids=[name for name, _ in NAMES])
def test_one_reward_in_every_view_and_at_every_batch_size(package, name, formula, draw_actions):
    """TrustDilemma has no multipliers, so that the formula of the payoffs is the reward."""
    mixed = PerAgent({1: name}, default="svo:0.2")
    batches = {b: payoff.multi_agent_vec(TRUST, b, reward=name, actions="native") for b in (1, 3, 64)}
    mixture = payoff.multi_agent_vec(TRUST, 3, reward=mixed, actions="native")
    threads = payoff.multi_agent_vec(TRUST, 3, reward=name, actions="native", num_threads=2)
    vector = gym.make_vec(
        TRUST, num_envs=3, vectorization_mode="vector_entry_point", control="joint", actions="native", reward=name
    )
    parallel = payoff.parallel_env(TRUST, reward=name, actions="native")
    turns = payoff.aec_env(TRUST, reward=name, actions="native")
    single = gym.make(TRUST, reward=name, actions="native", control="joint")
    for env in (*batches.values(), mixture, threads, vector, parallel, turns, single):
        env.reset(seed=5)
    for action in np.maximum(draw_actions(batches[64], 15), 41.0):  # above the baseline, no trust collapses
        told = {b: env.step(action[:b]) for b, env in batches.items()}
        pi = told[64][4]["payoff"]
        np.testing.assert_allclose(told[64][1], formula(pi), rtol=1e-12)
        for b in (1, 3):
            np.testing.assert_array_equal(told[b][1], told[64][1][:b])
        np.testing.assert_array_equal(threads.step(action[:3])[1], told[3][1])
        in_mixture = mixture.step(action[:3])[1]
        np.testing.assert_array_equal(in_mixture[:, 1], told[3][1][:, 1])
        flat = action.reshape(64, -1).astype(np.float32)
        np.testing.assert_array_equal(vector.step(flat[:3])[4]["rewards"], told[3][1])
        np.testing.assert_array_equal(single.step(flat[0])[4]["rewards"], told[1][1][0])
        got = parallel.step({f"agent_{i}": action[0, i] for i in range(2)})[1]
        np.testing.assert_array_equal(list(got.values()), told[1][1][0])
        for i in range(2):
            turns.step(action[0, i])
        np.testing.assert_array_equal(list(turns.rewards.values()), told[1][1][0])


def test_an_outside_layer_equals_a_built_in_one_bit_for_bit(package, draw_actions):
    ours = payoff.multi_agent_vec(TEAM, 7, reward="trust_integrated")
    theirs = payoff.multi_agent_vec(TEAM, 7, reward="outsider.rewards:Trusted")
    for env in (ours, theirs):
        env.reset(seed=1)
    for action in draw_actions(ours, 30):
        np.testing.assert_array_equal(ours.step(action)[1], theirs.step(action)[1])


def test_words_reach_the_rule_as_numbers(package):
    from outsider.rewards import Spite

    env = payoff.multi_agent_vec(TRUST, 1, reward=Spite(0.0, of="effort"))
    env.reset(seed=0)
    _, rewards, _, _, info = env.step(np.array([[[60.0], [25.0]]]))
    np.testing.assert_allclose(rewards - info["payoff"], [[0.6, 0.25]], atol=1e-12)


def test_a_rule_is_called_once_for_all_seats_of_its_layer(package):
    def kinds(reward):
        return payoff.multi_agent_vec(TEAM, 1, reward=reward).engine._wiring.seats["layer"]["kind"][0].tolist()

    assert kinds("outsider.rewards:Spite") == [KIND.rule] + [KIND.ruled] * 3
    assert kinds("outsider.rewards:Best") == [KIND.rule] + [KIND.like] * 3
    assert kinds(PerAgent({0: "private", 2: "outsider.rewards:Best"}, default="outsider.rewards:Spite")) == [
        *(KIND.own, KIND.rule, KIND.rule, KIND.ruled)
    ]


def test_layers_of_one_class_keep_their_own_numbers(package, draw_actions):
    """Two layers that share a rule, and so an address, in one mixture."""
    from outsider.rewards import Spite

    env = payoff.multi_agent_vec(CROWD, 2, reward=PerAgent({3: Spite(0.1), 5: Spite(0.9)}, default=Spite(0.4)))
    env.reset(seed=0)
    weight = np.full(env.num_agents, 0.4)
    weight[3], weight[5] = 0.1, 0.9
    for action in draw_actions(env, 5):
        _, rewards, _, _, info = env.step(action)
        np.testing.assert_allclose(rewards, spite(info["payoff"], weight), rtol=1e-12, atol=1e-12)


def test_rules_made_in_a_function_are_not_taken_for_each_other():
    """Same name, same code, another number in the closure: kept on disk, one would be answered with the other."""

    def adds(number):
        @jit
        def rule(me, i, t):
            return t.payoff[i] + number

        return type("Adds", (Layer,), {"rule": rule})()

    for number in (1.0, 5.0, 1.0):
        env = payoff.multi_agent_vec(CROWD, 1, reward=adds(number))
        env.reset(seed=0)
        _, rewards, _, _, info = env.step(np.zeros((1, env.num_agents, 1)))
        np.testing.assert_array_equal(rewards, info["payoff"] + number)


def test_a_module_that_was_edited_and_reloaded_is_compiled_anew(package):
    path = package / "edited.py"
    text = """
        from payoff.rewards import Layer, jit

        @jit
        def rule(me, i, t):
            return t.payoff[i] + {number}

        class Edited(Layer):
            rule = rule
    """

    def told(number):
        path.write_text(textwrap.dedent(text.format(number=number)), encoding="utf-8")
        importlib.invalidate_caches()
        module = importlib.import_module("edited")
        module = importlib.reload(module)
        env = payoff.multi_agent_vec(CROWD, 1, reward=module.Edited())
        env.reset(seed=0)
        _, rewards, _, _, info = env.step(np.zeros((1, env.num_agents, 1)))
        return (rewards - info["payoff"])[0, 0]

    assert [told("1.0"), told("22.0"), told("333.0")] == [1.0, 22.0, 333.0]


def test_an_edit_of_what_a_rule_calls_is_compiled_anew(tmp_path):
    """Kept on disk: the second process compiles nothing; after an edit beside the layer, the third does."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").touch()
    shared = "from payoff.rewards import inlined\n\n@inlined\ndef plus(x):\n    return x + {number}\n"
    layer = """
        from own.shared import plus
        from payoff.rewards import Layer, jit

        @jit
        def rule(me, i, t):
            return plus(t.payoff[i])

        class Plus(Layer):
            rule = rule
    """
    play = """
        import numpy as np, payoff
        from numba.core import event

        class Names(event.Listener):
            def on_start(self, event):
                print("compiled", event.data["dispatcher"].py_func.__module__)

            def on_end(self, event): pass

        with event.install_listener("numba:compile", Names()):
            env = payoff.multi_agent_vec("payoff/Congestion-v0", 1, reward="own.layer:Plus")
        env.reset(seed=0)
        _, rewards, _, _, info = env.step(np.zeros((1, env.num_agents, 1)))
        print("plus", (rewards - info["payoff"])[0, 0])
    """
    (tmp_path / "own" / "layer.py").write_text(textwrap.dedent(layer), encoding="utf-8")
    (tmp_path / "play.py").write_text(textwrap.dedent(play), encoding="utf-8")
    told = []
    for number in ("1.0", "1.0", "22.0"):
        (tmp_path / "own" / "shared.py").write_text(shared.format(number=number), encoding="utf-8")
        done = subprocess.run([sys.executable, "play.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
        told.append((float(done.stdout.split()[-1]), "compiled own.layer" in done.stdout))
    assert told == [(1.0, True), (1.0, False), (22.0, True)]


def test_a_rule_that_does_not_compile_says_why():
    @jit
    def wrong_name(me, i, t):
        return t.payof[i]

    @jit
    def wrong_number(me, i):
        return 1.0

    for rule, why in ((wrong_name, "Unknown attribute 'payof' of type Happened"), (wrong_number, "Cannot bind")):
        with pytest.raises(
            TypeError, match=rf"the rule .*{rule.__name__}\(me, i, t\) -> float does not compile: {why}"
        ):
            payoff.multi_agent_vec(CROWD, 1, reward=type("Wrong", (Layer,), {"rule": rule})())


def test_what_a_rule_raises_reaches_the_caller():
    @jit
    def fails(me, i, t):
        if t.payoff[i] != 0.5:
            raise ArithmeticError("not for that")
        return 0.0

    env = payoff.multi_agent_vec(TRUST, 1, reward=type("Fails", (Layer,), {"rule": fails})())
    env.reset(seed=0)
    with pytest.raises(ArithmeticError, match="not for that"):
        env.step(np.full((1, 2, 1), 50.0))


@pytest.mark.parametrize("name", ["outsider.rewards:Spite:0.3", "outsider.rewards:worst_off", "trust_integrated"])
def test_environments_with_layers_can_be_copied_and_pickled(package, name, draw_actions):
    reward = PerAgent({0: name}, default=resolve(name))
    env = payoff.multi_agent_vec(TRUST, 3, reward=reward)
    env.reset(seed=0)
    first, *rest = draw_actions(env, 6)
    env.step(first)
    others = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    for action in rest:
        expected = env.step(action)[1]
        for other in others:
            np.testing.assert_array_equal(other.step(action)[1], expected)


def test_functions_of_payoffs():
    """A decorated function pickles by its name, another one by the function within; both say what they are."""
    assert repr(of_payoffs(np.cumsum)) == "of_payoffs(cumsum)"
    env = payoff.multi_agent_vec(TRUST, 2, reward=pickle.loads(pickle.dumps(of_payoffs(np.sort))))
    env.reset(seed=0)
    _, rewards, _, _, info = env.step(np.full((2, 2, 1), [[10.0], [70.0]]))
    np.testing.assert_array_equal(rewards, np.sort(info["payoff"]))
    for bad in (3, float):
        with pytest.raises(TypeError, match=r"function must be a function of payoffs \(\.\.\., N\), got"):
            of_payoffs(bad)
    wrong = payoff.multi_agent_vec(TRUST, 2, reward=of_payoffs(lambda pi: pi.sum(axis=-1)))
    wrong.reset(seed=0)
    with pytest.raises(ValueError, match=r"must return finite rewards of shape \(2, 2\), got \(2,\)"):
        wrong.step(np.full((2, 2, 1), 10.0))


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (
            "outsidr.rewards:Spite",
            r"there is no module outsidr \(did you mean 'outsider'\?\), and Spite is no number",
        ),
        ("outsider.reward:Spite", r"there is no module outsider.reward \(did you mean 'rewards'\?\)"),
        ("outsider.rewards:Spit", r"no Spit \(did you mean 'Spite'\?\) in outsider.rewards"),
        ("outsider.rewards:Spite:x", "what follows the colon must be numbers"),
        ("outsider.rewards:Spite:1,1.5", "takes a whole number for times, got 1.5"),
        ("outsider.rewards:Spite:1,2,3", "Spite takes at most 2 numbers: weight, times"),
        ("outsider.rewards:Spite:-1", r"weight must be a number in \[0, 1e\+12\], got -1.0"),
        ("outsider.rewards:Needs", "Needs needs weight"),
        ("outsider.rewards:LIKED:0.3", "is an object and takes no values"),
        ("outsider.rewards:spite", "got CPUDispatcher.*; a compiled rule belongs to a layer class, name that"),
        ("outsider.rewards:NUMBER", "NUMBER must be a reward layer or a function, got int"),
        ("outsider.rewards:Happened", "Happened needs payoff"),
        ("outsider.rewards", r"reward must be one of private, .*, package.module:Name, .* got 'outsider.rewards'"),
        ("outsider.rewards:2", "reward must be one of private"),
        ("privat", r"got 'privat' \(did you mean 'private'\?\)"),
    ],
)
def test_names_that_lead_nowhere(package, reward, message):
    with pytest.raises(ValueError, match=message):
        payoff.multi_agent_vec(TRUST, 1, reward=reward)


def test_a_game_can_give_a_layer_of_another_package_a_name_of_its_own(package):
    names = {"mean": "cooperative", "spite": "outsider.rewards:Spite"}
    from outsider.rewards import Spite

    assert resolve("mean", names) == Cooperative() and resolve("spite", names) == Spite()
    assert resolve("spite:0.3", names) == Spite(0.3)
    with pytest.raises(ValueError, match="weight must be a number"):
        resolve("spite:-1", names)


def test_what_a_module_raises_is_its_own_business(package):
    with pytest.raises(ModuleNotFoundError, match="there_is_no_such_thing"):
        resolve("outsider.broken:Spite")


REFUSED = ["integrated", "trust_integrated", "trust_reciprocal", "published_cooperative", "mutuality", "mutuality:0.3"]


@pytest.mark.parametrize(
    "reward", [*REFUSED, TrustIntegrated(), "outsider.rewards:Trusted", PerAgent({1: "integrated"})]
)
def test_a_layer_that_needs_a_dependence_refuses_a_game_without_one(package, reward):
    name = (
        {TrustIntegrated(): r"TrustIntegrated\(\)"}.get(reward, reward)
        if not isinstance(reward, PerAgent)
        else "integrated"
    )
    message = rf"reward {name} uses the dependence D .*{CROWD} has none; layers that work there: private, cooperative, "
    with pytest.raises(ValueError, match=message):
        payoff.multi_agent_vec(CROWD, 1, reward=reward)


@pytest.mark.parametrize(("reward", "like"), [("mutuality:0", "private"), ("mutuality:1", Cooperative())])
def test_the_ends_of_mutuality_need_none(reward, like, draw_actions):
    ends, other = (payoff.multi_agent_vec(CROWD, 2, reward=r) for r in (reward, like))
    for env in (ends, other):
        env.reset(seed=0)
    for action in draw_actions(ends, 3):
        np.testing.assert_array_equal(ends.step(action)[1], other.step(action)[1])


def test_info_lists_the_layers_that_work(capsys):
    from payoff.cli import main

    assert main(["info", "Congestion-v0"]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("rewards"))
    assert "self_interest" in line and "svo_angle" in line and "mutuality:1" in line and "integrated" not in line


def test_commands_find_what_lies_in_the_current_folder(package):
    """As ``python -m`` does, though the program lies elsewhere."""
    command = [
        sys.executable,
        "-c",
        "import sys; sys.path.pop(0); from payoff.cli import main; sys.exit(main())",
        "compare",
    ]
    options = [TRUST, "--layers", "private", "outsider.rewards:Spite:0.3", "2*outsider.rewards:worst_off+private"]
    done = subprocess.run([*command, *options, "--samples", "600"], cwd=package, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "outsider.rewards:Spite:0.3" in done.stdout
    wrong = subprocess.run(
        [*command, TRUST, "--layers", "private", "outsider.rewards:Spit"], cwd=package, capture_output=True, text=True
    )
    assert wrong.returncode == 2 and "no Spit (did you mean 'Spite'?) in outsider.rewards" in wrong.stderr
