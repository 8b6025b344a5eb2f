"""The two experiments against each other."""

from __future__ import annotations

from typing import Any

from langsmith import Client, evaluate
from langsmith.schemas import Example, Run


def write(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Prefer, for each example, the longer answer."""
    results = evaluate(
        tuple(state["experiments"]), evaluators=[prefer], client=client, experiment_prefix="duel", max_concurrency=2
    )
    client.flush()
    return {"compared": len(list(results))}


def recall(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Read the preferences: one of two for each example, of one comparison."""
    run_ids = [run.id for name in state["experiments"] for run in client.list_runs(project_name=name, is_root=True)]
    found = list(client.list_feedback(run_ids=run_ids, feedback_key=["preferred"]))
    return {
        "scores": sorted(one.score for one in found),
        "comparisons": len({one.comparative_experiment_id for one in found} - {None}),
        "groups": len({one.feedback_group_id for one in found} - {None}),
    }


def prefer(runs: list[Run], example: Example) -> dict:
    """1 for the run with the longer answer, 0 for the other."""
    lengths = {run.id: len((run.outputs or {}).get("capital") or "") for run in runs}
    best = max(lengths, key=lambda run_id: (lengths[run_id], str(run_id)))
    return {"key": "preferred", "scores": {run_id: int(run_id == best) for run_id in lengths}}
