"""Projects: made, found, changed, deleted."""

from __future__ import annotations

from typing import Any

from langsmith import Client
from material import refusal
from tracing import PROJECT, ROADS


def write(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Make two projects, one of them twice, change one and delete the other."""
    kept = client.create_project("kept", description="To keep.", metadata={"team": "a"})
    client.create_project("dropped")
    state["kept"] = str(kept.id)
    twice = refusal(lambda: client.create_project("kept"))
    client.update_project(kept.id, description="Kept.", metadata={"team": "b"})
    client.delete_project(project_name="dropped")
    return {
        "made": [kept.name, kept.description],
        "twice": twice,
        "dropped": client.has_project("dropped"),
    }


def recall(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Read them by name and id, as lists, and with their statistics."""
    kept = client.read_project(project_id=state["kept"])
    talk = client.read_project(project_name=PROJECT, include_stats=True)
    return {
        "kept": [kept.name, kept.description, (kept.extra or {}).get("metadata", {}).get("team")],
        "by part of the name": sorted(one.name for one in client.list_projects(name_contains="ROAD")),
        "by metadata": [one.name for one in client.list_projects(metadata={"team": "b"})],
        "there": [client.has_project(name) for name in (PROJECT, ROADS, "dropped")],
        "talk": [talk.run_count, talk.total_tokens, float(talk.total_cost or 0), talk.last_run_start_time is not None],
    }
