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

from dataclasses import dataclass

import numpy as np

from payoff.envs.core import chance
from payoff.envs.core.game import Episode, Game, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import Array, Copy, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.symbols import Observe, Symbol, symbols
from payoff.envs.sparse.boards import DANGER, FLOOR, GOAL, KEY, LURE, WALL, board

__all__ = ["SETTINGS", "V0", "BifurcationParams", "Observe", "advantages", "state_index"]

SETTINGS = {
    "full": Observe(),
    "private": Observe(hide=("branch",)),
    "minimal": Observe(encoding="scaled", hide=("branch",)),
}
BRANCH = words("undecided", "good", "bad")
EVENT = events(
    began="the episode began",
    walked="walked on",
    forked="took a fork that decides nothing",
    took_good="took the good branch",
    took_bad="took the bad branch",
    arrived_good="arrived in the good branch",
    arrived_bad="arrived in the bad branch",
)


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
        return (2 * self.decisive + 1) * self.length // (2 * self.forks)


class Bifurcation(Copy):
    """State of one corridor."""

    step: float = whole(0, lambda p: p.length)
    lane: float = whole(0, lambda p: p.choices)  # 0 for none, else 1 + action
    branch: float = whole(0, BRANCH)
    event: float = whole(0, EVENT)
    forced: float = whole(0, lambda p: 2 * (1 + p.choices))  # 0: the next step draws; k + 1: it must have outcome k


@jit
def step(p: BifurcationParams, chances: Array, s: Bifurcation, action: Array, payoff: Array) -> bool:
    """One step; the corridor ends after T."""
    at = int(s.step)
    k = chance.outcome(s, chances)
    taken = int(action[0]) if k < 2 else k // 2 - 1
    s.event = EVENT.walked
    # the forks before step t are (2 forks t + T - 1) // (2 T): does that grow from here to the next step?
    if (2 * p.forks * at + p.length - 1) % (2 * p.length) >= 2 * (p.length - p.forks):
        s.lane = 1 + taken
        s.event = EVENT.forked
        if at == p.decisive_step:
            s.branch = BRANCH.good if taken == p.answer else BRANCH.bad
            s.event = EVENT.took_good if taken == p.answer else EVENT.took_bad
    s.step = min(at + 1, p.length)
    if at + 1 < p.length:
        return False
    good = s.branch == BRANCH.good
    payoff[0] = (1.0 if good else 0.0) + p.noise * (1.0 - 2.0 * (k % 2))  # 1, 2
    s.event = EVENT.arrived_good if good else EVENT.arrived_bad
    return True


@jit
def decisive_step(p: BifurcationParams, chances: Array, s: Bifurcation) -> float:
    """Step of the fork that counts."""
    return p.decisive_step


def outcomes(params: BifurcationParams) -> Array:
    """Probabilities ``(2 (1 + A),)``: no slip or the action that replaces the chosen one, each with either coin."""
    s, n = params.slip, params.choices
    return np.repeat([1.0 - s] + [s / n] * n, 2) / 2.0


def state_index(params: BifurcationParams, s: Bifurcation) -> int:
    """Number of a state in :func:`advantages`: ``(step (1 + A) + lane) 3 + branch``.

    Raises:
        ValueError: the episode is over, so there is nothing to choose.
    """
    at, lane, branch = int(s.step), int(s.lane), int(s.branch)
    if at >= params.length:
        raise ValueError(f"s must be a state of a running episode, got step {at} of {params.length}")
    return (at * (1 + params.choices) + lane) * 3 + branch


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
            settled = np.where(np.arange(n) == params.answer, BRANCH.good, BRANCH.bad)
            done = np.tile(ahead[np.arange(n) + 1, settled], (lanes, 3, 1))
        q = (1.0 - params.slip) * done + params.slip * done.mean(axis=2, keepdims=True)
        ahead = q.max(axis=2) if policy is None else (policy[step] * q).sum(axis=2)
        found[step] = q - ahead[:, :, None]
    return found.reshape(-1, n)


def optimum(params: BifurcationParams, s: Bifurcation) -> tuple[float, int]:
    """Best expected return, and steps to the first payment above 0; 0 where the horizon ends before the corridor."""
    left = params.length - int(s.step)
    if s.over != 0.0 or left <= 0 or left > params.horizon - s.clock:
        return 0.0, params.horizon + 1
    best = (1.0 - params.slip + params.slip / params.choices, 1.0, 0.0)[int(s.branch)]
    return best, left if best > 0.0 or params.noise > 0.0 else params.horizon + 1


def policy(params: BifurcationParams, s: Bifurcation) -> int:
    """The answer, at every step."""
    return params.answer


def arrived(params: BifurcationParams, episode: Episode, s: Bifurcation) -> bool:
    """Whether the episode ended in the good branch."""
    return bool(episode.terminated and s.branch == BRANCH.good)


def draw(params: BifurcationParams, s: Bifurcation) -> Array:
    """The corridor in lines of up to 32 steps: forks pink, decisive one gold, seat a disc; last tile: the branch."""
    n = params.length + 1
    width = min(n, 32)
    colours = np.full((-(-n // width), width, 3), WALL, dtype=np.uint8)
    cells = colours.reshape(-1, 3)
    cells[:n] = FLOOR
    cells[list(params.fork_steps)] = LURE
    cells[params.decisive_step] = KEY
    cells[n - 1] = (FLOOR, GOAL, DANGER)[int(s.branch)]
    return board(colours, divmod(int(s.step), width), marked=s.lane > 0.0)


def shown(params: BifurcationParams) -> tuple[Symbol, ...]:
    """Step, lane and branch."""
    return Symbol("step", params.length + 1), Symbol("lane", params.choices + 1), Symbol("branch", len(BRANCH))


V0 = Game(
    "payoff/Bifurcation-v0",
    "One fork of a long corridor decides what is paid at its end; other forks look alike.",
    tags=("delayed", "tabular", "stochastic"),
    rules=Rules(
        params=BifurcationParams,
        state=Bifurcation,
        step=step,
        actions=lambda p: p.choices,
        tables=lambda rows: (np.array([outcomes(p) for p in rows]),),
        alike=("choices",),
        chance=lambda p: outcomes(p) if p.slip > 0.0 or p.noise > 0.0 else np.ones(1),
        tabular=True,
    ),
    sight=symbols(shown, SETTINGS),
    info={"decisive_step": decisive_step, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact",
        optimum=optimum,
        policy=policy,
        success=arrived,
        success_by_step=True,
        levels={
            "easy": {"length": 8, "forks": 2},
            "medium": {},
            "hard": {"length": 128, "forks": 16, "decisive": 2, "choices": 4, "slip": 0.1, "noise": 1.0},
        },
    ),
)
