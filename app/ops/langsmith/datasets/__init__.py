"""Routes of datasets, examples and experiments."""
