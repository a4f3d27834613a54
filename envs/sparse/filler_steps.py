"""FillerSteps: a few necessary steps and then stop; a judge of single steps also likes steps that lead nowhere.

## Model
The seat has to make n = `needed` necessary steps and then to stop. A step, by action, of an attempt that is not
spoiled:

1. go: one more necessary step is done; one more than n spoils the attempt;
2. fill: changes nothing;
3. wrong: spoils the attempt;
4. stop: the end; it pays 1 if exactly n necessary steps are done and the attempt is not spoiled.

A spoiled attempt stays so. Time is no part of the state, nor of what is seen: who fills once where nothing has changed
fills for ever, unless by chance. The problem isolates what goes wrong when step scores are summed up (Cheng et al.,
"Stop Summation", arXiv 2504.15275; Gao et al., arXiv 2410.15115); neither has this environment.

## Players and actions
One seat, four actions: 0 go, 1 fill, 2 wrong, 3 stop.

## Observations
- `full`, `private`: number of necessary steps done, one-hot, with one more entry for a spoiled attempt.
- `minimal`: the same as one number, 1 when spoiled.

## Rewards
Payoffs as above. The judge's score of a step is reported as `aux` in `reward_terms`, and is no part of the payoff: 0.9
for go and for fill, 0.5 for stop, 0.1 for wrong, for a step too many, and for go in a spoiled attempt.
`info["progress"]` is the share of the necessary steps that is done, 0 after one too many.

## Starting state
Nothing done, not spoiled.

## Episode end
Terminated by stop, truncated after `max_steps`.

## Theory
Success takes n + 1 steps and is worth 1. Uniformly random play succeeds with probability 3^-(n + 1), but for the
horizon: what it fills does not matter, and each of n + 1 times one of three other actions is the right one.

Learners that sum the scores fill until the horizon: for n = 5 and 40 steps that is worth 36.0, and success only 6.0
(five times 0.9, 0.5 and the payoff). Their mean, their minimum, min(score - c, 0) for c = 0.9 or 0.5 (what a score
falls short of c), and differences of scores are all largest, with the payoff, for the policy that succeeds in six
steps. All of this follows from trying every deterministic policy, of which there are 4^(n + 2).

## Parameters
`needed` 5, n; `max_steps` 40.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from payoff.envs.core import loop
from payoff.envs.core.game import Game, Kernels, Readout, Shape, paid
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer
from payoff.envs.core.state import CLOCK, OVER, Array, Layout
from payoff.envs.sparse import discrete
from payoff.envs.sparse.discrete import SETTINGS, Observe, Symbol

__all__ = ["SETTINGS", "V0", "FillerStepsParams", "Observe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FillerStepsParams(Params):
    """Keywords of FillerSteps-v0."""

    needed: int = 5  # necessary steps, n
    max_steps: int = 40  # horizon, steps

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("needed", self.needed, 1, 1000)
        check_integer("max_steps", self.max_steps, 1)

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.max_steps


LAYOUT = Layout(done=(), event=(), aux=())  # `done` is n + 1 in a spoiled attempt
DONE, EVENT, AT_AUX = (LAYOUT.at(name) for name in ("done", "event", "aux"))
GO, FILL, WRONG, STOP = range(4)
GOOD_SCORE, STOP_SCORE, BAD_SCORE = 0.9, 0.5, 0.1
CAPTIONS = (
    "the episode began",
    "went on",
    "went too far",
    "filled",
    "did something wrong",
    "stopped in vain",
    "stopped, all done",
)
BEGAN, WENT, TOO_FAR, FILLED, DID_WRONG, STOPPED, SOLVED = range(7)
NUMBERS = np.dtype([("needed", np.int64)])


@jit
def step_row(params, b, row, action, work):
    """One step of one copy: whether it stops. ``params``: NUMBERS ``(P,)``."""
    needed = params[0][loop.pick(b, params[0].shape[0])].needed
    done = int(row[DONE])
    chosen = int(action[0, 0])
    work[loop.BASE, 0] = 0.0
    if chosen == GO:  # 1
        good = done < needed
        row[DONE] = min(done + 1, needed + 1)
        row[EVENT], row[AT_AUX] = WENT if good else TOO_FAR, GOOD_SCORE if good else BAD_SCORE
    elif chosen == FILL:  # 2
        row[EVENT], row[AT_AUX] = FILLED, GOOD_SCORE
    elif chosen == WRONG:  # 3
        row[DONE] = needed + 1
        row[EVENT], row[AT_AUX] = DID_WRONG, BAD_SCORE
    else:  # 4
        work[loop.BASE, 0] = 1.0 if done == needed else 0.0
        row[EVENT], row[AT_AUX] = SOLVED if done == needed else STOPPED, STOP_SCORE
    return chosen == STOP


@jit
def reset_row(params, b, row):
    """Start an episode."""
    row[DONE], row[EVENT], row[AT_AUX] = 0.0, BEGAN, 0.0


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
    """Readouts ``(B, 3)``: score of the step, progress (1 when all is done and not too much), caption."""
    for b in range(state.shape[0]):
        needed = params[0][loop.pick(b, params[0].shape[0])].needed
        done = state[b, DONE]
        out[b, 0] = state[b, AT_AUX]
        out[b, 1] = done / needed if done <= needed else 0.0
        out[b, 2] = state[b, EVENT]


def pack(rows: Sequence[FillerStepsParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    return (np.array([(p.needed,) for p in rows], dtype=NUMBERS),)


def optimum(params: FillerStepsParams, row: Array) -> tuple[float, int]:
    """Best return within what is left of the horizon, and steps to the payment; horizon + 1 in a spoiled attempt."""
    steps = params.needed - int(row[DONE]) + 1
    if row[OVER] != 0.0 or steps == 0:
        return 0.0, params.max_steps + 1
    return float(steps <= params.max_steps - row[CLOCK]), steps


def policy(params: FillerStepsParams, row: Array) -> Array:
    """Go until all is done, then stop: ``(1,)``."""
    return np.array([float(GO if row[DONE] < params.needed else STOP)])


def frame(params: FillerStepsParams, row: Array, shape: Shape) -> Array:
    """Necessary steps in lines of up to 32, the last tile for too many or a wrong one (red), seat a disc.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    n = params.needed + 2
    width = min(n, 32)
    colours = np.full((-(-n // width), width, 3), discrete.WALL, dtype=np.uint8)
    cells = colours.reshape(-1, 3)
    cells[:n] = discrete.FLOOR
    cells[n - 2], cells[n - 1] = discrete.GOAL, discrete.DANGER
    at = int(row[DONE])
    return discrete.board(colours, (at // width, at % width), marked=row[EVENT] == SOLVED)


V0: Game[FillerStepsParams] = discrete.game(
    "payoff/FillerSteps-v0",
    FillerStepsParams,
    __doc__,
    Kernels(start=start, transition=transition, look=look, read=read),
    layout=LAYOUT,
    n_actions=lambda p: 4,
    symbols=lambda p: (Symbol("done", DONE, p.needed + 2, limit=p.needed + 2),),
    pack=pack,
    frame=frame,
    readouts=(Readout("aux", True), Readout("progress", False), Readout("caption", False)),
    captions=CAPTIONS,
    optimum=optimum,
    optimum_kind="exact",
    policy=policy,
    success=paid,
    levels={"easy": {"needed": 2}, "medium": {}, "hard": {"needed": 12}},
)
