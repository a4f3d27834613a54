"""Bi-level reward learning: a policy gradient learner, and the reward that it is told, learned on top of it.

The designer wants the payoff, or whatever reward r_p the environment pays; beside it there may be an auxiliary reward
r_a in ``info["aux"]`` that helps, or misleads. A REINFORCE learner with parameters theta climbs the return of a blend
of both (:mod:`payoff.wrappers.learned.blend`), and the blend's numbers phi climb the return in r_p of the learner that
comes of it, by one of the gradients of :mod:`payoff.wrappers.learned.hypergradient`:

(1) theta <- theta + RMSprop(d_theta J_in)
(2) phi   <- phi + RMSprop(dJ_out / dphi - penalties)

J_in is the learner's aim under the blend, J_out its return in r_p (:mod:`payoff.baselines.bilevel_objectives`).

``method`` says what is blended, how the learner's answer is estimated, and from which episodes:

- ``reinforce``: nothing is learned, the reward is r_p; ``sum``: r_p + r_a. Both are there to compare with.
- ``barfi``: f(s) + r_p + w(s) r_a with a learned discount, implicit gradient by the Neumann series, after a warm-up
  under r_p + r_a (Gupta et al., NeurIPS 2023).
- ``lirpg``: r_p + f(s, a), first order, on the latest episodes (Zheng, Oh and Singh, NeurIPS 2018).
- ``bipars_mgl``, ``bipars_imgl``, ``bipars_em``: r_p + w(s, a) r_a; first order, forward, and through the policy's
  input: there w is an input of the policy, and phi climbs J_out by that way alone (Hu et al., NeurIPS 2020).
- ``meta_weight``: (1 - m) r_p + m r_a, first order. The idea is AMFT's weight between two losses; the sign is that of
  (1), the published code has the other one.

Its result is a policy, and the reward: :func:`learn` gives both, and the reward learners ``barfi``, ``lirpg``, ... of
``--reward-learner`` freeze the reward for another trainer.

Sources: as named, in the form of their published code (Dhawgupta/gupta2023behavior, Hwhitetooth/lirpg,
TSYJ-He/AMFT) and of notes on it. unverified: the papers' own texts; for BiPaRS, of which no published code was found,
also the form of the three estimators.

Example: ``python -m payoff.baselines.bilevel --env-params '{"aux": "misleading"}' --learning-rate 0.001``
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.vector import VectorEnv

from payoff.baselines.bilevel_learner import Learner, SoftmaxPolicy, drawn, policy_of
from payoff.baselines.bilevel_objectives import Objectives
from payoff.baselines.bilevel_settings import METHODS, Args
from payoff.baselines.checkpoint import fitting
from payoff.baselines.environments import OneSeat, longest_episode, make_vector
from payoff.baselines.episodes import Episodes
from payoff.baselines.memory import check_memory
from payoff.baselines.networks import threads_of_torch
from payoff.baselines.result import Result
from payoff.baselines.rewriting import collect_episodes, methods
from payoff.baselines.rollout import Play
from payoff.baselines.training import Generator, NotFiniteError, OnProgress, TrainingRun
from payoff.baselines.trajectories import KINDS, remember
from payoff.envs.core.arrays import shown
from payoff.wrappers.arguments import check_mapping
from payoff.wrappers.learned.basis import Basis, basis_of, saved_basis
from payoff.wrappers.learned.blend import BlendForm, RewardBlend

__all__ = ["METHODS", "VIEW", "Args", "Learned", "learn", "load_policy", "load_reward", "posed", "train"]

VIEW: Literal["multi", "single"] = "single"


@dataclass(frozen=True)
class Learned:
    """A finished training.

    Attributes:
        result: policy and curves.
        reward: the blend that the policy was told at the end.
    """

    result: Result
    reward: RewardBlend


def learn(
    args: Args,
    *,
    wrapper: Callable[[VectorEnv], VectorEnv] | None = None,
    on_progress: OnProgress | None = None,
) -> Learned:
    """Train a policy and its reward; see :func:`train`."""
    made = make_vector(args.env_id, args.episodes_per_update, {"info": "full", **args.keywords()})
    env = OneSeat(made if wrapper is None else wrapper(made), levels=False)
    try:
        basis, objectives = posed(args, env)
        return _learn(args.resolved(), args, env, objectives, basis, on_progress)
    finally:
        env.close()


def posed(args: Args, env: OneSeat) -> tuple[Basis, Objectives]:
    """What would be learned in an environment, and from which features; takes a moment.

    Raises:
        ValueError: spaces that are not as :class:`Args` says, episodes without a limit, or more features, parameters or
            steps, in the buffer or drawn from it, than there may be.
    """
    full = args.resolved()
    num_steps = args.num_steps or longest_episode(args.env_id, args.keywords())
    if num_steps is None:
        raise ValueError(f"{args.env_id} has no limit of steps: num_steps must say how long an episode may be")
    if env.num_actions is None or env.action_size != 1:
        raise ValueError(f"actions must be one whole number, such as actions='discrete:5', in {args.env_id}")
    for name in ("buffer_episodes", "batch_episodes", "curvature_episodes"):
        kept = {name: getattr(args, name), "num_steps": num_steps, "numbers of a step": env.obs_size + 4}
        check_memory(args.method, kept)
    basis = basis_of(env.env.single_observation_space, args.features, args.order)
    form = BlendForm(
        inputs=basis.size,
        actions=env.num_actions,
        own=full.own or "none",
        aux=full.aux or "none",
        primary=1.0 if full.primary is None else full.primary,
        learn_gamma=bool(full.learn_gamma),
        hidden=args.reward_hidden,
    )
    objectives = _objectives(full, form, num_steps)
    sizes = {"parameters of the policy": objectives.theta_size, "parameters of the reward": form.size}
    for name, size in sizes.items():
        check_memory(args.method, {name: size})
    if full.estimator == "forward":  # it carries the derivative of each by each
        check_memory(args.method, sizes)
    return basis, objectives


def _objectives(full: Args, form: BlendForm, num_steps: int) -> Objectives:
    """What resolved settings mean."""
    return Objectives(
        form=form,
        num_steps=num_steps,
        gamma=full.gamma,
        ent_coef=full.ent_coef,
        hidden=full.hidden,
        fed=full.estimator == "input",
        reward_penalty=full.reward_penalty,
        gamma_penalty=full.gamma_penalty,
    )


def _learn(
    full: Args, args: Args, env: OneSeat, objectives: Objectives, basis: Basis, on_progress: OnProgress | None
) -> Learned:
    own, of_env, of_acting = np.random.SeedSequence(args.seed).spawn(3)
    episodes = Episodes(args.buffer_episodes, objectives.num_steps, env.obs_size, objectives.form.actions, KINDS)

    def progress(done: int, total: int) -> None:
        if on_progress is not None:
            share = 0.0 if args.episodes is None else episodes.count / args.episodes  # it may end by episodes first
            on_progress(done, max(done, min(total, round(done / share)) if share else total))

    run = TrainingRun("bilevel", args, progress, checkpoint_every=args.checkpoint_every, curves=("discount",))
    with threads_of_torch(args.torch_threads), run:
        learner = Learner(full, objectives, basis, episodes, own)
        acting = Generator(of_acting)
        play = Play(env, seed=int(of_env.generate_state(1)[0]))
        run.about |= {
            "form": asdict(objectives.form),
            "order": basis.order,
            "low": [repr(x) for x in basis.low.tolist()],
            "high": [repr(x) for x in basis.high.tolist()],
            **methods(None, env),
        }
        run.keep(**learner.parts(), acting=acting, play=play)
        run.resume()
        record = ("aux",) if objectives.form.aux != "none" else ()
        while run.step < args.total_steps and (args.episodes is None or episodes.count < args.episodes):
            told: list[np.ndarray] = []

            def act(obs: np.ndarray, told: list[np.ndarray] = told) -> np.ndarray:
                pi = learner.probabilities(obs)
                chosen = drawn(pi, acting.numpy)
                told.append(np.log(np.take_along_axis(pi, chosen[..., None], axis=-1)[:, 0, 0]))
                return chosen[..., None]

            rollout = collect_episodes(env, act, objectives.num_steps, play.episodes, record=record)
            play.obs, play.done = rollout.obs[-1], rollout.terminated[-1] | rollout.truncated[-1]
            aux = rollout.info["aux"].astype(np.float64) if record else np.zeros(rollout.valid.shape)
            steps = int(rollout.valid.sum())
            remember(episodes, rollout, aux.reshape(rollout.valid.shape), np.stack(told))
            metrics = learner.improve()
            if not (torch.isfinite(learner.theta.value).all() and torch.isfinite(learner.phi.value).all()):
                raise NotFiniteError(run.update + 1, run.step + steps, "a number of the policy or the reward")
            last = args.episodes is not None and episodes.count >= args.episodes
            curves = {**play.episodes.means(), "discount": metrics["reward/discount"]}
            run.record(steps, metrics, curves, last=last)
        theta, phi = learner.theta.value.numpy().copy(), learner.phi.value.numpy().copy()
        pi = partial(_pi, objectives, theta, phi, basis)
        reward = RewardBlend(objectives.form, basis, phi, gamma=args.gamma)
        return Learned(run.result(SoftmaxPolicy(pi)), reward)


def _pi(objectives: Objectives, theta: np.ndarray, phi: np.ndarray, basis: Basis, obs: np.ndarray) -> np.ndarray:
    return policy_of(objectives, theta, phi, basis(obs))


def train(
    args: Args,
    *,
    wrapper: Callable[[VectorEnv], VectorEnv] | None = None,
    on_progress: OnProgress | None = None,
) -> Result:
    """Train one seat, or one controller of all seats.

    Args:
        args: settings.
        wrapper: wraps the vector environment; what it makes of the reward is r_p.
        on_progress: called after every update with (steps done, steps in all).

    Raises:
        payoff.baselines.training.NotFiniteError: a number of the policy or the reward is not finite.
        KeyError: the method needs an auxiliary reward and the environment reports none.
        ValueError: a setting that is not allowed, spaces that are not as :class:`Args` says, an episode longer than
            ``num_steps``, or a checkpoint that is damaged or was made with other settings.
        TypeError: an unknown keyword in ``env_params``.
    """
    return learn(args, wrapper=wrapper, on_progress=on_progress).result


def load_policy(tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> SoftmaxPolicy:
    """Policy of a checkpoint that :func:`train` wrote (:func:`payoff.baselines.checkpoint.load` reads it).

    Raises:
        KeyError: something is missing.
        TypeError: form or arguments are none.
        ValueError: it does not hold what it says, or numbers that are not finite; names what is wrong.
    """
    _, objectives, basis, phi = _saved(tensors, meta)
    theta = fitting(tensors, "theta.value", (objectives.theta_size,), np.float64)
    return SoftmaxPolicy(partial(_pi, objectives, theta, phi, basis))


def load_reward(tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> RewardBlend:
    """Reward of such a checkpoint; raises what :func:`load_policy` raises."""
    args, objectives, basis, phi = _saved(tensors, meta)
    return RewardBlend(objectives.form, basis, phi, gamma=args.gamma)


def _saved(tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> tuple[Args, Objectives, Basis, np.ndarray]:
    for name in ("form", "args"):
        check_mapping(name, meta[name], "settings")
    for name in ("low", "high"):
        if not isinstance(meta[name], list) or not all(isinstance(x, str) for x in meta[name]):
            raise ValueError(f"{name} must be a list of texts, got {shown(meta[name])}")
    form = BlendForm(**{**meta["form"], "hidden": tuple(meta["form"]["hidden"])})
    bounds = {name: np.array([float(x) for x in meta[name]]) for name in ("low", "high")}
    basis = saved_basis({"order": meta["order"]}, bounds)
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in meta["args"].items()
    }
    args = Args(**known).resolved()
    return args, _objectives(args, form, 1), basis, fitting(tensors, "phi.value", (form.size,), np.float64)


if __name__ == "__main__":
    from payoff.baselines.script import script

    script(Args, train, VIEW, __doc__)
