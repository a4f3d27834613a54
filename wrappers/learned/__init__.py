"""Rewards that were learned: frozen functions of a step, kept in files."""
