"""``payoff compare``: tables, figures, and one clear line for what the user got wrong."""

from __future__ import annotations

import re

import pytest

from tests.baselines.commands import call

CLIFF = ("compare", "CliffWalk-v0", "--params", "height=3", "width=4", "--gamma", "0.9")
TRUST = ("compare", "payoff/TrustDilemma-v0", "--samples", "2000")


def row(out, name):
    """Cells of the first table line that begins with a name."""
    (line, *_) = (line for line in out.splitlines() if line.startswith(f"{name} "))
    return line.split()[1:]


def test_exact_distances_regret_and_cliff(capsys):
    status, out, err = call(capsys, *CLIFF, "--layers", "payoff", "shaped:progress", "-1*payoff")
    assert status == 0 and err == ""
    assert "payoff/CliffWalk-v0: distances between rewards (val, l2, gamma 0.9)" in out
    assert "exact, 10 states and 4 actions" in out  # 12 cells but for the 2 of the cliff
    assert row(out, "payoff") == ["0", "0", "2.000"]
    assert row(out, "shaped:progress") == ["0", "0", "2.000"]
    judged = out[out.index("Judged by the payoff") :]
    assert row(judged, "payoff")[:3] == ["0", "0", "0"]
    assert row(judged, "-1*payoff")[:3] == ["2.000", "1.000", "1.000"]
    assert "Policy cliff: each reward changed by at most epsilon, 0.01 of" in judged


def test_sampled_distances_with_a_noise_floor(capsys):
    status, out, _ = call(capsys, *TRUST, "--layers", "private", "integrated", "cooperative", "--agent", "1")
    assert status == 0
    assert "transitions of uniformly random play, seat 1" in out and "noise floor" in out
    private, integrated = row(out, "private"), row(out, "integrated")
    assert private[0] == integrated[1] == "0" and private[1] == integrated[0]
    assert 0.0 < float(private[3]) < float(private[1]) < 2.0


def test_tabular_game_can_be_sampled(capsys):
    status, out, _ = call(capsys, *CLIFF, "--layers", "payoff", "2*payoff", "--sampled", "--samples", "2000")
    assert status == 0 and "val_potential" in out and row(out, "payoff")[:2] == ["0", "0"]


@pytest.mark.parametrize("form", ["png", "svg"])
def test_figures_are_written(capsys, tmp_path, form):
    heat, curves = tmp_path / "new" / f"heat.{form}", tmp_path / f"curves.{form}"
    status, out, _ = call(
        capsys, *CLIFF, "--layers", "payoff", "clipped:1", "--canon", "epic", "--out", heat, "--curves", curves
    )
    assert status == 0 and f"figure: {heat}" in out and f"figure: {curves}" in out
    first = {"png": b"\x89PNG", "svg": b"<?xml"}[form]
    assert heat.read_bytes().startswith(first) and curves.read_bytes().startswith(first)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["compare"], "Missing from payoff compare: ENV"),
        (["compare", "CliffWalk-v0"], "--layers"),
        (["compare", "ClifWalk-v0", "--layers", "payoff", "aux"], "did you mean 'payoff/CliffWalk-v0'?"),
        ([*CLIFF, "--layers", "payoff"], "layers must name at least two different rewards, got payoff"),
        ([*CLIFF, "--layers", "payoff", "payof"], "did you mean 'payoff'?"),
        ([*CLIFF, "--layers", "payoff", "shaped:trust"], "it reports: progress"),
        ([*CLIFF, "--layers", "payoff", "svo:9"], "theta"),
        ([*CLIFF, "--layers", "payoff", "aux", "--canon", "starc"], "invalid choice 'starc'"),
        ([*CLIFF, "--layers", "payoff", "aux", "--gamma", "1"], "gamma must be a number in (0, 1), got 1"),
        ([*CLIFF, "--layers", "payoff", "aux", "--starts", "-1"], "starts must be at least one non-negative integer"),
        ([*CLIFF, "--layers", "payoff", "aux", "--max-states", "3"], "has more than max_states=3 states"),
        ([*CLIFF, "--layers", "payoff", "aux", "--out", "{out}/x.pdf"], "must be a file that ends in .png or .svg"),
        ([*CLIFF, "--layers", "payoff", "aux", "--out", "{out}/x"], "must be a file that ends in .png or .svg"),
        ([*TRUST, "--layers", "payoff", "private", "--canon", "val"], "canon must be one of val_potential, epic"),
        ([*TRUST, "--layers", "payoff", "private", "--agent", "2"], "agent must be 0 .. 1"),
        ([*TRUST, "--layers", "payoff", "private", "--samples", "0"], "samples must be an integer in 1 .. 10000000"),
        ([*TRUST, "--layers", "payoff", "private", "--samples", "10000001"], "in 1 .. 10000000, got 10000001"),
        ([*TRUST, "--layers", "payoff", "private", "--curves", "{out}/x.png"], "curves need an exact model"),
        ([*TRUST, "--layers", "payoff", "private", "--params", "max_step=3"], "did you mean 'max_steps'?"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else "",
)
def test_bad_input_gets_one_line_and_makes_nothing(capsys, tmp_path, arguments, text):
    out = tmp_path / "out"
    status, printed, err = call(capsys, *(a.format(out=out) for a in arguments))
    assert status == 2 and printed == ""
    assert err.startswith("payoff: error: ") and err.count("\n") == 1 and text in err
    assert not out.exists()


def test_figure_that_cannot_be_written_is_named(capsys, tmp_path):
    (tmp_path / "file").write_text("in the way")
    status, printed, err = call(capsys, *CLIFF, "--layers", "payoff", "aux", "--out", tmp_path / "file" / "x.png")
    assert status == 2 and printed == "" and err.count("\n") == 1 and re.search(r"payoff: error: .*file", err)
