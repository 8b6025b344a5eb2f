"""What is shared: links that open one thing, show that thing, and can be taken back."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from app.ops.server import OpsParts, build_ops_app
from app.ops.settings import OpsSettings
from app.ops.store import Ingest, OpsStore
from app.ops.store.datasets.models import DatasetFields, ExampleFields
from app.ops.store.models import RunFields
from app.ops.store.workspaces import Workspaces

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def record(store: OpsStore, answer: str = "28 days", **fields: object) -> UUID:
    """A trace of two runs; the root's id."""
    root = uuid4()
    posts = [
        {"id": root, "name": "turn", "inputs": {"question": "How many?"}, "outputs": {"answer": answer}, **fields},
        {"id": uuid4(), "trace_id": root, "parent_run_id": root, "name": "search", "outputs": {"found": "leave.md"}},
    ]
    store.ingest(Ingest(posts=[_RUN.validate_python(one) for one in posts]))
    return root


def link_on(html: str) -> str:
    return str(HTMLParser(html).css_first("#share-link").attributes["value"])


def test_a_trace_is_shared_from_its_page_and_taken_back(pages: TestClient, store: OpsStore) -> None:
    root, other = record(store), record(store, "a secret")
    page = f"/ops/turns/{root}"
    assert HTMLParser(pages.get(page).text).css_first("#share-link") is None
    assert pages.post(f"{page}/share").status_code == 303
    link = link_on(pages.get(page).text)
    assert link.startswith("http://ops.example/public/")
    shown = pages.get(link)
    assert shown.status_code == 200
    for text in ("28 days", "How many?", "search", "leave.md"):
        assert text in shown.text
    assert "a secret" not in shown.text
    pages.post(f"{page}/unshare")
    assert pages.get(link).status_code == 404
    pages.post(f"{page}/share")
    assert link_on(pages.get(page).text) != link
    assert str(other) not in shown.text


def test_a_dataset_is_shared_from_its_page_and_taken_back(pages: TestClient, store: OpsStore) -> None:
    dataset = store.datasets.create(DatasetFields(name="Open questions"))
    store.examples.create(dataset.id, [ExampleFields(inputs={"n": n}, source_run_id=uuid4()) for n in range(60)])
    page = f"/ops/datasets/{dataset.id}"
    pages.post(f"{page}/share")
    link = link_on(pages.get(page).text)
    shown = pages.get(link)
    assert "Open questions" in shown.text
    assert len(HTMLParser(shown.text).css("tbody tr")) == 50
    following = HTMLParser(shown.text).css_first("a[rel=next]").attributes["href"]
    assert following
    assert len(HTMLParser(pages.get(following).text).css("tbody tr")) == 10
    pages.post(f"{page}/unshare")
    assert pages.get(link).status_code == 404
    assert pages.get(following).status_code == 404


def test_what_is_shared_leads_nowhere_and_names_no_other_id(pages: TestClient, store: OpsStore) -> None:
    dataset = store.datasets.create(DatasetFields(name="Open"))
    store.examples.create(dataset.id, [ExampleFields(inputs={"n": n}, source_run_id=uuid4()) for n in range(60)])
    tokens = {"r": store.shares.share_trace(record(store)).token, "d": store.datasets.share(dataset.id)}
    for kind, token in tokens.items():
        html = pages.get(f"/public/{token}/{kind}").text
        assert set(_UUID.findall(html)) <= {str(token)}
        tree = HTMLParser(html)
        assert tree.css_first("header") is None
        assert [a for a in tree.css("a") if not str(a.attributes["href"]).startswith(("#", "/public/"))] == []
        assert "/ops/" not in html.replace("/public/ops/", "")


def test_what_is_shared_is_not_for_search_engines_nor_told_to_other_sites(pages: TestClient, store: OpsStore) -> None:
    token = store.shares.share_trace(record(store)).token
    for address in (f"/public/{token}/r", f"/public/{uuid4()}/r"):
        shown = pages.get(address)
        assert "noindex" in shown.headers["x-robots-tag"]
        assert shown.headers["referrer-policy"] == "no-referrer"
        assert shown.headers["cache-control"] == "no-store"
        assert "noindex" in shown.text


@pytest.mark.parametrize("kind", ["r", "d"])
def test_a_token_opens_its_own_thing_only(pages: TestClient, store: OpsStore, kind: str) -> None:
    dataset = store.datasets.create(DatasetFields(name="Open"))
    root = record(store)
    tokens = {"r": store.shares.share_trace(root).token, "d": store.datasets.share(dataset.id)}
    wrong = tokens["d" if kind == "r" else "r"]
    for token in (wrong, root, dataset.id, uuid4(), "x", "%00", "a" * 5000):
        answer = pages.get(f"/public/{token}/{kind}")
        assert answer.status_code == 404
        assert "Nothing is shared here" in answer.text


def test_a_shared_thread_shows_its_turns_and_those_to_come(pages: TestClient, store: OpsStore) -> None:
    thread = {"extra": {"metadata": {"thread_id": "t1"}}}
    root = record(store, "First answer", **thread)
    project_id = store.runs.get(root).project_id
    token = store.shares.share_thread(project_id, "t1").token
    record(store, "Second answer", **thread)
    record(store, "Elsewhere", extra={"metadata": {"thread_id": "t2"}})
    html = pages.get(f"/public/{token}/r").text
    assert "First answer" in html
    assert "Second answer" in html
    assert "Elsewhere" not in html


def test_the_looks_are_served_and_no_other_file(pages: TestClient) -> None:
    assert pages.get("/public/ops/ops.css").headers["content-type"].startswith("text/css")
    for name in ("ops.js", "../ops.py", "..%2Fops.py", "templates"):
        assert pages.get(f"/public/ops/{name}").status_code == 404


def test_nothing_that_is_shared_is_code(pages: TestClient, store: OpsStore) -> None:
    root = record(store, HOSTILE, name=HOSTILE, error=HOSTILE)
    dataset = store.datasets.create(DatasetFields(name=HOSTILE, description=HOSTILE))
    store.examples.create(dataset.id, [ExampleFields(inputs={HOSTILE: HOSTILE, "b": HOSTILE})])
    for address in (
        f"/public/{store.shares.share_trace(root).token}/r",
        f"/public/{store.datasets.share(dataset.id)}/d",
    ):
        tree = HTMLParser(pages.get(address).text)
        assert not tree.css("script")
        assert not tree.css("img")


def test_sharing_what_is_not_there_is_refused(pages: TestClient) -> None:
    assert pages.post(f"/ops/turns/{uuid4()}/share").status_code == 404
    assert pages.post(f"/ops/datasets/{uuid4()}/share").status_code == 404


def test_a_link_opens_without_an_account_and_nothing_else_does(tmp_path: Path) -> None:
    workspaces = Workspaces(tmp_path / "ops")
    app = build_ops_app(OpsParts(workspaces, OpsSettings(), signing_key="k" * 64))
    root = record(workspaces.default)
    token = workspaces.default.shares.share_trace(root).token
    with TestClient(app, follow_redirects=False, headers={"accept": "text/html"}) as visitor:
        assert "28 days" in visitor.get(f"/public/{token}/r").text
        assert visitor.get("/public/ops/ops-data.css").status_code == 200
        assert visitor.get(f"/ops/turns/{root}").headers["location"].startswith("/signin")
    workspaces.close()
