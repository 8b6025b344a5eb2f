"""Feedback: judgements, what scores a key may have, and links by which anybody may judge."""
