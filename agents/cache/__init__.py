"""Answers that are kept in memory for whoever asks the same of the same evidence."""
