"""Datasets through the unmodified `langsmith` client: themselves, their versions, splits, schemas, files and shares."""

from __future__ import annotations

import asyncio
import io
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from langsmith import AsyncClient, Client
from langsmith.schemas import Dataset, DataType
from langsmith.utils import LangSmithConflictError, LangSmithError, LangSmithNotFoundError

from app.ops.store import OpsStore

pytestmark = pytest.mark.filterwarnings("ignore")

KEY = "a-key-for-tests"
TEXT_SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}


def filled(client: Client, name: str = "qa", count: int = 3) -> Dataset:
    """A dataset whose examples ask 0, 1, 2, …"""
    dataset = client.create_dataset(name)
    examples = [{"inputs": {"question": one}, "outputs": {"answer": one}} for one in range(count)]
    client.create_examples(dataset_id=dataset.id, examples=examples)
    return client.read_dataset(dataset_id=dataset.id)


def questions(client: Client, **query: Any) -> list[Any]:
    return sorted(one.inputs["question"] for one in client.list_examples(**query))


def test_a_dataset_is_made_read_and_deleted(client: Client) -> None:
    made = client.create_dataset("qa", description="Questions", data_type=DataType.kv, metadata={"team": "support"})
    for read in (client.read_dataset(dataset_id=made.id), client.read_dataset(dataset_name="qa")):
        assert (read.id, read.name, read.description, read.data_type) == (made.id, "qa", "Questions", DataType.kv)
        assert (read.example_count, read.session_count, read.last_session_start_time) == (0, 0, None)
        assert read.metadata is not None
        assert read.metadata["team"] == "support"
        assert read.url == f"http://localhost/o/{client._get_tenant_id()}/datasets/{made.id}"
    client.delete_dataset(dataset_name="qa")
    assert not client.has_dataset(dataset_id=made.id)
    with pytest.raises(LangSmithNotFoundError):
        client.delete_dataset(dataset_id=made.id)


def test_a_name_is_taken_once(client: Client) -> None:
    first = client.create_dataset("qa")
    with pytest.raises(LangSmithConflictError, match="already exists"):
        client.create_dataset("qa")
    second = client.create_dataset("other")
    answer = patched(client, second, name="qa")
    assert answer.status_code == 409
    assert patched(client, second, name="third").json()["name"] == "third"
    assert [one.id for one in client.list_datasets(dataset_name="qa")] == [first.id]


def test_datasets_are_found_by_what_is_known_about_them(client: Client) -> None:
    chat = client.create_dataset("chat 100%", data_type=DataType.chat, metadata={"team": "a"})
    kv = client.create_dataset("Numbers", metadata={"team": "b"})

    def found(**query: Any) -> list[uuid.UUID]:
        return [one.id for one in client.list_datasets(**query)]

    assert found() == [kv.id, chat.id]
    assert found(limit=1) == [kv.id]
    assert found(dataset_ids=[str(chat.id)]) == [chat.id]
    assert found(data_type="chat") == [chat.id]
    assert found(dataset_name_contains="numb") == [kv.id]
    assert found(dataset_name_contains="0%") == [chat.id]
    assert found(dataset_name_contains="_") == []
    assert found(metadata={"team": "b"}) == [kv.id]
    assert found(metadata={"team": "c"}) == []


def test_datasets_are_sorted_and_paged(client: Client) -> None:
    filled(client, "b", 1)
    filled(client, "a", 2)

    def names(**params: Any) -> list[str]:
        return [one["name"] for one in client.request_with_retries("GET", "/datasets", params=params).json()]

    assert names(sort_by="name", sort_by_desc=False) == ["a", "b"]
    assert names(sort_by="example_count") == ["a", "b"]
    client.create_project("run", reference_dataset_id=client.read_dataset(dataset_name="b").id)
    assert names() == ["b", "a"]  # whose experiments are the latest come first

    async def walk() -> list[str]:
        async with AsyncClient(api_url=client.api_url, api_key=KEY):
            page = client.datasets.list_v2(page_size=1, sort_by="name", sort_order="asc")
            return [one.name async for one in page]

    assert asyncio.run(walk()) == ["a", "b"]


