"""Routes of annotation queues."""
