"""Certificates: machine-checked statements of what problem a game poses, stored beside the games as JSON.

Of a game of one player: how the best return is known, and for each level of difficulty what it is, how often uniformly
random play is paid at all, and how far away the first payment is; the headline is the best return at the defaults. Of a
game of several: equilibria, the social optimum, and what kind of dilemma lies between them. ``optimum_kind`` is

- ``exact``: a closed form or a converged computation for every case;
- ``exact_small``: computed for the cases stated, too large beyond them;
- ``reference``: the best that is known.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from payoff.envs import registry

__all__ = [
    "SCHEMA",
    "Certificate",
    "Equilibrium",
    "Estimate",
    "Level",
    "certificate",
    "check",
    "file_name",
    "folder_of",
]

_FOLDER = "certificates"


def _record(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Schema of an object that has exactly these entries."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


_NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 2}
_ERROR = {"type": "number", "minimum": 0}
_ESTIMATE = _record({"mean": {"type": "number"}, "standard_error": _ERROR})
_MAYBE = _ESTIMATE | {"type": ["object", "null"]}
_SHARE = _record({"mean": {"type": "number", "minimum": 0, "maximum": 1}, "standard_error": _ERROR})
_LEVEL = _record(
    {
        "parameters": {"type": "object", "additionalProperties": {"type": ["number", "string", "boolean", "null"]}},
        "max_steps": {"type": "integer", "minimum": 1},
        "first_seed": {"type": ["integer", "null"], "minimum": 0},
        "starts": {"type": "integer", "minimum": 1},
        "gamma": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "optimum": _ESTIMATE,
        "discounted_optimum": _MAYBE,
        "random_success": _SHARE,
        "random_return": _ESTIMATE,
        "random_episodes": {"type": ["integer", "null"], "minimum": 1},
        "horizon_to_reward": _MAYBE,
        "bound": {"type": ["number", "null"]},
    }
)
_EQUILIBRIUM = _record(
    {
        "name": {"type": "string", "minLength": 1},
        "actions": _NUMBERS,
        "payoffs": _NUMBERS,
        "gain": {"type": "number", "minimum": 0},
    }
)
SCHEMA: dict[str, Any] = _record(
    {
        "id": {"type": "string", "pattern": r"^[A-Za-z0-9_-]+/[A-Za-z0-9]+-v[0-9]+$"},
        "players": {"type": "integer", "minimum": 1},
        "optimum": {"type": "number"},
        "optimum_kind": {"enum": ["exact", "exact_small", "reference"]},
        "method": {"type": "string", "minLength": 1},
        "levels": {"type": "array", "items": _LEVEL},
        "equilibria": {"type": "array", "items": _EQUILIBRIUM},
        "dilemma": {"type": ["string", "null"], "pattern": "^[a-z][a-z0-9_]*$"},
    },
    **{
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Certificate of a Payoff environment",
        "if": {"properties": {"players": {"const": 1}}},
        "then": {
            "properties": {
                "levels": {"type": "array", "minItems": 1},
                "equilibria": {"type": "array", "maxItems": 0},
                "dilemma": {"type": "null"},
            }
        },
        "else": {"properties": {"dilemma": {"type": "string"}}},
    },
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Mean over start states, and its standard error (0 where every start gives the same, or every one is counted).

    Attributes:
        mean: the mean.
        standard_error: sample standard deviation over the square root of the number of starts.
    """

    mean: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Level:
    """One level of difficulty of a game of one player.

    Attributes:
        parameters: keywords of the game that make the level.
        max_steps: horizon, in steps.
        first_seed: the start states are a sample, the first episodes of the seeds from this one on; None: they are
            every state that an episode may start in, all equally likely, and means over them are exact.
        starts: number of start states.
        gamma: discount of ``discounted_optimum``, per step.
        optimum: best undiscounted return within ``max_steps``.
        discounted_optimum: best discounted return without a horizon; None where only play within the horizon is solved.
        random_success: probability that uniformly random play succeeds within ``max_steps``. Where it is sampled, the
            standard error is that of one success more, so that none at all does not look certain.
        random_return: expected undiscounted return of uniformly random play within ``max_steps``.
        random_episodes: number of episodes from which ``random_success`` was estimated, and ``random_return`` where the
            game is not tabular; None where both are computed over every state that the starts lead to.
        horizon_to_reward: least number of steps to the first payment; None where that is not known.
        bound: proven upper bound of the return, where the optimum is that of a reference; else None.
    """

    parameters: Mapping[str, float | str | bool | None]
    max_steps: int
    first_seed: int | None
    starts: int
    gamma: float
    optimum: Estimate
    discounted_optimum: Estimate | None
    random_success: Estimate
    random_return: Estimate
    random_episodes: int | None
    horizon_to_reward: Estimate | None
    bound: float | None = None