def test_only_what_is_sent_changes(client: Client) -> None:
    dataset = client.create_dataset("qa", description="old", inputs_schema=TEXT_SCHEMA, metadata={"team": "a"})
    missing = {"__missing__": "__missing__"}
    after = patched(client, dataset, description=None, name=missing, metadata={"team": "b"}).json()
    assert (after["name"], after["description"], after["metadata"]) == ("qa", None, {"team": "b"})
    assert after["inputs_schema_definition"] == TEXT_SCHEMA


def test_examples_must_fit_the_schemas(client: Client) -> None:
    dataset = client.create_dataset("texts", inputs_schema=TEXT_SCHEMA, outputs_schema=TEXT_SCHEMA)
    assert client.read_dataset(dataset_id=dataset.id).inputs_schema == TEXT_SCHEMA
    example = client.create_example(inputs={"text": "hi"}, dataset_id=dataset.id)
    with pytest.raises(LangSmithError, match=r"inputs\.text: 5 is not of type"):
        client.create_examples(dataset_id=dataset.id, examples=[{"inputs": {"text": "fits"}}, {"inputs": {"text": 5}}])
    with pytest.raises(LangSmithError, match="outputs"):
        client.update_example(example.id, outputs={"label": "x"})
    assert [one.inputs for one in client.list_examples(dataset_id=dataset.id)] == [{"text": "hi"}]


def test_a_new_schema_must_fit_the_examples_that_are_there(client: Client) -> None:
    dataset = client.create_dataset("texts")
    example = client.create_example(inputs={"text": 5}, dataset_id=dataset.id)
    assert patched(client, dataset, inputs_schema_definition=TEXT_SCHEMA).status_code == 422
    assert client.read_dataset(dataset_id=dataset.id).inputs_schema is None
    fixed = {str(example.id): {"inputs": {"text": "five"}}}
    answer = patched(client, dataset, inputs_schema_definition=TEXT_SCHEMA, patch_examples=fixed)
    assert answer.status_code == 200
    assert client.read_example(example.id).inputs == {"text": "five"}


def test_a_schema_may_refer_to_chat_messages_and_to_nothing_else(client: Client) -> None:
    message = {"$ref": "https://api.smith.langchain.com/public/schemas/v1/message.json"}
    dataset = client.create_dataset("chat", inputs_schema={"type": "object", "properties": {"said": message}})
    client.create_example(inputs={"said": {"role": "user", "content": "hi"}}, dataset_id=dataset.id)
    with pytest.raises(LangSmithError, match="role"):
        client.create_example(inputs={"said": {"content": "hi"}}, dataset_id=dataset.id)
    elsewhere = client.create_dataset("elsewhere", inputs_schema={"$ref": "http://127.0.0.1:9/schema.json"})
    with pytest.raises(LangSmithError, match="not known here"):
        client.create_example(inputs={}, dataset_id=elsewhere.id)


def test_a_pattern_in_a_schema_cannot_hold_the_server_up(client: Client) -> None:
    slow = {"pattern": "^(a+)+$"}
    draft = {"$schema": TEXT_SCHEMA["$schema"], "properties": {"text": slow, "again": {"$ref": "#"}}}
    dataset = client.create_dataset("texts", inputs_schema=draft)
    names = client.create_dataset("names", inputs_schema={"patternProperties": {slow["pattern"]: {"type": "null"}}})
    text = "a" * 5000 + "!"
    for inputs in ({"text": text}, {"again": {"text": text}}):
        with pytest.raises(LangSmithError, match="does not match"):
            client.create_example(inputs=inputs, dataset_id=dataset.id)
    assert client.create_example(inputs={text: 1}, dataset_id=names.id).inputs == {text: 1}
    for refused in ({"pattern": "(?=a)b"}, {"properties": {"text": draft}}):
        with pytest.raises(LangSmithError, match="422"):
            client.create_dataset("refused", inputs_schema=refused)


