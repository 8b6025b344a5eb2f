"""Annotation queues: made, filled, worked."""

from __future__ import annotations

from typing import Any

from langsmith import Client
from material import refusal


def write(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Make a queue with two runs in it, rename it, and drop another queue."""
    queue = client.create_annotation_queue(name="to read", description="Daily.", rubric_instructions="Be fair.")
    state["queue"] = str(queue.id)
    client.add_runs_to_annotation_queue(queue.id, run_ids=[state["turn"], state["broken"]])
    client.update_annotation_queue(
        queue.id, name="to read today", description="Every day.", rubric_instructions="Be fair!"
    )
    dropped = client.create_annotation_queue(name="dropped")
    client.delete_annotation_queue(dropped.id)
    return {
        "made": [queue.name, queue.description],
        "dropped": refusal(lambda: client.read_annotation_queue(dropped.id)),
    }


def recall(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Read the queue and its runs in order, and take one out."""
    queue = client.read_annotation_queue(state["queue"])
    waiting = [client.get_run_from_annotation_queue(queue.id, index=index) for index in (0, 1)]
    past_the_end = refusal(lambda: client.get_run_from_annotation_queue(queue.id, index=2))
    client.delete_run_from_annotation_queue(queue.id, run_id=waiting[0].id)
    left = client.get_run_from_annotation_queue(queue.id, index=0)
    return {
        "queue": [queue.name, queue.description, queue.rubric_instructions],
        "listed": [one.name for one in client.list_annotation_queues(name_contains="READ")],
        "waiting": sorted(run.name for run in waiting),
        "past the end": past_the_end,
        "left": left.id == waiting[1].id,
    }
