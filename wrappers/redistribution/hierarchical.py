"""Hierarchical advantage estimates: one for the steps within a segment, one for the choice of segments.

A segment runs from one switch to the step before the next, or to the end of the episode. With d_k steps in segment k,
which begins at step b_k:

(1) low:   delta_t = r_t + gamma V'_t - V_low(s_t),  V'_t = V_low(s_{t+1}) within a segment, V_high of the next boundary
           on its last step, 0 on the last step of the episode
(2)        A_t = delta_t + gamma lam_low A_{t+1}, begun anew in each segment
(3) high:  R_k = sum_i gamma^i r_{b_k + i},  delta_k = R_k + gamma^{d_k} V_high(b_{k+1}) - V_high(b_k)
(4)        A_k = delta_k + gamma^{d_k} lam_high A_{k+1}

With one segment and V_high = V_low, (2) is the ordinary estimate; with a segment for each step, (4) is.

Source: HiPER, hierarchical advantage estimation (arXiv 2602.16165) and its published code. unverified: its claims of
lower variance and of results on ALFWorld and WebShop, which are from the abstract.
"""

from __future__ import annotations

import numpy as np

from payoff.envs.core.params import check_number
from payoff.wrappers.arguments import flags, reals
from payoff.wrappers.rows import Array

__all__ = ["hierarchical_advantages"]


def hierarchical_advantages(
    rewards: Array,
    switches: Array,
    low_values: Array,
    high_values: Array,
    *,
    gamma: float,
    lam_low: float,
    lam_high: float,
) -> tuple[Array, Array]:
    """Equations (1) to (4) for one episode that ended.

    Args:
        rewards: ``(T,)``.
        switches: ``(T,)`` bool, steps on which a segment begins; the first step always does.
        low_values: ``(T,)`` V_low.
        high_values: ``(T,)`` V_high; read where segments begin.
        gamma: discount, in [0, 1].
        lam_low: lambda of (2), in [0, 1].
        lam_high: lambda of (4), in [0, 1].

    Returns:
        ``(T,)`` low, and ``(T,)`` high, NaN where no segment begins.

    Raises:
        ValueError: other shapes, no step at all, or a factor out of its range.
    """
    for name, value in {"gamma": gamma, "lam_low": lam_low, "lam_high": lam_high}.items():
        check_number(name, value, 0.0, 1.0)
    rewards = reals("rewards", rewards)
    low_values, high_values = reals("low_values", low_values), reals("high_values", high_values)
    begins, steps = flags("switches", switches), rewards.size
    if rewards.shape != (steps,):
        raise ValueError(f"rewards must have shape (T,), got {rewards.shape}")
    for name, array in {"switches": begins, "low_values": low_values, "high_values": high_values}.items():
        if np.shape(array) != (steps,) or not steps:
            raise ValueError(f"{name} must have shape ({steps},), at least one step, got {np.shape(array)}")
    begins[0] = True
    low, high = np.zeros(steps), np.full(steps, np.nan)
    following_low = following_high = next_high = segment = 0.0
    factor = 1.0  # gamma to the power of the steps from here to the next boundary
    for t in range(steps - 1, -1, -1):
        last = t == steps - 1 or begins[t + 1]
        if last:
            following_low, segment, factor = 0.0, 0.0, 1.0
            after = next_high
        else:
            after = low_values[t + 1]
        following_low = low[t] = rewards[t] + gamma * after - low_values[t] + gamma * lam_low * following_low
        segment, factor = rewards[t] + gamma * segment, gamma * factor
        if begins[t]:
            delta = segment + factor * next_high - high_values[t]
            following_high = high[t] = delta + factor * lam_high * following_high
            next_high = high_values[t]
    return low, high
