"""What the tabular environments share: encodings, sizes that differ by copy, slips, compiled functions, pictures."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core import chance
from payoff.envs.core.params import record
from payoff.envs.core.state import HEADER, KEY, OVER
from payoff.envs.sight.symbols import ENCODINGS, Observe
from payoff.envs.sparse.boards import SEAT

NAMES = ("Chain", "FourRooms", "LineKey", "DeepSea", "CliffWalk", "Bifurcation", "FillerSteps")
each = pytest.mark.parametrize("name", NAMES)


def states(name, **keywords):
    """Rows of every running state, as ``as_mdp`` finds them."""
    model = payoff.as_mdp(f"payoff/{name}-v0", starts=range(30), **keywords)
    return model.states[model.states[:, OVER] == 0.0]


def look(name, rows, observe, **keywords):
    env = payoff.multi_agent_vec(f"payoff/{name}-v0", 1, observe=observe, **keywords)
    return env.engine.look(rows)[:, 0], env.engine.plan.names


@each
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_states_can_be_told_apart(name, encoding):
    """No two running states look alike when nothing is hidden."""
    rows = states(name)
    seen, names = look(name, rows, Observe(encoding=encoding))
    assert seen.shape == (len(rows), len(names)) and len(set(names)) == len(names)
    assert seen.min() >= 0.0 and seen.max() <= 1.0
    assert len(np.unique(seen, axis=0)) == len(rows)
    if encoding == "joint":
        assert (seen.sum(axis=1) == 1.0).all()


def test_entries_are_where_their_names_say():
    rows, game = states("FourRooms"), registry.load("payoff/FourRooms-v0")
    cells = rows[:, game.shape(game.params()).layout.column("cell")]
    y, x = np.divmod(cells.astype(int), 7)
    seen, names = look("FourRooms", rows, "full")
    assert names == (*(f"y[{k}]" for k in range(7)), *(f"x[{k}]" for k in range(7)))
    np.testing.assert_array_equal(seen, np.hstack([np.eye(7)[y], np.eye(7)[x]]))
    seen, names = look("FourRooms", rows, Observe(encoding="joint"))
    assert names[8] == "y,x[1, 1]" and len(names) == 49
    np.testing.assert_array_equal(seen, np.eye(49)[7 * y + x])
    seen, names = look("FourRooms", rows, Observe(encoding="scaled", clock=True))
    assert names == ("y", "x", "clock")
    np.testing.assert_allclose(seen, np.stack([y / 6, x / 6, 0 * x], axis=1), rtol=1e-6)


def test_clock_and_hidden_symbols():
    env = gym.make(
        "payoff/LineKey-v0", observe=Observe(encoding="scaled", hide=("zone", "key"), clock=True), max_steps=4
    )
    obs, _ = env.reset(seed=0)
    clocks = [float(obs[1])] + [float(env.step(0)[0][1]) for _ in range(4)]
    assert clocks == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert env.unwrapped.engine.plan.names == ("place", "clock")


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ("grid", ValueError, "observe must be one of 'full', 'private', 'minimal' or an Observe, got 'grid'"),
        (3, TypeError, "observe must be a name or an Observe, got int"),
        (Observe(hide=("colour",)), ValueError, "observe.hide must name symbols, which are cell; got 'colour'"),
        (Observe(hide=("cell",)), ValueError, "observe.hide must leave a symbol to see"),
    ],
)
def test_settings_that_are_none(setting, error, message):
    with pytest.raises(error, match=message):
        payoff.multi_agent_vec("payoff/Chain-v0", 1, observe=setting)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"encoding": "pixels"}, "observe.encoding must be one of 'factored', 'joint', 'scaled', got 'pixels'"),
        ({"hide": "cell"}, "observe.hide must be a tuple of names, got 'cell'"),
        ({"clock": 1}, "observe.clock must be True or False, got 1"),
    ],
)
def test_bad_settings_are_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        Observe(**keywords)


SIZES = {
    "Chain": {"length": [12, 30, 62]},
    "FourRooms": {"size": [5, 9, 7], "distractor": [True, False, True]},
    "LineKey": {"length": [9, 40, 20], "right_key": [0, 1, 2], "zone": 2},
    "DeepSea": {"size": [4, 9, 6], "deterministic": [True, False, True]},
    "CliffWalk": {"width": [4, 12, 5], "variant": ["sparse", "cost", "cost"], "slip": [0.0, 0.3, 0.1]},
    "Bifurcation": {"length": [6, 12, 9], "noise": [0.0, 1.0, 0.0], "slip": [0.0, 0.0, 0.4]},
    "FillerSteps": {"needed": [1, 7, 3]},
}


@each
def test_copies_of_several_sizes_play_as_they_do_alone(name):
    """Payoffs, flags and states of a mixed batch are those of separate environments; smaller ones see fewer entries."""
    env_id = f"payoff/{name}-v0"
    many = payoff.multi_agent_vec(env_id, 3, autoreset_mode="same_step", **SIZES[name])
    alone = [
        payoff.multi_agent_vec(
            env_id,
            1,
            autoreset_mode="same_step",
            **{k: v[b] if isinstance(v, list) else v for k, v in SIZES[name].items()},
        )
        for b in range(3)
    ]
    obs, _ = many.reset(seed=5)
    single = [env.reset(seed=5 + b)[0] for b, env in enumerate(alone)]
    draw = np.random.default_rng(0)
    for _ in range(80):
        for b in range(3):
            assert obs[b].sum() == single[b].sum()
        actions = draw.integers(0, many.num_actions, (3, 1))
        obs, reward, terminated, truncated, _ = many.step(actions)
        for b, env in enumerate(alone):
            single[b], *others, _ = env.step(actions[b : b + 1])
            assert [o[0].tolist() for o in others] == [reward[b].tolist(), terminated[b], truncated[b]]
            np.testing.assert_array_equal(many.engine.state[b, 5:], env.engine.state[0, 5:])


def test_joint_encoding_needs_one_size():
    with pytest.raises(ValueError, match="must not be 'joint' where the copies of a batch differ in size"):
        payoff.multi_agent_vec("payoff/Chain-v0", 2, length=[10, 11], observe=Observe(encoding="joint"))


@each
def test_compiled_functions_do_what_their_source_says(name):
    game = registry.load(f"payoff/{name}-v0")
    params, rules, look_at = game.params(), game.rules, game.sight.look
    layout = game.shape(params).layout
    of = (record(params), *(table[0] for table in game.pack([params])[1:]))
    view = game.plan([params], [0], Observe(clock=True)).table[0].view(np.recarray)
    draw, n_actions = np.random.default_rng(0), game.shape(params).n_actions
    for row in draw.permutation(states(name))[:60]:
        row[KEY] = 17.0  # to draw with
        again, action = row.copy(), np.array([float(draw.integers(n_actions))])
        paid, paid_again = np.zeros((2, 1))
        with np.errstate(over="ignore"):
            ended = rules.step(*of, *layout.open(row), action, paid)
            assert ended == rules.step.py_func(*of, *layout.open(again), action, paid_again)
            assert row.tobytes() == again.tobytes() and paid.tobytes() == paid_again.tobytes()
            seen, seen_again = np.zeros((2, 1, 400), dtype=np.float32)
            look_at(row, view, seen)
            look_at.py_func(row, view, seen_again)
            assert seen.tobytes() == seen_again.tobytes()
            row[HEADER:] = again[HEADER:] = 0.0
            if rules.start is not None:
                rules.start(*of, *layout.open(row))
                rules.start.py_func(*of, *layout.open(again))
        assert row.tobytes() == again.tobytes()


def test_slip_probabilities():
    assert chance.slips(0.0, 4).tolist() == [1.0]
    assert chance.slips(0.2, 4) == pytest.approx([0.8, 0.05, 0.05, 0.05, 0.05])


@each
def test_pictures_show_the_seat(name):
    game = registry.load(f"payoff/{name}-v0")
    params = game.params()
    for row in states(name)[:20]:
        picture = game.frame(params, row)
        assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
        assert (picture == SEAT).all(axis=2).any()
