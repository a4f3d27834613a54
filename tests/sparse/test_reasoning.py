"""What the reasoning games share, and their compiled functions against their source."""

import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.params import check_word
from payoff.envs.core.state import HEADER, OVER
from payoff.envs.sparse.reasoning import draw_digit

GAMES = {
    "Minesweeper": {"size": 4, "mines": 4, "aux": "oracle"},
    "Sudoku": {"size": 6, "aux": "checks", "wrong": "refused"},
    "TwentyQuestions": {"hypotheses": 6, "features": 4, "aux": "belief_log"},
    "NoisyTesting": {"hypotheses": 4, "tests": 3, "aux": "belief_prob"},
}


@pytest.mark.parametrize("name", GAMES)
def test_compiled_functions_do_what_their_source_says(name):
    env = payoff.multi_agent_vec(f"payoff/{name}-v0", 40, autoreset_mode="same_step", **GAMES[name])
    env.reset(seed=0)
    game, draw = registry.load(f"payoff/{name}-v0"), np.random.default_rng(0)
    layout, start, step, look = env.engine.shape.layout, game.rules.start, game.rules.step, game.sight.look
    p, *tables = (table[0] for table in game.pack(env.engine.rows))
    source = [table.view(np.recarray) if table.dtype.names else table for table in tables]
    for _ in range(4):
        for row in env.engine.state.copy():
            again, payoffs = row.copy(), np.zeros((2, 1))
            compiled, plain = layout.open(row), layout.open(again)
            action = np.array([float(draw.integers(env.num_actions))])
            with np.errstate(over="ignore"):
                ended = step(p, *tables, *compiled, action, payoffs[0])
                assert ended == step.py_func(p, *source, *plain, action, payoffs[1])
                np.testing.assert_allclose(again, row, rtol=1e-14)
                assert payoffs[0] == payoffs[1]
                for setting in game.observations:
                    plan = game.plan(env.engine.rows, [0], setting)
                    seen, seen_again = np.zeros((2, len(plan.names)), dtype=np.float32)
                    look(p, *tables, *compiled, plan.table[0], seen)
                    look.py_func(p, *source, *plain, plan.table.view(np.recarray)[0], seen_again)
                    np.testing.assert_allclose(seen_again, seen, rtol=1e-6)
                row[HEADER:] = 0.0
                again[...] = row
                start(p, *tables, *compiled)
                start.py_func(p, *source, *plain)
                np.testing.assert_allclose(again, row, rtol=1e-14)
        env.step(draw.integers(env.num_actions, size=(40, 1)))


@pytest.mark.parametrize("name", GAMES)
def test_an_episode_that_is_over_has_nothing_left(name):
    words = {**GAMES[name], "aux": "none"}
    game = registry.load(f"payoff/{name}-v0")
    env = payoff.multi_agent_vec(game.id, 1, autoreset_mode="disabled", **words)
    env.reset(seed=0)
    row = env.engine.state[0]
    assert game.optimum(env.engine.rows[0], row)[0] > 0.0
    while row[OVER] == 0.0:
        env.step(game.policy(env.engine.rows[0], row)[None, None])
    assert game.optimum(env.engine.rows[0], row)[0] == 0.0


def test_digits_can_be_told_apart():
    pictures = []
    for digit in range(10):
        picture = np.zeros((10, 6, 3), dtype=np.uint8)
        draw_digit(picture, 0, 0, 2, digit, (255, 0, 0))
        assert not picture[..., 1:].any()
        pictures.append(picture[::2, ::2, 0].tobytes())
    assert len(set(pictures)) == 10
    seven = np.frombuffer(pictures[7], dtype=np.uint8).reshape(5, 3) > 0
    assert seven.tolist() == [[True] * 3] + [[False, False, True]] * 4


def test_words():
    check_word("aux", "none", ("none",))
    for bad in ("some", None, ["none"]):
        with pytest.raises(ValueError, match="aux must be one of 'none', got"):
            check_word("aux", bad, ("none",))
