"""Sizes that no machine has memory for are refused by name, before anything is allocated."""

from __future__ import annotations

import tracemalloc

import pytest

import payoff
from payoff.envs.core.specification import assignments, value_of

SEATS = [
    ("DynamicPartnerSelection", "n_agents", 1000),
    ("ReputationMarket", "n_agents", 1000),
    ("TeamProduction", "n_agents", 1000),
    ("LoyaltyTeam", "n_agents", 1000),
    ("CoalitionFormation", "n_agents", 1000),
    ("PublicGoods", "n_agents", 1000),
    ("Congestion", "n_agents", 1000),
    ("PlatformEcosystem", "n_developers", 999),
]


def refused(text, make):
    """The error names what is wrong, and came before there was 64 MiB of anything."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=text):
            make()
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("name", "keyword", "most"), SEATS)
@pytest.mark.parametrize("value", [10**6, 10**14, "most + 1"])
def test_seats(name, keyword, most, value):
    value = most + 1 if isinstance(value, str) else value
    text = rf"{keyword} must be an integer in \d+ \.\. {most}, got {value}"
    refused(text, lambda: payoff.multi_agent_vec(f"payoff/{name}-v0", num_envs=1, **{keyword: value}))


def test_what_many_seats_see_of_all_pairs():
    # 500 seats, and for each 500 actions, three matrices of 500 x 499 and the clock at least: 3.7e8 numbers
    text = r"n_agents: 500 seats would see 7\d{5} numbers each, more than \d+ in all"
    refused(text, lambda: payoff.multi_agent_vec("payoff/TeamProduction-v0", num_envs=1, n_agents=500))


def test_many_seats_that_see_little():
    env = payoff.multi_agent_vec("payoff/TeamProduction-v0", num_envs=1, n_agents=500, observe="minimal")
    assert env.num_agents == 500 and env.obs_size == 500  # the own action, and the own row of trust but its diagonal
    env.close()


@pytest.mark.parametrize("levels", ["99999999999999999999", "100001", "1" * 5000])
def test_levels(levels):
    refused(
        "actions must be .*'discrete:K' with K >= 2 and at most 100000, got 'discrete:",
        lambda: payoff.multi_agent_vec("payoff/TrustDilemma-v0", num_envs=1, actions=f"discrete:{levels}"),
    )


def test_the_most_levels():
    env = payoff.multi_agent_vec("payoff/TrustDilemma-v0", num_envs=1, actions="discrete:100000")
    assert env.num_actions == 100_000
    env.close()


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000])
def test_deeply_nested_json(text):
    for read in (value_of, lambda text: assignments(f"max_steps={text}", "--params")):
        refused("a value is nested too deeply: ", lambda read=read: read(text))
