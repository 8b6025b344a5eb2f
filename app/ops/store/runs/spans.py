"""OpenTelemetry spans as runs: each finds its place in its trace, in whatever order the spans of a trace arrive.

A span is sent when it ends, so children come before their parents, often in another request. Whoever arrives is placed
with what is known, and moves what is already there to where it now belongs.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json
from sqlalchemy import select

from app.ops.store.database import Database
from app.ops.store.models import Document, Ingest, RunFields
from app.ops.store.tables import run_bodies, runs
from app.ops.store.tables.base import chunks

_LONGEST_ORDER = 18_000


@dataclass(frozen=True)
class Span:
    """One span: the run that it is, but for its place, and what says where that is."""

    run: RunFields
    """`trace_id` and `start_time` are set; of `parent_run_id` and `dotted_order`, what the sender says itself."""
    span_id: str
    parent_span_id: str
    """Empty where there is none."""
    is_sdk_root: bool = False
    """Whether LangSmith's own exporter wrote it as a root: under a parent made up from the id of the trace."""


@dataclass(frozen=True)
class _Node:
    """A span in its trace, new or stored."""

    run_id: UUID
    span_id: str
    parent_span_id: str
    started: datetime
    parent_run_id: UUID | None = None
    dotted_order: str | None = None
    has_own_place: bool = False


class Spans:
    """The way in for spans."""

    def __init__(self, database: Database, ingest: Callable[[Ingest], None]) -> None:
        self._database = database
        self._ingest = ingest
        self._placing = threading.Lock()

    def take(self, spans: Sequence[Span]) -> None:
        """Store spans as runs, and move the stored runs of their traces that belong elsewhere now.

        A root run has the id of its trace, any other run that of its span. A span whose parent is unknown lies below
        the root of its trace, or is a root of its own until one arrives.
        """
        by_trace: dict[UUID, dict[str, Span]] = defaultdict(dict)
        for span in spans:
            by_trace[_trace_id(span)][span.span_id] = span
        with self._placing:
            stored = self._stored(by_trace)
            batch = Ingest()
            for trace_id, some in by_trace.items():
                _place(trace_id, some, stored[trace_id], batch)
            self._ingest(batch)

    def _stored(self, trace_ids: Iterable[UUID]) -> Mapping[UUID, list[_Node]]:
        columns = (runs.c.id, runs.c.trace_id, runs.c.parent_run_id, runs.c.dotted_order, runs.c.start_time)
        whole = select(*columns, run_bodies.c.extra).join_from(runs, run_bodies)
        found: dict[UUID, list[_Node]] = defaultdict(list)
        with self._database.read() as db:
            for some in chunks(trace_ids):
                for row in db.execute(whole.where(runs.c.trace_id.in_(some))):
                    found[row.trace_id].append(_stored_node(row._asdict()))
        return found


def _stored_node(row: Mapping[str, Any]) -> _Node:
    """A run that did not come as a span is the parent of those made within it: its id begins with their parent's."""
    otel = from_json(row["extra"] or "{}").get("otel")
    span_id, parent, own = row["id"].bytes[:8].hex(), "", True
    if isinstance(otel, dict) and isinstance(otel.get("span_id"), str):
        span_id, parent = otel["span_id"], str(otel.get("parent_span_id") or "")
        own = bool(otel.get("has_own_place"))
    return _Node(row["id"], span_id, parent, row["start_time"], row["parent_run_id"], row["dotted_order"], own)


def _place(trace_id: UUID, spans: Mapping[str, Span], stored: Sequence[_Node], batch: Ingest) -> None:
    """Add to `batch` the new runs of a trace, and the changes of those that are stored."""
    before = {node.span_id: node for node in stored if node.span_id not in spans}
    root = next((node.span_id for node in stored if node.run_id == trace_id), None) or _root(spans)
    new = {span_id: _node(span, trace_id, span_id == root) for span_id, span in spans.items()}
    trace = _Trace({**before, **new}, root)
    for span_id, span in spans.items():
        batch.posts.append(_posted(span, trace.placed(span_id)))
    for span_id, node in before.items():
        placed = trace.placed(span_id)
        if placed != node:
            batch.patches.append(_moved(trace_id, placed))


