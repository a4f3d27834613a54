"""Rewards from preferences: stretches of play, who compares them, and what is learned from the answers."""
