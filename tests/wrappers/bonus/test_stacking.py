"""Bonuses without networks: one layer over many copies equals many wrapped copies, bit for bit; states resume."""

import subprocess
import sys

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import payoff
from payoff.wrappers import WrapperSnapshot, wrap
from payoff.wrappers.bonus.bebold import BeBold
from payoff.wrappers.bonus.combine import Product, Scale, Sum, global_times_episodic
from payoff.wrappers.bonus.count import Count
from payoff.wrappers.bonus.e3b import E3B
from payoff.wrappers.bonus.first_visit import FirstVisit
from payoff.wrappers.bonus.keys import key_from_info
from payoff.wrappers.bonus.reward import BonusReward


def place(obs, info):
    return obs[:, 0].astype(np.int64)


def numbers(obs):
    return np.stack([np.ones(len(obs)), obs[:, 0], np.square(obs[:, 0])], axis=1)


EXACT = {
    "count": lambda: BonusReward(Count(place), coef=0.5),
    "count of each row": lambda: BonusReward(Count(place, per_row=True)),
    "count of an entry": lambda: BonusReward(Count(key_from_info("pair"), power=0.3)),
    "first visit": lambda: BonusReward(FirstVisit(place), on_terminal=True),
    "bebold": lambda: BonusReward(BeBold(place)),
    "noveld of counts": lambda: BonusReward(BeBold(place, alpha=0.5, once=False), on_terminal=True),
    "e3b": lambda: BonusReward(E3B(numbers)),
    "product": lambda: BonusReward(global_times_episodic(place), decay=0.99),
    "sum": lambda: BonusReward(Sum(Scale(Product(Count(place), E3B(numbers)), 0.1), BeBold(place)), clip=1.0),
    "std": lambda: BonusReward(Count(place), normalise="std"),
    "return": lambda: BonusReward(global_times_episodic(place), normalise="return", gamma=0.9, clip=5.0),
}


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("mode", AutoresetMode, ids=lambda m: m.value)
def test_wrapped_batch_equals_batch_of_wrapped(mode, name, stackings_agree, walk, sync):
    stackings_agree(EXACT[name], mode, walk, sync)


@pytest.mark.parametrize("known", [False, True], ids=["before the first reset", "in the middle of something else"])
@pytest.mark.parametrize("name", [name for name in EXACT if name != "count of an entry"])
def test_state_resumes_in_mid_episode(name, known, state_resumes):
    state_resumes(EXACT[name](), EXACT[name](), known)


def test_snapshot_of_a_wrapped_game_resumes():
    def make():
        return wrap(payoff.multi_agent_vec("payoff/CorridorStar-v0", 4), BonusReward(global_times_episodic()))

    env, actions = make(), np.random.default_rng(0).integers(0, 5, (60, 4, 1))
    env.reset(seed=0)
    for action in actions[:20]:
        env.step(action)
    arrays = env.snapshot().arrays()
    other = make()
    other.reset(seed=99)
    other.restore(WrapperSnapshot.from_arrays(arrays))
    for action in actions[20:]:
        assert other.step(action)[1].tolist() == env.step(action)[1].tolist()


def test_counting_needs_no_torch():
    names = ("base", "bebold", "combine", "count", "e3b", "first_visit", "keys", "reward", "state_features", "visits")
    lines = [f"import payoff.wrappers.bonus.{name}" for name in names]
    code = "; ".join([*lines, "import sys", "assert not {'torch', 'numba'} & set(sys.modules)"])
    subprocess.run([sys.executable, "-c", code], check=True)
