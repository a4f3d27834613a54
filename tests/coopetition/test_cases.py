"""Records of the cases: the published numbers, their provenance, and that nobody can alter them."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from payoff.envs.coopetition import cases
from payoff.envs.coopetition.interdependence import Dependency, asymmetry, dependence_matrix, power
from payoff.envs.coopetition.rules import ReciprocityParams, TrustParams

NAMES = ("app_store", "apache", "renault_nissan", "slcd")
ROOT = Path(__file__).resolve().parents[2]


def parts(value):
    """Every mapping and sequence inside a record."""
    if isinstance(value, Mapping):
        yield value
        for item in value.values():
            yield from parts(item)
    elif isinstance(value, list | tuple):
        yield value
        for item in value:
            yield from parts(item)


@pytest.fixture(params=NAMES)
def case(request):
    return cases.record(request.param)


def test_names():
    assert cases.names() == tuple(sorted(NAMES))


def test_every_file_is_packed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["package-data"]["payoff.envs.coopetition.cases"] == ["*.toml"]


@pytest.mark.parametrize("name", ["SLCD", "slcd.toml", "../cases/slcd", "", None])
def test_unknown_case(name):
    with pytest.raises(ValueError, match=r"known: apache, app_store, renault_nissan, slcd$") as caught:
        cases.record(name)
    assert repr(name) in str(caught.value)


def test_unknown_case_has_a_hint():
    with pytest.raises(ValueError, match=r"did you mean 'app_store'\?"):
        cases.record("appstore")


def test_records_are_read_only(case):
    for part in parts(case):
        assert not isinstance(part, list | dict)
    with pytest.raises(TypeError):
        case["environment"]["scale"] = 1.0
    with pytest.raises(TypeError):
        case["new"] = 1


def test_records_are_read_once():
    assert cases.record("slcd") is cases.record("slcd")


def test_every_table_names_its_source(case):
    assert {"history", "environment", "suite", "elicitation"} <= set(case)
    for table in case.values():
        assert re.search(r"\b\d{4}\.\d{5}\b", table["source"])
        assert "unverified" in table["source"]


def test_every_matrix_is_a_dependence_matrix_of_its_actors(case):
    found = 0
    for table in case.values():
        for part in parts(table):
            if isinstance(part, Mapping) and "depend" in part:
                found += 1
                n = len(table["actors"])
                assert asymmetry(part["depend"]).shape == (n, n)  # refuses what is none
    assert found or "dependence" in case["environment"]


def test_environment_numbers_are_those_of_the_rules(case):
    environment = case["environment"]
    TrustParams(**environment["trust"])
    if "reciprocity" in environment:
        ReciprocityParams(**environment["reciprocity"])
    if "actors" in environment:
        n = len(environment["actors"])
        assert len(environment["endowment"]) == len(environment["baseline"]) == n
        assert sum(environment.get("share", (1.0,))) == pytest.approx(1.0, abs=1e-12)
    if "phases" in environment:
        assert environment["default_phase"] in environment["phases"]


def test_slcd():
    environment = cases.record("slcd")["environment"]
    assert environment["actors"] == ("Samsung", "Sony")
    assert environment["depend"] == ((0.0, 0.64), (0.86, 0.0))
    assert environment["share"] == (0.55, 0.45)
    np.testing.assert_allclose(power(environment["depend"]), (0.524390, 0.344086), rtol=0, atol=5e-7)
    # the published surplus shares of the synergy are 0.3575 and 0.2925
    surplus = np.multiply(environment["complementarity"], environment["share"])
    np.testing.assert_allclose(surplus, (0.3575, 0.2925), rtol=0, atol=1e-15)
    # factors of a saturated violation: 1 - trust_loss (1 + amplification D)
    trust, depend = environment["trust"], np.array(environment["depend"])
    kept = 1 - trust["trust_loss"] * (1 + trust["amplification"] * depend)
    np.testing.assert_allclose((kept[0, 1], kept[1, 0]), (0.63936, 0.61164), rtol=0, atol=1e-12)


def test_slcd_page_contradicts_its_code():
    record = cases.record("slcd")
    assert record["documentation"]["depend"] == ((0.0, 0.45), (0.40, 0.0))
    assert record["suite"]["depend"] == record["environment"]["depend"]
    known = [(d["dependum"], d.get("criticality")) for d in record["elicitation"]["dependencies"]]
    assert known[:2] == [("manufacturing capacity", 1.0), ("Gen-7 expertise", 0.9)]
    assert [c for _, c in known[2:]] == [None, None, None]


@pytest.mark.parametrize(
    ("phase", "period", "nissan", "renault", "trust", "damage"),
    [
        ("formation", "1999-2002", 0.78, 0.66, 0.45, 0.05),
        ("mature", "2002-2018", 0.51, 0.66, 0.70, 0.02),
        ("crisis", "2018-2020", 0.35, 0.72, 0.30, 0.45),
        ("strained", "2020-2025", 0.28, 0.65, 0.40, 0.35),
    ],
)
def test_renault_nissan_phases(phase, period, nissan, renault, trust, damage):
    environment = cases.record("renault_nissan")["environment"]
    assert environment["actors"] == ("Nissan", "Renault")
    assert environment["phases"][phase] == {
        "period": period,
        "depend": ((0.0, nissan), (renault, 0.0)),
        "initial_trust": trust,
        "initial_damage": damage,
    }
    TrustParams(**environment["trust"], initial_trust=trust, initial_damage=damage)


def test_renault_nissan_environment():
    environment = cases.record("renault_nissan")["environment"]
    assert tuple(environment["phases"]) == ("formation", "mature", "crisis", "strained")
    surplus = np.multiply(environment["complementarity"], environment["share"])
    np.testing.assert_allclose(surplus, (0.2784, 0.3016), rtol=0, atol=1e-15)
    trust, depend = environment["trust"], np.array(environment["phases"]["mature"]["depend"])
    kept = 1 - trust["trust_loss"] * (1 + trust["amplification"] * depend)
    np.testing.assert_allclose((kept[0, 1], kept[1, 0]), (0.68625, 0.6675), rtol=0, atol=1e-12)


def test_renault_nissan_suite_starts_with_the_slip_that_replays():
    """Trust after the formation phase, by the closed form of repeated cooperation: 0.797, published run."""
    suite = cases.record("renault_nissan")["suite"]
    assert suite["actors"] == ("Renault", "Nissan")
    assert suite["depend"] == ((0.0, 0.65), (0.75, 0.0))
    assert suite["trust"]["initial_trust"] == ((1.0, 0.50), (1.0, 0.55))
    assert [p["steps"] for p in suite["phases"]] == [12, 40, 4, 15, 8]  # 79 in all
    assert [p["action"] for p in suite["phases"]] == [6.5, 7.0, 2.0, 6.2, 6.5]
    formation = suite["phases"][0]
    signal = np.tanh(formation["action"] - suite["baseline"][0])
    left = (1 - suite["trust"]["trust_gain"] * signal) ** formation["steps"]
    assert 1 - (1 - suite["trust"]["initial_trust"][0][1]) * left == pytest.approx(0.797, abs=5e-4)


@pytest.mark.parametrize(
    ("phase", "years", "n", "loyalty", "effort", "omega"),
    [
        ("emergence", "1995-1999", 8, 1.00, 35, 20),
        ("growth", "2000-2005", 15, 0.85, 30, 25),
        ("maturity", "2006-2015", 40, 0.70, 22, 30),
        ("evolution", "2016-2023", 35, 0.60, 18, 28),
    ],
)
def test_apache_phases(phase, years, n, loyalty, effort, omega):
    assert cases.record("apache")["environment"]["phases"][phase] == {
        "years": years,
        "n_agents": n,
        "loyalty": loyalty,
        "expected_effort": effort,
        "omega": omega,
    }


def test_apache_constants():
    record = cases.record("apache")
    assert [record["environment"][k] for k in ("returns", "effort_cost", "benefit", "tolerance")] == [
        0.70,
        1,
        0.75,
        0.25,
    ]
    suite = record["suite"]
    assert [suite[k] for k in ("returns", "effort_cost", "benefit", "tolerance")] == [0.65, 1.2, 0.8, 0.3]
    assert tuple(record["environment"]["phases"]) == ("emergence", "growth", "maturity", "evolution")


def test_apache_suite_gives_the_predicted_efforts():
    """Only the most loyal contribute, so mean effort is S / n with the interior S of the first-order condition."""
    suite = cases.record("apache")["suite"]
    most = max(founder["loyalty"] for founder in suite["founders"])

    def interior(phase):
        n, theta = phase["n_agents"], most * phase["loyalty"]
        gain = suite["omega"] * suite["returns"] * (1 + theta * suite["benefit"])
        return (gain / (n * suite["effort_cost"] * (1 - theta * suite["tolerance"]))) ** (1 / (1 - suite["returns"]))

    predicted = [interior(phase) / phase["n_agents"] for phase in suite["phases"].values()]
    assert predicted[1:] == pytest.approx([0.0963, 0.0111, 0.0147], abs=5e-5)  # published; formation meets its bounds
    assert len(suite["founders"]) == 8
    assert sum(founder["weight"] for founder in suite["founders"]) == pytest.approx(1.0, abs=1e-12)
    efforts = [phase["expected_effort"] for phase in suite["phases"].values()]
    assert efforts == [6.8, 5.2, 4.1, 3.8]


def test_app_store():
    record = cases.record("app_store")
    environment = record["environment"]
    assert environment["depend"] == ((0.0, 0.3, 0.2), (0.8, 0.0, 0.15), (0.85, 0.1, 0.0))
    assert environment["endowment"] == (100.0, 80.0, 60.0)
    assert environment["baseline"] == (30.0, 24.0, 18.0)
    assert environment["actors"] == record["suite"]["actors"]
    # published sensitivities rho_0 D^eta
    numbers = environment["reciprocity"]
    sensitivity = numbers["reciprocity"] * np.power(environment["depend"], numbers["elasticity"])
    expected = [[0, 0.2358, 0.1450], [0.7651, 0, 0.1026], [0.8228, 0.0631, 0]]
    np.testing.assert_allclose(sensitivity, expected, rtol=0, atol=5e-5)


def test_app_store_phases_follow_each_other():
    phases = cases.record("app_store")["suite"]["phases"]
    edges = [phase["quarters"] for phase in phases]
    assert [first for first, _ in edges] == [0, 16, 36, 48, 54]
    assert [after for _, after in edges] == [16, 36, 48, 54, 66]

    def quarter(k):
        return f"{2008 + k // 4}Q{1 + k % 4}"

    for phase in phases:
        first, after = phase["quarters"]
        assert phase["period"] == f"{quarter(first)}-{quarter(after - 1)}"


def test_app_store_fragment_gives_its_entry():
    record = cases.record("app_store")
    suite, fragment = record["suite"], record["elicitation"]["dependencies"]
    matrix = dependence_matrix([Dependency(**d, kind="goal") for d in fragment], suite["actors"])
    assert matrix[1, 0] == pytest.approx(0.8775, abs=1e-15)
    assert matrix[1, 0] == pytest.approx(suite["depend"][1][0], abs=0.005)  # 0.88, as rounded there
