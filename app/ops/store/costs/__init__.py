"""Tokens and dollars: what runs report, what models cost, and old costs worked out again."""
