"""Bifurcation: one fork of a long corridor decides what is paid at its end; other forks look alike and decide nothing.

## Model
T = `length` steps along a corridor with `forks` forks, fork k at step floor((2 k + 1) T / (2 forks)). At every fork the
seat enters the lane of its action, which it leaves at the next fork; fork number `decisive` also settles the branch:
the good one for action `answer`, else the bad one. With probability `slip` a uniformly drawn action replaces the chosen
one. Between forks every action does the same.

1. the last step pays 1 in the good branch and 0 in the bad one,
2. and there, plus or minus `noise`, a fair coin.

The coin does not depend on what was done: it changes the variance of the return and no advantage. This is a controlled
test of credit assignment, built after the idea of such tasks in surveys of the subject; no published environment is
followed.

## Players and actions
One seat, `choices` actions.

## Observations
- `full`: the step, the lane (none first) and the branch (undecided, good, bad), one-hot each.
- `private`: the same without the branch: right after the decisive fork the lane tells it, after the next fork nothing
  does.
- `minimal`: the same as `private`, as numbers.

## Rewards
Payoffs as above.

## Starting state
Step 0, no lane, branch undecided, always.

## Episode end
Terminated after T steps, truncated after `max_steps`; these are the same by default, and then both flags are set.

## Theory
The best return is 1 - s + s / A, with s = `slip` and A = `choices`: choosing the answer at the decisive fork, whatever
else. Uniformly random play is in the good branch with probability 1 / A, so the problem is not to find the reward but
to see what it is due to. `decisive_step` in `info` says on which step that is settled, in every state.

`payoff.envs.sparse.bifurcation.advantages` gives the exact advantages of all actions in all states, of the best policy
or of a given one, to measure credit assignment against. A policy that plays the answer at the fork with probability p
has

(1) A(answer) = (1 - s) (1 - p),  A(other) = -(1 - s) p

there, and 0 everywhere else. An episode is a success when it ends in the good branch.

## Parameters
`length` 32, T; `forks` 4; `decisive` 1, number of the fork that counts, from 0; `answer` 1, action; `choices` 2, number
of actions, A; `slip` 0.0; `noise` 0.0; `max_steps` None, which is T.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from payoff.envs.core import chance, loop
from payoff.envs.core.game import Episode, Game, Kernels, Readout, Shape
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import CLOCK, OVER, Array, Layout
from payoff.envs.sparse import discrete
from payoff.envs.sparse.discrete import Observe, Symbol

__all__ = ["SETTINGS", "V0", "BifurcationParams", "Observe", "advantages", "state_index"]

SETTINGS = {
    "full": Observe(),
    "private": Observe(hide=("branch",)),
    "minimal": Observe(encoding="scaled", hide=("branch",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BifurcationParams(Params):
    """Keywords of Bifurcation-v0."""

    length: int = 32  # steps, T
    forks: int = 4  # forks, the decisive one included
    decisive: int = 1  # number of the fork that counts, from 0
    answer: int = 1  # action that is right there
    choices: int = 2  # number of actions, A
    slip: float = 0.0  # probability that a uniformly drawn action replaces the chosen one, s
    noise: float = 0.0  # size of the coin that is added to the payment
    max_steps: int | None = None  # horizon, steps; None: T

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("length", self.length, 1, 10_000)
        check_integer("forks", self.forks, 1, self.length)
        check_integer("decisive", self.decisive, 0, self.forks - 1)
        check_integer("choices", self.choices, 2, 100)
        check_integer("answer", self.answer, 0, self.choices - 1)
        check_number("slip", self.slip, 0.0, 1.0)
        check_number("noise", self.noise, 0.0)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.length if self.max_steps is None else self.max_steps

    @property
    def fork_steps(self) -> tuple[int, ...]:
        """Steps on which the corridor forks."""
        return tuple((2 * k + 1) * self.length // (2 * self.forks) for k in range(self.forks))

    @property
    def decisive_step(self) -> int:
        """Step of the fork that counts."""
        return self.fork_steps[self.decisive]


LAYOUT = Layout(step=(), lane=(), branch=(), event=(), **{chance.FORCED: ()})  # the lane is 0 for none, else 1 + action
STEP, LANE, BRANCH, EVENT, FORCED = (LAYOUT.at(name) for name in ("step", "lane", "branch", "event", chance.FORCED))
UNDECIDED, GOOD, BAD = range(3)
CAPTIONS = (
    "the episode began",
    "walked on",
    "took a fork that decides nothing",
    "took the good branch",
    "took the bad branch",
    "arrived in the good branch",
    "arrived in the bad branch",
)
BEGAN, WALKED, FORKED, TOOK_GOOD, TOOK_BAD, ARRIVED_GOOD, ARRIVED_BAD = range(7)
NUMBERS = np.dtype([(name, np.int64) for name in ("length", "decisive_step", "answer")] + [("noise", np.float64)])


@jit
def step_row(params, b, row, action, work):
    """One step of one copy: whether it is over.

    ``params``: NUMBERS ``(P,)``, outcomes ``(P, 2 (1 + A))``, whether a step is a fork ``(P, T)``.
    """
    at = loop.pick(b, params[0].shape[0])
    p = params[0][at]
    step = int(row[STEP])
    k = chance.outcome(row, FORCED, params[1][at])
    taken = int(action[0, 0]) if k < 2 else k // 2 - 1
    row[EVENT] = WALKED
    if params[2][at, step] != 0:
        row[LANE] = 1 + taken
        row[EVENT] = FORKED
        if step == p.decisive_step:
            row[BRANCH] = GOOD if taken == p.answer else BAD
            row[EVENT] = TOOK_GOOD if taken == p.answer else TOOK_BAD
    row[STEP] = step + 1
    over = step + 1 == p.length
    work[loop.BASE, 0] = 0.0
    if over:
        good = row[BRANCH] == GOOD
        work[loop.BASE, 0] = (1.0 if good else 0.0) + p.noise * (1.0 - 2.0 * (k % 2))  # 1, 2
        row[EVENT] = ARRIVED_GOOD if good else ARRIVED_BAD
    return over


@jit
def reset_row(params, b, row):
    """Start an episode."""
    row[STEP], row[LANE], row[BRANCH] = 0.0, 0.0, UNDECIDED
    row[EVENT], row[FORCED] = BEGAN, 0.0


@jit
def transition(params, wiring, state, buffers, obs):
    """One step of every copy; see :mod:`payoff.envs.core.game`."""
    bad = loop.begin(wiring, state, buffers)
    if bad != loop.FINE:
        return bad
    _, action, work, flags, _ = buffers
    for b in range(state.shape[0]):
        if loop.restarts(state[b]):
            reset_row(params, b, state[b])
        else:
            flags[b, 0] = step_row(params, b, state[b], action[b], work[b])
    loop.finish(wiring, state, buffers)
    for b in range(state.shape[0]):
        if loop.ends(wiring, b, state[b], buffers):
            reset_row(params, b, state[b])
        discrete.observe_row(wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(params, b, state[b])
        discrete.observe_row(wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        discrete.observe_row(wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 2)``: step of the decisive fork, caption."""
    for b in range(state.shape[0]):
        out[b, 0] = params[0][loop.pick(b, params[0].shape[0])].decisive_step
        out[b, 1] = state[b, EVENT]


