"""Annotation queues: what people should look at, and who has."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, Uuid

from app.ops.store.tables.base import Json, Moment, Serial, metadata

annotation_queues = Table(
    "annotation_queues",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("rubric_instructions", Text),
    Column("rubric_items", Json, nullable=False),
    Column("default_dataset", Uuid),
    Column("num_reviewers_per_item", Integer, nullable=False),
    Column("enable_reservations", Boolean, nullable=False),
    Column("reservation_minutes", Integer, nullable=False),
    Column("reviewer_access_mode", Text, nullable=False),
    Column("metadata", Json),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

queue_items = Table(
    "queue_items",
    metadata,
    Column("num", Serial, primary_key=True),
    Column("id", Uuid, nullable=False, unique=True),
    Column("queue_id", Uuid, ForeignKey("annotation_queues.id", ondelete="CASCADE"), nullable=False),
    Column("item_type", Text, nullable=False),  # RUN or THREAD
    Column("run_id", Uuid, ForeignKey("runs.id", ondelete="CASCADE")),
    Column("thread_id", Text),
    Column("project_id", Uuid, nullable=False),
    Column("start_time", Moment),
    Column("source_proposed_example_id", Uuid),
    Column("added_at", Moment, nullable=False),
    Column("last_reviewed_time", Moment),
    Column("archived_at", Moment),  # when enough people had reviewed it
    UniqueConstraint("queue_id", "run_id"),
    UniqueConstraint("queue_id", "project_id", "thread_id"),
)
Index("items_by_queue", queue_items.c.queue_id, queue_items.c.added_at)
Index("items_by_run", queue_items.c.run_id)

queue_reviews = Table(
    "queue_reviews",
    metadata,
    Column("item_id", Uuid, ForeignKey("queue_items.id", ondelete="CASCADE"), primary_key=True),
    Column("reviewer", Text, primary_key=True),
    Column("status", Text),  # viewed, which reserves the item, or completed
    Column("reviewed_at", Moment, nullable=False),
    Column("override_added_at", Moment),  # where the reviewer moved it to in the order of the queue
)
