"""LangSmith's filter language, such as `and(eq(run_type, "llm"), gt(latency, 2))`, as SQL with parameters.

Only this module's own constants ever become SQL text; what a client writes becomes parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from app.ops.store.columns import json_text, stamp
from app.ops.store.errors import InvalidQuery
from app.ops.store.filter_syntax import Call, Literal, Name, Node, parse
from app.ops.store.models import Moment

_COMPARISONS = {"eq": "IS", "neq": "IS NOT", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_COLUMNS = {
    name: name
    for name in (
        "id",
        "trace_id",
        "parent_run_id",
        "dotted_order",
        "name",
        "run_type",
        "status",
        "error",
        "thread_id",
        "reference_example_id",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_cost",
        "completion_cost",
        "total_cost",
    )
} | {
    "session_id": "project_id",
    "latency": "latency_s",
    "is_root": "(parent_run_id IS NULL)",
    "execution_order": "(CASE WHEN parent_run_id IS NULL THEN 1 ELSE 2 END)",
    "first_token_latency": "((julianday(first_token_time) - julianday(start_time)) * 86400.0)",
}
_TIMES = {"start_time": "start_time", "end_time": "end_time", "first_token_time": "first_token_time"}
_PAIRS = {
    "metadata_key": "metadata",
    "metadata_value": "metadata",
    "input_key": "inputs",
    "input_value": "inputs",
    "output_key": "outputs",
    "output_value": "outputs",
    "feedback_key": "feedback",
    "feedback_score": "feedback",
    "feedback_value": "feedback",
    "feedback_comment": "feedback",
    "feedback_source": "feedback",
}
"""Fields of rows that belong to a run. Conditions on one kind, side by side in an `and`, are on one row."""
_PAIR_SOURCES = {
    "metadata": "json_each(runs.extra, '$.metadata') pair WHERE",
    "inputs": "json_each(COALESCE(runs.inputs, '{}')) pair WHERE",
    "outputs": "json_each(COALESCE(runs.outputs, '{}')) pair WHERE",
    "feedback": "feedback pair WHERE pair.run_id = runs.id AND",
}
_PAIR_COLUMNS = {
    "feedback_score": "pair.score",
    "feedback_value": "json_extract(pair.value, '$')",
    "feedback_comment": "pair.comment",
    "feedback_source": "json_extract(pair.source, '$.type')",
}
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


@dataclass(frozen=True)
class Condition:
    """An SQL condition on a row of `runs`, and the values of its parameters."""

    sql: str
    parameters: list[Any]


def compile_filter(text: str) -> Condition:
    """The condition that a filter expression stands for. Raises InvalidQuery that says what cannot be read."""
    return _all_jointly([_call(parse(text))])


def all_of(conditions: Sequence[Condition], glue: str = " AND ") -> Condition:
    """The condition that all hold; no conditions always hold."""
    sql = glue.join(f"({one.sql})" for one in conditions) or "TRUE"
    return Condition(sql, [value for one in conditions for value in one.parameters])


def contains_text(text: str) -> Condition:
    """The run's name, inputs, outputs or error contain the text, in any case of letters."""
    # Structures lie as JSON, in which quotes and line ends are escaped: the text is looked for as JSON has it.
    pattern, escaped = _like_literal(text), _like_literal(json_text(text)[1:-1])
    return Condition(
        r"name LIKE ? ESCAPE '\' OR error LIKE ? ESCAPE '\' OR inputs LIKE ? ESCAPE '\' OR outputs LIKE ? ESCAPE '\'",
        [pattern, pattern, escaped, escaped],
    )


def _call(node: Node) -> Call:
    if not isinstance(node, Call):
        raise InvalidQuery('A filter is made of calls, such as eq(name, "turn").')
    return node


def _compile(call: Call) -> Condition:
    if call.operator == "and":
        return _all_jointly([_call(part) for part in call.arguments])
    if call.operator == "or":
        return all_of([_compile(_call(part)) for part in call.arguments] or [_nothing()], " OR ")
    if call.operator == "not":
        inner = _all_jointly([_call(part) for part in call.arguments])
        return Condition(f"NOT COALESCE(({inner.sql}), FALSE)", inner.parameters)
    pair = _pair_of(call)
    return _exists_pair(pair, [call]) if pair else _leaf(call)


def _nothing() -> Condition:
    return Condition("FALSE", [])


def _all_jointly(calls: list[Call]) -> Condition:
    """All calls hold, and those on the key and the value of one kind of pair hold of the same pair."""
    plain: list[Condition] = []
    groups: list[tuple[str, list[Call]]] = []
    for call in calls:
        pair = _pair_of(call)
        if pair is None:
            plain.append(_compile(call))
        elif (group := _open_group(groups, pair, call)) is not None:
            group.append(call)
        else:
            groups.append((pair, [call]))
    return all_of([*plain, *(_exists_pair(pair, group) for pair, group in groups)])


