"""Prompts: repositories of versions, the tags that point at versions, and where tags pointed before."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, Uuid

from app.ops.store.tables.base import Json, Moment, Serial, metadata

prompts = Table(
    "prompts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("handle", Text, nullable=False, unique=True),
    Column("repo_type", Text, nullable=False),
    Column("description", Text),
    Column("readme", Text),
    Column("labels", Json, nullable=False),  # what the LangSmith API calls the tags of a repo
    Column("is_public", Boolean, nullable=False),
    Column("is_archived", Boolean, nullable=False),
    Column("liked", Boolean, nullable=False),
    Column("num_downloads", Integer, nullable=False),
    Column("num_views", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

prompt_commits = Table(
    "prompt_commits",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("prompt_id", Uuid, ForeignKey("prompts.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),  # 1, 2, 3, … within the prompt
    Column("hash", Text, nullable=False),
    Column("parent_id", Uuid),
    Column("parent_hash", Text),
    Column("manifest", Json, nullable=False),
    Column("description", Text),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("prompt_id", "number"),
    UniqueConstraint("prompt_id", "hash"),
)

prompt_tags = Table(
    "prompt_tags",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("prompt_id", Uuid, ForeignKey("prompts.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("commit_id", Uuid, ForeignKey("prompt_commits.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("prompt_id", "name"),
)

prompt_tag_moves = Table(
    "prompt_tag_moves",
    metadata,
    Column("num", Serial, primary_key=True),
    Column("prompt_id", Uuid, ForeignKey("prompts.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),  # pin, rollback or remove
    Column("commit_id", Uuid),  # where it points since; null when it was removed
    Column("moved_at", Moment, nullable=False),
    Column("moved_by", Text, nullable=False),
)
Index("tag_moves_by_tag", prompt_tag_moves.c.prompt_id, prompt_tag_moves.c.name)

prompt_webhooks = Table(
    "prompt_webhooks",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("url", Text, nullable=False),
    Column("headers", Json, nullable=False),
    Column("triggers", Json, nullable=False),
    Column("include_prompts", Json, nullable=False),
    Column("exclude_prompts", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)
