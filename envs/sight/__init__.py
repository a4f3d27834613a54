"""Observations that several games share: whole numbers one by one, and real numbers."""
