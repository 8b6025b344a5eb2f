"""Rules: what is done with new runs, and what each has done."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, delete, func, insert, select, type_coerce, update

from app.ops.store.database import Database
from app.ops.store.datasets.datasets import Datasets
from app.ops.store.errors import InvalidRecord, NotFound
from app.ops.store.models import RunQuery
from app.ops.store.queues.queues import Queues
from app.ops.store.rules.evaluators import Evaluators
from app.ops.store.rules.feed import begin_feed
from app.ops.store.rules.models import KEPT_WHEN_OMITTED, Application, Rule, RuleFields, SpendDay
from app.ops.store.runs.projects import Projects
from app.ops.store.runs.runs import Runs
from app.ops.store.tables.base import Usd
from app.ops.store.tables.rules import rule_applications, run_rules

_DAY_US = 24 * 60 * 60 * 1_000_000
_EPOCH = date(1970, 1, 1)


class Rules:
    """Make, find, change, delete, and read back."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        runs: Runs,
        projects: Projects,
        evaluators: Evaluators,
        queues: Queues,
        datasets: Datasets,
    ) -> None:
        self._database = database
        self._clock = clock
        self._runs = runs
        self._known = {
            "session_id": projects.get,
            "dataset_id": datasets.get,
            "evaluator_id": evaluators.get,
            "add_to_annotation_queue_id": queues.get,
            "add_to_dataset_id": datasets.get,
        }

    def create(self, fields: RuleFields) -> Rule:
        """Make a rule for the runs that arrive from now on. Raises InvalidRecord, InvalidQuery."""
        self._require(fields)
        now = self._clock()
        rule_id = uuid4()
        with self._database.write() as db:
            _begin_when_idle(db, now)
            row = _columns(fields) | {"id": rule_id, "version": 1, "created_at": now, "updated_at": now}
            db.execute(insert(run_rules).values(row))
            return _existing(db, rule_id)

    def get(self, rule_id: UUID) -> Rule:
        """One rule. Raises NotFound."""
        with self._database.read() as db:
            return _existing(db, rule_id)

    def find(
        self,
        *,
        ids: Collection[UUID] | None = None,
        name_contains: str | None = None,
        session_id: UUID | None = None,
        dataset_id: UUID | None = None,
        evaluator_id: UUID | None = None,
        is_enabled: bool | None = None,
        of_datasets: bool | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Rule]:
        """Rules, the latest changed first; each argument that is not None narrows the answer."""
        exact: dict[str, UUID | bool | None] = {
            "session_id": session_id,
            "dataset_id": dataset_id,
            "evaluator_id": evaluator_id,
            "is_enabled": is_enabled,
        }
        terms = [run_rules.c[name] == value for name, value in exact.items() if value is not None]
        if ids is not None:
            terms.append(run_rules.c.id.in_(ids))
        if name_contains is not None:
            terms.append(func.lower(run_rules.c.display_name).contains(name_contains.lower(), autoescape=True))
        if of_datasets is not None:
            terms.append(run_rules.c.dataset_id.is_not(None) if of_datasets else run_rules.c.session_id.is_not(None))
        wanted = select(run_rules).where(*terms).order_by(run_rules.c.updated_at.desc(), run_rules.c.id.desc())
        with self._database.read() as db:
            return [_rule(row) for row in db.execute(wanted.limit(limit).offset(offset))]

    def change(self, rule_id: UUID, wanted: RuleFields) -> Rule:
        """Replace a rule, but for the fields that are kept when omitted.

        Raises NotFound, InvalidRecord, InvalidQuery.
        """
        before = self.get(rule_id)
        kept = {name: getattr(before, name) for name in KEPT_WHEN_OMITTED - wanted.model_fields_set}
        fields = wanted.model_copy(update=kept)
        self._require(fields)
        with self._database.write() as db:
            _begin_when_idle(db, self._clock())
            changes = _columns(fields) | {"version": run_rules.c.version + 1, "updated_at": self._clock()}
            db.execute(update(run_rules).where(run_rules.c.id == rule_id).values(changes))
            return _existing(db, rule_id)

    def delete(self, rule_id: UUID) -> None:
        """Delete a rule; what it did stays. Raises NotFound."""
        with self._database.write() as db:
            _existing(db, rule_id)
            db.execute(delete(run_rules).where(run_rules.c.id == rule_id))

    def record(self, applied: Application) -> None:
        """Write down what a rule did with a run; the first word stays."""
        key = rule_applications.c.rule_id == applied.rule_id, rule_applications.c.run_id == applied.run_id
        with self._database.write() as db:
            if db.execute(select(rule_applications.c.rule_id).where(*key)).first() is None:
                db.execute(insert(rule_applications).values(applied.model_dump()))

    def applied_to(self, rule_id: UUID, run_ids: Collection[UUID]) -> set[UUID]:
        """Those of the runs that the rule has been applied to."""
        wanted = select(rule_applications.c.run_id).where(
            rule_applications.c.rule_id == rule_id, rule_applications.c.run_id.in_(run_ids)
        )
        with self._database.read() as db:
            return set(db.scalars(wanted))

    def log(self, rule_id: UUID, *, limit: int, offset: int = 0) -> list[Application]:
        """What a rule did, newest first. Raises NotFound."""
        wanted = select(rule_applications).where(rule_applications.c.rule_id == rule_id)
        newest_first = wanted.order_by(rule_applications.c.applied_at.desc(), rule_applications.c.run_id)
        with self._database.read() as db:
            _existing(db, rule_id)
            rows = db.execute(newest_first.limit(limit).offset(offset))
            return [Application.model_validate(row._asdict()) for row in rows]

    def spent(self, rule_id: UUID, since: datetime) -> Decimal:
        """US dollars that the rule's evaluators have cost since then."""
        applied = rule_applications.c.rule_id == rule_id, rule_applications.c.applied_at >= since
        with self._database.read() as db:
            return db.scalar(select(_spend()).where(*applied)) or Decimal(0)

    def spend_by_day(self, since: datetime, until: datetime) -> list[SpendDay]:
        """What each rule cost and how many runs it was applied to, day by day."""
        at = type_coerce(rule_applications.c.applied_at, BigInteger)
        day = (at - at % _DAY_US).label("day")
        within = rule_applications.c.applied_at >= since, rule_applications.c.applied_at < until
        wanted = select(rule_applications.c.rule_id, day, _spend(), func.count().label("run_count")).where(*within)
        with self._database.read() as db:
            return [_spend_day(row) for row in db.execute(wanted.group_by(rule_applications.c.rule_id, day))]

    def _require(self, fields: RuleFields) -> None:
        for name, get in self._known.items():
            if (wanted := getattr(fields, name)) is not None:
                try:
                    get(wanted)
                except NotFound as error:
                    raise InvalidRecord(f"{name}: {error}") from error
        for code in fields.code_evaluators or []:
            if code.is_safe:
                code.checks()
        self._runs.query(matching(fields, []))


