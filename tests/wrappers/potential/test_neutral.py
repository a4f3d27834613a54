"""Bonuses that no return notices: the sum, the ends of episodes, the guard, and policies on the cliff."""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import payoff
from payoff.envs.theory.tabular import value_iteration
from payoff.wrappers import BatchInfo, Count, FirstVisit, RewardMethod, Transition, wrap
from payoff.wrappers.potential.neutral import ReturnNeutralBonus

NO_INFO = BatchInfo(lambda key: {}[key], [], np.zeros(0, dtype=bool))
CLIFF = "payoff/CliffWalk-v0"


class Script(RewardMethod):
    """A bonus that reads its numbers from a list."""

    def __init__(self, numbers):
        self.numbers = iter(numbers)

    def __call__(self, t):
        return np.array(next(self.numbers), dtype=np.float64)


def terms(method, bonuses, ended):
    """F' (T, R) of scripted bonuses; ``ended`` (T, R): "T" terminated, "U" truncated, "TU" both, "-" no step."""
    rows = len(bonuses[0])
    nothing = np.zeros(rows)
    method.reset(np.zeros((rows, 1)), NO_INFO, np.ones(rows, dtype=bool))
    out = []
    for kinds in ended:
        flags = (np.array([flag in kind for kind in kinds]) for flag in "TU")
        active = np.array([kind != "-" for kind in kinds])
        out.append(method(Transition(None, None, nothing, np.zeros((rows, 1)), *flags, NO_INFO, active)))
    return np.array(out)


@pytest.mark.parametrize("delay", [1, 2, 3, 10, None])
@settings(max_examples=60, deadline=None)
@given(
    bonuses=st.lists(st.floats(-10.0, 10.0), min_size=1, max_size=12),
    gamma=st.floats(0.6, 1.0),
    coef=st.sampled_from([1.0, -0.5]),
)
def test_discounted_sum_is_zero_on_every_trajectory(delay, bonuses, gamma, coef):
    steps = len(bonuses)
    horizon = {"horizon": 12} if delay is None else {}
    method = ReturnNeutralBonus(
        Script([[b] for b in bonuses]), gamma=gamma, delay=delay, on_truncation="bootstrap", coef=coef, **horizon
    )
    found = terms(method, [[b] for b in bonuses], [[""]] * (steps - 1) + [["T"]])
    discount = gamma ** np.arange(steps)
    assert abs((discount * found[:, 0]).sum()) < 1e-12 * max(1.0, np.abs(discount * found[:, 0]).sum())


def test_sum_is_zero_in_every_episode_of_a_random_play(walk, visits):
    """Bonuses that depend on the history, in episodes that end in every way; GRM and PBIM, settled at every end."""
    gamma = 0.9
    for delay in (1, 2, 4, None):
        horizon = {"horizon": 6} if delay is None else {}
        env = wrap(walk(), ReturnNeutralBonus(visits(), gamma=gamma, delay=delay, on_truncation="terminal", **horizon))
        rng, kinds, largest = np.random.default_rng(0), set(), 0.0
        for episode in range(60):
            env.reset(seed=episode)
            total, t, over = 0.0, 0, False
            while not over:
                _, reward, terminated, truncated, info = env.step(rng.integers(0, 3))
                paid = info["reward_terms"]["bonus"]
                assert reward == pytest.approx(info["true_reward"] + paid, abs=1e-12)
                total, t, over = total + gamma**t * paid, t + 1, terminated or truncated
                largest = max(largest, abs(paid))
            kinds.add((terminated, truncated))
            assert abs(total) < 1e-12
        assert len(kinds) == 3 and largest > 0.5


# By hand, gamma 0.5: F = 1, 2, 3. D = 1 takes back 1 / 0.5 = 2 at t = 1 and 4 at t = 2; D = 2 takes back 4 at t = 2.
ENDS = [
    # delay, on_truncation, flags at the last step, F'
    (1, "bootstrap", "T", [1.0, 0.0, -4.0]),
    (1, "bootstrap", "TU", [1.0, 0.0, -4.0]),
    (1, "bootstrap", "U", [1.0, 0.0, -1.0]),  # 3 is still owed: the potential of the state there is 3 / 0.5
    (1, "terminal", "U", [1.0, 0.0, -4.0]),
    (2, "bootstrap", "T", [1.0, 2.0, -8.0]),
    (2, "bootstrap", "U", [1.0, 2.0, -1.0]),
    (2, "terminal", "U", [1.0, 2.0, -8.0]),
    (None, "bootstrap", "T", [1.0, 2.0, -8.0]),
    (None, "bootstrap", "U", [1.0, 2.0, 3.0]),
    (None, "terminal", "U", [1.0, 2.0, -8.0]),
    (None, "terminal", "TU", [1.0, 2.0, -8.0]),
]


