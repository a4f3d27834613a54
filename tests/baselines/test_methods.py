"""Specifications of what changes a reward: what they build, and what is said of a wrong one."""

from __future__ import annotations

import inspect

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff import wrappers
from payoff.baselines import methods
from payoff.baselines.methods import BONUSES, SHAPINGS, TRANSFORMS, around, transform_of

HERE = "tests.baselines.methods_of_tests"


def key_room(copies=2, **keywords):
    return gym.make_vec(
        "payoff/KeyRoom-v0", num_envs=copies, vectorization_mode="vector_entry_point", info="full", **keywords
    )


def layers(env):
    """Methods around an environment, innermost first."""
    found = []
    while hasattr(env, "method"):
        found.insert(0, env.method)
        env = env.env
    return found


def test_none_is_no_wrapper_and_no_transform():
    assert around("none", "none", 0.9, "bootstrap") is None and transform_of("none") is None


def test_shaping_is_inside_and_the_bonus_outside():
    shaping, bonus = layers(around("progress:2", "count:0.1,power=1", 0.9, "terminal")(key_room()))
    assert isinstance(shaping, wrappers.PotentialShaping) and isinstance(bonus, wrappers.BonusReward)
    assert (shaping.gamma, shaping.on_truncation, shaping.scale) == (0.9, "terminal", 2.0)
    assert (bonus.paid.coef, bonus.bonus.power) == (0.1, 1)


def test_progress_pays_the_discounted_difference_of_the_potential():
    env = around("progress:scale=3", "none", 0.9, "bootstrap")(key_room(1, size=5))
    _, info = env.reset(seed=3)
    before = info["progress"][0]
    for action in (0, 1, 2, 2, 0, 2, 1, 2):
        _, reward, terminated, truncated, info = env.step(np.array([action]))
        assert not (terminated | truncated).any()
        assert reward[0] == pytest.approx(info["true_reward"][0] + 0.9 * 3 * info["progress"][0] - 3 * before)
        before = info["progress"][0]


def test_each_call_of_the_wrapper_builds_new_methods():
    wrap = around("none", "count", 0.9, "bootstrap")
    (first,), (second,) = layers(wrap(key_room())), layers(wrap(key_room()))
    assert first is not second and first.bonus is not second.bonus


@pytest.mark.parametrize("name", BONUSES)
def test_every_bonus_is_built_from_its_name_and_pays_in_every_view(name):
    """Each is finite on random play of a discrete game and of a continuous one with two seats."""
    wrap = around("none", f"{name}:0.1", 0.99, "bootstrap", seed=5)
    env = wrap(key_room())
    env.reset(seed=1)
    env.action_space.seed(1)
    paid = [env.step(env.action_space.sample())[4]["reward_terms"]["bonus"] for _ in range(10)]
    assert np.isfinite(paid).all() and np.any(np.array(paid) != 0.0)
    batch = wrap(payoff.multi_agent_vec("payoff/TrustDilemma-v0", 2, actions="unit", autoreset_mode="next_step"))
    batch.reset(seed=1)
    _, reward, *_ = batch.step(np.full((2, 2, 1), 0.3))
    assert np.isfinite(reward).all()


@pytest.mark.parametrize("name", ["rnd", "noveld", "icm", "ride"])
def test_networks_of_a_bonus_take_the_seed_of_the_run(name):
    seeds = [layers(around("none", name, 0.99, "bootstrap", seed=s)(key_room()))[0].bonus.model for s in (3, 4)]
    assert [model.settings.seed for model in seeds] == [3, 4]


def test_a_bonus_that_is_taken_back():
    (method,) = layers(around("none", "count:coef=0.1,neutral=true,delay=5", 0.9, "bootstrap")(key_room()))
    assert isinstance(method, wrappers.ReturnNeutralBonus)
    assert (method.gamma, method.delay, method.on_truncation) == (0.9, 5, "bootstrap")


