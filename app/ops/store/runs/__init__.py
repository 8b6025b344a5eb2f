"""Runs: how they are taken in, found, summed up and removed."""
