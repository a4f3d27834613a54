"""A name means one thing, is stated once, and no module imports a package that holds it."""

from __future__ import annotations

import ast
import importlib
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import payoff.wrappers
from payoff.lazy import attach

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "wrappers").rglob("*.py"))


def repeated(names):
    return [name for name, times in Counter(names).items() if times > 1]


def test_no_two_public_classes_share_a_name():
    layers = (ROOT / "envs" / "rewards").glob("*.py")
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in [*MODULES, *layers]]
    classes = [node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    assert repeated(name for name in classes if not name.startswith("_")) == []


def test_no_two_modules_share_a_name():
    """But for ``base``, what all of a family builds on."""
    folders = {path.parent for path in MODULES} - {ROOT / "wrappers"}
    names = [*(path.stem for path in MODULES), *(folder.name for folder in folders)]
    assert set(repeated(names)) <= {"__init__", "base"}


def test_a_public_name_is_stated_where_it_is_defined():
    stub = ast.parse((ROOT / "wrappers" / "__init__.pyi").read_text(encoding="utf-8"))
    homes = {alias.name: node.module for node in stub.body[1:] for alias in node.names}
    assert sorted(homes) == payoff.wrappers.__all__
    assert repeated(alias.name for node in stub.body[1:] for alias in node.names) == []
    for name, home in homes.items():
        thing = getattr(payoff.wrappers, name)
        assert thing.__module__ == home, name
        assert name in importlib.import_module(home).__all__


def test_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match=r"module 'payoff\.wrappers' has no attribute 'Cuont'"):
        payoff.wrappers.Cuont  # noqa: B018


def test_the_contract_names_every_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (c for c in project["tool"]["importlinter"]["contracts"] if c.get("as_packages") is False)
    folders = {path.parent.relative_to(ROOT) for path in MODULES}
    assert {"payoff", *(f"payoff.{'.'.join(folder.parts)}" for folder in folders)} <= set(contract["forbidden_modules"])


@pytest.mark.parametrize("line", ["from os import path", "from .a import b as b", "import os", "b = 1"])
def test_stub_that_is_no_list_of_names_is_refused(line, tmp_path, monkeypatch):
    package = tmp_path / "payoff_odd_stub"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__init__.pyi").write_text(f'"""Words."""\nfrom os import sep as sep\n{line}\n', encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("payoff_odd_stub")
    try:
        with pytest.raises(ValueError, match=r"__init__\.pyi:3: a stub holds lines"):
            attach("payoff_odd_stub")
    finally:
        del sys.modules["payoff_odd_stub"]