def _open_group(groups: list[tuple[str, list[Call]]], pair: str, call: Call) -> list[Call] | None:
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


def _exists_pair(pair: str, calls: list[Call]) -> Condition:
    inner = all_of([_leaf(call) for call in calls])
    return Condition(f"EXISTS (SELECT 1 FROM {_PAIR_SOURCES[pair]} {inner.sql})", inner.parameters)  # noqa: S608


def _leaf(call: Call) -> Condition:
    if call.operator == "search":
        return contains_text(str(_literal(call, -1)))
    if call.operator in _COMPARISONS:
        return _compare(call)
    special: dict[str, Callable[[Call], Condition]] = {"in": _in, "has": _has, "like": _like, "exists": _exists}
    if call.operator not in special:
        known = sorted([*_COMPARISONS, *special, "and", "or", "not", "search"])
        raise InvalidQuery(f"The filter operator {call.operator!r} is not known; there are {', '.join(known)}.")
    return special[call.operator](call)


def _compare(call: Call) -> Condition:
    value = _literal(call, 1)
    if _field(call) == "error" and isinstance(value, bool):
        wanted = value == (call.operator == "eq")
        return Condition("status = 'error'" if wanted else "status <> 'error'", [])
    return Condition(f"{_column(call)} {_COMPARISONS[call.operator]} ?", [_parameter(call, value)])


def _in(call: Call) -> Condition:
    values = _literal(call, 1)
    if not isinstance(values, list):
        raise InvalidQuery('in() takes a list, such as in(name, ["a", "b"]).')
    parameters = [_parameter(call, value) for value in values]
    return Condition(f"{_column(call)} IN (SELECT value FROM json_each(?))", [json_text(parameters)])  # noqa: S608


def _has(call: Call) -> Condition:
    value = _literal(call, 1)
    if _field(call) == "tags":
        return Condition("EXISTS (SELECT 1 FROM json_each(runs.tags) tag WHERE tag.value = ?)", [str(value)])
    if _field(call) == "metadata":
        return all_of([_metadata_is(key, wanted) for key, wanted in _json_object(value).items()])
    raise InvalidQuery("has() takes tags or metadata.")


def _metadata_is(key: str, value: Any) -> Condition:
    # The value goes in as JSON, so that SQLite reads it as it reads the stored one.
    return Condition(
        f"EXISTS (SELECT 1 FROM {_PAIR_SOURCES['metadata']} pair.key = ? AND pair.value IS json_extract(?, '$'))",  # noqa: S608
        [key, json_text(value)],
    )


def _json_object(text: Any) -> dict[str, Any]:
    try:
        value = from_json(text)
    except (ValueError, TypeError) as error:
        raise InvalidQuery("has(metadata, …) takes a JSON object as text.") from error
    if not isinstance(value, dict):
        raise InvalidQuery("has(metadata, …) takes a JSON object as text.")
    return value


def _like(call: Call) -> Condition:
    return Condition(f"{_column(call)} LIKE ?", [str(_literal(call, 1))])


def _exists(call: Call) -> Condition:
    if _field(call) != "metadata":
        return Condition(f"{_column(call)} IS NOT NULL", [])
    return Condition(
        f"EXISTS (SELECT 1 FROM {_PAIR_SOURCES['metadata']} pair.key = ?)",  # noqa: S608
        [str(_literal(call, 1))],
    )


def _column(call: Call) -> str:
    field = _field(call)
    if field in _PAIRS:
        return _PAIR_COLUMNS.get(field, "pair.key" if field.endswith("_key") else "pair.value")
    column = _COLUMNS.get(field) or _TIMES.get(field)
    if column is None:
        known = sorted([*_COLUMNS, *_TIMES, *_PAIRS, "tags", "metadata"])
        raise InvalidQuery(f"{call.operator}() takes a field first; there are {', '.join(known)}.")
    return column


def _literal(call: Call, position: int) -> Any:
    argument = call.arguments[position] if len(call.arguments) > max(position, 0) else None
    if not isinstance(argument, Literal):
        raise InvalidQuery(f'{call.operator}() takes a value, such as "text", 3, true or null.')
    return argument.value


def _parameter(call: Call, value: Any) -> Any:
    """The value as it lies in the column."""
    if isinstance(value, list):
        raise InvalidQuery(f"{call.operator}() takes one value, not a list.")
    if _field(call) not in _TIMES or value is None:
        return value
    try:
        return stamp(_MOMENT.validate_python(value))
    except ValidationError as error:
        raise InvalidQuery(f'{_field(call)} is compared with a time such as "2026-01-31T12:00:00Z".') from error


def _like_literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"
