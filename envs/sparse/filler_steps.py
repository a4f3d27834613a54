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
One seat, four actions: 0 go, 1 fill, 2 wrong, 3 stop. There is no `action_mask`: the temptation to fill is the problem.

## Observations
- `full`, `private`: number of necessary steps done, one-hot, with one more entry for a spoiled attempt.
- `minimal`: the same as one number, 1 when spoiled.

## Rewards
Payoffs as above. The judge's score of a step is reported as `info["aux"]`, and is no part of the payoff: 0.9
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

from dataclasses import dataclass

import numpy as np

from payoff.envs.core.game import Each, Game, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer
from payoff.envs.core.state import Array, Copy, real, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.symbols import SETTINGS, Observe, Symbol, symbols
from payoff.envs.sparse.boards import DANGER, FLOOR, GOAL, WALL, board

__all__ = ["SETTINGS", "V0", "FillerStepsParams", "Observe"]

MOVE = words("go", "fill", "wrong", "stop")
GOOD_SCORE, STOP_SCORE, BAD_SCORE = 0.9, 0.5, 0.1
EVENT = events(
    began="the episode began",
    went="went on",
    too_far="went too far",
    filled="filled",
    did_wrong="did something wrong",
    stopped="stopped in vain",
    solved="stopped, all done",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillerStepsParams(Params):
    """Keywords of FillerSteps-v0."""

    needed: int = 5  # necessary steps, n
    max_steps: int = 40  # horizon, steps

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("needed", self.needed, 1, 1000)
        check_integer("max_steps", self.max_steps, 1)


class FillerSteps(Copy):
    """State of one attempt."""

    done: float = whole(0, lambda p: p.needed + 1)  # necessary steps; n + 1 in a spoiled attempt
    event: float = whole(0, EVENT)
    aux: float = real(0.0, 1.0)  # score of the last step


@jit
def step(p: FillerStepsParams, s: FillerSteps, action: Array, payoff: Array) -> bool:
    """One step; the attempt ends by stop."""
    done, chosen = int(s.done), int(action[0])
    if chosen == MOVE.go:  # 1
        good = done < p.needed
        s.done = min(done + 1, p.needed + 1)
        s.event, s.aux = EVENT.went if good else EVENT.too_far, GOOD_SCORE if good else BAD_SCORE
    elif chosen == MOVE.fill:  # 2
        s.event, s.aux = EVENT.filled, GOOD_SCORE
    elif chosen == MOVE.wrong:  # 3
        s.done = p.needed + 1
        s.event, s.aux = EVENT.did_wrong, BAD_SCORE
    else:  # 4
        payoff[0] = 1.0 if done == p.needed else 0.0
        s.event, s.aux = EVENT.solved if done == p.needed else EVENT.stopped, STOP_SCORE
    return chosen == MOVE.stop


@jit
def progress(p: FillerStepsParams, s: FillerSteps) -> float:
    """Share of the necessary steps that is done; 0 after one too many."""
    return s.done / p.needed if s.done <= p.needed else 0.0


def optimum(params: FillerStepsParams, s: FillerSteps) -> tuple[float, int]:
    """Best return within what is left of the horizon, and steps to the payment; horizon + 1 in a spoiled attempt."""
    steps = params.needed - int(s.done) + 1
    if s.over != 0.0 or steps == 0:
        return 0.0, params.max_steps + 1
    return float(steps <= params.max_steps - s.clock), steps


def policy(params: FillerStepsParams, s: FillerSteps) -> int:
    """Go until all is done, then stop."""
    return int(MOVE.go if s.done < params.needed else MOVE.stop)


def draw(params: FillerStepsParams, s: FillerSteps) -> Array:
    """Necessary steps in lines of up to 32, the last tile for too many or a wrong one (red), seat a disc."""
    n = params.needed + 2
    width = min(n, 32)
    colours = np.full((-(-n // width), width, 3), WALL, dtype=np.uint8)
    cells = colours.reshape(-1, 3)
    cells[:n] = FLOOR
    cells[n - 2], cells[n - 1] = GOAL, DANGER
    return board(colours, divmod(int(s.done), width), marked=s.event == EVENT.solved)


V0 = Game(
    "payoff/FillerSteps-v0",
    "A few necessary steps and then stop, while a judge of single steps likes fillers as well.",
    tags=("sparse", "reasoning", "tabular"),
    rules=Rules(
        params=FillerStepsParams,
        state=FillerSteps,
        step=step,
        actions=lambda p: len(MOVE),
        tabular=True,
    ),
    sight=symbols(lambda p: (Symbol("done", p.needed + 2),)),
    info={"aux": Each("aux"), "progress": progress, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact",
        optimum=optimum,
        policy=policy,
        levels={"easy": {"needed": 2}, "medium": {}, "hard": {"needed": 12}},
    ),
)
