"""Records of the four historical cases that the published system was built on, one TOML file each.

Every top-level table of a record says in ``source`` where its numbers come from; a table inside it shares that source.

=================  ====================================================================================================
table              content
=================  ====================================================================================================
``history``        what happened, as far as the published material states it
``environment``    numbers that the published game of this case runs with
``suite``          numbers that the stand-alone validation of the same case runs with; they are often others, and so is
                   the order of actors
``documentation``  a further set, printed on pages of the published documentation and run by nothing
``elicitation``    what is known of the i* model behind the dependence matrix
=================  ====================================================================================================

Matrices have a row for each depender, in the order of that table's ``actors`` (see
:mod:`payoff.envs.coopetition.interdependence`). Of the reports (TR-1 arXiv 2510.18802, TR-2 arXiv 2510.24909, TR-3
arXiv 2601.16237, TR-4 arXiv 2604.01240, platform paper arXiv 2605.02063) the full texts are unverified.

Most keys are field names of :mod:`payoff.envs.coopetition.rules`, and the tables ``environment.trust`` and
``environment.reciprocity`` hold nothing else; ``omega`` is ``productivity`` there. Where an environment has
no ``share``, it is 1 / n for each; any other missing key was not published.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

__all__ = ["names", "record"]

_SUFFIX = ".toml"


def names() -> tuple[str, ...]:
    """Names of the cases, sorted."""
    files = resources.files(__name__).iterdir()
    return tuple(sorted(f.name.removesuffix(_SUFFIX) for f in files if f.name.endswith(_SUFFIX)))


@cache
def record(name: str) -> Mapping[str, Any]:
    """Record of a case.

    Args:
        name: one of :func:`names`.

    Returns:
        Read-only mappings; lists are tuples. The same object at each call.

    Raises:
        ValueError: an unknown name; the known ones are listed.
    """
    known = names()
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"unknown case {name!r}{hint}; known: {', '.join(known)}")
    text = (resources.files(__name__) / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
    frozen: Mapping[str, Any] = _frozen(tomllib.loads(text))
    return frozen


def _frozen(value: Any) -> Any:
    """The same value without anything that could be altered: a record is shared by all callers."""
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return value
