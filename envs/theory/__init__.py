"""Solvers: exact or with a stated residual, on arrays, with numpy and scipy alone."""
