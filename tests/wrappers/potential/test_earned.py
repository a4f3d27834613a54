"""What an episode earned as a potential: no return changes, so a wrong bonus changes no optimum."""

import itertools

import gymnasium as gym
import numpy as np
import pytest

from payoff.wrappers import BonusReward, CaptionBonus, Count, EarnedPotential, LabelRetrieval, captions_from_info, wrap
from payoff.wrappers.llm.labellers import InOrder, ScriptedLabeller

GAMMA = 0.9
LENGTH = 7


class Street(gym.Env):
    """Four cells, a bell at one end and the goal, worth 1, at the other; reports texts."""

    observation_space = gym.spaces.Discrete(4)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.steps = 1, 0
        return self.at, {}

    def step(self, action):
        text = "rang the bell" if action == 0 and self.at == 0 else "walked"
        self.at, self.steps = max(0, self.at + (1 if action else -1)), self.steps + 1
        over = self.at == 3
        text = "reached the goal" if over else text
        return self.at, float(over), over or self.steps == LENGTH, False, {"caption": text}


def bell():
    """A labeller that is wrong: it says that the bell helps."""
    return CaptionBonus(
        captions_from_info(), LabelRetrieval(ScriptedLabeller(InOrder(("rang the bell",))), "reach it"), beta=0.0
    )


def returns(env):
    """Discounted return of every way to act, by its actions: all policies that do not draw."""
    found = {}
    for actions in itertools.product((0, 1), repeat=LENGTH):
        env.reset(seed=0)
        total = 0.0
        for t, action in enumerate(actions):
            _, reward, terminated, _, _ = env.step(action)
            total += GAMMA**t * reward
            if terminated:
                break
        found[actions[: t + 1]] = total
    return found


def best(found):
    top = max(found.values())
    return {actions for actions, value in found.items() if value > top - 1e-9}


def test_no_policy_gains_and_added_raw_the_wrong_label_is_farmed():
    own = returns(Street())
    assert best(own) == {(1, 1)} and own[1, 1] == GAMMA
    potential = returns(wrap(Street(), EarnedPotential(bell(), gamma=GAMMA, on_truncation="terminal", coef=5.0)))
    assert potential.keys() == own.keys()
    assert max(abs(potential[actions] - own[actions]) for actions in own) < 1e-12
    raw = returns(wrap(Street(), BonusReward(bell(), on_terminal=True)))
    assert best(raw) == {(0,) * LENGTH}  # one step to the end of the street, and six rings
    assert raw[(0,) * LENGTH] == pytest.approx(sum(GAMMA**t for t in range(1, LENGTH)))


def test_what_is_paid_and_taken_back():
    """By hand: coef 2, gamma 0.5; the bell rings at steps 1 and 2, then the walk to the goal."""
    env = wrap(Street(), EarnedPotential(bell(), gamma=0.5, on_truncation="bootstrap", coef=2.0))
    env.reset(seed=0)
    rewards = [env.step(action)[1] for action in (0, 0, 0, 1, 1, 1)]
    # Phi: 0 0 2 4 4 4 0
    assert rewards == [0.0, 1.0, 0.0, -2.0, -2.0, 1.0 - 4.0]


@pytest.mark.parametrize("ending", ["bootstrap", "terminal"])
def test_a_truncated_episode_keeps_or_gives_back(walk, ending):
    """The sum over an episode is gamma^N Phi_N - Phi_0, with the Phi_N that the ending says."""
    for seed in range(40):
        env = wrap(walk(), EarnedPotential(Count(), gamma=GAMMA, on_truncation=ending))
        env.reset(seed=seed)
        rng = np.random.default_rng(seed)
        total, t, over, bonuses = 0.0, 0, False, 0.0
        other = wrap(walk(), BonusReward(Count(), on_terminal=True))
        other.reset(seed=seed)
        while not over:
            action = rng.integers(0, 3)
            _, _, terminated, truncated, info = env.step(action)
            bonuses += other.step(action)[4]["reward_terms"]["bonus"]
            total, t, over = total + GAMMA**t * info["reward_terms"]["shaping"], t + 1, terminated or truncated
        zero = terminated or ending == "terminal"
        assert total == pytest.approx(0.0 if zero else GAMMA**t * bonuses, abs=1e-12)


def test_layers_stack(stacks_equal):
    stacks_equal(lambda: EarnedPotential(Count(per_row=True), gamma=GAMMA, on_truncation="bootstrap"))


def test_a_bonus_is_needed():
    with pytest.raises(TypeError, match="bonus must be a Bonus, got int"):
        EarnedPotential(3, gamma=GAMMA, on_truncation="terminal")
