"""Online evaluators: what can be asked about each new run."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from app.ops.store.database import Database
from app.ops.store.errors import Conflict, InvalidRecord, NotFound
from app.ops.store.rules.models import CodeEvaluator, Evaluator, EvaluatorChange, EvaluatorFields
from app.ops.store.tables.rules import evaluators, run_rules


class Evaluators:
    """Make, find, change, delete."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def create(self, fields: EvaluatorFields) -> Evaluator:
        """Make an evaluator. Raises InvalidRecord for checks that cannot be read."""
        now = self._clock()
        definition = fields.llm_evaluator if fields.code_evaluator is None else _checked(fields.code_evaluator)
        row = {
            "id": uuid4(),
            "name": fields.name,
            "type": fields.type,
            "definition": definition,
            "metadata": fields.metadata,
            "created_at": now,
            "updated_at": now,
        }
        with self._database.write() as db:
            db.execute(insert(evaluators).values(row))
            return _existing(db, UUID(str(row["id"])))

    def get(self, evaluator_id: UUID) -> Evaluator:
        """One evaluator. Raises NotFound."""
        with self._database.read() as db:
            return _existing(db, evaluator_id)

    def find(
        self,
        *,
        name_contains: str | None = None,
        kind: str | None = None,
        resource_ids: Collection[UUID] | None = None,
        sort_by: str = "created_at",
        descending: bool = True,
    ) -> list[Evaluator]:
        """Evaluators, newest first unless said otherwise; resources are the projects and datasets of their rules."""
        terms: list[ColumnElement[bool]] = []
        if name_contains is not None:
            terms.append(func.lower(evaluators.c.name).contains(name_contains.lower(), autoescape=True))
        if kind is not None:
            terms.append(evaluators.c.type == kind)
        if resource_ids is not None:
            attached = run_rules.c.session_id.in_(resource_ids) | run_rules.c.dataset_id.in_(resource_ids)
            terms.append(evaluators.c.id.in_(select(run_rules.c.evaluator_id).where(attached)))
        column = evaluators.c[sort_by]
        order = column.desc() if descending else column.asc()
        with self._database.read() as db:
            rows = db.execute(select(evaluators).where(*terms).order_by(order, evaluators.c.id))
            return [_evaluator(row) for row in rows]

    def change(self, evaluator_id: UUID, wanted: EvaluatorChange) -> Evaluator:
        """Change the fields that are not None. Raises NotFound, InvalidRecord."""
        with self._database.write() as db:
            before = _existing(db, evaluator_id)
            changes = wanted.model_dump(include={"name", "metadata"}, exclude_none=True)
            changes |= {"definition": _merged(before, wanted), "updated_at": self._clock()}
            db.execute(update(evaluators).where(evaluators.c.id == evaluator_id).values(changes))
            return _existing(db, evaluator_id)

    def delete(self, evaluator_id: UUID, *, with_rules: bool = False) -> None:
        """Delete an evaluator. Raises NotFound; Conflict while rules apply it, unless they go with it."""
        with self._database.write() as db:
            _existing(db, evaluator_id)
            applied = run_rules.c.evaluator_id == evaluator_id
            if with_rules:
                db.execute(delete(run_rules).where(applied))
            elif db.scalar(select(func.count()).select_from(run_rules).where(applied)):
                raise Conflict("Rules apply this evaluator. Delete them first, or send delete_run_rules=true.")
            db.execute(delete(evaluators).where(evaluators.c.id == evaluator_id))


def _checked(code: CodeEvaluator) -> dict[str, Any]:
    if code.is_safe:
        code.checks()
    return code.model_dump()


def _merged(before: Evaluator, wanted: EvaluatorChange) -> dict[str, Any]:
    if before.type == "llm":
        return before.definition | (wanted.llm_evaluator or {})
    try:
        return _checked(CodeEvaluator.model_validate(before.definition | (wanted.code_evaluator or {})))
    except ValidationError as error:
        raise InvalidRecord(f"code_evaluator: {error.errors()[0]['msg']}.") from error


def _existing(db: Connection, evaluator_id: UUID) -> Evaluator:
    row = db.execute(select(evaluators).where(evaluators.c.id == evaluator_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no evaluator {evaluator_id}.")
    return _evaluator(row)


def _evaluator(row: Row[Any]) -> Evaluator:
    return Evaluator.model_validate(row._asdict())
