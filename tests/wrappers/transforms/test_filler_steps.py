"""FillerSteps: summed step scores loop, min-form and the other bounded forms solve the problem; exactly, and learned.

Every stationary deterministic policy is played in the game, and its episode goes through the transforms as it would in
training. Dynamic programs over the exact model with time, and the minimum so far, add the best of all policies. A short
run of Monte-Carlo control shows what a learner makes of it.
"""

import itertools

import numpy as np
import pytest

import payoff
from payoff.envs.sparse.filler_steps import BAD_SCORE, GOOD_SCORE, MOVE, STOP_SCORE, V0
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.transforms.calibrated import OutcomeCalibrated
from payoff.wrappers.transforms.clip_delta import ClipDelta
from payoff.wrappers.transforms.min_form import MinForm, suffix_sums

ID, N, HORIZON = "payoff/FillerSteps-v0", 5, 40
GO, FILL, WRONG, STOP = MOVE
DONE = V0.shape(V0.params()).layout.column("done")
UNIT = (0.0, 1.0)


class Sum(RewardTransform):
    """What a naive user does: the reward plus the score of every step."""

    needs = ("aux",)

    def rewrite(self, batch):
        return batch.paid + batch.info["aux"]


def play(act, copies, needed=N, horizon=HORIZON):
    """Episodes of ``act(state numbers) -> actions`` as a batch."""
    env = payoff.multi_agent_vec(ID, copies, autoreset_mode="disabled", needed=needed, max_steps=horizon)
    obs, _ = env.reset(seed=0)
    running = np.ones(copies, bool)
    states, record = [obs[:, 0].argmax(axis=1)], []
    while running.any():
        action = act(states[-1])
        obs, _, terminated, truncated, info = env.step(action[:, None])
        states.append(obs[:, 0].argmax(axis=1))
        score, paid = info["aux"][:, 0], info["payoff"][:, 0]
        record.append((action, paid, running & terminated, running & truncated, running, score))
        running = running & ~(terminated | truncated)
        mask = terminated | truncated
        if running.any() and mask.any():  # ended copies go on, unseen
            obs, _ = env.reset(options={"reset_mask": mask})
            states[-1] = np.where(mask, obs[:, 0].argmax(axis=1), states[-1])
    action, paid, terminated, truncated, valid, score = (np.array(column) for column in zip(*record, strict=True))
    paid = np.where(valid, paid, 0.0)
    return EpisodeBatch(np.array(states)[..., None], action, paid, terminated, truncated, valid, {"aux": score})


@pytest.fixture(scope="module")
def tried():
    """One episode of each of the 4^7 stationary deterministic policies."""
    policies = np.array(list(itertools.product(range(4), repeat=N + 2)))
    everyone = np.arange(len(policies))
    return play(lambda state: policies[everyone, state], len(policies))


# what is best, and what the best is worth, payoff included (the notes' figures)
FORMS = {
    "clip at 0.9": (ClipDelta("aux", threshold=0.9, difference="none"), 0.600),
    "clip at 0.5": (ClipDelta("aux", threshold=0.5, difference="none"), 1.000),
    "delta": (ClipDelta("aux", clip=False, difference="delta"), 1.900),
    "min": (MinForm("aux", span=UNIT, temperature=0.0), 1.000),
    "suffix min": (MinForm("aux", span=UNIT, form="suffix"), 1.000),
    "softmin": (MinForm("aux", span=UNIT, temperature=0.1), 1.001),
    "outcome-calibrated": (OutcomeCalibrated("aux", threshold=1.0), 1.0 + 5.0 / 6.0),
}


