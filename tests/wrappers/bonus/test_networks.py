"""Bonuses with networks: forward passes done again in numpy, what learning does, and what it leaves alone."""

import numpy as np
import pytest
import torch

from payoff.wrappers.bonus.bonus_model import BonusLearning
from payoff.wrappers.bonus.dynamics import DynamicsModel
from payoff.wrappers.bonus.e3b import E3B
from payoff.wrappers.bonus.icm import ICM
from payoff.wrappers.bonus.noveld import NovelD
from payoff.wrappers.bonus.ride import RIDE
from payoff.wrappers.bonus.rnd import RND, Distillation
from payoff.wrappers.bonus.state_features import one_hot

STILL = BonusLearning(learning=False, hidden=(16,), seed=3)
STATES = 6


def place(obs):
    return obs[:, 0].astype(np.int64)


def key(obs, info):
    return place(obs)


ENCODE = one_hot(STATES, state=place)


def dynamics(settings=STILL, **keywords):
    return DynamicsModel(num_actions=3, features=4, encode=ENCODE, settings=settings, **keywords)


def passed(state, name, x):
    """A network of one hidden layer with ReLU, from the arrays of its state."""
    weights, biases = ([state[f"{name}.{layer}.{kind}"] for layer in (0, 2)] for kind in ("weight", "bias"))
    hidden = np.maximum(x @ weights[0].T + biases[0], 0.0)
    return hidden @ weights[1].T + biases[1]


def steps(events):
    return [rest[0] for kind, *rest in events if kind == "step"]


def test_scores_are_those_of_the_equations(stream, score):
    """RND, NovelD, ICM and RIDE without learning, each against numpy and the counts of its own episode."""
    events = list(stream(rows=3).events(60))
    bonuses = {
        "rnd": RND(Distillation(features=4, encode=ENCODE, settings=STILL)),
        "noveld": NovelD(Distillation(features=4, encode=ENCODE, settings=STILL), key, alpha=0.5),
        "icm": ICM(dynamics()),
        "ride": RIDE(dynamics(), key),
    }
    found = {name: score(bonus, events) for name, bonus in bonuses.items()}
    nets = {name: bonus.state_dict() for name, bonus in bonuses.items()}

    def novelty(obs):
        x = ENCODE(obs)
        return passed(nets["rnd"], "model.net.predictor", x) - passed(nets["rnd"], "model.net.target", x)

    visits, at = np.zeros((3, STATES), dtype=int), -1
    for kind, *rest in events:
        if kind == "reset":
            visits[rest[2]] = 0
            visits[rest[2], place(rest[0])[rest[2]]] = 1
            continue
        t, at = rest[0], at + 1
        rows = np.flatnonzero(t.active)
        visits[rows, place(t.next_obs)[rows]] += 1
        seen = visits[np.arange(3), place(t.next_obs)]
        after, before = (np.linalg.norm(novelty(obs), axis=1) for obs in (t.next_obs, t.obs))
        phi, following = (passed(nets["ride"], "model.net.encoder", ENCODE(obs)) for obs in (t.obs, t.next_obs))
        ahead = passed(nets["icm"], "model.net.ahead", np.hstack([phi, np.eye(3)[t.action]]))
        expected = {
            "rnd": after**2,
            "noveld": np.where(seen == 1, np.maximum(after - 0.5 * before, 0.0), 0.0),
            "icm": 0.5 * ((ahead - following) ** 2).sum(axis=1),
            "ride": np.linalg.norm(following - phi, axis=1) / np.sqrt(np.maximum(seen, 1)),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(found[name][at], np.where(t.active, value, 0.0), rtol=1e-9, atol=1e-12)
    assert all((scores > 0).any() for scores in found.values())


def test_novelty_alone_is_the_root_of_rnd(stream, score):
    """With learning: alpha 0 without the indicator leaves n(s'), whose square RND pays."""
    settings = BonusLearning(learn_every=50, hidden=(16,))
    events = list(stream(rows=3).events(100))
    squares = score(RND(Distillation(settings=settings)), events)
    np.testing.assert_allclose(
        score(NovelD(Distillation(settings=settings), alpha=0.0, once=False), events) ** 2, squares, rtol=1e-9
    )


FAST = BonusLearning(hidden=(32,), learning_rate=3e-3, learn_every=100, epochs=10)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RND(Distillation(encode=ENCODE, settings=FAST)),
        lambda: NovelD(Distillation(encode=ENCODE, settings=FAST), key, alpha=0.0, once=False),
        lambda: ICM(dynamics(FAST)),
    ],
    ids=["RND", "NovelD", "ICM"],
)
def test_learning_lowers_what_is_seen_often_and_nothing_else(make, step, start):
    """Steps among states 0, 1 and 2 for 2,000 transitions; 4 and 5 are seen once before and once after."""
    bonus, rng = make(), np.random.default_rng(0)
    start(bonus, np.array([[0.0]] * 10))
    known, new = ([[0.0], [1.0], [2.0]], [[1.0], [2.0], [0.0]], [1, 1, 1]), ([[4.0]], [[5.0]], [2])

    def probe(obs, after, action):
        probed = [np.resize(x, (10, *np.shape(x)[1:])) for x in (obs, after, action)]
        return bonus(step(probed[0], probed[1], action=probed[2]))[: len(obs)]

    before = probe(*known), probe(*new)
    for _ in range(200):
        obs = rng.integers(0, 3, (10, 1)).astype(float)
        action = rng.integers(1, 3, 10)
        bonus(step(obs, (obs + action[:, None]) % 3, action=action))
    after = probe(*known), probe(*new)
    assert after[0].max() < 0.25 * before[0].mean()
    assert after[1][0] > 0.5 * before[1][0]
    assert after[1][0] > 10 * after[0].max()


