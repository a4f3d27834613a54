"""Sudoku: every puzzle has one solution, by a solver that knows nothing of the bank; and the rules of a step."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.certifying import random_play
from payoff.envs.mdp import from_rows
from payoff.envs.sparse import sudoku
from payoff.envs.sparse.sudoku import BOXES, EVENT, SudokuParams
from payoff.envs.sparse.sudoku_bank import BANK, GIVEN
from payoff.envs.theory import tabular

ID = "payoff/Sudoku-v0"
GAME = registry.load(ID)


def layout(size):
    return GAME.shape(SudokuParams(size=size)).layout


def oracle_action_set(params, row):
    return sudoku.oracle_action_set(params, *layout(params.size).open(row))


def lines(size):
    """Rows, columns and boxes, as lists of cells."""
    height, width = BOXES[size]
    cell = np.arange(size * size).reshape(size, size)
    boxes = [cell[y : y + height, x : x + width].ravel() for y in range(0, size, height) for x in range(0, size, width)]
    return [*cell, *cell.T, *boxes]


def solutions(size, puzzle, most=2):
    """Up to ``most`` solutions: the cell with the fewest digits left is tried first."""
    peers = [set().union(*(set(line.tolist()) for line in lines(size) if c in line)) - {c} for c in range(size**2)]
    grid, found = list(puzzle), []

    def search():
        blank = [c for c in range(size**2) if grid[c] == 0]
        if not blank:
            found.append(tuple(grid))
            return
        left = {c: set(range(1, size + 1)) - {grid[p] for p in peers[c]} for c in blank}
        cell = min(blank, key=lambda c: len(left[c]))
        for digit in sorted(left[cell]):
            if len(found) < most:
                grid[cell] = digit
                search()
        grid[cell] = 0

    search()
    return found


def starts(count, **words):
    env = payoff.multi_agent_vec(ID, count, **words)
    env.reset(seed=0)
    rows, size = env.engine.state.copy(), words["size"]
    return rows, *(layout(size).view(rows, name).astype(int) for name in ("grid", "solution", "clue"))


def is_valid(size, grid):
    return all(sorted(grid[line]) == list(range(1, size + 1)) for line in lines(size))


@pytest.mark.parametrize("size", BOXES)
def test_every_puzzle_of_the_bank_has_one_solution(size):
    assert BANK[size].shape == (12, 2, size * size)
    for puzzle, solution in BANK[size].astype(int):
        assert (puzzle > 0).sum() == GIVEN[size] and is_valid(size, solution)
        assert solutions(size, puzzle.tolist()) == [tuple(solution.tolist())]
    assert len(np.unique(BANK[size][:, 0], axis=0)) == 12


@pytest.mark.parametrize(("size", "clues"), [(4, 4), (4, 9), (6, 8), (6, 20), (9, 24), (9, 40)])
def test_every_start_has_one_solution(size, clues):
    _, grids, answers, given = starts(25, size=size, clues=clues)
    for grid, answer, clue in zip(grids, answers, given, strict=True):
        assert (clue == (grid > 0)).all() and clue.sum() == clues
        assert solutions(size, grid.tolist()) == [tuple(answer.tolist())]
        assert is_valid(size, answer)
    assert len({grid.tobytes() for grid in grids}) == 25


def test_shuffles_reach_every_grid():
    """There are 288 grids of size 4, and every cell is a clue at some time."""
    _, grids, answers, _ = starts(20_000, size=4, clues=4)
    assert len(np.unique(answers, axis=0)) == 288
    assert (grids > 0).any(axis=0).all()


def test_steps_are_right_wrong_or_useless():
    for wrong in ("ends", "refused"):
        env = gym.make(ID, wrong=wrong, clues=5)
        draw, seen = np.random.default_rng(0), set()
        for seed in range(60):
            _, info = env.reset(seed=seed)
            row = env.unwrapped.engine.state[0]
            grid = layout(4).view(row[None], "grid")[0].astype(int).copy()
            (answer,) = solutions(4, grid.tolist())
            assert GAME.captions[info["caption"]] == "the episode began"
            ended = False
            while not ended:
                right = oracle_action_set(SudokuParams(), row)
                expected = [4 * c + answer[c] - 1 for c in range(16) if grid[c] == 0]
                assert right.tolist() == expected
                action = int(draw.choice(right)) if draw.random() < 0.9 else int(draw.integers(64))
                cell, digit = action // 4, action % 4 + 1
                before = sum((grid[line] > 0).all() for line in lines(4))
                _, reward, terminated, truncated, info = env.step(action)
                if grid[cell]:
                    caption, over = "chose a cell that was full already", False
                elif digit != answer[cell]:
                    over = wrong == "ends"
                    caption = "wrote a wrong digit, which ended the episode" if over else "was refused a wrong digit"
                else:
                    grid[cell] = digit
                    over = (grid > 0).all()
                    more = sum((grid[line] > 0).all() for line in lines(4)) > before
                    caption = "completed a row, column or box" if more else "wrote the right digit"
                    caption = "solved the puzzle" if over else caption
                assert (GAME.captions[info["caption"]], terminated) == (caption, over)
                assert reward == float(caption == "solved the puzzle")
                assert layout(4).view(row[None], "grid")[0].tolist() == grid.tolist()
                checks = [(grid[line] > 0).all() for line in lines(4)]
                assert info["checks"].tolist() == checks + [True] * 15
                assert info["progress"] == pytest.approx(((grid > 0).sum() - 5) / 11)
                seen.add(caption)
                ended = terminated or truncated
        assert len(seen) == 5
    assert len(EVENT.captions) == 7


def test_auxiliary_rewards():
    for aux in ("none", "oracle", "checks"):
        env = gym.make(ID, size=6, aux=aux, wrong="refused")
        env.reset(seed=3)
        row, given, ended = env.unwrapped.engine.state[0], [], False
        blank = int(layout(6).view(row[None], "blank")[0])
        while not ended:
            (right, *_) = oracle_action_set(SudokuParams(size=6), row).tolist()
            wrong = right - 1 if right % 6 else right + 1
            assert env.step(wrong)[4]["aux"] == 0.0
            _, reward, ended, _, info = env.step(right)
            given.append(info["aux"])
            assert reward == info["payoff"][0] == float(ended)
        assert sum(given) == pytest.approx({"none": 0, "oracle": blank, "checks": 1}[aux])


def test_random_play_solves_n_blanks_with_the_nth_power_of_one_digit():
    params = SudokuParams(clues=12)
    rows, *_ = starts(3, size=4, clues=12)
    model = from_rows(GAME, params, rows)
    solved = tabular.success_probability(model, tabular.uniform_policy(model), 3000)[model.initial > 0]
    np.testing.assert_allclose(solved, 4.0**-4, rtol=1e-9)
    np.testing.assert_array_equal(tabular.finite_horizon(model, None, 4)[model.initial > 0], 1.0)
    np.testing.assert_array_equal(tabular.finite_horizon(model, None, 3)[model.initial > 0], 0.0)
    within = tabular.success_probability(model, tabular.uniform_policy(model), params.horizon)[0]
    easy, medium, hard, _ = payoff.certificate(ID).levels
    assert easy.random_success.mean == pytest.approx(within, abs=5 * easy.random_success.standard_error)
    assert 4.0**-10 < 1e-3 and 9.0**-49 < 1e-3
    assert medium.random_success.mean <= 5e-4 and hard.random_success.mean == 0.0
    refused = random_play(GAME, dataclasses.replace(params, wrong="refused", max_steps=2000), 20)
    assert all(GAME.success(params, episode) for episode in refused)  # 4 blanks, 64 actions


def test_optimum_counts_blank_cells_against_steps():
    for steps, value in ((10, 1.0), (9, 0.0)):
        params = SudokuParams(clues=6, max_steps=steps)
        rows, *_ = starts(1, size=4, clues=6, max_steps=steps)
        assert GAME.optimum(params, rows[0]) == (value, 10)


def test_observations_show_the_grid():
    for size in BOXES:
        rows, grids, *_ = starts(5, size=size)
        seen = {name: payoff.multi_agent_vec(ID, 5, size=size, observe=name) for name in ("full", "private", "minimal")}
        for env in seen.values():
            env.reset(seed=0)
        planes = seen["full"].engine.look(rows)[:, 0].reshape(5, size, size * size)
        np.testing.assert_array_equal(planes, np.stack([grids == d for d in range(1, size + 1)], axis=1))
        for name in ("private", "minimal"):
            np.testing.assert_allclose(seen[name].engine.look(rows)[:, 0], grids / size, atol=1e-7)


def test_what_is_refused():
    for words, message in (
        ({"size": 5}, "size must be one of 4, 6, 9, got 5"),
        ({"size": 9, "clues": 23}, r"clues must be an integer in 24 \.\. 80, got 23"),
        ({"wrong": "stays"}, "wrong must be one of 'ends', 'refused', got 'stays'"),
        ({"aux": "belief_log"}, "aux must be one of 'none', 'oracle', 'checks', got 'belief_log'"),
    ):
        with pytest.raises(ValueError, match=message):
            SudokuParams(**words)
    with pytest.raises(ValueError, match=r"size must be the same in all copies of a batch, got \[4, 9\]"):
        payoff.multi_agent_vec(ID, 2, size=[4, 9])


def test_picture_shows_clues_dark_and_digits_written_blue():
    env = gym.make(ID, render_mode="rgb_array", clues=5)
    env.reset(seed=0)
    row = env.unwrapped.engine.state[0]
    blue, ink, red = (0, 114, 178), (40, 44, 52), (213, 94, 0)

    def colours():
        return {tuple(c) for c in env.render().reshape(-1, 3).tolist()}

    assert ink in colours() and blue not in colours()
    env.step(int(oracle_action_set(SudokuParams(), row)[0]))
    assert {ink, blue} < colours() and red not in colours()
    right = int(oracle_action_set(SudokuParams(), row)[0])
    env.step(right - 1 if right % 4 else right + 1)
    assert red in colours()
