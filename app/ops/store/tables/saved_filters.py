"""Saved filters: named addresses of the turn list."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text, Uuid

from app.ops.store.tables.base import Moment, metadata

saved_filters = Table(
    "saved_filters",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("query", Text, nullable=False),  # as in an address, such as `status=failed&model=small`
    Column("created_at", Moment, nullable=False),
)
