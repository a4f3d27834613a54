"""Rewards that come of questions about the game: who answers them, what is reported of a step, and how they are paid.

Three may answer: a model (``model``, ``base_url`` and ``store``, the file that keeps what was asked, replied and when),
the record of an earlier run (``replay``, which touches no network), or for experiments the truth (``truth``, in a form
of the learner's own; with ``errors``).

By default a bonus is a potential of what the episode has earned (:mod:`payoff.wrappers.potential.earned`), so that
wrong answers change no optimal policy; ``use=added`` pays it as it is, as the published methods do.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from payoff.baselines.environments import is_outside
from payoff.baselines.random_play import random_actions
from payoff.baselines.reward_problem import Problem
from payoff.envs import registry
from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.envs.core.specification import imported, parse
from payoff.files import check_digest, digest_of
from payoff.wrappers import BonusReward, EarnedPotential, RewardMethod, captions_from_info, wrap
from payoff.wrappers.arguments import check_text
from payoff.wrappers.bonus.base import Bonus
from payoff.wrappers.llm.captions import Captions
from payoff.wrappers.llm.client import OpenAIClient
from payoff.wrappers.llm.labellers import Labeller, RecordedLabeller
from payoff.wrappers.llm.questions import check_goal
from payoff.wrappers.llm.store import ReplyStore

__all__ = ["Answered", "play_randomly"]

_COPIES = 16


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What such reward learners have in common.

    Attributes:
        goal: what the learner should do, in a sentence.
        use: ``potential``, or ``added`` to the reward as it is, which can be farmed and can mislead.
        coef: factor on the bonus, above 0.
        captions: entry of ``info`` with the captions, or a function of yours, ``package.module:Name``; see
            :data:`payoff.wrappers.llm.captions.Captions`.
        truth: the right answers; empty where somebody else answers.
        errors: share of wrong answers, in [0, 1].
        model: name of a model; with ``base_url``, the address of its server up to ``/v1``, and ``store``.
        base_url: see ``model``.
        store: file of what was asked and replied, one for each run; ``{seed}`` in it stands for the seed.
        temperature: of the model, in [0, 2].
        max_tokens: of one reply.
        timeout: seconds for one reply.
        requests: most prompts that one process sends.
        per_minute: most of them in a minute, above 0; inf: no limit.
        replay: file of an earlier run.
        sha256: digest that it must have; "": any.

    Raises:
        TypeError: a field that is a text is none.
        ValueError: a field is out of its range, or nobody or more than one is named who answers.
    """

    goal: str
    use: str = "potential"
    coef: float = 0.4
    captions: str = "caption"
    truth: Any = ()
    errors: float = 0.0
    model: str = ""
    base_url: str = ""
    store: str = ""
    temperature: float = 0.1
    max_tokens: int = 500
    timeout: float = 120.0
    requests: int = 10_000
    per_minute: float = np.inf
    replay: str = ""
    sha256: str = ""

    ways: ClassVar[dict[str, tuple[str, ...]]] = {  # who answers -> settings that are for them alone
        "truth": ("errors", "latency"),
        "model": ("base_url", "store", "temperature", "max_tokens", "timeout", "requests", "per_minute"),
        "replay": ("sha256",),
    }

    def __post_init__(self) -> None:
        """Check the fields."""
        check_goal(self.goal)
        for name in ("captions", "model", "base_url", "store", "replay", "sha256"):
            check_text(name, getattr(self, name))
        check_word("use", self.use, ("potential", "added"))
        check_number("coef", self.coef, 0.0, open_low=True)
        check_number("errors", self.errors, 0.0, 1.0)
        check_number("temperature", self.temperature, 0.0, 2.0)
        check_integer("max_tokens", self.max_tokens, 1, 1_000_000)
        check_integer("requests", self.requests, 1)
        named = [name for name in self.ways if getattr(self, name)]
        if len(named) != 1:
            raise ValueError(
                "who answers must be named by one of model (with base_url and store), replay or truth, got "
                f"{' and '.join(named) or 'none'}"
            )
        if self.model and not (self.base_url and self.store):
            raise ValueError(f"model must have base_url and store, got {self.base_url!r} and {self.store!r}")
        for way, settings in self.ways.items():
            self.check_unused(way in named, way, settings)

    def check_unused(self, used: bool, needs: str, settings: tuple[str, ...]) -> None:
        """Raise ValueError where a setting is given that nothing here reads."""
        for field in fields(self):
            if not used and field.name in settings and getattr(self, field.name) != field.default:
                raise ValueError(f"{field.name} must be left out without {needs}, got {getattr(self, field.name)!r}")

    def digest(self) -> str:
        """Of the file that is replayed; "" where none is."""
        return digest_of("replay of labels", self.replay) if self.replay else ""

    def check_source(self, problem: Problem) -> None:
        """Look at the files of whoever answers; nobody is asked.

        Raises:
            ValueError: a file cannot be used, or holds something else than it did.
        """
        if self.replay:
            check_digest(self.replay, self.sha256)
            self.replayed()
        if self.model:
            client, path = self._client(), self._path(problem)
            if path.exists() and not path.is_file():
                raise ValueError(f"store must be a file, got {path}")
            if path.exists():
                ReplyStore.begin(path, client.by, client.settings)

    def pay(self, bonus: Bonus, problem: Problem) -> RewardMethod:
        """The reward that pays a bonus, which goes on asking while a policy trains under it."""
        if self.use == "added":
            return BonusReward(bonus, coef=self.coef, on_terminal=True)
        return EarnedPotential(bonus, gamma=problem.gamma, on_truncation=problem.on_truncation, coef=self.coef)

    def captions_of(self, problem: Problem) -> Captions:
        """The captions of an environment."""
        if ":" in self.captions:
            own: Captions = imported(parse(self.captions, "captions"), callable, "a function of obs and info")
            return own
        known = () if is_outside(problem.env_id) else registry.load(problem.env_id).captions
        return captions_from_info(self.captions, known)

    def asked(self, problem: Problem) -> Labeller:
        """Who answers where it is not the truth: the model, or the record."""
        if self.replay:
            return RecordedLabeller(None, self.replayed())
        client = self._client()
        return RecordedLabeller(client, ReplyStore.begin(self._path(problem), client.by, client.settings))

    def replayed(self) -> ReplyStore:
        """The record.

        Raises:
            ValueError: it cannot be read.
        """
        try:
            return ReplyStore(self.replay)
        except OSError as error:
            raise ValueError(f"replay cannot be read: {self.replay}: {error.strerror}") from error

    def _client(self) -> OpenAIClient:
        return OpenAIClient(
            self.model,
            self.base_url,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            timeout=self.timeout,
            most_requests=self.requests,
            most_tokens=self.requests * 4 * self.max_tokens,
            per_minute=self.per_minute,
        )

    def _path(self, problem: Problem) -> Path:
        return Path(self.store.replace("{seed}", str(problem.seed)))


def play_randomly(problem: Problem, bonus: Bonus, steps: int) -> None:
    """Play at random and let a bonus score each step.

    Args:
        problem: the environment, and the seed of the play.
        bonus: what looks on.
        steps: at least so many are played, all copies together.

    Raises:
        ValueError: the bonus wants an entry of ``info`` that there is not, or something else that it cannot find.
    """
    check_integer("steps", steps, 1)
    env = wrap(problem.make(_COPIES), BonusReward(bonus))
    draws = np.random.default_rng([problem.seed, 1])
    try:
        env.reset(seed=problem.seed)
        for _ in range(-(-steps // _COPIES)):
            env.step(random_actions(env.single_action_space, _COPIES, draws))
    except KeyError as error:
        raise ValueError(
            f"{error.args[0]}: captions must name an entry of info, or a function of yours as package.module:Name"
        ) from error
    finally:
        env.close()
