"""The schema of accounts, as numbered steps that are only ever appended to."""

from __future__ import annotations

import sqlite3

from app.auth.database import Migration


def users_keys_and_links(db: sqlite3.Connection) -> None:
    """Users, their API keys, and one-time sign-in links. Secrets are kept as hashes only."""
    db.execute(
        """
        CREATE TABLE users (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            role TEXT NOT NULL CHECK (role IN ('user', 'owner', 'analyst', 'admin')),
            groups TEXT NOT NULL DEFAULT '[]',
            password_hash TEXT NOT NULL,
            created_at TEXT NOT NULL,
            disabled_at TEXT,
            session_epoch INTEGER NOT NULL DEFAULT 0
        )
        """
    )
    db.execute(
        """
        CREATE TABLE api_keys (
            id TEXT PRIMARY KEY,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            hash TEXT NOT NULL UNIQUE,
            prefix TEXT NOT NULL,
            created_at TEXT NOT NULL,
            last_used_at TEXT,
            revoked_at TEXT
        )
        """
    )
    db.execute(
        """
        CREATE TABLE signin_links (
            hash TEXT PRIMARY KEY,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            expires_at TEXT NOT NULL,
            used_at TEXT
        )
        """
    )


MIGRATIONS: list[Migration] = [users_keys_and_links]
