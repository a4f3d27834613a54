"""Rewards that are moved or made once the whole episode is known.

- ``base``: :class:`~payoff.wrappers.redistribution.base.EpisodeBatch` and
  :class:`~payoff.wrappers.redistribution.base.RewardTransform`, what a trainer hands over and what rewrites it;
- the return decomposed: ``rd`` (least squares), ``rrd`` and ``rudder`` (networks), ``ircr`` (nothing to fit),
  ``progress`` (with a bonus for steps that had an effect), ``credit`` (a team's return over its seats);
- step rewards from another source: ``implicit`` (a ratio of policies), ``information`` (an exact belief), ``prover``
  (another policy's chances), ``prefix_tree`` (the other episodes of the group);
- ``hierarchical``: advantages within and between segments; ``delay``: the opposite of all this, as a test for it.

Modules that need torch (``learned``, ``rrd``, ``rudder``, ``implicit``) import it themselves; the others do not need
it.
"""
