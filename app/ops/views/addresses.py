"""Where each page lies. Names come from traces, so every part is quoted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

BASE = "/ops"
"""Where the pages are served."""
_HUB_COMMIT = re.compile(r"hub:(?P<handle>[a-z][a-z0-9_-]*):(?P<commit>[0-9a-f]{8,64})")


def turn_url(run_id: object) -> str:
    """The page of one trace."""
    return f"{BASE}/turns/{quote(str(run_id))}"


def step_url(trace_id: object, run_id: object) -> str:
    """The page of one step of a trace."""
    return f"{turn_url(trace_id)}/steps/{quote(str(run_id))}"


def thread_url(thread_id: str) -> str:
    """The page of one conversation."""
    return f"{BASE}/threads/{quote(thread_id, safe='', errors='replace')}"


def diff_url(a: object, b: object) -> str:
    """The page that compares two traces."""
    return f"{BASE}/diff?{urlencode({'a': str(a), 'b': str(b)})}"


def experiment_url(name: str) -> str:
    """The page of one experiment."""
    return f"{BASE}/experiments/{quote(name, errors='replace')}"


def turns_url(**filters: object) -> str:
    """The turn list with these filters; what is empty is left out."""
    pairs = {key: _written(value) for key, value in filters.items() if value not in (None, "", False)}
    return f"{BASE}/turns?{urlencode(pairs, errors='replace')}" if pairs else f"{BASE}/turns"


def datasets_url(**query: object) -> str:
    """The datasets, or those that are asked for."""
    return _with_query(f"{BASE}/datasets", query)


def dataset_url(dataset_id: object, part: str = "", **query: object) -> str:
    """The page of one dataset, or the part of it at this path."""
    return _with_query(f"{BASE}/datasets/{quote(str(dataset_id))}{part and '/' + part}", query)


def example_url(dataset_id: object, example_id: object, **query: object) -> str:
    """The page of one example."""
    return dataset_url(dataset_id, f"examples/{quote(str(example_id))}", **query)


def results_url(dataset_id: object, project_id: object, **query: object) -> str:
    """The page of one experiment on a dataset."""
    return dataset_url(dataset_id, f"experiments/{quote(str(project_id))}", **query)


def prompt_url(handle: str, part: str = "", **query: object) -> str:
    """The page of one prompt, or the part of it at this path."""
    return _with_query(f"{BASE}/prompts/{quote(handle, safe='', errors='replace')}{part and '/' + part}", query)


def hub_commit(version: str) -> tuple[str, str] | None:
    """The prompt and the commit in a turn's prompt version, where it is from this store's hub."""
    found = _HUB_COMMIT.fullmatch(version)
    return (found["handle"], found["commit"]) if found else None


def queue_url(queue_id: object, part: str = "", **query: object) -> str:
    """The page of one annotation queue, or the part of it at this path."""
    return _with_query(f"{BASE}/queues/{quote(str(queue_id))}{part and '/' + part}", query)


def _with_query(path: str, query: Mapping[str, object]) -> str:
    """The address with what is not empty; a list repeats its name."""
    pairs = {name: value for name, value in query.items() if value not in (None, "", False, [], ())}
    return f"{path}?{urlencode(pairs, doseq=True, errors='replace')}" if pairs else path


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat()
    return "1" if value is True else str(value)
