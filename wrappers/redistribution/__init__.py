"""Rewards that are moved or made in the light of a whole episode.

- ``base``: :class:`~payoff.wrappers.redistribution.base.EpisodeBatch` and
  :class:`~payoff.wrappers.redistribution.base.RewardTransform`, what a trainer hands over and what rewrites it;
- the return taken apart: ``rd`` (least squares), ``rrd`` and ``rudder`` (networks), ``ircr`` (nothing to fit),
  ``progress`` (with a bonus for steps that had an effect), ``credit`` (a team's return over its seats);
- rewards for steps from elsewhere: ``implicit`` (a ratio of policies), ``information`` (an exact belief), ``prover``
  (another policy's chances), ``prefix_tree`` (the other episodes of the group);
- ``hierarchical``: advantages within and between segments; ``delay``: the opposite of all this, to test it.

Modules that need torch (``learned``, ``rrd``, ``rudder``, ``implicit``) import it themselves; the others do not.
"""
