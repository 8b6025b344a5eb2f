"""The store's models in LangSmith's words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from app.ops.store import Feedback, OpsStore, Project, Run
from app.ops.store.models import FeedbackStats, RunStats, Usage
from app.ops.store.rollup import AMOUNTS

_ALWAYS = {"id", "name", "run_type", "start_time", "trace_id", "session_id", "dotted_order", "status", "app_path"}
_DETAILS = ("prompt_token_details", "completion_token_details", "prompt_cost_details", "completion_cost_details")
_OWN = {"project_id", "usage", "attachments", "latency_s"}
"""Fields of a stored run that go out under other names, or not at all."""
Stats = Mapping[str, FeedbackStats]


def run_v1(store: OpsStore, run: Run, stats: Stats, select: Collection[str] | None = None) -> dict[str, Any]:
    """A run as `/runs/{id}` and `/runs/query` answer it; `select` leaves fields out, but no essential ones."""
    fields = run.model_dump(mode="json", exclude=_OWN) | {
        "session_id": str(run.project_id),
        "app_path": app_path(store, run),
        "parent_run_ids": [str(ancestor) for ancestor in run.ancestors],
        "feedback_stats": stats_by_key(stats),
        "in_dataset": run.reference_example_id is not None,
        "s3_urls": {},
        **amounts(run),
        **_details(run),
    }
    if select is None:
        return fields
    wanted = {*select, *_ALWAYS, *_DETAILS}
    return {name: value for name, value in fields.items() if name in wanted}


def run_v2(
    store: OpsStore, run: Run, stats: Stats, selects: Collection[str], *, subtree_usage: bool = True
) -> dict[str, Any]:
    """A run as `/v2/runs/…` answers it: the fields in `selects`, which are upper-case; the id alone without any."""
    fields = run.model_dump(mode="json", exclude={"usage", "attachments", "latency_s", "serialized"}) | {
        "run_type": run.run_type.upper(),
        "status": run.status.upper(),
        "latency_seconds": run.latency_s,
        "metadata": run.metadata,
        "manifest": run.serialized,
        "parent_run_ids": [str(ancestor) for ancestor in run.ancestors],
        "is_root": run.parent_run_id is None,
        "is_in_dataset": run.reference_example_id is not None,
        "app_path": app_path(store, run),
        "feedback_stats": stats_by_key(stats),
        "error_preview": (run.error or "")[:200] or None,
        **amounts(run if subtree_usage else run.usage or Usage()),
        **{name: {"raw": detail} for name, detail in _details(run).items()},
    }
    wanted = {"id", *(name.lower() for name in selects)}
    return {name: value for name, value in fields.items() if name in wanted}


def session(
    store: OpsStore, project: Project, stats: RunStats | None = None, judged: Stats | None = None
) -> dict[str, Any]:
    """A project as `/sessions` answers it; `judged` is the feedback on the project as a whole."""
    fields: dict[str, Any] = project.model_dump(mode="json", exclude={"created_at"})
    fields |= {"start_time": project.created_at.isoformat(), "tenant_id": str(store.workspace.id)}
    if stats is None:
        return fields
    return fields | run_stats(stats) | {"session_feedback_stats": stats_by_key(judged or {})}


def run_stats(stats: RunStats) -> dict[str, Any]:
    """Runs summed up, as `/runs/stats` answers it."""
    return stats.model_dump(mode="json") | amounts(stats)


def feedback_v1(feedback: Feedback) -> dict[str, Any]:
    """A judgement as `/feedback` answers it."""
    fields = feedback.model_dump(mode="json", exclude={"project_id", "source", "source_type"})
    return fields | {
        "session_id": str(feedback.project_id) if feedback.project_id else None,
        "feedback_source": {"type": "api"} | feedback.source,
    }


def app_path(store: OpsStore, run: Run) -> str:
    """Where LangSmith's own pages would show the run."""
    return f"/o/{store.workspace.id}/projects/p/{run.project_id}/r/{run.id}"


def stats_by_key(stats: Stats) -> dict[str, Any]:
    """Feedback summed up, by key."""
    return {key: one.model_dump(mode="json") for key, one in stats.items()}


def amounts(source: Any) -> dict[str, Any]:
    """Tokens and US dollars; JSON's numbers are what clients in every language read."""
    return {name: number(getattr(source, name)) for name in AMOUNTS}


def number(value: Any) -> Any:
    """A decimal as JSON's number; anything else as it is."""
    return float(value) if isinstance(value, Decimal) else value


def _details(run: Run) -> dict[str, Any]:
    usage = run.usage or Usage()
    return {name: {kind: number(one) for kind, one in getattr(usage, name).items()} for name in _DETAILS}
