"""Budgets of users, teams and experiments, in US dollars and in tokens."""
