"""Compiled building blocks of the games: floats and arrays, no API."""
