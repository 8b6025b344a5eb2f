"""Runs by every road that the library knows, and how they are read back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from langsmith import Client, trace, traceable, tracing_context
from langsmith.run_helpers import get_current_run_tree
from material import MATERIAL

PROJECT = "talk"
ROADS = "roads"
NOTES = b"The first line.\nThe second."


def write(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Trace a turn, a turn that fails and a run with a file; then send runs as a batch, a form and one by one."""
    with tracing_context(enabled=True, project_name=PROJECT, client=client):
        state["turn"] = _turn(client)
        state["broken"] = _turn(client, fail=True)
        with trace("noted", run_type="tool", client=client, attachments={"notes": ("text/plain", NOTES)}) as run:
            run.end(outputs={"pages": 2})
            state["noted"] = str(run.id)
    client.flush()
    state["roads"] = {
        "batch": _send(client.batch_ingest_runs),
        "form": _send(client.multipart_ingest),
        "batch, the end first": _send_end_first(client.batch_ingest_runs),
        "form, the end first": _send_end_first(client.multipart_ingest),
        "one by one": _send_singly(),
    }
    return {"sent": len(state["roads"])}


def recall(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Read the turn as a tree, the failed turn, the file, the runs of every road, each question and the statistics."""
    root = client.read_run(state["turn"], load_child_runs=True)
    generated = next(child for child in root.child_runs or [] if child.name == "generate")
    return {
        "root": [root.name, root.run_type, root.status, root.inputs, root.outputs, root.tags],
        "metadata": {key: (root.extra or {})["metadata"].get(key) for key in ("variant", "thread_id")},
        "children": [[child.name, child.run_type, child.parent_run_id == root.id] for child in root.child_runs or []],
        "tokens": [[run.prompt_tokens, run.completion_tokens, run.total_tokens] for run in (root, generated)],
        "costs": [float(run.total_cost or 0) for run in (root, generated)],
        "broken": _failure(client, state["broken"]),
        "notes": _notes(client, state["noted"]),
        "roads": {road: _road(client, run_id) for road, run_id in state["roads"].items()},
        "answers": {name: _names(client, question) for name, question in MATERIAL["questions"].items()},
        "first of them": len(list(client.list_runs(project_name=PROJECT, limit=2))),
        "by id": [run.name for run in client.list_runs(project_name=PROJECT, run_ids=[state["noted"]])],
        "stats": _stats(client),
    }


def _turn(client: Client, *, fail: bool = False) -> str:
    @traceable(run_type="retriever", client=client)
    def search(question: str) -> list[dict[str, Any]]:
        return [{"page_content": "Five days.", "type": "Document", "metadata": {"page": 3}}]

    @traceable(run_type="llm", client=client)
    def generate(question: str) -> dict[str, Any]:
        if fail:
            raise RuntimeError("the model is gone")
        usage = {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14}
        costs = {"input_cost": 0.25, "output_cost": 0.5, "total_cost": 0.75}
        return {"text": "Five.", "usage_metadata": usage | costs}

    metadata = {"variant": "b" if fail else "a", "thread_id": "t-1"}

    @traceable(name="failed turn" if fail else "turn", client=client, metadata=metadata, tags=["demo"])
    def answer(question: str) -> dict[str, Any]:
        run_ids.append(str(get_current_run_tree().id))
        search(question)
        return {"answer": generate(question)["text"]}

    run_ids: list[str] = []
    try:
        answer("How many days may I carry over?")
    except RuntimeError:
        assert fail
    return run_ids[0]


def _halves() -> tuple[dict[str, Any], dict[str, Any]]:
    run_id, now = str(uuid4()), datetime.now(UTC)
    place = {"id": run_id, "trace_id": run_id, "dotted_order": f"{now:%Y%m%dT%H%M%S%f}Z{run_id}"}
    begun = {
        **place,
        "name": "sent",
        "run_type": "chain",
        "inputs": {"half": 1},
        "start_time": now.isoformat(),
        "session_name": ROADS,
    }
    return begun, {**place, "session_name": ROADS, "outputs": {"half": 2}, "end_time": now.isoformat()}


def _send(ingest: Any) -> str:
    begun, ended = _halves()
    ingest(create=[begun])
    ingest(update=[ended])
    return str(begun["id"])


def _send_end_first(ingest: Any) -> str:
    begun, ended = _halves()
    ingest(update=[ended])
    ingest(create=[begun])
    return str(begun["id"])


def _send_singly() -> str:
    begun, ended = _halves()
    client = Client(auto_batch_tracing=False)
    client.create_run(**{**begun, "project_name": begun["session_name"]})
    client.update_run(ended["id"], outputs=ended["outputs"], end_time=datetime.fromisoformat(ended["end_time"]))
    return str(begun["id"])


def _failure(client: Client, run_id: str) -> list[Any]:
    run = client.read_run(run_id)
    return [run.status, "the model is gone" in (run.error or "")]


def _notes(client: Client, run_id: str) -> list[Any]:
    notes = client.read_run(run_id).attachments["notes"]
    return [notes["mime_type"], notes["reader"].read().decode()]


def _road(client: Client, run_id: str) -> list[Any]:
    run = client.read_run(run_id)
    return [run.name, run.status, run.inputs, run.outputs]


def _names(client: Client, question: dict[str, Any]) -> list[str]:
    return sorted(run.name for run in client.list_runs(project_name=PROJECT, **question))


def _stats(client: Client) -> list[Any]:
    stats = client.get_run_stats(project_names=[PROJECT], is_root=True)
    return [stats["run_count"], stats["total_tokens"], round(stats["error_rate"], 3)]