NEEDS = {  # what has no default
    "running": "kind=clip,at=end",
    "ceiling": "1.5",
    "noise": "0.1",
    "flip": "rate=0.1,per=step",
    "unflip": "rate=0.1,per=step",
    "team_spirit": "teams=[0,1]",
    "potential": "key=progress",
    "implicit": "",
    "information": "probability=p",
    "lare": 'factors=["obs[0]"]',
    "clip_delta": "scores=s",
    "min_form": "scores=s",
    "outcome_calibrated": "scores=s",
}


@pytest.mark.parametrize("name", SHAPINGS)
def test_every_shaping_is_built_from_its_name(name):
    env = key_room()
    if name == "team_spirit":
        env = payoff.multi_agent_vec("payoff/TrustDilemma-v0", 2, actions="unit")
    text = f"{name}:{NEEDS[name]}" if NEEDS.get(name) else name
    assert len(layers(around(text, "none", 0.99, "bootstrap")(env))) == 1


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_is_built_from_its_name(name):
    text = f"{name}:{NEEDS[name]}" if NEEDS.get(name) else name
    assert isinstance(transform_of(text, num_actions=5, seed=2), wrappers.RewardTransform)


def test_numbers_reach_the_transform():
    made = transform_of("ircr:memory=50,best=3")
    assert (made.memory, made.best) == (50, 3)
    assert transform_of("rd:ridge=0.5", num_actions=7).features.num_actions == 7


def test_what_the_documentation_lists_is_what_a_specification_may_say():
    for table in (SHAPINGS, BONUSES, TRANSFORMS):
        for builder in table.values():
            names = [p.name for p in methods.parameters(builder)]
            assert not {"gamma", "on_truncation", "num_actions"} & set(names)
            assert all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in methods.parameters(builder))


def test_methods_of_other_modules():
    halved, bonus = layers(around(f"{HERE}:Halved:0.25", f"{HERE}:known_bonus:power=2", 0.9, "bootstrap")(key_room()))
    assert halved.share == 0.25 and bonus.bonus.power == 2
    (told,) = layers(around(f"{HERE}:known", "none", 0.9, "terminal", seed=8)(key_room()))
    assert told.told == (0.9, "terminal", 8)
    assert type(transform_of(f"{HERE}:Nothing")).__name__ == "Nothing"


@pytest.mark.parametrize(
    ("shaping", "bonus", "error", "text"),
    [
        ("prog", "none", ValueError, r"unknown shaping 'prog' \(did you mean 'progress'\?\); known: none, progress,"),
        ("none", "rnb", ValueError, r"unknown bonus 'rnb' \(did you mean 'rnd'\?\); known: none, count,"),
        ("none:1", "none", ValueError, "shaping none takes no values"),
        ("progress:", "none", ValueError, "what follows a colon must be numbers or key=value"),
        ("progress:big", "none", ValueError, "what follows the colon must be numbers or key=value, got 'big'"),
        ("progress:scal=2", "none", TypeError, "got an unexpected keyword argument 'scal' .did you mean 'scale'"),
        ("progress:1,scale=2", "none", TypeError, "got scale both as a number and by its name"),
        ("progress:1,2,3", "none", TypeError, "takes at most 2 numbers: scale, shift, got 3"),
        ("ceiling", "none", TypeError, "ceiling needs limit: ceiling:limit=..."),
        ("none", "count:coef=-1", ValueError, r"coef must be a number in \[0, .* got -1"),
        ("none", "count:1,2", TypeError, "takes one number, coef, got 2"),
        ("none", "count:delay=3", ValueError, "delay and horizon need neutral=true"),
        (
            f"{HERE}:Halvd",
            "none",
            ValueError,
            r"no Halvd \(did you mean 'Halved'\?\) in tests.baselines.methods_of_tests",
        ),
        (f"{HERE}:Nothing", "none", ValueError, "must be a shaping, got Nothing"),
        (f"{HERE}:something", "none", ValueError, "must be a shaping, got object"),
        ("none", f"{HERE}:Halved", ValueError, "must be a bonus, got Halved"),
        ("no.where:Thing", "none", ValueError, "there is no module no"),
    ],
)
def test_a_wrong_specification_says_what_is_wrong(shaping, bonus, error, text):
    with pytest.raises(error, match=text):
        around(shaping, bonus, 0.99, "bootstrap")(key_room())
