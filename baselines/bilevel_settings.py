"""Settings of :mod:`payoff.baselines.bilevel`, and what its methods mean in terms of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from payoff.baselines.training import RunArgs
from payoff.envs.core.params import check_integer, check_number, check_word

__all__ = ["METHODS", "Args"]

Method: TypeAlias = Literal[
    "reinforce", "sum", "barfi", "lirpg", "bipars_mgl", "bipars_imgl", "bipars_em", "meta_weight"
]

_ON_POLICY = {"source": "latest", "warm_up": 0, "first_steps": 0, "inner_steps": 1, "learn_gamma": False}
_SHAPED = {"own": "none", "aux": "action", "primary": 1.0, **_ON_POLICY}
# what a method means, each of which a setting of the same name overrides
METHODS: dict[str, dict[str, Any]] = {
    "reinforce": {"own": "none", "aux": "none", "primary": 1.0, "estimator": "none", **_ON_POLICY},
    "sum": {"own": "none", "aux": "state", "primary": 1.0, "estimator": "none", **_ON_POLICY},
    "barfi": {
        **{"own": "state", "aux": "state", "primary": 1.0, "learn_gamma": True, "estimator": "neumann"},
        **{"source": "buffer", "warm_up": 155, "first_steps": 150, "inner_steps": 15},
    },
    "lirpg": {"own": "action", "aux": "none", "primary": 1.0, "estimator": "first_order", **_ON_POLICY},
    "bipars_mgl": {"estimator": "first_order", **_SHAPED},
    "bipars_imgl": {"estimator": "forward", **_SHAPED},
    "bipars_em": {"estimator": "input", **_SHAPED},
    "meta_weight": {"own": "none", "aux": "share", "primary": 1.0, "estimator": "first_order", **_ON_POLICY},
}


@dataclass(frozen=True, kw_only=True)
class Args(RunArgs):
    """Settings of bi-level reward learning; those that are None are the method's (:data:`METHODS`)."""

    on_truncation: ClassVar[Literal["terminal"]] = "terminal"  # nothing is bootstrapped: an end is an end

    env_id: str = "payoff/GridNav-v0"
    """environment with a Box to observe and Discrete actions"""
    method: Method = "barfi"
    """what is learned, and how"""
    total_steps: int = 100_000
    """environment steps, after which no episode begins"""
    episodes: int | None = None
    """episodes, after which it ends as well; no such limit when left out"""
    num_steps: int | None = None
    """T, no episode may be longer; the environment's own limit when left out"""
    gamma: float = 0.99
    """discount of what the designer wants, and of the learner where that is not learned"""
    features: Literal["fourier", "numbers"] = "fourier"
    """of an observation: a Fourier basis, which needs bounds, or its numbers as they are"""
    order: int = 3
    """of the Fourier basis"""
    hidden: tuple[int, ...] = ()
    """widths of the policy's network; none: linear in the features"""
    reward_hidden: tuple[int, ...] = ()
    """widths of the reward's network, likewise"""
    episodes_per_update: int = 3
    """episodes that are played at once, between updates"""
    learning_rate: float = 0.005
    """of the policy"""
    ent_coef: float = 0.25
    """weight of the entropy bonus"""
    reward_learning_rate: float = 0.005
    """of the reward"""
    gamma_learning_rate: float = 0.005
    """of the learned discount, on the scale of its logit"""
    reward_penalty: float = 0.0
    """weight of half the square of the reward's numbers"""
    gamma_penalty: float = 1.0
    """weight of half the square of the learned discount"""
    neumann_steps: int = 5
    """K of the Neumann series, or conjugate gradient steps"""
    neumann_rate: float = 5e-4
    """step size of the Neumann series"""
    damping: float = 0.1
    """added to the curvature before conjugate gradients"""
    batch_episodes: int = 1
    """episodes of an inner step that draws from the buffer"""
    curvature_episodes: int = 15
    """episodes at which the answer of the learner is estimated, drawn from the buffer"""
    buffer_episodes: int = 1000
    """episodes that are kept; the oldest go first"""
    own: Literal["none", "state", "action"] | None = None
    """f, what is added to the reward: a function of the state, or of state and action"""
    aux: Literal["none", "state", "action", "share"] | None = None
    """w, weight of the auxiliary reward; share: one number m, r_p having 1 - m"""
    primary: float | None = None
    """c, weight of r_p"""
    learn_gamma: bool | None = None
    """whether the learner's discount is learned"""
    estimator: Literal["none", "neumann", "conjugate", "first_order", "forward", "input"] | None = None
    """how the learner's answer is estimated; none: the reward stays as it begins"""
    source: Literal["latest", "buffer"] | None = None
    """episodes of an inner step: those just played, or uniform draws from the buffer"""
    warm_up: int | None = None
    """episodes before the reward begins to be learned"""
    first_steps: int | None = None
    """inner steps at the end of the warm-up"""
    inner_steps: int | None = None
    """inner steps of an update"""
    checkpoint_every: int = 20
    """updates between checkpoints"""
    torch_threads: int = 1
    """threads that torch may use"""

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        super().__post_init__()
        check_word("method", self.method, METHODS)
        for name in ("episodes", "num_steps"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1)
        counts = ("episodes_per_update", "batch_episodes", "curvature_episodes", "checkpoint_every", "torch_threads")
        for name in counts:
            check_integer(name, getattr(self, name), 1)
        check_integer("buffer_episodes", self.buffer_episodes, self.episodes_per_update)
        check_integer("order", self.order, 0)
        check_integer("neumann_steps", self.neumann_steps, 0)
        check_word("features", self.features, ("fourier", "numbers"))
        for name in ("hidden", "reward_hidden"):
            for width in getattr(self, name):
                check_integer(name, width, 1)
        check_number("gamma", self.gamma, 0.0, 1.0)
        for name in ("learning_rate", "reward_learning_rate", "gamma_learning_rate", "neumann_rate"):
            check_number(name, getattr(self, name), 0.0, open_low=True)
        for name in ("ent_coef", "reward_penalty", "gamma_penalty", "damping"):
            check_number(name, getattr(self, name), 0.0)
        full = self.resolved()
        for name, known in _WORDS.items():
            check_word(name, getattr(full, name), known)
        for name in ("warm_up", "first_steps"):
            check_integer(name, getattr(full, name), 0)
        check_integer("inner_steps", full.inner_steps, 1)
        if full.learn_gamma and not 0.0 < self.gamma < 1.0:
            raise ValueError(f"gamma must be between 0 and 1 where it is learned from there, got {self.gamma}")
        if full.estimator == "input" and full.aux != "action":
            raise ValueError(f"estimator='input' feeds w(s, a) to the policy: aux must be 'action', got {full.aux!r}")
        if full.estimator == "conjugate" and self.neumann_steps < 1:
            raise ValueError("neumann_steps must be at least 1 for conjugate gradients, got 0")
        if full.estimator != "none" and full.own == full.aux == "none" and not full.learn_gamma:
            raise ValueError(f"method {self.method} has nothing to learn: own and aux are none")

    def resolved(self) -> Args:
        """The same with the method's settings filled in."""
        left = {name: value for name, value in METHODS[self.method].items() if getattr(self, name) is None}
        return self if not left else _bare_replace(self, left)


_WORDS = {
    "own": ("none", "state", "action"),
    "aux": ("none", "state", "action", "share"),
    "estimator": ("none", "neumann", "conjugate", "first_order", "forward", "input"),
    "source": ("latest", "buffer"),
}


def _bare_replace(args: Args, changes: Mapping[str, Any]) -> Args:
    """:func:`dataclasses.replace` without the checks, which would go round in circles."""
    other = object.__new__(type(args))
    for name, value in {**vars(args), **changes}.items():
        object.__setattr__(other, name, value)
    return other
