"""Delivery against an independent reading of its rules, and by values worked out by hand."""

import itertools

import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.params import record
from payoff.envs.core.state import CLOCK, OVER
from payoff.envs.sparse import delivery
from payoff.envs.sparse.delivery import FEATURES, DeliveryParams, Observe
from payoff.envs.sparse.delivery_boards import CODES, DEFAULT_BOARD
from payoff.envs.theory import tabular

ID = "payoff/Delivery-v0"
GAME = registry.load(ID)
LAYOUT = GAME.shape(DeliveryParams()).layout
MOVES = [(-1, 0), (1, 0), (0, -1), (0, 1)]
WEIGHTS = {"gas": -1, "goal": 50, "sheep": -50, "coin": 1, "roadblock": -1, "brick": -2}
RANDOM = {"layout": "random", "height": 6, "width": 7, "sheep": 0.2, "coins": 0.2, "bricks": 0.3}
SMALL = ("..C", ",HS", "Rcg", "...")


def play(board, cell, action):
    """The rules once more: next cell, features by name, whether the episode ends. No risky cells."""
    y, x = cell[0] + MOVES[action][0], cell[1] + MOVES[action][1]
    inside = 0 <= y < len(board) and 0 <= x < len(board[0])
    held = not inside or board[y][x] in "Hh"
    if held:
        y, x = cell
    here = board[y][x]
    if here in "Gg":
        return (y, x), {"goal"}, True
    if here in "Ss":
        return (y, x), {"sheep"}, True
    features = {"brick" if here in ",cr" else "gas"}
    if not held:
        features |= {"coin"} if here in "Cc" else {"roadblock"} if here in "Rr" else set()
    return (y, x), features, False


def best(board, horizon):
    """Dynamic programming in plain Python: cell -> best return within the horizon, of cells to start from."""
    cells = [c for c in itertools.product(range(len(board)), range(len(board[0]))) if board[c[0]][c[1]] in ".CR,cr"]
    value = dict.fromkeys(cells, 0.0)
    for _ in range(horizon):
        after = {}
        for cell in cells:
            options = [play(board, cell, a) for a in range(4)]
            after[cell] = max(
                sum(WEIGHTS[f] for f in features) + (0.0 if end else value[to]) for to, features, end in options
            )
        value = after
    return value


def characters(row, params):
    height, width = params.rows, params.columns
    codes = LAYOUT.view(row[None], "board")[0, : height * width].reshape(height, width).astype(int)
    return ["".join(CODES[c] for c in line) for line in codes]


def cell_of(row):
    return tuple(int(row[LAYOUT.column(name)]) for name in ("row", "column"))


def at(row, cell):
    row = row.copy()
    row[[LAYOUT.column("row"), LAYOUT.column("column")]] = cell
    return row


def first(params, seed=0, **keywords):
    env = payoff.multi_agent_vec(ID, 1, **keywords)
    env.reset(seed=seed)
    return env.engine.state[0].copy()


@pytest.mark.parametrize("keywords", [{}, {"board": SMALL}, RANDOM], ids=["default", "small", "random"])
def test_random_play_follows_the_rules(keywords):
    params = DeliveryParams(**keywords)
    env = payoff.multi_agent_vec(ID, 32, autoreset_mode="same_step", **keywords)
    env.reset(seed=0)
    draw = np.random.default_rng(0)
    met = set()
    for _ in range(150):
        before = env.engine.state.copy()
        actions = draw.integers(0, 4, (32, 1))
        _, reward, terminated, _, info = env.step(actions)
        last = np.where(info.get("_final_info", np.zeros(32, bool))[:, None], env.engine.last, env.engine.state)
        for b in range(32):
            to, features, end = play(characters(before[b], params), cell_of(before[b]), actions[b, 0])
            assert cell_of(last[b]) == to and terminated[b] == end
            assert reward[b, 0] == sum(WEIGHTS[f] for f in features)
            met |= features
    assert met == set(WEIGHTS)


def test_vector_of_features_times_weights_is_the_payoff():
    weights = (-1.5, 40.0, -30.0, 2.0, -4.0, -0.5)
    env = payoff.multi_agent_vec(ID, 16, weights=weights)
    env.reset(seed=1)
    draw = np.random.default_rng(0)
    for _ in range(100):
        restarts = env.engine.state[:, OVER] != 0
        _, _, _, _, info = env.step(draw.integers(0, 4, (16, 1)))
        vector = info["reward_vector"]
        assert vector.shape == (16, len(FEATURES))
        np.testing.assert_allclose(vector @ [*weights, 50.0], info["payoff"][:, 0])
        assert not vector[restarts].any()


