"""Reward layers: from payoffs (what really happened) to rewards (what a learner is told).

``reward=`` takes a layer, a name (with numbers after a colon: ``"mutuality:0.3"``,
``"inequity_aversion:0.85,0.315"``), a function of a :class:`RewardInput`, or ``"package.module:Name"``, where one of
these is. ``docs/rewards.md`` says how to write one.

In a published ``-v0`` game the layer acts on the base payoff, before the game's multipliers, and the names
``integrated`` and ``cooperative`` mean what the published code does; ``Integrated()`` and ``Cooperative()`` are
always the plain ones.
"""

from payoff.envs.rewards.base import Layer
from payoff.envs.rewards.functions import RewardFunction, RewardInput, of_payoffs
from payoff.envs.rewards.inequity import InequityAversion
from payoff.envs.rewards.linear import SVO, Cooperative, Integrated, Mutuality, Private, SelfInterest
from payoff.envs.rewards.mixed import PerAgent
from payoff.envs.rewards.naming import LAYERS, resolve
from payoff.envs.rewards.svo_angle import SVOAngle
from payoff.envs.rewards.trust_gated import PublishedCooperative, TrustIntegrated, TrustReciprocal

__all__ = [
    "LAYERS",
    "SVO",
    "Cooperative",
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
    "of_payoffs",
    "resolve",
]
