"""Sparse-reward environments: small worlds that pay only at the end, each with its exact optimum."""
