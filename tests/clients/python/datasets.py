"""Datasets: examples with files and splits, a schema that refuses, versions and their tags, a CSV file."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from uuid import uuid4

from langsmith import Client
from langsmith.schemas import Example
from material import MATERIAL, refusal

NAME = "capitals"
MAP = ("text/plain", b"A map of France.")


def write(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Make a dataset, tag its first version, then change it in every way; upload a table; drop a third dataset."""
    schema = MATERIAL["inputs_schema"]
    dataset = client.create_dataset(NAME, description="Of countries.", inputs_schema=schema, metadata={"team": "a"})
    state["dataset"], state["examples"] = str(dataset.id), [str(uuid4()) for _ in MATERIAL["examples"]]
    france, peru, nauru = state["examples"]
    first, *others = [
        {**example, "id": example_id}
        for example, example_id in zip(MATERIAL["examples"], state["examples"], strict=True)
    ]
    client.create_examples(dataset_id=dataset.id, examples=[{**first, "attachments": {"map": MAP}}, *others])
    versions = list(client.list_dataset_versions(dataset_id=dataset.id))
    client.update_dataset_tag(dataset_id=dataset.id, as_of=max(one.as_of for one in versions), tag="first")
    # Early versions blank the sides that an update leaves out.
    sides = {"inputs": first["inputs"], "outputs": {"capital": "Paris!"}}
    client.update_example(france, **sides, metadata={"level": "new"}, split="train", dataset_id=dataset.id)
    renaming = {"attachments_operations": {"rename": {"map": "plan"}, "retain": []}}
    client.update_examples(dataset_id=dataset.id, updates=[{"id": france, **sides, **renaming}])
    client.delete_example(peru)
    client.create_example(inputs={"country": "Fiji"}, outputs={"capital": "Suva"}, dataset_id=dataset.id)
    client.update_dataset_splits(dataset_id=dataset.id, split_name="held out", example_ids=[nauru])
    client.upload_csv(("sums.csv", BytesIO(MATERIAL["csv"].encode())), ["question"], ["answer"], name="sums")
    client.create_dataset("dropped")
    client.delete_dataset(dataset_name="dropped")
    return {
        "made": [dataset.name, dataset.description],
        "twice": refusal(lambda: client.create_dataset(NAME)),
        "against the schema": refusal(lambda: client.create_example({"city": 1}, dataset_id=dataset.id)),
        "dropped": client.has_dataset(dataset_name="dropped"),
    }


def recall(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Read the dataset as it is and as it was, by split, metadata and filter, and its file."""
    dataset = client.read_dataset(dataset_name=NAME)
    france, peru, nauru = state["examples"]
    diff = client.diff_dataset_versions(dataset_id=dataset.id, from_version="first", to_version="latest")

    def countries(**question: Any) -> list[str]:
        found = client.list_examples(dataset_id=dataset.id, **question)
        return sorted((example.inputs or {})["country"] for example in found)

    return {
        "dataset": [str(dataset.id) == state["dataset"], dataset.description, dataset.example_count],
        "schema": dataset.inputs_schema == MATERIAL["inputs_schema"],
        "now": sorted(_row(one) for one in client.list_examples(dataset_id=dataset.id)),
        "first": sorted(_row(one) for one in client.list_examples(dataset_id=dataset.id, as_of="first")),
        "changed": _row(client.read_example(france)),
        "deleted": refusal(lambda: client.read_example(peru)),
        "splits": sorted(client.list_dataset_splits(dataset_id=dataset.id)),
        "by split": countries(splits=["held out"]),
        "by metadata": countries(metadata={"level": "hard"}),
        "by filter": countries(filter='exists(metadata, "level")'),
        "by id": countries(example_ids=[nauru]),
        "page": len(countries(limit=1, offset=1)),
        "map": _map(client, dataset.id, france),
        "diff": [len(ids) for ids in (diff.examples_modified, diff.examples_added, diff.examples_removed)],
        "tagged": "first" in (client.read_dataset_version(dataset_id=dataset.id, tag="first").tags or []),
        "sums": sorted(
            [(one.inputs or {})["question"], (one.outputs or {})["answer"]]
            for one in client.list_examples(dataset_name="sums")
        ),
        "by part of the name": [one.name for one in client.list_datasets(dataset_name_contains="CAPI")],
    }


def _row(example: Example) -> list[Any]:
    metadata = example.metadata or {}
    return [
        (example.inputs or {})["country"],
        (example.outputs or {})["capital"],
        metadata.get("level"),
        sorted(metadata.get("dataset_split") or []),
    ]


def _map(client: Client, dataset_id: Any, example_id: str) -> dict[str, list[Any]]:
    (example,) = client.list_examples(dataset_id=dataset_id, example_ids=[example_id], include_attachments=True)
    return {
        name: [file["mime_type"], file["reader"].read().decode()] for name, file in (example.attachments or {}).items()
    }