def test_features_keep_what_actions_do_and_drop_noise(step, start):
    """An inverse model need not look at a number that no action has to do with."""
    rng = np.random.default_rng(0)
    model = DynamicsModel(
        num_actions=3,
        features=4,
        forward_share=0.0,
        settings=BonusLearning(hidden=(32,), learning_rate=3e-3, epochs=20),
    )
    bonus = E3B(model)
    obs = rng.normal(size=(64, 2))
    start(bonus, obs)
    for _ in range(80):
        action = rng.integers(0, 3, 64)
        after = np.stack([obs[:, 0] * 0.9 + 0.5 * (action - 1.0), rng.normal(size=64)], axis=1)
        bonus(step(obs, after, action=action))
        obs = after
    probe = np.repeat(obs[:1], 200, axis=0)
    noisy, moved = probe.copy(), probe.copy()
    noisy[:, 1], moved[:, 0] = rng.normal(size=200), rng.normal(size=200)
    assert model.features(moved).std(axis=0).mean() > 3 * model.features(noisy).std(axis=0).mean()


@pytest.mark.parametrize("num_actions", [None, 3])
def test_real_and_integer_actions(num_actions, stream, score):
    model = DynamicsModel(num_actions=num_actions, settings=BonusLearning(hidden=(8,), learn_every=20))
    events = list(stream(rows=2).events(60))
    found = score(ICM(model), events)
    assert np.isfinite(found).all()
    assert model.rounds == sum(t.active.sum() for t in steps(events)) // 20
    assert model.actions(np.array([[1], [2]])).tolist() == ([[0, 1, 0], [0, 0, 1]] if num_actions else [[1], [2]])


def test_same_seed_same_numbers_and_global_generators_stay(stream, score):
    settings = BonusLearning(learn_every=30, hidden=(8,))
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002

    def found(seed):
        model = DynamicsModel(num_actions=3, settings=BonusLearning(learn_every=30, hidden=(8,), seed=seed))
        return score(RIDE(model), stream().events(60)), score(RND(Distillation(settings=settings)), stream().events(60))

    one, again, other = found(0), found(0), found(1)
    np.testing.assert_array_equal(one[0], again[0])
    np.testing.assert_array_equal(one[1], again[1])
    assert not np.allclose(one[0], other[0])
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002


def test_learns_under_inference_mode(stream, score):
    settings = BonusLearning(learn_every=30, hidden=(8,))
    plain = score(RND(Distillation(settings=settings)), stream().events(60))
    with torch.inference_mode():
        inside = score(RND(Distillation(settings=settings)), stream().events(60))
    np.testing.assert_array_equal(plain, inside)


