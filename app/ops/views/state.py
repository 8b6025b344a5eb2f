"""What the operator pages are given: everything they show comes from here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from fastapi import Request

from app.ops.budgets import Spendings, no_budgets
from app.ops.experiments.settings import Experiment
from app.ops.stale import NothingStale, Staleness
from app.ops.store import OpsStore

NOBODY = "somebody"
"""Who acts where nobody signs in."""


@dataclass(frozen=True)
class Check:
    """One part of the product, and whether it can do its work."""

    name: str
    ok: bool
    detail: str = ""
    """A sentence: what was seen, and where it is not ok, what to do."""


@dataclass(frozen=True)
class OpsState:
    """The parts behind the pages. `checks` may be slow or fail; the pages bound and report that."""

    store: OpsStore
    experiments: Mapping[str, Experiment]
    checks: Callable[[], Awaitable[list[Check]]]
    clock: Callable[[], datetime]
    """The present moment, with a time zone."""
    outbox_depth: Callable[[], int] | None = None
    """How many records wait on disk to be sent to the store; None where the caller cannot tell."""
    has_chat: bool = True
    """Whether a chat is served beside the pages."""
    stale: Staleness = field(default_factory=NothingStale)
    """Which answers rest on text that has changed since."""
    budgets: Spendings = no_budgets
    """What is spent of each budget."""
    who: Callable[[Request], str] = lambda request: NOBODY
    """The name of whoever sent the request, for histories and reviews."""
