"""Mutations are of the language and within its limits, and a mutator is a function of what it is asked."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payoff.wrappers import observation_names
from payoff.wrappers.llm.expression import Read, parse, reads_of, unparse
from payoff.wrappers.llm.mutator import MOST_PARTS, Mutator, mutate, state_reads
from payoff.wrappers.llm.propose import Proposal, object_of, read_proposals
from payoff.wrappers.llm.terms import programs_of, sum_of
from tests.wrappers.llm.test_propose import grid, reply

READS = ("obs.x", "obs.y", "info.progress")
SEED = "1 - abs(obs.x - 0.9) if obs.y > 0.5 and obs.x < 1 else clip(-obs.y, 0, 1)"
TERMS = 'Reply so: {"expressions": [{"terms": {"one": "an expression", "two": "an expression"}, "why": "a reason"}]}'
TEXT = 'Reply so: {"expressions": [{"text": "the expression", "why": "a reason"}]}'


def asked(form, *exchanges):
    roles = ["user", *["assistant", "user"] * len(exchanges)]
    words = ["Go.", *(word for base, said in exchanges for word in (base, said))]
    return [{"role": "system", "content": form}] + [
        {"role": role, "content": content} for role, content in zip(roles, words, strict=False)
    ]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([SEED, "obs.x", "0", "-1e12 * obs.x", "not obs.x"]))
def test_mutations_are_of_the_language(seed, text):
    reads, draws = tuple(parse(name) for name in READS), np.random.default_rng(seed)
    tree = parse(text)
    for _ in range(20):
        found = mutate(tree, reads, draws)
        assert parse(unparse(found)) == found and found != tree and found.size <= MOST_PARTS
        assert set(reads_of(found)) <= {*reads, *reads_of(tree)}
        tree = found


def test_the_answer_follows_from_the_prompt():
    mutator = Mutator("obs.x", reads=READS, seed=3)
    texts = {}
    for sample in range(8):
        texts[sample] = mutator.ask(asked(TEXT), sample=sample).text
        assert mutator.ask(asked(TEXT), sample=sample).text == texts[sample]
        assert Mutator("obs.x", reads=READS, seed=3).ask(asked(TEXT), sample=sample).text == texts[sample]
    assert read_proposals(texts[0]) == (Proposal("obs.x", "the seed"),) and len(set(texts.values())) > 4
    assert Mutator("obs.x", reads=READS, seed=4).ask(asked(TEXT), sample=1).text != texts[1]
    assert mutator.by == "scripted" and mutator.settings == {
        **{"expression": "obs.x", "reads": list(READS), "errors": 0.0, "seed": 3}
    }


def test_it_builds_on_the_last_proposal_that_can_be_used():
    mutator = Mutator("obs.x", reads=["obs.x"])
    base = json.dumps({"expressions": [{"terms": {"one": "obs[7] > 2", "two": "obs[8]"}}]})
    for sample in range(6):
        found = mutator.ask(asked(TERMS, (base, "Better."), ("no", "This cannot be read.")), sample=sample).text
        (proposal,) = read_proposals(found, terms=True)
        terms = dict(proposal.terms)
        assert list(terms) == ["one", "two"] and (terms["one"] == "obs[7] > 2") + (terms["two"] == "obs[8]") == 1
    (begun,) = read_proposals(mutator.ask(asked(TERMS)).text, terms=True)
    assert begun.terms == (("one", "obs.x"), ("two", "obs.x")) and begun.text == "(obs.x) + (obs.x)"


def test_a_critic_agrees_and_an_analyst_knows_nothing():
    mutator = Mutator("obs.x")
    assert object_of(mutator.ask(asked('So: {"accept": true, "why": ""}')).text, "accept")["accept"] is True
    assert object_of(mutator.ask(asked('So: {"causes": [""]}')).text, "causes")["causes"] == []
    with pytest.raises(ValueError, match="messages must have a system message"):
        mutator.ask([{"role": "user", "content": "Go."}])


@pytest.mark.parametrize("form", ['{"factors": []}', '{"subgoals": ["a"]}'])
def test_what_it_cannot_answer_it_refuses(form):
    with pytest.raises(ValueError, match="messages must ask for expressions"):
        Mutator("obs.x").ask(asked(form))


def test_the_share_of_errors():
    """1,000 answers, half spoiled: a quarter cannot be used, a quarter has the sign turned; four standard errors."""
    mutator, env = Mutator("obs.x", reads=["obs.x"], errors=0.5), grid()
    names, count = observation_names(env), {"turned": 0, "broken": 0}
    env.close()
    for sample in range(1, 1001):
        (proposal,) = read_proposals(mutator.ask(asked(TEXT), sample=sample).text)
        count["turned"] += proposal.text == "-obs.x"
        try:
            usable = all(read.name in names or read.place for read in reads_of(parse(proposal.text)))
        except ValueError:
            usable = False
        count["broken"] += not usable
    bound = 4 * np.sqrt(0.25 * 0.75 * 1000)
    assert abs(count["broken"] - 250) < bound and 250 - bound < count["turned"] < 250 + bound + 100


def test_what_a_state_holds():
    env = grid()
    assert state_reads(env) == ("obs.x", "obs.y", "info.aux", "info.progress", "info.caption")
    env.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"expression": "1"}, "reads must name what can be read"),
        ({"expression": " + ".join(["obs.x"] * 30)}, "expression must have at most 40 parts, got 59"),
        ({"expression": "import os"}, "not allowed: 'import'"),
        ({"reads": ["obs.x + 1"]}, "reads must be entries of a step"),
        ({"errors": 1.5}, "errors must be a number"),
        ({"seed": -1}, "seed must be an integer"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Mutator(**{"expression": "obs.x", **arguments})
    for wrong in ({"expression": 1}, {"reads": "obs.x"}, {"reads": [1]}):
        with pytest.raises(TypeError, match="must be a"):
            Mutator(**{"expression": "obs.x", **wrong})


# -- terms -----------------------------------------------------------------------------------------------------------


def test_terms_are_added_from_the_first_on():
    assert sum_of({"a": "obs.x"}) == "obs.x"
    assert parse(sum_of({"a": "1 if obs.x else 0", "b": "-obs.y", "c": "2"})) == parse(
        "((1 if obs.x else 0) + (-obs.y)) + 2"
    )
    assert programs_of({"a": "obs.x"}) == {"a": Read("obs", "x")}
    for terms, message in (
        ({"a": "1", "b": "1) + (1"}, r"term b: not allowed: '\)' at character 2"),
        ({}, "terms must be at least one"),
        ({"a": "1", "b": "def f(obs):\n    return obs.x"}, "term b must be an expression, since it is not the whole"),
        ({str(i): "+".join(["1"] * 60) for i in range(9)}, "an expression has at most 500 parts"),
    ):
        with pytest.raises(ValueError, match=message):
            sum_of(terms)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"text": "1"}, "must be an object with terms and why"),
        ({"terms": []}, "must be an object with terms and why"),
        ({"terms": {}}, "terms must be 1 to 16 names with an expression each, got 0"),
        ({"terms": {str(i): "1" for i in range(17)}}, "got 17"),
        ({"terms": {"a b": "1"}}, "a term must be named by a word"),
        ({"terms": {"__class__": "1"}}, "a term must be named by a word"),
        ({"terms": {"a": 1}}, "term a must be a text"),
        ({"terms": {"a": "1" * 4000}}, "terms has more than 4000 characters"),
        ({"terms": {"a": "1"}, "why": 1}, "why must be a text"),
    ],
)
def test_bad_terms(item, message):
    with pytest.raises(ValueError, match=message):
        read_proposals(json.dumps({"expressions": [item]}), terms=True)
    with pytest.raises(ValueError, match="must be an object with terms"):
        read_proposals(reply("1"), terms=True)
