"""TwentyQuestions against plain sets of hypotheses."""

import functools
import math

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import CLOCK
from payoff.envs.sparse import twenty_questions
from payoff.envs.sparse.twenty_questions import EVENT, Observe, TwentyQuestionsParams

ID = "payoff/TwentyQuestions-v0"
GAME = registry.load(ID)


def layout(m, k, aux):
    return GAME.shape(TwentyQuestionsParams(hypotheses=m, features=k, aux=aux)).layout


def belief(params, row):
    return twenty_questions.belief(params, *GAME.shape(params).layout.open(row))


def oracle_action_set(params, row):
    return twenty_questions.oracle_action_set(params, *GAME.shape(params).layout.open(row))


def field(params, row, name):
    return layout(params.hypotheses, params.features, params.aux).view(row[None], name)[0]


def table(params, row):
    """Whether each feature (row) is one of each hypothesis (column): ``(k, m)``."""
    return field(params, row, "feature").astype(int)[:, None] >> np.arange(params.hypotheses) & 1


def parts(has, subset, j):
    """The two parts of a set of hypotheses, by feature j."""
    yes = frozenset(h for h in subset if has[j, h])
    return yes, subset - yes


def best_values(params, has):
    """Expected return of each action at a set with so many steps left, by recursion over sets."""

    def values(subset, left):
        m, k = params.hypotheses, params.features
        found = [1 / len(subset) if h in subset else 0.0 for h in range(m)] + [-params.cost] * k
        for j in range(k):
            if left > 1:
                found[m + j] += sum(len(s) / len(subset) * best(s, left - 1) for s in parts(has, subset, j) if s)
        return np.array(found)

    @functools.cache
    def best(subset, left):
        return values(subset, left).max()

    return values


def play(params, seed, choose):
    """States ``(row, action, caption, aux)`` of an episode; ``choose(row)`` gives the action."""
    words = {name: getattr(params, name) for name in params.names()}
    env = gym.make(ID, **words)
    env.reset(seed=seed)
    ended, steps = False, []
    while not ended:
        row = env.unwrapped.engine.state[0].copy()
        action = int(np.ravel(choose(row))[0])
        _, _, terminated, truncated, info = env.step(action)
        steps.append((row, action, GAME.captions[info["caption"]], info))
        ended = terminated or truncated
    return steps


def test_halving_questions_add_to_the_belief_at_the_end_or_evenly():
    """Eight hypotheses and three features that tell them apart: 1/8, 1/4, 1/2 of probability, log 2 each of its log."""
    for aux, expected in (("belief_prob", [0.125, 0.25, 0.5]), ("belief_log", [math.log(2)] * 3)):
        params = TwentyQuestionsParams(hypotheses=8, features=3, aux=aux)
        for seed in range(5):
            order = np.random.default_rng(seed).permutation(3)
            steps = play(params, seed, lambda row, order=order: 8 + order[int(row[CLOCK])] if row[CLOCK] < 3 else 0)
            given = [info["aux"] for *_, info in steps]
            assert given == pytest.approx([*expected, 0.0], abs=1e-12)
            assert [round(info["payoff"][0], 12) for *_, info in steps[:3]] == [-0.05] * 3
        assert GAME.optimum(params, steps[0][0]) == (pytest.approx(1 - 3 * 0.05), 1)


@pytest.mark.parametrize(("m", "k"), [(2, 1), (5, 4), (8, 3), (12, 8)])
def test_no_two_hypotheses_are_alike(m, k):
    env = payoff.multi_agent_vec(ID, 300, hypotheses=m, features=k)
    env.reset(seed=0)
    params = TwentyQuestionsParams(hypotheses=m, features=k)
    tables = np.array([table(params, row) for row in env.engine.state])
    assert all(len(np.unique(has, axis=1).T) == m for has in tables)
    truths = np.bincount(layout(m, k, "none").view(env.engine.state, "truth").astype(int), minlength=m)
    assert len(truths) == m and truths.min() > 0
    if 1 << k > m:
        assert tables.mean(axis=0) == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(300))


