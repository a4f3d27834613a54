"""NoisyTesting against Bayes' rule over whole sequences of answers, and a recursion over counts."""

import functools
import itertools
import math

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import CLOCK
from payoff.envs.sparse import noisy_testing
from payoff.envs.sparse.noisy_testing import EVENT, NoisyTestingParams, Observe

ID = "payoff/NoisyTesting-v0"
GAME = registry.load(ID)


def layout(k):
    return GAME.shape(NoisyTestingParams(hypotheses=2, tests=k)).layout


def field(params, row, name):
    return layout(params.tests).view(row[None], name)[0]


def belief(params, row):
    return noisy_testing.belief(params, *layout(params.tests).open(row))


def oracle_action_set(params, row):
    return noisy_testing.oracle_action_set(params, *layout(params.tests).open(row))


def likelihood(params, h, i, positive):
    """Probability of an answer of test i under hypothesis h."""
    fact = bool(h >> (i % (params.hypotheses.bit_length() - 1)) & 1)
    step = (params.high_accuracy - params.low_accuracy) / max(params.tests - 1, 1)
    accuracy = params.low_accuracy + i * step
    return accuracy if fact == positive else 1 - accuracy


def posterior(params, answers):
    """Bayes' rule over ``(test, positive)`` answers: ``(m,)``."""
    weight = [math.prod(likelihood(params, h, i, said) for i, said in answers) for h in range(params.hypotheses)]
    return np.array(weight) / sum(weight)


def price(params, i):
    return params.low_price + i * (params.high_price - params.low_price) / max(params.tests - 1, 1)


def best_values(params):
    """Expected return of each action after some answers with so many steps left; answers are counted, not ordered."""

    def values(counts, left):
        answers = [(i, said) for (i, said), n in counts for _ in range(n)]
        beliefs = posterior(params, answers)
        found = beliefs.tolist()
        for i in range(params.tests):
            found.append(-price(params, i))
            for said in (True, False) if left > 1 else ():
                chance = sum(b * likelihood(params, h, i, said) for h, b in enumerate(beliefs))
                after = dict(counts)
                after[i, said] = after.get((i, said), 0) + 1
                found[-1] += chance * best(tuple(sorted(after.items())), left - 1)
        return np.array(found)

    @functools.cache
    def best(counts, left):
        return values(counts, left).max()

    return values


def play(params, seed, choose):
    """States ``(row, action, caption, info, answers before)`` of an episode; ``choose(row)`` gives the action."""
    env = gym.make(ID, **{name: getattr(params, name) for name in params.names()})
    env.reset(seed=seed)
    ended, steps, answers = False, [], []
    while not ended:
        row = env.unwrapped.engine.state[0].copy()
        action = int(np.ravel(choose(row))[0])
        _, _, terminated, truncated, info = env.step(action)
        steps.append((row, action, GAME.captions[info["caption"]], info, list(answers)))
        if action >= params.hypotheses:
            answers.append((action - params.hypotheses, GAME.captions[info["caption"]] == "tested positive"))
        ended = terminated or truncated
    return steps


def test_gain_of_one_test_of_a_fair_fact():
    """Accuracy 0.8: 0.18 of probability on average, and 0.8 log 1.6 + 0.2 log 0.4 = 0.193 of its logarithm."""
    for aux, expected in (("belief_prob", 0.18), ("belief_log", 0.8 * math.log(1.6) + 0.2 * math.log(0.4))):
        env = payoff.multi_agent_vec(ID, 1, hypotheses=2, tests=1, low_accuracy=0.8, high_accuracy=0.8, aux=aux)
        env.reset(seed=0)
        chances = GAME.chance(env.engine.rows[0])
        total = 0.0
        for truth, outcome in itertools.product(range(2), range(len(chances))):
            env.reset()
            env.engine.state[0, layout(1).column("truth")] = truth
            env.engine.state[0, layout(1).column("forced")] = outcome + 1
            total += chances[outcome] / 2 * env.step([[2]])[4]["aux"][0, 0]
        assert total == pytest.approx(expected, abs=1e-12)
    assert expected == pytest.approx(0.1927, abs=5e-5)


