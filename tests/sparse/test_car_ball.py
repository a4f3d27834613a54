"""CarBall: mechanics, symmetry between the teams, what is paid, and what each seat sees."""

import math

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import api_test, parallel_api_test

import payoff
from payoff.envs import registry
from payoff.envs.sparse import car_ball as cb
from payoff.envs.sparse import car_ball_mechanics as mechanics
from payoff.wrappers.potential.shaping import PotentialShaping

ID = "payoff/CarBall-v0"
GAME = registry.load(ID)
NATIVE = {"actions": "native", "autoreset_mode": "disabled"}
COAST = np.array([0.0, 0.0, -1.0])  # in unit actions


def layout(players):
    return GAME.shape(cb.CarBallParams(players=players)).layout


def cars(state, players):
    """A view ``(B, N, 7)``: place, heading, velocity, fuel."""
    first, (step,) = layout(players).column("x"), layout(players).steps("x")
    return state[:, first : first + players * step].reshape(len(state), players, step)[..., :7]


def ball(state):
    """A view ``(B, 4)``: place, velocity."""
    first = layout(1).column("ball_x")
    return state[:, first : first + 4]


def made(count=1, players=2, seed=0, **keywords):
    env = payoff.multi_agent_vec(ID, count, players=players, **{**NATIVE, **keywords})
    env.reset(seed=seed)
    return env, env.engine.state


def shuffled(env, state, players, seed=0):
    """Random places, headings and velocities."""
    draw = np.random.default_rng(seed)
    count = len(state)
    ball(state)[:] = draw.uniform((-4.7, -3.2, -8, -8), (4.7, 3.2, 8, 8), (count, 4))
    own = cars(state, players)
    own[..., :2] = draw.uniform((-4.6, -3.1), (4.6, 3.1), (count, players, 2))
    angle = draw.uniform(0, 2 * np.pi, (count, players))
    own[..., 2], own[..., 3] = np.cos(angle), np.sin(angle)
    own[..., 4:6] = draw.uniform(-4, 4, (count, players, 2))


def momentum(state, players):
    return mechanics.BALL_MASS * ball(state)[:, 2:] + mechanics.CAR_MASS * cars(state, players)[..., 4:6].sum(axis=1)


def energy(state, players):
    moving = mechanics.CAR_MASS * (cars(state, players)[..., 4:6] ** 2).sum(axis=(1, 2))
    return 0.5 * (mechanics.BALL_MASS * (ball(state)[:, 2:] ** 2).sum(axis=1) + moving)


def clear(state):
    """Nothing moves; the cars are out of the way."""
    ball(state)[:] = 0.0
    cars(state, 2)[:] = [(-4.0, 3.0, 1.0, 0.0, 0.0, 0.0, 3.0), (4.0, -3.0, -1.0, 0.0, 0.0, 0.0, 3.0)]


