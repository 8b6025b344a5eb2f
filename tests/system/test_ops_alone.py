"""`parley ops`: a LangSmith for the machine, from its first line to a trace of somebody else's program."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from product import WAIT_S, Product

LARGEST_BYTES = 250_000_000
HEAVY = ("torch", "chainlit", "llama_cpp", "langgraph", "langchain_core", "sentence_transformers", "qdrant_edge")
PROGRAM = """
from langchain_core.language_models import FakeListChatModel
from langgraph.graph import START, MessagesState, StateGraph

model = FakeListChatModel(responses=["Five days."])
graph = StateGraph(MessagesState)
graph.add_node("answer", lambda state: {"messages": [model.invoke(state["messages"])]})
graph.add_edge(START, "answer")
state = graph.compile(name="holidays").invoke({"messages": [("user", "How many days?")]})
print(state["messages"][-1].content)
"""


@dataclass
class Alone:
    """The ops layer in a process of its own, and what it printed."""

    product: Product
    process: subprocess.Popen[str]

    def variables(self) -> dict[str, str]:
        return dict(re.findall(r"export (LANGSMITH_\w+)=(\S+)", self.product.log.read_text()))

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.product.url, headers={"x-api-key": self.variables()["LANGSMITH_API_KEY"]})


def started(product: Product) -> subprocess.Popen[str]:
    process = product.start("ops")

    def answers() -> bool:
        assert process.poll() is None, product.log.read_text()
        try:
            return product.readiness().status_code == 200
        except httpx.TransportError:
            return False

    product.wait_for(answers)
    return process


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    product = Product(tmp_path_factory.mktemp("alone") / "data")
    process = started(product)
    yield Alone(product, process)
    process.send_signal(signal.SIGTERM)
    process.wait(WAIT_S)


def test_a_langgraph_program_uses_it_as_its_langsmith(alone: Alone, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LANGSMITH_")}
    environment |= alone.variables() | {"LANGSMITH_TRACING": "true"}
    assert {"LANGSMITH_ENDPOINT", "LANGSMITH_API_KEY"} == set(alone.variables())
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        timeout=WAIT_S,
    )
    assert (done.returncode, done.stdout) == (0, "Five days.\n")
    with alone.http() as http:
        (root,) = http.post("/runs/query", json={"is_root": True}).json()["runs"]
        runs = http.post("/runs/query", json={"trace": root["id"]}).json()["runs"]
    assert (root["name"], root["status"]) == ("holidays", "success")
    assert {run["name"] for run in runs} == {"holidays", "answer", "FakeListChatModel"}
    (model,) = (run for run in runs if run["run_type"] == "llm")
    assert "Five days." in str(model["outputs"])


def test_its_link_opens_the_pages(alone: Alone) -> None:
    link = next(word for word in alone.product.log.read_text().split() if "/signin?token=" in word)
    with httpx.Client(base_url=alone.product.url, follow_redirects=True) as browser:
        page = browser.get(link)
        assert page.status_code == 200
        assert page.url.path == "/ops"
    assert httpx.get(link).status_code == 410


def test_it_is_small_and_holds_nothing_of_the_chat(alone: Alone) -> None:
    with alone.http() as http:
        http.get("/ops")
    process = psutil.Process(alone.process.pid)
    assert process.memory_info().rss < LARGEST_BYTES
    mapped = " ".join(each.path for each in process.memory_maps())
    assert not [name for name in HEAVY if f"/{name}/" in mapped]
    code = "import sys; import app.cli, app.serve_ops; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=WAIT_S)
    assert not {*HEAVY, "app.chat", "app.bootstrap", "app.server", "agents.assistant"} & set(loaded.stdout.split())


def test_workspaces_and_keys_are_made_beside_it(alone: Alone) -> None:
    printed = alone.product.parley("ops", "workspaces", "add", "team")
    workspace_id = re.search(r"LANGSMITH_WORKSPACE_ID (\S+)\.", printed)
    key = printed.split()[-1]
    assert workspace_id
    with httpx.Client(base_url=alone.product.url, headers={"x-api-key": key}) as http:
        assert http.get("/settings").json()["id"] == workspace_id[1]
        assert http.get("/settings", headers={"X-Tenant-Id": workspace_id[1]}).status_code == 200
        (project,) = http.get("/sessions").json()
        assert project["tenant_id"] == workspace_id[1]
    assert "team" in alone.product.parley("ops", "workspaces", "list")
    listed = alone.product.parley("ops", "keys", "list")
    assert key[:10] in listed
    assert key not in listed


def test_at_its_second_start_it_shows_no_key(tmp_path: Path) -> None:
    product = Product(tmp_path / "data")
    for start in (1, 2):
        process = started(product)
        process.send_signal(signal.SIGINT)
        process.wait(WAIT_S)
        assert product.log.read_text().count("export LANGSMITH_API_KEY") == 1, start
    assert "Traceback" not in product.log.read_text()
    (database,) = product.data_dir.rglob("ops.db")
    key = re.search(r"LANGSMITH_API_KEY=(\S+)", product.log.read_text())
    assert key
    assert key[1].encode() not in database.read_bytes()