@pytest.mark.parametrize(("m", "k"), [(2, 1), (2, 3), (8, 3), (4, 4)])
def test_answers_are_right_with_the_accuracy_of_their_test(m, k):
    """Exactly: every truth, test and chance outcome."""
    chances = GAME.chance(NoisyTestingParams(hypotheses=m, tests=k))
    assert chances.shape == (k + 1,) and chances.sum() == pytest.approx(1.0, abs=1e-15)
    cases = list(itertools.product(range(m), range(k), range(k + 1)))
    env = payoff.multi_agent_vec(ID, len(cases), hypotheses=m, tests=k)
    env.reset(seed=0)
    params = env.engine.rows[0]
    truths, tests, outcomes = np.array(cases).T
    layout(k).view(env.engine.state, "truth")[...] = truths
    layout(k).view(env.engine.state, "forced")[...] = outcomes + 1
    env.step(m + tests[:, None])
    assert not layout(k).view(env.engine.state, "forced").any()
    positive = layout(k).view(env.engine.state, "positive")[np.arange(len(cases)), tests]
    for truth, i in itertools.product(range(m), range(k)):
        share = chances @ positive[(truths == truth) & (tests == i)]
        assert share == pytest.approx(likelihood(params, truth, i, True), abs=1e-12)


def test_rules_and_belief():
    params = NoisyTestingParams(hypotheses=8, tests=5, max_steps=10)
    draw, seen = np.random.default_rng(0), set()
    for seed in range(150):
        for row, action, caption, info, answers in play(params, seed, lambda row: draw.integers(draw.integers(9), 13)):
            np.testing.assert_allclose(belief(params, row), posterior(params, answers), atol=1e-12)
            assert info["aux"] == 0.0
            if action < 8:
                right = action == int(field(params, row, "truth"))
                assert caption == ("named the right hypothesis" if right else "named a wrong hypothesis")
                assert info["payoff"][0] == float(right)
            else:
                assert info["payoff"][0] == pytest.approx(-price(params, action - 8), abs=1e-15)
            seen.add(caption)
    assert seen | {EVENT.captions[0]} == set(EVENT.captions)


CASES = [
    {"hypotheses": 2, "tests": 2, "max_steps": 7},
    {"hypotheses": 4, "tests": 3, "max_steps": 5},
    {"hypotheses": 4, "tests": 2, "max_steps": 6, "low_price": 0.0, "high_price": 0.1, "low_accuracy": 0.5},
    {"hypotheses": 2, "tests": 1, "max_steps": 9, "low_accuracy": 0.8, "high_accuracy": 0.8},
]


@pytest.mark.parametrize("words", CASES)
def test_optimum_is_that_of_a_recursion_over_counts(words):
    params = NoisyTestingParams(**words)
    values, draw = best_values(params), np.random.default_rng(0)
    graded = NoisyTestingParams(**words, aux="oracle")
    for seed in range(6):
        low = params.hypotheses - (seed > 3)
        for row, action, _, info, answers in play(
            graded, seed, lambda row, low=low: draw.integers(low, params.hypotheses + params.tests)
        ):
            counts = tuple(sorted((a, answers.count(a)) for a in set(answers)))
            expected = values(counts, params.horizon - int(row[CLOCK]))
            assert GAME.optimum(params, row) == (pytest.approx(expected.max(), abs=1e-12), 1)
            best = np.flatnonzero(expected >= expected.max() - 1e-10)
            assert oracle_action_set(params, row).tolist() == best.tolist()
            assert GAME.policy(params, row)[0] == best[0]
            assert info["aux"] == float(action in best)


def test_optimum_of_two_hypotheses_is_that_of_a_sequential_test():
    """The better test until its answers differ by two: 0.81/0.82 right, after 2/0.82 tests of 0.03 on average."""
    level = payoff.certificate(ID).levels[0]
    assert dict(level.parameters) == {"hypotheses": 2, "tests": 2}
    assert level.optimum.mean == pytest.approx(0.81 / 0.82 - 0.03 * 2 / 0.82, abs=1e-12)


def test_optimum_of_the_levels_is_kept_on_average():
    """Promised for four hypotheses against 4000 episodes of the policy."""
    params = NoisyTestingParams(tests=4, max_steps=12)
    env = payoff.multi_agent_vec(ID, 4000, tests=4, max_steps=12, info="minimal")
    env.reset(seed=50)
    promised = GAME.optimum(params, env.engine.state[0])[0]
    total, running, known = np.zeros(4000), np.ones(4000, dtype=bool), {}
    while running.any():
        actions = np.zeros((4000, 1))
        for b in np.flatnonzero(running):
            row = env.engine.state[b]
            key = (row[CLOCK], *field(params, row, "positive"), *field(params, row, "negative"))
            if key not in known:
                known[key] = GAME.policy(params, row)[0]
            actions[b] = known[key]
        _, _, terminated, truncated, info = env.step(actions)
        total += running * info["payoff"][:, 0]
        running &= ~(terminated | truncated)
    assert total.mean() == pytest.approx(promised, abs=4 * total.std() / math.sqrt(4000))