class _Trace:
    """The spans of a trace, each placed below its parent."""

    def __init__(self, nodes: Mapping[str, _Node], root: str | None) -> None:
        self._nodes = nodes
        self._root = root
        self._placed: dict[str, _Node] = {}

    def placed(self, span_id: str) -> _Node:
        """The span with its place."""
        path = self._path(span_id)
        for one in reversed(path):
            self._placed[one] = self._below(self._nodes[one], self._parent(one))
        return self._placed[span_id]

    def _path(self, span_id: str) -> list[str]:
        """From the span upwards, as far as nothing is placed yet; spans that call each other parents end it."""
        path: dict[str, None] = {}
        above: str | None = span_id
        while above is not None and above not in self._placed and above not in path:
            path[above] = None
            above = self._parent(above)
        return [*path]

    def _parent(self, span_id: str) -> str | None:
        node = self._nodes[span_id]
        if span_id == self._root or node.has_own_place:
            return None
        if node.parent_span_id in self._nodes and node.parent_span_id != span_id:
            return node.parent_span_id
        return self._root if node.parent_span_id else None

    def _below(self, node: _Node, parent_span_id: str | None) -> _Node:
        if node.has_own_place:
            return node
        step = f"{node.started:%Y%m%dT%H%M%S%f}Z{node.run_id}"
        parent = self._placed.get(parent_span_id) if parent_span_id else None
        if parent is None or parent.dotted_order is None:
            return replace(node, parent_run_id=None, dotted_order=step)
        if len(parent.dotted_order) > _LONGEST_ORDER:  # too deep to go on: beside its parent
            order, _, _ = parent.dotted_order.rpartition(".")
            return replace(node, parent_run_id=parent.parent_run_id, dotted_order=f"{order}.{step}")
        return replace(node, parent_run_id=parent.run_id, dotted_order=f"{parent.dotted_order}.{step}")


def _root(spans: Mapping[str, Span]) -> str | None:
    """The first span that has no parent."""
    tops = [one for one in spans.values() if not one.parent_span_id or one.is_sdk_root]
    first = min(tops, key=_start, default=None)
    return first.span_id if first else None


def _start(span: Span) -> tuple[datetime, str]:
    started = span.run.get("start_time")
    assert started
    return started, span.span_id


def _node(span: Span, trace_id: UUID, is_root: bool) -> _Node:
    started, _ = _start(span)
    own = span.run.get("dotted_order")
    names_itself = span.run["id"] != UUID(int=int(span.span_id, 16))
    run_id = span.run["id"] if own or names_itself or not is_root else trace_id
    return _Node(
        run_id, span.span_id, span.parent_span_id, started, span.run.get("parent_run_id"), own, has_own_place=bool(own)
    )


def _posted(span: Span, node: _Node) -> RunFields:
    extra = span.run["extra"].value
    otel = {"span_id": span.span_id, "parent_span_id": span.parent_span_id, "has_own_place": node.has_own_place}
    return {
        **span.run,
        "id": node.run_id,
        "parent_run_id": node.parent_run_id,
        "dotted_order": node.dotted_order,
        "extra": Document.of(extra | {"otel": extra.get("otel", {}) | otel}),
    }


def _moved(trace_id: UUID, node: _Node) -> RunFields:
    return {
        "id": node.run_id,
        "trace_id": trace_id,
        "parent_run_id": node.parent_run_id,
        "dotted_order": node.dotted_order,
    }


def _trace_id(span: Span) -> UUID:
    trace_id = span.run.get("trace_id")
    assert trace_id
    return trace_id
