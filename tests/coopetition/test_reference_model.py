"""The package against an independent model of the twenty published games, and that model against the recordings.

``PAYOFF_EXAMPLES=300`` runs the comparison on fresh random examples in place of a few fixed ones.
"""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import payoff
from payoff.envs.coopetition.rules import TrustParams, ValueParams

_spec = importlib.util.spec_from_file_location("reference_model", Path(__file__).with_name("reference_model.py"))
model = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(model)

RECORDINGS = sorted((Path(__file__).parents[1] / "data" / "conformance").glob("*.json"))
RUNS = [run for path in RECORDINGS for run in json.loads(path.read_text())]
STATES = ("trust", "reputation_damage", "loyalty", "theory_payoff", "memory_average", "total_value")
EDGE = 1e-6  # a comparison closer than this, in rates, may go either way
INFO_KEYS = {"private": "payoff", "agreement": "current_agreement"}  # the others have the model's name

# ------------------------------------------------------------------------------------------ model against recordings


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run['env_id']}-{run['sequence']}-{run['kwargs']}")
@pytest.mark.parametrize("mode", model.MODES)
def test_model_follows_the_recordings(run, mode):
    records = model.play(run["env_id"], run["actions"], mode, **run["kwargs"])
    assert len(records) == len(run["actions"])
    rewards = [record["rewards"] for record in records]
    np.testing.assert_allclose(rewards, run["rewards"][mode], rtol=run["reward_tolerance"])
    for key in set(STATES) & set(run):
        # recorded in float32, whose steps are 1e-7 of numbers that reach a few hundred
        rtol, atol = (0, 1e-6) if key in ("trust", "reputation_damage", "loyalty") else (2e-7, 1e-6)
        atol = 1e-4 if key == "theory_payoff" else atol
        np.testing.assert_allclose([r[key] for r in records], run[key], rtol=rtol, atol=atol, err_msg=key)
    for key in ("terminated", "truncated"):
        assert [record[key] for record in records] == run[key]


def make(name, mode="integrated", **keywords):
    return payoff.multi_agent_vec(f"payoff/{name}", 1, reward=mode, autoreset_mode="disabled", **keywords)


def constant(name, rate, **keywords):
    """The environment, just reset, and an episode of one rate for all."""
    env = make(name, **keywords)
    env.reset(seed=0)
    return env, np.tile(np.round(rate * env.endowment, 6), (env.max_steps, 1))


# Integrated returns of a constant rate, summed over agents, as published. 0.6 is on the threshold of the loyalty bonus.
RETURNS = [
    ("TeamProduction-v0", {}, 0.45, 97_111),
    ("LoyaltyTeam-v0", {}, 0.65, 126_209),
    ("CoalitionFormation-v0", {}, 0.65, 436_347),
    ("PublicGoods-v0", {}, 0.65, 187_775),
    ("ApacheProject-v0", {}, 1.0, 5_484_826),
    ("ApacheProject-v0", {}, 0.6, 5_821_439),
    ("ApacheProject-v0", {"phase": "emergence"}, 0.6, 260_355),
    ("ApacheProject-v0", {"phase": "emergence"}, 1.0, 249_893),
    ("ReciprocalDilemma-v0", {}, 0.35, 43_749),
    ("GiftExchange-v0", {}, 0.35, 42_402),
    ("IndirectReciprocity-v0", {}, 0.35, 184_846),
    ("GraduatedSanction-v0", {}, 1.0, 335_485),
    ("AppleAppStore-v0", {}, 0.35, 44_874),
]


@pytest.mark.parametrize(("name", "keywords", "rate", "published"), RETURNS)
def test_model_has_the_published_returns(name, keywords, rate, published):
    _, actions = constant(name, rate, **keywords)
    assert sum(r["rewards"].sum() for r in model.play(name, actions, **keywords)) == pytest.approx(published, abs=1)


@pytest.mark.parametrize(("name", "keywords", "rate", "published"), RETURNS)
def test_package_has_the_published_returns(name, keywords, rate, published):
    env, actions = constant(name, rate, **keywords)
    assert sum(env.step(a[None, :, None])[1].sum() for a in actions) == pytest.approx(published, abs=1)


def test_exit_on_the_exact_tie():
    """Fourteen rounds without effort bring loyalty from 0.5 to 0.15: in float32 this is below the exit threshold."""
    actions = np.tile([45.0, 45, 45, 45, 0, 0], (15, 1))
    records = model.play("CoalitionFormation-v0", actions)
    assert [r["members"].sum() for r in records] == [6] * 13 + [4] * 2
    compare("CoalitionFormation-v0", actions, {}, edges=True)


