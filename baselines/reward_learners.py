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
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import payoff
from payoff.baselines.reward_problem import Problem
from payoff.envs.core.specification import build, imported, parse, unknown_name
from payoff.files import check_digest, digest_of
from payoff.wrappers import LearnedReward, RewardMethod, load_reward, save_reward
from payoff.wrappers.arguments import check_text

__all__ = ["REWARD_LEARNERS", "Problem", "RewardLearner", "Saved", "learned", "pinned", "reward_learner", "reward_path"]


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
    """A reward learner that learns from a file."""

    sha256: str

    def digest(self) -> str:
        """Of what the file holds."""
        ...


@dataclass(frozen=True)
class Saved:
    """A reward that was learned before: the file of :func:`payoff.wrappers.save_reward`."""

    path: str
    sha256: str = ""

    def __post_init__(self) -> None:
        """Check the field (ValueError)."""
        check_text("path", self.path)

    def digest(self) -> str:
        """Of what the file holds; see :func:`payoff.files.digest_of`."""
        return digest_of("path of reward learner saved", self.path)

    def check(self, problem: Problem) -> None:
        """Read the file.

        Raises:
            ValueError: there is none, it cannot be used, or it holds something else than it did.
        """
        check_digest(self.path, self.sha256)
        self._load()

    def learn(self, problem: Problem) -> LearnedReward:
        """What the file holds."""
        return self._load()

    def _load(self) -> LearnedReward:
        try:
            return load_reward(self.path)
        except OSError as error:
            raise ValueError(f"path of reward learner saved cannot be read: {self.path}: {error.strerror}") from error


def _bilevel(method: str) -> Callable[..., RewardLearner]:
    def make(**settings: Any) -> RewardLearner:
        from payoff.baselines.bilevel_reward import BilevelReward  # imports torch

        return BilevelReward(method, settings)

    return make


def _exprd(
    *, states: int = 10, longest: int = 32, l1: float = 1e-4, limit: float = 10.0, fines: bool = True
) -> RewardLearner:
    """A teacher's sparse reward; see :class:`payoff.baselines.teachers.Explicable`."""
    from payoff.baselines.teachers import Explicable

    return Explicable(states=states, longest=longest, l1=l1, limit=limit, fines=fines)


def _expadard(
    *,
    every: int = 5,
    memory: int = 10,
    l1: float = 1e-5,
    limit: float = 10.0,
    fines: bool = True,
    per_row: bool = False,
) -> RewardLearner:
    """A teacher's reward that follows its learner; see :class:`payoff.baselines.teachers.Adaptive`."""
    from payoff.baselines.teachers import Adaptive

    return Adaptive(every=every, memory=memory, l1=l1, limit=limit, fines=fines, per_row=per_row)


def _explors(
    *,
    rate: float = 0.01,
    value_rate: float = 0.01,
    bonus: float = 1.0,
    largest_bonus: float = 1.0,
    every: int = 5,
    memory: int = 10,
    clip: float = 0.0,
    per_row: bool = False,
) -> RewardLearner:
    """A learner that shapes its own reward; see :class:`payoff.baselines.self_shaping.SelfShaping`."""
    from payoff.baselines.self_shaping import SelfShaping

    return SelfShaping(rate, value_rate, bonus, largest_bonus, every, memory, clip, per_row)


def _preferences_of_segments(
    *,
    model: str = "regret",
    by: str = "regret",
    pairs: int = 1000,
    length: int = 3,
    scale: float = 1.0,
    flip: float = 0.0,
    gamma: float = 0.999,
    past_the_end: bool = True,
) -> RewardLearner:
    """See :class:`payoff.baselines.linear_preferences.LinearPreferences`."""
    from payoff.baselines.linear_preferences import LinearPreferences

    return LinearPreferences(model, by, pairs, length, scale, flip, gamma, past_the_end)


def _preferences(
    *,
    file: str,
    epochs: int = 100,
    members: int = 3,
    learning_rate: float = 1e-3,
    clean: str = "none",
    sha256: str = "",
) -> RewardLearner:
    """See :class:`payoff.baselines.preference_learners.FilePreferences`."""
    from payoff.baselines.preference_learners import FilePreferences

    return FilePreferences(file, epochs, members, learning_rate, clean, sha256)


def _preference(
    *,
    by: str = "partial_return",
    scale: float = 1.0,
    flip: float = 0.0,
    length: int = 10,
    ask_every: int = 2000,
    questions: int = 20,
    budget: int = 0,
    choose: str = "random",
    epochs: int = 10,
    members: int = 3,
    learning_rate: float = 1e-3,
    clean: str = "none",
    gamma: float = 0.99,
) -> RewardLearner:
    """See :class:`payoff.baselines.preference_learners.OnlinePreferences`."""
    from payoff.baselines.preference_learners import OnlinePreferences

    schedule = (length, ask_every, questions, budget, choose)
    return OnlinePreferences(by, scale, flip, *schedule, epochs, members, learning_rate, clean, gamma)


def _heron(
    *,
    ranking: Any,
    margin: float = 0.5,
    segment: int = 1,
    warmup: int = 1000,
    learn_every: int = 400,
    centre: bool = True,
    random_steps: int = 0,
) -> RewardLearner:
    """A ranking of quantities; see :mod:`payoff.baselines.heron`."""
    from payoff.baselines.heron import Heron

    settings: dict[str, Any] = {"segment": segment, "warmup": warmup, "learn_every": learn_every}
    return Heron(ranking=ranking, margin=margin, centre=centre, random_steps=random_steps, **settings)


def _vpl(
    *,
    user: int = 0,
    users: Any = None,
    answers: int = 16,
    active: bool = False,
    sets: int = 500,
    comparisons: int = 16,
    epochs: int = 40,
    latent: int = 2,
    beta: float = 1.0,
    win_rates: bool = True,
) -> RewardLearner:
    """Answers of several users; see :mod:`payoff.baselines.vpl`."""
    from payoff.baselines.vpl import Vpl

    settings: dict[str, Any] = {"sets": sets, "comparisons": comparisons, "epochs": epochs, "latent": latent}
    asked: dict[str, Any] = {"user": user, "users": users, "answers": answers, "active": active}
    return Vpl(beta=beta, win_rates=win_rates, **asked, **settings)


def _cooper(
    *,
    score: str = "aux",
    share: float = 1.0,
    verify: bool = True,
    warmup: int = 1000,
    learn_every: int = 1000,
) -> RewardLearner:
    """A proxy and its verifier; see :mod:`payoff.baselines.cooper`."""
    from payoff.baselines.cooper import Cooper

    return Cooper(score=score, share=share, verify=verify, warmup=warmup, learn_every=learn_every)


# name -> what builds it from the settings of a specification
REWARD_LEARNERS: dict[str, Callable[..., RewardLearner]] = {
    "saved": Saved,
    **{name: _bilevel(name) for name in ("barfi", "lirpg", "bipars_mgl", "bipars_imgl", "bipars_em", "meta_weight")},
    "exprd": _exprd,
    "expadard": _expadard,
    "explors": _explors,
    "linear_preferences": _preferences_of_segments,
    "preferences": _preferences,
    "preference": _preference,
    "heron": _heron,
    "vpl": _vpl,
    "cooper": _cooper,
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
    made: RewardLearner = build(REWARD_LEARNERS[parsed.name], parsed)
    return made


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
    return f"{specification}{',' if '=' in specification else ':'}sha256={learner.digest()}"


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
