"""Taking runs in: fields merge in whatever order they arrive, then what follows from them is derived."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, Row, bindparam, delete, select

from app.ops.store.costs.book import PriceBook, called_model
from app.ops.store.costs.usage import reported_usage
from app.ops.store.database import Database, one_at_a_time
from app.ops.store.feedback.feedback import put_feedback, settle_feedback
from app.ops.store.models import (
    DEFAULT_PROJECT,
    DOCUMENTS,
    Document,
    Ingest,
    Moment,
    RunFields,
    agent_project,
)
from app.ops.store.runs import search
from app.ops.store.runs.labels import Labels, metadata_in, put_labels
from app.ops.store.runs.projects import project_named
from app.ops.store.runs.rollup import AMOUNTS, roll_up
from app.ops.store.runs.turn_facts import turn_of
from app.ops.store.tables import counters, projects, run_bodies, runs, turns
from app.ops.store.tables.base import chunks, microseconds
from app.ops.store.tables.runs import place_is_guessed
from app.ops.store.upsert import upsert

THREAD_CHARS = 500
"""Of a thread's id, so much tells it from others."""
FIRST_ANALYSIS = 5_000
"""At so many runs the planner is told how they are spread, and again whenever they have doubled."""
Sent = dict[str, Any]
"""What clients have said about one run so far, by the name of the column."""

_PLACE = ("trace_id", "parent_run_id", "dotted_order")
_PLAIN = (*_PLACE, "name", "run_type", "start_time", "end_time", "reference_example_id", "tags")
_BODY = (*DOCUMENTS, "error", "attachments")
_EVERY_RUN_HAS = ("trace_id", "project_id", "dotted_order", "name", "run_type", "start_time", "tags")
_THREAD_KEYS = ("session_id", "conversation_id", "thread_id")
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)

_STORED = (
    select(runs, *(run_bodies.c[name] for name in _BODY))
    .join_from(runs, run_bodies)
    .where(runs.c.id.in_(bindparam("ids", expanding=True)))
)
_ANY_STRAY = select(runs.c.num).where(runs.c.parent_run_id.is_not(None), place_is_guessed).limit(1)
_STRAYS = (
    select(runs, *(run_bodies.c[name] for name in _BODY))
    .join_from(runs, run_bodies)
    .where(runs.c.parent_run_id.in_(bindparam("parents", expanding=True)), place_is_guessed)
)
_PARENT = select(runs.c.trace_id, runs.c.dotted_order, runs.c.project_id).where(runs.c.id == bindparam("id"))
_TAKE_NUMBERS = (
    counters.update()
    .where(counters.c.name == "runs")
    .values(next=counters.c.next + bindparam("count"))
    .returning(counters.c.next)
)


class Ingester:
    """Takes batches into the tables, a few in one transaction. Its one caller is the intake."""

    def __init__(self, database: Database, book: Callable[[], PriceBook], clock: Callable[[], datetime]) -> None:
        self._database = database
        self._book = book
        self._clock = clock
        self._analyse_at = FIRST_ANALYSIS

    def take(self, batches: Sequence[Ingest]) -> None:
        """Store whole batches, in their order."""
        book = self._book()
        with self._database.apply() as db:
            one_at_a_time(db)
            transaction = _Transaction(db, book, self._clock())
            transaction.take(batches)
        if transaction.newest >= self._analyse_at:
            self._database.analyse()
            self._analyse_at = 2 * transaction.newest


