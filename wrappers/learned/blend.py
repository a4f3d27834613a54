"""A reward that is blended from the given one, an auxiliary one, and something new, by weights that were learned.

(1) r = f(s, a) + c r_p + w(s, a) r_a

r_p is the reward that the environment pays and r_a the auxiliary one of ``info["aux"]``; f and w may be missing, be
functions of the state, or of state and action. As a single number for all states w may also share with r_p:

(2) r = (1 - m) r_p + m r_a

f and w are linear in features of the observation (:mod:`payoff.wrappers.learned.basis`), or the outputs of a small
network of these. All their numbers are one vector phi, so that a gradient is one as well. At first f is 0 and w is 1.

Whatever is blended, optimal policies may change: that is the point of it. What is paid is true to (1) and not to the
designer's aim, so a learned blend is judged by what it does to the payoff.

Sources: (1) with c = 1 is BARFI's (Gupta et al., NeurIPS 2023), with f alone LIRPG's (Zheng, Oh and Singh, NeurIPS
2018), with w alone that of BiPaRS (Hu et al., NeurIPS 2020); (2) is a weight as in AMFT. unverified: the papers' texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from payoff.envs.core.params import check_flag, check_integer, check_number, check_word
from payoff.wrappers.arguments import check_mapping, check_sequence, state_array
from payoff.wrappers.base import Transition
from payoff.wrappers.learned.basis import Basis, saved_basis
from payoff.wrappers.learned.frozen import LearnedReward
from payoff.wrappers.rows import Array

__all__ = ["BlendForm", "RewardBlend", "head", "head_size", "head_start", "layers"]

Of: TypeAlias = Literal["none", "state", "action"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlendForm:
    """What a blend consists of.

    Attributes:
        inputs: F, features of an observation.
        actions: A, number of integer actions.
        own: f of equation (1): ``"none"``, of the ``"state"``, or of state and ``"action"``.
        aux: w of equation (1) likewise, or ``"share"`` for m of (2).
        primary: c.
        learn_gamma: whether the discount that goes with the reward is learned.
        hidden: widths of the network; none: linear.

    Raises:
        ValueError: a field is out of its range, or there is nothing to learn.
    """

    inputs: int
    actions: int
    own: Of = "state"
    aux: Of | Literal["share"] = "state"
    primary: float = 1.0
    learn_gamma: bool = False
    hidden: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check the fields (ValueError)."""
        check_integer("inputs", self.inputs, 1)
        check_integer("actions", self.actions, 1)
        check_word("own", self.own, ("none", "state", "action"))
        check_word("aux", self.aux, ("none", "state", "action", "share"))
        check_number("primary", self.primary, -np.inf)
        check_flag("learn_gamma", self.learn_gamma)
        check_sequence("hidden", self.hidden, "whole numbers")
        for width in self.hidden:
            check_integer("hidden", width, 1)

    @property
    def widths(self) -> tuple[int, int]:
        """Outputs that are f, and that are w."""
        many = {"none": 0, "share": 0, "state": 1, "action": self.actions}
        return many[self.own], many[self.aux]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the layers of the head, inputs first."""
        return (self.inputs, *self.hidden, sum(self.widths))

    @property
    def size(self) -> int:
        """Q, of phi: the head's weights, then the logit of m, then that of the discount, where these are learned."""
        return head_size(self.sizes) + (self.aux == "share") + self.learn_gamma

    def start(self, rng: np.random.Generator, *, gamma: float = 0.99, share: float = 0.5) -> Array:
        """Phi ``(Q,)`` at first: f = 0, w = 1, m = ``share``, the discount ``gamma``."""
        head = head_start(self.sizes, rng)
        own, aux = self.widths
        if aux:
            layers(head, self.sizes)[-1][-1, own:] = 1.0
        logits = ([share] if self.aux == "share" else []) + ([gamma] if self.learn_gamma else [])
        return np.concatenate([head, [np.log(x / (1.0 - x)) for x in logits]])


def head_size(sizes: Sequence[int]) -> int:
    """How many weights a head has; sizes are those of its layers, inputs first."""
    return sum((n + (at > 0)) * m for at, (n, m) in enumerate(pairwise(sizes)))


def head_start(sizes: Sequence[int], rng: np.random.Generator) -> Array:
    """Weights of a head whose outputs are 0; those of hidden layers keep the size of what goes through them."""
    parts = []
    for at, (n, m) in enumerate(pairwise(sizes)):
        rows, last = n + (at > 0), at == len(sizes) - 2
        parts.append(np.zeros(rows * m) if last else rng.normal(size=rows * m) / np.sqrt(rows))
    return np.concatenate(parts)