# ------------------------------------------------------------------------------------------- package against model


def unit(low=0.0, high=1.0):
    """Numbers of a range, with its ends and short decimals more often than chance would."""
    return st.one_of(
        st.sampled_from([low, high]), st.floats(low, high).map(lambda x: max(low, round(x, 2))), st.floats(low, high)
    )


positive = st.one_of(st.floats(1e-3, 1.0), st.floats(1.0, 100.0))
agents = st.integers(2, 7)
VALUE_PARAMS = st.one_of(
    st.fixed_dictionaries({}, optional={"theta": st.floats(0.1, 60), "gamma": unit()}),
    st.fixed_dictionaries({"form": st.just("power"), "beta": unit(0.1, 1.0)}, optional={"gamma": unit()}),
)
TRUST_PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "lambda_plus": st.floats(0.001, 1),
        "lambda_minus": st.floats(0.001, 1),
        "mu_R": unit(),
        "delta_R": unit(),
        "xi": st.floats(0, 4),
        "kappa": st.floats(0.005, 5),
        "initial_trust": unit(),
        "initial_reputation": unit(),
        "trust_enabled": st.booleans(),
    },
)
TEAM = {"n_agents": agents, "omega": positive, "beta": unit(0.05, 1.0), "c": positive}
LOYALTY = {"phi_B": unit(0, 3), "phi_C": unit(0, 0.99)}
PARAMS = {"value_params": VALUE_PARAMS, "trust_params": TRUST_PARAMS}
KEYWORDS = {
    "TrustDilemma-v0": {
        "trust_sensitivity": positive,
        "trust_building_rate": unit(0.001, 1),
        "trust_erosion_rate": unit(0.001, 1),
    },
    "PartnerHoldUp-v0": {"strong_dependency": unit(), "weak_dependency": unit()},
    "PlatformEcosystem-v0": {
        "n_developers": st.integers(1, 7),
        "platform_share": unit(),
        "platform_dependency": unit(),
        "developer_dependency": unit(),
    },
    "DynamicPartnerSelection-v0": {"n_agents": agents, "reputation_weight": unit()},
    "RecoveryRace-v0": {
        "initial_trust": unit(),
        "initial_reputation_damage": unit(),
        "recovery_target": unit(0.01, 1),
    },
    "SynergySearch-v0": {"gamma_range": st.tuples(unit(), unit()).map(sorted), "reveal_gamma_in_obs": st.booleans()},
    "SLCD-v0": {"trust_enabled": st.booleans()},
    "RenaultNissan-v0": {"phase": st.sampled_from(["formation", "mature", "crisis", "strained", "Crisis", "MATURE"])},
    "CooperativeNegotiation-v0": {
        "agreement_threshold": st.one_of(st.sampled_from([0.0, 2.5, 4.0, 10.0]), st.floats(0, 120)),
        "breach_penalty_multiplier": unit(0, 10),
        "negotiation_rounds": st.integers(1, 9),
    },
    "ReputationMarket-v0": {
        "n_agents": agents,
        "reputation_visibility": unit(),  # noise in what is seen, not in what happens
        "tier_enabled": st.sampled_from([True, True, False]),
    },
    "TeamProduction-v0": TEAM,
    "LoyaltyTeam-v0": TEAM | LOYALTY,
    "CoalitionFormation-v0": {
        "n_agents": st.integers(2, 8),
        "min_coalition_size": st.sampled_from([2, 1, 3, 4, 6]),
        "exit_threshold": st.one_of(st.sampled_from([0.3, 0.16, 0.42, 0.45, 0.0]), unit(0.1, 0.5)),
        "reentry_cooldown": st.integers(0, 8),
        "omega": positive,
        "beta": TEAM["beta"],
    },
    "ApacheProject-v0": {"phase": st.sampled_from(["emergence"] * 5 + ["growth", "maturity", "evolution"])},
    "PublicGoods-v0": {
        "n_agents": agents,
        "multiplier": positive,
        "endowment": st.one_of(st.integers(1, 400).map(lambda x: x / 4 * 5), st.floats(0.5, 500)),
        **LOYALTY,
    },
    "ReciprocalDilemma-v0": PARAMS,
    "GiftExchange-v0": PARAMS,
    "IndirectReciprocity-v0": PARAMS,
    "GraduatedSanction-v0": PARAMS,
    "AppleAppStore-v0": {"value_params": VALUE_PARAMS},
}
THRESHOLDS = [
    0,
    0.19,
    0.2,
    0.21,
    0.29,
    0.3,
    0.31,
    0.35,
    0.4,
    0.49,
    0.5,
    0.51,
    0.59,
    0.6,
    0.61,
    0.8,
    1,
    1.25,
    -0.1,
    1e-16,
]
PATTERNS = {name: ["wave", "thresholds", "blocks", "uniform", "narrow", "holiday"] for name in KEYWORDS}
PATTERNS["CooperativeNegotiation-v0"] = [*PATTERNS["TrustDilemma-v0"], "deal", "deal", "deal"]
PATTERNS["CoalitionFormation-v0"] = [*PATTERNS["TrustDilemma-v0"], "holiday", "holiday", "holiday"]


