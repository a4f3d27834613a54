"""The sequential view between two moves: damaged snapshots, and refusals that leave nothing behind."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

import payoff
from payoff.game import Copy, Game, Params, Rules, Seat, Seats, State, jit, numbers, whole

TRUST = "payoff/TrustDilemma-v0"


def begun(**keywords):
    """One seat of two has moved."""
    env = payoff.aec_env(TRUST, **keywords)
    env.reset(seed=1)
    env.step(env.action_space("agent_0").sample() * 0 + 0.5)
    return env


def unchanged(env, before):
    after = env.snapshot()
    np.testing.assert_array_equal(after.raw, before.raw)
    np.testing.assert_array_equal(after.batch.state, before.batch.state)
    assert replace(after, batch=before.batch, raw=before.raw) == replace(before, raw=before.raw)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("raw", np.zeros((1, 3, 1)), "raw must be numbers of shape"),
        ("raw", None, "raw must be numbers of shape"),
        ("raw", np.full((1, 2, 1), np.nan), "action of agent_0 must be a finite number"),
        ("moved", 99, "moved must be an integer in 0 .. 1"),
        ("moved", 0.5, "moved must be an integer in 0 .. 1"),
        ("moved", -1, "moved must be an integer in 0 .. 1"),
        ("order", (1, 0), r"order must be \(0, 1\), got \(1, 0\)"),
        ("live", ("agent_99",), "live must be agents"),
        ("live", (), "rewards must be 0 numbers"),
        ("live", ("agent_1", "agent_0"), "live must be agents in the order"),
        ("rewards", (), "rewards must be 2 numbers"),
        ("rewards", (np.nan, 0.0), r"rewards\[0\] must be a number"),
        ("cumulative", ("x", "y"), r"cumulative\[0\] must be a number"),
        ("selection", "agent_99", "selection must be one of"),
        ("selection", None, "selection must be one of"),
        ("after_dead", "agent_99", "after_dead must be one of"),
        ("batch", None, "batch must be a Snapshot"),
    ],
)
def test_a_damaged_snapshot_is_refused_and_changes_nothing(part, value, message):
    env = begun()
    kept = env.snapshot()
    env.step(np.array([70.0]))
    before = env.snapshot()
    with pytest.raises(ValueError, match=message):
        env.restore(replace(kept, **{part: value}))
    unchanged(env, before)
    env.restore(kept)
    unchanged(env, kept)


def test_actions_of_another_format_stop_nobody():
    """80 of native units is no unit action, but agent_1 has not moved, so it does not matter."""
    native, unit = payoff.aec_env(TRUST), payoff.aec_env(TRUST, actions="unit")
    native.reset(seed=1)
    for _ in range(4):
        native.step(np.array([80.0]))
    unit.restore(native.snapshot())
    unit.step(np.array([0.5]))
    unit.reset(seed=2)
    unit.step(np.array([0.5]))


def test_a_refused_last_move_leaves_nothing_in_the_round():
    def broken(given):
        raise ArithmeticError("no reward")

    env = payoff.aec_env(TRUST, reward=broken)
    env.reset(seed=0)
    env.step(np.array([10.0]))
    before = env.snapshot()
    with pytest.raises(ArithmeticError, match="no reward"):
        env.step(np.array([90.0]))
    unchanged(env, before)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairParams(Params):
    """Keywords of the game below."""

    max_steps: int = 3

    @property
    def horizon(self) -> int:
        return self.max_steps


class Payer(Seat):
    """What a seat paid last."""

    paid: float = whole(0, 2)


@jit
def pay(p: PairParams, s: Copy, seats: Seats[Payer], action: Any, payoff: Any) -> bool:
    """Each seat is paid what it sends."""
    for i in range(2):
        payoff[i] = action[i]
    return False


@jit
def look(p: PairParams, s: Copy, seats: Seats[Payer], view: Any, seen: Any) -> None:
    """What each seat paid."""
    for v in range(view.shape[0]):
        seen[v, 0] = seats[view[v].seat].paid / 2.0


PAIR = Game(
    "tests/Pair-v0",
    "Two seats send 1 to 2.",
    tags=("multi_agent",),
    rules=Rules(
        params=PairParams, state=State(Copy, seats=Payer), step=pay, actions=lambda p: [[1.0, 2.0]], seats=lambda p: 2
    ),
    sight=numbers(look, ("paid",), several=True),
    draw=lambda params, s, seats: np.zeros((1, 1, 3), np.uint8),
)


def test_seats_that_cannot_send_zero_move_in_turn():
    """Bounds of [1, 2]: a seat that has not moved yet is not taken to send 0."""
    payoff.register(PAIR)
    env = payoff.aec_env(PAIR.id)
    env.reset(seed=0)
    env.step(np.array([1.5]))
    env.step(np.array([2.0]))
    assert env.rewards == {"agent_0": 1.5, "agent_1": 2.0}


def test_before_the_first_reset():
    env = payoff.aec_env(TRUST)
    for call in (lambda: env.step(np.array([1.0])), env.state):
        with pytest.raises(ResetNeeded, match="call reset"):
            call()


def test_rewards_of_an_episode_begin_at_nothing():
    """Before anybody has moved, and after the first of two moves: no round is over yet."""
    env = payoff.aec_env(TRUST)
    env.reset(seed=1)
    nothing = dict.fromkeys(env.possible_agents, 0.0)
    assert env.rewards == nothing
    env.step(np.array([50.0], dtype=np.float32))
    assert env.rewards == nothing
    env.step(np.array([50.0], dtype=np.float32))
    assert all(value > 0.0 for value in env.rewards.values())
