"""Information gain: a step is paid what it adds to the probability of the truth.

With b_t the probability that the exact belief after step t gives to what is hidden and true, b_{-1} that of the start:

(1) log form:   r'_t = log b_t - log b_{t-1},  in all log(b_T / b_{-1})
(2) prob form:  r'_t = b_t - b_{t-1},          in all b_T - b_{-1}, at most 1

Both telescope, so a longer episode is not paid more. The expected gain in the log form, over the truth given the
belief, is the mutual information of the answer and the truth, never negative; in the prob form a step is a martingale
difference under the agent's own belief, with a positive mean under the truth. Where questions halve the possibilities,
the prob form pays late (1/8, 1/4, 1/2 of 8 hypotheses) and the log form evenly (log 2 each).

The truth is known to the environment only, so this is a training signal and never an observation. Being a difference of
a potential (log b, or b) without a discount, it is potential-based only for learners with ``gamma=1``.

Sources: IGPO (arXiv 2510.14967), which pays the prob form with a language model's own probability of the right answer;
the exact belief in its place, and the statements about expectations, are derived.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np

from payoff.envs import registry
from payoff.envs.core.params import check_flag, check_number, check_word
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.rows import Array

__all__ = ["InformationGain", "TruthProbability", "truth_probability"]

TruthProbability: TypeAlias = Callable[[Array], Array]


class InformationGain(RewardTransform):
    """Adds (1) or (2) to the rewards, or pays it instead of them.

    Args:
        probability: of the truth: a function from state rows ``(R, S)`` to ``(R,)`` (see :func:`truth_probability`), or
            the name of an entry of ``info``, one number a step, which the environment gives on reset as well.
        form: ``"log"``, equation (1), or ``"prob"``, equation (2).
        coef: factor on it, at least 0.
        keep: add it to the given rewards; False pays it alone.

    Raises:
        TypeError: ``probability`` is neither a function nor a name.
        ValueError: another argument is out of its range.
    """

    def __init__(
        self,
        probability: str | TruthProbability,
        *,
        form: Literal["log", "prob"] = "log",
        coef: float = 1.0,
        keep: bool = True,
    ) -> None:
        if not isinstance(probability, str) and not callable(probability):
            raise TypeError(f"probability must be a function of state rows or an info key, got {probability!r}")
        check_word("form", form, ("log", "prob"))
        check_number("coef", coef, 0.0)
        check_flag("keep", keep)
        self.probability, self.form, self.coef, self.keep = probability, form, coef, keep
        self.needs = (probability,) if isinstance(probability, str) else ("state",)

    def gains(self, batch: EpisodeBatch) -> Array:
        """(1) or (2), ``(T, B)``, 0 where not valid.

        Raises:
            KeyError: the reset did not tell the entry.
            ValueError: what was read is no probability of something true, in (0, 1], one a step.
        """
        (name,) = self.needs
        if name not in batch.start:
            raise KeyError(f"InformationGain needs {name!r} at the start of the episodes as well")
        path = np.concatenate([np.asarray(batch.start[name])[None], batch.info[name]])
        known = np.concatenate([np.ones_like(batch.valid[:1]), batch.valid])
        rows = path[known]
        b = np.asarray(rows if isinstance(self.probability, str) else self.probability(rows), dtype=np.float64)
        if b.shape != (int(known.sum()),):
            raise ValueError(f"probability must be one number a step, ({int(known.sum())},), got {b.shape}")
        bad = ~((b > 0.0) & (b <= 1.0 + 1e-9))
        if bad.any():
            raise ValueError(f"the probability of the truth must be in (0, 1], got {b[bad][0]}")
        level = np.zeros(known.shape)
        level[known] = np.log(b) if self.form == "log" else b
        return np.where(batch.valid, np.diff(level, axis=0), 0.0)

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """Gains, with the given rewards where they are kept."""
        gains: Array = self.coef * self.gains(batch)
        return batch.paid + gains if self.keep else gains


def truth_probability(env_id: str, **parameters: Any) -> TruthProbability:
    """Probability that the exact belief gives to the truth, of state rows of a game that has one.

    Args:
        env_id: ``payoff/TwentyQuestions-v0``, ``payoff/NoisyTesting-v0`` (both: the hidden hypothesis) or
            ``payoff/Minesweeper-v0`` (the layout of mines; all that fit are equally likely).
        **parameters: the game's keywords, the same as the environment's.

    Raises:
        ValueError: another game, or a keyword out of its range.
        TypeError: an unknown keyword.
    """
    kinds = {
        "payoff/TwentyQuestions-v0": _of_hypotheses,
        "payoff/NoisyTesting-v0": _of_hypotheses,
        "payoff/Minesweeper-v0": _of_layouts,
    }
    check_word("env_id", env_id, kinds)
    game = registry.load(env_id)
    return kinds[env_id](env_id, game.params.from_keywords(env_id, parameters))


def _of_hypotheses(env_id: str, params: Any) -> TruthProbability:
    from payoff.envs.sparse import noisy_testing, twenty_questions

    belief: Any = (twenty_questions if "Twenty" in env_id else noisy_testing).belief
    layout = registry.load(env_id).shape(params).layout

    def probability(rows: Array) -> Array:
        return np.array([belief(params, *state)[int(state[0].truth)] for state in map(layout.open, rows)])

    return probability


def _of_layouts(env_id: str, params: Any) -> TruthProbability:
    from payoff.envs.sparse.minesweeper import fitting

    layout = registry.load(env_id).shape(params).layout

    def probability(rows: Array) -> Array:
        return np.array([1.0 / fitting(params, *layout.open(row)) for row in rows])

    return probability
