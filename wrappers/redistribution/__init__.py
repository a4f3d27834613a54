"""Methods that move a reward in time: what an episode pays in all stays the same."""
