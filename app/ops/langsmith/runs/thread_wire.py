"""Threads in LangSmith's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from app.ops.langsmith.runs.run_wire import PREVIEW_CHARS, preview
from app.ops.langsmith.wire import amounts, number, stats_by_key
from app.ops.store import Run
from app.ops.store.models import RUN_TYPES
from app.ops.store.runs.thread_models import DETAILS, Details, Thread, ThreadStats
from app.ops.store.tables.base import json_text

_TRACE_FIELDS = (
    "THREAD_ID TRACE_ID OP PROMPT_TOKENS COMPLETION_TOKENS TOTAL_TOKENS START_TIME END_TIME LATENCY FIRST_TOKEN_TIME"
    " INPUTS_PREVIEW OUTPUTS_PREVIEW INPUTS OUTPUTS ERROR PROMPT_COST COMPLETION_COST TOTAL_COST PROMPT_TOKEN_DETAILS"
    " COMPLETION_TOKEN_DETAILS PROMPT_COST_DETAILS COMPLETION_COST_DETAILS NAME ERROR_PREVIEW TURN_NUMBER"
)
TRACE_FIELDS = frozenset(_TRACE_FIELDS.split())
"""What may be selected of a trace in a thread."""
_STATS = (
    "TURNS FIRST_START_TIME LAST_START_TIME LAST_END_TIME LATENCY_P50 LATENCY_P99 PROMPT_TOKENS PROMPT_COST"
    " COMPLETION_TOKENS COMPLETION_COST TOTAL_TOKENS TOTAL_COST PROMPT_TOKEN_DETAILS COMPLETION_TOKEN_DETAILS"
    " PROMPT_COST_DETAILS COMPLETION_COST_DETAILS FEEDBACK_STATS"
)
STATS = frozenset(_STATS.split())
"""What may be selected of one thread, summed up."""
_AGGREGATES = (
    "THREAD_COUNT TRACE_COUNT TOTAL_TOKENS TOTAL_COST ERROR_RATE STREAMING_RATE LATENCY_P50 LATENCY_P99 MEDIAN_TOKENS"
    " FIRST_TOKEN_P50 FIRST_TOKEN_P99 PROMPT_TOKENS COMPLETION_TOKENS PROMPT_COST COMPLETION_COST PROMPT_TOKEN_DETAILS"
    " COMPLETION_TOKEN_DETAILS PROMPT_COST_DETAILS COMPLETION_COST_DETAILS THREAD_FEEDBACK_STATS"
)
AGGREGATES = frozenset(_AGGREGATES.split())
"""What may be selected of many threads, summed up."""
DETAIL_FIELDS = frozenset(name.upper() for name in DETAILS)
_IN_SECONDS = {"LATENCY_P50", "LATENCY_P99", "FIRST_TOKEN_P50", "FIRST_TOKEN_P99"}


def thread(one: Thread) -> dict[str, Any]:
    """A thread as `/v2/threads/query` answers it."""
    return {
        "thread_id": one.thread_id,
        "count": one.count,
        "num_errored_turns": one.num_errored_turns,
        "start_time": one.min_start_time.isoformat(),
        "min_start_time": one.min_start_time.isoformat(),
        "max_start_time": one.max_start_time.isoformat(),
        "trace_id": str(one.last.trace_id),
        "first_trace_id": str(one.first.trace_id),
        "last_trace_id": str(one.last.trace_id),
        "first_inputs": preview(one.first.inputs),
        "last_outputs": preview(one.last.outputs),
        "last_error": (one.last_error or "")[:PREVIEW_CHARS] or None,
        "latency_p50": one.latency_p50,
        "latency_p99": one.latency_p99,
        "total_tokens": one.total_tokens,
        "total_cost": number(one.total_cost),
        "total_token_details": _joined(one.details, "prompt_token_details", "completion_token_details"),
        "total_cost_details": _joined(one.details, "prompt_cost_details", "completion_cost_details"),
        "feedback_stats": stats_by_key(one.feedback_stats),
        "query_metadata": None,
    }


def group(one: Thread) -> dict[str, Any]:
    """A thread as `/runs/group` answers it."""
    return (
        thread(one)
        | amounts(one)
        | {"group_key": one.thread_id, "filter": f"eq(thread_id, {json_text(one.thread_id)})"}
    )


def thread_trace(root: Run, selects: Collection[str], turn_number: int | None, all_details: Details) -> dict[str, Any]:
    """A trace of a thread: its id, and the fields in `selects`."""
    fields = root.model_dump(
        mode="json",
        include={"thread_id", "start_time", "end_time", "first_token_time", "inputs", "outputs", "error", "name"},
    )
    fields |= {
        "trace_id": str(root.trace_id),
        "op": RUN_TYPES.index(root.run_type),
        "latency": root.latency_s,
        "inputs_preview": preview(root.inputs),
        "outputs_preview": preview(root.outputs),
        "error_preview": (root.error or "")[:PREVIEW_CHARS] or None,
        "turn_number": turn_number,
        **amounts(root),
        **{name: {"raw": kinds} for name, kinds in _kinds(all_details).items()},
    }
    wanted = {"trace_id", *(name.lower() for name in selects)}
    return {name: value for name, value in fields.items() if name in wanted}


def thread_stats(stats: ThreadStats, selects: Collection[str]) -> dict[str, Any]:
    """One thread summed up, as far as `selects` asks."""
    fields = _common(stats) | {
        "turns": stats.runs.run_count,
        "first_start_time": stats.first_start_time and stats.first_start_time.isoformat(),
        "last_start_time": stats.last_start_time and stats.last_start_time.isoformat(),
        "last_end_time": stats.last_end_time and stats.last_end_time.isoformat(),
        "feedback_stats": stats_by_key(stats.feedback_stats),
        **{name: {"raw": kinds} for name, kinds in _kinds(stats.details).items()},
    }
    return _selected(fields, selects)


def aggregates(stats: ThreadStats, selects: Collection[str]) -> dict[str, Any]:
    """Many threads summed up, as far as `selects` asks."""
    fields = _common(stats) | {
        "thread_count": stats.thread_count,
        "trace_count": stats.runs.run_count,
        "error_rate": stats.runs.error_rate,
        "streaming_rate": stats.runs.streaming_rate,
        "median_tokens": stats.median_tokens,
        "thread_feedback_stats": stats_by_key(stats.feedback_stats),
        **_kinds(stats.details),
    }
    return _selected(fields, selects)


def _common(stats: ThreadStats) -> dict[str, Any]:
    seconds = ("latency_p50", "latency_p99", "first_token_p50", "first_token_p99")
    return amounts(stats.runs) | {f"{name}_seconds": getattr(stats.runs, name) for name in seconds}


def _selected(fields: dict[str, Any], selects: Collection[str]) -> dict[str, Any]:
    wanted = {f"{name.lower()}_seconds" if name in _IN_SECONDS else name.lower() for name in selects}
    return {name: value for name, value in fields.items() if name in wanted}


def _kinds(all_details: Details) -> dict[str, dict[str, Any]]:
    return {name: {kind: number(one) for kind, one in all_details.get(name, {}).items()} for name in DETAILS}


def _joined(all_details: Details, *names: str) -> dict[str, Any]:
    joined: Counter[str] = Counter()
    for name in names:
        joined.update(all_details.get(name, {}))
    return {kind: number(one) for kind, one in joined.items()}
