"""REINFORCE (Williams, 1992) with a linear softmax policy, for many independent learners at once, in numpy.

(1) x_k(s)   = cos(pi c_k . (s - low) / (high - low)), c_k in {0 .. order}^O, and x = 1 once more (a bias)
(2) pi(a | s) = softmax_a(W^T x(s))
(3) G_t      = r_t + gamma G_{t+1}, and 0 after the last step: terminated or truncated, nothing is bootstrapped
(4) d log pi(a | s) / dW = x (1[a] - pi)^T,  dH / dW = x (-pi (log pi + H))^T,  H = -sum pi log pi
(5) g        = mean over episodes of 1/T sum_t G_t d log pi(a_t | s_t) / dW + c mean over steps of dH_t / dW
(6) v <- d v + (1 - d) g^2,  W <- W + lr g / (sqrt(v) + eps)

T in (5) is the padded length, the same for long and short episodes. The exact gradient of the discounted return has
gamma^t in front of G_t; it is left out, as is usual, so (5) is exact for gamma = 1 only. Episodes that were played with
earlier weights are used as they are, without importance weights.

Read from the bottom: ``train`` is the loop, ``ReinforceLearners`` the algorithm. One learner has one copy of a
``VectorEnv``, with its own seed, weights and episodes; it gives the same numbers, bit for bit, whatever others run
beside it. The functions of (3) to (6) stand alone, for methods that need these gradients under another reward.

Sources: Williams (1992) for (3) to (5); Konidaris, Osentoski and Thomas (2011) for (1); Hinton's lecture 6e (2012) for
(6), in the form of torch.optim.RMSprop. The defaults are those of the GridWorld runs of BARFI (Gupta et al., 2023),
read from their published code, Dhawgupta/gupta2023behavior: a gradient step after every third episode, on that episode
alone, T one more than the time limit. unverified: the paper's own text, and the first weights in those runs. They are 0
here; the code of the same authors' CartPole runs draws them uniformly from -1/4 to 1/4.

Example: ``python -m payoff.baselines.reinforce --env-params '{"aux": "misleading"}' --seeds 1 2 3``
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import gymnasium as gym
import numpy as np
import tyro
from gymnasium.vector import VectorEnv

from payoff.baselines.environments import make_vector
from payoff.baselines.episodes import Episodes
from payoff.baselines.rmsprop import root_mean_square
from payoff.baselines.training import JsonObject, NotFiniteError, OnProgress
from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.wrappers.learned.basis import FourierBasis
from payoff.wrappers.learned.watching import hand_over

__all__ = [
    "Args",
    "Minibatch",
    "ObservationFeatures",
    "ReinforceResult",
    "entropy_gradient",
    "log_policy",
    "policy_gradient",
    "returns_to_go",
    "rmsprop",
    "score_gradient",
    "train",
]

DRAWS = 1024  # random numbers that a learner draws at once


@dataclass(frozen=True, kw_only=True)
class Args:
    """Settings of REINFORCE."""

    env_id: str = "payoff/GridNav-v0"
    """environment with a Box of few numbers to observe and Discrete actions"""
    env_params: JsonObject = field(default_factory=dict)
    """game parameters and view settings, as a JSON object"""
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    """one learner for each"""
    episodes: int = 2000
    """episodes of a learner"""
    gamma: float = 0.99
    """discount"""
    learning_rate: float = 0.005
    """of RMSprop"""
    ent_coef: float = 0.25
    """weight of the entropy bonus"""
    order: int = 3
    """of the Fourier basis"""
    episodes_per_update: int = 3
    """episodes between updates"""
    gradient_steps: int = 1
    """gradient steps of an update, each on a batch of its own"""
    batch_episodes: int = 1
    """episodes in a batch"""
    batch_from: Literal["latest", "buffer"] = "latest"
    """the latest episodes, or uniform draws, with replacement, from those in the buffer"""
    buffer_episodes: int = 1000
    """episodes that are kept to draw from; the oldest go first"""
    padded_steps: int = 51
    """T, what sums over an episode are divided by; no episode may be longer"""
    features: Literal["fourier", "observation"] = "fourier"
    """x of (1), or the observation itself: where that is one-hot, the policy is a table"""
    optimiser: Literal["rmsprop", "sgd"] = "rmsprop"
    """(6), or W <- W + lr g"""
    keep_every: int = 0
    """episodes between the weights that the result keeps; 0: none but the last"""

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must be different integers, one at least, got {self.seeds!r}")
        for seed in self.seeds:
            check_integer("seeds", seed, 0)
        counts = ("episodes", "episodes_per_update", "gradient_steps", "batch_episodes", "buffer_episodes")
        for name in (*counts, "padded_steps"):
            check_integer(name, getattr(self, name), 1)
        check_integer("order", self.order, 0)
        check_integer("keep_every", self.keep_every, 0)
        check_number("gamma", self.gamma, 0.0, 1.0)
        check_number("learning_rate", self.learning_rate, 0.0, open_low=True)
        check_number("ent_coef", self.ent_coef, 0.0)
        check_word("batch_from", self.batch_from, ("latest", "buffer"))
        check_word("features", self.features, ("fourier", "observation"))
        check_word("optimiser", self.optimiser, ("rmsprop", "sgd"))


class ObservationFeatures:
    """The observation itself as features; arguments, ``size`` and the call as of :class:`FourierBasis`."""

    def __init__(self, low: np.ndarray, high: np.ndarray) -> None:
        self.low, self.high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        self.size = self.low.size

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Features ``(..., O)`` of observations ``(..., O)``."""
        return np.asarray(obs, dtype=np.float64)


