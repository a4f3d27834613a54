"""Adapters: a method around an environment, one thin wrapper for each kind of environment; ``wrap`` picks it."""
