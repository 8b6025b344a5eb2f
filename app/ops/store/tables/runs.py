"""Runs: narrow rows that lists and sums read, wide rows with what went in and out, and what finds them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    and_,
    func,
    literal_column,
    text,
    type_coerce,
)

from app.ops.store.tables.base import BytewiseText, Json, Moment, Serial, Usd, metadata

projects = Table(
    "projects",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text),
    Column("created_at", Moment, nullable=False),
    Column("end_time", Moment),
    Column("extra", Json, nullable=False),
    Column("reference_dataset_id", Uuid, index=True),
    Column("expected", Json),  # of an experiment: its runs, and the keys of its evaluators
    Column("keep_days", Integer),  # how long its traces are kept; null follows the setting
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("next", BigInteger, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("num", Serial, primary_key=True, autoincrement=False),  # in order of arrival
    Column("id", Uuid, nullable=False, unique=True),
    Column("trace_id", Uuid, nullable=False, index=True),
    Column("parent_run_id", Uuid),
    Column("is_root", Boolean, nullable=False),
    Column("project_id", Uuid, ForeignKey("projects.id"), nullable=False),
    Column("dotted_order", BytewiseText, nullable=False),
    Column("name", Text, nullable=False),
    Column("run_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("start_time", Moment, nullable=False),
    Column("end_time", Moment),
    Column("first_token_time", Moment),
    Column("latency_us", BigInteger),
    # of the run and everything below it, each model call counted once
    Column("prompt_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    Column("total_tokens", BigInteger),
    Column("prompt_cost", Usd),
    Column("completion_cost", Usd),
    Column("total_cost", Usd),
    Column("usage", Json),  # what the run itself used: tokens and costs, with details
    Column("thread_id", Text),
    Column("reference_example_id", Uuid),
    Column("tags", Json, nullable=False),
    Column("guessed", Json, nullable=False),  # columns that hold a stand-in until the run's post arrives
    Column("received_at", Moment, nullable=False),
)
# Beyond the order, these two hold what runs are most often narrowed and summed up by: a walk through them that looks
# for what is rare, or adds up what is frequent, need not fetch the rows.
_OFTEN = ("name", "run_type", "latency_us", "total_tokens", "total_cost")
Index("runs_by_start", runs.c.project_id, runs.c.start_time, *(runs.c[name] for name in _OFTEN))
# SQLite uses a partial index only where a query says the same in the same words.
_IS_ROOT: dict[str, Any] = {"sqlite_where": text("is_root = 1"), "postgresql_where": runs.c.is_root}
_FACTS_OF_ROOTS = ("is_root", "name", "status", "latency_us", "first_token_time")
_SUMS = ("prompt_tokens", "completion_tokens", "total_tokens", "prompt_cost", "completion_cost", "total_cost")
Index(
    "roots_by_start",
    runs.c.project_id,
    runs.c.start_time,
    *(runs.c[name] for name in (*_FACTS_OF_ROOTS, *_SUMS)),
    **_IS_ROOT,
)
Index("roots_by_thread", runs.c.thread_id, runs.c.start_time, **_IS_ROOT)
Index(
    "errors_by_start",
    runs.c.project_id,
    runs.c.start_time,
    sqlite_where=runs.c.status == "error",
    postgresql_where=runs.c.status == "error",
)
Index(
    "runs_by_example",
    runs.c.reference_example_id,
    sqlite_where=runs.c.reference_example_id.is_not(None),
    postgresql_where=runs.c.reference_example_id.is_not(None),
)
_IS_RESULT: dict[str, Any] = {
    "sqlite_where": text("is_root = 1 AND reference_example_id IS NOT NULL"),
    "postgresql_where": and_(runs.c.is_root, runs.c.reference_example_id.is_not(None)),
}
Index("results_by_example", runs.c.project_id, runs.c.reference_example_id, runs.c.id, runs.c.status, **_IS_RESULT)
Index("results_by_latency", runs.c.project_id, runs.c.latency_us, **_IS_RESULT)
Index(
    "users_by_trace",  # runs that used tokens or money: the leaves that sums up the tree start from
    runs.c.trace_id,
    sqlite_where=runs.c.usage.is_not(None),
    postgresql_where=runs.c.usage.is_not(None),
)
_guessed = type_coerce(runs.c.guessed, Text)
# The text in full, as only a condition that is written like this one is looked up in the index.
place_is_guessed = func.replace(_guessed, literal_column("'dotted_order'"), literal_column("''")) != _guessed
Index("strays_by_parent", runs.c.parent_run_id, sqlite_where=place_is_guessed, postgresql_where=place_is_guessed)

run_bodies = Table(
    "run_bodies",
    metadata,
    Column("num", Serial, ForeignKey("runs.num", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    # JSON text, as it was sent
    Column("inputs", Text),
    Column("outputs", Text),
    Column("extra", Text),
    Column("events", Text),
    Column("serialized", Text),
    Column("error", Text),
    Column("attachments", Json),  # name -> mime_type, size_bytes and digest of the blob
)
Index(
    "bodies_with_files",
    run_bodies.c.num,
    sqlite_where=run_bodies.c.attachments.is_not(None),
    postgresql_where=run_bodies.c.attachments.is_not(None),
)

# The two below have no foreign key: deleting a run would look for its rows, and no index leads from a run to them.
run_labels = Table(
    "run_labels",  # metadata, one row a key: what finds runs by it and groups them by it
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, primary_key=True),  # as text, cut at LABEL_CHARS
    Column("num", Serial, primary_key=True, autoincrement=False),
    Column("number", Float),  # the value, where it is a number
    sqlite_with_rowid=False,
)
LABEL_CHARS = 200

run_tags = Table(
    "run_tags",
    metadata,
    Column("tag", Text, primary_key=True),
    Column("num", Serial, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

turns = Table(
    "turns",  # one row for each root run, with the facts that the pages filter, sort and sum up by
    metadata,
    Column("num", Serial, ForeignKey("runs.num", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("id", Uuid, nullable=False, unique=True),
    Column("project_id", Uuid, nullable=False),
    Column("thread_id", Text),
    Column("name", Text, nullable=False),
    Column("started", Moment, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("experiment", Text),
    Column("variant", Text),
    Column("model", Text),
    Column("prompt_version", Text),
    Column("corpus_release", Text),
    Column("user_hash", Text),
    Column("prompt_tokens", Float),
    Column("completion_tokens", Float),
    Column("cost_usd", Float),
    Column("total_s", Float),
    Column("evidence_s", Float),
    Column("first_token_s", Float),
    Column("sentences", Float),
    Column("unsupported", Float),
    Column("thumb", Float),  # the latest `user_score`
    Column("question", Text),  # both cut at TEXT_CHARS
    Column("answer", Text),
    Column("error", Text),
    Column("cache", Text),  # how an earlier answer was shown again: exact, semantic; null where a model was asked
    Column("saved_usd", Float),
    Column("saved_s", Float),
    Column("saved_tokens", Float),
)
TEXT_CHARS = 4000
Index("turns_by_start", turns.c.started)
Index("turns_by_variant", turns.c.experiment, turns.c.variant, turns.c.started).ddl_if(dialect="postgresql")
Index("turns_by_thread", turns.c.thread_id, turns.c.started)
Index("turns_by_user", turns.c.user_hash, turns.c.started)
QUESTION_START = 100
question_start = func.substr(turns.c.question, literal_column("1"), literal_column(str(QUESTION_START)))
Index("turns_by_question", question_start, turns.c.started)
# Lists and sums read one of these alone: a turn's row is wide. PostgreSQL keeps long texts apart, and bounds an entry.
_FACTS = "name outcome model thumb cost_usd total_s first_token_s sentences unsupported cache"
_MORE_FACTS = f"{_FACTS} experiment variant user_hash prompt_version corpus_release saved_usd saved_s saved_tokens"
Index("turn_facts", turns.c.started, *(turns.c[name] for name in _MORE_FACTS.split())).ddl_if(dialect="sqlite")
Index(
    "experiment_facts",
    turns.c.experiment,
    turns.c.variant,
    turns.c.user_hash,
    turns.c.started,
    *(turns.c[name] for name in _FACTS.split()),
    sqlite_where=turns.c.experiment.is_not(None),
).ddl_if(dialect="sqlite")
