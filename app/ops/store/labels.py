"""Metadata and tags as rows of their own, so that runs are found and grouped by them without reading every run."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert

from app.ops.store.tables import run_labels, run_tags
from app.ops.store.tables.base import json_text
from app.ops.store.tables.runs import LABEL_CHARS

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
    stale = {row for labels in before for row in _metadata_rows(labels)}
    fresh = {row for labels in after for row in _metadata_rows(labels)}
    stale_tags = {row for labels in before for row in _tag_rows(labels)}
    fresh_tags = {row for labels in after for row in _tag_rows(labels)}
    if gone := stale - fresh:
        db.execute(_FORGET_LABEL, [{"k": key, "v": value, "n": num} for key, value, num, _ in gone])
    if gone_tags := stale_tags - fresh_tags:
        db.execute(_FORGET_TAG, [{"t": tag, "n": num} for tag, num in gone_tags])
    if added := fresh - stale:
        rows = [{"key": key, "value": value, "num": num, "number": number} for key, value, num, number in added]
        db.execute(insert(run_labels), rows)
    if added_tags := fresh_tags - stale_tags:
        db.execute(insert(run_tags), [{"tag": tag, "num": num} for tag, num in added_tags])


def label_text(value: Any) -> str:
    """A value of metadata as the label that stands for it: text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json_text(value)
    return text[:LABEL_CHARS].replace("\x00", "\ufffd")


def _metadata_rows(labels: Labels) -> Iterable[tuple[str, str, int, float | None]]:
    return ((label_text(key), label_text(value), labels.num, _number(value)) for key, value in labels.metadata.items())


def _tag_rows(labels: Labels) -> Iterable[tuple[str, int]]:
    return ((label_text(tag), labels.num) for tag in labels.tags)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
