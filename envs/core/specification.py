"""Specifications: a short text for an object that is built from numbers and words.

One grammar for rewards, partners, shaping, bonuses, transforms and trainers::

    name                              count
    name:number,number                inequity_aversion:0.85,0.315
    name:key=value,key=value          count:coef=0.1,per_row=true
    package.module:Name               mygames.rewards:Envy
    package.module:Name:...           mygames.rewards:Envy:weight=0.3

A value is JSON where it is JSON, else text; commas inside brackets, braces or quotes belong to the value.
``package.module:Name`` is imported. A class is called with the values; so is a function that has values or is not
itself what is asked for; anything else is taken as it is.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import json
import os
import pkgutil
import sys
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from payoff.envs.core.params import unknown_keyword

__all__ = [
    "Specification",
    "assignments",
    "build",
    "describe",
    "import_from_here",
    "imported",
    "near",
    "parse",
    "split",
    "unknown_name",
    "value_of",
]


@dataclass(frozen=True, slots=True)
class Specification:
    """A parsed specification.

    Attributes:
        name: word before the first colon, or ``package.module:Name``.
        values: numbers without a key, in their order.
        named: values with a key.
    """

    name: str
    values: tuple[float, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)

    @property
    def outside(self) -> bool:
        """Whether the name is ``package.module:Name``."""
        return ":" in self.name


def parse(text: str, what: str = "specification", known: Container[str] = ()) -> Specification:
    """Parts of a specification.

    Args:
        text: see the module.
        what: what it specifies, for the error message.
        known: names that are no modules, whatever follows their colon.

    Raises:
        ValueError: no name, a value that is neither a number nor key=value, or a number after a key=value.
    """
    name, colon, rest = text.partition(":")
    attribute, further, after = rest.partition(":")
    a_word = (
        attribute.replace(".", "").isidentifier() and value_of(attribute) == attribute and _number(attribute) is None
    )
    if name not in known and a_word:
        name, colon, rest = f"{name}:{attribute}", further, after
    if not name or name.startswith(":") or (colon and not rest):
        raise ValueError(f"{what} {text!r}: a name comes first, and what follows a colon must be numbers or key=value")
    values: list[float] = []
    named: dict[str, Any] = {}
    for word in split(rest):
        key, equals, right = word.partition("=")
        if equals and key.isidentifier():
            if key in named:
                raise ValueError(f"{what} {text!r} gives {key} twice")
            named[key] = value_of(right)
            continue
        number = _number(word)
        if named or number is None:
            raise ValueError(f"{what} {text!r}: what follows the colon must be numbers or key=value, got {word!r}")
        values.append(number)
    return Specification(name, tuple(values), named)


def split(text: str) -> list[str]:
    """Parts between commas; none for an empty text. Commas in brackets, braces and quotes separate nothing."""
    parts, depth, quoted, start = [], 0, False, 0
    for i, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        elif not quoted:
            depth += (letter in "[{(") - (letter in "]})")
            if letter == "," and depth == 0:
                parts.append(text[start:i])
                start = i + 1
    return [*parts, text[start:]] if text else []


def value_of(text: str) -> Any:
    """JSON where ``text`` is JSON, else the text itself.

    Raises:
        ValueError: JSON that is nested too deeply for Python, or a number with too many digits for it.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
    except RecursionError:
        raise ValueError(f"a value is nested too deeply: {text[:40]}...") from None


def assignments(text: str, what: str) -> dict[str, Any]:
    """``"a=1,b=x"`` as ``{"a": 1, "b": "x"}``.

    Raises:
        ValueError: a part that is not name=value, or a name given twice.
    """
    found: dict[str, Any] = {}
    for part in split(text):
        name, equals, right = part.partition("=")
        if not (name and equals):
            raise ValueError(f"{what} takes name=value, got {part!r}")
        if name in found:
            raise ValueError(f"{what} gives {name} twice, got {text!r}")
        found[name] = value_of(right)
    return found


