"""Workspaces and the keys that open them. Only the default workspace's database has rows here."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text, Uuid

from app.ops.store.tables.base import Moment, metadata

workspaces = Table(
    "workspaces",  # those besides the default one
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
    info={"private": True},
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("workspace_id", Uuid, nullable=False),
    Column("label", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),  # of the key, which is kept nowhere
    Column("prefix", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    info={"private": True},
)
