"""Exploration bonuses: additions to the reward of a step for how new it was, within its episode or overall.

A :class:`~payoff.wrappers.bonus.base.Bonus` scores transitions, and :class:`~payoff.wrappers.bonus.reward.BonusReward`
pays its scores::

    env = wrap(env, BonusReward(Product(Count(), FirstVisit()), coef=0.01))

Modules with networks (``rnd``, ``icm``, ``ride``, ``noveld``, ``dynamics``, ``bonus_model``) import torch; the others
do not.
"""
