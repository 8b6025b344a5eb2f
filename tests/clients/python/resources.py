"""Runs, traces and threads by the second version of the API, and a run that is shared through it."""

from __future__ import annotations

import asyncio
from typing import Any

from langsmith import Client
from tracing import PROJECT

FIELDS: Any = ["NAME", "RUN_TYPE", "STATUS", "OUTPUTS", "TOTAL_TOKENS", "TAGS"]


def write(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Share a run."""
    project_id = state["talk"] = str(client.read_project(project_name=PROJECT).id)
    return asyncio.run(_share(client, state, project_id))


def recall(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Read runs, traces, threads and the shared run."""
    return asyncio.run(_recall(client, state, state["talk"]))


async def _share(client: Client, state: dict[str, Any], project_id: str) -> dict[str, Any]:
    turn = state["turn"]
    shared = await client.runs.share.create(turn, session_id=project_id, trace_id=turn)
    state["shared"] = str(shared.share_token)
    return {"shared": bool(shared.share_token)}


async def _recall(client: Client, state: dict[str, Any], project_id: str) -> dict[str, Any]:
    turn, token = state["turn"], state["shared"]
    run = await client.runs.retrieve(turn, project_id=project_id, selects=FIELDS)
    roots = client.runs.query(project_ids=[project_id], is_root=True, selects=["NAME"], page_size=2)
    traces = client.traces.query(project_id=project_id, selects=["NAME", "TOTAL_TOKENS"])
    of_the_trace = await client.traces.list_runs(turn, project_id=project_id, selects=["NAME"])
    turns = client.threads.list_traces("t-1", project_id=project_id, selects=["NAME"])
    public = await client.public.runs.query(token, selects=["NAME"])
    await client.runs.share.delete(turn, session_id=project_id)
    return {
        "run": [run.name, run.run_type, run.status, run.outputs, run.total_tokens, run.tags],
        "roots": sorted([one.name async for one in roots]),
        "traces": sorted([one.root_run.name async for one in traces]),
        "of the trace": sorted(one.name for one in of_the_trace.items or []),
        "threads": [[one.thread_id, one.count] async for one in client.threads.query(project_id=project_id)],
        "turns": sorted([one.name async for one in turns]),
        "public": sorted(one.name for one in public.items or []),
    }
