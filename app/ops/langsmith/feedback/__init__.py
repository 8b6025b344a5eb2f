"""Routes of feedback, its keys' configs and its links."""
