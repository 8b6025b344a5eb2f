"""Examples through the unmodified `langsmith` client: made, found, changed, with files, by every route it knows."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from langsmith import Client
from langsmith.schemas import Dataset, Example, ExampleCreate, ExampleUpdate, ExampleUpsertWithAttachments
from langsmith.utils import LangSmithConflictError, LangSmithError, LangSmithNotFoundError

from app.ops.store import NotFound, OpsStore
from app.ops.store.links import Links

pytestmark = pytest.mark.filterwarnings("ignore")

KEY = "a-key-for-tests"
OLD_SERVER: dict[str, Any] = {"instance_flags": {"dataset_examples_multipart_enabled": False}}


@pytest.fixture(params=["forms", "json"])
def any_client(request: pytest.FixtureRequest, langsmith_url: str) -> Iterator[Client]:
    """A client that writes examples as forms, and one that takes the server for an older one and writes JSON."""
    info = OLD_SERVER if request.param == "json" else None
    opened = Client(api_url=langsmith_url, api_key=KEY, info=info)
    yield opened
    opened.close()


@pytest.fixture
def dataset(client: Client) -> Dataset:
    return client.create_dataset("qa")


def contents(example: Example) -> dict[str, bytes]:
    """The files of an example, downloaded."""
    return {name: file["reader"].read() for name, file in (example.attachments or {}).items()}


def send(client: Client, method: str, path: str, **kwargs: Any) -> requests.Response:
    return requests.request(method, client.api_url + path, headers={"x-api-key": KEY}, timeout=10, **kwargs)


def test_an_example_is_made_changed_and_deleted(any_client: Client) -> None:
    dataset = any_client.create_dataset("any")
    made = any_client.create_example(
        inputs={"question": "How many?"}, outputs={"answer": 3}, metadata={"page": 1}, dataset_id=dataset.id
    )
    assert made.metadata == {"page": 1, "dataset_split": ["base"]}
    any_client.update_example(made.id, outputs={"answer": 4}, metadata={"page": 2}, split="train")
    after = any_client.read_example(made.id)
    assert (after.inputs, after.outputs) == ({"question": "How many?"}, {"answer": 4})
    assert after.metadata == {"page": 2, "dataset_split": ["train"]}
    assert (after.created_at, after.dataset_id) == (made.created_at, dataset.id)
    assert after.modified_at is not None
    assert made.modified_at is not None
    assert after.modified_at > made.modified_at
    assert after.url == f"http://localhost/o/{any_client._get_tenant_id()}/datasets/{dataset.id}/e/{made.id}"
    any_client.update_example(made.id, metadata={"page": 3})
    assert any_client.read_example(made.id).metadata == {"page": 3, "dataset_split": ["train"]}
    any_client.delete_example(made.id)
    assert list(any_client.list_examples(dataset_id=dataset.id)) == []
    with pytest.raises(LangSmithNotFoundError):
        any_client.update_example(made.id, outputs={})


def test_many_examples_are_written_at_once_or_not_at_all(any_client: Client) -> None:
    dataset = any_client.create_dataset("any")
    ids = [uuid.uuid4() for _ in range(3)]
    batch = [{"id": one, "inputs": {"place": place}} for place, one in enumerate(ids)]
    done = any_client.create_examples(dataset_id=dataset.id, examples=batch)
    assert (done["count"], done["example_ids"]) == (3, [str(one) for one in ids])
    updates = [{"id": ids[0], "inputs": {"place": 10}}, {"id": ids[1], "inputs": {"place": 11}}]
    assert any_client.update_examples(dataset_id=dataset.id, updates=updates)["count"] == 2
    with pytest.raises(LangSmithConflictError):
        any_client.create_examples(dataset_id=dataset.id, examples=[{"inputs": {"place": 99}}, batch[0]])
    missing = {"id": uuid.uuid4(), "inputs": {"place": 99}}
    with pytest.raises(LangSmithNotFoundError):
        any_client.update_examples(dataset_id=dataset.id, updates=[{"id": ids[2], "inputs": {"place": 99}}, missing])
    assert sorted(one.inputs["place"] for one in any_client.list_examples(dataset_id=dataset.id)) == [2, 10, 11]
    assert len(list(any_client.list_dataset_versions(dataset_id=dataset.id))) == 2


def test_an_example_stays_in_its_dataset(any_client: Client) -> None:
    first, second = any_client.create_dataset("first"), any_client.create_dataset("second")
    example = any_client.create_example(inputs={"a": 1}, dataset_id=first.id)
    with pytest.raises(LangSmithConflictError, match="Dataset ID mismatch"):
        any_client.update_example(example.id, inputs={"a": 2}, dataset_id=second.id)
    with pytest.raises(LangSmithConflictError):
        any_client.create_example(inputs={"a": 2}, example_id=example.id, dataset_id=second.id)
    assert any_client.read_example(example.id).inputs == {"a": 1}
    assert list(any_client.list_examples(dataset_id=second.id)) == []


def test_of_many_who_make_one_example_at_once_one_does(client: Client, dataset: Dataset) -> None:
    one = uuid.uuid4()

    def make(place: int) -> int:
        try:
            client.create_example(inputs={"place": place}, example_id=one, dataset_id=dataset.id)
        except LangSmithConflictError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(make, range(8))) == 1
    (version,) = client.list_dataset_versions(dataset_id=dataset.id)
    assert client.read_example(one).modified_at == version.as_of


def test_a_deleted_example_can_be_made_again(client: Client, dataset: Dataset) -> None:
    made = client.create_example(inputs={"a": 1}, dataset_id=dataset.id)
    client.delete_examples([made.id])
    again = client.create_example(inputs={"a": 2}, example_id=made.id, dataset_id=dataset.id)
    assert again.inputs == {"a": 2}
    assert client.read_example(made.id, as_of=made.modified_at).inputs == {"a": 1}


def test_an_erased_example_is_in_no_version(client: Client, dataset: Dataset) -> None:
    example = client.create_example(inputs={"secret": 1}, dataset_id=dataset.id)
    client.update_example(example.id, inputs={"secret": 2})
    client.delete_examples([example.id], hard_delete=True)
    assert list(client.list_examples(dataset_id=dataset.id, as_of=example.modified_at)) == []
    with pytest.raises(LangSmithNotFoundError):
        client.read_example(example.id, as_of=example.modified_at)
    with pytest.raises(requests.HTTPError, match="There is no example"):
        client.delete_examples([example.id], hard_delete=True)


def test_deleting_twice_by_dataset_changes_nothing_more(client: Client, dataset: Dataset) -> None:
    example = client.create_example(inputs={}, dataset_id=dataset.id)
    path = f"/v1/platform/datasets/{dataset.id}/examples/{example.id}"
    assert send(client, "DELETE", path).status_code == 204
    versions = list(client.list_dataset_versions(dataset_id=dataset.id))
    assert send(client, "DELETE", path).status_code == 204
    assert list(client.list_dataset_versions(dataset_id=dataset.id)) == versions
    assert send(client, "DELETE", f"/datasets/{uuid.uuid4()}/examples/{example.id}").status_code == 409


def test_examples_are_found_by_metadata_and_text(client: Client, dataset: Dataset) -> None:
    wanted: dict[str, dict[str, Any]] = {
        "one": {"page": 1, "tags": ["a", "b"], "who": {"name": "x"}},
        "two": {"page": 2, "tags": ["b"]},
        "bare": {},
    }
    examples = [{"inputs": {"name": name}, "metadata": metadata} for name, metadata in wanted.items()]
    client.create_examples(dataset_id=dataset.id, examples=examples)

    def found(**query: Any) -> list[str]:
        return sorted(one.inputs["name"] for one in client.list_examples(dataset_id=dataset.id, **query))

    assert found(metadata={"page": 2}) == ["two"]
    assert found(metadata={"page": 2, "tags": ["a"]}) == []
    assert found(metadata={"tags": ["b"]}) == ["one", "two"]
    assert found(metadata={"who": {"name": "x"}}) == ["one"]
    assert found(filter='exists(metadata, "page")') == ["one", "two"]
    assert found(filter='has("metadata", \'{"page": 1}\')') == ["one"]
    assert found(filter='and(not(has(metadata, \'{"page": 1}\')), exists(metadata, "page"))') == ["two"]
    assert found(filter='or(has(metadata, \'{"page": 1}\'), not(exists(metadata, "page")))') == ["bare", "one"]
    assert found(filter='search("TW")') == ["two"]
    first = next(client.list_examples(dataset_id=dataset.id, metadata={"page": 1}))
    assert found(filter=f'eq(id, "{first.id}")') == ["one"]
    assert found(filter=f'in(id, ["{first.id}"])') == ["one"]
    assert found(filter=f'gt(modified_at, "{first.modified_at}")') == []
    assert found(filter='lt(created_at, "2020-01-01")') == []
    texts = send(client, "GET", "/examples", params={"dataset": dataset.id, "full_text_contains": ["ON", "name"]})
    assert [one["inputs"]["name"] for one in texts.json()] == ["one"]


def test_long_metadata_is_found_too(client: Client, dataset: Dataset) -> None:
    metadata = {"note": "x" * 50_000, "k" * 5_000: 1, "many": list(range(5000))}
    example = client.create_example(inputs={}, metadata=metadata, dataset_id=dataset.id)
    assert [one.id for one in client.list_examples(dataset_id=dataset.id, metadata={"many": [7]})] == [example.id]
    assert example.metadata == metadata | {"dataset_split": ["base"]}


NO_FILTERS = [
    "nonsense",
    'eq(metadata, "x")',
    'eq(name, "x")',
    'eq(id, "x")',
    "has(metadata, 5)",
    'gt(created_at, "never")',
    "and(",
    'exists("metadata")',
    'in(id, "x")',
    "x" * 20_000,
    "not(" * 100 + ")" * 100,
    '"; DROP TABLE examples; --',
]


def test_a_filter_that_cannot_be_read_is_refused(client: Client, dataset: Dataset, subtests: pytest.Subtests) -> None:
    for expression in NO_FILTERS:
        with subtests.test(expression=expression):
            answer = send(client, "GET", "/examples", params={"dataset": dataset.id, "filter": expression})
            assert answer.status_code == 422
            assert answer.json()["detail"]


def test_pages_follow_each_other_in_every_order(client: Client, dataset: Dataset) -> None:
    client.create_examples(dataset_id=dataset.id, inputs=[{"place": place} for place in range(5)])
    client.create_example(inputs={"place": 5}, created_at=datetime(2020, 1, 1, tzinfo=UTC), dataset_id=dataset.id)

    def places(**params: Any) -> list[int]:
        pages = [
            send(client, "GET", "/examples", params={"dataset": dataset.id, "limit": 4, "offset": offset, **params})
            for offset in (0, 4, 8)
        ]
        return [one["inputs"]["place"] for page in pages for one in page.json()]

    assert places() == [5, 0, 1, 2, 3, 4]
    assert places(descending="false") == [0, 1, 2, 3, 4, 5]
    assert places(order="recently_created")[-1] == 5
    by_id = [str(one.id) for one in client.list_examples(dataset_id=dataset.id)]
    listed = send(client, "GET", "/examples", params={"dataset": dataset.id, "order": "id"}).json()
    assert [one["id"] for one in listed] == sorted(by_id)
    assert places(order="random", random_seed=1) == places(order="random", random_seed=1)
    assert places(order="random", random_seed=1) != places(order="random", random_seed=2)
    assert sorted(places(order="random", random_seed=0.5)) == [0, 1, 2, 3, 4, 5]
    assert [one.inputs["place"] for one in client.list_examples(dataset_id=dataset.id, offset=2, limit=2)] == [1, 2]
    assert send(client, "GET", "/examples/count", params={"dataset": dataset.id}).json() == 6


def test_only_selected_fields_are_sent(client: Client, dataset: Dataset) -> None:
    client.create_example(
        inputs={"a": 1},
        outputs={"b": 2},
        metadata={"c": 3},
        dataset_id=dataset.id,
        attachments={"f": ("text/plain", b"x")},
    )
    params: dict[str, Any] = {"dataset": dataset.id}
    (whole,) = send(client, "GET", "/examples", params=params).json()
    assert "attachment_urls" not in whole
    default = {"id", "created_at", "modified_at", "name", "dataset_id", "inputs"}
    assert set(whole) == default | {"outputs", "metadata", "source_run_id"}
    (some,) = send(client, "GET", "/examples", params={**params, "select": ["outputs"]}).json()
    assert set(some) == default | {"outputs"}
    few = next(client.list_examples(dataset_id=dataset.id, select=["outputs"], exclude_default_fields=True))
    assert (few.inputs, few.outputs) == (None, {"b": 2})
    full = next(client.list_examples(dataset_id=dataset.id, include_attachments=True))
    assert contents(full) == {"f": b"x"}


def test_files_are_uploaded_and_downloaded(client: Client, dataset: Dataset, tmp_path: Path) -> None:
    blob = bytes(range(256)) * 40 + b"\r\n--not-the-boundary\r\n\r\n"
    path = tmp_path / "scan.png"
    path.write_bytes(blob)
    made = ExampleCreate(
        inputs={"ask": "what is it?"},
        attachments={"scan.v1": ("image/png", path), "größe": ("text/plain", b""), "x": ("text/html", b"<script>")},
    )
    done = client.create_examples(dataset_id=dataset.id, examples=[made], dangerously_allow_filesystem=True)
    example = client.read_example(done["example_ids"][0])
    assert contents(example) == {"scan.v1": blob, "größe": b"", "x": b"<script>"}
    assert example.attachments is not None
    assert example.attachments["scan.v1"]["mime_type"] == "image/png"
    page = requests.get(example.attachments["x"]["presigned_url"], timeout=10)
    assert page.headers["content-type"] == "application/octet-stream"
    assert page.headers["content-disposition"].startswith("attachment")
    assert page.headers["x-content-type-options"] == "nosniff"


def test_a_link_to_a_file_cannot_be_made_up_and_expires(client: Client, dataset: Dataset, store: OpsStore) -> None:
    urls = []
    for content in (b"x", b"y"):
        example = client.create_example(inputs={}, attachments={"f": ("text/plain", content)}, dataset_id=dataset.id)
        assert example.attachments is not None
        urls.append(example.attachments["f"]["presigned_url"])
    url, other = urls
    assert requests.get(url, timeout=10).content == b"x"
    claim, foreign = url.rpartition(".")[0], other.rpartition(".")[2]
    elsewhere = url.replace(str(store.workspace.id), str(uuid.uuid4()))
    for wrong in (f"{claim}.{foreign}", f"{claim}.", claim, f"{claim}.ü", elsewhere):
        assert requests.get(wrong, timeout=10).status_code == 404
    token = url.rpartition("/")[2]
    assert store.links.open(token).mime_type == "text/plain"
    tomorrow = Links(store.database, store.blobs, lambda: datetime.now(UTC) + timedelta(days=1, seconds=1))
    with pytest.raises(NotFound, match="expired"):
        tomorrow.open(token)


def test_files_are_kept_renamed_and_replaced(client: Client, dataset: Dataset) -> None:
    files = {"a": ("text/plain", b"A"), "b": ("text/plain", b"B"), "c": ("text/plain", b"C")}
    example = client.create_example(inputs={"n": 1}, attachments=files, dataset_id=dataset.id)

    def update(**change: Any) -> dict[str, bytes]:
        client.update_examples(dataset_id=dataset.id, updates=[ExampleUpdate(id=example.id, **change)])
        return contents(client.read_example(example.id))

    assert update(inputs={"n": 2}) == {"a": b"A", "b": b"B", "c": b"C"}
    assert update(attachments_operations={"rename": {"a": "z"}, "retain": ["b"]}) == {"b": b"B", "z": b"A"}
    assert update(attachments={"b": ("text/plain", b"new")}, attachments_operations={"retain": ["b", "z"]}) == {
        "b": b"new",
        "z": b"A",
    }
    assert update(attachments={"only": ("text/plain", b"this")}) == {"only": b"this"}
    for wrong in ({"retain": ["gone"]}, {"rename": {"gone": "x"}}, {"rename": {"only": "x"}, "retain": ["gone"]}):
        with pytest.raises(LangSmithError, match="has no attachment"):
            update(attachments_operations=wrong)
    assert update(attachments_operations={"rename": {}, "retain": []}) == {}
    assert contents(client.read_example(example.id, as_of=example.modified_at)) == {"a": b"A", "b": b"B", "c": b"C"}


def test_examples_are_upserted_with_files(client: Client, dataset: Dataset) -> None:
    one = uuid.uuid4()
    for place in range(2):
        upsert = ExampleUpsertWithAttachments(
            id=one, dataset_id=dataset.id, inputs={"n": place}, attachments={"f": ("text/plain", b"%d" % place)}
        )
        assert client.upsert_examples_multipart(upserts=[upsert])["count"] == 1
    example = client.read_example(one)
    assert (example.inputs, contents(example)) == ({"n": 1}, {"f": b"1"})


def test_an_example_takes_over_what_a_run_has(client: Client, dataset: Dataset) -> None:
    run_id = uuid.uuid4()
    files = {"photo": ("image/png", b"png"), "log": ("text/plain", b"log")}
    run = {"inputs": {"question": "?"}, "outputs": {"answer": "!"}, "attachments": files}
    now = datetime.now(UTC)
    client.create_run(
        "turn",
        run_type="chain",
        id=run_id,
        trace_id=run_id,
        start_time=now,
        end_time=now,
        dotted_order=f"{now:%Y%m%dT%H%M%S%fZ}{run_id}",
        **run,
    )
    client.flush()
    whole = client.create_example(
        use_source_run_io=True, source_run_id=run_id, inputs={"own": 1}, outputs={"own": 1}, dataset_id=dataset.id
    )
    assert (whole.inputs, whole.outputs, whole.source_run_id) == ({"question": "?"}, {"answer": "!"}, run_id)
    assert contents(whole) == {"photo": b"png", "log": b"log"}
    part = client.create_example(
        inputs={"own": 1}, source_run_id=run_id, use_source_run_attachments=["log"], dataset_id=dataset.id
    )
    assert (part.inputs, part.outputs, contents(part)) == ({"own": 1}, None, {"log": b"log"})
    copied = client.create_example_from_run(client.read_run(run_id), dataset_id=dataset.id)
    assert (copied.inputs, copied.outputs) == ({"question": "?"}, {"answer": "!"})
    with pytest.raises(LangSmithNotFoundError):
        client.create_example(use_source_run_io=True, source_run_id=uuid.uuid4(), dataset_id=dataset.id)
    with pytest.raises(LangSmithError, match="no attachment"):
        client.create_example(
            inputs={}, source_run_id=run_id, use_source_run_attachments=["gone"], dataset_id=dataset.id
        )


def test_metadata_of_many_examples_changes_at_once(client: Client, dataset: Dataset) -> None:
    one = client.create_example(inputs={}, metadata={"page": 1, "kept": True}, dataset_id=dataset.id)
    gone = uuid.uuid4()
    operations = [
        {"key": "page", "operation": "SET", "value": {"a": [1]}},
        {"key": "seen", "operation": "array_add", "values": ["x", "y", "x"]},
        {"key": "seen", "operation": "ARRAY_REMOVE", "values": ["y"]},
        {"key": "dataset_split", "operation": "ARRAY_REMOVE", "values": ["base"]},
    ]
    body = {"example_ids": [str(one.id), str(gone)], "operations": operations}
    answer = send(client, "PATCH", f"/api/v1/platform/datasets/{dataset.id}/examples/metadata", json=body)
    assert answer.status_code == 207
    assert [each["status"] for each in answer.json()["statuses"]] == ["UPDATED", "NOT_FOUND"]
    expected = {"page": {"a": [1]}, "seen": ["x"], "kept": True, "dataset_split": ["base"]}
    assert client.read_example(one.id).metadata == expected
    body["operations"] = [{"key": "dataset_split", "operation": "SET", "value": 5}]
    assert send(client, "PATCH", f"/datasets/{dataset.id}/examples/metadata", json=body).status_code == 422


def test_examples_are_checked_without_being_stored(client: Client) -> None:
    strict = client.create_dataset("strict", inputs_schema={"type": "object", "required": ["a"]})
    good, bad = ({"dataset_id": str(strict.id), "inputs": inputs} for inputs in ({"a": 1}, {"b": 1}))
    assert send(client, "POST", "/examples/validate", json=good).json()["inputs"] == {"a": 1}
    assert send(client, "POST", "/examples/validate", json=bad).status_code == 422
    assert send(client, "POST", "/examples/validate/bulk", json=[good, bad]).status_code == 422
    assert list(client.list_examples(dataset_id=strict.id)) == []


def test_rows_of_a_csv_file_are_added(client: Client, dataset: Dataset) -> None:
    form = {"input_keys": ["q"], "output_keys": ["a"], "metadata_keys": ["page"]}
    path, file = f"/examples/upload/{dataset.id}", ("x.csv", b"q,a,page\n1,2,3\n", "text/csv")
    (row,) = send(client, "POST", path, data=form, files={"file": file}).json()
    assert (row["inputs"], row["outputs"], row["metadata"]["page"]) == ({"q": "1"}, {"a": "2"}, "3")
    renamed = {"input_key_mappings": json.dumps({"q": "question"})}
    (row,) = send(client, "POST", path, data=renamed, files={"file": file}).json()
    assert row["inputs"] == {"question": "1"}


def form(*parts: tuple[str, bytes]) -> dict[str, Any]:
    """A request with these parts."""
    return {"files": [(name, (None, content, "application/json")) for name, content in parts]}


ONE = str(uuid.uuid4())


NO_FORMS = [
    [("nonsense", b"{}")],
    [(ONE, b"[]")],
    [(ONE, b"{")],
    [(ONE, b"{}")],
    [(f"{ONE}.inputs", b"{}"), (ONE, b"{}")],
    [(ONE, b"{}"), (f"{ONE}.inputs", b"5")],
    [(ONE, b"{}"), (f"{ONE}.nonsense", b"{}")],
    [(ONE, b"{}"), (f"{ONE}.inputs", b"{}"), (f"{ONE}.attachment.", b"x")],
    [(ONE, b'{"split": 5}'), (f"{ONE}.inputs", b"{}")],
    [(ONE, b'{"split": ["' + b"x" * 101 + b'"]}'), (f"{ONE}.inputs", b"{}")],
    [(ONE, b'{"metadata": {"dataset_split": {"a": 1}}}'), (f"{ONE}.inputs", b"{}")],
    [(ONE, b'{"created_at": "never"}'), (f"{ONE}.inputs", b"{}")],
    [(ONE, b'{"use_source_run_io": true}')],
    [(ONE, b"{}"), (f"{ONE}.inputs", b'{"a": "\\ud800"}')],
    [(ONE, b"{}"), (f"{ONE}.inputs", b'{"a": ' * 500 + b"1" + b"}" * 500)],
    [(ONE, b"{}"), (f"{ONE}.inputs", b"{}"), (ONE.upper(), b"{}"), (f"{ONE.upper()}.inputs", b"{}")],
]


def test_a_form_that_cannot_be_read_stores_nothing(client: Client, dataset: Dataset, subtests: pytest.Subtests) -> None:
    for parts in NO_FORMS:
        with subtests.test(parts=parts):
            answer = send(client, "POST", f"/datasets/{dataset.id}/examples", **form(*parts))
            assert answer.status_code == 422
            assert answer.json()["detail"]
            assert list(client.list_examples(dataset_id=dataset.id)) == []
            assert list(client.list_dataset_versions(dataset_id=dataset.id)) == []


def test_a_client_cannot_name_files_that_it_did_not_send(client: Client, dataset: Dataset) -> None:
    stolen = {"attachments": {"f": {"mime_type": "text/plain", "size_bytes": 1, "digest": "../../../../etc/passwd"}}}
    body = {"dataset_id": str(dataset.id), "inputs": {}, **stolen}
    assert send(client, "POST", "/examples", json=body).json()["attachment_urls"] == {}
    meta = (ONE, json.dumps(stolen).encode())
    send(client, "POST", f"/datasets/{dataset.id}/examples", **form(meta, (f"{ONE}.inputs", b"{}")))
    assert contents(client.read_example(ONE)) == {}
    send(client, "PATCH", f"/examples/{ONE}", json=stolen)
    assert contents(client.read_example(ONE)) == {}


def test_a_run_cannot_name_a_file_elsewhere_on_the_machine(client: Client, store: OpsStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    store.blobs.put(b"so that the folder is there")
    outside = "../" * 20 + str(tmp_path / "secret").lstrip("/")
    run = {"id": ONE, "name": "run", "run_type": "chain", "inputs": {}, "start_time": "2026-01-01T00:00:00Z"}
    stolen = {"f": {"mime_type": "text/plain", "size_bytes": 1, "digest": outside}}
    send(client, "POST", "/runs", json=run | {"attachments": stolen})
    files = send(client, "GET", f"/runs/{ONE}").json().get("s3_urls") or {}
    assert all(requests.get(one["presigned_url"], timeout=10).status_code == 404 for one in files.values())
    for digest in (outside, "", ".", "a" * 63, "A" * 64):
        with pytest.raises(NotFound):
            store.blobs.path(digest)


NO_REQUESTS = [
    ("POST", "/examples", {"inputs": {}}),
    ("POST", "/examples", {"dataset_id": "{id}"}),
    ("POST", "/examples", {"dataset_id": "{id}", "inputs": []}),
    ("POST", "/examples/bulk", []),
    ("POST", "/examples/bulk", {}),
    ("PATCH", "/examples/bulk", [{"inputs": {}}]),
    ("GET", "/examples?dataset={id}&limit=101", None),
    ("GET", "/examples?dataset={id}&order=nonsense", None),
    ("GET", "/examples?dataset={id}&metadata=5", None),
    ("GET", "/examples?as_of=a-tag", None),
    ("DELETE", "/examples", None),
    ("DELETE", "/examples?example_ids=x", None),
    ("POST", "/datasets/examples/delete", {"example_ids": []}),
    ("POST", "/examples/multipart", None),
]


def test_what_cannot_be_is_refused(client: Client, dataset: Dataset, subtests: pytest.Subtests) -> None:
    for method, path, body in NO_REQUESTS:
        with subtests.test(method=method, path=path, body=body):
            filled = json.loads(json.dumps([path, body]).replace("{id}", str(dataset.id)))
            answer = send(client, method, filled[0], json=filled[1])
            assert answer.status_code in (400, 422)
            assert answer.json()["detail"]


def test_examples_of_unknown_datasets_are_not_found(client: Client) -> None:
    some = uuid.uuid4()
    with pytest.raises(LangSmithNotFoundError):
        client.create_example(inputs={}, dataset_id=some)
    with pytest.raises(LangSmithNotFoundError):
        list(client.list_examples(dataset_id=some))
    assert list(client.list_examples(example_ids=[some])) == []
    assert send(client, "GET", f"/examples/count?dataset={some}").status_code == 404