class _Transaction:
    def __init__(self, db: Connection, book: PriceBook, now: datetime) -> None:
        self._db = db
        self._book = book
        self._now = now
        self._projects: dict[str, UUID] = {}
        self._homes: dict[UUID, bool] = {}
        self.newest = 0
        """The highest number that a run got."""

    def take(self, batches: Sequence[Ingest]) -> None:
        ids = {fields["id"] for batch in batches for fields in (*batch.posts, *batch.patches)}
        stored = {row.id: row for some in chunks(ids) for row in self._db.execute(_STORED, {"ids": some})}
        sent = {run_id: _sent_before(row) for run_id, row in stored.items()}
        for batch in batches:
            for post in filter(self._has_home, batch.posts):
                sent[post["id"]] = _merged(self._sent(post), over=sent.get(post["id"], {}))
            for patch in filter(self._has_home, batch.patches):
                sent[patch["id"]] = _merged(sent.get(patch["id"], {}), over=self._sent(patch))
        strays = self._strays_below(sent)
        if sent:
            self._write(sent | {run_id: _sent_before(row) for run_id, row in strays.items()}, stored | strays)
        put_feedback(self._db, [one for batch in batches for one in batch.feedback], self._now)

    def _strays_below(self, run_ids: Collection[UUID]) -> dict[UUID, Row[Any]]:
        """Stored runs whose place was guessed because a run above them, which comes now, was not there."""
        strays: dict[UUID, Row[Any]] = {}
        above = set(run_ids) if self._db.scalar(_ANY_STRAY) else set()
        while above:
            rows = [row for some in chunks(above) for row in self._db.execute(_STRAYS, {"parents": some})]
            found = {row.id: row for row in rows if row.id not in strays and row.id not in run_ids}
            strays |= found
            above = set(found)
        return strays

    def _has_home(self, fields: RunFields) -> bool:
        """Whether the project that the run names by its id still exists: it did when the run was acknowledged."""
        project_id = fields.get("session_id")
        if project_id is None:
            return True
        if project_id not in self._homes:
            known = select(projects.c.id).where(projects.c.id == project_id)
            self._homes[project_id] = self._db.scalar(known) is not None
        return self._homes[project_id]

    def _sent(self, fields: RunFields) -> Sent:
        given: Mapping[str, Any] = fields
        sent = {name: given[name] for name in (*_PLAIN, *_BODY) if given.get(name) is not None}
        if fields.get("session_id"):
            sent["project_id"] = fields["session_id"]
        elif fields.get("session_name"):
            sent["project_id"] = self._project(str(fields["session_name"]))
        elif address := fields.get("address"):
            sent["project_id"] = self._project(agent_project(address))
        return sent

    def _project(self, name: str) -> UUID:
        if name not in self._projects:
            self._projects[name] = project_named(self._db, name, self._now)
        return self._projects[name]

    def _write(self, sent: Mapping[UUID, Sent], stored: Mapping[UUID, Row[Any]]) -> None:
        """Write these runs whole, then all that is derived from them."""
        numbers = self._numbers(sent, stored)
        placed = self._placed(sent)
        rows = [self._row(numbers[run_id], run_id, one) for run_id, one in placed.items()]
        upsert(self._db, runs, rows, key="num")
        upsert(self._db, run_bodies, [_body(numbers[run_id], one) for run_id, one in placed.items()], key="num")
        put_labels(
            self._db,
            [Labels(numbers[run_id], _metadata(one), one["tags"]) for run_id, one in placed.items()],
            [Labels(row.num, metadata_in(row.extra), row.tags) for row in stored.values()],
        )
        search.put(self._db, [_words(row, placed[row["id"]]) for row in rows])
        self._write_turns(rows, placed, stored)
        roll_up(self._db, {row["trace_id"] for row in rows})
        settle_feedback(self._db, list(sent))

    def _placed(self, sent: Mapping[UUID, Sent]) -> dict[UUID, Sent]:
        """The runs with stand-ins for what is not known yet; a run is looked at after the run above it."""
        placed: dict[UUID, Sent] = {}
        for run_id in sent:
            branch: list[UUID] = []
            above: UUID | None = run_id
            while above is not None and above in sent and above not in placed and above not in branch:
                branch.append(above)
                above = sent[above].get("parent_run_id")
            for one in reversed(branch):
                placed[one] = self._complete(one, sent[one], placed)
        return placed

    def _write_turns(
        self, rows: Sequence[Mapping[str, Any]], placed: Mapping[UUID, Sent], stored: Mapping[UUID, Row[Any]]
    ) -> None:
        no_roots = [row["num"] for row in rows if not row["is_root"] and row["id"] in stored]
        if no_roots:  # a patch may have come before the post that names the parent
            self._db.execute(delete(turns).where(turns.c.num.in_(no_roots)))
        roots = [_turn(row, placed[row["id"]], stored.get(row["id"])) for row in rows if row["is_root"]]
        upsert(self._db, turns, roots, key="num")

    def _numbers(self, sent: Mapping[UUID, Sent], stored: Mapping[UUID, Row[Any]]) -> dict[UUID, int]:
        """Numbers in order of arrival for the runs that have none yet."""
        new = [run_id for run_id in sent if run_id not in stored]
        self.newest = end = self._db.scalar(_TAKE_NUMBERS, {"count": len(new)}) or 0
        return {run_id: row.num for run_id, row in stored.items()} | {
            run_id: number for number, run_id in enumerate(new, start=end - len(new))
        }

    def _complete(self, run_id: UUID, sent: Sent, placed: Mapping[UUID, Sent]) -> Sent:
        """The run with stand-ins for what every run has, should its sender not have said it yet."""
        missing = [name for name in _EVERY_RUN_HAS if not sent.get(name)]
        if not missing:
            return sent | {"guessed": []}
        guesses: Sent = {"name": "unnamed", "run_type": "chain", "start_time": self._now, "tags": []}
        if {"trace_id", "project_id", "dotted_order"} & set(missing):
            guesses |= self._place(run_id, sent, sent.get("start_time") or self._now, placed)
        return sent | {name: guesses[name] for name in missing} | {"guessed": missing}

    def _place(self, run_id: UUID, sent: Sent, started: datetime, placed: Mapping[UUID, Sent]) -> Sent:
        """Where the run belongs: below its parent if that is known, else in a trace of its own."""
        step = f"{started:%Y%m%dT%H%M%S%f}Z{run_id}"
        parent_id = sent.get("parent_run_id")
        parent = placed.get(parent_id) if parent_id else None
        if parent is None and parent_id:
            row = self._db.execute(_PARENT, {"id": parent_id}).one_or_none()
            parent = row._asdict() if row else None
        if parent is None:
            return {"trace_id": run_id, "project_id": self._project(DEFAULT_PROJECT), "dotted_order": step}
        return {name: parent[name] for name in ("trace_id", "project_id")} | {
            "dotted_order": f"{parent['dotted_order']}.{step}"
        }

    def _row(self, num: int, run_id: UUID, run: Sent) -> dict[str, Any]:
        metadata, end = _metadata(run), run.get("end_time")
        events = run.get("events")
        return {
            "num": num,
            "id": run_id,
            **{name: run.get(name) for name in (*_PLAIN, "project_id", "guessed")},
            "is_root": run.get("parent_run_id") is None,
            "status": "error" if run.get("error") else "success" if end else "pending",
            "latency_us": _latency_us(run["start_time"], end),
            "first_token_time": _first_token_time(events.value) if events else None,
            "thread_id": next((str(metadata[key])[:THREAD_CHARS] for key in _THREAD_KEYS if metadata.get(key)), None),
            "usage": self._usage(run, metadata),
            "received_at": self._now,
        }

    def _usage(self, run: Sent, metadata: Mapping[str, Any]) -> dict[str, Any] | None:
        outputs = run.get("outputs")
        usage = reported_usage(run["run_type"], metadata, outputs.text if outputs else None)
        if usage is None:
            return None
        provider, model = called_model(run["extra"].value if "extra" in run else {})
        priced = self._book.cost(usage, provider, model, run["start_time"])
        return priced.model_dump(mode="json", exclude_defaults=True)


