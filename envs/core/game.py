"""What a game is: data and compiled functions, with no API in it.

A game module writes three row functions and the loop that strings them together; the loop is the same for every game,
but numba caches a function on disk only when everything it calls is known at the top level of a module::

    @jit
    def transition(params, wiring, state, buffers, obs):
        bad = loop.begin(wiring, state, buffers)  # all copies checked before one changes
        if bad != loop.FINE:
            return bad
        for b in range(state.shape[0]):
            if loop.restarts(state[b]):
                reset_row(params, b, state[b])
            else:
                buffers[3][b, 0] = step_row(params, b, state[b], buffers[1][b], buffers[2][b])
        loop.finish(wiring, state, buffers)
        for b in range(state.shape[0]):
            if loop.ends(wiring, b, state[b], buffers):
                reset_row(params, b, state[b])
            observe_row(params, wiring, b, state[b], obs[b])
        return loop.FINE
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from payoff.envs.core.params import Params
from payoff.envs.core.state import Array, Layout

__all__ = ["TABLE", "Episode", "Game", "Kernels", "ObservationPlan", "Readout", "Shape", "paid"]

P = TypeVar("P", bound=Params)

TABLE = np.dtype([("column", np.int64), ("scale", np.float64), ("offset", np.float64)])


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes that a game's parameters decide.

    Attributes:
        n_agents: number of seats N.
        action_size: numbers a seat chooses per step, A.
        n_actions: number of integer actions, or None when actions are continuous.
        layout: columns of a state row.
        max_steps: steps after which an episode is truncated.
    """

    n_agents: int
    action_size: int
    n_actions: int | None
    layout: Layout
    max_steps: int


