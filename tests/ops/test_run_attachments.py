"""Files that runs carry, read back through the client by links that are signed and expire."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
from langsmith import Client, traceable, tracing_context
from langsmith._client import Langsmith
from langsmith.run_helpers import get_current_run_tree
from langsmith.schemas import Attachment

from app.ops.store import OpsStore
from app.ops.store.links import LIFETIME

pytestmark = pytest.mark.filterwarnings("ignore")

KEY = "a-key-for-tests"
PICTURE = bytes(range(256)) * 20


@pytest.fixture
def run_id(client: Client) -> UUID:
    """A run that carries a picture and a text."""
    ids: list[UUID] = []

    @traceable(client=client)
    def look(picture: Attachment, note: Attachment) -> str:
        ids.append(get_current_run_tree().id)
        return "a cat"

    with tracing_context(enabled=True, project_name="parley", client=client):
        look(Attachment("image/png", PICTURE), Attachment("text/plain", "grüß dich".encode()))
    client.flush()
    return ids[0]


def test_a_run_brings_its_files_back(client: Client, run_id: UUID) -> None:
    for run in (client.read_run(run_id), *client.list_runs(project_name="parley")):
        assert run.attachments is not None
        assert run.attachments["picture"]["reader"].read() == PICTURE
        assert run.attachments["picture"]["mime_type"] == "image/png"
        assert run.attachments["note"]["reader"].read().decode() == "grüß dich"


def test_links_are_made_only_where_they_are_asked_for(client: Client, langsmith_url: str, run_id: UUID) -> None:
    asked = {"id": [str(run_id)], "select": ["name"]}
    answer = requests.post(f"{langsmith_url}/runs/query", json=asked, headers={"x-api-key": KEY}, timeout=10).json()
    assert "s3_urls" not in answer["runs"][0]


def test_the_second_version_links_files_by_their_names(client: Client, langsmith_url: str, run_id: UUID) -> None:
    project = str(client.read_project(project_name="parley").id)
    with Langsmith(api_key=KEY, base_url=langsmith_url) as v2:
        files = v2.runs.retrieve_v2(str(run_id), project_id=project, selects=["ATTACHMENTS"]).attachments
    assert files is not None
    assert requests.get(files["picture"], timeout=10).content == PICTURE


@pytest.fixture
def link(client: Client, run_id: UUID) -> str:
    run = client.read_run(run_id)
    assert run.attachments is not None
    return run.attachments["picture"]["presigned_url"]


@pytest.mark.parametrize("change", ["signature", "claim", "digest", "path", "workspace"])
def test_a_link_that_was_tampered_with_opens_nothing(link: str, change: str) -> None:
    start, _, token = link.rpartition("/")
    claim, _, signature = token.partition(".")
    evil = urlsafe_b64encode(json.dumps([2**40, "../../ops.db", "text/plain"]).encode()).decode()
    other = f"{start.rpartition('/')[0]}/00000000-0000-0000-0000-000000000000/{token}"
    changed = {
        "signature": f"{start}/{claim}.{'A' * len(signature)}",
        "claim": f"{start}/{evil}.{signature}",
        "digest": f"{start}/{claim[:-4]}AAAA.{signature}",
        "path": f"{start}/..%2f..%2fops.db",
        "workspace": other,
    }[change]
    assert requests.get(link, timeout=10).status_code == 200
    assert requests.get(changed, timeout=10).status_code in (401, 404)


def test_a_link_expires(store: OpsStore, link: str) -> None:
    token = link.rpartition("/")[2]
    assert store.links.open(token).mime_type == "image/png"
    later = datetime.now(UTC) + LIFETIME + timedelta(minutes=1)
    store.links._clock = lambda: later
    assert requests.get(link, timeout=10).status_code == 404


def test_a_file_that_could_be_a_page_is_saved_not_shown(client: Client, langsmith_url: str, store: OpsStore) -> None:
    ids: list[UUID] = []

    @traceable(client=client)
    def look(page: Attachment) -> str:
        ids.append(get_current_run_tree().id)
        return "a page"

    with tracing_context(enabled=True, project_name="parley", client=client):
        look(Attachment("text/html", b"<script>alert(1)</script>"))
    client.flush()
    run: Any = client.read_run(ids[0])
    answer = requests.get(run.attachments["page"]["presigned_url"], timeout=10)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("digest", ["../../../etc/passwd", "0" * 64])
def test_a_client_cannot_name_a_stored_file(client: Client, store: OpsStore, digest: str) -> None:
    run_id = uuid4()
    named = {"page": {"mime_type": "text/plain", "size_bytes": 1, "digest": digest}}
    body = {"id": str(run_id), "name": "x", "run_type": "chain", "attachments": named}
    client.request_with_retries("POST", "/runs", request_kwargs={"json": body})
    client.request_with_retries("POST", "/runs/batch", request_kwargs={"json": {"post": [body], "patch": [body]}})
    assert store.runs.get(run_id).attachments == {}
