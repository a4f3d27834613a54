"""FillerSteps: every deterministic policy is tried, and what each way of adding up scores makes of it."""

import itertools

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import CLOCK, OVER
from payoff.envs.sparse.filler_steps import FillerStepsParams
from payoff.envs.theory import tabular

ID = "payoff/FillerSteps-v0"
GAME = registry.load(ID)
GO, FILL, WRONG, STOP = range(4)
DONE = GAME.shape(FillerStepsParams()).layout.column("done")


def test_model_follows_the_rules():
    n = 4
    model = payoff.as_mdp(ID, starts=[0], needed=n)
    spoiled = n + 1
    for s, a in np.ndindex(model.n_states, 4):
        done, after = int(model.states[s, DONE]), model.next_state[s, a, 0]
        if model.terminal[s]:
            continue
        expected = {GO: min(done + 1, spoiled), FILL: done, WRONG: spoiled, STOP: done}[a]
        assert model.states[after, DONE] == expected
        assert model.terminal[after] == (a == STOP)
        assert model.reward[s, a, 0] == float(a == STOP and done == n)
    assert model.n_states == 2 * (n + 2)


@pytest.fixture(scope="module")
def tried():
    """All 4^7 stationary deterministic policies for n = 5: scores ``(40, P)``, nan once over, payoffs ``(40, P)``."""
    policies = np.array(list(itertools.product(range(4), repeat=7)))
    env = payoff.multi_agent_vec(ID, len(policies), autoreset_mode="next_step")
    obs, _ = env.reset(seed=0)
    running = np.ones(len(policies), dtype=bool)
    scores, paid = np.full((40, len(policies)), np.nan), np.zeros((40, len(policies)))
    for step in range(40):
        assert (obs[running, 0].sum(axis=1) == 1).all()
        chosen = policies[np.arange(len(policies)), obs[:, 0].argmax(axis=1)]
        obs, _, terminated, truncated, info = env.step(chosen[:, None])
        scores[step, running] = info["aux"][running, 0]
        paid[step, running] = info["payoff"][running, 0]
        running &= ~(terminated | truncated)
    assert not running.any()
    return scores, paid


def softmin_sum(q, temperature):
    """Sum of min-form process rewards: scores in [-1, 1], weighted by the softmax of their negatives."""
    r = 2 * q - 1
    weight = np.where(np.isnan(r), 0.0, np.exp(-np.nan_to_num(r) / temperature))
    return np.nansum(weight / weight.sum(axis=0) * r, axis=0)


FORMS = {  # value of a policy's scores, without its payoff; and the published best value with it
    "mean": (lambda q: np.nanmean(q, axis=0), 1.833),
    "clip at 0.9": (lambda q: np.nansum(np.minimum(q - 0.9, 0.0), axis=0), 0.600),
    "clip at 0.5": (lambda q: np.nansum(np.minimum(q - 0.5, 0.0), axis=0), 1.000),
    "delta": (lambda q: q[0], 1.900),  # differences telescope to the first score
    "min": (lambda q: np.nanmin(2 * q - 1, axis=0), 1.000),
    "softmin": (lambda q: softmin_sum(q, 0.1), 1.001),
}


def test_sums_are_largest_for_filling_until_the_end(tried):
    scores, paid = tried
    value, success, length = (
        np.nansum(scores, axis=0) + paid.sum(axis=0),
        paid.sum(axis=0),
        (~np.isnan(scores)).sum(axis=0),
    )
    best = value > value.max() - 1e-9
    assert value.max() == pytest.approx(36.0, abs=1e-9)
    assert (success[best] == 0.0).all() and (length[best] == 40).all()
    assert set(np.round(value[success > 0], 9)) == {6.0}


@pytest.mark.parametrize("form", FORMS)
def test_other_forms_are_largest_for_success(tried, form):
    scores, paid = tried
    measure, published = FORMS[form]
    value = measure(scores) + paid.sum(axis=0)
    best = value > value.max() - 1e-9
    assert value.max() == pytest.approx(published, abs=5e-4)
    assert (paid[:, best].sum(axis=0) == 1.0).all()
    assert ((~np.isnan(scores[:, best])).sum(axis=0) == 6).all()


def test_scores_of_the_judge():
    env = gym.make(ID, needed=2)

    def scores(actions):
        env.reset(seed=0)
        return [env.step(a) for a in actions]

    steps = scores([GO, FILL, GO, FILL, STOP])
    assert [s[4]["aux"] for s in steps] == [0.9, 0.9, 0.9, 0.9, 0.5]
    assert [s[1] for s in steps] == [0.0] * 4 + [1.0] and steps[-1][2]
    assert [s[4]["progress"] for s in steps] == [0.5, 0.5, 1.0, 1.0, 1.0]
    assert GAME.captions[steps[-1][4]["caption"]] == "stopped, all done"
    steps = scores([GO, GO, GO, GO, STOP])
    assert [s[4]["aux"] for s in steps] == [0.9, 0.9, 0.1, 0.1, 0.5]
    assert not any(s[1] for s in steps) and GAME.captions[steps[-1][4]["caption"]] == "stopped in vain"
    assert GAME.captions[steps[2][4]["caption"]] == "went too far" and steps[2][4]["progress"] == 0.0
    steps = scores([WRONG, GO, FILL, STOP])
    assert [s[4]["aux"] for s in steps] == [0.1, 0.1, 0.9, 0.5]
    assert not any(s[1] for s in steps)


@pytest.mark.parametrize("needed", [2, 5, 12])
def test_random_success(needed):
    """Each of n + 1 times, one of three actions is right; fills only cost time. The horizon by the waiting time."""
    model = payoff.as_mdp(ID, starts=[0], needed=needed)
    exact = tabular.success_probability(model, tabular.uniform_policy(model), 40)[0]
    waiting = np.zeros(41)
    waiting[0] = 1.0  # moves made so far: a move is right with 1/4, a fill with 1/4
    for _ in range(needed + 1):
        after = np.zeros(41)
        for t in range(41):
            for fills in range(40 - t):
                after[t + fills + 1] += waiting[t] * 0.25 ** (fills + 1)
        waiting = after
    assert exact == pytest.approx(waiting.sum(), rel=1e-12)
    assert exact == pytest.approx(3.0 ** -(needed + 1), rel=1e-3)
    assert (exact < 1e-3) == (needed == 12)
    assert GAME.levels["hard"] == {"needed": 12}


def test_optimum_in_every_state_and_at_every_time():
    params, model = FillerStepsParams(needed=3, max_steps=6), payoff.as_mdp(ID, starts=[0], needed=3)
    for clock in range(7):
        values = tabular.finite_horizon(model, None, 6 - clock)
        for s, row in enumerate(model.states):
            row = row.copy()
            row[CLOCK] = clock
            value, steps = GAME.optimum(params, row)
            assert value == values[s]
            if row[OVER] == 0 and row[DONE] <= 3:
                assert steps == 4 - row[DONE]
                assert GAME.policy(params, row) == [STOP if row[DONE] == 3 else GO]


@pytest.mark.parametrize(
    ("keywords", "message"), [({"needed": 0}, "needed must be"), ({"max_steps": 1.5}, "max_steps must be")]
)
def test_bad_parameters_are_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        FillerStepsParams(**keywords)