def test_inputs_are_whitened_and_clipped():
    model = Distillation(settings=BonusLearning(learn_every=4, hidden=(8,)))
    rows = np.array([[0.0, 7.0], [2.0, 7.0], [4.0, 7.0], [6.0, 7.0]])
    model.look(rows)
    assert model.whitened(np.array([[9.0, -2.0]])).tolist() == [[5.0, -2.0]]  # nothing known yet: clipped only
    model.whitening.take_in(rows[:1])
    model.whitening.take_in(rows[1:])
    deviation = np.std([0, 2, 4, 6])
    assert model.whitened(np.array([[4.0, 7.0], [90.0, 7.1]])).numpy() == pytest.approx(
        np.array([[1.0 / deviation, 0.0], [5.0, 5.0]]), abs=1e-12
    )


def test_model_is_one_for_all_forks(stream, score):
    bonus = RND(Distillation(settings=BonusLearning(learn_every=30, hidden=(8,))))
    other = bonus.fork()
    score(bonus, stream().events(60))
    assert other.model is bonus.model and other.model.rounds > 0 and other.memory == {}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: BonusLearning(learning_rate=0.0), ValueError, "learning_rate must be a number in"),
        (lambda: BonusLearning(hidden=(8, 0)), ValueError, "hidden must be an integer at least 1"),
        (lambda: BonusLearning(epochs=0), ValueError, "epochs must be an integer at least 1"),
        (lambda: BonusLearning(learning=1), ValueError, "learning must be True or False"),
        (lambda: Distillation(features=0), ValueError, "features must be an integer at least 1"),
        (lambda: Distillation(settings={}), TypeError, "settings must be a BonusLearning, got dict"),
        (lambda: Distillation(encode=3), TypeError, r"encode must be a function obs -> \(R, F\)"),
        (lambda: DynamicsModel(num_actions=1), ValueError, "num_actions must be an integer at least 2"),
        (lambda: DynamicsModel(num_actions=2, forward_share=1.0), ValueError, "forward_share must be a number in"),
        (lambda: RND(3), TypeError, "model must be a Distillation, got int"),
        (lambda: NovelD(alpha=-1.0), ValueError, "alpha must be a number in"),
        (lambda: ICM(Distillation()), TypeError, "model must be a DynamicsModel, got Distillation"),
        (lambda: RIDE(DynamicsModel(num_actions=2, forward_share=0.0)), ValueError, "forward_share above 0"),
    ],
)
def test_bad_argument_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_bad_actions_are_named():
    with pytest.raises(ValueError, match=r"actions must be whole numbers in 0 .. 2, got \[\[3\]\]"):
        dynamics().actions(np.array([3]))
    with pytest.raises(ValueError, match=r"actions must be 2 finite numbers each, got shape \(1, 1\)"):
        DynamicsModel(num_actions=None, action_size=2).actions(np.array([3.0]))


def test_bad_state_is_refused_and_changes_nothing(stream, score):
    bonus = RND(Distillation(settings=BonusLearning(learn_every=40, hidden=(8,))))
    events = list(stream().events(50))
    score(bonus, events)
    kept = bonus.state_dict()
    rounds, rest = divmod(sum(t.active.sum() for t in steps(events)), 40)
    assert kept["model.rounds"] == rounds > 0 and len(kept["model.kept.next"]) == rest > 0
    bad = {
        "model.net.predictor.0.weight": (
            np.zeros((8, 3)),
            r"net.predictor.0.weight must have shape \(8, 2\), got \(8, 3\)",
        ),
        "model.exp_avg.predictor.0.bias": (np.full(8, np.inf), "exp_avg.predictor.0.bias must hold finite"),
        "model.kept.next": (np.zeros((40, 2)), "kept must have fewer rows than learn_every 40"),
        "model.whitening.mean": (np.zeros(7), "has 2 inputs, got the state of one with 7"),
        "model.extra": (np.zeros(1), "missing or unknown: extra"),
        "steps": (np.zeros(9, dtype=int), "steps must have shape"),
    }
    for name, (array, message) in bad.items():
        with pytest.raises(ValueError, match=message):
            bonus.load_state_dict({**kept, name: array})
    with pytest.raises(ValueError, match="missing or unknown: rounds"):
        bonus.load_state_dict({k: v for k, v in kept.items() if k != "model.rounds"})
    for name, array in bonus.state_dict().items():
        np.testing.assert_array_equal(array, kept[name])
