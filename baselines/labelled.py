r"""Reward learners ``oni`` and ``motif``: what happened is labelled by a language model, and the labels are paid.

    payoff train --algo ppo --env KeyRoom-v0 --out results/x \
        --reward-learner 'oni:goal="reach the goal",model=NAME,base_url=http://localhost:8080/v1,store=labels.jsonl'

- ``oni`` asks while the policy trains, about each caption when it is first seen, and does not wait for the answer;
- ``motif`` asks before, about pairs of all captions that it knows of, and the policy then trains under what came out.

Three may answer: a model (``model``, ``base_url`` and ``store``, the file that keeps what was asked, replied and when),
the record of an earlier run (``replay``, which touches no network), or for experiments the truth (``truth``, captions
from the first step towards the goal to the last; with ``errors`` and ``latency``).

By default labels are a potential of what the episode has earned (:mod:`payoff.wrappers.potential.earned`), so that
wrong ones change no optimal policy; ``use=added`` pays them as they are, as the published methods do.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import numpy as np

from payoff.baselines.environments import is_outside
from payoff.baselines.random_play import random_actions
from payoff.baselines.reward_problem import Problem
from payoff.envs import registry
from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.envs.core.specification import imported, parse
from payoff.files import check_digest, digest_of
from payoff.wrappers import (
    BonusReward,
    CaptionBonus,
    EarnedPotential,
    LabelClassifier,
    LabelRanking,
    LabelRetrieval,
    RewardMethod,
    caption_is,
    captions_from_info,
    wrap,
)
from payoff.wrappers.arguments import check_sequence, check_text
from payoff.wrappers.llm.caption_values import CaptionValues
from payoff.wrappers.llm.captions import Captions
from payoff.wrappers.llm.client import OpenAIClient
from payoff.wrappers.llm.labellers import InOrder, Labeller, RecordedLabeller, ScriptedLabeller
from payoff.wrappers.llm.questions import check_goal
from payoff.wrappers.llm.store import ReplyStore

__all__ = ["Motif", "Oni"]

_PLAYED = 2000  # steps of random play in which captions are looked for
_COPIES = 16
_NEVER = 10**9  # steps


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """What both have in common.

    Attributes:
        goal: what the learner should do, in a sentence.
        use: ``potential``, or ``added`` to the reward as it is, which can be farmed and can mislead.
        coef: factor on what a caption is worth.
        beta: power of how often the episode has had it, at least 0, or ``inf``.
        captions: entry of ``info`` with the captions, or a function of yours, ``package.module:Name``; see
            :data:`payoff.wrappers.llm.captions.Captions`.
        quantile: of rankings; share of captions that is paid nothing, in [0, 1].
        rivals: of rankings; earlier captions that each is compared with.
        truth: captions that help, from the first step towards the goal to the last.
        errors: share of wrong answers, in [0, 1].
        latency: steps from a question to its answer.
        model: name of a model; with ``base_url``, the address of its server up to ``/v1``, and ``store``.
        base_url: see ``model``.
        store: file of what was asked and replied, one for each run; ``{seed}`` in it stands for the seed.
        temperature: of the model, in [0, 2].
        max_tokens: of one reply.
        timeout: seconds for one reply.
        requests: most prompts that one process sends.
        replay: file of an earlier run.
        sha256: digest that it must have; "": any.

    Raises:
        TypeError: a field that is a text is none.
        ValueError: a field is out of its range, or nobody or more than one is named who answers.
    """

    goal: str
    use: str = "potential"
    coef: float = 0.4
    beta: float | str = 3.0
    captions: str = "caption"
    quantile: float = 0.5
    rivals: int = 5
    truth: tuple[str, ...] = ()
    errors: float = 0.0
    latency: int = 0
    model: str = ""
    base_url: str = ""
    store: str = ""
    temperature: float = 0.1
    max_tokens: int = 500
    timeout: float = 120.0
    requests: int = 10_000
    replay: str = ""
    sha256: str = ""

    ways: ClassVar[dict[str, tuple[str, ...]]] = {  # who answers -> settings that are for them alone
        "truth": ("errors", "latency"),
        "model": ("base_url", "store", "temperature", "max_tokens", "timeout", "requests"),
        "replay": ("sha256",),
    }

    def __post_init__(self) -> None:
        """Check the fields."""
        check_goal(self.goal)
        for name in ("captions", "model", "base_url", "store", "replay", "sha256"):
            check_text(name, getattr(self, name))
        check_word("use", self.use, ("potential", "added"))
        check_number("coef", self.coef, 0.0, open_low=True)
        if self.beta != "inf":
            check_number("beta", self.beta, 0.0)
        check_number("quantile", self.quantile, 0.0, 1.0)
        check_integer("rivals", self.rivals, 1)
        check_sequence("truth", self.truth, "captions")
        object.__setattr__(self, "truth", InOrder(tuple(self.truth)).texts)
        check_number("errors", self.errors, 0.0, 1.0)
        check_integer("latency", self.latency, 0)
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

    # -- the door ----------------------------------------------------------------------------------------------------

    def check(self, problem: Problem) -> None:
        """Take one step, with the captions of the environment; nobody is asked.

        Raises:
            ValueError: there are no captions, a truth that is none of them, a file that cannot be used, or it holds
                something else than it did.
        """
        if self.replay:
            check_digest(self.replay, self.sha256)
            self._replayed()
        if self.model:
            client = self._client()
            if self._path(problem).exists():
                ReplyStore.begin(self._path(problem), client.by, client.settings)
        known = getattr(self.captions_of(problem), "texts", ())
        if self.truth and known:
            caption_is(known, *self.truth)
        try:
            self.seen(problem, 1)
        except KeyError as error:
            raise ValueError(
                f"{error.args[0]}: captions must name an entry of info, or a function of yours as package.module:Name"
            ) from error

    def learn(self, problem: Problem) -> RewardMethod:
        """The reward, which goes on asking while a policy trains under it."""
        values = self.values(self.labeller(problem), problem)
        beta = np.inf if self.beta == "inf" else float(self.beta)
        bonus = CaptionBonus(self.captions_of(problem), values, beta=beta)
        if self.use == "added":
            return BonusReward(bonus, coef=self.coef, on_terminal=True)
        return EarnedPotential(bonus, gamma=problem.gamma, on_truncation=problem.on_truncation, coef=self.coef)

    def values(self, labeller: Labeller, problem: Problem) -> CaptionValues:
        """What captions are worth."""
        raise NotImplementedError(f"{type(self).__name__} must define values(labeller, problem)")

    # -- captions ----------------------------------------------------------------------------------------------------

    def captions_of(self, problem: Problem) -> Captions:
        """The captions of an environment."""
        if ":" in self.captions:
            own: Captions = imported(parse(self.captions, "captions"), callable, "a function of obs and info")
            return own
        known = () if is_outside(problem.env_id) else registry.load(problem.env_id).captions
        return captions_from_info(self.captions, known)

    def seen(self, problem: Problem, steps: int) -> tuple[str, ...]:
        """Captions that some steps of random play report, in the order in which they were first seen."""
        met = LabelRetrieval(ScriptedLabeller(InOrder(()), latency=_NEVER), self.goal)
        env = wrap(problem.make(_COPIES), BonusReward(CaptionBonus(self.captions_of(problem), met)))
        draws = np.random.default_rng([problem.seed, 1])
        try:
            env.reset(seed=problem.seed)
            for _ in range(-(-steps // _COPIES)):
                env.step(random_actions(env.single_action_space, _COPIES, draws))
        finally:
            env.close()
        return tuple(met.numbers)

    # -- who answers -------------------------------------------------------------------------------------------------

    def labeller(self, problem: Problem) -> Labeller:
        """Who answers."""
        if self.truth:
            return ScriptedLabeller(InOrder(self.truth), errors=self.errors, latency=self.latency, seed=problem.seed)
        if self.replay:
            return RecordedLabeller(None, self._replayed())
        client = self._client()
        return RecordedLabeller(client, ReplyStore.begin(self._path(problem), client.by, client.settings))

    def _client(self) -> OpenAIClient:
        return OpenAIClient(
            self.model,
            self.base_url,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            timeout=self.timeout,
            most_requests=self.requests,
            most_tokens=self.requests * 4 * self.max_tokens,
        )

    def _path(self, problem: Problem) -> Path:
        return Path(self.store.replace("{seed}", str(problem.seed)))

    def _replayed(self) -> ReplyStore:
        try:
            return ReplyStore(self.replay)
        except OSError as error:
            raise ValueError(f"replay cannot be read: {self.replay}: {error.strerror}") from error


@dataclass(frozen=True, kw_only=True)
class Oni(Labelled):
    """ONI: labels that arrive while the policy trains.

    Attributes:
        kind: ``retrieval``, the labels as they are; ``classification``, a model of them, which knows captions without a
            label; ``ranking``, by comparisons.
        threshold: of classification; probability above which a caption is paid, in [0, 1].
    """

    kind: str = "retrieval"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        check_word("kind", self.kind, ("retrieval", "classification", "ranking"))
        check_number("threshold", self.threshold, 0.0, 1.0)
        self.check_unused(self.kind == "classification", "kind=classification", ("threshold",))
        self.check_unused(self.kind == "ranking", "kind=ranking", ("quantile", "rivals"))

    def values(self, labeller: Labeller, problem: Problem) -> CaptionValues:
        """See :class:`Labelled`."""
        if self.kind == "retrieval":
            return LabelRetrieval(labeller, self.goal)
        if self.kind == "classification":
            return LabelClassifier(labeller, self.goal, threshold=self.threshold)
        return LabelRanking(labeller, self.goal, rivals=self.rivals, quantile=self.quantile, seed=problem.seed)


@dataclass(frozen=True, kw_only=True)
class Motif(Labelled):
    """Motif: all pairs are judged before the policy trains.

    The captions are those of the game; where nobody knows them, those of 2,000 steps of random play. Captions that turn
    up later are paid by the model of the answers.
    """

    coef: float = 0.1
    rivals: int = 100

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        self.check_unused(False, "kind=ranking of oni", ("latency",))

    def values(self, labeller: Labeller, problem: Problem) -> CaptionValues:
        """See :class:`Labelled`."""
        ranking = LabelRanking(labeller, self.goal, rivals=self.rivals, quantile=self.quantile, seed=problem.seed)
        known = getattr(self.captions_of(problem), "texts", ()) or self.seen(problem, _PLAYED)
        ranking.ask_now(known, problem.on_progress)
        return ranking
