"""Runs, feedback and projects: tables, migrations, queries."""

from __future__ import annotations

from app.ops.store.errors import Conflict, InvalidQuery, InvalidRecord, NotFound, StoreBusy, StoreError
from app.ops.store.models import Feedback, Ingest, Project, Run, RunPage, RunQuery
from app.ops.store.store import OpsStore, Workspace

__all__ = [
    "Conflict",
    "Feedback",
    "Ingest",
    "InvalidQuery",
    "InvalidRecord",
    "NotFound",
    "OpsStore",
    "Project",
    "Run",
    "RunPage",
    "RunQuery",
    "StoreBusy",
    "StoreError",
    "Workspace",
]