def test_every_write_makes_a_version_that_can_be_read(client: Client) -> None:
    dataset = filled(client)
    (first,) = client.list_dataset_versions(dataset_id=dataset.id)
    assert first.tags == ["latest"]
    by_question = {one.inputs["question"]: one for one in client.list_examples(dataset_id=dataset.id)}
    added = client.create_example(inputs={"question": 3}, dataset_id=dataset.id)
    client.update_example(by_question[0].id, inputs={"question": 100})
    client.delete_example(by_question[1].id)
    versions = list(client.list_dataset_versions(dataset_id=dataset.id))
    assert len(versions) == 4
    assert [one.as_of for one in versions] == sorted((one.as_of for one in versions), reverse=True)
    assert questions(client, dataset_id=dataset.id) == [2, 3, 100]
    assert questions(client, dataset_id=dataset.id, as_of="latest") == [2, 3, 100]
    assert questions(client, dataset_id=dataset.id, as_of=first.as_of) == [0, 1, 2]
    assert questions(client, dataset_id=dataset.id, as_of=first.as_of - timedelta(microseconds=1)) == []
    assert client.read_example(by_question[1].id, as_of=first.as_of).inputs == {"question": 1}
    with pytest.raises(LangSmithNotFoundError):
        client.read_example(by_question[1].id)
    diff = client.diff_dataset_versions(dataset.id, from_version=first.as_of, to_version="latest")
    assert diff.examples_added == [added.id]
    assert diff.examples_modified == [by_question[0].id]
    assert diff.examples_removed == [by_question[1].id]


