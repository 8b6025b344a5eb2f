"""The unmodified `langsmith` client against the running product, with keys of real accounts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from langsmith import Client
from langsmith.utils import LangSmithAuthError
from openai import OpenAI

CARRY_OVER = "How many days of unused leave may be carried over?"
TRACED_ELSEWHERE = """
from langsmith import traceable

@traceable(run_type="tool")
def look_up(word):
    return f"found {word}"

@traceable(name="notebook", metadata={"variant": "b"})
def work(word):
    return look_up(word)

work("leave")
"""


@pytest.fixture
def analyst(served) -> Iterator[Client]:
    client = Client(api_url=f"{served.url}/langsmith", api_key=served.key("analyst"))
    yield client
    client.close()


def finished_turn(served: Any, wait_for: Any) -> UUID:
    """A turn of the API whose trace has arrived."""
    api = OpenAI(base_url=f"{served.url}/v1", api_key=served.key(), max_retries=0)
    reply = api.chat.completions.create(model="parley", messages=[{"role": "user", "content": CARRY_OVER}])
    run_id = UUID(reply.parley["run_id"])
    wait_for(lambda: [run.end_time is not None for run in served.parley.store.runs.many([run_id])] == [True])
    return run_id


def test_turns_are_listed_with_their_figures(served, wait_for, analyst: Client) -> None:
    run_id = finished_turn(served, wait_for)
    found = {run.id: run for run in analyst.list_runs(project_name="parley", is_root=True)}
    run = found[run_id]
    assert (run.name, run.inputs["question"], run.metadata["status"]) == ("turn", CARRY_OVER, "answered")
    kinds = {child.run_type for child in analyst.list_runs(project_name="parley", trace_id=run_id)}
    assert kinds == {"chain", "retriever", "llm"}


def test_feedback_is_given_and_read_back(served, wait_for, analyst: Client) -> None:
    run_id = finished_turn(served, wait_for)
    project = analyst.read_project(project_name="parley").id
    analyst.create_feedback(run_id, session_id=project, key="reviewed", score=0.5, comment="The quote is right.")
    analyst.flush()
    given = list(analyst.list_feedback(run_ids=[run_id]))
    assert [(one.key, one.score, one.comment) for one in given] == [("reviewed", 0.5, "The quote is right.")]


def test_another_process_traces_into_the_same_store(served, wait_for, analyst: Client) -> None:
    environment = os.environ | {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_ENDPOINT": f"{served.url}/langsmith",
        "LANGSMITH_API_KEY": served.key("admin"),
        "LANGSMITH_PROJECT": "notebooks",
    }
    subprocess.run([sys.executable, "-c", TRACED_ELSEWHERE], env=environment, check=True, timeout=240)
    runs = {run.name: run for run in analyst.list_runs(project_name="notebooks")}
    assert set(runs) == {"notebook", "look_up"}
    assert runs["look_up"].outputs == {"output": "found leave"}
    assert runs["look_up"].parent_run_id == runs["notebook"].id


@pytest.mark.parametrize("role", ["user", "owner", None])
def test_other_keys_get_nothing(served, role: str | None) -> None:
    key = served.key(role) if role else "pk_wrong"
    client = Client(api_url=f"{served.url}/langsmith", api_key=key)
    with pytest.raises(LangSmithAuthError):
        next(client.list_runs(project_name="parley"))
    for method, path in [("GET", "/sessions"), ("POST", "/runs/query"), ("POST", "/runs/multipart"), ("DELETE", "/x")]:
        response = httpx.request(method, f"{served.url}/langsmith{path}", headers={"x-api-key": key}, json={})
        assert response.status_code in (401, 403), path


def test_a_key_ends_with_its_role(served) -> None:
    account = served.user("analyst")
    headers = {"x-api-key": served.parley.accounts.create_key(account.name, "test")}
    assert httpx.get(f"{served.url}/langsmith/sessions", headers=headers).status_code == 200
    served.parley.accounts.set_role(account.name, "user")
    assert httpx.get(f"{served.url}/langsmith/sessions", headers=headers).status_code in (401, 403)


def test_a_browsers_session_is_no_key_for_programs(served) -> None:
    assert served.browser(served.user("admin")).get("/langsmith/sessions").status_code == 401
