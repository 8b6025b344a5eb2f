"""Rules: what is done with runs as they arrive, and the evaluators that judge them."""
