"""Trainers, policies, evaluation in payoffs, and what compares their runs."""

if __name__ != "payoff.baselines":  # reached as a bare `baselines` from the repository root
    raise ImportError("import payoff.baselines, not baselines")
