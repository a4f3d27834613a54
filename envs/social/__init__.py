"""Mixed-motive environments beside the coopetition games: what one seat takes, the others feel."""
