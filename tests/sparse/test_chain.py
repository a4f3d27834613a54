"""Chain against its rules written down once more, and the study's exact optimum."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.game import Episode
from payoff.envs.sparse.chain import V0, ChainParams
from payoff.envs.theory import tabular

ID = "payoff/Chain-v0"
GAME = registry.load(ID)
LEFT, RIGHT = range(2)
LAYOUT = V0.shape(ChainParams()).layout
CELL = LAYOUT.column("cell")


def law(**keywords):
    """(cell, action) -> {(next cell, payoff): probability}, as the environment's model has it."""
    model = payoff.as_mdp(ID, starts=[0], **keywords)
    cells = model.states[:, CELL].astype(int)
    found = {}
    for s, a, k in np.ndindex(model.next_state.shape):
        if not model.terminal[s]:
            outcomes = found.setdefault((cells[s], a), {})
            event = (cells[model.next_state[s, a, k]], model.reward[s, a, k])
            outcomes[event] = outcomes.get(event, 0.0) + model.probability[s, a, k]
    return found


def reference(length, goal, slip, lure):
    """The same from the rules: cells 0 .. length - 2, the absorbing state is length - 1."""
    found = {}
    for cell in range(length - 1):
        ends = {
            LEFT: length - 1 if cell == 0 else cell - 1,
            RIGHT: cell if cell in (goal, length - 2) else cell + 1,
        }
        for action in (LEFT, RIGHT):
            pay = 1.0 if (cell, action) == (goal, RIGHT) else 0.01 if (cell, action) == (lure, LEFT) else 0.0
            outcomes = {}
            for taken, p in ((action, 1 - slip), (LEFT, slip / 2), (RIGHT, slip / 2)):
                outcomes[ends[taken], pay] = outcomes.get((ends[taken], pay), 0.0) + p
            found[cell, action] = outcomes
    return found


@pytest.mark.parametrize(
    ("keywords", "numbers"),
    [
        ({}, (62, 60, 0.05, None)),
        ({"distractor": True}, (62, 60, 0.05, 25)),
        ({"length": 20, "slip": 0.3, "distractor": True}, (20, 18, 0.3, 7)),  # start 12
        ({"length": 9, "start": 7, "goal": 4, "slip": 0.5}, (9, 4, 0.5, None)),
        ({"length": 6, "slip": 1.0, "distractor": True, "distractor_cell": 0}, (6, 4, 1.0, 0)),
    ],
)
def test_model_follows_the_rules(keywords, numbers):
    found, expected = law(**keywords), reference(*numbers)
    assert found.keys() <= expected.keys() and len(found) > numbers[0]
    for key, outcomes in found.items():
        wanted = {event: p for event, p in expected[key].items() if p > 0.0}
        assert {e for e, p in outcomes.items() if p > 0.0} == wanted.keys()
        for event, p in wanted.items():
            assert outcomes[event] == pytest.approx(p, abs=1e-15)


def best_by_hand(gamma, horizon=40):
    """Backward induction over the rules, without the environment."""
    rules = reference(62, 60, 0.05, None)
    values = np.zeros(62)
    for _ in range(horizon):
        q = [[sum(p * (r + gamma * values[n]) for (n, r), p in rules[c, a].items()) for a in (0, 1)] for c in range(61)]
        values = np.append(np.max(q, axis=1), 0.0)
    return values


def test_the_study_s_optimum():
    model = payoff.as_mdp(ID, starts=[0])
    assert model.n_states == 62
    exact = tabular.finite_horizon(model, None, 40, 0.99)[0]
    assert exact == pytest.approx(13.704, abs=5e-4)
    assert exact == pytest.approx(best_by_hand(0.99)[40], abs=1e-10)
    value, steps = GAME.optimum(ChainParams(), model.states[0])
    assert value == pytest.approx(best_by_hand(1.0)[40], abs=1e-10) and steps == 21
    assert value == pytest.approx(18.489, abs=5e-4)
    right = np.full(62, RIGHT)
    for keywords in ({}, {"distractor": True}):
        model = payoff.as_mdp(ID, starts=[0], **keywords)
        best, walk = (tabular.finite_horizon(model, policy, 40)[0] for policy in (None, right))
        assert best == pytest.approx(walk, abs=1e-12)