@st.composite
def keyword_sets(draw, name):
    """All keywords, some of them, or none: what is left out keeps its published value."""
    keywords = draw(
        st.fixed_dictionaries({}, optional=KEYWORDS[name] | {"max_steps": st.sampled_from([70, 50, 30, 7, 1])})
    )
    if name == "CoalitionFormation-v0" and keywords.get("min_coalition_size", 3) > keywords.get("n_agents", 6):
        keywords["min_coalition_size"] = keywords.get("n_agents", 6)
    return keywords


def rates(rng, pattern, steps, n):
    """Rates (steps, n) of one kind of behaviour."""
    t = np.arange(steps)[:, None]
    if pattern == "wave":
        return rng.uniform(0.1, 0.8) + rng.uniform(0, 0.6) * np.sin(rng.uniform(0.05, 1) * t + rng.uniform(0, 6, n))
    if pattern == "thresholds":
        return rng.choice(THRESHOLDS, (steps, n))
    if pattern == "blocks":  # long spells, as exclusion and re-entry need
        joint = rng.random() < 0.5  # all change at once, to meet what asks it of all
        starts = rng.random((steps, 1 if joint else n)) < rng.uniform(0.03, 0.25)
        spell = np.cumsum(starts, axis=0) + np.zeros((1, n), int)
        levels = rng.choice([0, 0.05, 0.013, 0.1, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.9, 0.95, 1], (steps + 1, n))
        return np.take_along_axis(levels, spell, axis=0)
    if pattern == "narrow":  # about the baselines, where the trust signal is not saturated
        return 0.35 + rng.choice([0.05, 0.01, 0.1]) * rng.standard_normal((steps, n))
    if pattern == "holiday":  # each agent leaves off once, long enough to be excluded, and comes back
        start, length = rng.integers(0, 20, n), rng.integers(3, 30, n)
        low, high = rng.choice([0, 0, 0.013, 0.05, 0.1], n), rng.choice([0.55, 0.6, 0.85, 0.95, 1], n)
        return np.where((t >= start) & (t < start + length), low, high)
    if pattern == "deal":  # a common level that moves now and then, and a little disagreement
        level = 0.5 + np.cumsum(rng.choice([0, 0, 0, 0.04, -0.06, 0.12], (steps, 1)), axis=0)
        return np.round(400 * (level + rng.choice([0, 0, 0.01, 0.05, 0.1], (steps, n)))) / 400
    return rng.uniform(-0.2, 1.3, (steps, n))


def parameters(keywords):
    """The package's names for what the published parameter objects hold."""
    value = {"theta": "scale", "gamma": "complementarity", "beta": "exponent"}  # "form" follows from it
    trust = {
        "lambda_plus": "trust_gain",
        "lambda_minus": "trust_loss",
        "mu_R": "damage_gain",
        "delta_R": "damage_decay",
        "xi": "amplification",
        "kappa": "trust_slope",
        "initial_trust": "initial_trust",
        "initial_reputation": "initial_damage",
        "trust_enabled": "enabled",
    }
    result = dict(keywords)
    for key, kind, names in (("value_params", ValueParams, value), ("trust_params", TrustParams, trust)):
        if key in keywords:
            result[key] = kind(**{names[name]: x for name, x in keywords[key].items() if name in names})
    return result


