"""Rewards that are learned before a policy trains under them, by their specification.

The grammar is that of :mod:`payoff.envs.core.specification`: a name of :data:`REWARD_LEARNERS` or
``package.module:Name``, with settings after a colon. A reward learner is an object with

- ``check(problem)``, quick: raise ValueError where it cannot do that;
- ``learn(problem)``, slow: a :class:`payoff.wrappers.RewardMethod`, which goes around the environment before shaping
  and bonus do.

One that reads a file has a field ``sha256`` and a method ``digest()``: a run writes down which content it was given, so
that another content is another run.

A frozen one (:class:`payoff.wrappers.LearnedReward`) is kept in the results folder, under ``rewards/``; runs that ask
for the same reward find it there.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import payoff
from payoff.baselines.reward_file import read_reward
from payoff.baselines.reward_problem import Problem
from payoff.envs.core.specification import build, imported, parse, unknown_name
from payoff.files import check_digest, digest_of
from payoff.wrappers import LearnedReward, RewardMethod, load_reward, save_reward
from payoff.wrappers.arguments import check_text

__all__ = [
    "REWARD_LEARNERS",
    "Problem",
    "RewardLearner",
    "Saved",
    "learned",
    "pinned",
    "reward_learner",
    "reward_path",
    "time_learning",
]


@runtime_checkable
class RewardLearner(Protocol):
    """What learns a reward."""

    def check(self, problem: Problem) -> None:
        """Raise ValueError where the problem is none for it; takes a moment at most."""
        ...

    def learn(self, problem: Problem) -> RewardMethod:
        """The reward."""
        ...


@runtime_checkable
class ReadsFile(Protocol):
    """A reward learner that may learn from a file."""

    sha256: str

    def digest(self) -> str:
        """Of what the file holds; "" where it reads none."""
        ...


@dataclass(frozen=True)
class Saved:
    """A reward that was learned before, in a file that :func:`payoff.baselines.reward_file.read_reward` reads."""

    path: str
    sha256: str = ""

    def __post_init__(self) -> None:
        """Check the field (ValueError)."""
        check_text("path", self.path)

    def digest(self) -> str:
        """Of what the file holds; see :func:`payoff.files.digest_of`."""
        return digest_of("path of reward learner saved", self.path)

    def check(self, problem: Problem) -> None:
        """Read the file, and let it pay for a step.

        Raises:
            ValueError: there is none, it cannot be used, it holds something else than it did, or it cannot pay in this
                environment.
        """
        check_digest(self.path, self.sha256)
        reward = self._load()
        try:
            problem.try_step(reward)
        except ValueError as error:
            raise ValueError(f"the reward in {self.path} cannot pay in {problem.env_id}: {error}") from error

    def learn(self, problem: Problem) -> LearnedReward:
        """What the file holds."""
        return self._load()

    def _load(self) -> LearnedReward:
        try:
            return read_reward(self.path)
        except OSError as error:
            raise ValueError(f"path of reward learner saved cannot be read: {self.path}: {error.strerror}") from error


def _bilevel(method: str) -> Callable[..., RewardLearner]:
    def make(**settings: Any) -> RewardLearner:
        from payoff.baselines.bilevel_reward import BilevelReward  # imports torch

        return BilevelReward(method, settings)

    return make


# name -> what builds it from the settings of a specification, or its class, module:Name of this package, which is
# imported when it is asked for: most of them need torch or scipy
REWARD_LEARNERS: dict[str, Callable[..., RewardLearner] | str] = {
    "saved": Saved,
    "expression": "expressions:Expression",
    **{name: _bilevel(name) for name in ("barfi", "lirpg", "bipars_mgl", "bipars_imgl", "bipars_em", "meta_weight")},
    "exprd": "teachers:Explicable",
    "expadard": "teachers:Adaptive",
    "explors": "self_shaping:SelfShaping",
    "linear_preferences": "linear_preferences:LinearPreferences",
    "preferences": "preference_learners:FilePreferences",
    "preference": "preference_learners:OnlinePreferences",
    "heron": "heron:Heron",
    "vpl": "vpl:Vpl",
    "cooper": "cooper:Cooper",
    "oni": "llm.labelled:Oni",
    "motif": "llm.labelled:Motif",
    "calm": "llm.step_judges:Calm",
    "ellm": "llm.step_judges:Ellm",
}


def reward_learner(specification: str) -> RewardLearner | None:
    """The reward learner of a specification; None for ``none``.

    Raises:
        ValueError: an unknown name, or a value that is not allowed.
        TypeError: a key that it does not take.
    """
    parsed = parse(specification, "reward_learner", REWARD_LEARNERS)
    if parsed.name == "none":
        if parsed.values or parsed.named:
            raise ValueError("reward_learner none takes no values")
        return None
    if parsed.outside:
        found: RewardLearner = imported(parsed, _learns, "a reward learner")
        return found
    if parsed.name not in REWARD_LEARNERS:
        raise unknown_name("reward_learner", parsed.name, ["none", *REWARD_LEARNERS])
    made: RewardLearner = build(_builder(REWARD_LEARNERS[parsed.name]), parsed)
    return made


def _builder(given: Callable[..., RewardLearner] | str) -> Callable[..., RewardLearner]:
    """What is called with the settings."""
    if not isinstance(given, str):
        return given
    module, _, name = given.partition(":")
    found: Callable[..., RewardLearner] = getattr(importlib.import_module(f"payoff.baselines.{module}"), name)
    return found


def _learns(thing: Any) -> bool:
    return isinstance(thing, RewardLearner) and not isinstance(thing, type)


def pinned(specification: str) -> str:
    """The specification with the digest of the file that it names, where it names one.

    Raises:
        ValueError: as :func:`reward_learner`, or the file cannot be read.
        TypeError: as :func:`reward_learner`.
    """
    learner = reward_learner(specification)
    if not isinstance(learner, ReadsFile) or learner.sha256:
        return specification
    parsed, digest = parse(specification, "reward_learner", REWARD_LEARNERS), learner.digest()
    return f"{specification}{',' if parsed.values or parsed.named else ':'}sha256={digest}" if digest else specification


def reward_path(out: Path, specification: str, problem: Problem) -> Path:
    """File of a frozen reward in a results folder; its name is a hash of all that decides its numbers."""
    decides = {
        "reward_learner": specification,
        "env_id": problem.env_id,
        "keywords": dict(problem.keywords),
        "gamma": problem.gamma,
        "on_truncation": problem.on_truncation,
        "seed": problem.seed,
        "version": payoff.__version__,
    }
    text = json.dumps(decides, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return out / "rewards" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"


def learned(specification: str, problem: Problem, out: Path | None = None) -> RewardMethod | None:
    """The reward of a specification: from the results folder where it was learned before, else learned now.

    Args:
        specification: see the module; None comes of ``none``.
        problem: what for; its ``checkpoint`` is chosen here where a folder is given.
        out: results folder; None: nothing is kept.

    Raises:
        ValueError: an unknown name, a value that is not allowed, or a problem that the learner cannot do.
        TypeError: a key that it does not take, or it gave something else than a reward method.
    """
    learner = reward_learner(specification)
    if learner is None:
        return None
    learner.check(problem)
    path = None if out is None else reward_path(out, specification, problem)
    if path is not None:
        try:
            return load_reward(path)
        except FileNotFoundError:
            pass
        except ValueError:  # damaged: learned again
            path.unlink()
        problem = dataclasses.replace(problem, checkpoint=path.with_suffix(".part"))
    found: Any = learner.learn(problem)
    if not isinstance(found, RewardMethod):
        raise TypeError(f"reward learner {specification} must give a RewardMethod, got {type(found).__name__}")
    if path is not None:
        if isinstance(found, LearnedReward):
            save_reward(path, found)
        path.with_suffix(".part").unlink(missing_ok=True)
    return found


class _SeenEnoughError(Exception):
    """Ends a learning that is only watched."""


def time_learning(specification: str, problem: Problem, at_most: float) -> float:
    """Seconds that learning a reward takes; nothing is kept.

    It is watched for so long and then ended, at its next report of progress, which tells the rest: a learner that
    reports none is watched to its end.

    Args:
        specification: of the reward learner; not ``none``.
        problem: what for; its own ``on_progress`` is not called.
        at_most: seconds.

    Raises:
        ValueError: as :func:`learned`.
        TypeError: as :func:`learned`.
    """
    learner = reward_learner(specification)
    assert learner is not None
    learner.check(problem)  # the game is compiled here, if it is not yet
    began = time.perf_counter()
    told: list[tuple[float, int]] = []
    left = 0

    def watch(done: int, total: int) -> None:
        nonlocal left
        told.append((time.perf_counter() - began, done))
        left = total - done
        if len(told) > 1 and told[-1][0] >= at_most:
            raise _SeenEnoughError

    try:
        learner.learn(dataclasses.replace(problem, checkpoint=None, on_progress=watch))
    except _SeenEnoughError:
        # the later half tells more of what is to come: many learners collect before they learn
        (then, before), (now, done) = told[(len(told) - 1) // 2], told[-1]
        return now + left * (now - then) / max(1, done - before)
    return time.perf_counter() - began