@pytest.mark.parametrize("level", ["easy", "medium", "hard"])
def test_random_success_by_a_walk_of_its_own(level):
    """The distribution of a fair walk with an absorbing end; success is choosing right in the goal."""
    params = ChainParams(**GAME.levels[level])
    goal, chance = params.goal_cell, np.zeros(params.goal_cell + 1)
    chance[params.start_cell], success = 1.0, 0.0
    for _ in range(40):
        success += chance[goal] / 2  # choosing right there
        left_out, chance[goal] = chance[goal] / 2, 0.0
        after = np.zeros_like(chance)
        after[1:] += chance[:-1] / 2
        after[:-1] += chance[1:] / 2
        # chosen left in the goal: moves left unless it slips to the right, which stays
        after[goal - 1] += left_out * (1 - params.slip / 2)
        after[goal] += left_out * params.slip / 2
        chance = after
    model = payoff.as_mdp(ID, starts=[0], **GAME.levels[level])
    exact = tabular.success_probability(model, tabular.uniform_policy(model), 40)[0]
    assert exact == pytest.approx(success, rel=1e-10)
    assert (exact < 1e-3) == (level != "easy")
    held = next(v for v in payoff.certificate(ID).levels if dict(v.parameters) == GAME.levels[level]).random_success
    assert abs(held.mean - exact) < 5 * max(held.standard_error, 5e-5)


def test_moves_slip_as_often_as_stated():
    env = payoff.multi_agent_vec(ID, 20_000, slip=0.3)
    env.reset(seed=0)
    env.step(np.full((20_000, 1), RIGHT))
    share = (env.engine.state[:, CELL] == 39).mean()
    assert abs(share - 0.15) < 4 * np.sqrt(0.15 * 0.85 / 20_000)


def play(actions, **keywords):
    """Payoffs, auxiliary rewards, progress and captions of an episode without slips."""
    env = gym.make(ID, slip=0.0, **keywords)
    _, info = env.reset(seed=0)
    found = [(0.0, 0.0, info["progress"], GAME.captions[info["caption"]])]
    for action in actions:
        _, reward, terminated, _, info = env.step(action)
        found.append((reward, info["aux"], info["progress"], GAME.captions[info["caption"]]))
    return (*(np.array(x) for x in list(zip(*found, strict=True))[:3]), [f[3] for f in found], terminated)


def test_auxiliary_rewards_are_no_payoffs():
    way = [LEFT] * 20 + [RIGHT] * 3  # past the distractor at 25 and half back
    for aux in ("none", "dense", "misleading"):
        reward, extra, progress, _, _ = play(way, aux=aux)
        assert not reward.any()
        if aux == "dense":
            np.testing.assert_allclose(extra[1:], np.diff(progress), atol=1e-15)
            assert progress[0] == pytest.approx(1 - 20 / 61) and progress[-1] == pytest.approx(1 - 37 / 61)
        else:
            assert extra.tolist() == [0.01 * (aux == "misleading" and step == 16) for step in range(24)]
    reward, _, _, captions, _ = play(way, distractor=True)
    assert reward.tolist() == [0.01 * (step == 16) for step in range(24)]
    assert captions[16] == "took the distractor"


def test_goal_is_paid_again_and_again_and_the_left_end_ends_it():
    reward, _, progress, captions, terminated = play([RIGHT] * 6, start=57)
    assert reward.tolist() == [0, 0, 0, 0, 1, 1, 1] and not terminated
    assert progress[3:].tolist() == [1.0] * 4 and captions[-1] == "was paid in the goal"
    reward, extra, progress, captions, terminated = play([LEFT] * 2, start=1, aux="dense")
    assert terminated and captions[-1] == "fell off the left end" and not reward.any()
    assert progress[-1] == 0.0 and extra[-1] == pytest.approx(-1 / 61)


def test_a_crumb_is_no_success():
    params, last = ChainParams(distractor=True), np.zeros(LAYOUT.size)
    assert not GAME.success(params, Episode(np.array([[0.01], [0.01]]), last, False))
    assert GAME.success(params, Episode(np.array([[0.01], [1.0]]), last, False))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"length": 3}, "length must be an integer in 4"),
        ({"start": 61}, r"start must be an integer in 0 \.\. 60, got 61"),
        ({"goal": -1}, r"goal must be an integer in 0 \.\. 60"),
        ({"distractor_cell": 99}, "distractor_cell must be"),
        ({"slip": 1.01}, r"slip must be a number in \[0, 1\], got 1.01"),
        ({"distractor": 0.01}, "distractor must be True or False, got 0.01"),
        ({"aux": "good"}, "aux must be one of 'none', 'dense', 'misleading', got 'good'"),
        ({"max_steps": 0}, "max_steps must be an integer"),
    ],
)
def test_bad_parameters_are_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        ChainParams(**keywords)
