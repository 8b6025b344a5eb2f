"""The prompt hub as `parley prompts` uses it: the store that is opened here, and the same behind a LangSmith client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langsmith import Client

from agents.prompts import load_prompt
from agents.prompts.examples import SAMPLE
from agents.prompts.hub_name import HubName
from agents.prompts.manifest import from_manifest, has_model, to_manifest
from app.ops.store import OpsStore
from app.ops.store.prompts.models import CommitFields, PromptFields
from app.prompts.hub import Hub, HubError, LangSmithHub, StoreHub

MANIFEST = to_manifest(load_prompt("answer@2"))
MODEL = {"lc": 1, "type": "constructor", "id": ["ChatOpenAI"], "kwargs": {}}


def named(text: str) -> HubName:
    return HubName.parse(text)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OpsStore]:
    with closing(OpsStore.open(tmp_path / "ops")) as opened:
        yield opened


@pytest.fixture
def client(store: OpsStore, serve: Any) -> Iterator[Client]:
    with serve(store) as url:
        yield Client(api_url=url, api_key="a-key-for-tests", auto_batch_tracing=False)


@pytest.fixture(params=["store", "langsmith"])
def hub(request: pytest.FixtureRequest, store: OpsStore) -> Hub:
    return StoreHub(store) if request.param == "store" else LangSmithHub(request.getfixturevalue("client"))


def test_what_is_pushed_is_found_by_tag_commit_and_as_the_latest(hub: Hub, store: OpsStore) -> None:
    assert hub.names() == []
    pushed = hub.push("answer", MANIFEST, "The file answer@2.")
    store.prompts.tags.pin("answer", pushed.hash, by="ann")
    for text in ("answer", "answer:live", f"answer:{pushed.hash}", f"default/answer:{pushed.hash[:8]}"):
        assert hub.commit(named(text)) == pushed
    assert (pushed.manifest, hub.names()) == (MANIFEST, ["answer"])
    assert store.prompts.commits.get("answer").description == "The file answer@2."


def test_a_pushed_file_is_a_chat_prompt_to_an_unmodified_client(store: OpsStore, client: Client) -> None:
    StoreHub(store).push("answer", MANIFEST, "")
    told = client.pull_prompt("answer").invoke({"question": "Why?", "quotes": f"[1] {SAMPLE.quotes[0]}"})
    assert told.to_messages() == load_prompt("answer@2").render("Why?", SAMPLE.evidence)


def test_a_model_that_is_attached_is_seen_and_left_out(hub: Hub, store: OpsStore) -> None:
    store.prompts.create(PromptFields(repo_handle="answer"))
    sequence = {
        "lc": 1,
        "type": "constructor",
        "id": ["RunnableSequence"],
        "kwargs": {"first": MANIFEST, "last": MODEL},
    }
    store.prompts.commits.create("answer", CommitFields(manifest=sequence))
    found = hub.commit(named("answer"))
    assert has_model(found.manifest)
    assert from_manifest(found.manifest, "answer@2") == load_prompt("answer@2")


def test_what_the_hub_refuses_is_a_sentence(hub: Hub) -> None:
    with pytest.raises(HubError, match="answer"):
        hub.commit(named("answer"))
    hub.push("answer", MANIFEST, "")
    with pytest.raises(HubError, match="Nothing has changed"):
        hub.push("answer", MANIFEST, "")
    for text in ("answer:nobody", "answer:00000000", "somebody/answer", "other"):
        with pytest.raises(HubError):
            hub.commit(named(text))


def test_a_hub_that_is_away_is_said_in_one_line(store: OpsStore, serve: Any) -> None:
    with serve(store) as url:
        pass
    hub = LangSmithHub(Client(api_url=url, api_key="a-key-for-tests", auto_batch_tracing=False))
    with pytest.raises(HubError, match="cannot be reached"):
        hub.commit(named("answer"))


def test_a_key_that_the_hub_does_not_know_is_said_too(store: OpsStore, serve: Any) -> None:
    with serve(store) as url, pytest.raises(HubError, match=r"tracing\.api_key"):
        LangSmithHub(Client(api_url=url, api_key="another", auto_batch_tracing=False)).names()
