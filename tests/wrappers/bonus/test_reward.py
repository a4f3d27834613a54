"""What is paid: ends of episodes, weights, normalisation, and bonuses that are taken back."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import payoff
from payoff.wrappers import wrap
from payoff.wrappers.bonus.base import Bonus
from payoff.wrappers.bonus.combine import Sum
from payoff.wrappers.bonus.count import Count
from payoff.wrappers.bonus.first_visit import FirstVisit
from payoff.wrappers.bonus.reward import BonusReward, PaidBonus
from payoff.wrappers.potential.neutral import ReturnNeutralBonus

NEXT, SAME, DISABLED = AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED


class Given(Bonus):
    """Bonuses that are observations."""

    def score(self, t):
        return t.next_obs.reshape(len(t.next_obs), -1)[:, 0].astype(float)


class Script(gym.Env):
    """Episodes of the lengths and ends of a script; every reward is 10, every observation 2."""

    observation_space = gym.spaces.Box(-9, 9, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, *ends):
        self.ends, self.episode = ends, -1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.t = self.episode + 1, 0
        return np.full(1, 2.0, np.float32), {}

    def step(self, action):
        self.t += 1
        length, terminated, truncated = self.ends[self.episode % len(self.ends)]
        over = self.t == length
        return np.full(1, 2.0, np.float32), 10.0, over and terminated, over and truncated, {}


TERMINATED, TRUNCATED, BOTH = (2, True, False), (2, False, True), (2, True, True)


# -- ends of episodes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "on_terminal", "last"),
    [
        (TERMINATED, False, 10.0),
        (TERMINATED, True, 11.0),
        (TRUNCATED, False, 11.0),
        (TRUNCATED, True, 11.0),
        (BOTH, False, 10.0),
        (BOTH, True, 11.0),
    ],
)
def test_end_of_episode(end, on_terminal, last):
    """A bonus of 2 at a weight of 0.5: paid on every step but those that terminate, unless they are paid too."""
    env = wrap(Script(end), BonusReward(Given(), coef=0.5, on_terminal=on_terminal))
    for _ in range(2):
        env.reset(seed=0)
        assert [env.step(0)[1] for _ in range(2)] == [11.0, last]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (NEXT, [[11, 11], [10, 11], [0, 0], [11, 11], [11, 10], [0, 0], [11, 11]]),
        (SAME, [[11, 11], [10, 11], [11, 11], [11, 10], [11, 11], [10, 11], [11, 11]]),
    ],
)
def test_end_of_episode_in_a_batch(mode, expected, sync):
    """Terminated and truncated by turns; the call that restarts a copy pays 0."""
    scripts = [lambda: Script(TERMINATED, TRUNCATED), lambda: Script(TRUNCATED, TERMINATED)]
    env = wrap(gym.vector.SyncVectorEnv(scripts, autoreset_mode=mode), BonusReward(Given(), coef=0.5))
    env.reset(seed=0)
    for row in expected:
        _, reward, *_, info = env.step(np.zeros(2, dtype=int))
        assert reward.tolist() == row
        assert (info["true_reward"] + info["reward_terms"]["bonus"]).tolist() == row


def test_unpaid_terminal_step_is_still_a_visit():
    env = wrap(Script((1, True, False), (1, False, True)), BonusReward(Count(power=1.0)))
    paid = []
    for _ in range(4):
        env.reset(seed=0)
        paid.append(env.step(0)[-1]["reward_terms"]["bonus"])
    # one start and one arrival an episode, all the same state
    assert paid == pytest.approx([0, 1 / 4, 0, 1 / 8])


# -- weight and normalisation --------------------------------------------------------------------------------


def active(events):
    return np.array([rest[0].active for kind, *rest in events if kind == "step"])


def due(events, on_terminal):
    """Bonus of each step where one is due, else 0; (T, R)."""
    steps = [rest[0] for kind, *rest in events if kind == "step"]
    return np.array([np.where(t.active & (on_terminal | ~t.terminated), t.next_obs[:, 0], 0.0) for t in steps])


def test_weight_fades_with_the_steps_of_each_row(stream, score):
    """Over all episodes, and only while a row plays."""
    events = list(stream().events(60))
    found = score(PaidBonus(Given(), coef=0.8, decay=0.9, on_terminal=True), events)
    before = np.cumsum(active(events), axis=0) - active(events)
    np.testing.assert_allclose(found, 0.8 * 0.9**before * due(events, True), rtol=1e-12)


@pytest.mark.parametrize("on_terminal", [False, True])
def test_running_deviation(stream, score, on_terminal):
    """All numbers so far, rows in order, and one 0 in front."""
    events = list(stream().events(80))
    found = score(PaidBonus(Given(), normalise="std", on_terminal=on_terminal), events)
    seen = [0.0]
    for row, playing, scores in zip(due(events, on_terminal), active(events), found, strict=True):
        for value, plays, given in zip(row, playing, scores, strict=True):
            if plays:
                seen.append(value)
            assert given == pytest.approx(value / np.std(seen) if plays and value else 0.0, rel=1e-9)


def test_deviation_of_the_discounted_sum_along_time(stream, score):
    """One sum for each row, on through ends of its episodes; the deviation is over the sums of all rows."""
    events = list(stream().events(80))
    found = score(PaidBonus(Given(), normalise="return", gamma=0.9, on_terminal=True), events)
    seen, sums = [0.0], np.zeros(3)
    for row, playing, scores in zip(due(events, True), active(events), found, strict=True):
        for b in np.flatnonzero(playing):
            sums[b] = 0.9 * sums[b] + row[b]
            seen.append(sums[b])
            assert scores[b] == pytest.approx(row[b] / np.std(seen), rel=1e-9)
        assert not scores[~playing].any()


def test_equal_rows_have_a_deviation_in_time(start, step):
    """Two copies that are always paid 1: their sums differ along time, although never between copies."""
    bonus = PaidBonus(Given(), normalise="return", gamma=0.5)
    start(bonus, np.ones((2, 1)))
    found = [bonus(step(np.ones((2, 1)), np.ones((2, 1)))) for _ in range(40)]
    sums = np.repeat(2 * (1 - 0.5 ** np.arange(1, 41)), 2)
    assert found[-1][1] == pytest.approx(1 / np.std([0, *sums]), rel=1e-9)


def test_nothing_new_is_paid_nothing(start, step):
    bonus = PaidBonus(Given(), normalise="std")
    start(bonus, np.zeros((2, 1)))
    assert bonus(step(np.zeros((2, 1)), np.zeros((2, 1)))).tolist() == [0, 0]


def test_clip_is_of_the_bonus_and_not_of_the_reward(start, step):
    method = BonusReward(Given(), coef=2.0, clip=1.5)
    start(method, np.zeros((3, 1)))
    assert method(step(np.zeros((3, 1)), np.array([[-4.0], [1.0], [4.0]]))).tolist() == [-3, 2, 3]


def test_sum_of_normalised_bonuses(path):
    def one():
        return PaidBonus(Given(), normalise="std")

    def two():
        return PaidBonus(FirstVisit(), coef=0.1)

    walk = [[0.0], [1.0], [2.0], [1.0]]
    np.testing.assert_allclose(path(Sum(one(), two()), walk), path(one(), walk) + path(two(), walk), rtol=1e-12)


def test_neutral_bonus_sums_to_nothing(walk):
    """Discounted, over every episode that terminates, whatever the bonus is; and its guidance is paid in between."""
    gamma, rng = 0.9, np.random.default_rng(0)
    bonus = PaidBonus(Count(lambda obs, info: obs[:, 0]), coef=0.3, normalise="std")
    env = wrap(walk(horizon=99), ReturnNeutralBonus(bonus, gamma=gamma, delay=1, on_truncation="bootstrap"))
    for episode in range(20):
        env.reset(seed=episode)
        terms, terminated = [], False
        while not terminated:
            *_, terminated, _, info = env.step(int(rng.integers(0, 3)))
            terms.append(info["reward_terms"]["bonus"])
        assert len(terms) == 1 or max(map(abs, terms)) > 0.01
        assert sum(gamma**k * x for k, x in enumerate(terms)) == pytest.approx(0.0, abs=1e-9)


# -- use -----------------------------------------------------------------------------------------------------


def test_terms_and_true_reward_in_a_game():
    env = wrap(gym.make("payoff/CorridorStar-v0"), BonusReward(Count(), coef=0.25))
    env.reset(seed=0)
    _, reward, *_, info = env.step(2)
    assert reward == 0.25 == info["reward_terms"]["bonus"] and info["true_reward"] == 0.0 == info["payoff"]


def test_a_bonus_alone_cannot_be_wrapped(walk):
    with pytest.raises(TypeError, match=r"Count is a bonus, no reward; wrap\(env, BonusReward\(Count"):
        wrap(walk(), Count())


def test_methods_with_one_bonus_count_together(walk):
    count = Count(lambda obs, info: np.zeros(len(obs)), power=1.0)
    envs = [wrap(walk(), BonusReward(count)) for _ in range(2)]
    for env in envs:
        env.reset(seed=0)
    # a start and an arrival each, all of them the same state
    assert [env.step(1)[-1]["reward_terms"]["bonus"] for env in envs] == pytest.approx([1 / 2, 1 / 4])
    assert count.state_dict()["visits.count"].tolist() == [4]


def test_every_view_of_a_game():
    """One layer over a multi-agent batch, over the vector view and over single environments: the same bonuses."""
    game, keywords = "payoff/CoinLine-v0", {"max_steps": 10}
    play = np.random.default_rng(0).integers(0, 2, (33, 3))
    batch, vector, single = (BonusReward(Count(), coef=0.1) for _ in range(3))
    batch = wrap(payoff.multi_agent_vec(game, 3, **keywords), batch)
    vector = wrap(gym.make_vec(game, num_envs=3, vectorization_mode="vector_entry_point", **keywords), vector)
    single = gym.vector.SyncVectorEnv([lambda method=single: wrap(gym.make(game, **keywords), method)] * 3)
    for env in (batch, vector, single):
        env.reset(seed=0)
    for actions in play:
        one = batch.step(actions[:, None])[1][:, 0].tolist()
        assert one == vector.step(actions)[1].tolist() == single.step(actions)[1].tolist()


def test_agents_of_a_parallel_environment_are_rows():
    """Two seats that see the same, count together, in order; the batch view of the same game does the same."""
    game = "payoff/TrustDilemma-v0"
    parallel = wrap(payoff.parallel_env(game), BonusReward(Count(lambda obs, info: np.zeros(len(obs)), power=1.0)))
    batch = wrap(payoff.multi_agent_vec(game, 1), BonusReward(Count(lambda obs, info: np.zeros(len(obs)), power=1.0)))
    parallel.reset(seed=0), batch.reset(seed=0)
    for expected in ([1 / 2, 1 / 4], [1 / 5, 1 / 6]):  # two starts and two arrivals, then arrivals only
        infos = parallel.step({agent: np.full(1, 50.0) for agent in parallel.agents})[-1]
        terms = batch.step(np.full((1, 2, 1), 50.0))[-1]["reward_terms"]["bonus"]
        assert [infos[agent]["reward_terms"]["bonus"] for agent in parallel.agents] == pytest.approx(expected)
        assert terms[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"coef": -1.0}, "coef must be a number in"),
        ({"decay": 0.0}, "decay must be a number in"),
        ({"normalise": "rms"}, "normalise must be one of 'std', 'return', got 'rms'"),
        ({"normalise": "return"}, r"gamma must be a number in \[0, 1\), got None"),
        ({"gamma": 0.9}, "gamma is only used with normalise='return'"),
        ({"clip": 0.0}, "clip must be a number in"),
        ({"on_terminal": "yes"}, "on_terminal must be True or False"),
    ],
)
def test_bad_argument_is_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        BonusReward(Count(), **keywords)


def test_bonus_must_be_one():
    with pytest.raises(TypeError, match="bonus must be a Bonus, got BonusReward"):
        BonusReward(BonusReward(Count()))


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.array([1.0, np.nan]), "Odd must give finite numbers"), (np.zeros(3), r"of shape \(2,\), got shape \(3,\)")],
)
def test_bonus_that_is_no_number_is_named(value, message, start, step):
    class Odd(Given):
        def __call__(self, t):
            return value

    method = BonusReward(Odd())
    start(method, np.zeros((2, 1)))
    with pytest.raises(ValueError, match=message):
        method(step(np.zeros((2, 1)), np.zeros((2, 1))))


def test_bad_state_is_refused_and_changes_nothing(start, step):
    method = BonusReward(Count(), normalise="std")
    start(method, np.zeros((2, 1)))
    method(step(np.zeros((2, 1)), np.ones((2, 1))))
    kept = method.state_dict()
    bad = {
        "paid.deviation.sums": (np.zeros(2), "sums must be 3 numbers"),
        "paid.weight": (np.zeros(3), r"PaidBonus: weight must have shape \(2,\)"),
        "paid.bonus.visits.count": (np.zeros(2, int), "count must hold whole numbers of at least 1"),
        "paid.more": (np.zeros(2), "PaidBonus takes the arrays"),
        "more": (np.zeros(2), "BonusReward takes the arrays"),
    }
    for name, (array, message) in bad.items():
        with pytest.raises(ValueError, match=message):
            method.load_state_dict({**kept, name: array})
    for name, array in method.state_dict().items():
        np.testing.assert_array_equal(array, kept[name])
