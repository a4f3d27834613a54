"""Cooper: a learned reward that is kept honest by a verifier, while the agent trains under it.

A reward that was learned once is a proxy: sooner or later the agent finds steps that it overrates, and does nothing
else. Cooper, which optimises a language model and its reward model together, lets the reward model go on learning, from
pairs of an answer that a rule of high precision accepts and one that is known to be wrong. Taken over is this idea:

(1) at first, a proxy learns from a score of steps, as in :mod:`payoff.wrappers.preference.comparison`: the step with
    the larger score is the better one;
(2) then, time and again, it learns that a step which the verifier accepts is better than one which it rejects.

A verifier looks at a step and says yes or no; it is exact, and may be too costly to ask every time. Here it accepts a
step that is paid something above 0, or that raises ``info["progress"]``. Only a share of the steps is shown to it. The
wrong samples are not made up by a helper, as they are in the source, but are steps of the agent that were rejected.

unverified: the source's results, of which we have read the abstract only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from payoff.envs.core.params import check_flag, check_number
from payoff.wrappers.arguments import as_array, check_mapping, reals, state_array
from payoff.wrappers.base import Transition
from payoff.wrappers.learned.step_inputs import StepInputs
from payoff.wrappers.preference.hierarchy import Factor, HierarchicalPreferenceReward, HierarchyLearning
from payoff.wrappers.rows import Array, Batch, BatchInfo
from payoff.wrappers.transforms.signals import Signal

__all__ = ["VerifiedProxyReward"]

SCORE, ACCEPTED, VERIFIED = range(3)  # factors of a step


class VerifiedProxyReward(HierarchicalPreferenceReward):
    """Pays a proxy that learns from a score first, and from verified steps after that.

    Its learning, memory and payment are those of the class it extends; only what is compared is different.

    Args:
        score: what the proxy learns from at first: name of an entry of ``info``, or a function of a transition.
        inputs: what the proxy sees of a step, and thus what it can be wrong about.
        share: of the steps that the verifier is shown, in (0, 1].
        learning: see :class:`payoff.wrappers.HierarchyLearning`; None: its defaults.
        verify: False: the proxy never learns again after the warm-up.

    Raises:
        TypeError: ``score`` is no signal, ``inputs`` are no StepInputs, or ``learning`` is no HierarchyLearning.
        ValueError: ``share`` is out of its range, or items are no single steps.
    """

    sees_factors: ClassVar[bool] = False  # it would only repeat the verdict

    def __init__(
        self,
        score: Signal,
        *,
        inputs: StepInputs,
        share: float = 1.0,
        learning: HierarchyLearning | None = None,
        verify: bool = True,
    ) -> None:
        check_number("share", share, 0.0, 1.0, open_low=True)
        check_flag("verify", verify)
        factors = (Factor(score, margin=0.0), *(Factor(self._noted(k), margin=0.0) for k in (ACCEPTED, VERIFIED)))
        super().__init__(factors, inputs=inputs, learning=learning)
        if self.learning.segment != 1:
            raise ValueError(f"a verifier judges single steps: learning.segment must be 1, got {self.learning.segment}")
        self.share, self.verify = float(share), verify
        self.accepted = float("nan")  # share of the verified steps of the last call; NaN where there were none
        self._progress = np.zeros(0)  # of each row before its next step
        self._asked = 0  # calls, on which the draw of who is verified depends
        self._notes = np.zeros((0, 3))

    def _noted(self, k: int) -> Callable[[Transition], Array]:
        def noted(t: Transition) -> Array:
            found: Array = self._notes[:, k]
            return found

        return noted

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin: what they have achieved counts from here."""
        super().reset(obs, info, mask)
        if len(self._progress) != mask.size:
            self._progress = np.zeros(mask.size)
        if mask.any():
            self._progress[mask] = _progress(info["progress"])[mask]

    def __call__(self, t: Transition) -> Array:
        """Rewards ``(R,)``; see the class it extends.

        Raises:
            KeyError: ``info`` lacks ``payoff``, ``progress`` or the score.
            ValueError: a number that is not finite, or no two steps of the warm-up that differ in their score.
        """
        if self._progress.size != t.reward.size:
            raise ValueError(f"{self._progress.size} rows have begun, got {t.reward.size}: reset comes first")
        progress = np.where(t.active, _progress(t.info["progress"]), self._progress)
        paid = reals("payoff", t.info["payoff"]).reshape(len(t.reward), -1)[:, 0] > 0.0
        draws = np.random.default_rng([self.learning.network.seed, 4, self._asked])
        shown = draws.random(len(t.reward)) < self.share
        accepted = paid | (progress > self._progress)
        self._notes = np.stack([np.zeros(len(shown)), accepted, shown], axis=1).astype(np.float64)
        rewards = super().__call__(t)
        self._progress, self._asked = progress, self._asked + 1
        seen = shown & t.active
        self.accepted = float(accepted[seen].mean()) if seen.any() else float("nan")
        return rewards

    def answers(self, first: Array, second: Array, margins: Array) -> Array:
        """Before the first learning by score; then by verdict, of pairs of verified steps."""
        apart: Array = np.sign(first - second)
        if self.net is None:
            return apart[:, SCORE]
        found: Array = first[:, VERIFIED] * second[:, VERIFIED] * apart[:, ACCEPTED]
        return found

    def _is_due(self) -> bool:
        return super()._is_due() and (self.net is None or self.verify)

    def state_dict(self) -> dict[str, Array]:
        """Beside that of the class it extends, progress and calls."""
        found = super().state_dict()
        if found or self._progress.size:  # rows that have begun and made no step yet
            found |= {"progress": self._progress.copy(), "asked": np.array(self._asked)}
        return found

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`payoff.wrappers.RewardMethod.read_state`."""
        kind = type(self).__name__
        own: dict[str, Any] = {}
        check_mapping("state", state, "arrays")
        if state:
            if missing := [name for name in ("progress", "asked") if name not in state]:
                raise ValueError(f"{kind}: {missing[0]} is missing")
            like = np.zeros(len(np.atleast_1d(as_array(state["progress"]))))
            own["_progress"] = state_array(kind, "progress", state["progress"], like)
            own["_asked"] = int(state_array(kind, "asked", state["asked"], np.array(0)))
            if own["_asked"] < 0:
                raise ValueError(f"{kind}: asked must not be negative, got {own['_asked']}")
        take = super().read_state({k: v for k, v in state.items() if k not in ("progress", "asked")})

        def take_over() -> None:
            take()
            self.__dict__.update(own or {"_progress": np.zeros(0), "_asked": 0})

        return take_over


def _progress(entry: Any) -> Array:
    """``info["progress"]``, one number a row, as ``(R,)``."""
    return reals("progress", entry).astype(np.float64).reshape(len(entry))
