"""Reward learner ``vpl``: the reward of one user, from a few answers of that user and many of others.

    payoff train --algo ppo --env TwoUsers-v0 --params user=1 --reward-learner vpl:user=1 --out results/vpl

The users are simulated. Each weighs the entries of ``info["reward_vector"]`` in a way of its own, and of two steps
prefers the one with the larger weighted sum. Random play gives the steps. First many annotation sets are answered, each
by a user drawn at random who is not named, and learned from (:class:`payoff.wrappers.VariationalPreferences`). Then the
``user`` answers some questions, and gets the reward of whoever would answer so.

A ``problem`` is a :class:`payoff.baselines.reward_problem.Problem`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from payoff.baselines.memory import check_memory
from payoff.baselines.random_play import random_steps
from payoff.baselines.reward_problem import Problem
from payoff.envs.core.params import check_flag, check_integer
from payoff.wrappers import LearnedReward, NetworkSettings, StepInputs, VariationalPreferences, VariationalSettings
from payoff.wrappers.arguments import check_sequence, numbers
from payoff.wrappers.rows import Array

__all__ = ["Answers", "Vpl", "ask", "simulated_answers"]

STEPS, COPIES = 4000, 16  # of random play
QUESTIONS = 64  # among which the most telling one is asked
AGAINST = 256  # steps whose win rates are paid


@dataclass(frozen=True, slots=True)
class Answers:
    """Comparisons, by the numbers of the steps that are compared.

    Attributes:
        user: ``(H,)`` who answered each set.
        better: ``(H, K)`` step that was preferred.
        worse: ``(H, K)`` step that was not.
    """

    user: Array
    better: Array
    worse: Array


def simulated_answers(utility: Array, sets: int, comparisons: int, draws: np.random.Generator) -> Answers:
    """Annotation sets of simulated users.

    Args:
        utility: ``(U, n)`` what each of n steps is worth to each user.
        sets: H, each answered by a user drawn at random.
        comparisons: K, of two steps drawn at random among those that the user can tell apart.
        draws: source of the draws.

    Raises:
        ValueError: a user to whom all steps are worth the same.
    """
    for who, worth in enumerate(utility):
        if np.ptp(worth) == 0.0:
            raise ValueError(f"user {who} must prefer some step to another: all {worth.size} are worth {worth[0]:g}")
    user = draws.integers(len(utility), size=sets)
    first, second = draws.integers(utility.shape[1], size=(2, sets, comparisons))
    while (tied := utility[user[:, None], first] == utility[user[:, None], second]).any():
        first[tied], second[tied] = draws.integers(utility.shape[1], size=(2, int(tied.sum())))
    ahead = utility[user[:, None], first] > utility[user[:, None], second]
    return Answers(user, np.where(ahead, first, second), np.where(ahead, second, first))


def ask(
    model: VariationalPreferences,
    steps: Array,
    worth: Array,
    answers: int,
    draws: np.random.Generator,
    *,
    active: bool,
) -> tuple[Array, Array]:
    """Ask one user.

    Args:
        model: what was learned from others.
        steps: ``(n, I)`` steps that questions are about.
        worth: ``(n,)`` what they are worth to the user.
        answers: how many questions.
        draws: source of the questions.
        active: each time ask the most telling of 64 random questions; False: a random one.

    Returns:
        ``(answers, I)`` what was preferred to what, ``(answers, I)``.
    """
    better, worse = np.zeros((2, 0, steps.shape[1]))
    for _ in range(answers):
        one = simulated_answers(worth[None], 1, QUESTIONS if active else 1, draws)
        winner, loser = steps[one.better[0]], steps[one.worse[0]]
        # the model is not told who wins: which of the two comes first makes no difference to the gain
        chosen = int(np.argmax(model.gains(winner, loser, better, worse))) if active else 0
        better, worse = np.vstack([better, winner[chosen]]), np.vstack([worse, loser[chosen]])
    return better, worse


@dataclass(frozen=True, kw_only=True)
class Vpl:
    """Learns the reward of one of several users.

    Attributes:
        user: number of the user who gets a reward.
        users: weights of the entries of ``reward_vector``, a list for each user, one of them other than 0; None: user u
            cares for entry u alone.
        answers: questions that the user is asked.
        active: ask the most telling of 64 random questions, each time.
        sets: annotation sets of others.
        comparisons: in each of them.
        epochs: passes over them.
        latent: numbers that stand for a user.
        beta: weight of the divergence.
        win_rates: pay the chance of being preferred to other steps, in [0, 1]; False: the decoder's value.

    Raises:
        TypeError: ``users`` is no list of lists.
        ValueError: a value that is not allowed.
    """

    user: int = 0
    users: Sequence[Sequence[float]] | None = None
    answers: int = 16
    active: bool = False
    sets: int = 500
    comparisons: int = 16
    epochs: int = 40
    latent: int = 2
    beta: float = 1.0
    win_rates: bool = True

    def __post_init__(self) -> None:
        """Check what can be checked without an environment."""
        check_integer("user", self.user, 0)
        check_integer("answers", self.answers, 1, 10_000)
        check_integer("latent", self.latent, 1, 1000)
        check_integer("epochs", self.epochs, 1, 100_000)
        for name in ("sets", "comparisons"):
            check_integer(name, getattr(self, name), 1)
        check_flag("active", self.active)
        check_flag("win_rates", self.win_rates)
        self._settings(0)
        if self.users is not None:
            check_sequence("users", self.users, "lists of weights")
            for user, weights in enumerate(self.users):
                if not any(numbers(f"users[{user}]", weights)):
                    raise ValueError(f"users[{user}] must have a weight other than 0, got {list(weights)}")

    def _settings(self, seed: int) -> VariationalSettings:
        network = NetworkSettings(hidden=(64, 64), learning_rate=3e-3, seed=seed)
        return VariationalSettings(
            latent=self.latent, beta=self.beta, epochs=self.epochs, batch_size=32, network=network
        )

    def check(self, problem: Problem) -> None:
        """Read the length of the environment's vector.

        Raises:
            ValueError: it reports none, ``users`` or ``user`` do not fit it, or the answers would take too much memory.
        """
        info = problem.first_info()
        if "reward_vector" not in info:
            raise ValueError(f"vpl needs a game with a reward_vector in info, and {problem.env_id} has none")
        shape = np.shape(info["reward_vector"])
        if len(shape) != 2:
            raise ValueError(f"reward_vector in the info of {problem.env_id} must be a list of numbers, got one number")
        self._weights(shape[1])
        kept = {"sets": self.sets, "comparisons": self.comparisons, "numbers of a step": problem.sizes().obs}
        check_memory("vpl", kept)

    def _weights(self, entries: int) -> Array:
        """Weights ``(U, entries)`` of the users."""
        if self.users is not None and any(len(weights) != entries for weights in self.users):
            raise ValueError(f"users must be lists of {entries} numbers, got {self.users!r}")
        weights = np.eye(entries) if self.users is None else np.array(self.users, dtype=np.float64)
        if self.user >= len(weights):
            raise ValueError(f"user must be one of {len(weights)} users, counted from 0, got {self.user}")
        return weights

    def learn(self, problem: Problem) -> LearnedReward:
        """Play, let the users answer, learn, ask the user.

        Raises:
            ValueError: see :meth:`check`; or a user to whom all steps of random play are worth the same.
        """
        self.check(problem)
        inputs = StepInputs(("next_obs",))
        steps, vector = random_steps(problem, STEPS, COPIES, (inputs, StepInputs(("reward_vector",))))
        utility = self._weights(vector.shape[1]) @ vector.T
        draws = np.random.default_rng([problem.seed, 3])
        others = simulated_answers(utility, self.sets, self.comparisons, draws)
        model = VariationalPreferences(steps.shape[1], self._settings(problem.seed))
        model.learn(steps[others.better], steps[others.worse], on_progress=problem.on_progress)
        better, worse = ask(model, steps, utility[self.user], self.answers, draws, active=self.active)
        z, _ = model.posterior(better, worse)
        against = steps[draws.integers(len(steps), size=AGAINST)] if self.win_rates else None
        return model.reward_of(z, inputs, against)
