"""What is shared: traces and threads that whoever knows a token may read."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table, Text, UniqueConstraint, Uuid

from app.ops.store.tables.base import Moment, metadata

shares = Table(
    "shares",  # of either a trace or a thread
    metadata,
    Column("token", Uuid, primary_key=True),
    Column("project_id", Uuid, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("trace_id", Uuid, unique=True),
    Column("thread_id", Text),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("project_id", "thread_id"),
)
