"""Metadata and tags as rows of their own, so that runs are found and grouped by them without reading every run."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete

from app.ops.store.models import Document
from app.ops.store.tables import run_labels, run_tags
from app.ops.store.tables.base import json_text
from app.ops.store.tables.runs import LABEL_CHARS
from app.ops.store.upsert import insert

_FORGET_LABEL = delete(run_labels).where(
    run_labels.c.key == bindparam("k"), run_labels.c.value == bindparam("v"), run_labels.c.num == bindparam("n")
)
_FORGET_TAG = delete(run_tags).where(run_tags.c.tag == bindparam("t"), run_tags.c.num == bindparam("n"))


@dataclass(frozen=True)
class Labels:
    """What one run is found by."""

    num: int
    metadata: Mapping[str, Any]
    tags: Collection[str]


def put_labels(db: Connection, new: Iterable[Labels], old: Iterable[Labels] = ()) -> None:
    """Replace what `old` runs were found by with what `new` ones are."""
    before, after = list(old), list(new)
    stale, fresh = _metadata_rows(before), _metadata_rows(after)
    stale_tags, fresh_tags = _tag_rows(before), _tag_rows(after)
    if gone := stale.keys() - fresh.keys():
        db.execute(_FORGET_LABEL, [{"k": key, "v": value, "n": num} for key, value, num in gone])
    if gone_tags := stale_tags - fresh_tags:
        db.execute(_FORGET_TAG, [{"t": tag, "n": num} for tag, num in gone_tags])
    added = sorted(fresh.keys() - stale.keys())
    insert(db, run_labels, [{"key": row[0], "value": row[1], "num": row[2], "number": fresh[row]} for row in added])
    insert(db, run_tags, [{"tag": tag, "num": num} for tag, num in sorted(fresh_tags - stale_tags)])


def label_text(value: Any) -> str:
    """A value of metadata as the label that stands for it: text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json_text(value)
    return text[:LABEL_CHARS].replace("\x00", "\ufffd")


def metadata_in(extra: str | None) -> Mapping[str, Any]:
    """The metadata in a stored run's `extra`; none where it has another shape."""
    metadata = Document(extra).value.get("metadata") if extra else None
    return metadata if isinstance(metadata, dict) else {}


def _metadata_rows(runs: Iterable[Labels]) -> dict[tuple[str, str, int], float | None]:
    return {
        (label_text(key), label_text(value), run.num): _number(value)
        for run in runs
        for key, value in run.metadata.items()
    }


def _tag_rows(runs: Iterable[Labels]) -> set[tuple[str, int]]:
    return {(label_text(tag), run.num) for run in runs for tag in run.tags}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