def test_versions_are_named_and_names_move(client: Client) -> None:
    dataset = filled(client)
    (first,) = client.list_dataset_versions(dataset_id=dataset.id)
    client.update_dataset_tag(dataset_id=dataset.id, as_of=first.as_of, tag="prod")
    example = client.create_example(inputs={"question": 3}, dataset_id=dataset.id)
    assert questions(client, dataset_id=dataset.id, as_of="prod") == [0, 1, 2]
    assert client.read_dataset_version(dataset_id=dataset.id, tag="prod").as_of == first.as_of
    second = client.read_dataset_version(dataset_id=dataset.id, tag="latest")
    assert second.as_of == example.modified_at
    client.update_dataset_tag(dataset_id=dataset.id, as_of=second.as_of, tag="prod")
    assert questions(client, dataset_id=dataset.id, as_of="prod") == [0, 1, 2, 3]
    assert [one.tags for one in client.list_dataset_versions(dataset_id=dataset.id)] == [["latest", "prod"], []]
    assert [one.as_of for one in client.list_dataset_versions(dataset_id=dataset.id, search="pro")] == [second.as_of]
    between = second.as_of - timedelta(microseconds=1)
    assert client.read_dataset_version(dataset_id=dataset.id, as_of=between).as_of == first.as_of
    with pytest.raises(LangSmithNotFoundError):
        client.read_dataset_version(dataset_id=dataset.id, tag="never")
    with pytest.raises(LangSmithNotFoundError):
        client.read_dataset_version(dataset_id=dataset.id, as_of=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(LangSmithError, match="always is at the newest version"):
        client.update_dataset_tag(dataset_id=dataset.id, as_of=first.as_of, tag="latest")


def test_splits_are_changed_and_remembered_by_version(client: Client) -> None:
    dataset = client.create_dataset("qa")
    for split in ("train", ["train", "test"], None):
        client.create_example(inputs={"question": str(split)}, split=split, dataset_id=dataset.id)
    before = client.read_dataset_version(dataset_id=dataset.id, tag="latest").as_of
    assert client.list_dataset_splits(dataset_id=dataset.id) == ["base", "test", "train"]
    trained = [one.id for one in client.list_examples(dataset_id=dataset.id, splits=["train"])]
    assert len(trained) == 2
    client.update_dataset_splits(dataset_id=dataset.id, split_name="train", example_ids=trained, remove=True)
    client.update_dataset_splits(dataset_id=dataset.id, split_name="hard", example_ids=[trained[0], uuid.uuid4()])
    assert client.list_dataset_splits(dataset_id=dataset.id) == ["base", "hard", "test"]
    assert client.list_dataset_splits(dataset_id=dataset.id, as_of=before) == ["base", "test", "train"]
    assert [one.id for one in client.list_examples(dataset_id=dataset.id, splits=["hard"])] == [trained[0]]
    with pytest.raises(LangSmithNotFoundError):
        client.update_dataset_splits(dataset_id=uuid.uuid4(), split_name="x", example_ids=trained)


def test_the_older_way_to_change_splits_changes_all_or_nothing(client: Client) -> None:
    dataset = filled(client)
    ids = [str(one.id) for one in client.list_examples(dataset_id=dataset.id)]
    path = f"/datasets/{dataset.id}/splits"
    answer = client.request_with_retries("PUT", path, json={"split_name": "hard", "examples": ids[:1]})
    assert answer.json() == ["base", "hard"]
    wrong = {"split_name": "easy", "examples": [ids[1], str(uuid.uuid4())]}
    with pytest.raises(LangSmithNotFoundError):
        client.request_with_retries("PUT", path, json=wrong)
    assert client.list_dataset_splits(dataset_id=dataset.id) == ["base", "hard"]


def test_a_csv_file_becomes_a_dataset(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "quiz.csv"
    file.write_text('\ufeffquestion,answer\n"How many, really?",3\nWarum?,"weil\nso"\n', encoding="utf-8")
    made = client.upload_csv(str(file), input_keys=["question"], output_keys=["answer"], description="A quiz")
    assert (made.name, made.description, made.example_count) == ("quiz.csv", "A quiz", 2)
    found = client.list_examples(dataset_id=made.id)
    assert sorted((one.inputs["question"], one.outputs["answer"]) for one in found if one.inputs and one.outputs) == [
        ("How many, really?", "3"),
        ("Warum?", "weil\nso"),
    ]
    named = client.upload_csv(
        ("x.csv", io.BytesIO(b"q,a\n1,2\n")), input_keys=["q"], output_keys=["a"], name="n", data_type=DataType.kv
    )
    assert named.name == "n"


def test_a_csv_file_that_does_not_fit_makes_nothing(client: Client) -> None:
    for content, keys in [(b"q,a\n1,2\n", ["nope"]), (b"q,a\n", ["q"]), (b"\xff\xfe,a\n1,2\n", ["q"]), (b"", ["q"])]:
        with pytest.raises(LangSmithError):
            client.upload_csv(("bad.csv", io.BytesIO(content)), input_keys=keys, output_keys=["a"])
    assert list(client.list_datasets()) == []


def test_a_dataset_is_downloaded(client: Client) -> None:
    dataset = client.create_dataset("chat", data_type=DataType.chat)
    said = [{"type": "system", "data": {"content": "Be brief."}}, {"type": "human", "data": {"content": "Hi"}}]
    answered = {"type": "ai", "data": {"content": "Hello"}}
    client.create_example(inputs={"input": said}, outputs={"output": answered}, dataset_id=dataset.id)
    assert client.read_dataset_openai_finetuning(dataset.id) == [
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ]
        }
    ]
    path = f"/datasets/{dataset.id}"
    evaluation = json.loads(client.request_with_retries("GET", f"{path}/openai").text)
    assert (evaluation["input"][-1]["content"], evaluation["ideal"]) == ("Hi", "Hello")
    line = json.loads(client.request_with_retries("GET", f"{path}/jsonl").text)
    assert line["inputs"] == {"input": said}
    header, row = client.request_with_retries("GET", f"{path}/csv").text.splitlines()
    assert header == "id,input_input,output_output,metadata"
    assert "Be brief." in row


