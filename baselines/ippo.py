"""Independent PPO: every seat learns by itself, from its own observations and its own reward.

To each learner, the others are simply part of the environment. By default every seat has an actor and a critic of
its own, and seat i's loss reaches seat i's weights only; one network trained on the sum of all rewards would be a
single joint controller. With ``share_parameters`` all seats use one network that is told which seat it plays, still on
each seat's own reward; useful where seats are interchangeable.

The algorithm and the metrics are those of :mod:`payoff.baselines.ppo`. Works with continuous and discrete actions and
with any number of seats, one included.

Example: ``python -m payoff.baselines.ippo --env-id payoff/TrustDilemma-v0 --reward private --seed 1``
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from payoff.baselines import ppo
from payoff.baselines.environments import make_all_seats
from payoff.baselines.ppo import load_policy, optimise
from payoff.baselines.result import Result
from payoff.baselines.rewriting import info_level
from payoff.baselines.training import OnProgress
from payoff.wrappers.redistribution.base import RewardTransform

__all__ = ["VIEW", "Args", "load_policy", "train"]

VIEW: Literal["multi", "single"] = "multi"


@dataclass(frozen=True, kw_only=True)
class Args(ppo.Args):
    """Settings of independent PPO."""

    share_parameters: bool = False
    """one network for all seats instead of one each"""


def train(
    args: Args,
    *,
    transform: RewardTransform | None = None,
    wrapper: Callable[[Any], Any] | None = None,
    on_progress: OnProgress | None = None,
) -> Result:
    """Train all seats.

    Args:
        args: settings.
        transform: rewrites the rewards of whole episodes; column b N + i is seat i of copy b. See
            :func:`payoff.baselines.ppo.train`.
        wrapper: wraps the multi-agent environment.
        on_progress: called after every update with (steps done, steps in all).

    Raises:
        payoff.baselines.training.NotFiniteError: a loss or a weight is not finite.
        ValueError: a setting that is not allowed, or a checkpoint that is damaged or was made with other settings.
        TypeError: an unknown keyword in ``env_params``.
    """
    keywords = {"info": info_level(transform, wrapper), **args.keywords()}
    around = (lambda env: env) if wrapper is None else wrapper
    env = make_all_seats(args.env_id, args.num_envs, keywords, around)
    try:
        shared = args.share_parameters
        return optimise("ippo", args, env, shared=shared, transform=transform, on_progress=on_progress)
    finally:
        env.close()


if __name__ == "__main__":
    from payoff.baselines.script import script

    script(Args, train, VIEW, __doc__)
