"""`evaluate` and `aevaluate` over the dataset, one experiment each."""

from __future__ import annotations

import asyncio
from typing import Any

from datasets import NAME
from langsmith import Client, aevaluate, evaluate
from langsmith.schemas import Feedback
from material import whole_project

CAPITALS = {"France": "Paris!", "Nauru": "none"}


def write(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Run two experiments: one that knows two of three capitals, and one that knows none."""
    settings: dict[str, Any] = {
        "data": NAME,
        "evaluators": [right],
        "summary_evaluators": [share],
        "metadata": {"model": "none"},
        "client": client,
        "max_concurrency": 2,
    }
    knowing = evaluate(knows, experiment_prefix="knowing", description="Knows two.", **settings)
    rows = [_scores(row) for row in knowing]
    ignorant = asyncio.run(_finished(aevaluate(guesses, experiment_prefix="ignorant", **settings)))
    client.flush()
    state["experiments"] = [knowing.experiment_name, ignorant]
    return {"rows": sorted(rows), "named": [name.partition("-")[0] for name in state["experiments"]]}


def recall(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Read the experiments as projects of the dataset, their runs and what was judged."""
    return {
        "found": sorted(
            one.name.partition("-")[0] for one in client.list_projects(reference_dataset_id=state["dataset"])
        ),
        "each": [_experiment(client, name) for name in state["experiments"]],
    }


def knows(inputs: dict) -> dict:
    """The target that knows two countries."""
    return {"capital": CAPITALS.get(inputs["country"])}


async def guesses(inputs: dict) -> dict:
    """The target that knows none."""
    return {"capital": "London"}


def right(outputs: dict, reference_outputs: dict) -> dict:
    """Whether the capital is the expected one."""
    return {"key": "right", "score": float(outputs["capital"] == reference_outputs["capital"]), "comment": "Compared."}


def share(outputs: list, reference_outputs: list) -> dict:
    """The share of examples that are right."""
    hits = [one["capital"] == other["capital"] for one, other in zip(outputs, reference_outputs, strict=True)]
    return {"key": "share", "score": round(sum(hits) / len(hits), 3)}


async def _finished(started: Any) -> str:
    results = await started
    async for _ in results:
        pass
    return results.experiment_name


def _scores(row: Any) -> list[Any]:
    (result,) = row["evaluation_results"]["results"]
    return [row["example"].inputs["country"], row["run"].outputs["capital"], result.score]


def _experiment(client: Client, name: str) -> dict[str, Any]:
    project = client.read_project(project_name=name, include_stats=True)
    runs = list(client.list_runs(project_name=name, is_root=True))
    metadata = (project.extra or {}).get("metadata", {})
    judged = list(client.list_feedback(run_ids=[run.id for run in runs], feedback_key=["right"]))
    judges = sorted({_judging_run(one) for one in judged})
    return {
        "runs": [project.run_count, len(runs), len({run.reference_example_id for run in runs} - {None})],
        "metadata": [metadata.get("model"), metadata.get("dataset_version") is not None],
        "right": [round((project.feedback_stats or {})["right"][name], 3) for name in ("n", "avg")],
        "share": whole_project(client, project.id, "share"),
        "judged by a model": sorted({one.feedback_source.type for one in judged if one.feedback_source}),
        "judging runs": [run.status for run in client.list_runs(project_name="evaluators", run_ids=judges)],
    }


def _judging_run(feedback: Feedback) -> str:
    metadata = (feedback.feedback_source.metadata if feedback.feedback_source else None) or {}
    return str(metadata["__run"]["run_id"])
