"""``run.json``, what a call of ``payoff llm-reward`` asked for; it lies in the call's folder with what came of it.

A folder belongs to the words of its first call. A later call goes on from it with the same words, and is refused with
others: ``store.jsonl`` and ``candidates.jsonl`` would no longer say what they are of. No address, key or path is in it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from payoff.baselines.llm.methods import LlmMethod, Request
from payoff.baselines.results import versions
from payoff.envs.core.arrays import shown
from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.files import json_object, write_atomically
from payoff.wrappers.arguments import check_text
from payoff.wrappers.llm.client import ChatClient
from payoff.wrappers.llm.propose import MOST_CANDIDATES
from payoff.wrappers.llm.verdict import USES

__all__ = ["RUN_FILE", "Asked", "LlmRun", "begin_run", "check_folder", "read_run"]

RUN_FILE = "run.json"
_FORM = "payoff-llm-run-1"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The words of a call.

    Attributes:
        env_id: environment, with its namespace.
        params: game parameters and view settings (JSON values).
        task: what the learner should do, in a sentence.
        method: how it was asked, as a specification.
        use: what the reward is for.
        candidates: proposals that were asked for at a time, where the method does not say that itself.
        tries: replies that were read, where one could not be understood.
        limit: size to which values are cut.
        gamma: the learner's discount.
        steps: of random play for each candidate.
        seed: of random play and of trainings.
        training: how candidates were trained, as :meth:`payoff.baselines.llm.brief_training.BriefTraining.as_dict`
            says; None where the method trains nothing.

    Raises:
        TypeError: a field is not of its type.
        ValueError: a field is out of its range.
    """

    env_id: str
    params: Mapping[str, Any]
    task: str
    method: str
    use: str
    candidates: int
    tries: int
    limit: float
    gamma: float
    steps: int
    seed: int
    training: Mapping[str, Any] | None

    def __post_init__(self) -> None:
        """Check the fields."""
        for name in ("env_id", "task", "method"):
            check_text(name, getattr(self, name))
            if not getattr(self, name).strip():
                raise ValueError(f"{name} must not be empty")
        check_word("use", self.use, USES)
        check_integer("candidates", self.candidates, 1, MOST_CANDIDATES)
        check_integer("tries", self.tries, 1)
        check_number("limit", self.limit, 0.0, open_low=True)
        check_number("gamma", self.gamma, 0.0, 1.0, open_low=True, open_high=True)
        check_integer("steps", self.steps, 1)
        check_integer("seed", self.seed, 0)
        if not isinstance(self.params, Mapping):
            raise TypeError(f"params must be an object, got {shown(self.params)}")
        if not isinstance(self.training, Mapping | None):
            raise TypeError(f"training must be an object or null, got {shown(self.training)}")

    @classmethod
    def of(cls, specification: str, method: LlmMethod, request: Request) -> Asked:
        """The words of a request.

        Args:
            specification: of the method.
            method: that was built from it.
            request: what is asked for; ``method.check`` has accepted it.
        """
        from payoff.baselines.llm.evolution import Evolution

        return cls(
            env_id=request.env_id,
            params=dict(request.keywords),
            task=request.task,
            method=specification,
            use=request.use,
            candidates=request.candidates,
            tries=request.tries,
            limit=float(request.limit),
            gamma=float(request.gamma),
            steps=request.steps,
            seed=request.seed,
            training=method.training().as_dict(request) if isinstance(method, Evolution) else None,
        )


@dataclass(frozen=True, kw_only=True)
class LlmRun:
    """A call, as its folder says.

    Attributes:
        asked: its words.
        by: who replied: the name of a model, or ``scripted``.
        settings: of the sampling.
        versions: of the packages that decide numbers, in the last call.

    Raises:
        TypeError: a field is not of its type.
    """

    asked: Asked
    by: str
    settings: Mapping[str, Any]
    versions: Mapping[str, str | None]

    def __post_init__(self) -> None:
        """Check the fields."""
        check_text("by", self.by)
        for name in ("settings", "versions"):
            if not isinstance(getattr(self, name), Mapping):
                raise TypeError(f"{name} must be an object, got {shown(getattr(self, name))}")


def check_folder(folder: Path, asked: Asked) -> None:
    """Raise ValueError where a folder is of a call with other words; names the first that differs."""
    if not (folder / RUN_FILE).exists():
        return
    before, now = dataclasses.asdict(read_run(folder).asked), _as_json(dataclasses.asdict(asked))
    for name, value in now.items():
        if before[name] != value:
            raise ValueError(
                f"{folder} is of a call with {name} {shown(before[name])}, and this one has {shown(value)}: "
                "name another --out, which must be new or of a call with the same words"
            )


def begin_run(folder: Path, asked: Asked, client: ChatClient) -> None:
    """Write the file of a call, which :func:`check_folder` has let pass.

    Raises:
        OSError: it cannot be written.
    """
    told = {
        "format": _FORM,
        **dataclasses.asdict(asked),
        "by": client.by,
        "settings": dict(client.settings),
        "versions": versions(),
    }
    write_atomically(folder / RUN_FILE, (json.dumps(told, indent=1, allow_nan=False) + "\n").encode())


def read_run(folder: Path) -> LlmRun:
    """The call of a folder.

    Raises:
        ValueError: the file is damaged or something else; names it.
        FileNotFoundError: there is none.
    """
    path = folder / RUN_FILE
    try:
        found = json_object(path.read_bytes())
        if found.pop("format", None) != _FORM:
            raise ValueError(f"its format must be {_FORM}")
        wanted = {field.name for kind in (Asked, LlmRun) for field in dataclasses.fields(kind)} - {"asked"}
        if found.keys() != wanted:
            raise ValueError(f"it must have the names {', '.join(sorted(wanted))}, got {', '.join(sorted(found))}")
        rest = {name: found.pop(name) for name in ("by", "settings", "versions")}
        return LlmRun(asked=Asked(**found), **rest)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged or no {RUN_FILE}: {error}") from error


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they are when they come back from a file: tuples are lists."""
    return json_object(json.dumps(dict(values), allow_nan=False))
