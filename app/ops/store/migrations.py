"""From an empty database, or one of an earlier version, to today's schema.

A new database is made from `tables` as they are now. Each step of `STEPS` brings an existing one a version further; a
change of `tables` appends one, and a test compares the two ways.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Column, Connection, Integer, Table, func, insert, inspect, select, text

from app.ops.store.runs import search
from app.ops.store.tables import counters, metadata

STEPS: list[Callable[[Connection], None]] = []

_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True, autoincrement=False))


class NewerSchema(Exception):
    """A later version of Parley wrote this database; use that version, or restore a backup."""


def migrate(db: Connection) -> None:
    """Bring the database to the newest schema, whole or not at all. Raises NewerSchema."""
    if db.dialect.name == "postgresql":  # of processes that start together, one makes the tables
        db.execute(text("SELECT pg_advisory_xact_lock(hashtext(current_schema()))"))
    if not inspect(db).has_table(_version.name):
        metadata.create_all(db)
        search.create(db)
        db.execute(insert(counters), [{"name": "runs", "next": 1}, {"name": "prices", "next": 0}])
        _record(db, len(STEPS))
    version = db.scalar(select(func.max(_version.c.version))) or 0
    if version > len(STEPS):
        raise NewerSchema(f"The ops store has schema version {version}; this Parley knows up to {len(STEPS)}.")
    for number, step in enumerate(STEPS[version:], start=version + 1):
        step(db)
        _record(db, number)


def _record(db: Connection, version: int) -> None:
    db.execute(insert(_version).values(version=version))