@pytest.mark.parametrize(("delay", "on_truncation", "flag", "expected"), ENDS)
def test_ends_of_episodes(delay, on_truncation, flag, expected):
    bonuses = [[1.0], [2.0], [3.0]]
    horizon = {"horizon": 3} if delay is None else {}
    method = ReturnNeutralBonus(Script(bonuses), gamma=0.5, delay=delay, on_truncation=on_truncation, **horizon)
    found = terms(method, bonuses, [[""], [""], [flag]])
    assert found[:, 0].tolist() == expected
    total = sum(0.5**t * x for t, x in enumerate(expected))
    settled = "T" in flag or on_truncation == "terminal"
    potential = 0.0 if settled else method.debt.item() / 0.5  # of the state in which the learner bootstraps
    assert total == 0.5**3 * potential


def test_rows_that_rest_owe_the_same_later(visits):
    """A call that only restarts a copy, or an agent that left, is no step; others go on as if alone."""
    bonuses = [[1.0, 1.0], [7.0, 2.0], [2.0, 3.0], [3.0, 9.0]]
    for delay, horizon in ((1, None), (2, None), (None, 3)):
        method = ReturnNeutralBonus(Script(bonuses), gamma=0.5, delay=delay, on_truncation="bootstrap", horizon=horizon)
        found = terms(method, bonuses, [["", ""], ["-", ""], ["", "T"], ["T", "-"]])
        expected = {1: [1.0, 0.0, -4.0], 2: [1.0, 2.0, -8.0], None: [1.0, 2.0, -8.0]}[delay]
        assert found[[0, 2, 3], 0].tolist() == expected == found[:3, 1].tolist()


def test_autoreset_call_pays_nothing_and_forgets(walk, sync, visits):
    env = wrap(
        sync(lambda: walk(horizon=3, edge=100), 2),
        ReturnNeutralBonus(visits(), gamma=0.5, delay=2, on_truncation="bootstrap"),
    )
    env.reset(seed=0)
    for _ in range(3):
        *_, truncated, info = env.step(np.array([1, 2]))
    assert truncated.all() and (env.method.debt > 0.0).all()
    _, reward, *_, info = env.step(np.array([1, 2]))
    assert reward.tolist() == info["reward_terms"]["bonus"].tolist() == [0.0, 0.0]
    assert env.method.debt.tolist() == [0.0, 0.0]
    assert env.step(np.array([1, 2]))[4]["reward_terms"]["bonus"].tolist() == [1.25, 1.5]  # a first step of a row


@pytest.mark.parametrize(("delay", "horizon"), [(1, None), (3, None), (20, None), (None, 6)])
def test_stacking(delay, horizon, stacks_equal, visits):
    for on_truncation in ("bootstrap", "terminal"):
        stacks_equal(
            lambda on=on_truncation: ReturnNeutralBonus(
                visits(), gamma=0.9, delay=delay, on_truncation=on, horizon=horizon
            )
        )


def test_it_is_potential_shaping_by_the_debt(walk, visits):
    """F'_t = gamma Phi_{t+1} - Phi_t with Phi = debt / gamma before each step: equations (1) and (2) once more."""
    gamma = 0.8
    for delay, horizon in ((1, None), (3, None), (None, 12)):
        method = ReturnNeutralBonus(visits(), gamma=gamma, delay=delay, on_truncation="bootstrap", horizon=horizon)
        env = wrap(walk(horizon=12, edge=100), method)
        env.reset(seed=0)
        phi = 0.0
        for action in [2, 1, 0, 1, 1, 2, 2, 0, 0, 1, 2, 1]:
            paid = env.step(action)[4]["reward_terms"]["bonus"]
            after = method.debt.item() / gamma
            assert paid == pytest.approx(gamma * after - phi, abs=1e-12)
            phi = after


# -- the cliff -----------------------------------------------------------------------------------------------


class Corner(RewardMethod):
    """A bonus for standing in the upper left corner: the noisy television of this grid."""

    def __call__(self, t):
        return np.where((t.next_obs[:, 0] == 1.0) & (t.next_obs[:, 4] == 1.0), 1.0, 0.0)


class Naive(RewardMethod):
    """The bonus added as it is."""

    term = "bonus"

    def __init__(self, bonus, coef):
        self.bonus, self.coef = bonus, coef

    def __call__(self, t):
        return t.reward + self.coef * self.bonus(t)