def test_a_shared_dataset_is_read_without_a_key(client: Client, langsmith_url: str) -> None:
    dataset = filled(client)
    project = client.create_project("experiment", reference_dataset_id=dataset.id)
    with pytest.raises(LangSmithNotFoundError):
        client.read_dataset_shared_schema(dataset.id)
    token = str(client.share_dataset(dataset.id)["share_token"])
    assert str(client.share_dataset(dataset.id)["share_token"]) == token
    stranger = Client(api_url=langsmith_url, api_key="placeholder")
    assert stranger.read_shared_dataset(token).id == dataset.id
    assert len(list(stranger.list_shared_examples(token))) == 3
    assert [one.id for one in stranger.list_shared_projects(dataset_share_token=token)] == [project.id]
    other = client.create_example(inputs={"question": 9}, dataset_id=client.create_dataset("private").id)
    assert list(stranger.list_shared_examples(token, example_ids=[other.id])) == []
    client.unshare_dataset(dataset.id)
    with pytest.raises(LangSmithNotFoundError):
        stranger.read_shared_dataset(token)


def test_a_shared_dataset_is_cloned_by_the_client(client: Client) -> None:
    dataset = filled(client)
    token = str(client.share_dataset(dataset.id)["share_token"])
    copy = client.clone_public_dataset(token, dataset_name="copy")
    assert copy.id != dataset.id
    assert questions(client, dataset_id=copy.id) == [0, 1, 2]


def test_examples_of_a_version_are_copied_to_another_dataset(client: Client) -> None:
    source = filled(client)
    version = client.read_dataset_version(dataset_id=source.id, tag="latest")
    client.create_example(inputs={"question": 3}, dataset_id=source.id)
    target = client.create_dataset("target")
    body = {"source_dataset_id": str(source.id), "target_dataset_id": str(target.id)}
    copied = client.request_with_retries("POST", "/datasets/clone", json={**body, "as_of": version.as_of.isoformat()})
    assert len(copied.json()) == 3
    assert questions(client, dataset_id=target.id) == [0, 1, 2]
    strict = client.create_dataset("strict", inputs_schema=TEXT_SCHEMA)
    with pytest.raises(LangSmithError, match="does not fit"):
        client.request_with_retries("POST", "/datasets/clone", json={**body, "target_dataset_id": str(strict.id)})
    assert list(client.list_examples(dataset_id=strict.id)) == []


def test_what_hangs_on_a_dataset_goes_with_it(client: Client, store: OpsStore) -> None:
    dataset = filled(client)
    keeper = filled(client, "keeper")
    example = next(client.list_examples(dataset_id=dataset.id))
    project = client.create_project("experiment", reference_dataset_id=dataset.id)
    client.create_run("run", {}, "chain", project_name="experiment", reference_example_id=example.id)
    comparison = client.create_comparative_experiment("versus", [project.id])
    token = client.share_dataset(dataset.id)["share_token"]
    client.delete_dataset(dataset_id=dataset.id)
    assert not client.has_project("experiment")
    with pytest.raises(LangSmithNotFoundError):
        client.read_example(example.id)
    with pytest.raises(LangSmithNotFoundError):
        client.read_shared_dataset(str(token))
    with pytest.raises(LangSmithNotFoundError):
        client.request_with_retries("DELETE", f"/datasets/comparative/{comparison.id}")
    assert questions(client, dataset_id=keeper.id) == [0, 1, 2]
    assert [one.name for one in store.datasets.find()] == ["keeper"]


def test_the_async_client_works_too(client: Client) -> None:
    async def use() -> list[Any]:
        async with AsyncClient(api_url=client.api_url, api_key=KEY) as opened:
            dataset = await opened.create_dataset("qa")
            await opened.create_example(inputs={"question": 1}, dataset_id=dataset.id)
            found = [one.inputs async for one in opened.list_examples(dataset_id=dataset.id)]
            await opened.delete_dataset(dataset_id=dataset.id)
            return found

    assert asyncio.run(use()) == [{"question": 1}]


