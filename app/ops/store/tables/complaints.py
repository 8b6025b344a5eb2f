"""Complaints: thumbs-down, each with its cause, its owner, and what became of it."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text, Uuid

from app.ops.store.tables.base import Moment, metadata

complaints = Table(
    "complaints",
    metadata,
    Column("run_id", Uuid, primary_key=True),  # the turn that was complained about
    Column("feedback_id", Uuid, nullable=False, index=True),
    Column("thread_id", Text),
    Column("user_hash", Text),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("said", Text),  # the reason that was picked and the user's own words
    Column("cause", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("document", Text),
    Column("owner", Text),
    Column("status", Text, nullable=False),
    Column("example_id", Uuid),
    Column("opened_at", Moment, nullable=False),
    Column("checked_with", Text),  # what answered when it was last asked again: release, arm, model, prompt
    Column("fixed_at", Moment),
    Column("fixed_run_id", Uuid),
    Column("fixed_answer", Text),
    Column("told_at", Moment),
)
Index("complaints_by_status", complaints.c.status, complaints.c.opened_at)
Index("complaints_by_user", complaints.c.user_hash, complaints.c.status)
