"""Transforms: rewards replaced by other numbers, or added to, with stated bounds and assumptions.

Unlike potential-based shaping, none of them promises to keep optimal policies. The docstring of each says what it
keeps, what it does not, and the range of what it pays.

Step by step (a :class:`payoff.wrappers.base.RewardMethod`): ``clip_delta.ClippedScores``, ``par``, ``running``,
``limits``, ``kinesthetic``, ``distance``, ``team_spirit``, ``annealing``, ``trust.TrustedReward``, ``noise``,
``pattern``, ``robust.RobustEnsembleReward``, ``completion``. On finished episodes (a
:class:`payoff.wrappers.redistribution.base.RewardTransform`): ``clip_delta.ClipDelta``, ``min_form``,
``par.GroupPreference``, ``trust.TrustWeighted``, ``robust.RobustEnsembleBatch``, ``calibrated``, ``weighted_checks``.
"""