def policies(count):
    """Deterministic policies (P, 48): the best by exact value iteration, one that stays in the corner, random ones."""
    mdp = payoff.as_mdp(CLIFF, starts=[0])
    cell = next(column for column in mdp.states.T if len(np.unique(column)) == mdp.n_states).astype(int)
    chosen = np.random.default_rng(0).integers(0, 4, (count, 48))
    chosen[0, cell], chosen[1] = value_iteration(mdp, 0.95).policy, 0
    return chosen


def returns(env, chosen, gamma=0.95):
    """Discounted return of the first episode of each copy, copy p playing policy p."""
    obs, _ = env.reset(seed=0)
    total, running = np.zeros(len(chosen)), np.ones(len(chosen), dtype=bool)
    for t in range(100):
        cell = obs[:, :4].argmax(axis=1) * 12 + obs[:, 4:].argmax(axis=1)
        obs, reward, terminated, truncated, _ = env.step(chosen[np.arange(len(chosen)), cell])
        total += np.where(running, gamma**t * reward, 0.0)
        running &= ~(terminated | truncated)
    assert not running.any()
    return total


def test_every_policy_on_the_cliff_is_worth_what_it_was():
    """The policy that stays in the corner becomes the best one by the naive sum, and by no neutral bonus."""
    chosen = policies(120)

    def make():
        return gym.make_vec(CLIFF, num_envs=len(chosen), vectorization_mode="vector_entry_point")

    true = returns(make(), chosen)
    assert true.argmax() == 0 and true[0] == pytest.approx(-(1 - 0.95**13) / 0.05)
    assert returns(wrap(make(), Naive(Corner(), 5.0)), chosen).argmax() == 1
    for delay, horizon in ((1, None), (5, None), (None, 100)):
        method = ReturnNeutralBonus(
            Corner(), gamma=0.95, delay=delay, on_truncation="terminal", horizon=horizon, coef=5.0
        )
        np.testing.assert_allclose(returns(wrap(make(), method), chosen), true, atol=1e-9)


# -- arguments and state -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"delay": None}, ValueError, "horizon must be given without a delay"),
        ({"delay": None, "horizon": 4500}, ValueError, r"horizon must be at most 687 at gamma=0.99.*got 4500"),
        ({"delay": None, "horizon": 688}, ValueError, "horizon must be at most 687"),
        ({"delay": 688}, ValueError, "delay must be at most 687"),
        ({"delay": 2, "horizon": 10}, ValueError, "horizon is only used without a delay"),
        ({"delay": 0}, ValueError, "delay must be an integer at least 1, got 0"),
        ({"delay": None, "horizon": 0}, ValueError, "horizon must be an integer at least 1, got 0"),
        ({"gamma": 0.0}, ValueError, "gamma must be a number"),
        ({"on_truncation": "keep"}, ValueError, "on_truncation must be one of"),
        ({"coef": "1"}, ValueError, "coef must be a number"),
        ({"bonus": len}, TypeError, "bonus must be an object with reset"),
    ],
)
def test_arguments_are_checked(keywords, error, message):
    arguments = {"bonus": Corner(), "gamma": 0.99, "delay": 1, "on_truncation": "bootstrap"} | keywords
    with pytest.raises(error, match=message):
        ReturnNeutralBonus(arguments.pop("bonus"), **arguments)


def test_the_guard_allows_what_stays_small():
    """0.99^-4499 is 4.3e19; 687 steps are the last with a factor below 1000, and without discounting all are."""
    assert 0.99**-687 < 1e3 < 0.99**-688
    for gamma, horizon in ((0.99, 687), (1.0, 10**6)):
        ReturnNeutralBonus(Corner(), gamma=gamma, delay=None, horizon=horizon, on_truncation="terminal")


def test_an_episode_longer_than_promised_is_refused(walk, visits):
    method = ReturnNeutralBonus(visits(), gamma=0.9, delay=None, horizon=3, on_truncation="terminal")
    env = wrap(walk(horizon=50, edge=100), method)
    env.reset(seed=0)
    for _ in range(3):
        env.step(1)
    with pytest.raises(ValueError, match="horizon must be at least the length of every episode, got 3"):
        env.step(1)


@pytest.mark.parametrize("bad", [[0.0], [np.nan, 1.0]])
def test_a_bad_bonus_is_named(bad):
    method = ReturnNeutralBonus(Script([bad]), gamma=0.9, delay=1, on_truncation="terminal")
    with pytest.raises(ValueError, match="Script must return finite numbers"):
        terms(method, [[0.0, 0.0]], [["", ""]])


