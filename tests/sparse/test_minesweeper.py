"""Minesweeper against layouts listed one by one, and its optimum against a search without any shortcut."""

import functools
import itertools
import math

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import CLOCK
from payoff.envs.sparse import minesweeper
from payoff.envs.sparse.minesweeper import EVENT, MinesweeperParams, Observe

ID = "payoff/Minesweeper-v0"
GAME = registry.load(ID)


def opened(params, row):
    return GAME.shape(params).layout.open(row)


def oracle_action_set(params, row):
    return minesweeper.oracle_action_set(params, *opened(params, row))


def posterior(params, row):
    return minesweeper.posterior(params, *opened(params, row))


def around(size, cell):
    y, x = divmod(cell, size)
    near = itertools.product(range(max(y - 1, 0), min(y + 2, size)), range(max(x - 1, 0), min(x + 2, size)))
    return {v * size + u for v, u in near} - {cell}


def field(params, row, name):
    return GAME.shape(params).layout.view(row[None], name)[0]


def row_with(params, shown):
    """A state row in which these cells are open and show these numbers."""
    env = payoff.multi_agent_vec(ID, 1, size=params.size, mines=params.mines, aux=params.aux)
    env.reset(seed=0)
    row = env.engine.state[0].copy()
    for cell, number in shown.items():
        field(params, row, "shown")[cell] = number
    return row


def fitting(size, mines, shown):
    """Every layout that fits what is shown, as sets of cells."""
    found = []
    for chosen in itertools.combinations(range(size * size), mines):
        mined = set(chosen)
        if all(c not in mined and len(mined & around(size, c)) == n for c, n in shown.items()):
            found.append(mined)
    return found


def play(params, seed, choose):
    """States ``(row, action, caption, aux)`` of an episode; ``choose(row)`` names the cell."""
    words = {"size": params.size, "mines": params.mines, "aux": params.aux, "first_safe": params.first_safe}
    env = gym.make(ID, **words, max_steps=params.max_steps)
    env.reset(seed=seed)
    ended, steps = False, []
    while not ended:
        row = env.unwrapped.engine.state[0].copy()
        action = int(np.ravel(choose(row))[0])
        _, reward, terminated, truncated, info = env.step(action)
        steps.append((row, action, GAME.captions[info["caption"]], info["aux"]))
        assert reward == info["payoff"][0] == float(GAME.captions[info["caption"]] == "opened the last free cell")
        ended = terminated or truncated
    return steps, env.unwrapped.engine.state[0].copy()


def shown_in(params, row):
    return {c: int(n) for c, n in enumerate(field(params, row, "shown")) if n >= 0}


def test_posterior_of_two_small_boards():
    """One mine, the centre shows 1: an eighth each. Two, a corner shows 1: a third beside it, a fifth elsewhere."""
    params = MinesweeperParams(size=3, mines=1)
    expected = np.full((3, 3), 0.125)
    expected[1, 1] = 0.0
    np.testing.assert_allclose(posterior(params, row_with(params, {4: 1})), expected, atol=1e-15)
    params = MinesweeperParams(size=3, mines=2)
    expected = np.array([[0, 1 / 3, 0.2], [1 / 3, 1 / 3, 0.2], [0.2, 0.2, 0.2]])
    np.testing.assert_allclose(posterior(params, row_with(params, {0: 1})), expected, atol=1e-15)
    assert len(fitting(3, 2, {0: 1})) == 15
    assert oracle_action_set(params, row_with(params, {0: 1})).tolist() == [2, 5, 6, 7, 8]


@pytest.mark.parametrize(("size", "mines"), [(3, 3), (4, 4), (4, 8), (5, 3)])
def test_posterior_is_the_share_of_layouts(size, mines):
    params = MinesweeperParams(size=size, mines=mines, aux="belief_log")
    draw = np.random.default_rng(size * 10 + mines)
    for seed in range(6):
        steps, last = play(params, seed, lambda row: draw.permutation(oracle_action_set(params, row))[0])
        for row in [row for row, *_ in steps] + [last]:
            layouts = fitting(size, mines, shown_in(params, row))
            share = np.array([sum(c in mined for mined in layouts) for c in range(size * size)]) / len(layouts)
            np.testing.assert_allclose(posterior(params, row).ravel(), share, atol=1e-12)
            assert field(params, row, "fit") == len(layouts)
            if len(shown_in(params, row)) < size * size:
                closed = [c for c in range(size * size) if c not in shown_in(params, row)]
                least = min(share[c] for c in closed)
                assert oracle_action_set(params, row).tolist() == [c for c in closed if share[c] < least + 1e-9]


