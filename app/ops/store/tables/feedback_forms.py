"""What feedback may say, and the links with which it can be left without a key."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Table, Text, Uuid

from app.ops.store.tables.base import Json, Moment, metadata

feedback_configs = Table(
    "feedback_configs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("feedback_key", Text, nullable=False, unique=True),
    Column("feedback_config", Json, nullable=False),
    Column("is_lower_score_better", Boolean, nullable=False),
    Column("is_enforced", Boolean, nullable=False),
    Column("is_deleted", Boolean, nullable=False),
    Column("modified_at", Moment, nullable=False),
)

feedback_tokens = Table(
    "feedback_tokens",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("run_id", Uuid, nullable=False),
    Column("feedback_key", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
)
Index("tokens_by_run", feedback_tokens.c.run_id)