def layers(flat: Any, sizes: Sequence[int]) -> list[Any]:
    """Matrices of a head, views of a vector that begins with its weights: numpy's or torch's.

    The features end with 1; hidden layers get a 1 as their last input, so each has a bias in its last row.
    """
    found, at = [], 0
    for place, (n, m) in enumerate(pairwise(sizes)):
        rows = n + (place > 0)
        found.append(flat[at : at + rows * m].reshape(rows, m))
        at += rows * m
    return found


def head(flat: Array, sizes: Sequence[int], features: Array) -> Array:
    """Outputs ``(..., n)`` of features ``(..., F)`` that end with 1."""
    *hidden, last = layers(flat, sizes)
    for matrix in hidden:
        bent = np.tanh(features @ matrix)
        features = np.concatenate([bent, np.ones((*bent.shape[:-1], 1))], axis=-1)
    out: Array = features @ last
    return out


class RewardBlend(LearnedReward):
    """Equation (1) or (2), with what was learned.

    Args:
        form: what it consists of.
        basis: features of an observation.
        phi: ``(Q,)`` the numbers.
        gamma: discount of whoever was trained along with it, where that was not learned.

    Attributes:
        gamma: discount that belongs to the reward: a learner under another one may be led elsewhere.

    Raises:
        ValueError: phi does not fit.
    """

    def __init__(self, form: BlendForm, basis: Basis, phi: Array, *, gamma: float) -> None:
        if basis.size != form.inputs:
            raise ValueError(f"the basis must have {form.inputs} features, got {basis.size}")
        check_number("gamma", gamma, 0.0, 1.0)
        self.form, self.basis = form, basis
        if np.shape(phi) != (form.size,):
            raise ValueError(f"phi must have shape ({form.size},), got {np.shape(phi)}")
        self.phi = state_array("RewardBlend", "phi", phi, np.zeros(form.size))
        self.gamma = float(_logistic(self.phi[-1])) if form.learn_gamma else gamma

    def parts(self, obs: Array, action: Array) -> tuple[Array, Array]:
        """What f adds, and the weight w of the auxiliary reward.

        Args:
            obs: ``(R, ...)``.
            action: ``(R,)`` or ``(R, 1)`` whole numbers.

        Returns:
            ``(R,)`` each; 0 where there is none.

        Raises:
            ValueError: observations of another size, or an action outside 0 .. A - 1.
        """
        rows = len(obs)
        seen = np.asarray(obs, dtype=np.float64).reshape(rows, -1)
        if seen.shape[1] != self.basis.low.size:
            raise ValueError(f"observations must be {self.basis.low.size} numbers, got {seen.shape[1]}")
        chosen = np.asarray(action).reshape(rows, -1)
        if chosen.shape[1] != 1 or not np.isin(chosen, np.arange(self.form.actions)).all():
            raise ValueError(f"actions must be whole numbers in 0 .. {self.form.actions - 1}, got {chosen.tolist()}")
        out = head(self.phi, self.form.sizes, self.basis(seen))
        own, aux = self.form.widths
        taken = chosen[:, 0].astype(np.int64)
        found = []
        for block in (out[:, :own], out[:, own : own + aux]):
            width = block.shape[1]
            found.append(np.zeros(rows) if not width else block[np.arange(rows), taken if width > 1 else 0])
        return found[0], found[1]

    def __call__(self, t: Transition) -> Array:
        """New rewards ``(R,)``."""
        rows, active = len(t.reward), t.active[:, None]  # rows that are not hold placeholders, which may be anything
        obs, action = np.asarray(t.obs).reshape(rows, -1), np.asarray(t.action).reshape(rows, -1)
        own, weight = self.parts(np.where(active, obs, 0.0), np.where(active, action, 0))
        if self.form.aux == "none":
            return own + self.form.primary * t.reward
        aux = np.where(t.active, np.asarray(t.info["aux"], dtype=np.float64).reshape(-1), 0.0)
        if self.form.aux == "share":
            m = _logistic(self.phi[-1 - self.form.learn_gamma])
            return own + (1.0 - m) * t.reward + m * aux
        blended: Array = own + self.form.primary * t.reward + weight * aux
        return blended

    def settings(self) -> dict[str, Any]:
        """See :class:`LearnedReward`."""
        return {"form": asdict(self.form), "order": self.basis.order, "gamma": self.gamma}

    def arrays(self) -> dict[str, Array]:
        """See :class:`LearnedReward`."""
        return {"phi": self.phi.copy(), "low": self.basis.low, "high": self.basis.high}

    @classmethod
    def build(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """See :class:`LearnedReward`."""
        given = settings["form"]
        check_mapping("form", given, "settings")
        check_sequence("hidden", given["hidden"], "whole numbers")
        form = BlendForm(**{**given, "hidden": tuple(given["hidden"])})
        return cls(form, saved_basis(settings, arrays), arrays["phi"], gamma=settings["gamma"])


def _logistic(x: float) -> float:
    return float(0.5 + 0.5 * np.tanh(0.5 * x))  # the same, without an overflow
