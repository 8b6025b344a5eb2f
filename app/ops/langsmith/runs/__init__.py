"""Routes of runs: in, out, found, summed up, shared."""
