"""The pages of prompts: versions, what changed between them, and what is live."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langsmith import Client
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from app.ops.store import OpsStore
from app.ops.store.prompts.history import readable
from app.ops.store.prompts.models import Commit, CommitFields, PromptFields

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def manifest(text: str) -> dict[str, Any]:
    return {"lc": 1, "type": "constructor", "id": ["prompts", "PromptTemplate"], "kwargs": {"template": text}}


@pytest.fixture
def versions(store: OpsStore) -> list[Commit]:
    store.prompts.create(PromptFields(repo_handle="answer", description="How answers are phrased"))
    texts = ("Answer briefly.\nCite.", "Answer at length.\nCite.", "Answer at length.\nCite each sentence.")
    return [store.prompts.commits.create("answer", CommitFields(manifest=manifest(text))) for text in texts]


def texts(html: str, selector: str) -> list[str]:
    return [" ".join(node.text(separator=" ").split()) for node in HTMLParser(html).css(selector)]


def test_the_list_shows_versions_and_tags(pages: TestClient, store: OpsStore, versions: list[Commit]) -> None:
    store.prompts.tags.pin("answer", versions[0].hash, by="bob")
    store.prompts.create(PromptFields(repo_handle="empty"))
    rows = texts(pages.get("/ops/prompts").text, "tbody tr")
    assert any("answer How answers are phrased prompt 3 live" in row for row in rows)
    assert len(texts(pages.get("/ops/prompts?q=phrased").text, "tbody tr")) == 1
    assert "No version yet" in pages.get("/ops/prompts/empty").text


def test_a_version_is_read_by_its_hash(pages: TestClient, versions: list[Commit]) -> None:
    newest = pages.get("/ops/prompts/answer").text
    assert "Cite each sentence." in texts(newest, "pre.prompt")[0]
    first = pages.get(f"/ops/prompts/answer/{versions[0].hash[:8]}").text
    assert texts(first, "pre.prompt") == ["Answer briefly. Cite."]
    assert pages.get("/ops/prompts/answer/0000000000").status_code == 404
    assert pages.get("/ops/prompts/nobody").status_code == 404
    assert pages.get("/ops/prompts/answer%00").status_code == 404


def test_each_version_says_what_it_changed(pages: TestClient, versions: list[Commit]) -> None:
    html = pages.get("/ops/prompts/answer").text
    assert texts(html, ".versions ins")[:1] == ["added: Cite each sentence."]
    assert texts(html, ".versions del")[:1] == ["removed: Cite."]


def test_any_two_versions_are_compared_by_lines_and_words(pages: TestClient, versions: list[Commit]) -> None:
    address = f"/ops/prompts/answer/compare?from={versions[0].hash}&to={versions[2].hash}"
    html = pages.get(address).text
    assert texts(html, ".lines del") == ["removed: Answer briefly.", "removed: Cite."]
    assert texts(html, ".output del") == ["briefly"]
    assert texts(html, ".output ins") == ["at length", "each sentence"]
    assert pages.get("/ops/prompts/answer/compare?from=nothing1&to=latest").status_code == 404


def test_making_a_version_live_is_confirmed_first_and_written_down(
    pages: TestClient, store: OpsStore, versions: list[Commit]
) -> None:
    confirm = HTMLParser(pages.get(f"/ops/prompts/answer/live?commit={versions[1].hash}").text)
    assert "autofocus" in confirm.css_first("form button").attributes
    assert store.prompts.tags.find("answer") == []
    form = confirm.css_first("form[method=post]")
    sent = {one.attributes["name"]: one.attributes["value"] for one in form.css("input")}
    assert pages.post(str(form.attributes["action"]), data=sent).status_code == 303
    assert store.prompts.tags.get("answer", "live").commit_id == versions[1].id
    assert f"made live {versions[1].hash[:8]} by ann" in texts(pages.get("/ops/prompts/answer").text, "#live li")[0]


def test_rolling_back_leads_to_the_version_before(pages: TestClient, store: OpsStore, versions: list[Commit]) -> None:
    assert pages.get("/ops/prompts/answer/live").status_code == 404
    assert pages.post("/ops/prompts/answer/rollback").status_code == 404
    for version in versions:
        store.prompts.tags.pin("answer", version.hash, by="bob")
    for wanted in (versions[1], versions[0]):
        html = pages.get("/ops/prompts/answer").text
        assert f"Roll back to {wanted.hash[:8]}" in html
        form = HTMLParser(pages.get("/ops/prompts/answer/live").text).css_first("form[method=post]")
        assert form.css_first("input").attributes["value"] == wanted.hash
        assert pages.post(str(form.attributes["action"]), data={"commit": wanted.hash}).status_code == 303
        assert store.prompts.tags.get("answer", "live").commit_id == wanted.id
    assert "Roll back to" not in pages.get("/ops/prompts/answer").text
    assert pages.post("/ops/prompts/answer/rollback").status_code == 409


def test_a_rollback_that_somebody_else_overtook_is_refused(
    pages: TestClient, store: OpsStore, versions: list[Commit]
) -> None:
    for version in versions[:2]:
        store.prompts.tags.pin("answer", version.hash, by="bob")
    store.prompts.tags.pin("answer", versions[2].hash, by="cyd")
    refused = pages.post("/ops/prompts/answer/rollback", data={"commit": versions[0].hash})
    assert refused.status_code == 409
    assert store.prompts.tags.get("answer", "live").commit_id == versions[2].id


@pytest.fixture
def chat(client: Client) -> Client:
    """The prompt `chat` of two messages, with a model attached."""
    pushed = ChatPromptTemplate([("system", "Answer {tone}ly."), ("human", "{question}")]).partial(tone="brief")
    client.push_prompt("chat", object=pushed | RunnableLambda(str))
    return client


def fill_in(pages: TestClient, address: str, **texts: str) -> Response:
    """Send the form of another version as the page has it, with these texts changed."""
    form = HTMLParser(pages.get(address).text).css_first("form[action$='/versions']")
    sent = {one.attributes["name"]: one.attributes.get("value") or "" for one in form.css("input")}
    sent |= {one.attributes["name"]: one.text() for one in form.css("textarea")}
    return pages.post(str(form.attributes["action"]), data=sent | texts)


def test_another_version_is_written_on_the_page_and_pulled_by_the_client(
    pages: TestClient, store: OpsStore, chat: Client
) -> None:
    assert fill_in(pages, "/ops/prompts/chat", text1="{question}\r\nCite {n}.", description="cites").status_code == 303
    pulled = chat.pull_prompt("chat")
    assert pulled.invoke({"question": "Why?", "n": 3}).to_messages()[1].content == "Why?\nCite 3."
    assert pulled.invoke({"question": "Why?", "n": 3}).to_messages()[0].content == "Answer briefly."
    newest, first = store.prompts.commits.find("chat").commits
    assert (newest.description, newest.parent_hash) == ("ann: cites", first.hash)
    assert readable(newest.manifest).partition("[model]")[2] == readable(first.manifest).partition("[model]")[2] != ""


def test_a_version_may_start_from_an_older_one(pages: TestClient, store: OpsStore, versions: list[Commit]) -> None:
    assert fill_in(pages, f"/ops/prompts/answer/{versions[0].hash[:8]}", text0="Answer in rhyme.").status_code == 303
    newest = store.prompts.commits.get("answer")
    assert (newest.manifest["kwargs"]["template"], newest.parent_hash) == ("Answer in rhyme.", versions[2].hash)


def test_of_two_who_write_at_once_the_second_is_told(
    pages: TestClient, store: OpsStore, versions: list[Commit]
) -> None:
    late = {"from": versions[1].hash, "parent": versions[1].hash, "text0": "Late."}
    assert pages.post("/ops/prompts/answer/versions", data=late).status_code == 409
    assert fill_in(pages, "/ops/prompts/answer").status_code == 409, "nothing was changed"
    assert pages.post("/ops/prompts/answer/versions", data=late | {"text0": ""}).status_code == 422
    assert pages.post("/ops/prompts/answer/versions", data={}).status_code == 404
    assert len(store.prompts.commits.find("answer").commits) == len(versions)


def test_what_is_more_than_text_has_no_form(pages: TestClient, store: OpsStore) -> None:
    odd: list[dict[str, Any]] = [
        {"number": 5},
        {"kwargs": {"first": "x"}},
        {"kwargs": {"messages": [{"id": ["MessagesPlaceholder"], "kwargs": {"variable_name": "history"}}]}},
        {"kwargs": {"messages": [7, {"id": 5, "kwargs": {"content": ["x"]}}]}},
    ]
    store.prompts.create(PromptFields(repo_handle="odd"))
    for shape in odd:
        store.prompts.commits.create("odd", CommitFields(manifest=shape))
        page = pages.get("/ops/prompts/odd")
        assert (page.status_code, HTMLParser(page.text).css("textarea")) == (200, [])


def test_nothing_in_a_prompt_is_code(pages: TestClient, store: OpsStore) -> None:
    store.prompts.create(PromptFields(repo_handle="odd", description=HOSTILE, readme=HOSTILE, tags=[HOSTILE]))
    for text in (HOSTILE, HOSTILE * 2):
        store.prompts.commits.create("odd", CommitFields(manifest=manifest(text), description=HOSTILE))
    first, second = store.prompts.commits.find("odd").commits
    for address in ("", "/odd", f"/odd/compare?from={first.hash}&to={second.hash}", f"/odd/live?commit={first.hash}"):
        tree = HTMLParser(pages.get(f"/ops/prompts{address}").text)
        assert not [one for one in tree.css("script") if "src" not in one.attributes], address
        assert not tree.css("img[onerror]"), address
