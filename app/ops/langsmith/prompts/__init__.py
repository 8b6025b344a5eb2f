"""Routes of the prompt hub."""
