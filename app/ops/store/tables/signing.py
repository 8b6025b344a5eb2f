"""Keys that this store signs links with."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, Table, Text

from app.ops.store.tables.base import metadata

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    info={"private": True},
)