def test_rules_and_belief():
    params = TwentyQuestionsParams(hypotheses=6, features=5, cost=0.1)
    draw, seen = np.random.default_rng(0), set()
    for seed in range(200):
        fits = None
        for row, action, caption, info in play(
            params, seed, lambda row: draw.choice([*range(6, 11), draw.integers(11)])
        ):
            has, truth = table(params, row), int(field(params, row, "truth"))
            fits = frozenset(range(6)) if fits is None else fits
            np.testing.assert_allclose(belief(params, row), [(h in fits) / len(fits) for h in range(6)], atol=1e-15)
            if action < 6:
                right = action == truth
                expected = "named the right hypothesis" if right else "named a wrong hypothesis"
                assert info["payoff"][0] == float(right)
            else:
                after = next(s for s in parts(has, fits, action - 6) if truth in s)
                expected = f"asked and heard {'yes' if has[action - 6, truth] else 'no'}"
                expected = "asked what was known already" if after == fits else expected
                assert info["payoff"][0] == -0.1
                fits = after
            assert caption == expected
            seen.add(caption)
    assert seen | {EVENT.captions[0]} == set(EVENT.captions)


@pytest.mark.parametrize("cost", [0.0, 0.05, 0.3])
@pytest.mark.parametrize(("m", "k", "steps"), [(4, 4, None), (7, 5, None), (7, 5, 3), (8, 6, 20)])
def test_optimum_is_that_of_a_recursion_over_sets(m, k, steps, cost):
    params = TwentyQuestionsParams(hypotheses=m, features=k, cost=cost, max_steps=steps)
    draw = np.random.default_rng(m)
    for seed in range(4):
        for row, *_ in play(params, seed, lambda row: draw.integers(m * (row[CLOCK] < 3), m + k)):
            values = best_values(params, table(params, row))
            fits = frozenset(np.flatnonzero(belief(params, row)).tolist())
            left = params.horizon - int(row[CLOCK])
            best = values(fits, left)
            assert GAME.optimum(params, row)[0] == pytest.approx(best.max(), abs=1e-12)
            assert best[int(GAME.policy(params, row)[0])] == pytest.approx(best.max(), abs=1e-12)
            unhurried = values(fits, k + 2)  # a question more than there are
            expected = unhurried >= unhurried.max() - 1e-12
            for j in range(k):  # a question that tells nothing is no good action, even where it is free
                expected[m + j] &= all(parts(table(params, row), fits, j))
            assert oracle_action_set(params, row).tolist() == np.flatnonzero(expected).tolist()


def test_auxiliary_rewards():
    for aux in ("oracle", "belief_prob", "belief_log"):
        params = TwentyQuestionsParams(hypotheses=8, features=5, aux=aux, max_steps=12)
        draw = np.random.default_rng(2)
        for seed in range(40):
            steps = play(params, seed, lambda row, draw=draw: draw.choice([*range(8, 13), draw.integers(13)]))
            given = np.array([info["aux"] for *_, info in steps])
            if aux == "oracle":
                graded = [float(action in oracle_action_set(params, row)) for row, action, *_ in steps]
                assert given.tolist() == graded
                continue
            last = next((belief(params, row).max() for row, action, *_ in reversed(steps) if action < 8), None)
            if last is not None:  # all but the name add up to the last belief in the truth, whose fellows share it
                total = last - 1 / 8 if aux == "belief_prob" else math.log(8 * last)
                assert given.sum() == pytest.approx(total, abs=1e-12)
                assert given[-1] == 0.0 and (given >= 0.0).all()


def test_expected_gain_of_the_logarithm_is_the_information():
    """A question that splits m into two parts is worth the entropy of its answer, averaged over the truth."""
    params = TwentyQuestionsParams(hypotheses=7, features=5, aux="belief_log")
    env = payoff.multi_agent_vec(ID, 7, hypotheses=7, features=5, aux="belief_log")
    env.reset(seed=0)
    row = env.engine.state[0].copy()
    for j in range(5):
        env.engine.state[...] = row
        layout(7, 5, "belief_log").view(env.engine.state, "truth")[...] = np.arange(7)
        share = table(params, row)[j].mean()
        entropy = -sum(p * math.log(p) for p in (share, 1 - share) if p > 0)
        given = env.step(np.full((7, 1), 7 + j))[4]["aux"]
        assert given.mean() == pytest.approx(entropy, abs=1e-12)


