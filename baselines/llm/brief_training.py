"""Training a learner briefly under a proposed reward, and what came of it: payoffs, behaviour, how the reward moved.

The learner is one of the product's trainers of one seat, or, in tabular games, Q-learning (``algo="q_learning"``); it
is told the reward by the very option of ``payoff train`` that a user would be given. Its score is the payoff of
episodes that are played afterwards, and never the reward. Each result is a file as soon as it is there, by the name of
all that decides it, so nothing is trained twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import gymnasium as gym
import numpy as np

import payoff
from payoff.baselines import environments, methods, q_learning, run
from payoff.baselines.llm.methods import Request, training_option
from payoff.baselines.llm.watched_play import Episode, of_type, watch
from payoff.baselines.policies import Policy
from payoff.baselines.reward_learners import Problem, reward_learner
from payoff.baselines.settings import trainer_arguments
from payoff.baselines.tabular import TablePolicy
from payoff.envs import registry
from payoff.envs.core.arrays import shown
from payoff.envs.core.params import check_integer
from payoff.files import json_object, write_atomically
from payoff.wrappers import RewardMethod, Transition, observation_names, wrap
from payoff.wrappers.arguments import check_mapping, check_text
from payoff.wrappers.llm.entries import bind, state_entries, step_entries
from payoff.wrappers.llm.reward_text import Program, evaluate
from payoff.wrappers.llm.terms import programs_of
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["Q_LEARNING", "STRETCHES", "BriefTraining", "Trained"]

STRETCHES = 10  # of a training, for each of which there are numbers
Q_LEARNING = "q_learning"
_UNSEEN = 20_000_000  # first seed of the episodes that are scored, far from those of training
_NOTHING = "0"  # an expression that every environment has a value of

_MOST_SEED = 1_000_000_000  # those of trainings and episodes are counted on from it

Wrapper = Callable[[Any], Any]


@dataclass(frozen=True)
class Trained:
    """What came of a candidate.

    Attributes:
        payoff: of an episode, mean; None where the reward had no value somewhere, and the training was given up.
        error: why it was given up; empty otherwise.
        terms: for each term, and for each tenth of the training from the first on, the least, the mean and the largest
            value; None where no step was played in it.
        payoffs: for each tenth of the training, the mean payoff of its episodes; None where none ended in it.
        episodes: that were played afterwards.
    """

    payoff: float | None
    error: str
    terms: Mapping[str, list[list[float] | None]]
    payoffs: list[float | None]
    episodes: tuple[Episode, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON values: the fields."""
        return {**dataclasses.asdict(self), "terms": dict(self.terms), "episodes": [e.as_dict() for e in self.episodes]}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The record of :meth:`as_dict`.

        Raises:
            TypeError: a name is missing or unknown, or a value is of another type.
            ValueError: there is another number of tenths than ``STRETCHES``.
        """
        found = cls(**values)
        check_mapping("terms", found.terms, "values")
        of_type("payoff", found.payoff, float, int, type(None))
        of_type("error", found.error, str)
        of_type("payoffs", found.payoffs, list)
        of_type("episodes", found.episodes, list)
        for paid in found.payoffs:
            of_type("payoffs", paid, float, int, type(None))
        for of_term in found.terms.values():
            of_type("terms", of_term, list)
            for three in of_term:
                of_type("terms", three, list, type(None))
                for number in three or ():
                    of_type("terms", number, float, int)
        tenths: list[Sequence[Any]] = [found.payoffs, *found.terms.values()]
        for stretches in tenths:
            if len(stretches) != STRETCHES or any(isinstance(three, list) and len(three) != 3 for three in stretches):
                raise ValueError(f"terms and payoffs must be of {STRETCHES} tenths, got {shown(stretches)}")
        return dataclasses.replace(found, episodes=tuple(map(Episode.of, values["episodes"])))


@dataclass(frozen=True, kw_only=True)
class BriefTraining:
    """How candidates are trained.

    Attributes:
        algo: a trainer of one seat, as in ``payoff train --algo``, or ``q_learning``; ``auto`` is Q-learning in tabular
            games of one player with integer actions, and PPO elsewhere.
        steps: environment steps of one training.
        seeds: trainings of each candidate, with seeds that follow each other from that of the request on.
        episodes: that each trained policy is scored on. Q-learning trains so many learners at once, each of which
            plays one of them; the steps are shared out among them.
        settings: of the trainer, where they differ from its defaults; the discount is that of the request.

    Raises:
        TypeError: ``algo`` is no text, or ``settings`` no dict.
        ValueError: a number is out of its range.
    """

    algo: str = "auto"
    steps: int = 20_000
    seeds: int = 1
    episodes: int = 10
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the fields."""
        check_text("algo", self.algo)
        check_integer("train_steps", self.steps, 1)
        check_integer("train_seeds", self.seeds, 1, 1000)
        check_integer("episodes", self.episodes, 1, 100_000)
        if not isinstance(self.settings, Mapping):
            raise TypeError(f'settings must be an object such as {{"num_envs": 16}}, got {self.settings!r}')

    def check(self, request: Request) -> None:
        """Build the trainer's settings and the environment once.

        Raises:
            ValueError: an unknown trainer, one that cannot learn there, or a setting that is not allowed.
            TypeError: a setting that it does not have.
            ImportError: a package that it needs is missing.
        """
        check_integer("seed", request.seed, 0, _MOST_SEED)
        algo = self._algo(request)
        env = self._around(request, _NOTHING)(request.make(1))
        env.close()
        if algo == Q_LEARNING:
            if not isinstance(env.single_action_space, gym.spaces.Discrete):
                raise ValueError(f"algo must be a trainer of real actions here, got {Q_LEARNING}")
            self._q_arguments(request, 0)
        else:
            self._arguments(request, algo, 0)

    def as_dict(self, request: Request) -> dict[str, Any]:
        """JSON values: the fields, with the trainer that is meant in this environment."""
        return {**dataclasses.asdict(self), "settings": dict(self.settings), "algo": self._algo(request)}

    def train(self, request: Request, text: str, terms: Mapping[str, str]) -> Trained:
        """The record of a candidate: from the folder of the request, or of a training that is made now.

        Args:
            request: what for.
            text: the expression or the function.
            terms: name -> expression or function, whose values are watched.

        Raises:
            ValueError: the file in the folder is damaged.
        """
        path = request.out / "trained" / f"{self._name(request, text, terms)}.json"
        if path.exists():
            try:
                return Trained.of(json_object(path.read_bytes()))
            except (TypeError, ValueError) as error:
                raise ValueError(f"{path} is damaged or no record of a training: {error}") from error
        found = self._train(request, text, terms)
        data = json.dumps(found.as_dict(), allow_nan=False, indent=1)
        write_atomically(path, f"{data}\n".encode())
        return Trained.of(json_object(data))  # the same object, whoever made the file

    def _train(self, request: Request, text: str, terms: Mapping[str, str]) -> Trained:
        algo = self._algo(request)
        of_state = request.use == "potential"
        watched = _Watched(terms, self.steps, of_state)
        episodes: list[Episode] = []
        for number in range(self.seeds):
            around = self._around(request, text)
            watched.begin()

            def wrapper(env: Any, around: Wrapper = around) -> Any:
                return around(wrap(env, _Watch(watched, observation_names(env))))

            try:
                policy = self._policy(request, algo, wrapper, request.seed + number)
            except _NoValueError as error:
                return Trained(None, str(error), watched.terms(), watched.payoffs(), ())
            first = _UNSEEN + (request.seed + number) * self.episodes
            episodes += watch(policy, request.env_id, request.keywords, episodes=self.episodes, seed=first)
        payoff = float(np.mean([episode.payoff for episode in episodes]))
        return Trained(payoff, "", watched.terms(), watched.payoffs(), tuple(episodes))

    def _algo(self, request: Request) -> str:
        if self.algo != "auto":
            return self.algo
        if environments.is_outside(request.env_id):
            return "ppo"
        env = request.make(1)
        env.close()
        game = registry.load(request.env_id)
        engine: Any = getattr(env.unwrapped, "engine", None)
        agents = engine.shape.n_agents
        tabular = game.tabular and agents == 1 and isinstance(env.single_action_space, gym.spaces.Discrete)
        return Q_LEARNING if tabular else "ppo"

    def _policy(self, request: Request, algo: str, wrapper: Wrapper, seed: int) -> Policy:
        """What a learner does at the end of its training."""
        if algo == Q_LEARNING:
            env = wrapper(request.make(self.episodes))
            try:
                learned = q_learning.train(self._q_arguments(request, seed), env)
            finally:
                env.close()
            assert learned.states is not None
            return TablePolicy(learned.states, learned.greedy)
        name = run.trainer_of(algo)[0]
        found: Policy = run.trainer(name).train(self._arguments(request, algo, seed), wrapper=wrapper).policy
        return found

    def _arguments(self, request: Request, algo: str, seed: int) -> Any:
        """Settings of a trainer of one seat."""
        name, own = run.trainer_of(algo)
        module = run.trainer(name)
        if run.view_of(name) != "single":
            raise ValueError(f"algo must be {Q_LEARNING} or a trainer of one seat, got {algo!r}")
        if "wrapper" not in inspect.signature(module.train).parameters:
            raise ValueError(f"algo must be a trainer that takes a wrapper, got {algo!r}")
        known = {f.name for f in dataclasses.fields(module.Args)}
        told = {"gamma": request.gamma} if "gamma" in known else {}
        settings = {**told, **own, **self.settings, "total_steps": self.steps}
        return trainer_arguments(
            module.Args, name, settings, env_id=request.env_id, env_params=dict(request.keywords), seed=seed
        )

    def _q_arguments(self, request: Request, seed: int) -> q_learning.Args:
        settings = {"gamma": request.gamma, **self.settings, "total_steps": self.steps, "num_envs": self.episodes}
        found: q_learning.Args = trainer_arguments(
            q_learning.Args, Q_LEARNING, settings, env_id=request.env_id, env_params=dict(request.keywords), seed=seed
        )
        return found

    def _around(self, request: Request, text: str) -> Wrapper:
        """What ``payoff train`` puts around an environment with the option for this expression."""
        flag, specification = training_option(text, request)
        if flag == "--shaping":
            shaped = methods.around(specification, "none", request.gamma, "bootstrap")
            assert shaped is not None
            return shaped
        learner = reward_learner(specification)
        assert learner is not None
        problem = Problem(
            env_id=request.env_id,
            keywords=request.keywords,
            gamma=request.gamma,
            on_truncation="bootstrap",
            seed=request.seed,
        )
        return lambda env: wrap(env, learner.learn(problem))

    def _name(self, request: Request, text: str, terms: Mapping[str, str]) -> str:
        decides = {
            "training": self.as_dict(request),
            "option": training_option(text, request),
            "terms": list(terms.items()),
            "env_id": request.env_id,
            "keywords": dict(request.keywords),
            "gamma": request.gamma,
            "seed": request.seed,
            "version": payoff.__version__,
        }
        data = json.dumps(decides, sort_keys=True, allow_nan=False)
        return hashlib.sha256(data.encode()).hexdigest()[:16]


