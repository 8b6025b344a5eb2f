"""Filters on examples, such as `and(has(metadata, '{"page": 3}'), exists(metadata, "author"))`, as conditions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from sqlalchemy import ColumnElement, Text, and_, exists, false, not_, or_, true, type_coerce

from app.ops.store.datasets.models import SPLIT_KEY
from app.ops.store.errors import InvalidQuery
from app.ops.store.models import Moment
from app.ops.store.runs.filter_syntax import COMPARISONS, Call, Literal, Name, Node, parse
from app.ops.store.runs.labels import label_text
from app.ops.store.tables import example_labels, example_versions
from app.ops.store.tables.base import json_text

Condition = ColumnElement[bool]
_IDS = {"id": example_versions.c.example_id, "source_run_id": example_versions.c.source_run_id}
_TIMES = {"created_at": example_versions.c.created_at, "modified_at": example_versions.c.as_of}
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
_UUID: TypeAdapter[UUID] = TypeAdapter(UUID)


def compile_filter(text: str) -> Condition:
    """The condition on `example_versions` that a filter stands for. Raises InvalidQuery."""
    return _compile(parse(text))


def metadata_holds(pairs: Mapping[str, Any]) -> Condition:
    """The metadata holds all these pairs; a list holds another where it has all its items."""
    return and_(true(), *(_pair_holds(key, value) for key, value in pairs.items()))


def in_splits(splits: Collection[str]) -> Condition:
    """The example belongs to one of these splits."""
    wanted = [label_text(split) for split in splits]
    return _labelled(example_labels.c.key == SPLIT_KEY, example_labels.c.is_item, example_labels.c.value.in_(wanted))


def contains(text: str) -> Condition:
    """The text stands in the inputs or the outputs, in any case of letters."""
    written = json_text(text)[1:-1]
    columns = (example_versions.c.inputs, example_versions.c.outputs)
    return or_(*(type_coerce(column, Text).icontains(written, autoescape=True) for column in columns))


def _compile(node: Node) -> Condition:
    if not isinstance(node, Call):
        raise InvalidQuery('A filter is made of calls, such as exists(metadata, "page").')
    if node.operator == "and":
        return and_(true(), *(_compile(part) for part in node.arguments))
    if node.operator == "or":
        return or_(false(), *(_compile(part) for part in node.arguments))
    if node.operator == "not":
        return not_(and_(true(), *(_compile(part) for part in node.arguments)))
    if node.operator == "search":
        return contains(str(_value(node, -1)))
    return _metadata(node) if _field(node) == "metadata" else _compared(node)


def _metadata(call: Call) -> Condition:
    value = _value(call, 1)
    if call.operator == "exists":
        return _labelled(example_labels.c.key == label_text(value))
    if call.operator == "has":
        return metadata_holds(_object(value))
    raise InvalidQuery("Metadata is asked for with has(metadata, …) or exists(metadata, …).")


def _compared(call: Call) -> Condition:
    column, kind, example = _column(call)
    value = _value(call, 1)
    if call.operator == "in" and isinstance(value, list):
        return column.in_([_read(kind, one, call, example) for one in value])
    if call.operator not in COMPARISONS:
        known = ", ".join([*COMPARISONS, "in", "has", "exists", "search", "and", "or", "not"])
        raise InvalidQuery(f"{call.operator}() is not known here, or takes other values; there are {known}.")
    condition: Condition = COMPARISONS[call.operator](column, _read(kind, value, call, example))
    return condition


def _column(call: Call) -> tuple[ColumnElement[Any], TypeAdapter[Any], str]:
    field = _field(call)
    if field in _IDS:
        return _IDS[field], _UUID, "an id"
    if field in _TIMES:
        return _TIMES[field], _MOMENT, 'a time such as "2026-01-31"'
    raise InvalidQuery(f"{call.operator}() takes a field first; there are {', '.join([*_IDS, *_TIMES, 'metadata'])}.")


def _pair_holds(key: str, value: Any) -> Condition:
    named = example_labels.c.key == label_text(key)
    if not isinstance(value, list):
        return _labelled(named, ~example_labels.c.is_item, example_labels.c.value == label_text(value))
    items = (_labelled(named, example_labels.c.is_item, example_labels.c.value == label_text(item)) for item in value)
    return and_(_labelled(named), *items)


def _labelled(*conditions: Condition) -> Condition:
    return exists().where(example_labels.c.num == example_versions.c.num, *conditions)


def _field(call: Call) -> str:
    first = call.arguments[0] if call.arguments else None
    if isinstance(first, Literal):  # the name of a field is taken in quotes too
        return str(first.value)
    return first.name if isinstance(first, Name) else ""


def _value(call: Call, position: int) -> Any:
    argument = call.arguments[position] if len(call.arguments) > max(position, 0) else None
    if not isinstance(argument, Literal):
        raise InvalidQuery(f'{call.operator}() takes a value, such as "text", 3, true or null.')
    return argument.value


def _object(text: Any) -> dict[str, Any]:
    try:
        value = from_json(text)
    except (ValueError, TypeError) as error:
        raise InvalidQuery("has(metadata, …) takes a JSON object as text.") from error
    if not isinstance(value, dict):
        raise InvalidQuery("has(metadata, …) takes a JSON object as text.")
    return value


def _read(kind: TypeAdapter[Any], value: Any, call: Call, example: str) -> Any:
    try:
        return None if value is None else kind.validate_python(value)
    except ValidationError as error:
        raise InvalidQuery(f"{_field(call)} is compared with {example}.") from error