def compare(name, actions, keywords, edges=False):
    """Play in the three modes with both, up to the first knife edge unless ``edges``."""
    actions = np.asarray(actions, np.float32).astype(np.float64)
    for mode in model.MODES:
        env = make(name, mode, **parameters(keywords))
        info = env.reset(seed=3)[1]
        own = dict(keywords)
        if name == "SynergySearch-v0":  # what was drawn shows in the value of the baselines
            f = model.play(name, [[40, 40]], gamma=0.0)[0]["total_value"]
            own["gamma"] = (info["total_value"][0] - f) / 40
            low, high = keywords.get("gamma_range", (0.2, 0.9))
            assert low - 1e-9 <= own["gamma"] <= high + 1e-9
        for t, record in enumerate(model.play(name, actions, mode, **own)):
            if record["edge"] < EDGE and not edges:
                break
            _, rewards, terminated, truncated, info = env.step(actions[t][None, :, None])
            where = f"{name} {keywords} {mode} step {t}"
            got = {"rewards": rewards[0], "terminated": terminated[0], "truncated": truncated[0]}
            for key, expected in record.items():
                if key == "edge":
                    continue
                actual = got[key] if key in got else info[INFO_KEYS.get(key, key)][0]
                if key in ("members", "terminated", "truncated"):
                    assert np.array_equal(actual, expected), f"{where} {key}: package {actual}, model {expected}"
                    continue
                money = key in ("rewards", "private", "theory_payoff", "total_value", "memory_average")
                rtol = 2e-6 if money else 0
                np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-6, err_msg=f"{where} {key}")
            np.testing.assert_array_equal(info["rewards"][0], rewards[0])


MIDDLE = {"SynergySearch-v0": {"gamma": 0.5}}  # for what does not depend on the draw
EXAMPLES = int(os.environ.get("PAYOFF_EXAMPLES", "0"))
comparison = settings(
    max_examples=EXAMPLES or 12,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", model.GAMES)
@comparison
@given(data=st.data())
def test_package_follows_the_model(name, data):
    keywords = data.draw(keyword_sets(name), label="keywords")
    steps = data.draw(st.sampled_from([60, 40, 20, 8, 1]), label="steps")
    patterns = data.draw(st.lists(st.sampled_from(PATTERNS[name]), min_size=1, max_size=3), label="patterns")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    endowment = model.build(name, **MIDDLE.get(name, {}) | keywords).e
    n = len(endowment)
    if n > 10:
        steps = min(steps, 12)
    chosen = np.stack([rates(rng, pattern, steps, n) for pattern in patterns])
    of_agent = rng.integers(len(patterns), size=n)  # each agent behaves in one of the drawn ways
    compare(name, chosen[of_agent, :, np.arange(n)].T * endowment, keywords)


@pytest.mark.parametrize("name", model.GAMES)
@pytest.mark.parametrize("rate", [0.2, 0.3, 0.5, 0.6])
def test_threshold_rates(name, rate):
    """All agents exactly on a threshold, then all but one above it."""
    e = model.build(name, **MIDDLE.get(name, {})).e
    above = np.where(np.arange(len(e)) == 1, rate, rate + 0.25)
    compare(name, np.round(np.vstack([np.full((12, len(e)), rate), np.tile(above, (4, 1))]) * e, 6), {}, edges=True)


@pytest.mark.parametrize("seed", range(25))
def test_coalitions_that_change(seed):
    """Agents leave, come back at the end of the list, and leave in another order."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 8))
    keywords = {
        "n_agents": n,
        "min_coalition_size": int(rng.integers(1, n)),
        "exit_threshold": float(rng.choice([0.15, 0.3, 0.42, 0.45])),
        "reentry_cooldown": int(rng.integers(0, 9)),
    }
    levels = rng.choice([0, 0.013, 0.1, 0.6, 0.95, 1], (8, n))
    actions = np.repeat(levels, rng.integers(4, 16, 8), axis=0)[:60] * 50
    compare("CoalitionFormation-v0", actions, keywords, edges=True)


def test_those_who_left_first_come_back_first():
    """Two return in the same round in the order in which they left, which decides who is excluded next."""
    spells = [
        (4, [0.6, 1, 0.6, 0.6, 0.6]),
        (3, [0.1, 0.1, 0, 0.6, 0]),
        (7, [0.1, 0, 0, 0.6, 0.6]),
        (5, [1, 1, 1, 1, 0.1]),
        (3, [0.1, 0, 1, 0.1, 0]),
        (1, [0, 0.1, 0.1, 0, 0]),
    ]
    actions = 50 * np.repeat([rates for _, rates in spells], [rounds for rounds, _ in spells], axis=0)
    keywords = {"n_agents": 5, "min_coalition_size": 3, "exit_threshold": 0.42, "reentry_cooldown": 0}
    compare("CoalitionFormation-v0", actions, keywords, edges=True)
