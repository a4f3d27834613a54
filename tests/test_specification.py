"""The grammar of specifications: what is read, what is built, and that objects are written so that they come back."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from payoff.envs import partners, rewards
from payoff.envs.core.specification import Specification, assignments, build, describe, imported, parse, split


@dataclass(frozen=True)
class Pair:
    """For tests: two values, the second by default."""

    first: object
    second: object = 2.0


def opaque():
    """An object that keeps nothing of what it was made with."""

    class Inner:
        def __init__(self, size):
            pass

    return Inner(3)


class Forgetful:
    def __init__(self, size: int = 1):
        self.area = size**2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("count", Specification("count")),
        ("svo:0.4", Specification("svo", (0.4,))),
        ("inequity_aversion:0.85,.3", Specification("inequity_aversion", (0.85, 0.3))),
        ("count:coef=0.1,per_row=true", Specification("count", (), {"coef": 0.1, "per_row": True})),
        ("count:0.1,kind=std", Specification("count", (0.1,), {"kind": "std"})),
        ('ppo:hidden=[8,8],note="a,b"', Specification("ppo", (), {"hidden": [8, 8], "note": "a,b"})),
        ("a.b:C", Specification("a.b:C")),
        ("a.b:C.d:1,k=2", Specification("a.b:C.d", (1,), {"k": 2})),
        ("mine:Envy:0.3", Specification("mine:Envy", (0.3,))),
        ("a.b:level=0.3", Specification("a.b", (), {"level": 0.3})),
        ("x:inf", Specification("x", (float("inf"),))),
    ],
)
def test_grammar(text, expected):
    assert parse(text) == expected
    assert parse(text).outside == (":" in expected.name)


@pytest.mark.parametrize("text", ["", ":1", "a:", "a:k=1,2", "a:k=1,k=2", "a:true", "known:word"])
def test_what_is_no_specification(text):
    with pytest.raises(ValueError, match=r"thing '.*'"):
        parse(text, "thing", known={"known"})


def test_commas_in_brackets_and_quotes_separate_nothing():
    assert split('a=[1,2],b={"x":[1,2],"y":1},c="p,q",d') == ["a=[1,2]", 'b={"x":[1,2],"y":1}', 'c="p,q"', "d"]
    assert split("") == [] and assignments("", "params") == {}
    assert assignments("size=5,observe=private", "params") == {"size": 5, "observe": "private"}
    with pytest.raises(ValueError, match="params gives a twice"):
        assignments("a=1,a=2", "params")


def test_whole_numbers_become_real_where_a_parameter_is_real():
    def made(share: float, steps: int, *, given: float = 0.0):
        return share, steps, given

    found = build(made, parse("made:1,2"), {"given": 0.5, "unknown": 3})
    assert found == (1.0, 2, 0.5) and type(found[0]) is float and type(found[1]) is int


HERE = __name__


def wanted(thing):
    return isinstance(thing, Pair)


def test_a_whole_number_that_no_real_one_can_be_is_left_to_whoever_is_called():
    with pytest.raises(ValueError, match="m must be a number in"):
        build(rewards.Mutuality, parse(f"mutuality:m={10**400}", "reward"))


def test_a_class_is_called_and_an_object_is_taken_as_it_is():
    assert imported(parse(f"{rewards.__name__}:SVO:0.25"), lambda x: isinstance(x, rewards.Layer), "a layer") == (
        rewards.SVO(0.25)
    )
    with pytest.raises(ValueError, match="is an object and takes no values"):
        imported(parse(f"{rewards.__name__}:LAYERS:1"), wanted, "a pair")
    with pytest.raises(ValueError, match=r"payoff\.envs\.rewards:SVO must be a pair, got SVO"):
        imported(parse("payoff.envs.rewards:SVO"), wanted, "a pair")


def test_rewards_and_partners_come_from_any_module():
    assert rewards.resolve("payoff.envs.rewards:Mutuality:m=0.3") == rewards.Mutuality(0.3)
    assert partners.resolve("payoff.envs.partners:Constant:1", [1]) == {1: partners.Constant(1.0)}
    assert rewards.resolve("svo:theta=0.3") == rewards.SVO(0.3)
    function = rewards.resolve("tests.baselines.methods_of_tests:envy")
    assert function.__name__ == "envy"
    with pytest.raises(ValueError, match="must be a reward layer or a function"):
        rewards.resolve("payoff.envs.rewards:LAYERS")


@pytest.mark.parametrize(
    "thing",
    [rewards.SVO(0.25), rewards.InequityAversion(0.5, 0.25), rewards.Private(), partners.Constant(0.3)],
    ids=repr,
)
def test_an_object_is_written_so_that_it_comes_back(thing):
    text = describe(thing, "rewards")
    assert imported(parse(text), lambda x: type(x) is type(thing), "one") == thing


def test_texts_none_functions_and_classes():
    assert describe("svo:0.3", "rewards") == "svo:0.3" and describe(None, "bonus") == "none"
    assert describe(rewards.SVO, "rewards") == "payoff.envs.rewards.linear:SVO"
    assert describe(rewards.resolve, "rewards") == "payoff.envs.rewards.naming:resolve"


@pytest.mark.parametrize(
    "thing",
    [lambda x: x, opaque(), Forgetful(3), object(), rewards.PerAgent({0: rewards.SVO(0.1)}), 3],
    ids=["lambda", "local class", "forgets", "object", "object inside", "number"],
)
def test_what_cannot_be_written_down_is_refused_with_the_way_out(thing):
    with pytest.raises(ValueError, match=r"bonus: .* cannot be written down.*name that: package\.module:Name"):
        describe(thing, "bonus")


@dataclass(frozen=True)
class Says:
    """An object that is made with a word."""

    word: str


@pytest.mark.parametrize(
    ("word", "written"),
    [("plain", "plain"), ("two words", "two words"), ("a,b", '"a,b"'), ("1", '"1"'), ("", '""'), ("true", '"true"')],
)
def test_words_are_quoted_where_they_would_be_read_otherwise(word, written):
    assert describe(Says(word), "thing") == f"{__name__}:Says:word={written}"
    assert imported(parse(f"{__name__}:Says:word={written}"), lambda x: isinstance(x, Says), "it") == Says(word)
