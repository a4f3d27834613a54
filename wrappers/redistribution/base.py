"""Rewards that are rewritten after the fact: finished episodes in, new rewards out.

A method around ``env.step`` sees one step at a time. A transform sees whole episodes, so it may use what came later:
their return, their last state, other episodes from the same start. Trainers play whole episodes, hand them over as an
:class:`EpisodeBatch`, and learn from the rewards that a :class:`RewardTransform` gives back; evaluation is in payoffs,
as always.

What discounting does to it: moving reward in time within an episode keeps its undiscounted return, and with it the
order of policies under undiscounted Monte-Carlo returns from the start of the episode. With a discount below 1, or with
values that are bootstrapped, a reward that is paid earlier counts more, and the order may change. Where the return is
redistributed, train with ``gamma=1`` (and ``on_truncation="terminal"``, since an undiscounted value has no end
otherwise), or with a discount close enough to 1 that ``gamma ** T`` is near 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from payoff.envs.core.params import check_integer
from payoff.wrappers.arguments import check_mapping, reals
from payoff.wrappers.rows import Array

__all__ = ["EpisodeBatch", "RewardTransform", "return_error", "with_residual"]


@dataclass(frozen=True, slots=True)
class EpisodeBatch:
    """B episodes of up to T steps, one a column, each from its first step on.

    An episode fills the first entries of its column; ``valid`` says how many. It is finished if its last valid entry is
    terminated or truncated, and otherwise goes on after the batch ends. Entries that are not valid hold anything.

    In a game of N seats each seat has a column of its own: column ``b * N + i`` is seat i of copy b, as the rows of a
    :class:`payoff.wrappers.base.Transition` are. All seats of a copy share its flags.

    Attributes:
        obs: ``(T + 1, B, ...)``; ``obs[t]`` was acted on, ``obs[t + 1]`` came of it, the last one of the episode
            included.
        actions: ``(T, B, ...)``.
        rewards: ``(T, B)`` float64, finite where valid.
        terminated: ``(T, B)`` bool, the episode ended for good; False where not valid.
        truncated: ``(T, B)`` bool, the episode was cut off; False where not valid.
        valid: ``(T, B)`` bool.
        info: name -> ``(T, B, ...)``, entries of the same moment as ``obs[t + 1]``. Two are the trainer's own:
            ``log_prob``, the log probability of the action under the policy that played; ``state``, the game's state
            row, which a game of this package can be put back to.
        start: name -> ``(B, ...)``, entries of the same moment as ``obs[0]``; those of ``info`` that the environment
            gives on reset.
        group: ``(B,)`` whole numbers; episodes of one group began in the same state. None where nothing is known.
        seats: N, seats of a copy.

    Raises:
        ValueError: shapes that do not fit, an episode with a gap, with entries after its end or without any, or a
            reward that is not finite; seats of a copy whose flags differ.
    """

    obs: Array
    actions: Array
    rewards: Array
    terminated: Array
    truncated: Array
    valid: Array
    info: Mapping[str, Array] = field(default_factory=dict)
    start: Mapping[str, Array] = field(default_factory=dict)
    group: Array | None = None
    seats: int = 1

    def __post_init__(self) -> None:
        """Check everything (ValueError)."""
        if self.rewards.ndim != 2 or not self.rewards.size:
            raise ValueError(f"rewards must have shape (T, B), neither of them 0, got {self.rewards.shape}")
        steps, columns = self.rewards.shape
        check_integer("seats", self.seats, 1)
        if columns % self.seats:
            raise ValueError(f"{columns} columns cannot be copies of {self.seats} seats")
        for name in ("terminated", "truncated", "valid"):
            array = getattr(self, name)
            if array.shape != (steps, columns) or array.dtype != np.bool_:
                raise ValueError(f"{name} must be bools {(steps, columns)}, got {array.dtype} {array.shape}")
        leading = {"obs": (self.obs, steps + 1), "actions": (self.actions, steps)}
        leading |= {f"info[{name!r}]": (array, steps) for name, array in self.info.items()}
        for name, (array, length) in leading.items():
            if array.shape[:2] != (length, columns):
                raise ValueError(f"{name} must have shape {(length, columns)} + (...), got {array.shape}")
        for name, array in {"group": self.group, **{f"start[{k!r}]": v for k, v in self.start.items()}}.items():
            if array is not None and array.shape[:1] != (columns,):
                raise ValueError(f"{name} must have shape ({columns},) + (...), got {array.shape}")
        self._check_episodes()

    def _check_episodes(self) -> None:
        done, valid = self.terminated | self.truncated, self.valid
        if not valid[0].all():
            raise ValueError(f"episode {int(np.argmin(valid[0]))} has no valid entry at its start")
        late = valid[1:] & (~valid[:-1] | done[:-1])
        if late.any():
            raise ValueError(f"episode {int(late.any(axis=0).argmax())} has valid entries after a gap or its end")
        for name in ("terminated", "truncated", "valid"):
            flags = getattr(self, name).reshape(len(valid), -1, self.seats)
            if (flags != flags[..., :1]).any():
                copy = int((flags != flags[..., :1]).any(axis=(0, 2)).argmax())
                raise ValueError(
                    f"{name} must be the same for all {self.seats} seats of a copy, differs in copy {copy}"
                )
        if (done & ~valid).any():
            raise ValueError(f"episode {int((done & ~valid).any(axis=0).argmax())} ends where it is not valid")
        bad = valid & ~np.isfinite(self.rewards)
        if bad.any():
            t, b = np.argwhere(bad)[0]
            raise ValueError(f"rewards must be finite, got {self.rewards[t, b]} at step {t} of episode {b}")

    @property
    def lengths(self) -> Array:
        """``(B,)`` steps of each episode, 1 or more."""
        lengths: Array = self.valid.sum(axis=0)
        return lengths

    @property
    def paid(self) -> Array:
        """``(T, B)`` float64, the rewards, 0 where not valid."""
        return np.where(self.valid, self.rewards, 0.0)

    @property
    def returns(self) -> Array:
        """``(B,)`` undiscounted sums of the rewards."""
        returns: Array = self.paid.sum(axis=0)
        return returns

    @property
    def last(self) -> Array:
        """``(T, B)`` bool, the last valid entry of each episode."""
        last: Array = self.valid & ~np.vstack([self.valid[1:], np.zeros_like(self.valid[:1])])
        return last

    @property
    def finished(self) -> Array:
        """``(B,)`` bool, episodes that ended within the batch."""
        return np.asarray((self.terminated | self.truncated).any(axis=0))

    def at_end(self, entries: Array) -> Array:
        """Of ``(T, B, ...)`` entries those of the last valid step, ``(B, ...)``."""
        chosen: Array = entries[self.lengths - 1, np.arange(entries.shape[1])]
        return chosen

    def with_rewards(self, rewards: Array) -> EpisodeBatch:
        """The same episodes with other rewards ``(T, B)``."""
        return replace(self, rewards=rewards)


class RewardTransform:
    """A function from finished episodes to new rewards; subclasses define :meth:`rewrite`, and :meth:`learn` if any.

    ``needs`` names the entries of ``info`` that a trainer has to record. ``conserves_return`` says that every finished
    episode keeps the sum of its rewards, ``conserves_team_return`` that every finished copy of a game of N seats keeps
    the sum over its seats; both are checked at every call, to 1e-9 of the size of what is summed.
    """

    needs: tuple[str, ...] = ()
    conserves_return: bool = False
    conserves_team_return: bool = False

    def __call__(self, batch: EpisodeBatch) -> Array:
        """Learn from the episodes, then rewrite their rewards.

        Returns:
            ``(T, B)`` float64, 0 where not valid.

        Raises:
            KeyError: an entry of ``needs`` was not recorded.
            ValueError: the subclass gave another shape, a number that is not finite, or broke what it promises.
        """
        for name in self.needs:
            if name not in batch.info:
                recorded = ", ".join(batch.info) or "nothing"
                raise KeyError(f"{type(self).__name__} needs info[{name!r}] of every step; recorded: {recorded}")
        self.learn(batch)
        new = reals(f"what {type(self).__name__} returns", self.rewrite(batch)).copy()
        if new.shape != batch.rewards.shape:
            raise ValueError(f"{type(self).__name__} must return shape {batch.rewards.shape}, got {new.shape}")
        new[~batch.valid] = 0.0
        if not np.isfinite(new).all():
            raise ValueError(f"{type(self).__name__} made the reward {new[~np.isfinite(new)][0]}")
        if self.conserves_return or self.conserves_team_return:
            worst = float(return_error(batch, new, team=not self.conserves_return).max(initial=0.0))
            if worst > 1e-9:
                raise ValueError(f"{type(self).__name__} changed a return by {worst:.1e} of its size")
        return new

    def learn(self, batch: EpisodeBatch) -> None:
        """Take in new episodes; here there is nothing to learn."""

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """New rewards ``(T, B)`` by what is known now; anything where not valid."""
        raise NotImplementedError(f"{type(self).__name__} must define rewrite(batch)")

    def state_dict(self) -> dict[str, Array]:
        """Copies of the arrays that the next call depends on."""
        return {}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state_dict` gave.

        Raises:
            ValueError: an array is missing, unknown or of another shape; nothing has changed.
        """
        check_mapping("state", state, "arrays")
        if state:
            raise ValueError(f"{type(self).__name__} keeps no state, got {', '.join(map(str, state))}")


