"""A ruler for rewards: how differently two rewards order policies, and what following the wrong one can cost.

Distances between rewards (STARC, EPIC, DARD) on exact models and from samples, regret and its bounds, the policy cliff,
and over-optimisation. Nothing here trains.
"""
