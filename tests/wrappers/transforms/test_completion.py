"""Completion reward: RouteDrive's own payoff from its progress, factors and checks; bounds; what is held."""

import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.wrappers import Transition, wrap
from payoff.wrappers.rows import vector_info
from payoff.wrappers.transforms.completion import CompletionReward, HardRule, SoftFactor, broken_limits, excess_speed


def broken(i):
    return lambda t: ~t.info["checks"][:, i]


def driven(payoff_word, copies, layer=None, slips=0.0, always=None, seed=0, **keywords):
    """Rewards and ends of the scripted driver with random slips, or of one action, until every copy is done."""
    game = registry.load("payoff/RouteDrive-v0")
    env = payoff.multi_agent_vec(
        "payoff/RouteDrive-v0", copies, autoreset_mode="disabled", actions="native", payoff=payoff_word, **keywords
    )
    params = game.params(payoff=payoff_word, **keywords)
    wrapped = env if layer is None else wrap(env, layer)
    rng = np.random.default_rng(seed)
    wrapped.reset(seed=seed)
    rewards, running, last = [], np.ones(copies, bool), [None] * copies
    while running.any():
        actions = np.zeros((copies, 1, 2))
        for b in np.flatnonzero(running):
            # the policy writes the unit actions of the default view; native bounds are 5 and 0.5
            scripted = game.policy(params, env.engine.state[b].copy()) * [5.0, 0.5]
            actions[b, 0] = scripted if always is None else always
        slip = rng.random((copies, 1, 1)) < np.reshape(slips, (-1, 1, 1))
        actions = np.where(slip, rng.uniform([-5, -0.5], [5, 0.5], (copies, 1, 2)), actions)
        _, reward, terminated, truncated, info = wrapped.step(actions)
        rewards.append(np.where(running, reward[:, 0], 0.0))
        ended = running & (terminated | truncated)
        for b in np.flatnonzero(ended):
            last[b] = (info["progress"][b], info["checks"][b].copy(), bool(terminated[b]))
        running = running & ~ended
        over = terminated | truncated
        if running.any() and over.any():
            wrapped.reset(options={"reset_mask": over})
    return np.array(rewards), last


@pytest.mark.parametrize(
    ("rule", "play"),
    [
        (0, {"always": (5.0, 0.0), "curvature": 0.0, "lights": 0}),  # into the one in front
        (1, {"slips": np.linspace(0.1, 0.95, 16), "lights": 2}),  # over a red light
        (2, {"always": (5.0, 0.2), "lights": 2}),  # off the route
    ],
)
def test_route_drive_pays_by_this_rule(rule, play):
    """From the sparse payoff, the wrapper rebuilds what the game pays under "completion", infractions included."""
    keywords = {"length": 60.0, "max_steps": 300, "vehicles": 2, **play}
    layer = CompletionReward(
        soft=[SoftFactor("factors")], hard=[HardRule(broken(5), 1.0), HardRule(broken(6), 1.0), HardRule(broken(7))]
    )
    own, ends = driven("completion", 16, **keywords)
    rebuilt, same = driven("finish", 16, layer, **keywords)
    np.testing.assert_allclose(rebuilt, own, atol=1e-9)
    assert [e[0] for e in ends] == [e[0] for e in same]
    assert np.array([~e[1][5:] for e in ends]).sum(axis=0)[rule] >= 3
    assert own.min() < 0.0 or rule == 2


def test_return_without_infractions_is_the_completion():
    """All factors out: the sum is exactly points times what was completed, less what the start had."""
    rewards, ends = driven("finish", 6, CompletionReward(points=100.0), slips=0.5, length=60.0, max_steps=120)
    np.testing.assert_allclose(rewards.sum(axis=0), [100.0 * e[0] for e in ends], atol=1e-9)


def play(script, progress, rewards=None, start=0.0, **keywords):
    infos = [
        {"progress": p, **{k: v[i] for k, v in keywords.pop("entries", {}).items()}} for i, p in enumerate(progress)
    ]
    env = wrap(
        script(rewards or (0.0,) * len(progress), infos, start={"progress": start}), CompletionReward(**keywords)
    )
    env.reset(seed=0)
    return [env.step(0)[1] for _ in progress]


def test_bounds():
    """Over random routes, factors and infractions: at most points, and nothing below the penalties of one step."""
    rng = np.random.default_rng(0)
    rows, none, every = 200, np.zeros(200, bool), np.ones(200, bool)
    method = CompletionReward(
        soft=[SoftFactor("p", hold=3), SoftFactor("q")], hard=[HardRule("a", 1.0), HardRule("b", 0.5)], points=10
    )
    progress = np.zeros(rows)
    method.reset(None, vector_info({"progress": progress}, every), every)
    total, least = np.zeros(rows), np.zeros(rows)
    for _ in range(60):
        progress = np.clip(progress + rng.normal(0.02, 0.05, rows), 0, 1)
        info = {
            "progress": progress,
            "p": np.where(rng.random(rows) < 0.5, rng.random(rows), 1.0),
            "q": rng.random((rows, 3)),
            "a": rng.random(rows) < 0.01,
            "b": rng.random(rows) < 0.01,
        }
        paid = method(Transition(None, None, np.zeros(rows), None, none, none, vector_info(info, every), every))
        total, least = total + paid, np.minimum(least, paid)
    assert total.max() <= 10.0 and least.min() >= -1.5 and total.min() >= -1.5


