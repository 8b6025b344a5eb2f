"""Storing batches from the queue, and telling apart what may work later and what never will."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from sqlalchemy.exc import InterfaceError, OperationalError

from app.ops.store.intake.batches import read_batch
from app.ops.store.runs.ingest import Ingester

_REASON_CHARS = 2000


class Postponed(Exception):
    """A later attempt may succeed: the disk is full, the server is down."""


class Refused(Exception):
    """No attempt can: the engine cannot hold what is in the batch."""


def take(ingester: Ingester, batches: Sequence[bytes]) -> None:
    """Store whole batches, in their order. Raises Refused, Postponed; after either, nothing is stored."""
    try:
        ingester.take([read_batch(batch) for batch in batches])
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:_REASON_CHARS]
        raise (Postponed if _may_pass(error) else Refused)(reason) from error


def _may_pass(error: Exception) -> bool:
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    is_of_engine = isinstance(error, OperationalError | InterfaceError | sqlite3.Error | OSError)
    return is_of_engine and not state.startswith("54")  # what exceeds the limits of PostgreSQL always will
