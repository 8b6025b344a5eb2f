"""Online evaluators, the rules that apply them to new runs, and what the rules did."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, Uuid

from app.ops.store.tables.base import Json, Moment, Serial, Usd, metadata

evaluators = Table(
    "evaluators",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),  # llm, code or decision_model
    Column("definition", Json, nullable=False),
    Column("metadata", Json),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

run_rules = Table(
    "run_rules",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("session_id", Uuid),
    Column("dataset_id", Uuid),
    Column("evaluator_id", Uuid, ForeignKey("evaluators.id")),
    Column("is_enabled", Boolean, nullable=False),
    Column("definition", Json, nullable=False),  # all of the rule, these columns too
    Column("version", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

rule_applications = Table(
    "rule_applications",
    metadata,
    Column("rule_id", Uuid, ForeignKey("run_rules.id", ondelete="CASCADE"), primary_key=True),
    Column("run_id", Uuid, primary_key=True),
    Column("applied_at", Moment, nullable=False),
    Column("problem", Text),  # why it could not be applied whole
    Column("spend_usd", Usd, nullable=False),
)
Index("applications_by_time", rule_applications.c.rule_id, rule_applications.c.applied_at)

unfinished_runs = Table(
    "unfinished_runs",  # that rules have passed by, and look at again
    metadata,
    Column("num", Serial, primary_key=True, autoincrement=False),
    Column("seen_at", Moment, nullable=False),
)
