"""Experiments through the unmodified `langsmith` client: `evaluate`, its relatives, and what is read of them after."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import requests
from langsmith import Client, aevaluate, evaluate
from langsmith.schemas import Dataset, TracerSessionResult
from langsmith.utils import LangSmithConflictError, LangSmithError, LangSmithNotFoundError

from app.ops.store import OpsStore

pytestmark = pytest.mark.filterwarnings("ignore")

KEY = "a-key-for-tests"
ANSWERS = {"one": 1, "two": 2, "three": 3}


@pytest.fixture
def dataset(client: Client) -> Dataset:
    made = client.create_dataset("numbers")
    examples = [{"inputs": {"word": word}, "outputs": {"answer": answer}} for word, answer in ANSWERS.items()]
    client.create_examples(dataset_id=made.id, examples=examples)
    return made


def right(outputs: dict[str, Any], reference_outputs: dict[str, Any]) -> bool:
    return bool(outputs["answer"] == reference_outputs["answer"])


def experiment(client: Client, prefix: str, answers: dict[str, int], **options: Any) -> TracerSessionResult:
    """An experiment that answers words with these numbers; a word without one fails."""

    def target(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"answer": answers[inputs["word"]]}

    done = evaluate(
        target,
        data="numbers",
        evaluators=[right],
        experiment_prefix=prefix,
        client=client,
        max_concurrency=0,
        **options,
    )
    client.flush()
    return client.read_project(project_name=done.experiment_name, include_stats=True)


def results(client: Client, dataset: Dataset, *experiments: TracerSessionResult, **query: Any) -> list[dict[str, Any]]:
    body = {"session_ids": [str(one.id) for one in experiments], **query}
    answer = send(client, f"/datasets/{dataset.id}/runs", body)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()
    return found


def words(found: list[dict[str, Any]]) -> list[str]:
    return [one["inputs"]["word"] for one in found]


def send(client: Client, path: str, body: Any) -> requests.Response:
    return requests.post(client.api_url + path, json=body, headers={"x-api-key": KEY}, timeout=10)


def test_evaluate_records_an_experiment(client: Client, dataset: Dataset) -> None:
    def share_right(outputs: list[Any], reference_outputs: list[Any]) -> dict[str, Any]:
        hits = [one["answer"] == other["answer"] for one, other in zip(outputs, reference_outputs, strict=True)]
        return {"key": "share_right", "score": sum(hits) / len(hits)}

    done = experiment(
        client, "A", {"one": 1, "two": 2, "three": 0}, summary_evaluators=[share_right], description="try"
    )
    assert (done.reference_dataset_id, done.description, done.run_count) == (dataset.id, "try", 3)
    assert done.error_rate == 0
    assert done.feedback_stats is not None
    assert (done.feedback_stats["right"]["n"], done.feedback_stats["right"]["avg"]) == (3, pytest.approx(2 / 3))
    assert done.session_feedback_stats is not None
    assert done.session_feedback_stats["share_right"]["avg"] == pytest.approx(2 / 3, abs=0.001)
    assert done.metadata["dataset_splits"] == ["base"]
    version = done.metadata["dataset_version"]
    assert len(list(client.list_examples(dataset_id=dataset.id, as_of=version))) == 3
    read = client.read_dataset(dataset_id=dataset.id)
    assert (read.session_count, read.last_session_start_time) == (1, done.start_time)
    assert [one.id for one in client.list_projects(reference_dataset_id=dataset.id)] == [done.id]


def test_the_results_of_an_experiment_are_read_back(client: Client, dataset: Dataset) -> None:
    done = experiment(client, "A", {"one": 1, "two": 0, "three": 3}, num_repetitions=2)
    read = client.get_experiment_results(name=done.name)
    assert read["run_stats"]["run_count"] == 6
    assert read["feedback_stats"]["right"]["n"] == 6
    by_word = {one.inputs["word"]: one for one in read["examples_with_runs"] if one.inputs}
    assert set(by_word) == set(ANSWERS)
    assert [run.outputs for run in by_word["two"].runs] == [{"answer": 0}, {"answer": 0}]
    assert by_word["two"].outputs == {"answer": 2}
    for run in by_word["two"].runs:
        assert run.reference_example_id == by_word["two"].id
        assert run.feedback_stats is not None
        assert run.feedback_stats["right"]["avg"] == 0
    short = next(iter(client.get_experiment_results(name=done.name, preview=True, limit=1)["examples_with_runs"]))
    assert (short.runs[0].inputs, short.runs[0].outputs) == ({}, None)
    (row, *_) = results(client, dataset, done, preview=True)
    assert row["inputs"]["word"] in row["runs"][0]["inputs_preview"]


def test_aevaluate_works_too(client: Client, dataset: Dataset) -> None:
    async def target(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"answer": ANSWERS[inputs["word"]]}

    async def run() -> str:
        done = await aevaluate(target, data=dataset.id, evaluators=[right], client=client)
        return done.experiment_name

    name = asyncio.run(run())
    client.flush()
    assert client.get_experiment_results(name=name)["feedback_stats"]["right"]["avg"] == 1


def test_evaluate_reads_the_files_of_examples(client: Client) -> None:
    made = client.create_dataset("files")
    files = {"image": ("image/png", b"pixels")}
    client.create_examples(dataset_id=made.id, examples=[{"inputs": {"ask": "what?"}, "attachments": files}])

    def target(inputs: dict[str, Any], attachments: dict[str, Any]) -> dict[str, Any]:
        return {"seen": attachments["image"]["reader"].read().decode()}

    done = evaluate(target, data="files", num_repetitions=2, client=client, max_concurrency=0)
    assert [row["run"].outputs for row in done] == [{"seen": "pixels"}] * 2


def test_a_taken_name_is_a_conflict(client: Client, dataset: Dataset) -> None:
    client.create_project("taken", reference_dataset_id=dataset.id)
    with pytest.raises(LangSmithConflictError):
        client.create_project("taken", reference_dataset_id=dataset.id)


def test_experiments_are_laid_side_by_side(client: Client, dataset: Dataset) -> None:
    first = experiment(client, "A", {"one": 1, "two": 0, "three": 0})
    second = experiment(client, "B", {"one": 1, "two": 2, "three": 0})
    rows = results(client, dataset, first, second)
    assert len(rows) == 3
    for row in rows:
        assert [run["session_id"] for run in row["runs"]] == [str(first.id), str(second.id)]
    deltas = {
        "baseline_session_id": str(first.id),
        "comparison_session_ids": [str(second.id)],
        "feedback_key": "right",
    }
    found = send(client, f"/datasets/{dataset.id}/runs/delta", deltas).json()["feedback_deltas"]
    two = next(row["id"] for row in rows if row["inputs"]["word"] == "two")
    assert found == {str(second.id): {"improved_examples": [two], "regressed_examples": []}}


def test_results_are_filtered_sorted_and_paged(client: Client, dataset: Dataset) -> None:
    first = experiment(client, "A", {"one": 1, "two": 0, "three": 0})
    second = experiment(client, "B", {"one": 1, "two": 2})
    wrong = {str(first.id): ['and(eq(feedback_key, "right"), eq(feedback_score, 0))']}
    assert sorted(words(results(client, dataset, first, second, filters=wrong))) == ["three", "two"]
    failed = {str(second.id): ["eq(error, true)"]}
    assert words(results(client, dataset, first, second, filters=failed)) == ["three"]
    assert words(results(client, dataset, first, second, filters=wrong | failed)) == ["three"]
    best = results(client, dataset, first, sort_params={"sort_by": "feedback.right", "sort_order": "DESC"})
    assert words(best)[0] == "one"
    worst = results(client, dataset, first, sort_params={"sort_by": "right", "sort_order": "asc"})
    assert words(worst)[-1] == "one"
    pages = [words(results(client, dataset, first, limit=2, offset=offset)) for offset in (0, 2, 4)]
    assert [len(page) for page in pages] == [2, 1, 0]
    assert sorted(pages[0] + pages[1]) == sorted(ANSWERS)
    some = next(row["id"] for row in best)
    assert words(results(client, dataset, first, example_ids=[some])) == ["one"]


def test_results_outlive_their_examples(client: Client, dataset: Dataset) -> None:
    done = experiment(client, "A", ANSWERS)
    gone = next(one for one in client.list_examples(dataset_id=dataset.id) if one.inputs == {"word": "two"})
    client.delete_example(gone.id)
    assert sorted(words(results(client, dataset, done))) == sorted(ANSWERS)
    client.create_example(inputs={"word": "four"}, dataset_id=dataset.id)
    assert "four" not in words(results(client, dataset, done))


def test_the_second_version_of_the_api_reads_results_page_by_page(client: Client, dataset: Dataset) -> None:
    done = experiment(client, "A", ANSWERS)

    async def read() -> list[Any]:
        pages = client.datasets.experiment_runs.query(
            str(dataset.id),
            experiment_ids=[str(done.id)],
            selects=["ID", "OUTPUTS", "FEEDBACK_STATS"],
            sort={"by": "feedback.right"},
            page_size=2,
        )
        return [one async for one in pages]

    found = asyncio.run(read())
    assert sorted(one.inputs["word"] for one in found) == sorted(ANSWERS)
    for one in found:
        (run,) = one.runs
        assert run.outputs == one.outputs
        assert run.name is None


def test_pairwise_evaluation_records_preferences(client: Client, dataset: Dataset) -> None:
    first = experiment(client, "A", {"one": 1, "two": 0, "three": 0})
    second = experiment(client, "B", ANSWERS)

    def prefer(runs: list[Any], example: Any) -> dict[str, Any]:
        hits = {run.id: int(run.outputs["answer"] == example.outputs["answer"]) for run in runs}
        return {"key": "preferred", "scores": hits, "comment": "as the reference says"}

    done = evaluate((first.name, second.name), evaluators=[prefer], client=client)
    client.flush()
    comparison = done.comparative_experiment
    assert comparison is not None
    assert comparison.reference_dataset_id == dataset.id
    listed = client.request_with_retries("GET", f"/datasets/{dataset.id}/comparative").json()
    assert [one["id"] for one in listed] == [str(comparison.id)]
    assert [one["name"] for one in listed[0]["experiments_info"]] == [first.name, second.name]
    scores = listed[0]["feedback_stats"]["preferred"]
    assert scores[str(first.id)]["avg"] == pytest.approx(1 / 3)
    assert scores[str(second.id)]["avg"] == 1

    def keys(**query: str) -> set[str]:
        return {key for row in results(client, dataset, first, **query) for key in row["runs"][0]["feedback_stats"]}

    within = {"comparative_experiment_id": str(comparison.id)}
    assert keys() == {"right"}
    assert keys(**within) == {"right", "preferred"}
    client.request_with_retries("DELETE", f"/datasets/comparative/{comparison.id}")
    assert client.request_with_retries("GET", f"/datasets/{dataset.id}/comparative").json() == []
    assert keys(**within) == {"right"}


def test_only_experiments_on_one_dataset_are_compared(client: Client, dataset: Dataset) -> None:
    here = client.create_project("here", reference_dataset_id=dataset.id)
    there = client.create_project("there", reference_dataset_id=client.create_dataset("other").id)
    nowhere = client.create_project("nowhere")
    for others in ([there.id], [nowhere.id]):
        with pytest.raises(LangSmithError, match="one and the same dataset"):
            client.create_comparative_experiment("versus", [here.id, *others])
    with pytest.raises(LangSmithNotFoundError):
        client.create_comparative_experiment("versus", [here.id, uuid.uuid4()])
    made = client.create_comparative_experiment("versus", [here.id], id=uuid.uuid4(), metadata={"why": "test"})
    assert made.metadata == {"why": "test"}
    with pytest.raises(LangSmithConflictError):
        client.create_comparative_experiment("versus", [here.id], id=made.id)
    client.delete_project(project_name="here")
    (left,) = client.request_with_retries("GET", f"/datasets/{dataset.id}/comparative").json()
    assert left["experiments_info"] == []


def test_pages_are_given_how_each_experiment_went(client: Client, dataset: Dataset, store: OpsStore) -> None:
    older = experiment(client, "A", {"one": 1, "two": 2})
    newer = experiment(client, "B", ANSWERS)
    client.create_feedback(None, "verdict", project_id=newer.id, score=0.5)
    client.create_project("empty", reference_dataset_id=dataset.id)
    empty, *went = store.experiments.find(dataset.id)
    assert (empty.project.name, empty.stats.run_count, empty.scores) == ("empty", 0, {})
    assert [one.project.id for one in went] == [newer.id, older.id]
    assert [one.stats.run_count for one in went] == [3, 3]
    assert [one.stats.error_rate for one in went] == [0, pytest.approx(1 / 3)]
    assert went[0].stats.latency_p50 is not None
    assert went[0].stats.feedback_stats["right"].avg == 1
    assert went[0].scores["verdict"].avg == 0.5
    assert [one.project.id for one in store.experiments.find(dataset.id, limit=1, offset=1)] == [newer.id]


NO_REQUESTS = [
    ("/datasets/{id}/runs", {"session_ids": []}),
    ("/datasets/{id}/runs", {"session_ids": ["x"]}),
    ("/datasets/{id}/runs", {"session_ids": ["{run}"], "limit": 101}),
    ("/datasets/{id}/runs", {"session_ids": ["{run}"], "filters": {"{run}": ["nonsense"]}}),
    ("/datasets/{id}/runs", {"session_ids": ["{run}"], "filters": {"{run}": ['eq(name, "a")), or(eq(name, "b")']}}),
    ("/datasets/{id}/runs", {"session_ids": ["{run}"], "sort_params": {"sort_by": 5}}),
    ("/datasets/{id}/runs", {"session_ids": ["{run}"], "sort_params": {"sort_by": "x", "sort_order": "UP"}}),
    ("/v2/datasets/{id}/experiment-runs", {}),
    ("/v2/datasets/{id}/experiment-runs", {"experiment_ids": ["{run}"], "cursor": "nonsense"}),
    ("/v2/datasets/{id}/experiment-runs", {"experiment_ids": ["{run}"], "selects": ["NONSENSE"]}),
    ("/datasets/comparative", {"experiment_ids": []}),
    ("/datasets/{id}/runs/delta", {"baseline_session_id": "{run}", "comparison_session_ids": []}),
]


def test_what_cannot_be_is_refused(client: Client, dataset: Dataset, subtests: pytest.Subtests) -> None:
    project = str(client.create_project("here", reference_dataset_id=dataset.id).id)
    for path, body in NO_REQUESTS:
        with subtests.test(path=path, body=body):
            filled = json.loads(json.dumps(body).replace("{run}", project))
            answer = send(client, path.replace("{id}", str(dataset.id)), filled)
            assert answer.status_code == 422
            assert answer.json()["detail"]


def test_results_of_others_are_not_shown(client: Client, dataset: Dataset) -> None:
    done = experiment(client, "A", ANSWERS)
    other = client.create_dataset("other")
    assert results(client, other, done) == []
    assert send(client, f"/datasets/{uuid.uuid4()}/runs", {"session_ids": [str(done.id)]}).status_code == 404
    assert results(client, dataset, client.create_project("empty")) == []
    hidden = results(client, dataset, done, sort_params={"sort_by": "\x00"})
    assert len(hidden) == 3


def test_the_pytest_plugin_keeps_a_test_suite(client: Client, langsmith_url: str, tmp_path: Path) -> None:
    suite = tmp_path / "test_suite.py"
    suite.write_text(
        "import pytest\n"
        "from langsmith import testing as t\n"
        "@pytest.mark.langsmith(output_keys=['expected'])\n"
        "@pytest.mark.parametrize(('word', 'expected'), [('one', 1), ('two', 3)])\n"
        "def test_words(word, expected):\n"
        "    answer = {'one': 1, 'two': 2}[word]\n"
        "    t.log_outputs({'answer': answer})\n"
        "    t.log_feedback(key='distance', score=abs(answer - expected))\n"
        "    assert answer == expected\n"
    )
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("LANGSMITH", "LANGCHAIN", "PYTEST"))
        },
        "LANGSMITH_ENDPOINT": langsmith_url,
        "LANGSMITH_API_KEY": KEY,
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_TEST_SUITE": "words",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "langsmith.pytest_plugin", str(suite)]
    for round_ in (1, 2):
        ran = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert "1 failed, 1 passed" in ran.stdout, ran.stdout + ran.stderr
        assert "LangSmithError" not in ran.stderr
        dataset = client.read_dataset(dataset_name="words")
        assert (dataset.example_count, dataset.session_count) == (2, round_)
    (latest, _) = client.list_projects(reference_dataset_id=dataset.id, include_stats=True)
    assert latest.run_count == 2
    assert latest.feedback_stats is not None
    assert latest.feedback_stats["pass"]["avg"] == 0.5
    assert latest.feedback_stats["distance"]["avg"] == 0.5
