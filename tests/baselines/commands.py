"""``payoff`` called as from a terminal, for the tests of commands."""

from __future__ import annotations

from typing import Any

import pytest

from payoff.cli import main


def call(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    """Exit status, output and errors."""
    status = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def refused(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    """The one line that bad input gets."""
    status, out, err = call(capsys, *arguments)
    assert status == 2 and out == "", (out, err)
    assert err.startswith("payoff: error: ") and err.count("\n") == 1 and err.endswith("\n")
    return err