@pytest.mark.parametrize("board", [SMALL, DEFAULT_BOARD], ids=["small", "default"])
def test_optimum_is_that_of_plain_dynamic_programming(board):
    params = DeliveryParams(board=board, max_steps=30)
    row = first(params, board=board, max_steps=30)
    for cell, value in best(board, 30).items():
        assert GAME.optimum(params, at(row, cell))[0] == pytest.approx(value, abs=1e-9)
    late = at(row, min(best(board, 30)))
    late[CLOCK] = 27
    assert GAME.optimum(params, late)[0] == pytest.approx(best(board, 3)[min(best(board, 30))], abs=1e-9)


def test_default_board_is_the_one_played():
    assert characters(first(DeliveryParams()), DeliveryParams()) == list(DEFAULT_BOARD)


def test_values_by_hand():
    """On "..G" over a lane of bricks: one step of gas, then the goal; the start cells are the five others."""
    board = ("..G", ",,,")
    params = DeliveryParams(board=board)
    row = first(params, board=board)
    expected = {(0, 0): 49, (0, 1): 50, (1, 0): 48, (1, 1): 49, (1, 2): 50}
    assert {cell: GAME.optimum(params, at(row, cell))[0] for cell in expected} == expected
    assert GAME.optimum(params, at(row, (0, 0)))[1] == 2
    model = payoff.as_mdp(ID, starts=range(100), board=board)
    assert (model.initial > 0).sum() == 5 and model.n_states == 6


def test_discounted_values_by_hand():
    """Two cells from the goal: gamma 50 - 1; the bump into the house pays the surface and stays."""
    board = ("..G", "HH.")
    model = payoff.as_mdp(ID, starts=range(50), board=board)
    values = tabular.value_iteration(model, 0.9).values
    cells = [cell_of(row) for row in model.states]
    assert values[cells.index((0, 0))] == pytest.approx(0.9 * 50 - 1)
    s = cells.index((0, 0))
    assert model.next_state[s, 1, 0] == s and model.reward[s, 1, 0] == -1.0
    assert cells.count((1, 2)) == 1 and values[cells.index((1, 2))] == pytest.approx(50.0)


def test_a_risky_cell_is_a_fair_coin_that_is_taken_when_it_is_worth_it():
    board = ("?..", "HHG")
    for win, value in ((200.0, 75.0), (50.0, 48.0)):  # (200 - 50) / 2; or two steps of gas and the goal
        params = DeliveryParams(board=board, win=win)
        row = at(first(params, board=board, win=win), (0, 1))
        assert GAME.optimum(params, row)[0] == pytest.approx(value if win == 200.0 else 49.0)
        assert GAME.policy(params, row) == (2.0 if win == 200.0 else 3.0)
    model = payoff.as_mdp(ID, starts=range(20), board=board, win=200.0)
    assert model.probability.shape[2] == 2
    env = payoff.multi_agent_vec(ID, 4000, board=board, win=200.0, autoreset_mode="disabled")
    env.reset(seed=0)
    env.engine.state[:] = np.where(np.arange(env.engine.state.shape[1]) < 5, env.engine.state, row)
    _, reward, terminated, _, info = env.step(np.full((4000, 1), 2))
    assert terminated.all() and set(np.unique(reward)) == {-50.0, 200.0}
    assert abs((reward == 200.0).mean() - 0.5) < 4 * 0.5 / np.sqrt(4000)
    np.testing.assert_array_equal(info["reward_vector"][:, 6], reward[:, 0] == 200.0)


def reachable(board):
    height, width = len(board), len(board[0])
    queue = [(y, x) for y in range(height) for x in range(width) if board[y][x] in "Gg"]
    found = set()
    for y, x in queue:
        for dy, dx in MOVES:
            to = (y + dy, x + dx)
            if 0 <= to[0] < height and 0 <= to[1] < width and to not in found and board[to[0]][to[1]] in ".CR,cr":
                found.add(to)
                queue.append(to)
    return found


def test_random_boards_have_a_way_and_the_shares_asked_for():
    keywords = {**RANDOM, "risky": 0.1, "roadblocks": 0.5, "height": 12, "width": 11}
    params = DeliveryParams(**keywords)
    env = payoff.multi_agent_vec(ID, 400, **keywords)
    env.reset(seed=0)
    boards = [characters(row, params) for row in env.engine.state]
    for board, row in zip(boards, env.engine.state, strict=True):
        assert sum(line.count("G") + line.count("g") for line in board) == 1
        assert cell_of(row) in reachable(board)
    cells = "".join(itertools.chain(*boards))
    n, others = len(cells), len(cells) - 400
    for kinds, share in (("Ss", 0.2), ("?", 0.1), ("Rr", 0.7 * 0.5), ("Cc", 0.7 * 0.5 * 0.2)):
        count = sum(cells.count(k) for k in kinds)
        assert abs(count / others - share) < 5 * np.sqrt(share / n) + 0.004  # boards without a way are drawn again
    assert len({tuple(board) for board in boards}) == 400


