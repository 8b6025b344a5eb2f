"""The addresses that the LangSmith SDK prints open the page that shows the same thing."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from langsmith import Client, evaluate

from app.ops.store import OpsStore
from app.ops.store.prompts.models import CommitFields, PromptFields
from app.ops.store.queues.models import QueueFields

HOST = "http://ops.example"


@pytest.fixture
def sdk(langsmith_url: str) -> Iterator[Client]:
    opened = Client(api_url=langsmith_url, api_key="a-key-for-tests", web_url=HOST)
    yield opened
    opened.close()


def opened(pages: TestClient, address: str | None) -> str:
    """The page behind an address that was printed."""
    assert address
    assert address.startswith(HOST)
    answer = pages.get(address, follow_redirects=True)
    assert answer.status_code == 200, address
    return answer.text


def test_the_links_of_a_run_and_of_its_project(pages: TestClient, sdk: Client) -> None:
    run_id = uuid4()
    sdk.create_run("the run", {"question": "How?"}, "chain", id=run_id, project_name="support")
    sdk.flush()
    assert "How?" in opened(pages, sdk.get_run_url(run=sdk.read_run(run_id)))
    assert "How?" in opened(pages, sdk.read_run(run_id).url)
    assert "How?" in opened(pages, sdk.read_project(project_name="support").url)
    shared = sdk.share_run(run_id)
    assert "How?" in opened(pages, shared)
    sdk.unshare_run(run_id)
    assert pages.get(shared).status_code == 404


def test_the_links_of_a_dataset_and_of_an_example(pages: TestClient, sdk: Client) -> None:
    dataset = sdk.create_dataset("Leave questions")
    example = sdk.create_example(inputs={"question": "How?"}, outputs={"answer": "So"}, dataset_id=dataset.id)
    assert "Leave questions" in opened(pages, dataset.url)
    assert "Leave questions" in opened(pages, sdk.read_dataset(dataset_id=dataset.id).url)
    assert "How?" in opened(pages, example.url)
    shared = sdk.share_dataset(dataset_id=dataset.id)
    assert "How?" in opened(pages, shared["url"])


def test_the_links_that_evaluate_prints(pages: TestClient, sdk: Client, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = sdk.create_dataset("Leave questions")
    sdk.create_examples(dataset_id=dataset.id, examples=[{"inputs": {"n": n}, "outputs": {"n": n}} for n in range(3)])

    def right(outputs: dict, reference_outputs: dict) -> bool:
        return outputs == reference_outputs

    runs = [
        evaluate(lambda inputs: inputs, data=dataset.name, evaluators=[right], client=sdk, experiment_prefix=prefix)
        for prefix in ("first", "second")
    ]
    sdk.flush()
    printed = [word for word in capsys.readouterr().out.split() if word.startswith("http")]
    assert len(printed) == 2
    for address, results in zip(printed, runs, strict=True):
        assert results.experiment_name in opened(pages, address)

    def prefer(runs: list, example: object) -> dict:
        return {"key": "preferred", "scores": {runs[0].id: 1, runs[1].id: 0}}

    evaluate([one.experiment_name for one in runs], evaluators=[prefer], client=sdk)
    (address,) = [word for word in capsys.readouterr().out.split() if word.startswith("http")]
    assert "comparativeExperiment=" in address
    html = opened(pages, address)
    assert "Side by side" in html
    assert "preferred" in html


def test_the_link_of_an_experiment_as_a_project(pages: TestClient, sdk: Client) -> None:
    dataset = sdk.create_dataset("Leave questions")
    project = sdk.create_project("an experiment", reference_dataset_id=dataset.id)
    assert "an experiment" in opened(pages, project.url)
    assert "an experiment" in opened(pages, f"{project.url}?tab=3&clusterJobId={uuid4()}")


def test_the_links_of_a_prompt(pages: TestClient, store: OpsStore, sdk: Client) -> None:
    store.prompts.create(PromptFields(repo_handle="answer"))
    manifest = {"lc": 1, "type": "constructor", "id": ["PromptTemplate"], "kwargs": {"template": "Be brief."}}
    commit = store.prompts.commits.create("answer", CommitFields(manifest=manifest))
    assert "Be brief." in opened(pages, sdk._get_prompt_url(f"answer:{commit.hash}"))
    for path in (f"/context/answer/{commit.hash[:8]}", f"/hub/ann/answer:{commit.hash[:8]}", "/prompts/answer"):
        assert "Be brief." in opened(pages, HOST + path)


def test_the_links_of_queues_and_threads(pages: TestClient, store: OpsStore, sdk: Client) -> None:
    queue = store.queues.create(QueueFields(name="Disliked"))
    for address in (f"/o/{uuid4()}/annotation-queues/{queue.id}", f"/annotation-queues/{queue.id}"):
        assert "Disliked" in opened(pages, HOST + address)
    assert "Disliked" in opened(pages, f"{HOST}/o/{uuid4()}/annotation-queues")
    thread = pages.get(f"/o/{uuid4()}/projects/p/{uuid4()}/t/a%20thread")
    assert thread.headers["location"] == "/ops/threads/a%20thread"


def test_a_link_to_what_is_gone_says_so(pages: TestClient) -> None:
    tenant, one, other = uuid4(), uuid4(), uuid4()
    for path in (
        f"/o/{tenant}/projects/p/{one}/r/{other}",
        f"/o/{tenant}/datasets/{one}",
        f"/o/{tenant}/datasets/{one}/compare?selectedSessions={other}",
        f"/datasets/{one}/e/{other}",
        "/prompts/nothing/12345678",
        f"/annotation-queues/{one}",
    ):
        assert pages.get(path, follow_redirects=True).status_code == 404, path
    assert pages.get(f"/o/{tenant}/projects/p/{one}", follow_redirects=True).status_code == 200


@pytest.mark.parametrize("odd", ["%2F%2Fevil.example", "..%2F..%2Fsignin", "%0d%0aSet-Cookie:a=b", "%ED%A0%80"])
def test_no_link_leads_to_another_site(pages: TestClient, odd: str) -> None:
    for path in (
        f"/o/t/projects/p/{odd}/r/{odd}",
        f"/datasets/{odd}",
        f"/prompts/{odd}/{odd}",
        f"/datasets/{odd}/compare",
    ):
        location = pages.get(path).headers.get("location", "/ops/")
        assert location.startswith("/ops/")
        assert "\r" not in location