class _NoValueError(ValueError):
    """The expression has no value at a step of the training, or reads what is not there."""


class _Watched:
    """Sums over the trainings of a candidate.

    Args:
        terms: name -> expression.
        steps: of one training.
        of_state: the terms are of a state, and a terminal one is not asked for a value.
    """

    def __init__(self, terms: Mapping[str, str], steps: int, of_state: bool) -> None:
        self.trees, self.steps, self.of_state = programs_of(terms), steps, of_state
        shape = (STRETCHES, len(terms))
        self.low, self.high = np.full(shape, np.inf), np.full(shape, -np.inf)
        self.total, self.count = np.zeros(shape), np.zeros(shape, dtype=np.int64)
        self.paid, self.ended = np.zeros(STRETCHES), np.zeros(STRETCHES, dtype=np.int64)
        self.done = 0

    def begin(self) -> None:
        """Another training begins."""
        self.done = 0

    @property
    def stretch(self) -> int:
        """Number of the tenth."""
        return min(STRETCHES - 1, self.done * STRETCHES // self.steps)

    def terms(self) -> dict[str, list[list[float] | None]]:
        """See :class:`Trained`."""
        return {
            name: [
                [float(self.low[s, k]), float(self.total[s, k] / self.count[s, k]), float(self.high[s, k])]
                if self.count[s, k]
                else None
                for s in range(STRETCHES)
            ]
            for k, name in enumerate(self.trees)
        }

    def payoffs(self) -> list[float | None]:
        """See :class:`Trained`."""
        return [float(self.paid[s] / self.ended[s]) if self.ended[s] else None for s in range(STRETCHES)]


class _Watch(RewardMethod):
    """Adds up values and payoffs, and leaves the reward alone; goes around the environment before the reward does."""

    def __init__(self, watched: _Watched, names: tuple[str, ...]) -> None:
        self.watched = watched
        self.trees: dict[str, Program] = {name: bind(tree, names) for name, tree in watched.trees.items()}
        self.running = np.zeros(0)

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """A potential is asked of the first state, too."""
        if len(self.running) != len(mask):
            self.running = np.zeros(len(mask))
        self.running[mask] = 0.0
        if self.watched.of_state:
            self._values(state_entries(obs, info), mask)

    def __call__(self, t: Transition) -> Array:
        """The reward as it is."""
        watched = self.watched
        stretch = watched.stretch
        rows = t.active & ~t.terminated if watched.of_state else t.active
        read = state_entries(t.next_obs, t.info) if watched.of_state else step_entries(t)
        if rows.any():
            for k, values in enumerate(self._values(read, rows)):
                watched.low[stretch, k] = min(watched.low[stretch, k], values.min())
                watched.high[stretch, k] = max(watched.high[stretch, k], values.max())
                watched.total[stretch, k] += values.sum()
                watched.count[stretch, k] += len(values)
        paid = np.asarray(t.info["payoff"]).sum(axis=1) if "payoff" in t.info else t.reward
        self.running += np.where(t.active, paid, 0.0)
        ended = t.active & (t.terminated | t.truncated)
        watched.paid[stretch] += self.running[ended].sum()
        watched.ended[stretch] += np.count_nonzero(ended)
        self.running[ended] = 0.0
        watched.done += len(t.active)  # a trainer counts the calls on which a copy restarts, too
        return t.reward.copy()

    def _values(self, read: Any, mask: Array) -> list[Array]:
        """Values of each term in the rows of a mask."""
        found = []
        for name, tree in self.trees.items():
            try:
                found.append(evaluate(tree, read, mask)[mask])
            except ValueError as error:
                raise _NoValueError(f"term {name}: {error}" if len(self.trees) > 1 else str(error)) from error
        return found