def test_a_seed_gives_the_same_board():
    rows = [first(DeliveryParams(**RANDOM), seed=5, **RANDOM) for _ in range(2)]
    assert rows[0].tobytes() == rows[1].tobytes()


def test_observations_by_hand():
    board = tuple(tuple(CODES.index(c) for c in line) for line in SMALL)  # codes do as well as characters
    env = payoff.multi_agent_vec(ID, 1, board=board, observe=Observe(clock=True))
    env.reset(seed=0)
    env.engine.state[0] = at(env.engine.state[0], (2, 1))
    seen = env.engine.look()[0, 0]
    codes = [CODES.index(c) / 13 for c in "".join(SMALL)]
    np.testing.assert_allclose(seen, [2 / 3, 1 / 2, *codes, 0.0], rtol=1e-6)
    window = payoff.multi_agent_vec(ID, 1, board=SMALL, observe="private")
    window.reset(seed=0)
    window.engine.state[0] = env.engine.state[0]
    seen = window.engine.look()[0, 0].reshape(5, 5)
    assert (seen[:, [0, 4]] == 1.0).all() and (seen[4] == 1.0).all()  # outside the board
    np.testing.assert_allclose(seen[:4, 1:4].ravel(), codes, rtol=1e-6)


def test_copies_of_several_sizes_share_a_batch():
    env = payoff.multi_agent_vec(ID, 2, layout="random", height=[3, 5], width=[6, 4])
    obs, _ = env.reset(seed=0)
    assert obs.shape == (2, 1, 2 + 5 * 6)
    first_board, second = obs[:, 0, 2:].reshape(2, 5, 6)
    assert (first_board[3:] == 1.0).all() and (first_board[:3] < 1.0).all()
    assert (second[:, 4:] == 1.0).all() and (second[:, :4] < 1.0).all()


def test_every_caption_can_happen():
    seen = set()
    for keywords in ({}, {"layout": "random", "risky": 0.2, "roadblocks": 0.3, "bricks": 0.5}):
        env = payoff.multi_agent_vec(ID, 64, **keywords)
        _, info = env.reset(seed=0)
        seen |= set(info["caption"])
        for _ in range(200):
            _, _, _, _, info = env.step(np.random.default_rng(len(seen)).integers(0, 4, (64, 1)))
            seen |= set(info["caption"])
    assert seen == set(range(len(GAME.captions)))


def test_compiled_step_does_what_its_source_says():
    params = DeliveryParams(layout="random", risky=0.2)
    p, tables = record(params), [table[0] for table in GAME.pack([params])[1:]]
    env = payoff.multi_agent_vec(ID, 50, layout="random", risky=0.2)
    env.reset(seed=0)
    for row in env.engine.state.copy():
        again, paid = row.copy(), np.zeros((2, 1))
        for move in (0, 3, 1, 2):
            action = np.array([float(move)])
            ended = delivery.step(p, *tables, *LAYOUT.open(row), action, paid[0])
            with np.errstate(over="ignore"):
                assert ended == delivery.step.py_func(p, *tables, *LAYOUT.open(again), action, paid[1])
            assert row.tobytes() == again.tobytes() and paid[0].tobytes() == paid[1].tobytes()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"layout": "given"}, "layout must be one of 'default', 'random'"),
        ({"board": ("..G",)}, "board must be a tuple of 2"),
        ({"board": ("..G", "..")}, "board must be a tuple of 2"),
        ({"board": ("..X", "..G")}, "board must be a tuple of 2"),
        ({"board": ((0, 1), (0, 13))}, "board must be a tuple of 2"),
        ({"board": ("..", "..")}, "board must hold a goal and a cell to start in"),
        ({"board": ("GH", "HS")}, "board must hold a goal and a cell to start in"),
        ({"sheep": 0.9}, r"sheep must be a number in \[0, 0.8\]"),
        ({"sheep": 0.5, "risky": 0.5}, "sheep \\+ risky must be at most 0.8, got 1"),
        ({"weights": (1.0, 2.0)}, "weights must be 6 numbers"),
        ({"weights": (1.0, 2.0, 3.0, 4.0, 5.0, "x")}, r"weights \(brick\) must be a number"),
        ({"height": 16}, r"height must be an integer in 2 \.\. 15"),
        ({"max_steps": 0}, "max_steps must be an integer at least 1"),
    ],
)
def test_bad_parameter_is_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        DeliveryParams(**keywords)