@dataclass(frozen=True, slots=True)
class ObservationPlan:
    """How one observation setting reads the state.

    Attributes:
        table: what the game's ``observe_row`` needs, any structured or plain array.
        names: one name per entry of a seat's observation, ``len(names) == O``.
        sees_actions: whether a seat sees what the others did (decides what AEC reveals).
        low: ``(O,)`` float32 lower bounds of the entries; None: 0.
        high: ``(O,)`` float32 upper bounds; None: 1.
    """

    table: Array
    names: tuple[str, ...]
    sees_actions: bool
    low: Array | None = None
    high: Array | None = None

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Lower and upper bounds of the entries, ``(O,)`` float32 each; fresh arrays."""
        size = len(self.names)
        low = np.zeros(size, np.float32) if self.low is None else self.low.copy()
        return low, np.ones(size, np.float32) if self.high is None else self.high.copy()


@dataclass(frozen=True, slots=True)
class Readout:
    """One entry of ``info`` that is worked out on demand.

    Attributes:
        name: key in ``info``.
        per_agent: True for one number a seat, False for one a copy.
        size: length of an entry that is a list, such as ``checks``; None for a number.
        flag: the entry is one of booleans.
    """

    name: str
    per_agent: bool
    size: int | None = None
    flag: bool = False

    def width(self, n_agents: int) -> int:
        """Numbers that the kernel writes for it."""
        return n_agents if self.per_agent else 1 if self.size is None else self.size


@dataclass(frozen=True, slots=True)
class Episode:
    """A finished episode, as ``success`` judges it.

    Attributes:
        payoff: ``(T, N)`` payoffs of its steps.
        last: ``(S,)`` state row at its end.
        terminated: whether the game ended it; False: the horizon did.
    """

    payoff: Array
    last: Array
    terminated: bool


def paid(params: Any, episode: Episode) -> bool:
    """The usual ``success`` of a sparse game: something above 0 was paid."""
    return bool((episode.payoff > 0.0).any())


@dataclass(frozen=True, slots=True)
class Kernels:
    """Compiled functions over a batch; all work in place and allocate nothing.

    Attributes:
        start: ``(params, wiring, state, mask, obs)``: restart the masked copies, observe all.
        transition: ``(params, wiring, state, buffers, obs) -> int``: one step of every copy.
        look: ``(params, wiring, state, obs)``: observe without stepping.
        read: ``(params, wiring, state, out)``: fill ``out`` ``(B, K)`` with the readouts, in order.
    """

    start: Callable[..., None]
    transition: Callable[..., int]
    look: Callable[..., None]
    read: Callable[..., None]


@dataclass(frozen=True)
class Game(Generic[P]):
    """A game: dynamics and payoffs, and the facts that views need about them.

    Attributes:
        id: ``payoff/Name-vN``.
        params: the parameter dataclass; its fields are the game's keywords.
        doc: the documentation page (docstring of the game's module).
        kernels: compiled functions.
        shape: sizes for given parameters.
        pack: parameter rows -> tuple of arrays with leading axis P.
        bounds: native action bounds ``(N, A, 2)``.
        baseline: trust-neutral actions ``(N,)``.
        dependence: matrix D ``(N, N)`` of the reward layers, zero diagonal.
        plan: (parameter rows, seats looked at, setting) -> observation plan.
        observations: names of the observation settings.
        fields: state field -> key of ``info``.
        flag_fields: those of ``fields`` that are booleans.
        readouts: further entries of ``info``, worked out when ``info="full"``.
        more_info: further entries of ``info`` under ``info="published"``: (parameter rows, state ``(B, S)``) -> name ->
            array, batch first; None where there are none.
        captions: texts of ``info["caption"]``, indexed by the readout "caption".
        default_reward: reward layer when the user names none.
        default_actions: how actions are written when the user does not say.
        reward_names: what a layer name means here, where that is not the layer of that name.
        clips_native: native actions outside the bounds are clipped, as published.
        tabular: the state without header is finite, and after the reset its dynamics draw nothing but ``chance``.
        chance: probabilities of the outcomes of :func:`payoff.envs.core.chance.outcome`, the same in every state; None
            for a game that draws nothing after the reset.
        frame: draws a state row as an RGB picture: ``(params, row, shape) -> (H, W, 3)`` uint8.
        noisy: an episode's return is not certain even under the optimal policy, and not by ``chance``: steps draw other
            random numbers, or the seat does not see what the reset drew. The optimum is then an expectation.
        optimum: ``(params, row) -> (return, steps)``: best expected return from that state within the horizon, and the
            least number of steps to a payment above 0; None where not known.
        optimum_kind: how the optimum is known: ``"exact"``, ``"exact_small"`` (exact for small sizes, an exact oracle
            for actions elsewhere) or ``"reference"`` (scripted solution and a proven upper bound).
        bound: proven upper bound of the return for given parameters, where ``optimum_kind`` is ``"reference"``.
        policy: ``(params, row) -> (A,)``: native action of the policy that attains the optimum (of the reference).
        success: whether an episode solved the problem: ``(params, episode)``.
        success_by_step: an episode is a success if and only if one of its steps is, judged as an episode of that step
            alone. Its chance can then be computed exactly where the game is tabular.
        levels: difficulty -> keywords, easiest first; ``"hard"`` is where undirected search fails.
    """

    id: str
    params: type[P]
    doc: str
    kernels: Kernels
    shape: Callable[[P], Shape]
    pack: Callable[[Sequence[P]], tuple[Array, ...]]
    bounds: Callable[[P], Array]
    baseline: Callable[[P], Array]
    dependence: Callable[[P], Array]
    plan: Callable[[Sequence[P], Sequence[int], Any], ObservationPlan]
    frame: Callable[[P, Array, Shape], Array]
    observations: tuple[str, ...] = ("full", "private", "minimal")
    fields: Mapping[str, str] = field(default_factory=dict)
    flag_fields: tuple[str, ...] = ()
    readouts: tuple[Readout, ...] = ()
    more_info: Callable[[Sequence[P], Array], dict[str, Array]] | None = None
    captions: tuple[str, ...] = ()
    default_reward: str = "private"
    default_actions: str = "native"
    reward_names: Mapping[str, str] = field(default_factory=dict)
    clips_native: bool = False
    tabular: bool = False
    chance: Callable[[P], Array] | None = None
    noisy: bool = False
    optimum: Callable[[P, Array], tuple[float, int]] | None = None
    optimum_kind: Literal["exact", "exact_small", "reference"] | None = None
    bound: Callable[[P], float] | None = None
    policy: Callable[[P, Array], Array] | None = None
    success: Callable[[P, Episode], bool] | None = None
    success_by_step: bool = False
    levels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