def test_rules_are_those_of_a_second_reading():
    params = MinesweeperParams(size=4, mines=4)
    draw = np.random.default_rng(0)
    seen = set()
    for seed in range(300):
        steps, last = play(params, seed, lambda row: draw.integers(16))
        mined = {c for c in range(16) if field(params, steps[0][0], "mine")[c]}
        assert len(mined) == 4
        if steps[0][1] in mined:  # the first opening moves the mine away
            mined = mined - {steps[0][1]} | {int(field(params, steps[0][0], "spare"))}
            assert len(mined) == 4
        is_open = {}
        for row, action, caption, aux in steps:
            assert (shown_in(params, row), aux) == (is_open, 0.0)
            expected = "opened a cell"
            if action in is_open:
                expected = "opened a cell that was open already"
            elif action in mined:
                expected = "opened a mine"
            else:
                is_open[action] = len(mined & around(4, action))
                expected = "opened the last free cell" if len(is_open) == 12 else expected
            assert caption == expected
            seen.add(caption)
        assert shown_in(params, last) == is_open and steps[0][2] != "opened a mine"
    steps, _ = play(params, 0, functools.partial(GAME.policy, params))
    assert seen | {steps[-1][2], EVENT.captions[0]} == set(EVENT.captions)


def test_first_opening_leaves_all_layouts_equally_likely():
    layout = GAME.shape(MinesweeperParams(size=3, mines=1)).layout
    env = payoff.multi_agent_vec(ID, 8000, size=3, mines=1)
    env.reset(seed=0)
    before = layout.view(env.engine.state, "mine").mean(axis=0)
    env.step(np.full((8000, 1), 4))
    after = layout.view(env.engine.state, "mine").mean(axis=0)
    error = math.sqrt(1 / 9 * 8 / 9 / 8000)
    np.testing.assert_allclose(before, 1 / 9, atol=4.5 * error)
    np.testing.assert_allclose(np.delete(after, 4), 1 / 8, atol=4.5 * error)
    assert after[4] == 0.0
    env = payoff.multi_agent_vec(ID, 8000, size=3, mines=1, first_safe=False)
    env.reset(seed=0)
    assert env.step(np.full((8000, 1), 4))[2].mean() == pytest.approx(1 / 9, abs=4.5 * error)


def won(size, mines, first_safe):
    """Largest number of layouts won from what is shown, by trying every closed cell every time."""

    @functools.cache
    def best(shown):
        layouts = fitting(size, mines, dict(shown))
        if len(shown) == size * size - mines:
            return len(layouts)
        found = 0
        for c in set(range(size * size)) - {c for c, _ in shown}:
            numbers = {len(m & around(size, c)) for m in layouts if c not in m}
            found = max(found, sum(best(tuple(sorted((*shown, (c, n))))) for n in numbers))
        return found

    def chance(shown):
        layouts = fitting(size, mines, shown)
        free = math.comb(size * size - 1, mines) if first_safe and not shown else len(layouts)
        return best(tuple(sorted(shown.items()))) / free

    return chance


@pytest.mark.parametrize("first_safe", [True, False])
@pytest.mark.parametrize("mines", [1, 2, 4])
def test_optimum_is_that_of_a_search_without_shortcuts(mines, first_safe):
    params = MinesweeperParams(size=3, mines=mines, first_safe=first_safe)
    chance = won(3, mines, first_safe)
    assert GAME.optimum(params, row_with(params, {})) == (pytest.approx(chance({}), abs=1e-12), 9 - mines)
    draw = np.random.default_rng(mines)
    for seed in range(4):
        steps, _ = play(params, seed, lambda row: draw.permutation(oracle_action_set(params, row))[0])
        for row, *_ in steps:
            shown = shown_in(params, row)
            value = GAME.optimum(params, row)[0]
            assert value == pytest.approx(chance(shown), abs=1e-12)
            action = int(GAME.policy(params, row)[0])  # and the policy keeps it
            layouts = fitting(3, mines, shown)
            free = [m for m in layouts if action not in m]
            numbers = [len(m & around(3, action)) for m in free]
            if len(shown) + 1 == 9 - mines:
                kept = len(free) / len(layouts)
            else:
                kept = sum(chance(shown | {action: n}) for n in numbers) / len(layouts)
            kept *= len(layouts) / len(free) if first_safe and not shown else 1.0
            assert kept == pytest.approx(value, abs=1e-12)


def test_stated_chances_and_boards_that_are_too_large():
    for size, mines, chance in ((3, 2, 6 / 7), (4, 3, 80 / 91), (5, 3, 899 / 1012)):
        params = MinesweeperParams(size=size, mines=mines)
        assert GAME.optimum(params, row_with(params, {}))[0] == pytest.approx(chance, abs=1e-12)
    params = MinesweeperParams(size=6, mines=5)
    row = row_with(params, {0: 1})
    with pytest.raises(ValueError, match="to be solved exactly, got size=6 with mines=5"):
        GAME.optimum(params, row)
    assert GAME.policy(params, row)[0] == oracle_action_set(params, row)[0]
    row[CLOCK] = 6  # 31 free cells, one of them open, 30 steps left of 36
    with pytest.raises(ValueError, match="to be solved exactly"):
        GAME.optimum(params, row)
    row[CLOCK] = 7
    assert GAME.optimum(params, row) == (0.0, 30)


