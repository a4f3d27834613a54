"""Certificates: the stored ones hold, and a file that is none is refused with a clear line."""

import copy
import dataclasses
import json
import math
import re

import jsonschema
import numpy as np
import pytest

import payoff
from payoff.cli import main
from payoff.envs import certifying, registry
from payoff.envs.certificate import SCHEMA, Certificate, Equilibrium, Estimate, certificate, check
from payoff.envs.certifying import certify, random_play
from payoff.envs.mdp import as_mdp, canonical

KEY_ROOM = "payoff/KeyRoom-v0"

SEVERAL = {
    "id": "payoff/SomeDilemma-v1",
    "players": 2,
    "optimum": 8.0,
    "optimum_kind": "exact_small",
    "method": "closed form",
    "levels": [],
    "equilibria": [{"name": "private Nash", "actions": [0.0, 0.0], "payoffs": [1.0, 1.0], "gain": 0.0}],
    "dilemma": "prisoners_dilemma",
}


@pytest.fixture(scope="module")
def stored():
    return certificate("KeyRoom-v0")


def test_schema_is_a_schema_and_the_stored_certificate_follows_it(stored):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(stored.to_dict(), SCHEMA)
    jsonschema.validate(SEVERAL, SCHEMA)


def test_every_certificate_is_stored_under_its_id():
    found = [i for i in registry.ids() if "sparse" in registry.load(i).tags]
    assert KEY_ROOM in found
    for env_id in found:
        assert payoff.certificate(env_id).id == env_id


def test_stored_figures_are_recomputed(stored):
    """The easiest level in full; the starts of the default size against the closed form."""
    easiest = stored.levels[0]
    again = certify(KEY_ROOM, [easiest.parameters], starts=easiest.starts, gamma=easiest.gamma).levels[0]
    assert again.max_steps == easiest.max_steps == 40
    for name in ("optimum", "discounted_optimum", "random_success", "horizon_to_reward"):
        ours, theirs = getattr(again, name), getattr(easiest, name)
        assert ours.mean == pytest.approx(theirs.mean, rel=1e-10)
        assert ours.standard_error == pytest.approx(theirs.standard_error, rel=1e-8, abs=1e-15)
    level = next(v for v in stored.levels if v.parameters == {"size": 10})  # the default
    env = payoff.multi_agent_vec(KEY_ROOM, level.starts)
    env.reset(seed=level.first_seed)
    game = registry.load(KEY_ROOM)
    steps = np.array([game.optimum(env.engine.rows[0], row)[1] for row in env.engine.state])
    assert steps.mean() == pytest.approx(level.horizon_to_reward.mean, rel=1e-12)
    assert steps.std(ddof=1) / math.sqrt(len(steps)) == pytest.approx(level.horizon_to_reward.standard_error, rel=1e-9)
    discounted = level.gamma ** (steps - 1.0)
    assert discounted.mean() == pytest.approx(level.discounted_optimum.mean, rel=1e-10)


def test_stored_ladder_is_sparse_and_can_be_climbed(stored):
    assert (stored.players, stored.optimum, stored.optimum_kind) == (1, 1.0, "exact")
    sizes = [v.parameters["size"] for v in stored.levels]
    success = [v.random_success.mean for v in stored.levels]
    assert sizes == sorted(sizes) and success == sorted(success, reverse=True)
    assert min(n for n, p in zip(sizes, success, strict=True) if p < 1e-3) == 6
    for level in stored.levels:
        assert level.random_success.standard_error < 0.15 * level.random_success.mean
        assert (level.optimum.mean, level.optimum.standard_error) == (1.0, 0.0)
        assert level.max_steps == 8 * level.parameters["size"]
        assert level.max_steps > 3 * level.horizon_to_reward.mean


def test_the_headline_is_the_optimum_of_the_defaults(capsys):
    """CliffWalk: 13 steps of -1 along the cliff by default; the sparse levels pay 1."""
    held = certificate("CliffWalk-v0")
    assert held.optimum == -13.0
    assert [level.optimum.mean for level in held.levels] == [1.0, 1.0, 1.0, -13.0]
    assert main(["info", "CliffWalk-v0"]) == 0
    shown = capsys.readouterr().out
    assert "optimum -13 at the defaults (exact)" in shown
    assert re.search(r"^ *defaults +optimum -13, ", shown, re.MULTILINE)


