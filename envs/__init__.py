"""Games, their views and their reward layers. Importing this registers every id with Gymnasium and PettingZoo."""

if __name__ != "payoff.envs":  # reached as a bare `envs` from the repository root
    raise ImportError("import payoff.envs, not envs")

from payoff.envs.registry import register_all

register_all()
