"""SparseCartPole against Gymnasium's CartPole-v1, step for step, and its controller against published figures."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import CLOCK, OVER
from payoff.envs.sparse.cart_pole import Observe, SparseCartPoleParams

ID = "payoff/SparseCartPole-v0"
GAME = registry.load(ID)
LAYOUT = GAME.shape(GAME.params()).layout
MOTION = [LAYOUT.column(name) for name in ("x", "w", "th", "q")]
TH = LAYOUT.column("th")


def test_dynamics_and_ends_are_those_of_gymnasium():
    """Both are set to the same state before each step, so that rounding cannot add up."""
    ours, theirs = gym.make(ID, every_step=True), gym.make("CartPole-v1")
    draw, ends = np.random.default_rng(0), 0
    for seed in range(80):
        ours.reset(seed=seed)
        theirs.reset(seed=seed)
        if seed % 2:  # near the ends of the track, and fast
            ours.unwrapped.engine.state[0, MOTION] = draw.uniform(-1, 1, 4) * (2.4, 3.0, 0.2, 3.0)
        over = False
        while not over:
            row = ours.unwrapped.engine.state[0]
            theirs.unwrapped.state = row[MOTION].copy()
            theirs.unwrapped.steps_beyond_terminated = None
            action = int(draw.integers(2))
            _, paid, ended, _, _ = theirs.unwrapped.step(action)
            _, reward, over, truncated, _ = ours.step(action)
            assert ours.unwrapped.engine.state[0, MOTION] == pytest.approx(theirs.unwrapped.state, abs=1e-13)
            assert (over, reward) == (ended, paid) and not truncated
        ends += over
    assert ends == 80


def test_a_whole_episode_is_that_of_gymnasium():
    """The controller balances both for 500 steps from the same start, and is paid 500 by both."""
    ours, theirs = gym.make(ID, every_step=True), gym.make("CartPole-v1")
    ours.reset(seed=4)
    theirs.reset(seed=4)
    theirs.unwrapped.state = ours.unwrapped.engine.state[0, MOTION].copy()
    totals = np.zeros(2)
    for t in range(500):
        action = int(GAME.policy(SparseCartPoleParams(), ours.unwrapped.engine.state[0])[0])
        _, reward, terminated, truncated, _ = ours.step(action)
        _, paid, ended, cut, _ = theirs.step(action)
        totals += reward, paid
        assert (terminated, truncated) == (ended, cut) == (False, t == 499)
    assert totals.tolist() == [500.0, 500.0]
    assert ours.unwrapped.engine.state[0, MOTION] == pytest.approx(theirs.unwrapped.state, abs=1e-6)


def test_starts_are_uniform_near_the_upright_pole():
    env = payoff.multi_agent_vec(ID, 4000)
    env.reset(seed=0)
    start = env.engine.state[:, MOTION]
    assert abs(start).max() <= 0.05 and (abs(start).max(axis=0) > 0.0499).all()
    assert (abs(start.mean(axis=0)) < 4 * 0.1 / np.sqrt(12 * 4000)).all()
    assert abs(np.corrcoef(start.T) - np.eye(4)).max() < 4 / np.sqrt(4000)


def controlled(p_gain, d_gain, copies=1000):
    """Mean number of steps that a controller of the angle keeps the pole up, of at most 500."""
    env = payoff.multi_agent_vec(ID, copies, every_step=True, autoreset_mode="next_step", info="minimal")
    env.reset(seed=0)
    up, length, earlier = np.ones(copies, bool), np.zeros(copies), np.zeros(copies)
    for _ in range(500):
        angle = env.engine.state[:, TH].copy()
        action = p_gain * angle + d_gain * (angle - earlier) > 0
        earlier = angle
        _, _, terminated, _, _ = env.step(action[:, None].astype(int))
        length += up
        up &= ~terminated
    return length.mean()


@pytest.mark.parametrize(("d_gain", "published"), [(0.5, 500), (0.1, 303), (0.05, 72)])
def test_controller_lasts_as_long_as_published(d_gain, published):
    """Comments of the published code give these lengths, from 100 episodes each."""
    assert controlled(0.1, d_gain) == pytest.approx(published, rel=0.04)


@pytest.mark.parametrize(("aux", "agree", "differ"), [("good", 5.0, -1.0), ("bad", -5.0, 1.0)])
def test_auxiliary_reward_grades_agreement_and_is_never_paid(aux, agree, differ):
    env = gym.make(ID, aux=aux, max_steps=40)
    draw, met = np.random.default_rng(0), set()
    for seed in range(30):
        env.reset(seed=seed)
        earlier, over = 0.0, False
        while not over:
            angle = env.unwrapped.engine.state[0, TH]
            advised = int(0.1 * angle + 0.5 * (angle - earlier) > 0)
            earlier = angle
            action = advised if draw.random() < seed / 30 else int(draw.integers(2))
            _, reward, terminated, truncated, info = env.step(action)
            over = terminated or truncated
            expected = 0.0 if over else agree if action == advised else differ
            assert info["aux"] == expected
            assert reward == info["payoff"] == float(truncated and not terminated)
            if over:
                caption = "the pole fell" if terminated else "the pole stood to the end"
            else:
                caption = "pushed as the controller would" if action == advised else "pushed against the controller"
            assert GAME.captions[info["caption"]] == caption
            met.add(caption)
    assert len(met) == 4


@pytest.mark.parametrize("aux", ["lean", "lean_inverted", "lean_half", "lean_random"])
def test_hints_at_where_the_pole_leans(aux):
    """By the sign of the push and that of the angle before the step; a coin is tossed once for a part of the states."""
    env = gym.make(ID, aux=aux, fall_costs=True, max_steps=40)
    draw, seen, coins = np.random.default_rng(0), [], {}
    for seed in range(40):
        env.reset(seed=seed)
        over = False
        while not over:
            x, _, angle, q = env.unwrapped.engine.state[0, MOTION]
            where = np.digitize(x, [-1.2, 0.0, 1.2]), np.digitize(angle, np.deg2rad([-8, -4, 0, 4, 8]))
            action = int(angle > 0) if draw.random() < 0.8 else int(draw.integers(2))
            _, reward, terminated, truncated, info = env.step(action)
            over = terminated or truncated
            assert reward == info["payoff"] == -float(terminated)
            if over:
                assert info["aux"] == 0.0
            else:
                lean = 0.1 * (2 * action - 1) * np.sign(angle)
                expected = {"lean": lean, "lean_inverted": -lean, "lean_half": -lean if x > 0 else lean}
                assert info["aux"] == pytest.approx(expected.get(aux, info["aux"]), abs=1e-15)
                seen.append(float(info["aux"]))
                coins.setdefault((*where, np.digitize(q, [-1.0, 0.0, 1.0]), action), set()).add(seen[-1])
    assert set(seen) == {-0.1, 0.1}
    assert aux != "lean_random" or (len(coins) > 30 and all(len(tossed) == 1 for tossed in coins.values()))


def test_coins_of_the_random_hint_stay_as_they_are():
    """First and last hexadecimal digit of those that are written down, e and 7: 1110 and 0111."""
    env = gym.make(ID, aux="lean_random")
    found = []
    for motion in ((-2.0, 0.0, -0.15, -1.5), (-2.0, 0.0, -0.15, -0.5), (2.0, 0.0, 0.15, 0.5), (2.0, 0.0, 0.15, 1.5)):
        for push in (0, 1):
            env.reset(seed=0)
            env.unwrapped.engine.state[0, MOTION] = motion
            found.append(float(env.step(push)[4]["aux"]))
    assert np.sign(found).tolist() == [1, 1, 1, -1, -1, 1, 1, 1]


def test_leaving_the_track_ends_the_episode():
    env = gym.make(ID)
    env.reset(seed=0)
    env.unwrapped.engine.state[0, MOTION] = 2.39, 1.0, 0.0, 0.0
    _, reward, terminated, _, info = env.step(1)
    assert (reward, terminated, GAME.captions[info["caption"]]) == (0.0, True, "the cart left the track")


def test_a_pole_that_falls_on_the_last_step_is_no_success():
    env = gym.make(ID, max_steps=1)
    for angle, stands in ((0.1, True), (0.2, False)):
        env.reset(seed=0)
        env.unwrapped.engine.state[0, MOTION] = 0.0, 0.0, angle, 3.0  # 0.06 further by the end of the step
        _, reward, terminated, truncated, _ = env.step(0)
        assert (reward, terminated, truncated) == (float(stands), not stands, True)


def test_optimum_plays_the_controller_out():
    env = payoff.multi_agent_vec(ID, 300, autoreset_mode="disabled")
    env.reset(seed=1)
    sparse, every = SparseCartPoleParams(), SparseCartPoleParams(every_step=True)
    for row in env.engine.state:
        assert GAME.optimum(sparse, row) == (1.0, 500) and GAME.optimum(every, row) == (500.0, 1)
    falls = SparseCartPoleParams(fall_costs=True)
    assert (GAME.bound(sparse), GAME.bound(every), GAME.bound(falls)) == (1.0, 500.0, 0.0)
    assert GAME.optimum(falls, env.engine.state[0]) == (0.0, 501)
    row = env.engine.state[0].copy()
    row[CLOCK] = 480
    assert GAME.optimum(sparse, row) == (1.0, 20)
    row[MOTION] = 0.0, 0.0, 0.2, 2.0  # lost on the next step, which every_step still pays
    assert GAME.optimum(sparse, row) == (0.0, 501) and GAME.optimum(every, row) == (1.0, 1)
    assert GAME.optimum(falls, row) == (-1.0, 501)
    row[OVER] = 1
    assert GAME.optimum(every, row) == (0.0, 501)


def test_observation_and_errors():
    env = gym.make(ID, observe=Observe(clock=True), max_steps=8)
    env.reset(seed=0)
    env.unwrapped.engine.state[0, MOTION] = 2.4, -1.0, -np.deg2rad(12), 3.0
    assert env.unwrapped.engine.look()[0, 0] == pytest.approx([0.75, 0.25, 0.25, 0.875, 0.0], abs=1e-6)
    for keywords, message in (
        ({"aux": "PD"}, "aux must be one of 'good', 'bad', 'lean', .*, got 'PD'"),
        ({"every_step": 1}, "every_step must be True or False, got 1"),
        ({"fall_costs": 1}, "fall_costs must be True or False, got 1"),
        ({"fall_costs": True, "every_step": True}, "fall_costs must be False where every_step is True"),
        ({"max_steps": 0}, "max_steps must be an integer at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            gym.make(ID, **keywords)