@pytest.mark.parametrize("solved", [i for i in payoff.ids() if registry.load(i).optimum is not None])
def test_every_headline_is_that_of_the_level_that_the_defaults_play(solved):
    game, held = registry.load(solved), certificate(solved)
    played = [game.params.from_keywords(solved, dict(level.parameters)) for level in held.levels]
    assert played.count(game.params()) == 1
    assert held.optimum == held.levels[played.index(game.params())].optimum.mean


FEW_STARTS = {  # id -> level's keywords -> number of starts, and the mean over them of a figure that a formula gives
    "payoff/WatchRepair-v0": lambda keywords: (4, "optimum", 1.75),  # margins -1.5, 3.5, 3.5, -1.5
    "payoff/LineKey-v0": lambda keywords: (5, None, None),  # its optimum: below
    # of a hundred cells all but four houses, seven sheep and the goal
    "payoff/Delivery-v0": lambda keywords: (None if keywords else 88, None, None),
    # distances from the middle of a square of side n to its cells add up to n (n^2 - 1) / 2
    "payoff/RepeatMaze-v0": lambda keywords: (
        keywords.get("size", 5) ** 2 - 1,
        "horizon_to_reward",
        keywords.get("size", 5) / 2,
    ),
    "payoff/NoisyTesting-v0": lambda keywords: (keywords.get("hypotheses", 4), None, None),
}


@pytest.mark.parametrize("few", FEW_STARTS)
def test_few_starts_are_all_counted(few):
    """Not sampled: no standard error, whatever depends on the start alone."""
    for level in certificate(few).levels:
        n, name, mean = FEW_STARTS[few](level.parameters)
        if n is None:  # boards are drawn
            assert level.first_seed == 0 and level.starts == 200
            continue
        assert level.first_seed is None and level.starts == n
        exact = ["optimum", "discounted_optimum", "horizon_to_reward"]
        for figure in exact + (["random_return"] if registry.load(few).tabular else []):
            known = getattr(level, figure)
            assert known is None or known.standard_error == 0.0
        if name is not None:
            assert getattr(level, name).mean == pytest.approx(mean, rel=1e-12)


def test_watch_repair_by_hand():
    """Brands are worth max(margin, 0), 1.75 on average; random play repairs half: (3.5 + 3.5 - 1.5 - 1.5) / 8."""
    for level in certificate("WatchRepair-v0").levels:
        assert level.optimum == Estimate(pytest.approx(1.75, rel=1e-12), 0.0)
        assert level.discounted_optimum.mean == pytest.approx(1.75 * 0.99 ** (level.max_steps - 1), rel=1e-12)
        assert level.random_return.mean == pytest.approx(0.5, rel=1e-12)


def test_line_key_over_its_five_places():
    """Dynamic programming written for one key: stay or pick at a place, then walk; no code of the game is used."""
    for level in certificate("LineKey-v0").levels:
        length = level.parameters.get("length", 40)
        values = {(x, held): 0.0 for x in range(length + 1) for held in (False, True)}
        for _ in range(60):
            after = {}
            for x, held in values:
                pays = float(held and x >= length - 4)
                right, left = values[min(x + 3, length), held], values[max(x - 3, 0), held]
                ways = [pays + 0.95 * right + 0.05 * left, 0.95 * left + 0.05 * right]
                ways.append(values[x, held or x <= 4])
                after[x, held] = max(ways)
            values = after
        assert level.optimum.mean == pytest.approx(sum(values[x, False] for x in range(5)) / 5, rel=1e-12)


@pytest.mark.parametrize("few", FEW_STARTS)
def test_the_starts_that_a_game_declares_are_equally_likely(few):
    """Pearson's statistic over the start states of 100 seeds a start is below the quantile of 1 - 1e-4.

    That is the quantile by Wilson and Hilferty (1931); 3.719 is the one of the normal distribution.
    """
    game = registry.load(few)
    n = game.starts(game.params())
    env = payoff.multi_agent_vec(few, 100 * n)
    env.reset(seed=1_000_000)
    _, counts = np.unique(canonical(env.engine.state, game.shape(game.params()).layout), axis=0, return_counts=True)
    assert len(counts) == n
    spread = 2.0 / (9.0 * (n - 1))
    assert ((counts - 100.0) ** 2 / 100.0).sum() < (n - 1) * (1.0 - spread + 3.719 * math.sqrt(spread)) ** 3


@pytest.mark.parametrize("declared", [3, 5])
def test_a_wrong_number_of_starts_is_an_error(monkeypatch, declared):
    game = registry.load("WatchRepair-v0")
    theory = dataclasses.replace(game.theory, starts=lambda p: declared)
    monkeypatch.setattr(registry, "load", lambda _: dataclasses.replace(game, theory=theory))
    with pytest.raises(ArithmeticError, match=f"starts in {declared} states, by its theory, but 4 were found"):
        certify("payoff/WatchRepair-v0", [{}], starts=10)


