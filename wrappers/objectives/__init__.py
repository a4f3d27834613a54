"""Objectives beyond one Markov reward, on the same environments.

- a task with stages, an order of events: :mod:`reward_machine`, :mod:`labels` and :mod:`machine_reward`; with a formula
  of linear temporal logic instead of edges: :mod:`ltlf`; exact in tabular games: :mod:`product`;
- several rewards and one number a step: :mod:`scalarise` (weighted sum, Chebyshev, thresholds); each paid after its own
  segments: :mod:`fine_grained`; in order of importance: :mod:`lexicographic`; without any such choice, one step of the
  policy that is good for all: :mod:`payoff.baselines.balanced_ppo`, on :mod:`min_norm`;
- a function of an episode's return, E f(G), or of the expected one, f(E G): :mod:`outer`;
- reward per step in the long run: :mod:`limit_average`.

No one of these says all that the others can: :mod:`expressivity` finds what a Markov reward can say, and its tests hold
three separations. Where a reward depends on the past, ``augment`` of :mod:`augment` puts what is remembered into the
observation, so that the problem stays Markov.
"""
