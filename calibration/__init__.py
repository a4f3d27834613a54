"""Parameters from data: sources, fits and forecasts for the case studies."""

if __name__ != "payoff.calibration":  # reached as a bare `calibration` from the repository root
    raise ImportError("import payoff.calibration, not calibration")
