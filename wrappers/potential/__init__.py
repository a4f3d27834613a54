"""Potential-based shaping and its kin: what they add sums up to a number that no policy can change."""