def test_beliefs_add_up():
    for aux in ("belief_prob", "belief_log"):
        params = NoisyTestingParams(aux=aux, hypotheses=4, tests=4, max_steps=12)
        draw = np.random.default_rng(1)
        for seed in range(20):
            steps = play(params, seed, lambda row, draw=draw: draw.integers(4, 8))
            (*_, last) = steps
            truth = int(field(params, last[0], "truth"))
            end = posterior(params, [*last[4], (last[1] - 4, last[2] == "tested positive")])[truth]
            total = sum(info["aux"] for *_, info, _ in steps)
            assert total == pytest.approx(end - 0.25 if aux == "belief_prob" else math.log(4 * end), abs=1e-12)


def test_random_success():
    for level in payoff.certificate(ID).levels:
        m, k = level.parameters.get("hypotheses", 4), level.parameters.get("tests", 2)
        chance = (1 - (k / (k + m)) ** level.max_steps) / m
        assert level.random_success.mean == pytest.approx(chance, abs=5 * level.random_success.standard_error)


def test_observations_show_counts_and_belief():
    params = NoisyTestingParams(hypotheses=4, tests=3, max_steps=10)
    words = {"hypotheses": 4, "tests": 3, "max_steps": 10}
    envs = {name: payoff.multi_agent_vec(ID, 1, observe=name, **words) for name in ("full", "private", "minimal")}
    for env in envs.values():
        env.reset(seed=0)
    for seed in range(10):
        draw = np.random.default_rng(seed)
        for row, _, _, _, answers in play(params, seed, lambda row, draw=draw: draw.integers(4, 7)):
            full, private, minimal = (env.engine.look(row[None])[0, 0] for env in envs.values())
            counts = [answers.count((i, said)) / 10 for said in (True, False) for i in range(3)]
            np.testing.assert_allclose(private, counts, atol=1e-7)
            np.testing.assert_allclose(full, [*counts, *belief(params, row)], atol=1e-7)
            last, said = answers[-1] if answers else (-1, False)
            assert minimal.tolist() == [*(float(i == last) for i in range(3)), float(said)]
    assert GAME.plan([params], [0], Observe(scope="private", clock=True)).names[-1] == "clock"


def test_what_is_refused():
    for words, message in (
        ({"hypotheses": 6}, "hypotheses must be one of 2, 4, 8, 16, got 6"),
        ({"hypotheses": 8, "tests": 2}, r"tests must be an integer in 3 \.\. 8, got 2"),
        ({"low_accuracy": 0.95}, r"high_accuracy must be a number in \[0.95, 0.999\], got 0.9"),
        ({"aux": "oracle", "tests": 3}, "aux must not be 'oracle' beyond 2,000,000 balances"),
    ):
        with pytest.raises(ValueError, match=message):
            NoisyTestingParams(**words)
    with pytest.raises(ValueError, match=r"tests must be the same in all copies of a batch, got \[2, 3\]"):
        payoff.multi_agent_vec(ID, 2, tests=[2, 3])
    prices = np.linspace(0, 0.03, 30)
    each = f"{sum((2 * r + 1) ** 4 for r in range(12)):,}"
    with pytest.raises(ValueError, match=f"at most 20,000,000 balances in all, got {each} in each of 30 copies"):
        payoff.multi_agent_vec(ID, 30, tests=4, max_steps=12, aux="oracle", low_price=prices)
    params = NoisyTestingParams(tests=8)
    env = payoff.multi_agent_vec(ID, 1, tests=8)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="max_steps and tests must make at most 20,000,000 balances to be solved"):
        GAME.optimum(params, env.engine.state[0])


def test_copies_may_differ_in_steps_under_the_oracle():
    env = payoff.multi_agent_vec(ID, 2, tests=2, max_steps=[3, 6], aux="oracle", autoreset_mode="disabled")
    env.reset(seed=0)
    for _ in range(3):
        rows = env.engine.state.copy()
        given = env.step([[4], [5]])[4]["aux"][:, 0]
        for b, p in enumerate(env.engine.rows):
            assert given[b] == float(4 + b in oracle_action_set(p, rows[b]))


def test_picture_shows_belief_and_answers():
    env = gym.make(ID, render_mode="rgb_array", hypotheses=2, tests=1)
    env.reset(seed=0)
    before = env.render()
    assert before.shape[1] == 24 * 2 + 24 and before.dtype == np.uint8
    caption = GAME.captions[env.step(2)[4]["caption"]]
    colours = {tuple(c) for c in env.render().reshape(-1, 3).tolist()}
    assert ((0, 158, 115) in colours) == (caption == "tested positive")
    assert ((230, 159, 0) in colours) == (caption == "tested negative")