def test_the_defaults_are_a_level_of_every_certificate():
    """Where no level that is asked for has the default parameters, it is added; else there is one level only."""
    held = certify("payoff/CliffWalk-v0", [{"variant": "sparse"}])
    assert [dict(level.parameters) for level in held.levels] == [{"variant": "sparse"}, {}]
    assert held.optimum == -13.0
    assert len(certify("payoff/CliffWalk-v0", [{"width": 12}]).levels) == 1  # the default width


def test_random_play_begins_where_its_seeds_do():
    """Two batches of 1,024: episode k of a game of fixed length is the first one of seed + k, here by its brand."""
    game = registry.load("WatchRepair-v0")
    played = random_play(game, game.params(max_steps=2), 2048, seed=50)
    env = payoff.multi_agent_vec("payoff/WatchRepair-v0", 2048, max_steps=2)
    env.reset(seed=50)
    brand = game.shape(game.params()).layout.column("brand")
    assert [episode.last[brand] for episode in played] == env.engine.state[:, brand].tolist()
    assert all(episode.payoff.shape == (2, 1) and episode.terminated for episode in played)


@pytest.mark.parametrize(("asked", "played"), [(20, 20), (1024, 1024), (1025, 2048)])
def test_random_play_is_one_smaller_batch_or_whole_ones(asked, played):
    game = registry.load("WatchRepair-v0")
    assert len(random_play(game, game.params(max_steps=1), asked)) == played


def test_an_optimum_that_the_rules_do_not_pay_is_an_error(monkeypatch):
    """A millionth too much, at the one start of CliffWalk."""
    game = registry.load("CliffWalk-v0")
    theory = dataclasses.replace(game.theory, optimum=lambda p, *state: (-13.0 + 1e-6, 13))
    monkeypatch.setattr(registry, "load", lambda _: dataclasses.replace(game, theory=theory))
    with pytest.raises(ArithmeticError, match=r"optimum\(\) and dynamic programming differ by 1e-06"):
        certify("payoff/CliffWalk-v0", [{}], starts=1)


def test_a_certificate_cannot_be_changed(stored):
    with pytest.raises(dataclasses.FrozenInstanceError):
        stored.optimum = 2.0


def test_file_round_trip(stored, tmp_path):
    path = tmp_path / "c.json"
    stored.write(path)
    assert Certificate.read(path) == stored
    several = Certificate.from_dict(SEVERAL)
    assert several.equilibria == (Equilibrium("private Nash", [0.0, 0.0], [1.0, 1.0], 0.0),)
    several.write(path)
    assert Certificate.read(path).to_dict() == SEVERAL == json.loads(path.read_text())


def changed(document, path, value):
    document = copy.deepcopy(document)
    *way, last = path
    inner = document
    for step in way:
        inner = inner[step]
    if value is KeyError:
        del inner[last]
    else:
        inner[last] = value
    return document


FAULTS = [
    (["id"], "KeyRoom", "c.id must be text that matches"),
    (["id"], KeyError, "c lacks 'id'"),
    (["players"], 0, r"c.players must be a finite number in \[1, inf\], got 0"),
    (["players"], True, "c.players must be of type integer, got True"),
    (["players"], 1.5, "c.players must be of type integer, got 1.5"),
    (["optimum"], "1", "c.optimum must be of type number, got '1'"),
    (["optimum_kind"], "guess", "c.optimum_kind must be one of 'exact', 'exact_small', 'reference', got 'guess'"),
    (["method"], "", "c.method must be text that is not empty"),
    (["remark"], "x", "c has an unknown entry 'remark'; known: id, players"),
    (["levels"], [], "c.levels must be a list of at least 1 entries"),
    (["levels"], {}, "c.levels must be of type array"),
    (
        ["levels", 0, "random_success", "mean"],
        1.5,
        r"c.levels\[0\].random_success.mean must be a finite number in \[0, 1\]",
    ),
    (["levels", 0, "random_success", "standard_error"], -1.0, r"standard_error must be a finite number in \[0, inf\]"),
    (["levels", 0, "gamma"], 0, r"c.levels\[0\].gamma must be a finite number in \(0, 1\], got 0"),
    (["levels", 0, "parameters", "size"], [5], "parameters.size must be of type number or string or boolean or null"),
    (["levels", 0, "horizon_to_reward"], KeyError, r"c.levels\[0\] lacks 'horizon_to_reward'"),
    (["equilibria"], SEVERAL["equilibria"], "c.equilibria must be a list of 0 to 0 entries"),
    (["dilemma"], "stag_hunt", "c.dilemma must be of type null, got 'stag_hunt'"),
]


