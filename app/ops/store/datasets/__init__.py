"""Datasets: examples with their history, experiments on them, and comparisons of these."""
