"""Team spirit: a share of each seat's reward is its team's mean, less what the opponents have.

(1) R_i = (1 - tau) r_i + tau mean of r over i's team - mean of r over its opponents

With teams of equal size the sum over all seats is 0, whatever they were paid. tau moves reward within a team and leaves
its sum as it is, so tau = 0 trains selfish players of a team game, tau = 1 players who share everything.

It does not keep optimal policies: at tau > 0 a seat is paid for what its mates do, and through the last term for
whatever takes from the opponents. In a game that is zero-sum between two teams of one, (1) doubles every reward, and
equilibria stay.

Source: Moschopoulos et al., "Lucy-SKG", arXiv 2305.15801, and its code, with tau = 0.3. The idea of mixing in the
team's mean is older; OpenAI Five raised tau during training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from payoff.envs.core.params import check_flag, check_integer, check_number
from payoff.wrappers.arguments import check_sequence, reals
from payoff.wrappers.base import RewardMethod, Transition
from payoff.wrappers.rows import Array

__all__ = ["TeamSpirit", "team_spirit"]


def _mean(reward: Array, chosen: Array) -> Array:
    """Mean over the chosen seats of each copy, added one after the other: the same bits in every batch size."""
    total = np.zeros(reward.shape[:-1])
    for i in range(reward.shape[-1]):
        total += np.where(chosen[..., i], reward[..., i], 0.0)
    count = chosen.sum(axis=-1)
    mean: Array = np.where(count > 0, total / np.maximum(count, 1), 0.0)
    return mean


def team_spirit(
    reward: Array, teams: Sequence[int], tau: float = 0.3, *, opponents: bool = True, active: Array | None = None
) -> Array:
    """Equation (1).

    Args:
        reward: ``(..., N)`` a reward for each seat.
        teams: N whole numbers, seats with the same one are a team.
        tau: in [0, 1].
        opponents: whether to take off the mean of all seats that are not of the team; where there are none it is 0.
        active: ``(..., N)`` bool, seats that count; None for all.

    Returns:
        ``(..., N)``; between -2 and 2 times the largest absolute reward.

    Raises:
        ValueError: tau out of range, or another number of teams than seats.
    """
    check_number("tau", tau, 0.0, 1.0)
    reward = reals("reward", reward)
    if reward.shape[-1:] != (len(teams),):
        raise ValueError(f"teams must name the team of each of {reward.shape[-1:]} seats, got {len(teams)} of them")
    active = np.ones(reward.shape, dtype=np.bool_) if active is None else active
    out = reward.copy()
    for team in sorted(set(teams)):
        mates = np.array([t == team for t in teams])
        shared = tau * _mean(reward, active & mates)
        if opponents:
            shared = shared - _mean(reward, active & ~mates)
        out[..., mates] = (1.0 - tau) * reward[..., mates] + shared[..., None]
    return out


class TeamSpirit(RewardMethod):
    """Equation (1) on rows that are seats: of a multi-agent batch, or of a PettingZoo ``ParallelEnv``.

    A method is not told which rows belong together. Rows come copy by copy, N seats each, in the order of the
    environment's agents; ``teams`` names them and thereby says what N is. Seats that have left count no more.

    The reward is between -2 and 2 times the largest absolute one of the copy.

    Args:
        teams: the team of each seat, N whole numbers: ``(0, 0, 1, 1)`` for two against two.
        tau: in [0, 1].
        opponents: whether to take off the opponents' mean.

    Raises:
        TypeError: ``teams`` is no sequence.
        ValueError: another argument is not allowed.

    >>> TeamSpirit((0, 0, 1, 1)).tau
    0.3
    """

    term: ClassVar[str] = "shaping"

    def __init__(self, teams: Sequence[int], tau: float = 0.3, *, opponents: bool = True) -> None:
        check_number("tau", tau, 0.0, 1.0)
        check_flag("opponents", opponents)
        check_sequence("teams", teams, "whole numbers, the team of each seat")
        if not len(teams):
            raise ValueError(f"teams must name the team of each seat, got {teams!r}")
        for i, team in enumerate(teams):
            check_integer(f"teams[{i}]", team, 0)
        self.teams = tuple(int(team) for team in teams)
        self.tau = tau
        self.opponents = opponents

    def __call__(self, t: Transition) -> Array:
        """New rewards.

        Raises:
            ValueError: the rows are not copies of N seats.
        """
        n = len(self.teams)
        if t.reward.size % n:
            raise ValueError(f"{t.reward.size} rows cannot be copies of {n} seats, whose teams are {self.teams}")
        shape = (-1, n)
        active = t.active.reshape(shape)
        reward = np.where(active, t.reward.reshape(shape), 0.0)
        return team_spirit(reward, self.teams, self.tau, opponents=self.opponents, active=active).reshape(-1)
