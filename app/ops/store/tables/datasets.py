"""Datasets, their examples at every moment of their history, and comparisons of experiments on them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, Uuid

from app.ops.store.tables.base import Json, Moment, Serial, metadata

datasets = Table(
    "datasets",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text),
    Column("data_type", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("modified_at", Moment, nullable=False),
    Column("metadata", Json, nullable=False),
    Column("inputs_schema", Json),
    Column("outputs_schema", Json),
    Column("transformations", Json),
    Column("externally_managed", Boolean, nullable=False),
    Column("share_token", Uuid, unique=True),  # whoever knows it may read
)

dataset_versions = Table(
    "dataset_versions",  # the moments at which examples changed
    metadata,
    Column("dataset_id", Uuid, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("as_of", Moment, primary_key=True),
)

dataset_tags = Table(
    "dataset_tags",
    metadata,
    Column("dataset_id", Uuid, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("as_of", Moment, nullable=False),
)

examples = Table(
    "examples",
    metadata,
    Column("num", Serial, primary_key=True),  # in order of arrival
    Column("id", Uuid, nullable=False, unique=True),
    Column("dataset_id", Uuid, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False, index=True),
)

example_versions = Table(
    "example_versions",  # what an example said from `as_of` until `until`, or still says where that is null
    metadata,
    Column("num", Serial, primary_key=True),
    Column("example_id", Uuid, ForeignKey("examples.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("dataset_id", Uuid, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("as_of", Moment, nullable=False),
    Column("until", Moment),
    Column("created_at", Moment, nullable=False),  # of the example; the same in all its versions
    Column("inputs", Json, nullable=False),
    Column("outputs", Json),
    Column("metadata", Json, nullable=False),
    Column("source_run_id", Uuid),
    Column("attachments", Json, nullable=False),  # name -> mime_type, size_bytes and digest of the blob
)
Index("example_versions_by_time", example_versions.c.dataset_id, example_versions.c.as_of)
Index(
    "examples_now",
    example_versions.c.dataset_id,
    example_versions.c.as_of,
    sqlite_where=example_versions.c.until.is_(None),
    postgresql_where=example_versions.c.until.is_(None),
)

example_labels = Table(
    "example_labels",  # metadata, one row a key, and one for each text in a list: what finds examples by it
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, primary_key=True),  # as text, cut at LABEL_CHARS
    Column("is_item", Boolean, primary_key=True),
    Column("num", Serial, ForeignKey("example_versions.num", ondelete="CASCADE"), primary_key=True),
    sqlite_with_rowid=False,
)
Index("example_labels_by_num", example_labels.c.num)

comparisons = Table(
    "comparisons",  # the API calls them comparative experiments
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("dataset_id", Uuid, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text),
    Column("description", Text),
    Column("extra", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("modified_at", Moment, nullable=False),
)

comparison_projects = Table(
    "comparison_projects",
    metadata,
    Column("comparison_id", Uuid, ForeignKey("comparisons.id", ondelete="CASCADE"), primary_key=True),
    Column("project_id", Uuid, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("position", Integer, nullable=False),
)
