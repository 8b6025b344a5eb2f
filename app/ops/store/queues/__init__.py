"""Annotation queues: runs that wait for people's judgement."""
