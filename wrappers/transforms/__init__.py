"""Transforms: other numbers in the place of a reward, or beside it, bounded and without hidden assumptions.

Unlike potential-based shaping none of them promises that optimal policies stay. What each one keeps and what it does
not is in its docstring, with the range of what it pays.

Step by step (a :class:`payoff.wrappers.base.RewardMethod`): ``clip_delta.ClippedScores``, ``par``, ``running``,
``limits``, ``kinesthetic``, ``distance``, ``team_spirit``, ``annealing``, ``trust.TrustedReward``, ``noise``,
``pattern``, ``robust.RobustEnsembleReward``, ``completion``. On finished episodes (a
:class:`payoff.wrappers.redistribution.base.RewardTransform`): ``clip_delta.ClipDelta``, ``min_form``,
``par.GroupPreference``, ``trust.TrustWeighted``, ``robust.RobustEnsembleBatch``, ``calibrated``, ``weighted_checks``.
"""