def build(kind: Callable[..., Any], specification: Specification, given: Mapping[str, Any] | None = None) -> Any:
    """Call a class or function with the values of a specification.

    Args:
        kind: what is called.
        specification: its values.
        given: values for those parameters of ``kind`` that the specification leaves open; others are ignored. Numbers
            without a key are not for these parameters, nor for those that are words.

    Raises:
        TypeError: a key that ``kind`` does not take (the message names the nearest one), too many numbers, or a
            parameter without a value.
        ValueError: ``kind`` refuses a value.
    """
    parameters = inspect.signature(kind).parameters
    positional = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    keywords = [p.name for p in parameters.values() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    accepts_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in specification.named:
        if name not in keywords and not accepts_any:
            raise unknown_keyword(specification.name, name, keywords)
    places = [*positional, *(name for name in keywords if name not in positional)]
    numeric = [name for name in places if name not in (given or {}) and not _takes_words(parameters[name].annotation)]
    if len(specification.values) > len(numeric):
        listed = f"at most {len(numeric)} number{'s' * (len(numeric) != 1)}: {', '.join(numeric)}"
        many = listed if numeric else "no numbers"
        raise TypeError(f"{specification.name} takes {many}, got {len(specification.values)}")
    chosen = dict(zip(numeric, specification.values, strict=False))
    if twice := chosen.keys() & specification.named.keys():
        raise TypeError(f"{specification.name} got {', '.join(sorted(twice))} both as a number and by its name")
    chosen |= specification.named
    for name, value in chosen.items():
        wanted = getattr(parameters.get(name), "annotation", None)
        if isinstance(value, int) and not isinstance(value, bool) and wanted in (float, "float"):
            with suppress(OverflowError):  # whoever is called refuses a number that is too large, and names it
                chosen[name] = float(value)
        if isinstance(value, float) and wanted in (int, "int"):
            raise TypeError(f"{specification.name} takes a whole number for {name}, got {value!r}")
    chosen |= {name: value for name, value in (given or {}).items() if name in keywords and name not in chosen}
    missing = [p.name for p in parameters.values() if p.name in places and p.default is p.empty]
    if missing := [name for name in missing if name not in chosen]:
        raise TypeError(f"{specification.name} needs {', '.join(missing)}: {specification.name}:{missing[0]}=...")
    first = [chosen.pop(p.name) for p in parameters.values() if p.kind is p.POSITIONAL_ONLY and p.name in chosen]
    return kind(*first, **chosen)


def imported(
    specification: Specification,
    wanted: Callable[[Any], bool],
    kind: str,
    given: Mapping[str, Any] | None = None,
) -> Any:
    """Object of ``package.module:Name``; modules in the current folder are found by whoever started Python there.

    Args:
        specification: with a name of that form.
        wanted: whether an object is what is asked for.
        kind: what is asked for, for the error message, such as ``"a reward layer"``.
        given: see :func:`build`.

    Raises:
        ValueError: there is no such module or name in it, or it is something else.
        TypeError: see :func:`build`.
    """
    module_name, _, attribute = specification.name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there; one that it imports is not
        hint = near(str(error.name).rpartition(".")[2], _siblings(str(error.name)))
        raise ValueError(
            f"{specification.name!r} cannot be {kind}: there is no module {error.name}{hint}, and {attribute} is no "
            "number"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            known = [name for name in dir(found) if not name.startswith("_")]
            raise ValueError(f"{specification.name!r} cannot be {kind}: no {part}{near(part, known)} in {module_name}")
        found = getattr(found, part)
    values = bool(specification.values or specification.named)
    if isinstance(found, type) or (callable(found) and (values or not wanted(found))):
        found = build(found, specification, given)
    elif values:
        raise ValueError(
            f"{specification.name} is an object and takes no values, got {dict(specification.named)} "
            f"and {specification.values}"
        )
    if not wanted(found):
        raise ValueError(f"{specification.name} must be {kind}, got {type(found).__name__}")
    return found


def describe(thing: Any, what: str) -> str:
    """Specification that builds an object again, from its class and the numbers it was made with.

    Args:
        thing: a text, which is a specification already; None, which is ``"none"``; a function or class of a module; or
            an object whose class keeps each argument of its constructor, a number, text, or list or dict of such, in
            an attribute of the same name, as dataclasses do.
        what: where it was given, for the error message.

    Raises:
        ValueError: it cannot be built again in another process.
    """
    if isinstance(thing, str):
        return thing
    if thing is None:
        return "none"
    itself = isinstance(thing, type) or inspect.isfunction(thing)
    kind = thing if itself else type(thing)
    name = f"{kind.__module__}:{kind.__qualname__}"
    refused = (
        f"{what}: {thing!r} cannot be written down, so no other process could build it again: it needs a class or "
        "function of a module and arguments that are numbers or words, kept in attributes of the same names. Define a "
        "function without arguments that makes it, in a module, and name that: package.module:Name"
    )
    if kind.__module__ in ("__main__", "builtins") or "<" in kind.__qualname__:
        raise ValueError(refused)
    if itself:
        return name
    try:
        parts = [
            f"{p.name}={_written(getattr(thing, p.name))}"
            for p in inspect.signature(kind).parameters.values()
            if p.default is p.empty or getattr(thing, p.name) != p.default
        ]
        text = ":".join([name, ",".join(parts)]) if parts else name
        again = imported(parse(text, what), lambda x: type(x) is kind, what)
        same = [getattr(again, p) == getattr(thing, p) for p in inspect.signature(kind).parameters]
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(refused) from error
    if not all(same):
        raise ValueError(refused)
    return text


def import_from_here() -> None:
    """Make modules of the current folder importable, as ``python -m`` does; for a program's ``main``."""
    here = os.getcwd()
    if not sys.flags.safe_path and here not in sys.path and "" not in sys.path:
        sys.path.append(here)


def _siblings(module: str) -> list[str]:
    """Names of the modules beside one that is not there."""
    parent = module.rpartition(".")[0]
    where = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    return [m.name for m in pkgutil.iter_modules(where)] if not parent or where else []


def near(word: str, known: Iterable[str]) -> str:
    """The nearest known word as a question in brackets, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ValueError:
    """Error for a name that is not known, with the nearest one and all of them."""
    known = list(known)
    return ValueError(f"unknown {kind} {name!r}{near(name, known)}; known: {', '.join(known)}, or package.module:Name")


def _takes_words(annotation: Any) -> bool:
    """Whether a parameter is a text; parameters without an annotation may be numbers."""
    return annotation in (str, "str") or "Literal[" in str(annotation)


def _number(word: str) -> float | None:
    """An int where it is written as one, else a float; None where it is no number."""
    value = value_of(word)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        return float(word)  # also .5 and inf, which JSON does not know
    except ValueError:
        return None


def _written(value: Any) -> str:
    """Text whose :func:`value_of` is the value."""
    if isinstance(value, str) and value_of(value) == value and split(value) == [value]:
        return value
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    if value_of(text) != value:
        raise ValueError(f"{value!r} is nothing that JSON can say")
    return text