def test_a_car_drives_as_its_linear_equation_says():
    """f' = -f + 4 a + 6 b: exact between sub-steps, so f tends to 4 h / (1 - exp(-h)) and boost burns out in time."""
    env, state = made(fuel=0.45)
    clear(state)
    cars(state, 2)[0, 0, 6] = 0.45
    forward = 0.0
    for step in range(8):
        env.step(np.array([[[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]]))
        for part in range(4):
            burnt = 0.025 if 4 * step + part < 18 else 0.0
            forward = min(6.0, forward * math.exp(-0.025) + 0.025 * 4 + 6 * burnt)
        assert cars(state, 2)[0, 0, 4] == pytest.approx(forward, rel=1e-12)
        assert cars(state, 2)[0, 0, 6] == pytest.approx(max(0.0, 0.45 - 0.1 * (step + 1)), abs=1e-12)
    assert cars(state, 2)[0, 0, 5] == 0.0 and not cars(state, 2)[0, 1, 4:6].any()


def test_steering_turns_a_moving_car_only_and_to_the_left():
    env, state = made()
    clear(state)
    env.step(np.array([[[0.0, 1.0, 0.0]] * 2]))
    assert cars(state, 2)[0, 0, 2:4] == pytest.approx([1, 0])
    cars(state, 2)[0, 0, 4] = 3.0
    env.step(np.array([[[0.0, 1.0, 0.0]] * 2]))
    angle = np.arctan2(*cars(state, 2)[0, 0, [3, 2]])
    assert angle == pytest.approx(0.4, abs=1e-12)  # four radians a second


def test_the_ball_slows_down_and_bounces():
    env, state = made(drag=0.3)
    clear(state)
    ball(state)[0] = 0.0, 0.0, 2.0, 0.0
    env.step(np.zeros((1, 2, 3)))
    assert ball(state)[0, 2] == pytest.approx(2 * math.exp(-0.03), rel=1e-12)
    env, state = made(drag=0.0)
    clear(state)
    ball(state)[0] = 2.0, 3.2, 0.0, 4.0
    env.step(np.zeros((1, 2, 3)))
    assert ball(state)[0, 2:] == pytest.approx([0.0, -0.6 * 4.0]) and ball(state)[0, 1] < 3.25


def test_a_head_on_contact_obeys_the_law_of_restitution():
    """Masses 3 and 1, restitution e: separation is e times the approach, momentum is kept."""
    for e in (0.0, 0.6, 1.0):
        env, state = made(drag=0.0, restitution=e)
        clear(state)
        cars(state, 2)[0, 0] = -0.59, 0.0, 1.0, 0.0, 3.0, 0.0, 0.0
        before = 3.0 * math.exp(-0.025)  # the first sub-step slows the car before they touch
        env.step(np.zeros((1, 2, 3)))
        car, speed = cars(state, 2)[0, 0, 4] * math.exp(0.075), ball(state)[0, 2]
        if e > 0:  # at e = 0 they stay together while the car slows down
            assert speed - car == pytest.approx(e * before, rel=1e-9)
            assert speed + 3 * car == pytest.approx(3 * before, rel=1e-9)
        assert env.engine.features()["touched"].tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("players", [2, 4])
def test_contacts_keep_momentum_and_make_no_energy(players):
    """Compiled contacts alone, from crowded states: also where several cars touch the ball at once."""
    env, state = made(4000, players)
    shuffled(env, state, players)
    draw = np.random.default_rng(1)
    cars(state, players)[..., :2] = ball(state)[:, None, :2] + draw.normal(0, 0.4, (4000, players, 2))
    before, had = momentum(state, players), energy(state, players)
    several = 0
    for row in state:
        s, seats = layout(players).open(row)
        mechanics.hit_ball(cb.CarBallParams().restitution, s, seats)
        several += seats["touched"].sum() > 1
        mechanics.hit_cars(seats)
    assert momentum(state, players) == pytest.approx(before, abs=1e-10)
    assert (energy(state, players) <= had + 1e-9).all() and (energy(state, players) < had - 0.1).mean() > 0.5
    assert several > 500


@pytest.mark.parametrize("players", [1, 2, 4])
def test_without_throttle_nothing_gains_energy_and_nothing_leaves_the_box(players):
    env, state = made(500, players)
    shuffled(env, state, players)
    for _ in range(60):
        had = energy(state, players)
        env.step(np.zeros((500, players, 3)))
        assert (energy(state, players) <= had + 1e-9).all()
        assert (abs(ball(state)[:, 0]) <= 4.75).all() and (abs(ball(state)[:, 1]) <= 3.25).all()
        assert (abs(cars(state, players)[..., 0]) <= 4.65).all() and (abs(cars(state, players)[..., 1]) <= 3.15).all()
        env.reset(options={"reset_mask": env.engine.flags.any(axis=1)})


@pytest.mark.parametrize("players", [1, 2, 4])
def test_wild_play_stays_in_the_box(players):
    env, state = made(200, players, autoreset_mode="next_step", mouth=0.5, restitution=1.0, drag=0.0)
    draw = np.random.default_rng(0)
    for _ in range(300):
        wild = draw.choice([-1.0, 1.0], (200, players, 3))
        wild[..., 2] = 1.0
        env.step(wild)
        assert (abs(ball(state)[:, 0]) <= 4.75).all() and (abs(ball(state)[:, 1]) <= 3.25).all()
        assert (np.hypot(ball(state)[:, 2], ball(state)[:, 3]) <= 10 + 1e-9).all()
        heading = cars(state, players)[..., 2:4]
        assert np.linalg.norm(heading, axis=-1) == pytest.approx(1.0, abs=1e-12)


def test_teams_that_change_places_change_their_payoffs():
    """Half a turn of the box: exact in floating point for two seats; two deterministic twins never score."""
    one, state = made(300)
    two, turned = made(300)
    shuffled(one, state, 2)
    turned[:] = state
    ball(turned)[:] *= -1.0
    cars(turned, 2)[:, :, :6] = -cars(state, 2)[:, ::-1, :6]
    cars(turned, 2)[:, :, 6] = cars(state, 2)[:, ::-1, 6]
    draw, goals = np.random.default_rng(2), 0
    live = np.ones(300, bool)
    for _ in range(100):
        actions = draw.uniform(-1, 1, (300, 2, 3))
        actions[..., 2] = abs(actions[..., 2])
        ours, theirs = one.step(actions), two.step(actions[:, ::-1])
        np.testing.assert_array_equal(ours[0], theirs[0][:, ::-1])
        np.testing.assert_array_equal(ours[1], theirs[1][:, ::-1])
        np.testing.assert_array_equal(ours[1].sum(axis=1), 0.0)
        over = ours[2]
        goals += int((ours[1][live & over] != 0).any(axis=1).sum())
        live &= ~over
        for env in (one, two):
            env.reset(options={"reset_mask": over})
        # a restart draws another kick-off, the same in both
    assert goals > 30


def play(players, policies, count=60, **keywords):
    """Summed payoffs ``(B, N)`` of an episode, in unit actions."""
    env, _ = made(count, players, actions="unit", **keywords)
    obs, _ = env.reset(seed=0)
    total, live = np.zeros((count, players)), np.ones(count, bool)
    for _ in range(300):
        actions = np.stack([policy(obs[:, i]) for i, policy in enumerate(policies)], axis=1)
        obs, _, terminated, _, info = env.step(actions)
        total[live] += info["payoff"][live]
        live &= ~terminated
        obs, _ = env.reset(options={"reset_mask": terminated}) if terminated.any() else (obs, None)
    return total


def stand(obs):
    return np.tile(COAST, (len(obs), 1))


def test_the_chaser_scores_against_a_standing_opponent():
    for players, chasers, most in ((1, [0], 0.7), (2, [0], 0.8), (2, [1], 0.8), (4, [0, 1], 0.7), (4, [3], 0.5)):
        total = play(players, [cb.chaser if i in chasers else stand for i in range(players)])
        assert set(np.unique(total)) <= {-1.0, 0.0, 1.0}
        assert (total[:, chasers[0]] == 1).mean() > most
        assert (total[:, chasers[0]] == -1).mean() < 0.05


def test_two_deterministic_twins_never_score():
    assert not play(2, [cb.chaser, cb.chaser], count=40).any()


def test_goals_pay_the_teams_and_end_the_episode():
    for players in (1, 2, 4):
        for to, side in ((6.0, 1.0), (-6.0, -1.0)):
            env, state = made(1, players)
            cars(state, players)[:, :, :2] = np.linspace((-2.0, 3.0), (2.0, 3.0), players)
            ball(state)[0] = 4.5 * side, 1.0, to, 0.0
            _, rewards, terminated, truncated, info = env.step(np.zeros((1, players, 3)))
            team = np.where(np.arange(players) < max(1, players // 2), 1.0, -1.0)
            assert terminated[0] and not truncated[0]
            np.testing.assert_array_equal(rewards[0], side * team)
            np.testing.assert_array_equal(info["payoff"][0], side * team)
    env, state = made()
    clear(state)
    ball(state)[0] = 4.5, 1.3, 6.0, 0.0  # beside the mouth
    _, rewards, terminated, _, _ = env.step(np.zeros((1, 2, 3)))
    assert not terminated[0] and not rewards.any() and ball(state)[0, 2] < 0


def test_kick_offs_are_turned_around_the_ball_and_differ():
    for players in (1, 2, 4):
        _, state = made(1000, players)
        own, half = cars(state, players), max(1, players // 2)
        assert not ball(state).any() and not own[..., 4:6].any() and (own[..., 6] == 3.0).all()
        first = own[:, :half]
        assert first[..., 0].min() >= -4 and first[..., 0].max() <= -2 and abs(first[..., 1]).max() <= 2.5
        assert first[:, 0, 0].std() == pytest.approx(2 / math.sqrt(12), rel=0.1)
        np.testing.assert_array_equal(own[:, half:, :4], -first[:, : players - half, :4])
        away = np.linalg.norm(first[..., :2], axis=-1, keepdims=True)
        assert -first[..., :2] / away == pytest.approx(first[..., 2:4])


def test_every_seat_sees_itself_first_and_attacks_to_the_right():
    env, state = made(1, 4)
    own = cars(state, 4)[0]
    own[:, 0], own[:, 1] = (-3.0, -2.0, 3.0, 2.0), (1.0, -1.0, 0.5, -0.5)
    own[:, 6] = 0.0, 1.0, 2.0, 3.0
    ball(state)[0] = 1.0, 0.7, 5.0, 0.0
    obs = env.engine.look()[0]
    names = env.engine.plan.names
    at = {name: names.index(name) for name in names}

    def shown(i, name, scale):
        return (2 * obs[i, at[name]] - 1) * scale

    for i, order in enumerate(([0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0])):
        sign = 1 if i < 2 else -1
        for car, name in zip(order, ("own", "mate[0]", "opponent[0]", "opponent[1]"), strict=True):
            assert shown(i, f"{name} x", 5) == pytest.approx(sign * own[car, 0], abs=1e-5)
            assert shown(i, f"{name} y", 3.5) == pytest.approx(sign * own[car, 1], abs=1e-5)
            assert obs[i, at[f"{name} fuel"]] == pytest.approx(own[car, 6] / 3)
        assert shown(i, "ball x", 5) == pytest.approx(sign, abs=1e-5)
        assert shown(i, "ball velocity x", 10) == pytest.approx(5 * sign, abs=1e-5)


def test_potentials():
    """Behind the ball on its way to the goal: all as the page says; and they shape through the wrapper."""
    env, state = made()
    clear(state)
    cars(state, 2)[0, 0, :2] = -2.0, 0.0
    obs = env.engine.look()[:, 0]
    assert cb.ball_nearness(obs) == pytest.approx(math.exp(-0.25), abs=1e-6)
    assert cb.car_nearness(obs) == pytest.approx(math.exp(-0.5), abs=1e-6)
    assert cb.alignment(obs) == pytest.approx(1.0, abs=1e-6)
    cars(state, 2)[0, 0, :2] = 2.0, 0.0
    assert cb.alignment(env.engine.look()[:, 0]) == pytest.approx(-1.0, abs=1e-6)
    for phi in (cb.ball_nearness, cb.car_nearness, cb.alignment):
        assert PotentialShaping(phi, gamma=0.99, on_truncation="bootstrap").potential is phi


@pytest.mark.parametrize("partners", ["reciprocator", "tit_for_tat", "constant:1", "random", cb.chaser])
def test_partners_play(partners):
    """Named ones drive straight without boost; the reciprocator stands as long as nobody drives."""
    for players in (2, 4):
        env = gym.make(ID, players=players, partners=partners, disable_env_checker=True)
        env.reset(seed=1)
        for _ in range(30):
            obs, reward, over, *_ = env.step(COAST.astype(np.float32))
            if over:
                env.reset()
            assert np.isfinite(obs).all() and reward in (-1.0, 0.0, 1.0)
            action = env.unwrapped.engine.action[0, 1:]
            assert (abs(action) <= 1).all()
            if isinstance(partners, str):
                assert not action[:, 1:].any()
            if partners in ("reciprocator", "tit_for_tat"):
                assert not action.any()
            if partners == "constant:1":
                assert (action[:, 0] == 1).all()


@pytest.mark.parametrize("players", [1, 4])
def test_other_numbers_of_players_pass_the_api_checks(players, capsys):
    """The registry's tests take two seats; PettingZoo and Gymnasium take one and four as well, and copies agree."""
    parallel_api_test(payoff.parallel_env(ID, players=players), num_cycles=100)
    api_test(payoff.aec_env(ID, players=players), num_cycles=100)
    check_env(gym.make(ID, players=players).unwrapped)
    many, alone = made(5, players)[0], made(1, players, seed=3)[0]
    draw = np.random.default_rng(0)
    for _ in range(50):
        actions = draw.uniform(-1, 1, (5, players, 3))
        actions[..., 2] = abs(actions[..., 2])
        ours, theirs = many.step(actions), alone.step(actions[3:4])
        np.testing.assert_array_equal(ours[0][3], theirs[0][0])
        if ours[2].any():
            break


def test_errors():
    for keywords, message in (
        ({"players": 3}, "players must be 1, 2 or 4, got 3"),
        ({"players": 6}, r"players must be an integer in 1 \.\. 4, got 6"),
        ({"mouth": 0.1}, r"mouth must be a number in \[0.5, 7\], got 0.1"),
        ({"restitution": 2.0}, r"restitution must be a number in \[0, 1\], got 2.0"),
        ({"drag": -1.0}, r"drag must be a number in \[0, 10\], got -1.0"),
        ({"fuel": 99.0}, r"fuel must be a number in \[0, 30\], got 99.0"),
    ):
        with pytest.raises(ValueError, match=message):
            gym.make(ID, **keywords)
    with pytest.raises(ValueError, match=r"players must be the same in all copies of a batch, got \[2, 4\]"):
        payoff.multi_agent_vec(ID, 2, players=[2, 4])
