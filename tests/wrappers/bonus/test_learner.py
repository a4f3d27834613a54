"""Bonuses with networks: one layer over many copies equals many wrapped copies, and a state resumes in mid-episode.

The numbers of both stackings agree up to rounding: a product of matrices sums in another order at another batch size.
"""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from payoff.wrappers.bonus.bonus_model import BonusLearning
from payoff.wrappers.bonus.combine import Product
from payoff.wrappers.bonus.dynamics import DynamicsModel
from payoff.wrappers.bonus.e3b import E3B
from payoff.wrappers.bonus.icm import ICM
from payoff.wrappers.bonus.noveld import NovelD
from payoff.wrappers.bonus.reward import BonusReward
from payoff.wrappers.bonus.ride import RIDE
from payoff.wrappers.bonus.rnd import RND, Distillation


def place(obs, info):
    return obs[:, 0].astype(np.int64)


def networks(learning=True):
    settings = BonusLearning(hidden=(8,), learn_every=33, epochs=1, learning=learning)

    def model(**keywords):
        return DynamicsModel(num_actions=3, features=4, settings=settings, **keywords)

    return {
        "rnd": lambda: BonusReward(RND(Distillation(settings=settings)), normalise="return", gamma=0.9),
        "icm": lambda: BonusReward(ICM(model())),
        "ride": lambda: BonusReward(RIDE(model(), place)),
        "noveld": lambda: BonusReward(NovelD(Distillation(settings=settings), place), normalise="std"),
        "learned e3b": lambda: BonusReward(E3B(model(forward_share=0.0))),
        "e3b x rnd": lambda: BonusReward(
            Product(E3B(model(forward_share=0.0)), NovelD(Distillation(settings=settings), alpha=0.0, once=False))
        ),
    }


NAMES = ("rnd", "icm", "ride", "noveld", "learned e3b", "e3b x rnd")


@pytest.mark.parametrize("mode", AutoresetMode, ids=lambda m: m.value)
@pytest.mark.parametrize("name", NAMES)
def test_wrapped_batch_equals_batch_of_wrapped(mode, name, stackings_agree, walk, sync):
    stackings_agree(networks(learning=False)[name], mode, walk, sync, tolerance=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_both_learn_the_same(name, stackings_agree, walk, sync):
    """From the same transitions in the same order, after the same row: in the middle of a call where that is due."""
    stackings_agree(networks()[name], AutoresetMode.NEXT_STEP, walk, sync, tolerance=1e-6)


@pytest.mark.parametrize("known", [False, True], ids=["before the first reset", "in the middle of something else"])
@pytest.mark.parametrize("name", NAMES)
def test_state_resumes_in_mid_episode(name, known, state_resumes):
    state_resumes(networks()[name](), networks()[name](), known)