def test_going_back_and_forth_pays_nothing(script):
    assert play(script, (0.3, 0.1, 0.3, 0.2, 0.5)) == pytest.approx([30.0, 0.0, 0.0, 0.0, 20.0])
    assert play(script, (0.3, 0.6), start=0.3, points=10) == pytest.approx([0.0, 3.0])
    assert play(script, (0.0,) * 5) == [0.0] * 5  # standing still


def test_standing_still_against_the_sum_of_scores():
    """RouteDrive's weighted sum pays 68.75 an episode for being there; this reward pays nothing for it."""
    still = np.zeros((1, 1, 2))
    env = payoff.multi_agent_vec(
        "payoff/RouteDrive-v0", 1, actions="native", payoff="finish", vehicles=0, max_steps=200
    )
    env = wrap(env, CompletionReward(soft=[SoftFactor("factors")]))
    env.reset(seed=0)
    aux = paid = 0.0
    for _ in range(200):
        _, reward, _, truncated, info = env.step(still)
        aux, paid = aux + info["aux"][0, 0], paid + reward[0, 0]
    assert truncated[0] and aux == pytest.approx(68.75) and paid == 0.0


def test_a_hard_rule_ends_the_pay(script):
    """Also in a game that goes on: lost completion is the penalty."""
    infos = [{"progress": p, "hit": float(p == 0.4)} for p in (0.2, 0.4, 0.6, 1.0)]
    method = CompletionReward(hard=[HardRule("hit", 2.0)])
    env = wrap(script((0.0,) * 4, infos, start={"progress": 0.0}), method)
    for _ in range(2):
        env.reset(seed=0)
        assert [env.step(0)[1] for _ in infos] == pytest.approx([20.0, 18.0, 0.0, 0.0])


def test_a_factor_stays_down(script):
    """.5 at step 1, held for two steps; .8 meanwhile does not lift it, and holds on by itself."""
    factors = (1.0, 0.5, 1.0, 0.8, 1.0, 1.0, 1.0)
    infos = [{"progress": (i + 1) / 7, "p": p} for i, p in enumerate(factors)]
    expected = {0: factors, 2: (1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 1.0), 1: (1.0, 0.5, 0.5, 0.8, 0.8, 1.0, 1.0)}
    for hold, level in expected.items():
        env = wrap(
            script((0.0,) * 7, infos, start={"progress": 0.0}), CompletionReward(soft=[SoftFactor("p", hold)], points=7)
        )
        env.reset(seed=0)
        assert [env.step(0)[1] for _ in factors] == pytest.approx(list(level))


def test_the_least_factor_is_held(script):
    factors = (1.0, 0.5, 0.25, 1.0, 0.8, 1.0)
    infos = [{"progress": (i + 1) / 6, "p": p} for i, p in enumerate(factors)]
    env = wrap(
        script((0.0,) * 6, infos, start={"progress": 0.0}), CompletionReward(soft=[SoftFactor("p", 1)], points=6)
    )
    env.reset(seed=0)
    assert [env.step(0)[1] for _ in factors] == pytest.approx([1.0, 0.5, 0.25, 0.25, 0.8, 0.8])


def test_factors_of_the_source():
    np.testing.assert_allclose(excess_speed(np.array([-1.0, 0.0, 1.115, 5.0])), [1.0, 1.0, 0.5, 0.0])
    np.testing.assert_allclose(broken_limits(np.array([0, 3, 6])), [1.0, 0.75, 0.5])
    np.testing.assert_allclose(broken_limits(np.array([1]), 4), [0.875])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: CompletionReward(3), TypeError, "progress must be the name"),
        (lambda: CompletionReward(points=0), ValueError, "points must be a number"),
        (lambda: CompletionReward(soft=["factors"]), TypeError, r"soft\[0\] must be a SoftFactor"),
        (lambda: CompletionReward(hard=[SoftFactor("x")]), TypeError, r"hard\[0\] must be a HardRule"),
        (lambda: SoftFactor(3), TypeError, "signal must be the name"),
        (lambda: SoftFactor("x", hold=-1), ValueError, "hold must be an integer"),
        (lambda: HardRule("x", -1.0), ValueError, "penalty must be a number"),
        (lambda: excess_speed(np.zeros(1), 0.0), ValueError, "width must be a number"),
        (lambda: broken_limits(np.zeros(1), 0), ValueError, "limits must be an integer"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_progress_out_of_range(script):
    with pytest.raises(ValueError, match=r"progress must be in \[0, 1\], got 1.5"):
        play(script, (1.5,))
    for start in (-5.0, 1.5, float("nan")):  # -5 would be paid as five routes and more
        with pytest.raises(ValueError, match=r"progress must be in \[0, 1\], got .* at a start"):
            play(script, (0.5,), start=start)
