"""Exploration bonuses: numbers that are added to the reward of a step for how new it was, in the episode or ever.

A :class:`~payoff.wrappers.bonus.base.Bonus` scores transitions, and :class:`~payoff.wrappers.bonus.reward.BonusReward`
pays its scores::

    env = wrap(env, BonusReward(Product(Count(), FirstVisit()), coef=0.01))

Modules with networks (rnd, icm, ride, noveld, dynamics, learner) import torch; the others do without.
"""
