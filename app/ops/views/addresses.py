"""Where each page lies. Names come from traces, so every part is quoted."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote, urlencode

BASE = "/ops"
"""Where the pages are served."""


def turn_url(run_id: object) -> str:
    """The page of one trace."""
    return f"{BASE}/turns/{quote(str(run_id))}"


def experiment_url(name: str) -> str:
    """The page of one experiment."""
    return f"{BASE}/experiments/{quote(name, errors='replace')}"


def turns_url(**filters: object) -> str:
    """The turn list with these filters; what is empty is left out."""
    pairs = {key: _written(value) for key, value in filters.items() if value not in (None, "", False)}
    return f"{BASE}/turns?{urlencode(pairs, errors='replace')}" if pairs else f"{BASE}/turns"


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat()
    return "1" if value is True else str(value)