@pytest.mark.parametrize(("path", "value", "message"), FAULTS)
def test_a_fault_is_named_and_jsonschema_sees_it_too(stored, path, value, message):
    document = changed(stored.to_dict(), path, value)
    with pytest.raises(ValueError, match=message):
        Certificate.from_dict(document, "c")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["dilemma"], None, "c.dilemma must be of type string, got None"),
        (["dilemma"], "Stag Hunt", "c.dilemma must be text that matches"),
        (["equilibria", 0, "actions"], [1.0], r"c.equilibria\[0\].actions must be a list of at least 2 entries"),
        (["equilibria", 0, "gain"], -0.1, r"c.equilibria\[0\].gain must be a finite number in \[0, inf\]"),
        (["players"], 1, "c.levels must be a list of at least 1 entries"),
    ],
)
def test_a_fault_in_one_of_several_players(path, value, message):
    document = changed(SEVERAL, path, value)
    with pytest.raises(ValueError, match=message):
        Certificate.from_dict(document, "c")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


def test_schema_uses_only_what_the_checker_knows():
    known = {"$schema", "title", "type", "properties", "required", "additionalProperties", "items", "enum", "const"}
    known |= {
        "pattern",
        "minLength",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "if",
        "then",
        "else",
    }

    def schemas(schema):
        yield schema
        for name in ("items", "additionalProperties", "if", "then", "else"):
            if isinstance(schema.get(name), dict):
                yield from schemas(schema[name])
        for inner in schema.get("properties", {}).values():
            yield from schemas(inner)

    assert {key for schema in schemas(SCHEMA) for key in schema} <= known


def test_not_a_number_is_refused():
    with pytest.raises(ValueError, match="c must be a finite number"):
        check(math.nan, {"type": "number"}, "c")
    with pytest.raises(ValueError, match="certificate of payoff/X-v0"):
        Certificate("payoff/X-v0", 1, 1.0, "exact", "m")


def test_files_that_are_none(tmp_path):
    path = tmp_path / "c.json"
    path.write_text('{"id": ')
    with pytest.raises(ValueError, match=r"c\.json is no JSON"):
        Certificate.read(path)
    path.write_text("[]")
    with pytest.raises(ValueError, match=r"c\.json must be of type object, got \[\]"):
        Certificate.read(path)
    with pytest.raises(FileNotFoundError):
        Certificate.read(tmp_path / "none.json")


def test_ids_without_a_certificate():
    with pytest.raises(
        ValueError, match=r"payoff/TrustDilemma-v0 has no certificate; these have one: .*payoff/KeyRoom-v0"
    ):
        certificate("payoff/TrustDilemma-v0")
    with pytest.raises(ValueError, match=r"unknown environment 'KeyRom-v0' \(did you mean 'payoff/KeyRoom-v0'\?\)"):
        certificate("KeyRom-v0")
    with pytest.raises(ValueError, match=r"payoff/TrustDilemma-v0 cannot be certified"):
        certify("payoff/TrustDilemma-v0")


def test_standard_error_counts_repeated_starts():
    """Size 5 repeats layouts among 50 seeds: figures are those of the list of starts, not of the distinct ones."""
    mdp = as_mdp(KEY_ROOM, starts=range(50), size=5)
    assert (mdp.initial > 0).sum() < 50
    level = certify(KEY_ROOM, [{"size": 5}], starts=50).levels[0]
    env = payoff.multi_agent_vec(KEY_ROOM, 50, size=5)
    env.reset(seed=0)
    game = registry.load(KEY_ROOM)
    steps = np.array([game.optimum(env.engine.rows[0], row)[1] for row in env.engine.state])
    assert level.horizon_to_reward.mean == pytest.approx(steps.mean())
    assert level.horizon_to_reward.standard_error == pytest.approx(steps.std(ddof=1) / math.sqrt(50))


def test_standard_error_of_a_share_counts_one_success_more():
    """None of 99: that of one of 100, sqrt(0.01 * 0.99 / 99) = 0.01; 3 of 9: that of 4 of 10."""
    none, some = certifying._share(0, 99), certifying._share(3, 9)
    assert (none.mean, none.standard_error) == (0.0, pytest.approx(0.01, rel=1e-12))
    assert (some.mean, some.standard_error) == (pytest.approx(1 / 3), pytest.approx(math.sqrt(0.24 / 9), rel=1e-12))