def test_sum_form_loops(tried):
    """Best of all 16,384 policies: fill until the horizon, for 36.0; success is worth 6.0 of it at most."""
    value = Sum()(tried).sum(axis=0)
    best = value > value.max() - 1e-9
    assert value.max() == pytest.approx(36.0, abs=1e-9)
    assert (tried.returns[best] == 0.0).all() and (tried.lengths[best] == HORIZON).all()
    assert (np.where(tried.valid, tried.actions, FILL)[:, best] == FILL).any(axis=0).all()
    assert value[tried.returns == 1.0].max() == pytest.approx(6.0, abs=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_bounded_forms_do_not(tried, form):
    transform, published = FORMS[form]
    value = transform(tried).sum(axis=0)
    best = value > value.max() - 1e-9
    assert value.max() == pytest.approx(published, abs=5e-4)
    assert (tried.returns[best] == 1.0).all() and (tried.lengths[best] == N + 1).all()


# -- all policies, with time: dynamic programming over the model --------------------------------------------


def model_scores(model, needed):
    """Score of each state and action, by the rules of the game's page."""
    table = np.empty((model.n_states, 4))
    for s, a in np.ndindex(table.shape):
        spoils = a == GO and model.states[s, DONE] >= needed
        table[s, a] = BAD_SCORE if a == WRONG or spoils else STOP_SCORE if a == STOP else GOOD_SCORE
    return table


def best_with_time(model, remember, horizon, start):
    """Largest value over all policies that see time and ``memory``, by backward induction.

    ``remember(memory, s, a) -> (memory, paid)`` for whole numbers ``memory``.
    """
    known = {}

    def value(s, memory, left):
        if left == 0 or model.terminal[s]:
            return memory / 10.0, (0, 0)  # the minimum is paid at the end
        key = (s, memory, left)
        if key not in known:
            options = []
            for a in range(4):
                after, paid = remember(memory, s, a)
                worth, (steps, success) = value(int(model.next_state[s, a, 0]), after, left - 1)
                reward = model.reward[s, a, 0]
                options.append((reward + paid + worth, (steps + 1, success + reward)))
            known[key] = max(options, key=lambda o: (round(o[0], 9), -o[1][0]))
        return known[key]

    return value(start, 10, horizon)


def test_all_policies_that_see_time():
    """The sum draws success out to the last step, for 0.9 a filler; for the minimum n + 1 steps are as good as any."""
    model = payoff.as_mdp(ID, starts=[0], needed=N)
    scores = model_scores(model, N)
    first = int(model.initial.argmax())

    def summed(memory, s, a):
        return 0, scores[s, a]

    def least(memory, s, a):  # tenths of scores in [-1, 1]
        return min(memory, round(20 * scores[s, a]) - 10), 0.0

    value, (steps, success) = best_with_time(model, summed, HORIZON, first)
    assert value == pytest.approx(34 * 0.9 + 5 * 0.9 + 0.5 + 1.0, abs=1e-9) and (steps, success) == (40, 1.0)
    value, (steps, success) = best_with_time(model, least, HORIZON, first)
    assert value == pytest.approx(1.0, abs=1e-9) and (steps, success) == (N + 1, 1.0)


def test_model_is_the_game(tried):
    """The scores that the dynamic program uses are those that the game reports."""
    model = payoff.as_mdp(ID, starts=[0], needed=N)
    scores = model_scores(model, N)
    of_done = {int(model.states[s, DONE]): s for s in range(model.n_states) if not model.terminal[s]}
    seen = np.vectorize(of_done.get)(tried.obs[:-1, :, 0])
    np.testing.assert_allclose(tried.info["aux"][tried.valid], scores[seen, tried.actions][tried.valid], atol=1e-12)


# -- a learner -------------------------------------------------------------------------------------------------


def learn(transform, seed=0, updates=150, episodes=48, rate=0.15, hot=0.3, cold=0.02):
    """Monte-Carlo control: a table of mean returns to go, softmax play that cools down; rates at the end."""
    rng = np.random.default_rng(seed)
    values = np.ones((N + 2) * 4)
    success, length = [], []
    for update in range(updates):
        table = values.reshape(N + 2, 4) / (hot * (cold / hot) ** (update / (updates - 1)))
        chance = np.exp(table - table.max(axis=1, keepdims=True))
        below = (chance / chance.sum(axis=1, keepdims=True)).cumsum(axis=1)
        batch = play(lambda s, below=below: (rng.random((len(s), 1)) > below[s]).sum(axis=1).clip(max=3), episodes)
        success.append(batch.returns.mean())
        length.append(batch.lengths.mean())
        returns = suffix_sums(transform(batch))[batch.valid]
        pair = (batch.obs[:-1, :, 0] * 4 + batch.actions)[batch.valid]
        count = np.bincount(pair, minlength=values.size)
        mean = np.bincount(pair, weights=returns, minlength=values.size) / np.maximum(count, 1)
        values = np.where(count > 0, values + rate * (mean - values), values)
    return float(np.mean(success[-10:])), float(np.mean(length[-10:]))


def test_learner_of_sums_fills_until_the_horizon():
    success, length = learn(Sum())
    assert success == 0.0 and length == HORIZON


@pytest.mark.parametrize("form", ["softmin", "suffix min"])
def test_learner_of_min_form_solves_the_task(form):
    """Fillers on the way cost nothing and pay nothing, so that some stay; what counts is that it stops, all done."""
    success, length = learn(FORMS[form][0])
    assert success > 0.97 and length < 0.5 * HORIZON


def test_delta_is_for_whole_returns():
    """What one step is paid holds the score of the next: returns to go leave out what an action took from the past.

    From the last state, all done, to fill once and then stop has more to go than to stop, though both episodes are paid
    the same in all.
    """
    fill = play(iter_actions([GO] * N + [FILL, STOP]), 1)
    stop = play(iter_actions([GO] * N + [STOP]), 1)
    transform = FORMS["delta"][0]
    paid = [transform(batch)[:, 0] for batch in (fill, stop)]
    assert paid[0].sum() == pytest.approx(paid[1].sum()) == pytest.approx(1.9)
    assert paid[0][N:].sum() == pytest.approx(1.9) and paid[1][N:].sum() == pytest.approx(1.0)


def iter_actions(actions):
    rest = iter(actions)
    return lambda state: np.array([next(rest)])
