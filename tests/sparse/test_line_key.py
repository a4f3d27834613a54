"""LineKey against its rules written down once more, with wrong keys lumped together where they are alike."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.sparse.line_key import LineKeyParams
from payoff.envs.theory import tabular

ID = "payoff/LineKey-v0"
GAME = registry.load(ID)
LEFT, RIGHT = range(2)
LAYOUT = GAME.shape(LineKeyParams()).layout
PLACE, HELD = LAYOUT.column("place"), LAYOUT.column("held")


def successors(state, action, slip=0.05, length=40, stride=3, zone=4, right_key=0):
    """[(next state, payoff, probability)]; a state is (place, key), key None or a number."""
    place, key = state
    pay = float(action == RIGHT and place >= length - zone and key == right_key)
    if action >= 2:
        return [((place, action - 2 if key is None and place <= zone else key), pay, 1.0)]
    left, right = (max(place - stride, 0), key), (min(place + stride, length), key)
    meant, other = (left, right) if action == LEFT else (right, left)
    return [(meant, pay, 1.0 - slip), (other, pay, slip)]


@pytest.mark.parametrize(
    "keywords",
    [{}, {"length": 17, "stride": 5, "zone": 2, "right_key": 2, "slip": 0.3}, {"length": 9, "stride": 9, "zone": 0}],
)
def test_model_follows_the_rules(keywords):
    model = payoff.as_mdp(ID, starts=range(60), keys=3, **keywords)
    states = [(int(r[PLACE]), None if r[HELD] == 0 else int(r[HELD]) - 1) for r in model.states]
    assert len(set(states)) == model.n_states and not model.terminal.any()
    starts = {s for s, p in zip(states, model.initial, strict=True) if p > 0}
    assert starts == {(x, None) for x in range(keywords.get("zone", 4) + 1)}
    for s, a in np.ndindex(model.n_states, 5):
        found, expected = {}, {}
        for k in range(2):
            event = (states[model.next_state[s, a, k]], model.reward[s, a, k])
            found[event] = found.get(event, 0.0) + model.probability[s, a, k]
        for after, pay, p in successors(states[s], a, **keywords):
            expected[after, pay] = expected.get((after, pay), 0.0) + p
        assert found == pytest.approx(expected, abs=1e-15)


def lumped(pick, actions, horizon=60, until_paid=False):
    """Values by place and key (none, right, wrong), where action 3 takes a wrong key; ``pick`` says what is played."""
    values = {(x, key): 0.0 for x in range(41) for key in (None, 0, 1)}
    for _ in range(horizon):
        values = {
            state: pick(
                [
                    sum(p * (pay + (0.0 if pay and until_paid else values[n])) for n, pay, p in successors(state, a))
                    for a in actions
                ]
            )
            for state in values
        }
    return values


def test_exact_optimum():
    model = payoff.as_mdp(ID, starts=range(60))
    best = lumped(max, (LEFT, RIGHT, 2, 3))
    for row in model.states[model.initial > 0]:
        assert GAME.optimum(LineKeyParams(), row)[0] == pytest.approx(best[int(row[PLACE]), None], abs=1e-9)
    for row in payoff.as_mdp(ID, starts=range(60), slip=0.0).states[:5]:
        walk = -(-(36 - int(row[PLACE])) // 3)
        assert GAME.optimum(LineKeyParams(slip=0.0), row) == (pytest.approx(60 - 1 - walk, abs=1e-12), walk + 2)


def test_random_success_at_the_hard_level():
    assert GAME.levels["hard"] == {}
    chance = lumped(np.mean, (LEFT, RIGHT, 2, *[3] * 9), until_paid=True)
    model = payoff.as_mdp(ID, starts=range(60))
    exact = tabular.success_probability(model, tabular.uniform_policy(model), 60)
    for s in np.flatnonzero(model.initial):
        assert exact[s] == pytest.approx(chance[int(model.states[s, PLACE]), None], rel=1e-9)
        assert exact[s] < 1e-4


def play(actions, **keywords):
    env = gym.make(ID, slip=0.0, **keywords)
    env.reset(seed=0)
    env.unwrapped.engine.state[0, PLACE] = 4.0
    return [env.step(a) for a in actions]


def test_only_the_right_key_pays_and_the_first_one_stays():
    walk = [RIGHT] * 11
    steps = play([2, *walk, RIGHT, RIGHT], aux="dense")
    assert [s[1] for s in steps] == [0.0] * 12 + [1.0, 1.0]
    assert sum(s[4]["aux"] for s in steps) == pytest.approx(1.0)
    assert [steps[k][4]["progress"] for k in (0, -1)] == [0.25, 1.0]
    assert [GAME.captions[steps[k][4]["caption"]] for k in (0, -1)] == ["picked up a key", "was paid in the goal zone"]
    steps = play([5, 2, *walk, RIGHT, RIGHT], aux="misleading")
    assert not any(s[1] for s in steps)
    assert [s[4]["aux"] for s in steps] == [0.0] * 13 + [0.01, 0.01]
    assert GAME.captions[steps[1][4]["caption"]] == "found nothing to pick up"
    assert GAME.captions[steps[-1][4]["caption"]] == "was not paid: the key is wrong or missing"
    steps = play([7, *walk, RIGHT], right_key=5)
    assert steps[-1][1] == 1.0
    steps = play([*walk, 2, RIGHT])  # no key lies there
    assert steps[-1][1] == 0.0 and not any(s[2] for s in steps)


def test_starts_are_spread_over_the_key_zone():
    env = payoff.multi_agent_vec(ID, 4000)
    env.reset(seed=0)
    counts = np.bincount(env.engine.state[:, PLACE].astype(int))
    assert len(counts) == 5 and abs(counts - 800).max() < 5 * np.sqrt(4000 * 0.2 * 0.8)


def test_slips_lead_the_other_way():
    env = payoff.multi_agent_vec(ID, 20_000, slip=0.1, zone=0)
    env.reset(seed=0)
    env.engine.state[:, PLACE] = 20.0
    env.step(np.full((20_000, 1), RIGHT))
    places, counts = np.unique(env.engine.state[:, PLACE], return_counts=True)
    assert places.tolist() == [17.0, 23.0]
    assert abs(counts[0] / 20_000 - 0.1) < 4 * np.sqrt(0.09 / 20_000)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"length": 2}, "length must be"),
        ({"stride": 41}, "stride must be"),
        ({"zone": 20}, r"zone must be an integer in 0 \.\. 19, got 20"),
        ({"keys": 0}, "keys must be"),
        ({"keys": 2, "right_key": 2}, "right_key must be"),
        ({"slip": 2}, "slip must be"),
        ({"aux": "x"}, "aux must be one of"),
        ({"max_steps": 0}, "max_steps must be"),
    ],
)
def test_bad_parameters_are_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        LineKeyParams(**keywords)


def test_copies_share_their_number_of_actions():
    with pytest.raises(ValueError, match=r"keys must be the same in all copies of a batch, got \[2, 3\]"):
        payoff.multi_agent_vec(ID, 2, keys=[2, 3])