Basis: TypeAlias = FourierBasis | ObservationFeatures


@dataclass(frozen=True, slots=True)
class Minibatch:
    """n padded episodes of each of B learners.

    Attributes:
        features: ``(B, n, T, F)``.
        actions, rewards: ``(B, n, T)``, 0 after the end of an episode.
        mask: ``(B, n, T)`` bool, the steps that were made; an episode without any is no episode.
    """

    features: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    mask: np.ndarray


def returns_to_go(rewards: np.ndarray, gamma: float) -> np.ndarray:
    """Equation (3): G ``(..., T)`` of rewards ``(..., T)``, which are 0 after the end of an episode."""
    returns = np.array(rewards, dtype=np.float64)
    for t in range(returns.shape[-1] - 2, -1, -1):
        returns[..., t] += gamma * returns[..., t + 1]
    return returns


def log_policy(weights: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Equation (2): log pi ``(B, S, A)`` for weights ``(B, F, A)`` and the features ``(B, S, F)`` of S states each."""
    scores = np.matmul(features, weights)
    scores -= scores.max(axis=-1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))


def score_gradient(weights: np.ndarray, features: np.ndarray, actions: np.ndarray, coef: np.ndarray) -> np.ndarray:
    """Sum over S steps of coef_t d log pi(a_t | s_t) / dW, equation (4): ``(B, F, A)``, like the weights.

    Features are ``(B, S, F)``, actions and coefficients, for instance the returns, ``(B, S)``.
    """
    chosen = actions[..., None] == np.arange(weights.shape[-1])
    miss = coef[..., None] * (chosen - np.exp(log_policy(weights, features)))
    return np.matmul(features.swapaxes(-1, -2), miss)


def entropy_gradient(weights: np.ndarray, features: np.ndarray, coef: np.ndarray) -> np.ndarray:
    """Sum over S steps of coef_t dH(s_t) / dW, equation (4); shapes as in :func:`score_gradient`."""
    log_pi = log_policy(weights, features)
    pi = np.exp(log_pi)
    entropy = -(pi * log_pi).sum(axis=-1, keepdims=True)
    return np.matmul(features.swapaxes(-1, -2), -coef[..., None] * pi * (log_pi + entropy))


def policy_gradient(weights: np.ndarray, batch: Minibatch, *, gamma: float, ent_coef: float) -> np.ndarray:
    """Equation (5): ``(B, F, A)``, the direction of ascent for weights ``(B, F, A)``."""
    learners, _, padded = batch.mask.shape
    features, actions = batch.features.reshape(learners, -1, weights.shape[1]), batch.actions.reshape(learners, -1)
    mask, played = batch.mask.reshape(learners, -1), batch.mask.any(axis=-1).sum(axis=-1)[:, None]
    returns = mask * returns_to_go(batch.rewards, gamma).reshape(learners, -1)
    gradient = score_gradient(weights, features, actions, returns / (padded * played))
    if ent_coef:
        gradient += entropy_gradient(weights, features, ent_coef * mask / mask.sum(axis=-1, keepdims=True))
    return gradient


def rmsprop(
    weights: np.ndarray, square: np.ndarray, gradient: np.ndarray, rate: float, decay: float = 0.99, eps: float = 1e-8
) -> tuple[np.ndarray, np.ndarray]:
    """Equation (6), a step of ascent: new weights and new mean of squared gradients, all of one shape."""
    square, root = root_mean_square(square, gradient, 1.0 - decay, eps)
    return weights + rate * gradient / root, square


class Running:
    """The episodes that B learners are in, of T steps at most; they need not begin or end together."""

    def __init__(self, learners: int, padded_steps: int, obs_size: int) -> None:
        self.obs = np.zeros((learners, padded_steps, obs_size), dtype=np.float32)
        self.actions = np.zeros((learners, padded_steps), dtype=np.int64)
        self.rewards = np.zeros((learners, padded_steps))
        self.length = np.zeros(learners, dtype=np.int64)

    def add(self, rows: np.ndarray, obs: np.ndarray, actions: np.ndarray, rewards: np.ndarray) -> None:
        """One step of the learners ``rows`` ``(R,)``: observations ``(R, O)`` acted on, actions and rewards ``(R,)``.

        Raises:
            ValueError: an episode is longer than T.
        """
        at = rows, self.length[rows]
        if (at[1] >= self.rewards.shape[1]).any():
            raise ValueError(f"padded_steps must be at least the length of every episode, got {self.rewards.shape[1]}")
        self.obs[at], self.actions[at], self.rewards[at] = obs, actions, rewards
        self.length[rows] += 1

    def end(self, b: int, episodes: Episodes) -> None:
        """The episode of learner b is over: it goes to ``episodes``, and the next begins."""
        n = int(self.length[b])
        episodes.add(self.obs[b, :n], self.actions[b, :n], self.rewards[b, None, :n])
        self.length[b] = 0


class ReinforceLearners:
    """Weights, optimiser, episodes and random numbers of B learners that never meet."""

    def __init__(self, args: Args, basis: Basis, num_actions: int) -> None:
        self.args, self.basis = args, basis
        self.weights = np.zeros((len(args.seeds), basis.size, num_actions))
        self.square = np.zeros_like(self.weights)
        kept = args.episodes // args.keep_every if args.keep_every else 0
        self.kept = np.zeros((len(args.seeds), kept, *self.weights.shape[1:]))
        capacity = args.batch_episodes if args.batch_from == "latest" else args.buffer_episodes
        self.episodes = [Episodes(capacity, args.padded_steps, basis.low.size, num_actions, 1) for _ in args.seeds]
        streams = [np.random.SeedSequence(seed).spawn(2) for seed in args.seeds]
        self._acting = [np.random.Generator(np.random.PCG64(acting)) for acting, _ in streams]
        self._picking = [np.random.Generator(np.random.PCG64(picking)) for _, picking in streams]
        self._draws: np.ndarray = np.empty((len(args.seeds), 0))

    def act(self, obs: np.ndarray) -> np.ndarray:
        """Draw actions ``(B,)`` for observations ``(B, O)``."""
        if not self._draws.shape[1]:
            self._draws = np.stack([rng.random(DRAWS) for rng in self._acting])
        draw, self._draws = self._draws[:, :1], self._draws[:, 1:]
        up_to = np.cumsum(np.exp(log_policy(self.weights, self.basis(obs)[:, None])[:, 0]), axis=-1)
        return (draw >= up_to[:, :-1]).sum(axis=-1)  # the last sum is 1 but for rounding

    def improve(self, rows: np.ndarray) -> None:
        """One update of the learners ``rows``, each of which has just ended an episode."""
        args = self.args
        for _ in range(args.gradient_steps):
            batch = self._batch(rows)
            gradient = policy_gradient(self.weights[rows], batch, gamma=args.gamma, ent_coef=args.ent_coef)
            if args.optimiser == "sgd":
                self.weights[rows] += args.learning_rate * gradient
                continue
            new = rmsprop(self.weights[rows], self.square[rows], gradient, args.learning_rate)
            self.weights[rows], self.square[rows] = new

    def _batch(self, rows: np.ndarray) -> Minibatch:
        """Episodes of a gradient step; a learner with too few at first has some without a step."""
        args = self.args
        shape = (len(rows), args.batch_episodes, args.padded_steps)
        obs, actions = np.zeros((*shape, self.basis.low.size), dtype=np.float32), np.zeros(shape, dtype=np.int64)
        rewards, mask = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
        for i, b in enumerate(rows):
            kept = self.episodes[b]
            latest = args.batch_from == "latest"
            places = kept.latest(shape[1]) if latest else kept.draw(shape[1], self._picking[b])
            n, (seen, done, paid, made) = len(places), kept.take(places, shape[2])
            obs[i, :n], actions[i, :n], rewards[i, :n], mask[i, :n] = seen, done, paid[0], made
        return Minibatch(self.basis(obs), actions, rewards, mask)

    def probabilities(self, obs: np.ndarray) -> np.ndarray:
        """How likely each learner takes each action ``(B, K, A)`` where it observes ``obs`` ``(K, O)``."""
        features = self.basis(obs)
        return np.exp(log_policy(self.weights, np.broadcast_to(features, (len(self.weights), *features.shape))))


@dataclass(frozen=True)
class ReinforceResult:
    """B finished learners.

    Attributes:
        weights: ``(B, F, A)``.
        kept: ``(B, K, F, A)``, the weights after each ``keep_every`` episodes of a learner.
        basis: features of an observation; the policy is ``np.exp(log_policy(weights, basis(obs)))``.
        true_return: ``(B, E)`` undiscounted sums of ``info["true_reward"]`` (of the reward, where there is none).
        told_return: ``(B, E)`` undiscounted sums of the reward that was learned from.
        length: ``(B, E)`` steps.
        cpu_seconds: processor time.
        args: settings.
    """

    weights: np.ndarray
    kept: np.ndarray
    basis: Basis
    true_return: np.ndarray
    told_return: np.ndarray
    length: np.ndarray
    cpu_seconds: float
    args: Args


def train(
    args: Args, *, wrap: Callable[[VectorEnv], VectorEnv] = lambda env: env, on_progress: OnProgress | None = None
) -> ReinforceResult:
    """Train one learner for each seed.

    Methods around the environment that watch the policies of their rows are handed those of the learners.

    Args:
        args: settings.
        wrap: put around the environment, for instance ``partial(payoff.wrappers.wrap, method=...)``.
        on_progress: called with episodes done and all episodes, of all learners together.

    Raises:
        NotFiniteError: a weight is not finite.
        TypeError: an unknown keyword of the environment.
        ValueError: spaces that are not as Args says, or an episode longer than ``padded_steps``.
    """
    started = time.process_time()
    env = wrap(make_vector(args.env_id, len(args.seeds), args.env_params))
    try:
        learners = ReinforceLearners(args, *_shape(env, args))
        hand_over(env, learners.probabilities)
        sums = _play(env, learners, on_progress)
    finally:
        env.close()
    own = learners.weights, learners.kept, learners.basis
    return ReinforceResult(*own, *sums, time.process_time() - started, args)


def _shape(env: VectorEnv, args: Args) -> tuple[Basis, int]:
    """Features of the observation and number of actions."""
    seen, choices = env.single_observation_space, env.single_action_space
    if not isinstance(seen, gym.spaces.Box) or len(seen.shape) != 1:
        raise ValueError(f"the observation space must be a Box of one axis, got {seen}")
    if not isinstance(choices, gym.spaces.Discrete) or choices.start != 0:
        raise ValueError(f"the action space must be Discrete from 0 on, got {choices}")
    if args.features == "observation":
        return ObservationFeatures(seen.low, seen.high), int(choices.n)
    return FourierBasis(seen.low, seen.high, args.order), int(choices.n)


def _play(
    env: VectorEnv, learners: ReinforceLearners, on_progress: OnProgress | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Play and learn until every learner has its episodes; true return, told return, length ``(B, E)``."""
    args = learners.args
    count, total = len(args.seeds), len(args.seeds) * args.episodes
    running = Running(count, args.padded_steps, learners.basis.low.size)
    found, sums, finished = np.zeros((3, count, args.episodes)), np.zeros((3, count)), np.zeros(count, dtype=np.int64)
    obs = np.array(env.reset(seed=list(args.seeds))[0])  # type: ignore[arg-type]  # annotated an int, takes lists too
    restarts, calls, updates = np.zeros(count, dtype=np.bool_), 0, 0
    while (finished < args.episodes).any():
        actions = learners.act(obs)
        following, reward, terminated, truncated, info = env.step(actions)
        calls += 1
        rows = np.flatnonzero(~restarts & (finished < args.episodes))
        running.add(rows, obs[rows], actions[rows], reward[rows])
        sums[:, rows] += np.stack([info.get("true_reward", reward), reward, np.ones(count)])[:, rows]
        obs, restarts = np.array(following), terminated | truncated  # a copy: the next may come in the same memory
        ended = rows[restarts[rows]]
        if not ended.size:
            continue
        found[:, ended, finished[ended]] = sums[:, ended]
        sums[:, ended] = 0.0
        finished[ended] += 1
        for b in ended:
            running.end(b, learners.episodes[b])
        due = ended[finished[ended] % args.episodes_per_update == 0]
        if due.size:
            updates += 1
            learners.improve(due)
            if not np.isfinite(learners.weights[due]).all():
                raise NotFiniteError(updates, calls * count, "a weight")
        if args.keep_every:
            at = ended[finished[ended] % args.keep_every == 0]
            learners.kept[at, finished[at] // args.keep_every - 1] = learners.weights[at]
        if on_progress is not None:
            on_progress(int(finished.sum()), total)
    return found[0], found[1], found[2]


if __name__ == "__main__":
    args = tyro.cli(Args, description=__doc__)
    try:
        result = train(args)
    except (NotFiniteError, TypeError, ValueError, gym.error.Error) as problem:
        sys.exit(f"error: {problem}")
    for seed, true, told in zip(args.seeds, result.true_return, result.told_return, strict=True):
        print(f"seed {seed}: true return {true[-100:].mean():.2f}, told {told[-100:].mean():.2f} (last 100 episodes)")