def matching(rule: RuleFields, run_ids: list[UUID]) -> RunQuery:
    """Which of the runs a rule's filters let through."""
    filters = {"filter": rule.filter, "trace_filter": rule.trace_filter, "tree_filter": rule.tree_filter}
    return RunQuery(ids=run_ids, newest_first=False, limit=1000, **filters)


def _begin_when_idle(db: Connection, now: datetime) -> None:
    """While no rule is enabled, nobody reads the feed of runs; what arrived meanwhile is passed by."""
    enabled = select(func.count()).select_from(run_rules).where(run_rules.c.is_enabled)
    if not db.scalar(enabled):
        begin_feed(db, now)


def _columns(fields: RuleFields) -> dict[str, Any]:
    names = ("display_name", "session_id", "dataset_id", "evaluator_id", "is_enabled")
    definition = fields.model_dump(mode="json", include=set(RuleFields.model_fields))
    return {name: getattr(fields, name) for name in names} | {"definition": definition}


def _spend() -> ColumnElement[Decimal]:
    return type_coerce(func.sum(type_coerce(rule_applications.c.spend_usd, BigInteger)), Usd).label("spend_usd")


def _spend_day(row: Row[Any]) -> SpendDay:
    day = _EPOCH + timedelta(days=row.day // _DAY_US)
    return SpendDay(rule_id=row.rule_id, day=day, spend_usd=row.spend_usd or Decimal(0), run_count=row.run_count)


def _existing(db: Connection, rule_id: UUID) -> Rule:
    row = db.execute(select(run_rules).where(run_rules.c.id == rule_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no rule {rule_id}.")
    return _rule(row)


def _rule(row: Row[Any]) -> Rule:
    stored = {name: getattr(row, name) for name in ("id", "version", "created_at", "updated_at")}
    return Rule.model_validate(row.definition | stored)
