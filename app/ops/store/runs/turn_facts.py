"""What the pages filter, sort and sum turns by, read out of a root run. Anybody's SDK sent it: no type is certain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from app.ops.store.tables.runs import LABEL_CHARS, TEXT_CHARS

_TEXTS = ("experiment", "variant", "model", "prompt_version", "corpus_release", "user_hash", "cache")
_NUMBERS = ("evidence_s", "first_token_s", "sentences", "unsupported", "saved_usd", "saved_s", "saved_tokens")
_OUTCOMES = {"error": "failed", "pending": "unfinished"}
_LARGEST = 1e15
"""No time, count or price is larger; sums of such numbers stay numbers."""


def turn_of(
    run: Mapping[str, Any],
    *,
    metadata: Mapping[str, Any],
    inputs: Any,
    outputs: Any,
    error: str | None,
    amounts: Mapping[str, Any],
) -> dict[str, Any]:
    """The row of `turns` for a root run; what was summed up from the model's calls goes before what metadata says."""
    latency_us = run["latency_us"]
    facts: dict[str, Any] = {name: run[name] for name in ("num", "id", "project_id", "thread_id", "name")}
    facts |= {name: _label(metadata.get(name)) for name in _TEXTS}
    facts |= {name: _number(metadata.get(name)) for name in _NUMBERS}
    return facts | {
        "started": run["start_time"],
        "outcome": _label(metadata.get("status")) or _OUTCOMES.get(run["status"], run["status"]),
        "total_s": _first(metadata.get("total_s"), None if latency_us is None else latency_us / 1e6),
        "prompt_tokens": _first(amounts.get("prompt_tokens"), metadata.get("prompt_tokens")),
        "completion_tokens": _first(amounts.get("completion_tokens"), metadata.get("completion_tokens")),
        "cost_usd": _first(amounts.get("total_cost"), metadata.get("cost_usd")),
        "question": _text(inputs, "question"),
        "answer": _text(outputs, "answer"),
        "error": None if error is None else error[:TEXT_CHARS],
    }


def _label(value: Any) -> str | None:
    return None if value is None else str(value)[:LABEL_CHARS].replace("\x00", "\ufffd")


def _text(document: Any, key: str) -> str | None:
    value = document.get(key) if isinstance(document, dict) else None
    return value[:TEXT_CHARS].replace("\x00", "\ufffd") if isinstance(value, str) else None


def _first(*values: Any) -> float | None:
    return next((number for value in values if (number := _number(value)) is not None), None)


def _number(value: Any) -> float | None:
    try:
        number = math.nan if isinstance(value, bool | str | None) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) <= _LARGEST else None