NO_REQUESTS = [
    ("POST", "/datasets", {"name": ""}),
    ("POST", "/datasets", {"name": "x" * 2000}),
    ("POST", "/datasets", {"name": "x", "data_type": "nonsense"}),
    ("POST", "/datasets", {"name": "x", "inputs_schema_definition": {"type": "nonsense"}}),
    ("POST", "/datasets", {"name": "x", "inputs_schema_definition": {"$schema": 5}}),
    ("POST", "/datasets", {"name": "x", "transformations": [{"path": "no list"}]}),
    ("POST", "/datasets", []),
    ("POST", "/datasets", {"name": "x", "created_at": "0000-99-99"}),
    ("GET", "/datasets?limit=0", None),
    ("GET", "/datasets?metadata=nonsense", None),
    ("GET", "/datasets?metadata=[]", None),
    ("GET", "/datasets?sort_by=inputs_schema", None),
    ("GET", "/datasets?offset=99999999999999999999", None),
    ("GET", "/v2/datasets?cursor=nonsense", None),
    ("GET", "/datasets/not-an-id", None),
    ("PATCH", "/datasets/{id}", {"name": 5}),
    ("PATCH", "/datasets/{id}", {"patch_examples": {"not-an-id": {}}}),
    ("PUT", "/datasets/{id}/tags", {"as_of": "latest", "tag": ""}),
    ("PUT", "/datasets/{id}/splits", {"split_name": "", "examples": []}),
    ("PUT", "/datasets/{id}/splits", {"split_name": "x", "examples": ["no id"]}),
    ("GET", "/datasets/{id}/version", None),
    ("GET", "/datasets/{id}/versions/diff?from_version=latest", None),
    ("PATCH", "/datasets/{id}/examples/metadata", {"example_ids": [], "operations": []}),
    ("PATCH", "/datasets/{id}/examples/metadata", {"example_ids": [], "operations": [{"key": "a"}]}),
]


def test_what_cannot_be_is_refused(client: Client, subtests: pytest.Subtests) -> None:
    dataset = client.create_dataset("qa")
    for method, path, body in NO_REQUESTS:
        with subtests.test(method=method, path=path, body=body):
            url = client.api_url + path.replace("{id}", str(dataset.id))
            answer = requests.request(method, url, json=body, headers={"x-api-key": KEY}, timeout=10)
            assert answer.status_code == 422
            assert answer.json()["detail"]
            assert [one.name for one in client.list_datasets()] == ["qa"]


def test_characters_that_an_engine_cannot_store_do_no_harm(client: Client) -> None:
    dataset = client.create_dataset("nul \x00", description="\x00", metadata={"\x00": "\x00"})
    assert dataset.name == "nul \ufffd"
    assert [one.id for one in client.list_datasets(dataset_name="nul \x00")] == [dataset.id]
    example = client.create_example(inputs={"\x00": "\x00"}, metadata={"\x00": ["\x00"]}, dataset_id=dataset.id)
    assert client.read_example(example.id).inputs == {"\x00": "\x00"}
    assert list(client.list_examples(dataset_id=dataset.id, splits=["\x00"])) == []
    with pytest.raises(LangSmithNotFoundError):
        client.read_dataset_version(dataset_id=dataset.id, tag="\x00")
    surrogate = b'{"name": "\\ud800"}'
    answer = requests.post(f"{client.api_url}/datasets", surrogate, headers={"x-api-key": KEY}, timeout=10)
    assert answer.status_code == 422


def test_everything_needs_a_key(langsmith_url: str) -> None:
    some = uuid.uuid4()
    for path in ("/datasets", f"/datasets/{some}", "/examples", f"/examples/{some}", f"/datasets/{some}/share"):
        assert requests.get(langsmith_url + path, timeout=10).status_code == 401


def patched(client: Client, dataset: Dataset, **change: Any) -> requests.Response:
    url = f"{client.api_url}/datasets/{dataset.id}"
    return requests.patch(url, json=change, headers={"x-api-key": KEY}, timeout=10)
