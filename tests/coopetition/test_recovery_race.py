"""RecoveryRace: the race that cannot be won, its recursion and its end."""

import numpy as np
import pytest

import payoff
from tests.coopetition import stage

RACE = "payoff/RecoveryRace-v0"


def test_race_cannot_be_won_at_the_defaults():
    """Unbroken cooperation of 150 steps: mean trust 0.873455 under a ceiling of 0.889274."""
    steps = list(stage.episode(RACE, (100, 100), 200))
    terminated, truncated, info = steps[-1]
    assert (len(steps), terminated, truncated) == (150, False, True)
    assert info["mean_trust"][0] == pytest.approx(0.873455, abs=6e-7)
    assert info["trust_ceiling"][0] == pytest.approx(0.889274, abs=6e-7)
    assert info["recovery_progress"][0] == pytest.approx(0.959162, abs=6e-7)
    assert info["peak_trust"][0] == pytest.approx(0.873455, abs=6e-7) and np.isnan(info["recovery_step"][0])


@pytest.mark.parametrize(("target", "step"), [(0.85, 134), (0.87, 148), (0.90, 174)])
def test_race_is_won_at_the_step_of_the_target(target, step):
    steps = list(stage.episode(RACE, (100, 100), 300, recovery_target=target, max_steps=300))
    assert len(steps) == step and [terminated for terminated, *_ in steps] == [False] * (step - 1) + [True]
    info = steps[-1][2]
    assert info["recovery_step"][0] == step and info["recovery_progress"][0] >= 1
    assert np.isnan(steps[-2][2]["recovery_step"][0])


def test_race_follows_its_recursion():
    """T <- T + 0.08 (1 - R - T), R <- 0.99 R, so T stays below 1 - 0.5 (0.99)^(t - 1), which is 0.90 at t = 162."""
    trust, damage = 0.25, 0.5
    for t, (*_, info) in enumerate(stage.episode(RACE, (100, 100), 150), start=1):
        trust, damage = trust + 0.08 * (1 - damage - trust), 0.99 * damage
        assert info["mean_trust"][0] == pytest.approx(trust, abs=1e-12)
        assert trust < 1 - 0.5 * 0.99 ** (t - 1)
    assert 1 - 0.5 * 0.99**160 < 0.90 < 1 - 0.5 * 0.99**161


def test_race_remembers_its_peak_and_never_fails():
    env = payoff.multi_agent_vec(RACE, 1, info="published", autoreset_mode="disabled")
    env.reset(seed=0)
    trust = []
    for level in [100] * 20 + [0] * 130:
        _, _, terminated, truncated, info = env.step(np.full((1, 2, 1), float(level)))
        trust.append(info["mean_trust"][0])
        assert info["peak_trust"][0] == pytest.approx(max(0.25, *trust), abs=1e-12)
    assert truncated[0] and not terminated[0] and trust[-1] < 1e-6 < 0.4 < trust[19]
    assert env.reset()[1]["peak_trust"][0] == 0.25


def test_race_that_starts_at_its_target():
    terminated, _, info = next(stage.episode(RACE, (100, 100), 3, initial_trust=0.6, recovery_target=0.6))
    assert not terminated and info["mean_trust"][0] == 0.5  # clipped at the ceiling 1 - 0.5
    assert np.isnan(info["recovery_progress"][0])
    steps = list(
        stage.episode(
            RACE, (100, 100), 3, initial_trust=0.6, initial_reputation_damage=0.0, recovery_target=0.6, max_steps=1
        )
    )
    assert steps[0][:2] == (True, True)  # both at once