@pytest.mark.parametrize(("delay", "horizon"), [(3, None), (None, 60)])
def test_state_goes_round_and_a_bad_one_changes_nothing(delay, horizon, walk, sync, visits):
    def make():
        env = wrap(
            sync(lambda: walk(horizon=60, edge=100), 3),
            ReturnNeutralBonus(visits(), gamma=0.95, delay=delay, on_truncation="bootstrap", horizon=horizon),
        )
        env.reset(seed=0)
        return env

    env, other = make(), make()
    for action in np.random.default_rng(0).integers(0, 3, (7, 3)):
        env.step(action), other.step(np.ones(3, dtype=int))
    state = env.method.state_dict()
    assert {k.split(".")[0] for k in state} == ({"recent", "bonus"} if delay else {"debt", "steps", "bonus"})
    kept = other.method.state_dict()
    for bad in (
        {},
        {k: v for k, v in state.items() if not k.startswith("bonus.")},
        {**state, "bonus.count": np.zeros((2, 64))},
        {**state, "more": np.zeros(3)},
        {k: v[:2] for k, v in state.items()},
    ):
        with pytest.raises(ValueError):
            other.method.load_state_dict(bad)
        for key, value in other.method.state_dict().items():
            np.testing.assert_array_equal(value, kept[key])
    other.method.load_state_dict(state)
    for name in state:
        np.testing.assert_array_equal(other.method.state_dict()[name], state[name])


def test_in_the_middle_of_an_episode_it_goes_on_the_same(visits):
    def run(method, count, start=0):
        out = []
        for k in range(start, start + count):
            at, active = np.array([[k % 3], [k % 2]]), np.ones(2, dtype=bool)
            off = ~active
            out.append(method(Transition(at, np.zeros(2), np.zeros(2), at, off, off, NO_INFO, active)).tolist())
        return out

    for delay, horizon in ((3, None), (None, 40)):
        one, two = (
            ReturnNeutralBonus(visits(), gamma=0.9, delay=delay, on_truncation="bootstrap", horizon=horizon)
            for _ in range(2)
        )
        for method in (one, two):
            method.reset(np.zeros((2, 1)), NO_INFO, np.ones(2, dtype=bool))
        run(one, 9), run(two, 2)
        two.load_state_dict(one.state_dict())
        assert run(two, 12, 9) == run(one, 12, 9)


def test_one_object_serves_one_environment(walk, visits):
    """A bonus keeps memory that two environments would mix; one that says how to fork is copied."""

    class Forking(visits):
        def fork(self):
            return type(self)()

    plain, forking = (
        ReturnNeutralBonus(bonus(), gamma=0.9, delay=1, on_truncation="bootstrap") for bonus in (visits, Forking)
    )
    keep = [wrap(walk(), plain), wrap(walk(), forking)]
    with pytest.raises(ValueError, match="already serves another environment"):
        wrap(walk(), plain)
    other = wrap(walk(), forking)
    assert other.method is not forking and other.method.bonus is not forking.bonus
    assert (other.method.delay, other.method.gamma) == (1, 0.9)
    assert all(env.method.in_use for env in keep)


def test_one_bonus_in_two_methods_has_episodes_of_its_own_in_each():
    """Two environments that follow other paths are paid what they are paid alone; counts for ever are common."""

    def play(*methods):
        everyone, off = np.ones(1, dtype=bool), np.zeros(1, dtype=bool)
        for k, method in enumerate(methods):
            method.reset(np.array([k]), NO_INFO, everyone)
        out = []
        for k, path in zip(range(4), ((1, 5), (2, 5), (0, 6), (1, 1)), strict=True):
            for method, at in zip(methods, path, strict=False):
                t = Transition(np.zeros(1), np.zeros(1), np.zeros(1), np.array([at]), off, off, NO_INFO, everyone)
                out.append((k, method(t).item()))
        return out[:: len(methods)], out[len(methods) - 1 :: len(methods)]

    def method(bonus):
        return ReturnNeutralBonus(bonus, gamma=1.0, delay=4, on_truncation="bootstrap")

    shared = FirstVisit()
    one, two = play(method(shared), method(shared))
    assert one == [(0, 1.0), (1, 1.0), (2, 0.0), (3, 0.0)]  # 1 and 2 are new; 0 is the start, 1 was visited
    assert two == [(0, 1.0), (1, 0.0), (2, 1.0), (3, 0.0)]  # 5 and 6 are new; 1 is the start
    count = Count()
    assert method(count).bonus.visits is method(count).bonus.visits is count.visits
