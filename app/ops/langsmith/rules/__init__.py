"""Routes of rules and online evaluators."""