def test_random_success():
    """A name comes before time is up, and is right for one hypothesis in m."""
    for level in payoff.certificate(ID).levels:
        m, k = level.parameters["hypotheses"], level.parameters["features"]
        chance = (1 - (k / (k + m)) ** (k + 1)) / m
        assert level.random_success.mean == pytest.approx(chance, abs=5 * level.random_success.standard_error)


def test_observations_show_table_answers_and_belief():
    params = TwentyQuestionsParams(hypotheses=5, features=4)
    envs = {
        name: payoff.multi_agent_vec(ID, 1, hypotheses=5, features=4, observe=name)
        for name in ("full", "private", "minimal")
    }
    for env in envs.values():
        env.reset(seed=0)
    draw = np.random.default_rng(0)
    for seed in range(20):
        asked = []
        for row, action, *_ in play(params, seed, lambda row: draw.integers(5, 9)):
            has, truth = table(params, row), int(field(params, row, "truth"))
            full, private, minimal = (env.engine.look(row[None])[0, 0] for env in envs.values())
            answers = [float(has[j, truth] == said and j in asked) for said in (1, 0) for j in range(4)]
            last = [float(has[j, truth] == said and j in asked[-1:]) for said in (1, 0) for j in range(4)]
            assert private.tolist() == [*has.ravel().tolist(), *answers]
            assert minimal.tolist() == [*has.ravel().tolist(), *last]
            assert full[:-5].tolist() == private.tolist()
            np.testing.assert_allclose(full[-5:], belief(params, row), atol=1e-7)
            asked.append(action - 5)


def test_what_is_refused():
    for words, message in (
        ({"hypotheses": 9, "features": 3}, r"features must be an integer in 4 \.\. 16, got 3"),
        ({"hypotheses": 11, "aux": "oracle"}, "aux must not be 'oracle' beyond 10 hypotheses, got 11"),
        ({"cost": 1.5}, r"cost must be a number in \[0, 1\], got 1.5"),
        ({"aux": "gain"}, "aux must be one of 'none', 'oracle', 'belief_prob', 'belief_log', got 'gain'"),
    ):
        with pytest.raises(ValueError, match=message):
            TwentyQuestionsParams(**words)
    with pytest.raises(ValueError, match=r"hypotheses must be the same in all copies of a batch, got \[4, 8\]"):
        payoff.multi_agent_vec(ID, 2, hypotheses=[4, 8])
    with pytest.raises(TypeError, match="observe must be a name or an Observe, got int"):
        GAME.plan([TwentyQuestionsParams()], [0], 3)
    assert GAME.plan([TwentyQuestionsParams()], [0], Observe(clock=True)).names[-1] == "clock"


def test_picture_shows_what_is_ruled_out():
    params = TwentyQuestionsParams(hypotheses=4, features=3)
    env = gym.make(ID, render_mode="rgb_array", hypotheses=4, features=3)
    env.reset(seed=0)
    row = env.unwrapped.engine.state[0]
    j = next(j for j in range(3) if all(parts(table(params, row), frozenset(range(4)), j)))
    env.step(4 + j)
    picture = env.render()
    assert picture.shape == (28 * 4, 28 * 5, 3)
    fits = belief(params, row) > 0
    for h in range(4):
        bottom = tuple(picture[28 * 3 + 14, 28 * (h + 1) + 14].tolist())
        assert bottom == ((0, 158, 115) if fits[h] else (250, 250, 247))
    said = table(params, row)[j, int(field(params, row, "truth"))]
    assert tuple(picture[28 * j + 14, 14].tolist()) == ((0, 158, 115) if said else (230, 159, 0))
