"""Names of rewards, and what they are worth."""

import numpy as np
import pytest

from payoff.calibration.compare.layers import Terms, evaluate, parse

TERMS = Terms(
    owner="payoff/X-v0",
    payoff=np.array([0.0, 3.0, -4.0]),
    rewards={"svo:0.4": np.array([1.0, 2.0, 3.0])},
    aux=np.array([10.0, 20.0, 30.0]),
    before={"progress": np.array([0.1, 0.2, 0.3])},
    after={"progress": np.array([0.2, 0.3, 1.0])},
    ended=np.array([False, False, True]),
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("payoff", [0.0, 3.0, -4.0]),
        ("aux", [10.0, 20.0, 30.0]),
        ("payoff+aux", [10.0, 23.0, 26.0]),
        ("payoff - 0.5*aux", [-5.0, -7.0, -19.0]),
        ("-1*payoff+2e-1*aux", [2.0, 1.0, 10.0]),
        ("clipped", [0.0, 1.0, -1.0]),
        ("clipped:3.5", [0.0, 3.0, -3.5]),
        ("shaping:progress", [0.9 * 0.2 - 0.1, 0.9 * 0.3 - 0.2, -0.3]),  # the potential of a terminal state is 0
        ("shaped:progress", [0.08, 3.07, -4.3]),
        ("payoff+shaping:progress", [0.08, 3.07, -4.3]),
        ("2*svo:0.4-payoff", [2.0, 1.0, 10.0]),
        ("payoff+payoff", [0.0, 6.0, -8.0]),
    ],
)
def test_sums_of_terms(name, expected):
    np.testing.assert_allclose(evaluate(parse(name), TERMS, 0.9), expected, atol=1e-15)


def test_what_a_name_needs():
    layer = parse("private+shaped:progress-0.5*mutuality:0.3+shaping:trust")
    assert layer.rewards == ("private", "mutuality:0.3") and layer.keys == ("progress", "trust")
    assert parse("inequity_aversion:0.85,0.315").rewards == ("inequity_aversion:0.85,0.315",)
    assert parse("svo:-0.5").rewards == ("svo:-0.5",)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "must be a sum of terms such as payoff"),
        ("payoff+", "must be a sum of terms"),
        ("payoff aux", "must be a sum of terms"),
        ("payoff**2", "must be a sum of terms"),
        ("payof", r"unknown term 'payof' \(did you mean 'payoff'\?\)"),
        ("shaped", "shaped:progress"),
        ("shaped:0.5", "names an entry of info"),
        ("payoff:3", "payoff takes nothing after a colon"),
        ("clipped:0", "limit of clipped must be a number in"),
        ("1e999*payoff", "a factor of layer '1e999[*]payoff' must be a number"),
        ("clipped:wide", "limit of clipped must be a number in"),
    ],
)
def test_bad_names_are_refused(name, text):
    with pytest.raises(ValueError, match=text):
        parse(name)


def test_games_without_auxiliary_reward_say_so():
    bare = Terms("payoff/X-v0", TERMS.payoff, {}, None, {}, {}, TERMS.ended)
    with pytest.raises(ValueError, match="payoff/X-v0 reports no auxiliary reward"):
        evaluate(parse("payoff+aux"), bare, 0.9)
