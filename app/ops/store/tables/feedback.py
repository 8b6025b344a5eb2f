"""Feedback: judgements of runs and projects."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Table, Text, Uuid

from app.ops.store.tables.base import Json, Moment, metadata

feedback = Table(
    "feedback",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("run_id", Uuid),
    Column("trace_id", Uuid),
    Column("project_id", Uuid),
    Column("key", Text, nullable=False),
    Column("score", Float),
    Column("value", Json),
    Column("comment", Text),
    Column("correction", Json),
    Column("source", Json, nullable=False),
    Column("source_type", Text, nullable=False),
    Column("extra", Json),
    Column("feedback_group_id", Uuid),
    Column("comparative_experiment_id", Uuid),
    Column("error", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("modified_at", Moment, nullable=False),
)
Index("feedback_by_run", feedback.c.run_id)
Index("feedback_by_trace", feedback.c.trace_id)
Index(
    "feedback_by_project",  # all that sums over experiments need, so that they read no row
    feedback.c.project_id,
    feedback.c.key,
    feedback.c.run_id,
    feedback.c.score,
    feedback.c.comparative_experiment_id,
)
Index("feedback_by_key", feedback.c.key, feedback.c.created_at)
Index("feedback_by_change", feedback.c.modified_at)
