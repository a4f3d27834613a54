"""The published coopetition games: shared kernels for ``-v0``, one file a game."""
