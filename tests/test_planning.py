"""Play with a certain number of steps left, by hand."""

import numpy as np

import payoff
from payoff.envs import planning, registry
from payoff.envs.core.state import CLOCK

ID = "payoff/Delivery-v0"
GAME = registry.load(ID)
BOARD = ("C..G", "HHHH")  # a coin on the left, the goal on the right
LEFT, RIGHT = 2, 3


def start(max_steps, column):
    """Parameters, and the row of a start at this column of the upper row."""
    params = GAME.params(board=BOARD, max_steps=max_steps)
    env = payoff.multi_agent_vec(ID, 1, board=BOARD, max_steps=max_steps)
    env.reset(seed=0)
    row = env.engine.state[0].copy()
    layout = GAME.shape(params).layout
    row[layout.column("row")], row[layout.column("column")] = 0, column
    return params, row


def test_the_coin_or_the_goal_by_the_steps_left():
    """A step costs 1, the coin gives 1 on top, the goal pays 50: from two cells before it, two steps or more are 49.

    With one step left there is only the coin, for nothing in all; from beside the goal it is the goal at once.
    """
    params, row = start(5, 1)
    for left, value, move in ((5, 49.0, RIGHT), (2, 49.0, RIGHT), (1, 0.0, LEFT)):
        row[CLOCK] = 5 - left
        assert planning.optimum(GAME, params, row)[0] == value
        assert planning.action(GAME, params, row).tolist() == [move]
    row[CLOCK] = 5
    assert planning.optimum(GAME, params, row)[0] == 0.0  # the episode is over
    params, row = start(5, 2)
    row[CLOCK] = 4
    assert planning.optimum(GAME, params, row)[0] == 50.0
    assert planning.action(GAME, params, row).tolist() == [RIGHT]


def test_steps_to_the_first_payment_above_nothing():
    """Only the goal pays more than a step costs; further than the horizon is horizon + 1."""
    for column, steps in ((0, 3), (1, 2), (2, 1)):
        assert planning.optimum(GAME, *start(5, column))[1] == steps
    assert planning.optimum(GAME, *start(2, 0))[1] == 3


def test_a_planner_numbers_the_states_that_its_start_leads_to():
    """Four cells of the lane and no other: the coin stays, and houses and the end of the board are walls."""
    params, row = start(5, 1)
    plan = planning.Planner(GAME, params, row[None])
    assert plan.model.n_states == 4 and plan.horizon == 5
    assert plan.values.shape == (6, 4) and not plan.values[0].any()
    np.testing.assert_array_equal(plan.values[5][plan.model.initial > 0], [49.0])