def _sent_before(row: Row[Any]) -> Sent:
    """What clients have said so far about a stored run, without what was guessed or derived."""
    known = {name: getattr(row, name) for name in (*_PLAIN, "project_id", *_BODY) if name not in row.guessed}
    for name in DOCUMENTS:
        if known[name] is not None:
            known[name] = Document(known[name])
    return {name: value for name, value in known.items() if value is not None}


def _merged(sent: Sent, *, over: Sent) -> Sent:
    """`sent` with `over` laid on top; `extra` and the objects in it are merged, not replaced."""
    merged = sent | over
    if "extra" in sent and "extra" in over and sent["extra"] is not over["extra"]:
        low, high = sent["extra"].value, over["extra"].value
        merged["extra"] = Document.of(low | {key: _merged_value(low.get(key), high[key]) for key in high})
    if "attachments" in sent and "attachments" in over:
        merged["attachments"] = sent["attachments"] | over["attachments"]
    return merged


def _merged_value(low: Any, high: Any) -> Any:
    return low | high if isinstance(low, dict) and isinstance(high, dict) else high


def _body(num: int, run: Sent) -> dict[str, Any]:
    body = {name: run[name].text if name in run else None for name in DOCUMENTS}
    return {"num": num, **body, "error": run.get("error"), "attachments": run.get("attachments")}


def _words(row: Mapping[str, Any], run: Sent) -> dict[str, Any]:
    documents = (run[name].text for name in ("inputs", "outputs") if name in run)
    words = search.searchable(row["name"], run.get("error"), *documents)
    return {"num": row["num"], "is_root": row["is_root"], "text": words}


def _turn(row: Mapping[str, Any], run: Sent, stored: Row[Any] | None) -> dict[str, Any]:
    return turn_of(
        row,
        metadata=_metadata(run),
        inputs=run["inputs"].value if "inputs" in run else None,
        outputs=run["outputs"].value if "outputs" in run else None,
        error=run.get("error"),
        amounts={name: getattr(stored, name) for name in AMOUNTS} if stored else {},
    )


def _metadata(run: Sent) -> Mapping[str, Any]:
    metadata = run["extra"].value.get("metadata") if "extra" in run else None
    return metadata if isinstance(metadata, dict) else {}


def _latency_us(start: datetime, end: datetime | None) -> int | None:
    """Never negative: clocks of two machines may disagree."""
    return None if end is None else max(0, microseconds(end) - microseconds(start))


def _first_token_time(events: Iterable[Mapping[str, Any]]) -> datetime | None:
    for event in events:
        if event.get("name") == "new_token":
            return _moment_or_none(event.get("time"))
    return None


def _moment_or_none(value: Any) -> datetime | None:
    try:
        return _MOMENT.validate_python(value)
    except ValidationError:
        return None
