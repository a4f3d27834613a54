"""Trust weighting: an auxiliary reward counts as far as it told successes from failures.

With mu_c and mu_w the mean auxiliary reward of episodes that succeeded and of those that failed,

(1) trust = 1 if mu_c >= mu_w, else e^(mu_c - mu_w)
(2) r'_t = r_t + trust * xi * R+_t,  xi = alpha e^(-n / N) in the source, n updates after the start

An auxiliary reward that failures collect is turned down; it is never turned off, nor is its sign reversed, so this is
no guarantee: optimal policies may be others while xi is not 0. Where all episodes succeed, or all fail, trust is 1.

Source: SophiaVL-R1 (Trust-GRPO), where R+ is one number an episode. unverified: the paper was not read; trust where a
group has only successes or only failures; the mean over the steps of an episode is our reading of R+ for many steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.arguments import as_array, check_mapping
from payoff.wrappers.base import RowMethod, Transition
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.rows import Array
from payoff.wrappers.transforms.annealing import Schedule
from payoff.wrappers.transforms.episodes import check_entry, check_scores, group_numbers, members
from payoff.wrappers.transforms.signals import Signal, as_signal, evaluate

__all__ = ["TrustWeighted", "TrustedReward", "trust_weight"]


def trust_weight(successes: Array, failures: Array) -> Array:
    """Equation (1) of two means, elementwise: in (0, 1]."""
    weight: Array = np.exp(np.minimum(np.asarray(successes, dtype=np.float64) - failures, 0.0))
    return weight


class TrustWeighted(RewardTransform):
    """Equation (2) on finished episodes, with a trust for each start group.

    What it adds to a step is between -xi and xi times the auxiliary reward. An episode succeeds if its return is at
    least ``threshold``. Episodes that are not finished count in no mean, but get the weight of their group.

    Args:
        signal: name of the entry R+ of ``batch.info``, ``(T, B)``.
        schedule: xi, over calls of this transform.
        threshold: least return of a success.

    Raises:
        TypeError: ``signal`` is no string, or ``schedule`` no Schedule.
        ValueError: ``threshold`` is no number.
    """

    def __init__(self, signal: str, schedule: Schedule, *, threshold: float) -> None:
        if not isinstance(schedule, Schedule):
            raise TypeError(f"schedule must be a Schedule, got {schedule!r}")
        check_number("threshold", threshold, -np.inf)
        self.needs = (check_entry("signal", signal),)
        self.schedule = schedule
        self.threshold = threshold
        self.updates = 0

    def trust(self, batch: EpisodeBatch) -> Array:
        """Weight ``(B,)`` of each episode's group; one group where the batch names none."""
        extra = check_scores(self.needs[0], batch).sum(axis=0) / batch.lengths
        everyone = np.zeros(batch.lengths.size, dtype=np.int64)
        group = everyone if batch.group is None else group_numbers(batch, type(self).__name__)
        inside, success = members(group), batch.returns >= self.threshold
        means = []
        for kind in (batch.finished & success, batch.finished & ~success):
            count = inside @ kind
            means.append(np.where(count > 0, (inside @ (extra * kind)) / np.maximum(count, 1), np.nan))
        weight = trust_weight(*means)
        return np.where(np.isnan(weight), 1.0, weight)[group]

    def learn(self, batch: EpisodeBatch) -> None:
        """Count an update."""
        self.updates += 1

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """New rewards ``(T, B)``; time is 0 in the first update."""
        xi = float(self.schedule(np.array(max(self.updates - 1, 0))))
        return batch.paid + xi * self.trust(batch) * check_scores(self.needs[0], batch)

    def state_dict(self) -> dict[str, Array]:
        """``updates``: calls so far."""
        return {"updates": np.array(self.updates, dtype=np.int64)}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state_dict` gave.

        Raises:
            ValueError: not one whole number ``updates`` of at least 0; nothing has changed.
        """
        check_mapping("state", state, "arrays")
        found = {name: as_array(value) for name, value in state.items()}
        if set(found) != {"updates"} or found["updates"].shape != () or found["updates"].dtype.kind not in "iu":
            raise ValueError(f"{type(self).__name__} takes one whole number updates, got {dict(state)!r}")
        check_integer("updates", found["updates"][()], 0)
        self.updates = int(found["updates"])


class TrustedReward(RowMethod):
    """Equation (2) step by step, with each row's trust from its own episodes so far.

    The means are over all finished episodes of the row, or, with ``memory``, exponential ones over about so many. An
    episode succeeds if its return, undiscounted, is at least ``threshold``; both kinds of end count. Until a row has
    seen a success and a failure its trust is 1. What is added to a step is between -xi and xi times the signal.

    Args:
        signal: R+.
        schedule: xi, over the row's own steps.
        threshold: least return of a success.
        memory: episodes of each kind that count; None for all.

    Raises:
        TypeError: ``signal`` is no signal, or ``schedule`` no Schedule.
        ValueError: another argument is not allowed.
    """

    term: ClassVar[str] = "shaping"
    lasting = ("time", "successes", "failures", "success_mean", "failure_mean")
    counts: ClassVar[tuple[str, ...]] = ("steps", "time", "successes", "failures")

    def __init__(self, signal: Signal, schedule: Schedule, *, threshold: float, memory: int | None = None) -> None:
        if not isinstance(schedule, Schedule):
            raise TypeError(f"schedule must be a Schedule, got {schedule!r}")
        check_number("threshold", threshold, -np.inf)
        if memory is not None:
            check_integer("memory", memory, 1)
        super().__init__()
        self.signal = as_signal("signal", signal)
        self.schedule = schedule
        self.threshold = threshold
        self.horizon = memory

    def blank(self) -> dict[str, Array]:
        """``steps``, ``extra`` and ``paid`` of the episode; ``time``, and number and mean of both kinds of episodes."""
        zero, none = np.zeros(()), np.zeros((), dtype=np.int64)
        episode = {"steps": none, "extra": zero, "paid": zero}
        return {
            **episode,
            "time": none,
            "successes": none,
            "failures": none,
            "success_mean": zero,
            "failure_mean": zero,
        }

    def __call__(self, t: Transition) -> Array:
        """New rewards."""
        self.check_rows(t)
        m, extra = self.memory, evaluate("signal", self.signal, t)
        known = (m["successes"] > 0) & (m["failures"] > 0)
        trust = np.where(known, trust_weight(m["success_mean"], m["failure_mean"]), 1.0)
        new: Array = t.reward + self.schedule(m["time"]) * trust * extra
        m["time"], m["steps"] = m["time"] + t.active, m["steps"] + t.active
        m["extra"], m["paid"] = m["extra"] + extra, m["paid"] + np.where(t.active, t.reward, 0.0)
        ended = t.active & (t.terminated | t.truncated)
        mean, success = m["extra"] / np.maximum(m["steps"], 1), m["paid"] >= self.threshold
        for count, kind, chosen in (
            ("successes", "success_mean", ended & success),
            ("failures", "failure_mean", ended & ~success),
        ):
            m[count] = m[count] + chosen
            counted = np.maximum(m[count] if self.horizon is None else np.minimum(m[count], self.horizon), 1)
            m[kind] = m[kind] + np.where(chosen, (mean - m[kind]) / counted, 0.0)
        return new
