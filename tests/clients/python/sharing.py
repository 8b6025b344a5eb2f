"""Runs and datasets, shared by a link and taken back."""

from __future__ import annotations

from typing import Any

from langsmith import Client
from material import refusal


def write(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Share a run and a dataset."""
    before = client.run_is_shared(state["turn"])
    link = client.share_run(state["turn"])
    state["run_token"] = link.split("/")[-2]
    state["dataset_token"] = client.share_dataset(state["dataset"])["share_token"]
    return {
        "before": before,
        "after": client.run_is_shared(state["turn"]),
        "link": client.read_run_shared_link(state["turn"]) == link,
    }


def recall(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Read them by their tokens alone, take them back, and find nothing."""
    run_token, dataset_token = state["run_token"], state["dataset_token"]
    seen = {
        "run": client.read_shared_run(run_token).name,
        "runs": sorted(run.name for run in client.list_shared_runs(run_token)),
        "child": client.read_shared_run(run_token, run_id=_child(client, state["turn"])).name,
        "dataset": client.read_shared_dataset(dataset_token).name,
        "examples": sorted(one.inputs["country"] for one in client.list_shared_examples(dataset_token)),
        "experiments": sorted(
            one.name.partition("-")[0] for one in client.list_shared_projects(dataset_share_token=dataset_token)
        ),
    }
    client.unshare_run(state["turn"])
    client.unshare_dataset(state["dataset"])
    return seen | {
        "shared still": client.run_is_shared(state["turn"]),
        "run, after": refusal(lambda: client.read_shared_run(run_token)),
        "dataset, after": refusal(lambda: client.read_shared_dataset(dataset_token)),
    }


def _child(client: Client, run_id: str) -> Any:
    return next(run.id for run in client.list_runs(trace_id=run_id, run_type="retriever", project_name="talk"))