@dataclass(frozen=True, slots=True)
class Equilibrium:
    """One equilibrium of a game of several players.

    Attributes:
        name: which reward and which solution, such as ``"private Nash"``.
        actions: ``(N,)``, native units.
        payoffs: ``(N,)``.
        gain: largest gain that the solver found for one player who deviates alone.
    """

    name: str
    actions: Sequence[float]
    payoffs: Sequence[float]
    gain: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """What problem a game poses.

    Attributes:
        id: environment.
        players: number of seats.
        optimum: best return of one player at the default parameters (``levels`` have it for each level), or largest sum
            of payoffs of several.
        optimum_kind: how it is known; see the module.
        method: how the figures were found, in words.
        levels: levels of difficulty, easiest first, and what else is certified; one of them has the default parameters
            (one player).
        equilibria: (several players).
        dilemma: class of the game, such as ``"prisoners_dilemma"`` (several players).
    """

    id: str
    players: int
    optimum: float
    optimum_kind: Literal["exact", "exact_small", "reference"]
    method: str
    levels: tuple[Level, ...] = ()
    equilibria: tuple[Equilibrium, ...] = ()
    dilemma: str | None = None

    def __post_init__(self) -> None:
        """Check against SCHEMA (ValueError)."""
        check(self.to_dict(), SCHEMA, f"certificate of {self.id}")

    def to_dict(self) -> dict[str, Any]:
        """The content of the JSON file."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_dict(cls, data: Any, where: str = "certificate") -> Certificate:
        """Inverse of :meth:`to_dict`.

        Raises:
            ValueError: not a certificate; the message names the entry, what it holds and what is allowed.
        """
        check(data, SCHEMA, where)

        def level(d: Mapping[str, Any]) -> Level:
            entries: dict[str, Any] = {**d}
            for name, schema in _LEVEL["properties"].items():
                if schema in (_ESTIMATE, _MAYBE, _SHARE) and d[name] is not None:
                    entries[name] = Estimate(**d[name])
            return Level(**entries)

        return cls(
            **{
                **data,
                "levels": tuple(level(d) for d in data["levels"]),
                "equilibria": tuple(Equilibrium(**d) for d in data["equilibria"]),
            }
        )

    def write(self, path: str | Path) -> None:
        """Store as JSON."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: str | Path) -> Certificate:
        """Load from JSON.

        Raises:
            FileNotFoundError: no such file.
            ValueError: no JSON, or not a certificate.
        """
        return _parse(Path(path).read_text(encoding="utf-8"), str(path))


_TYPES: dict[str, Any] = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "null": type(None),
    "number": int | float,
    "object": dict,
    "string": str,
}


def _has_type(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _fault(value: Any, schema: Mapping[str, Any]) -> str | None:
    """What a value itself must be and is not; None when it fits."""
    if "const" in schema and value != schema["const"]:
        return repr(schema["const"])
    if "enum" in schema and value not in schema["enum"]:
        return f"one of {', '.join(map(repr, schema['enum']))}"
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    if names and not any(_has_type(value, name) for name in names):
        return f"of type {' or '.join(names)}"
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            return f"text that matches {schema['pattern']}"
        if len(value) < schema.get("minLength", 0):
            return "text that is not empty"
    elif isinstance(value, list):
        low, high = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        if not low <= len(value) <= high:
            return f"a list of {low} to {high} entries" if high < math.inf else f"a list of at least {low} entries"
    elif _has_type(value, "number"):
        above = schema.get("exclusiveMinimum", -math.inf)
        low, high = schema.get("minimum", above), schema.get("maximum", math.inf)
        if not (low <= value <= high and value > above and math.isfinite(value)):
            return f"a finite number in {'[' if 'minimum' in schema else '('}{low}, {high}]"
    return None


def check(value: Any, schema: Mapping[str, Any], where: str) -> None:
    """Check a JSON value against a schema that uses no more keywords than SCHEMA does.

    Raises:
        ValueError: naming the first entry that does not fit, what it holds and what it must be.
    """
    fault = _fault(value, schema)
    if fault is not None:
        raise ValueError(f"{where} must be {fault}, got {value!r}")
    if isinstance(value, list):
        for i, entry in enumerate(value):
            check(entry, schema.get("items", {}), f"{where}[{i}]")
    if isinstance(value, dict):
        properties, other = schema.get("properties", {}), schema.get("additionalProperties", {})
        for name in schema.get("required", []):
            if name not in value:
                raise ValueError(f"{where} lacks {name!r}")
        for name, entry in value.items():
            if name not in properties and other is False:
                raise ValueError(f"{where} has an unknown entry {name!r}; known: {', '.join(properties)}")
            check(entry, properties.get(name, other), f"{where}.{name}")
    if "if" in schema:
        try:
            check(value, schema["if"], where)
        except ValueError:
            branch = schema.get("else", {})
        else:
            branch = schema.get("then", {})
        check(value, branch, where)


def _parse(text: str, where: str) -> Certificate:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is no JSON: {error}") from error
    return Certificate.from_dict(data, where)


def folder_of(env_id: str) -> Path:
    """Folder that holds an environment's certificate: ours, or ``certificates`` beside the module of another's game."""
    if registry.full_id(env_id).rpartition(":")[2] in registry.GAMES:
        return Path(str(resources.files("payoff.envs") / _FOLDER))
    return Path(str(sys.modules[registry.load(env_id).module].__file__)).parent / _FOLDER


def file_name(env_id: str) -> str:
    """File of an environment's certificate."""
    return f"{registry.full_id(env_id).partition('/')[2]}.json"


def certificate(env_id: str) -> Certificate:
    """The stored certificate of an environment.

    Raises:
        ValueError: an unknown id, or one without a certificate; those that have one are named.
    """
    file = folder_of(env_id) / file_name(env_id)
    if not file.is_file():
        stored = [i for i in registry.ids() if (folder_of(i) / file_name(i)).is_file()]
        raise ValueError(
            f"{registry.full_id(env_id)} has no certificate; these have one: {', '.join(stored)}. "
            "python -m payoff.envs.certifying makes one"
        )
    return _parse(file.read_text(encoding="utf-8"), file.name)