@pytest.mark.parametrize("aux", ["oracle", "belief_prob", "belief_log"])
def test_auxiliary_rewards(aux):
    params = MinesweeperParams(size=4, mines=3, aux=aux)
    draw = np.random.default_rng(1)
    for seed in range(30):
        steps, _ = play(params, seed, lambda row: draw.integers(16))
        n = math.comb(16, 3)
        for row, action, caption, given in steps:
            shown = shown_in(params, row)
            if aux == "oracle":
                assert given == float(action in oracle_action_set(params, row))
                continue
            before, expected = n, 0.0
            if caption in ("opened a cell", "opened the last free cell"):
                mined = {c for c in range(16) if field(params, row, "mine")[c]} - {action}
                mined |= {int(field(params, row, "spare"))} if len(mined) < 3 else set()
                n = len(fitting(4, 3, shown | {action: len(mined & around(4, action))}))
                expected = 1 / n - 1 / before if aux == "belief_prob" else math.log(before / n)
            assert given == pytest.approx(expected, abs=1e-12)


def test_random_success():
    """From the first opening on, a step is fatal, useless or good in proportion to the cells; and that is certified."""

    def chance(size, mines, steps):
        cells, free = size * size, size * size - mines
        at = np.zeros(free + 1)
        at[1] = 1.0
        for _ in range(steps - 1):
            after = at * np.minimum(np.arange(free + 1), cells) / cells
            after[-1] = at[-1]
            after[1:] += at[:-1] * (free - np.arange(free)) / cells
            at = after
        return at[-1]

    assert chance(5, 3, 10**4) == pytest.approx(1 / math.comb(24, 3), rel=1e-9)
    for level in payoff.certificate(ID).levels:
        size, mines = level.parameters["size"], level.parameters["mines"]
        held = level.random_success
        assert held.mean == pytest.approx(chance(size, mines, size * size), abs=5 * held.standard_error)
    assert 1 / math.comb(24, 3) < 1e-3


def test_observations_show_what_is_open():
    params = MinesweeperParams(size=4, mines=4)
    draw = np.random.default_rng(3)
    env = {name: payoff.multi_agent_vec(ID, 1, size=4, mines=4, observe=name) for name in ("full", "minimal")}
    for e in env.values():
        e.reset(seed=0)
    for seed in range(20):
        steps, last = play(params, seed, lambda row: draw.integers(16))
        for row in [row for row, *_ in steps] + [last]:
            shown = shown_in(params, row)
            full, minimal = (e.engine.look(row[None])[0, 0] for e in env.values())
            assert full[:16].tolist() == [float(c in shown) for c in range(16)]
            assert full[16:].tolist() == [shown.get(c, 0) / 8 for c in range(16)]
            cell = int(field(params, row, "last"))
            assert minimal[:16].tolist() == [float(c == cell) for c in range(16)]
            assert minimal[16] == shown.get(cell, 0) / 8
    timed = payoff.multi_agent_vec(ID, 1, observe=Observe(scope="minimal", clock=True))
    assert timed.reset(seed=0)[0].shape == (1, 1, 27) and timed.step([[0]])[0][0, 0, -1] == np.float32(1 / 25)


def test_what_is_refused():
    for words, message in (
        ({"size": 9}, r"size must be an integer in 2 \.\. 8, got 9"),
        ({"size": 3, "mines": 8}, r"mines must be an integer in 1 \.\. 7, got 8"),
        ({"aux": "risk"}, "aux must be one of 'none', 'oracle', 'belief_prob', 'belief_log', got 'risk'"),
        ({"first_safe": 1}, "first_safe must be True or False, got 1"),
    ):
        with pytest.raises(ValueError, match=message):
            MinesweeperParams(**words)
    with pytest.raises(ValueError, match=r"size must be the same in all copies of a batch, got \[4, 5\]"):
        payoff.multi_agent_vec(ID, 2, size=[4, 5])
    with pytest.raises(ValueError, match="observe must be one of 'full', 'private', 'minimal' or an Observe"):
        GAME.plan([MinesweeperParams()], [0], "mines")
    with pytest.raises(ValueError, match=r"observe\.scope must be one of 'full', 'private', 'minimal', got 'all'"):
        Observe(scope="all")


def test_picture_shows_numbers_and_the_mine_that_was_hit():
    params = MinesweeperParams(size=3, mines=2)
    layout = GAME.shape(params).layout
    row = row_with(params, {0: 1, 8: 0})
    picture = GAME.frame(params, row)
    assert picture.shape == (120, 120, 3) and picture.dtype == np.uint8
    assert {(0, 114, 178), (250, 250, 247)} <= {tuple(c) for c in picture[1:40, 1:40].reshape(-1, 3).tolist()}
    assert {tuple(c) for c in picture[81:, 81:].reshape(-1, 3).tolist()} == {(250, 250, 247)}
    assert {tuple(c) for c in picture[41:80, 41:80].reshape(-1, 3).tolist()} == {(178, 184, 192)}
    row[layout.column("event")] = EVENT.captions.index("opened a mine")
    row[layout.column("last")] = 4
    hit = GAME.frame(params, row)[41:80, 41:80].reshape(-1, 3)
    assert {tuple(c) for c in hit.tolist()} == {(213, 94, 0), (40, 44, 52)}