def return_error(batch: EpisodeBatch, rewards: Array, *, team: bool = False) -> Array:
    """By how much new rewards change the returns, in units of the largest thing that is summed.

    Args:
        batch: episodes with their old rewards.
        rewards: ``(T, B)`` new rewards.
        team: sum over the seats of a copy as well.

    Returns:
        ``(E,)``, one number for each finished episode, or for each finished copy:
        ``|new return - old return| / max(1, sum of |old rewards|, sum of |new rewards|)``.
    """
    new, old = np.where(batch.valid, rewards, 0.0), batch.paid
    sums = [new.sum(axis=0) - old.sum(axis=0), np.abs(old).sum(axis=0), np.abs(new).sum(axis=0)]
    finished = batch.finished
    if team:
        sums = [x.reshape(-1, batch.seats).sum(axis=1) for x in sums]
        finished = np.asarray(finished.reshape(-1, batch.seats).all(axis=1))
    change, before, after = sums
    error: Array = (np.abs(change) / np.maximum(1.0, np.maximum(before, after)))[finished]
    return error


def with_residual(batch: EpisodeBatch, estimates: Array) -> Array:
    """Estimates ``(T, B)`` of the rewards, corrected so that every finished episode keeps its return.

    What the estimates of an episode lack of its return, or have too much, is spread evenly over its steps (RUDDER,
    Arjona-Medina et al., 2019). Episodes that are not finished have no return yet and keep their estimates.
    """
    estimates = np.where(batch.valid, estimates, 0.0)
    lacks = np.where(batch.finished, batch.returns - estimates.sum(axis=0), 0.0)
    corrected: Array = np.where(batch.valid, estimates + lacks / batch.lengths, 0.0)
    return corrected
