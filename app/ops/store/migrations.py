"""From an empty database, or one of an earlier version, to today's schema.

A new database is made from `tables` as they are now. Each step of `STEPS` brings an existing one a version further; a
change of `tables` appends one, and a test compares the two ways.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Column, Connection, Integer, Table, func, insert, inspect, select, text

from app.ops.store.runs import search
from app.ops.store.tables import counters, metadata


def _add_what_was_reused(db: Connection) -> None:
    """Turns know whether an earlier answer was shown again, and what that spared."""
    for column in ("cache TEXT", "saved_usd FLOAT", "saved_s FLOAT", "saved_tokens FLOAT"):
        db.execute(text(f"ALTER TABLE turns ADD COLUMN {column}"))
    if db.dialect.name == "sqlite":
        facts = "name, outcome, model, thumb, cost_usd, total_s, first_token_s, sentences, unsupported, cache"
        more = "experiment, variant, user_hash, prompt_version, corpus_release, saved_usd, saved_s, saved_tokens"
        for name, columns in [
            ("turn_facts", f"(started, {facts}, {more})"),
            ("experiment_facts", f"(experiment, variant, user_hash, started, {facts}) WHERE experiment IS NOT NULL"),
        ]:
            db.execute(text(f"DROP INDEX {name}"))
            db.execute(text(f"CREATE INDEX {name} ON turns {columns}"))


STEPS: list[Callable[[Connection], None]] = [_add_what_was_reused]

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
