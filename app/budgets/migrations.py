"""The schema of the budget book, as numbered steps that are only ever appended to."""

from __future__ import annotations

import sqlite3

from app.auth.database import Migration


def spent(db: sqlite3.Connection) -> None:
    """What each payer has spent or set aside in the period that ends at `until`."""
    db.execute(
        """
        CREATE TABLE spent (
            kind TEXT NOT NULL CHECK (kind IN ('user', 'team', 'experiment')),
            payer TEXT NOT NULL,
            until TEXT NOT NULL,
            usd REAL NOT NULL,
            tokens INTEGER NOT NULL,
            PRIMARY KEY (kind, payer, until)
        ) WITHOUT ROWID
        """
    )


MIGRATIONS: list[Migration] = [spent]
