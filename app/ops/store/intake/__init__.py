"""The way in: a durable queue of batches, and what empties it into the tables."""
