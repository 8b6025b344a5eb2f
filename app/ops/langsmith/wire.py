"""The store's models in LangSmith's words."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from app.ops.store import Feedback, OpsStore, Project
from app.ops.store.models import Expected, FeedbackStats, RunStats
from app.ops.store.runs.rollup import AMOUNTS

Stats = Mapping[str, FeedbackStats]


def session(
    store: OpsStore, project: Project, stats: RunStats | None = None, judged: Stats | None = None
) -> dict[str, Any]:
    """A project as `/sessions` answers it; `judged` is the feedback on the project as a whole."""
    fields: dict[str, Any] = project.model_dump(mode="json", exclude={"created_at", "expected"})
    fields |= {"start_time": project.created_at.isoformat(), "tenant_id": str(store.workspace.id)}
    if stats is None:
        return fields
    return (
        fields
        | run_stats(stats)
        | {
            "session_feedback_stats": stats_by_key(judged or {}),
            "experiment_progress": _progress(project.expected, stats) if project.expected else None,
        }
    )


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


def stats_by_key(stats: Stats) -> dict[str, Any]:
    """Feedback summed up, by key."""
    return {key: one.model_dump(mode="json") for key, one in stats.items()}


def amounts(source: Any) -> dict[str, Any]:
    """Tokens and US dollars; JSON's numbers are what clients in every language read."""
    return {name: number(getattr(source, name)) for name in AMOUNTS}


def _progress(expected: Expected, stats: RunStats) -> dict[str, Any]:
    """How much of an experiment is done, as shares."""

    def share(count: int) -> float:
        return min(1.0, count / expected.runs)

    judged = {key: stats.feedback_stats.get(key, FeedbackStats()).n for key in expected.evaluator_keys}
    return {
        "expected_run_count": expected.runs,
        "run_progress": share(stats.run_count),
        "evaluator_progress": {key: share(count) for key, count in judged.items()},
    }


def number(value: Any) -> Any:
    """A decimal as JSON's number; anything else as it is."""
    return float(value) if isinstance(value, Decimal) else value
