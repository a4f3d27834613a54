"""Stage games by the kernels: against closed forms, a stored certificate, and the worked example of the page."""

import importlib
import json
import re
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from payoff.cli import main
from payoff.envs import registry
from payoff.envs.certificate import certificate
from payoff.envs.rewards import Mutuality
from payoff.envs.stage import certify_stage, stage_game

PAGE = Path(__file__).parents[1] / "docs" / "guides" / "dilemmas.md"
EXAMPLE = "public_goods:mine/LinearPublicGoods-v0"
PUBLISHED = [env_id for env_id in registry.ids() if registry.load(env_id).rules.published]


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Where the game of the page can be imported; afterwards its id is gone again."""
    folder = tmp_path_factory.mktemp("game")
    ((name, text),) = re.findall(r"```python title=(\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (folder / name).write_text(text, encoding="utf-8")
    sys.path.insert(0, str(folder))
    importlib.import_module("public_goods")
    yield folder
    sys.path.remove(str(folder))
    del (
        sys.modules["public_goods"],
        registry._ADDED["mine/LinearPublicGoods-v0"],
        gym.registry["mine/LinearPublicGoods-v0"],
    )


@pytest.mark.parametrize(
    ("game_id", "n"), [("TeamProduction-v0", 4), ("IndirectReciprocity-v0", 4), ("GraduatedSanction-v0", 6)]
)
def test_nash_and_optimum_are_the_closed_forms(game_id, n):
    """pi_i = e - a_i + 20 ln(1 + a_i) + synergy: 20 / (1 - 0.65 / n^2) - 1, and / n."""
    game = stage_game(game_id)
    assert game.symmetric and game.n_players == n
    (nash,) = game.equilibria()
    np.testing.assert_allclose(nash.actions, 20 / (1 - 0.65 / n**2) - 1, rtol=0, atol=1e-5)
    np.testing.assert_allclose(game.optimum.actions, 20 / (1 - 0.65 / n) - 1, rtol=0, atol=1e-4)
    assert nash.gain <= game.tolerance < game.optimum.gain


@pytest.mark.parametrize(
    ("game_id", "private", "integrated"),
    [
        ("PartnerHoldUp-v0", (23.2273, 21.8257), (24.9035, 26.2453)),
        ("SLCD-v0", (23.2649, 22.4944), (26.6334, 27.3991)),
    ],
)
def test_players_who_are_not_alike(game_id, private, integrated):
    """Equilibria as the pages of the games derive them; mutuality of one half is the integrated reward, D ungated."""
    game, record = stage_game(game_id), registry.load(game_id)
    assert not game.symmetric
    depend = record.dependence(record.params())
    for weights, actions in ((None, private), (Mutuality(0.5).weights(depend[None])[0], integrated)):
        (found,) = game.equilibria(weights)
        np.testing.assert_allclose(found.actions, actions, rtol=0, atol=1e-4)
        assert found.gain <= game.tolerance


@pytest.mark.parametrize(
    ("game_id", "nash", "optimum"),
    [("DynamicPartnerSelection-v0", 819.6509, 819.9937), ("CooperativeNegotiation-v0", 294.7889, 295.4963)],
)
def test_welfare_is_what_the_pages_of_the_games_say(game_id, nash, optimum):
    game = stage_game(game_id)
    assert game.equilibria()[0].welfare == pytest.approx(nash, abs=1e-4)
    assert game.optimum.welfare == pytest.approx(optimum, abs=1e-4)


@pytest.mark.parametrize(
    ("game_id", "keywords", "action"),
    [
        ("SynergySearch-v0", {"gamma_range": (0.2, 0.2)}, 20.0526),
        ("SynergySearch-v0", {"gamma_range": (0.9, 0.9)}, 24.8065),
        ("ReputationMarket-v0", {"tier_enabled": False}, 17.3673),
    ],
)
def test_keywords_reach_the_kernel(game_id, keywords, action):
    """Private Nash contributions as the pages of the games derive them for these keywords."""
    (nash,) = stage_game(game_id, **keywords).equilibria()
    np.testing.assert_allclose(nash.actions, action, rtol=0, atol=1e-4)


def test_mutuality_runs_from_private_to_the_common_goal():
    """At 0 and 1 it is self-interest 1 and 1/n, up to scale."""
    found = certify_stage("TrustDilemma-v0")
    m, worst, best = found.mutuality
    assert m.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert (worst[0], worst[-1]) == pytest.approx((found.curve.worst[0], found.curve.worst[-1]), abs=1e-6)
    np.testing.assert_array_equal(worst, best)
    assert worst[-1] == pytest.approx(found.optimum.welfare, abs=1e-6)


def test_congestion_is_what_its_certificate_says():
    """There the optimum is found by dynamic programming over splits, and equilibria by every move of one seat."""
    held = certificate("payoff/Congestion-v0")
    game = stage_game("Congestion-v0")
    assert game.optimum.welfare == pytest.approx(held.optimum, abs=1e-9)
    private = next(e for e in held.equilibria if "private" in e.name.lower())
    for nash in game.equilibria():
        assert nash.welfare == pytest.approx(sum(private.payoffs), abs=1e-9)


@pytest.mark.parametrize("game_id", PUBLISHED)
def test_published_games_hardly_pose_a_dilemma(game_id):
    """Nash welfare is within 1 % of the optimum, at the defaults, by as much as the page says."""
    game = stage_game(game_id)
    worst = game.equilibria()[0]
    assert worst.gain <= game.tolerance
    missed = 1.0 - worst.welfare / game.optimum.welfare
    assert missed <= 0.01
    name = re.escape(game_id.removeprefix("payoff/"))
    assert float(re.search(rf"^\| {name} \| \d+ \| ([\d.]+) %", PAGE.read_text(encoding="utf-8"), re.MULTILINE)[1]) == (
        pytest.approx(100 * missed, abs=6e-4)
    )


@pytest.mark.parametrize(("players", "multiplier"), [(4, 1.6), (10, 3.0)])
def test_linear_public_goods(players, multiplier):
    """Nash 0, optimum e; greed and fear 1 - r / n; thresholds r / n; welfare n e and r n e."""
    found = certify_stage(EXAMPLE, players=players, multiplier=multiplier)
    level = multiplier / players
    assert found.nash.actions.tolist() == [0.0] * players and found.optimum.actions.tolist() == [1.0] * players
    assert found.dilemma.kind == "prisoner's dilemma" and found.dilemma.together
    assert (found.dilemma.greed, found.dilemma.fear) == pytest.approx((1 - level, 1 - level))
    assert found.price_of_anarchy == pytest.approx(multiplier)
    assert found.gap == pytest.approx(1 - 1 / multiplier) and found.lost == pytest.approx(1.0)
    levels = (found.s_eq, found.thresholds.s_eq, found.thresholds.s_dom, found.thresholds.kept, found.curve.s_95)
    assert levels == pytest.approx([level] * 5, abs=1e-6)
    assert found.verdict.startswith("prisoner's dilemma: at Nash,")
    share = np.arange(players) * level
    np.testing.assert_allclose(found.dilemma.defect, 1 + share)
    np.testing.assert_allclose(found.dilemma.cooperate, share + level)


def test_commands_of_the_page(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = re.findall(r"^payoff (certify .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(found) == 3
    for words in found:
        assert main(words.split()) == 0
    assert "s_dom = 0.4;" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"public_goods.png", "trust.png"}


def test_placebo_in_words_and_numbers(capsys):
    assert main(["certify", "TrustDilemma-v0"]) == 0
    out = capsys.readouterr().out
    assert "verdict           hardly a dilemma: at Nash, 0.352 % of the optimum's welfare is missed" in out
    assert "thresholds        none: the optimum is an equilibrium at no s above 1/2" in out
    assert not any(line != line.rstrip() for line in out.splitlines())


def test_json_and_figure(capsys, tmp_path):
    picture = tmp_path / "new" / "goods.svg"
    assert main(["certify", EXAMPLE, "--levels", "11", "--params", "players=3", "--json", "--out", str(picture)]) == 0
    held = json.loads(capsys.readouterr().out)
    assert held["players"] == 3 and held["alike"] is True
    assert held["thresholds"]["s_dom"] == pytest.approx(1.6 / 3)
    assert held["self_interest"]["s"][-1] == pytest.approx(1 / 3) and held["mutuality"] is None
    assert picture.read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["TrustDilema-v0"], "did you mean 'payoff/TrustDilemma-v0'?"),
        (["KeyRoom-v0"], "must have at least 2 players who choose one number each to have a stage game, got 1 with 1"),
        (["CarBall-v0"], "got 2 with 3"),
        (["TrustDilemma-v0", "--levels", "5"], "levels must be an integer at least 11, got 5"),
        (["TrustDilemma-v0", "--params", "max_step=3"], "did you mean 'max_steps'?"),
        (["TrustDilemma-v0", "--out", "x.pdf"], "--out must be a file that ends in .png or .svg, got x.pdf"),
    ],
)
def test_bad_input_is_one_clear_line(capsys, arguments, message):
    assert main(["certify", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and message in captured.err and len(captured.err.splitlines()) == 1
