"""Independent PPO: every seat learns by itself, from its own observations and its own reward.

The other learners are part of each learner's world, nothing else. By default every seat has an actor and a critic of
its own, and seat i's loss reaches seat i's weights only; one network trained on the sum of all rewards would be a
single joint controller. With ``share_parameters`` all seats use one network that is told which seat it plays, still on
each seat's own reward; sensible where seats are alike.

The algorithm and the metrics are those of :mod:`payoff.baselines.ppo`. Works with continuous and discrete actions and
with any number of seats, one included.

Example: ``python -m payoff.baselines.ippo --env-id payoff/TrustDilemma-v0 --reward private --seed 1``
"""

from __future__ import annotations

from dataclasses import dataclass

from payoff.baselines import session
from payoff.baselines.ppo import run
from payoff.baselines.result import Result
from payoff.baselines.rollout import make_all_seats
from payoff.baselines.settings import Settings

__all__ = ["Args", "train"]


@dataclass(frozen=True, kw_only=True)
class Args(Settings):
    """Settings of independent PPO."""

    share_parameters: bool = False
    """one network for all seats instead of one each"""


def train(args: Args, *, on_progress: session.OnProgress | None = None) -> Result:
    """Train all seats.

    Args:
        args: settings.
        on_progress: called after every update with (steps done, steps in all).

    Raises:
        payoff.baselines.session.NotFiniteError: a loss or a weight is not finite.
        ValueError: a setting that is not allowed, or a checkpoint that is damaged or was made with other settings.
        TypeError: an unknown keyword in ``env_params``.
    """
    env = make_all_seats(args.env_id, args.num_envs, {"info": "minimal", **args.keywords()})
    return run("ippo", args, env, shared=args.share_parameters, on_progress=on_progress)


if __name__ == "__main__":
    session.script(Args, train, "multi", __doc__)
