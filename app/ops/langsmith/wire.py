"""The store's models in LangSmith's words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from app.ops.store import Feedback, Project, Run
from app.ops.store.models import FeedbackStats, RunStats, Usage
from app.ops.store.usage import AMOUNTS

TENANT_ID = UUID("7e6a0a7c-0b0f-4b0e-8d3b-3f7f8d0f5a11")
"""The one workspace of an embedded store."""

_ALWAYS = {"id", "name", "run_type", "start_time", "trace_id", "session_id", "dotted_order", "status", "app_path"}
_DETAILS = ("prompt_token_details", "completion_token_details", "prompt_cost_details", "completion_cost_details")
Stats = Mapping[str, FeedbackStats]


def run_v1(run: Run, stats: Stats, select: Collection[str] | None = None) -> dict[str, Any]:
    """A run as `/runs/{id}` and `/runs/query` answer it; `select` leaves fields out, but no essential ones."""
    fields = run.model_dump(mode="json", exclude={"project_id", "usage", "attachments", "latency_s"}) | {
        "session_id": str(run.project_id),
        "app_path": app_path(run),
        "parent_run_ids": [str(ancestor) for ancestor in run.ancestors],
        "feedback_stats": _stats(stats),
        "in_dataset": run.reference_example_id is not None,
        "s3_urls": {},
        **_details(run),
    }
    if select is None:
        return fields
    wanted = {*select, *_ALWAYS, *_DETAILS}
    return {name: value for name, value in fields.items() if name in wanted}


def run_v2(run: Run, stats: Stats, selects: Collection[str], *, subtree_usage: bool = True) -> dict[str, Any]:
    """A run as `/v2/runs/…` answers it: the fields in `selects`, which are upper-case; the id alone without any."""
    amounts = run if subtree_usage else run.usage or Usage()
    fields = run.model_dump(mode="json", exclude={"usage", "attachments", "latency_s", "serialized"}) | {
        "run_type": run.run_type.upper(),
        "status": run.status.upper(),
        "latency_seconds": run.latency_s,
        "metadata": run.metadata,
        "manifest": run.serialized,
        "parent_run_ids": [str(ancestor) for ancestor in run.ancestors],
        "is_root": run.parent_run_id is None,
        "is_in_dataset": run.reference_example_id is not None,
        "app_path": app_path(run),
        "feedback_stats": _stats(stats),
        "error_preview": (run.error or "")[:200] or None,
        **{name: getattr(amounts, name) for name in AMOUNTS},
        **{name: {"raw": detail} for name, detail in _details(run).items()},
    }
    wanted = {"id", *(name.lower() for name in selects)}
    return {name: value for name, value in fields.items() if name in wanted}


def session(project: Project, stats: RunStats | None = None) -> dict[str, Any]:
    """A project as `/sessions` answers it."""
    fields: dict[str, Any] = project.model_dump(mode="json", exclude={"created_at"})
    fields |= {"start_time": project.created_at.isoformat(), "tenant_id": str(TENANT_ID)}
    return fields if stats is None else fields | stats.model_dump(mode="json")


def feedback_v1(feedback: Feedback) -> dict[str, Any]:
    """A judgement as `/feedback` answers it."""
    fields = feedback.model_dump(mode="json", exclude={"project_id", "source"})
    return fields | {
        "session_id": str(feedback.project_id) if feedback.project_id else None,
        "feedback_source": {"type": "api"} | feedback.source,
    }


def app_path(run: Run) -> str:
    """Where LangSmith's own pages would show the run."""
    return f"/o/{TENANT_ID}/projects/p/{run.project_id}/r/{run.id}"


def _details(run: Run) -> dict[str, Any]:
    usage = run.usage or Usage()
    return {name: getattr(usage, name) for name in _DETAILS}


def _stats(stats: Stats) -> dict[str, Any]:
    return {key: one.model_dump(mode="json") for key, one in stats.items()}
