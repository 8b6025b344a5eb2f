"""Judgements on runs and projects, with and without a key."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from langsmith import Client
from material import eventually, refusal, whole_project
from tracing import PROJECT


def write(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Judge a run in the background and at once, change a judgement, take one back, and judge by a signed address."""
    run_id, project_id = state["turn"], str(client.read_project(project_name=PROJECT).id)
    feedback_ids = state["feedback"] = {name: str(uuid4()) for name in ("right", "tone", "slip", "whole")}
    client.create_feedback(
        run_id, "right", score=1, comment="Good.", trace_id=run_id, feedback_id=feedback_ids["right"]
    )
    client.create_feedback(
        run_id,
        "tone",
        value="formal",
        correction={"tone": "warm"},
        feedback_id=feedback_ids["tone"],
        feedback_source_type="model",
        source_run_id=state["noted"],
    )
    client.create_feedback(run_id, "slip", score=0, feedback_id=feedback_ids["slip"])
    client.create_feedback(key="whole", score=0.25, project_id=project_id, feedback_id=feedback_ids["whole"])
    client.flush()
    client.update_feedback(feedback_ids["tone"], score=0.5, comment="Changed.")
    client.delete_feedback(feedback_ids["slip"])
    token = client.create_presigned_feedback_token(run_id, "thumb")
    client.create_feedback_from_token(token.url, score=1, comment="By the address.")
    return {
        "judged": eventually(lambda: _judgements(client, run_id), lambda found: len(found) == 3),
        "taken back": refusal(lambda: client.read_feedback(feedback_ids["slip"])),
        "tokens": len(list(client.list_presigned_feedback_tokens(run_id))),
    }


def recall(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Read the judgements one by one, as lists, and as statistics of the run and the project."""
    run_id = state["turn"]
    tone = client.read_feedback(state["feedback"]["tone"])
    source = tone.feedback_source
    stats = client.read_run(run_id).feedback_stats or {}
    project_id = client.read_project(project_name=PROJECT).id
    return {
        "judged": _judgements(client, run_id),
        "tone": [tone.value, tone.score, tone.comment, tone.correction, source.type if source else None],
        "source run": ((source.metadata or {}).get("__run") or {}).get("run_id") == state["noted"] if source else None,
        "by key": [one.key for one in client.list_feedback(run_ids=[run_id], feedback_key=["right"])],
        "by source": [one.key for one in client.list_feedback(run_ids=[run_id], feedback_source_type=["model"])],
        "stats": {key: [one["n"], one["avg"]] for key, one in sorted(stats.items())},
        "whole": whole_project(client, project_id, "whole"),
        "filtered": [
            run.name
            for run in client.list_runs(
                project_name=PROJECT, filter='and(eq(feedback_key, "right"), gte(feedback_score, 1))'
            )
        ],
    }


def _judgements(client: Client, run_id: str) -> list[list[Any]]:
    return sorted([one.key, one.score, one.comment] for one in client.list_feedback(run_ids=[run_id]))
