"""Tokens and costs: what a run reported of itself, and the sums up the tree."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.ops.store.columns import json_value
from app.ops.store.models import Usage

AMOUNTS = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "prompt_cost",
    "completion_cost",
    "total_cost",
)
"""The columns of a run that add up everything below it."""

_LARGEST = 2**40
_SPELLINGS = {
    "prompt_tokens": ("input_tokens", "prompt_tokens"),
    "completion_tokens": ("output_tokens", "completion_tokens"),
    "total_tokens": ("total_tokens",),
    "prompt_cost": ("input_cost", "prompt_cost"),
    "completion_cost": ("output_cost", "completion_cost"),
    "total_cost": ("total_cost",),
}
_DETAILS = {
    "prompt_token_details": "input_token_details",
    "completion_token_details": "output_token_details",
    "prompt_cost_details": "input_cost_details",
    "completion_cost_details": "output_cost_details",
}


def reported_usage(run_type: str, extra: Mapping[str, Any], outputs: Mapping[str, Any] | None) -> Usage | None:
    """What the run says it used, from the first place that says anything; None if none does.

    Only a model call's outputs count: a chain that hands on a model's message did not pay for it again.
    """
    usage = _usage(_at(extra, "metadata", "usage_metadata"))
    if usage is not None or run_type != "llm":
        return usage
    return (
        _usage(_at(outputs, "usage_metadata"))
        or _usage_of_generations(outputs)
        or _usage(_at(outputs, "llm_output", "token_usage"))
    )


def roll_up(db: sqlite3.Connection, trace_id: str) -> None:
    """Set the amounts of every run in the trace to the sums of what lies below it.

    A run that reported usage speaks for everything below it, so that nothing is counted twice.
    """
    rows = db.execute(
        f"SELECT id, parent_run_id, usage, {', '.join(AMOUNTS)} FROM runs WHERE trace_id = ?",  # noqa: S608
        [trace_id],
    ).fetchall()
    totals = _totals(rows)
    changes = [(*totals[row["id"]].values(), row["id"]) for row in rows if totals[row["id"]] != _amounts(row)]
    assignments = ", ".join(f"{name} = ?" for name in AMOUNTS)
    db.executemany(f"UPDATE runs SET {assignments} WHERE id = ?", changes)  # noqa: S608


def add_up(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sums of amounts; None where none of the parts knows."""
    total: dict[str, Any] = dict.fromkeys(AMOUNTS)
    for part in parts:
        for name, amount in part.items():
            if amount is not None:
                total[name] = (total[name] or 0) + amount
    return total


def _totals(rows: list[sqlite3.Row]) -> dict[str, dict[str, Any]]:
    reported = {row["id"]: json_value(row["usage"]) for row in rows}
    children: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        children[row["parent_run_id"]].append(row["id"])
    totals = {run_id: _amounts(usage or {}) for run_id, usage in reported.items()}
    for run_id in _leaves_first(rows, children):
        if reported[run_id] is None:
            totals[run_id] = add_up(totals[child] for child in children[run_id])
    return totals


def _leaves_first(rows: list[sqlite3.Row], children: Mapping[str, list[str]]) -> Iterator[str]:
    """Every run after those below it. Runs that are their own ancestors are left out."""
    known = {row["id"] for row in rows}
    order = [row["id"] for row in rows if row["parent_run_id"] not in known]
    for run_id in order:
        order.extend(children.get(run_id, ()))
    return reversed(order)


def _amounts(source: Any) -> dict[str, Any]:
    return {name: source[name] if name in source.keys() else None for name in AMOUNTS}  # noqa: SIM118


def _usage_of_generations(outputs: Any) -> Usage | None:
    """LangChain's shape: a list of lists of generations, each with a serialized message."""
    batches = _at(outputs, "generations")
    generations = [one for batch in _list(batches) for one in (batch if isinstance(batch, list) else [batch])]
    messages = [_at(generation, "message") for generation in generations]
    found = [
        _usage(_at(message, "kwargs", "usage_metadata")) or _usage(_at(message, "usage_metadata"))
        for message in messages
    ]
    usages = [usage for usage in found if usage is not None]
    if len(usages) <= 1:
        return usages[0] if usages else None
    return Usage.model_validate(add_up(usage.model_dump(include=set(AMOUNTS)) for usage in usages))


def _usage(source: Any) -> Usage | None:
    if not isinstance(source, dict):
        return None
    amounts = {name: _first_amount(source, spellings) for name, spellings in _SPELLINGS.items()}
    for kind, convert in (("tokens", int), ("cost", float)):
        halves = [amounts[f"prompt_{kind}"], amounts[f"completion_{kind}"]]
        if amounts[f"total_{kind}"] is None and halves != [None, None]:
            amounts[f"total_{kind}"] = sum(half for half in halves if half is not None)
        for part in ("prompt", "completion", "total"):
            amount = amounts[f"{part}_{kind}"]
            amounts[f"{part}_{kind}"] = None if amount is None else convert(amount)
    if not any(amount is not None for amount in amounts.values()):
        return None
    details = {name: _details(source.get(key), name) for name, key in _DETAILS.items()}
    return Usage.model_validate(amounts | details)


def _details(source: Any, name: str) -> dict[str, float]:
    convert = int if "token" in name else float
    pairs = source.items() if isinstance(source, dict) else ()
    return {str(key): convert(amount) for key, amount in pairs if _is_amount(amount)}


def _first_amount(source: Mapping[str, Any], names: Iterable[str]) -> float | None:
    return next((source[name] for name in names if _is_amount(source.get(name))), None)


def _is_amount(value: Any) -> bool:
    """Whether a client's number may be counted: never negative, never so large that sums overflow."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LARGEST


def _at(source: Any, *path: str) -> Any:
    for key in path:
        source = source.get(key) if isinstance(source, dict) else None
    return source


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
