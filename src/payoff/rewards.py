"""Reward layers, and everything that a layer of one's own needs, under one name; ``docs/rewards.md`` shows three."""

from payoff.envs.core.jit import inlined, jit
from payoff.envs.core.params import check_flag, check_integer, check_number, check_word
from payoff.envs.core.rule import Happened
from payoff.envs.core.state import Array
from payoff.envs.rewards import (
    LAYERS,
    SVO,
    Cooperative,
    InequityAversion,
    Integrated,
    Layer,
    Mutuality,
    PerAgent,
    Private,
    PublishedCooperative,
    RewardFunction,
    RewardInput,
    SelfInterest,
    SVOAngle,
    TrustIntegrated,
    TrustReciprocal,
    of_payoffs,
    resolve,
)

__all__ = [
    "LAYERS",
    "SVO",
    "Array",
    "Cooperative",
    "Happened",
    "InequityAversion",
    "Integrated",
    "Layer",
    "Mutuality",
    "PerAgent",
    "Private",
    "PublishedCooperative",
    "RewardFunction",
    "RewardInput",
    "SVOAngle",
    "SelfInterest",
    "TrustIntegrated",
    "TrustReciprocal",
    "check_flag",
    "check_integer",
    "check_number",
    "check_word",
    "inlined",
    "jit",
    "of_payoffs",
    "resolve",
]
