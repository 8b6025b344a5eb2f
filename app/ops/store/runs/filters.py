"""LangSmith's filter language, such as `and(eq(run_type, "llm"), gt(latency, 2))`, as a condition on runs.

What a client writes only ever becomes a parameter: names are looked up in this module's own tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Text,
    Uuid,
    and_,
    cast,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
    type_coerce,
)

from app.ops.store.errors import InvalidQuery
from app.ops.store.models import Moment
from app.ops.store.runs import search
from app.ops.store.runs.filter_syntax import COMPARISONS, Call, Literal, Name, Node, parse
from app.ops.store.runs.labels import label_text
from app.ops.store.tables import feedback, run_bodies, run_labels, run_tags
from app.ops.store.tables.base import Moment as MomentColumn
from app.ops.store.tables.base import json_text

Condition = ColumnElement[bool]
_ORDERED = {"gt", "gte", "lt", "lte"}
_COLUMNS = (
    "id",
    "trace_id",
    "parent_run_id",
    "dotted_order",
    "name",
    "run_type",
    "status",
    "start_time",
    "end_time",
    "first_token_time",
    "thread_id",
    "reference_example_id",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "prompt_cost",
    "completion_cost",
    "total_cost",
    "is_root",
)
_OTHER_NAMES = {"session_id": "project_id", "project_id": "project_id"}
_PAIRS = {
    **dict.fromkeys(("metadata_key", "metadata_value"), "metadata"),
    **dict.fromkeys(("input_key", "input_value"), "inputs"),
    **dict.fromkeys(("output_key", "output_value"), "outputs"),
    **dict.fromkeys(
        ("feedback_key", "feedback_score", "feedback_value", "feedback_comment", "feedback_source"), "feedback"
    ),
}
"""Fields of rows that belong to a run. Conditions on one kind, side by side in an `and`, are on one row."""
_KNOWN_FIELDS = sorted(
    {
        *_COLUMNS,
        *_OTHER_NAMES,
        *_PAIRS,
        "latency",
        "first_token_latency",
        "execution_order",
        "error",
        "tags",
        "metadata",
    }
)
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
_LARGEST = 2**62


@dataclass
class Compiled:
    """A condition on runs, and ways to the few that may fulfil it."""

    condition: Condition
    lookups: list[Any] = field(default_factory=list)
    """Selects of run numbers. Every run that fulfils the condition is in each: a short one is a short cut."""
    asks_feedback: bool = False
    """Whether it says anything about feedback."""


def compile_filter(text: str, runs: FromClause, dialect: str, judged: Sequence[Condition] = ()) -> Compiled:
    """The condition on `runs`, an alias of the table, that a filter expression stands for. Raises InvalidQuery.

    Of feedback only that counts which fulfils the conditions in `judged`.
    """
    compiler = _Compiler(runs, dialect, judged)
    condition = compiler.all_jointly([_call(parse(text))], required=True)
    return Compiled(condition, compiler.lookups, compiler.asks_feedback)


def compile_columns(text: str, columns: Mapping[str, ColumnElement[Any]]) -> Condition:
    """The condition on these columns, by the names that the filter expression may use. Raises InvalidQuery."""

    def compiled(call: Call) -> Condition:
        if call.operator in ("and", "or", "not"):
            terms = [compiled(_call(part)) for part in call.arguments]
            joined = or_(false(), *terms) if call.operator == "or" else and_(true(), *terms)
            return not_(func.coalesce(joined, false())) if call.operator == "not" else joined
        column = columns.get(_field(call))
        if column is None:
            raise InvalidQuery(f"{call.operator}() takes a field first; there are {', '.join(sorted(columns))}.")
        return _compared(call, column)

    return compiled(_call(parse(text)))


def contains_words(words: str, runs: FromClause, dialect: str, *, roots_only: bool = False) -> Compiled:
    """Runs whose name, inputs, outputs or error hold all the words."""
    found = search.matching(dialect, words, roots_only=roots_only)
    # The sum keeps the engine from fetching every run that holds a frequent word before it sorts them.
    return Compiled((runs.c.num + 0).in_(found), [found])


def _call(node: Node) -> Call:
    if not isinstance(node, Call):
        raise InvalidQuery('A filter is made of calls, such as eq(name, "turn").')
    return node


class _Compiler:
    def __init__(self, runs: FromClause, dialect: str, judged: Sequence[Condition]) -> None:
        self._runs = runs
        self._dialect = dialect
        self._judged = judged
        self.asks_feedback = False
        self.lookups: list[Any] = []

    def all_jointly(self, calls: Sequence[Call], *, required: bool = False) -> Condition:
        """All calls hold, and those on the key and the value of one kind of pair hold of the same pair."""
        plain: list[Condition] = []
        groups: list[tuple[str, list[Call]]] = []
        for call in calls:
            pair = _pair_of(call)
            if pair is None:
                plain.append(self._compile(call, required=required))
            elif (group := _open_group(groups, pair, call)) is not None:
                group.append(call)
            else:
                groups.append((pair, [call]))
        return and_(true(), *plain, *(self._pair(pair, group, required=required) for pair, group in groups))

    def _compile(self, call: Call, *, required: bool = False) -> Condition:
        parts = call.arguments
        if call.operator == "and":
            return self.all_jointly([_call(part) for part in parts], required=required)
        if call.operator == "or":
            return or_(false(), *(self.all_jointly([_call(part)]) for part in parts))
        if call.operator == "not":
            return not_(func.coalesce(self.all_jointly([_call(part) for part in parts]), false()))
        return self._leaf(call, required=required)

    def _leaf(self, call: Call, *, required: bool) -> Condition:
        if call.operator == "search":
            return self._search(str(_literal(call, -1)), required=required)
        if _field(call) == "metadata":
            return self._metadata(call, required=required)
        if _field(call) == "tags":
            return self._tags(call, required=required)
        if _field(call) == "error":
            return self._error(call)
        return _compared(call, self._column(call))

    def _search(self, words: str, *, required: bool) -> Condition:
        found = contains_words(words, self._runs, self._dialect)
        if required:
            self.lookups += found.lookups
        return found.condition

    def _pair(self, pair: str, calls: Sequence[Call], *, required: bool) -> Condition:
        """A condition on one row that belongs to the run."""
        if pair == "metadata":
            return self._label([_label_condition(call) for call in calls], required=required)
        if pair == "feedback":
            self.asks_feedback = True
            inner = and_(*self._judged, *(_compared(call, _FEEDBACK[_field(call)]) for call in calls))
            return exists().where(feedback.c.run_id == self._runs.c.id, inner)
        entries = self._entries(pair)
        columns = {"key": entries.c.key, "value": cast(entries.c.value, Text)}
        inner = and_(*(_compared(call, columns[_field(call).rpartition("_")[2]]) for call in calls))
        body = exists(select(1).select_from(run_bodies.join(entries, true())).where(inner).correlate(self._runs))
        return body.where(run_bodies.c.num == self._runs.c.num)

    def _entries(self, name: str) -> Any:
        """The top level of a JSON column, as rows of key and value."""
        document = func.coalesce(run_bodies.c[name], "{}")
        if self._dialect == "sqlite":
            return func.json_each(document).table_valued("key", "value")
        # PostgreSQL knows no NUL character, not even an escaped one.
        clean = func.replace(document, r"\u0000", "")
        return func.json_each_text(cast(clean, JSON)).table_valued("key", "value")

    def _label(self, inner: Sequence[Condition], *, required: bool) -> Condition:
        if required:
            self.lookups.append(select(run_labels.c.num).where(*inner))
        return exists().where(run_labels.c.num == self._runs.c.num, *inner)

    def _metadata(self, call: Call, *, required: bool) -> Condition:
        if call.operator == "exists":
            return self._label([run_labels.c.key == label_text(_literal(call, 1))], required=required)
        if call.operator != "has":
            raise InvalidQuery("Metadata is asked for with has(metadata, …), exists(metadata, …) or metadata_key.")
        wanted = _json_object(_literal(call, 1))
        pairs = [
            [run_labels.c.key == label_text(key), run_labels.c.value == label_text(value)]
            for key, value in wanted.items()
        ]
        return and_(true(), *(self._label(pair, required=required) for pair in pairs))

    def _tags(self, call: Call, *, required: bool) -> Condition:
        if call.operator == "exists":
            return exists().where(run_tags.c.num == self._runs.c.num)
        value = _literal(call, 1)
        if call.operator not in ("has", "eq", "in"):
            raise InvalidQuery('Tags are asked for with has(tags, "a") or in(tags, ["a", "b"]).')
        tag = (
            run_tags.c.tag.in_([label_text(one) for one in value if one is not None])
            if isinstance(value, list)
            else run_tags.c.tag == label_text(value)
        )
        if required:
            self.lookups.append(select(run_tags.c.num).where(tag))
        return exists().where(run_tags.c.num == self._runs.c.num, tag)

    def _error(self, call: Call) -> Condition:
        if call.operator == "exists":
            return self._runs.c.status == "error"
        value = _literal(call, 1)
        if value is None or isinstance(value, bool):
            wanted = (value is True) == (call.operator == "eq")
            return self._runs.c.status == "error" if wanted else self._runs.c.status != "error"
        return exists().where(run_bodies.c.num == self._runs.c.num, _compared(call, run_bodies.c.error))

    def _column(self, call: Call) -> ColumnElement[Any]:
        name, columns = _field(call), self._runs.c
        if name == "latency":
            return columns.latency_us * 1e-6
        if name == "first_token_latency":
            started = type_coerce(columns.start_time, BigInteger)
            return (type_coerce(columns.first_token_time, BigInteger) - started) * 1e-6
        if name == "execution_order":
            return 2 - cast(columns.is_root, BigInteger)
        if name in _COLUMNS or name in _OTHER_NAMES:
            found: ColumnElement[Any] = columns[_OTHER_NAMES.get(name, name)]
            return found
        raise InvalidQuery(f"{call.operator}() takes a field first; there are {', '.join(_KNOWN_FIELDS)}.")


_FEEDBACK: dict[str, ColumnElement[Any]] = {
    "feedback_key": feedback.c.key,
    "feedback_score": feedback.c.score,
    "feedback_value": feedback.c.value,
    "feedback_comment": feedback.c.comment,
    "feedback_source": feedback.c.source_type,
}


def _open_group(groups: Sequence[tuple[str, list[Call]]], pair: str, call: Call) -> list[Call] | None:
    """The group that the call joins: the latest of its kind, unless both already name a key."""
    group = next((members for kind, members in reversed(groups) if kind == pair), None)
    if group is None or (_names_key(call) and any(_names_key(member) for member in group)):
        return None
    return group


def _names_key(call: Call) -> bool:
    return _field(call).endswith("_key")


def _pair_of(call: Call) -> str | None:
    return None if call.operator == "search" else _PAIRS.get(_field(call))


def _field(call: Call) -> str:
    first = call.arguments[0] if call.arguments else None
    return first.name if isinstance(first, Name) else ""


def _label_condition(call: Call) -> Condition:
    """On a row of metadata; numbers are ordered as numbers."""
    if _field(call) == "metadata_key":
        return _compared(call, run_labels.c.key)
    value = _literal(call, 1) if len(call.arguments) > 1 else None
    if call.operator in _ORDERED and isinstance(value, int | float) and not isinstance(value, bool):
        return _compared(call, run_labels.c.number)
    return _compared(call, run_labels.c.value)


def _compared(call: Call, column: ColumnElement[Any]) -> Condition:
    """The call as a condition on the column that it names."""
    if call.operator == "exists":
        return column.is_not(None)
    value = _literal(call, 1)
    if call.operator in COMPARISONS:
        condition: Condition = COMPARISONS[call.operator](_comparable(column), _parameter(call, column, value))
        return condition
    if call.operator == "in":
        if not isinstance(value, list):
            raise InvalidQuery('in() takes a list, such as in(name, ["a", "b"]).')
        return _comparable(column).in_([_parameter(call, column, one) for one in value if one is not None])
    if call.operator == "like":
        if not isinstance(column.type, Text) and not _is_json(column):
            raise InvalidQuery(f"like() looks into text, which {_field(call)} is not.")
        return _comparable(column).ilike(label_text(value))
    known = sorted([*COMPARISONS, "in", "has", "like", "exists", "and", "or", "not", "search"])
    raise InvalidQuery(f"The filter operator {call.operator!r} is not known; there are {', '.join(known)}.")


def _is_json(column: ColumnElement[Any]) -> bool:
    return column is _FEEDBACK["feedback_value"]


def _comparable(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return type_coerce(column, Text) if _is_json(column) else column


def _parameter(call: Call, column: ColumnElement[Any], value: Any) -> Any:
    """The value as the column holds it. Raises InvalidQuery where it cannot."""
    if isinstance(value, list):
        raise InvalidQuery(f"{call.operator}() takes one value, not a list.")
    if value is None:
        return None
    if _is_json(column):
        return json_text(value)
    kind = column.type
    if isinstance(kind, MomentColumn):
        return _valid(_MOMENT.validate_python, value, f'{_field(call)} is compared with a time such as "2026-01-31".')
    if isinstance(kind, Uuid):
        return _valid(lambda: UUID(str(value)), None, f"{_field(call)} is compared with an id.")
    if isinstance(kind, Text):
        return label_text(value)
    if isinstance(value, str) or not math.isfinite(value) or abs(value) > _LARGEST:
        raise InvalidQuery(f"{_field(call)} is compared with a number or with true and false.")
    return bool(value) if isinstance(kind, Boolean) else +value


def _valid(check: Callable[..., Any], value: Any, sentence: str) -> Any:
    try:
        return check() if value is None else check(value)
    except (ValidationError, ValueError) as error:
        raise InvalidQuery(sentence) from error


def _json_object(text: Any) -> dict[str, Any]:
    try:
        value = from_json(text)
    except (ValueError, TypeError) as error:
        raise InvalidQuery("has(metadata, …) takes a JSON object as text.") from error
    if not isinstance(value, dict):
        raise InvalidQuery("has(metadata, …) takes a JSON object as text.")
    return value


def _literal(call: Call, position: int) -> Any:
    argument = call.arguments[position] if len(call.arguments) > max(position, 0) else None
    if not isinstance(argument, Literal):
        raise InvalidQuery(f'{call.operator}() takes a value, such as "text", 3, true or null.')
    return argument.value
