"""Rewards from language models: ways to ask for them, and reward learners that ask while an agent trains."""