def outcomes(params: BifurcationParams) -> Array:
    """Probabilities ``(2 (1 + A),)``: no slip or the action that replaces the chosen one, each with either coin."""
    return np.repeat(discrete.slip_probabilities(params.slip, params.choices, whole=True), 2) / 2.0


def pack(rows: Sequence[BifurcationParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them.

    Raises:
        ValueError: copies of a batch with different numbers of actions.
    """
    if len({p.choices for p in rows}) > 1:
        raise ValueError(f"choices must be the same in all copies of a batch, got {sorted({p.choices for p in rows})}")
    forks = np.zeros((len(rows), max(p.length for p in rows)), dtype=np.int64)
    for b, p in enumerate(rows):
        forks[b, list(p.fork_steps)] = 1
    numbers = [(p.length, p.decisive_step, p.answer, p.noise) for p in rows]
    return np.array(numbers, dtype=NUMBERS), np.array([outcomes(p) for p in rows]), forks


def state_index(params: BifurcationParams, row: Array) -> int:
    """Number of a state row in :func:`advantages`: ``(step (1 + A) + lane) 3 + branch``.

    Raises:
        ValueError: the episode is over, so there is nothing to choose.
    """
    step, lane, branch = (int(row[at]) for at in (STEP, LANE, BRANCH))
    if step >= params.length:
        raise ValueError(f"row must be a state of a running episode, got step {step} of {params.length}")
    return (step * (1 + params.choices) + lane) * 3 + branch


def advantages(params: BifurcationParams, policy: Array | None = None) -> Array:
    """Exact advantages Q - V of every action in every state, undiscounted, by dynamic programming from the end.

    Args:
        params: parameters.
        policy: ``(S, A)`` probabilities of the policy that is followed; None for the best one.

    Returns:
        ``(S, A)``, S = 3 T (1 + A); :func:`state_index` numbers the states. Combinations of step, lane
        and branch that no episode meets have theirs too.

    Raises:
        ValueError: a policy of another shape, or whose rows are no probabilities.
    """
    n, lanes = params.choices, 1 + params.choices
    shape = (params.length, lanes, 3, n)
    if policy is not None:
        policy = np.asarray(policy, dtype=np.float64)
        if policy.shape != (params.length * lanes * 3, n):
            raise ValueError(f"policy must have shape {(params.length * lanes * 3, n)}, got {policy.shape}")
        if not (policy >= 0.0).all() or not np.allclose(policy.sum(axis=1), 1.0, rtol=0.0, atol=1e-9):
            raise ValueError("policy must hold probabilities: not negative, and each row summing to 1")
        policy = policy.reshape(shape)
    found = np.zeros(shape)
    ahead = np.tile([0.0, 1.0, 0.0], (lanes, 1))  # what is paid in the end, by lane and branch
    for step in reversed(range(params.length)):
        done = np.tile(ahead[:, :, None], n)  # of each action that takes effect
        if step in params.fork_steps:
            done = np.tile(ahead[1:].T, (lanes, 1, 1))
        if step == params.decisive_step:
            settled = np.where(np.arange(n) == params.answer, GOOD, BAD)
            done = np.tile(ahead[np.arange(n) + 1, settled], (lanes, 3, 1))
        q = (1.0 - params.slip) * done + params.slip * done.mean(axis=2, keepdims=True)
        ahead = q.max(axis=2) if policy is None else (policy[step] * q).sum(axis=2)
        found[step] = q - ahead[:, :, None]
    return found.reshape(-1, n)


def optimum(params: BifurcationParams, row: Array) -> tuple[float, int]:
    """Best expected return, and steps to the first payment above 0; 0 where the horizon ends before the corridor."""
    left = params.length - int(row[STEP])
    if row[OVER] != 0.0 or left <= 0 or left > params.horizon - row[CLOCK]:
        return 0.0, params.horizon + 1
    best = {UNDECIDED: 1.0 - params.slip + params.slip / params.choices, GOOD: 1.0, BAD: 0.0}[int(row[BRANCH])]
    return best, left if best > 0.0 or params.noise > 0.0 else params.horizon + 1


def policy(params: BifurcationParams, row: Array) -> Array:
    """The answer, at every step: ``(1,)``."""
    return np.array([float(params.answer)])


def arrived(params: BifurcationParams, episode: Episode) -> bool:
    """Whether the episode ended in the good branch."""
    return bool(episode.terminated and episode.last[BRANCH] == GOOD)


def frame(params: BifurcationParams, row: Array, shape: Shape) -> Array:
    """The corridor in lines of up to 32 steps: forks pink, the decisive one gold, seat a disc; last tile: the branch.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    n = params.length + 1
    width = min(n, 32)
    colours = np.full((-(-n // width), width, 3), discrete.WALL, dtype=np.uint8)
    cells = colours.reshape(-1, 3)
    cells[:n] = discrete.FLOOR
    cells[list(params.fork_steps)] = discrete.LURE
    cells[params.decisive_step] = discrete.KEY
    cells[n - 1] = (discrete.FLOOR, discrete.GOAL, discrete.DANGER)[int(row[BRANCH])]
    at = int(row[STEP])
    return discrete.board(colours, (at // width, at % width), marked=row[LANE] > 0.0)


def symbols(params: BifurcationParams) -> tuple[Symbol, ...]:
    """Step, lane and branch."""
    return (
        Symbol("step", STEP, params.length + 1, limit=params.length + 1),
        Symbol("lane", LANE, params.choices + 1, limit=params.choices + 1),
        Symbol("branch", BRANCH, 3, limit=3),
    )


V0: Game[BifurcationParams] = discrete.game(
    "payoff/Bifurcation-v0",
    BifurcationParams,
    __doc__,
    Kernels(start=start, transition=transition, look=look, read=read),
    layout=LAYOUT,
    n_actions=lambda p: p.choices,
    symbols=symbols,
    settings=SETTINGS,
    pack=pack,
    frame=frame,
    readouts=(Readout("decisive_step", False), Readout("caption", False)),
    captions=CAPTIONS,
    chance=lambda p: outcomes(p) if p.slip > 0.0 or p.noise > 0.0 else np.ones(1),
    optimum=optimum,
    optimum_kind="exact",
    policy=policy,
    success=arrived,
    success_by_step=True,
    levels={
        "easy": {"length": 8, "forks": 2},
        "medium": {},
        "hard": {"length": 128, "forks": 16, "decisive": 2, "choices": 4, "slip": 0.1, "noise": 1.0},
    },
)
