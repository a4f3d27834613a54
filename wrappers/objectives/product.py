"""A tabular game and a reward machine as one Markov decision process, which exact solvers take."""

from __future__ import annotations

from typing import Literal

import numpy as np

from payoff.envs.core.params import check_word
from payoff.envs.mdp import MDP
from payoff.wrappers.objectives.reward_machine import RewardMachine
from payoff.wrappers.rows import Array

__all__ = ["product_mdp"]


def product_mdp(
    mdp: MDP, machine: RewardMachine, letters: Array, *, mode: Literal["replace", "add"] = "replace"
) -> MDP:
    """The process on pairs: state s and machine state u have the number ``s * U + u``.

    A pair is terminal where the game is, and with ``"replace"`` also where the machine is; with ``"add"`` the game goes
    on to pay, as around :class:`payoff.wrappers.MachineReward`. ``machine.final`` is paid on the way into a terminal
    state of the game.

    Args:
        mdp: the game.
        machine: the machine, without reward functions.
        letters: ``(S, A, K)`` integers, the letter of outcome k of action a in state s.
        mode: what is paid: the machine's rewards, or the sum of both.

    Raises:
        ValueError: letters of another shape or out of range, a machine with reward functions, or an unknown mode.
    """
    check_word("mode", mode, ("replace", "add"))
    letters = np.asarray(letters)
    if letters.shape != mdp.reward.shape or letters.dtype.kind not in "iu":
        got = f"{letters.dtype} {letters.shape}"
        raise ValueError(f"letters must be integers of shape {mdp.reward.shape}, got {got}")
    if letters.min() < 0 or letters.max() >= 2 ** len(machine.symbols):
        raise ValueError(f"letters must be in 0 .. {2 ** len(machine.symbols) - 1}")
    if machine.functions:
        raise ValueError("machine must have rewards that are numbers")
    n, u = mdp.n_states, machine.n_states
    shape = (n * u, *mdp.reward.shape[1:])
    after = np.moveaxis(machine.next_state[:, letters], 0, 1)  # (S, U, A, K)
    paid = np.moveaxis(machine.reward[:, letters], 0, 1)
    reached = np.broadcast_to(mdp.next_state[:, None], after.shape)
    paid = paid + np.where(mdp.terminal[reached], machine.final[after], 0.0)
    if mode == "add":
        paid = paid + mdp.reward[:, None]
    terminal = (mdp.terminal[:, None] | (machine.terminal & (mode == "replace"))).reshape(-1)
    next_state, reward = (reached * u + after).reshape(shape), paid.reshape(shape)
    next_state[terminal], reward[terminal] = np.flatnonzero(terminal)[:, None, None], 0.0
    initial = np.zeros((n, u))
    initial[:, machine.initial] = mdp.initial
    states = np.column_stack([np.repeat(mdp.states, u, axis=0), np.tile(np.arange(u), n)])
    probability = np.repeat(mdp.probability, u, axis=0)
    return MDP(states, next_state, probability, reward, initial.reshape(-1), terminal)
