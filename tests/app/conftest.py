"""The whole product in this process, behind HTTP on loopback: only the model and the encoder are the public fakes."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from docx import Document as WordDocument
from langchain_core.outputs import ChatGenerationChunk
from pydantic import PrivateAttr
from reportlab.pdfgen.canvas import Canvas

from agents.cache.settings import CacheSettings
from agents.errors import ModelUnavailable
from agents.models.scripted import ScriptedChat
from app.auth.users import Account, Role
from app.bootstrap import Parley, build_parley
from app.server import build_app
from app.settings import ServerSettings, Settings
from ingest.pipeline import ingest
from ingest.settings import IngestSettings
from retrieval.embedding import HashingEmbedder

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside the tests

WAIT_S = 120.0
PASSWORD = "correct horse battery"
PHRASED = "You may carry over at most five days of leave."
SCRIPT = {
    "carry over slowly?": f"{PHRASED} Then {'and so on ' * 2000}",
    "carried over?": PHRASED,
    "model fail no reason": ModelUnavailable(),
}


class ServedChat(ScriptedChat):
    """Counts its words, and takes as long to load as it is told to."""

    _words: int = PrivateAttr(default=0)
    _may_load: threading.Event = PrivateAttr(default_factory=threading.Event)

    @property
    def words(self) -> int:
        return self._words

    def warm(self) -> None:
        self._may_load.wait(WAIT_S)

    def let_load(self) -> None:
        self._may_load.set()

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        async for chunk in super()._astream(*args, **kwargs):
            self._words += 1
            yield chunk


@dataclass
class Served:
    """The running product, and what a test does with it."""

    url: str
    parley: Parley
    model: ServedChat
    ready_before_loading: httpx.Response
    _numbers: Iterator[int] = field(default_factory=count)

    def user(self, role: Role = "user", groups: tuple[str, ...] = ()) -> Account:
        """A new user, so that no test uses up another's rate limit."""
        return self.parley.accounts.create(f"user{next(self._numbers)}", PASSWORD, role=role, groups=groups)

    def key(self, role: Role = "user", groups: tuple[str, ...] = ()) -> str:
        """An API key of a new user."""
        return self.parley.accounts.create_key(self.user(role, groups).name, "test")

    def browser(self, account: Account | None = None) -> httpx.Client:
        """A client that is signed in, if there is an account."""
        client = httpx.Client(base_url=self.url, timeout=WAIT_S)
        if account:
            answer = client.post("/login", data={"username": account.name, "password": PASSWORD})
            assert answer.status_code == 200
        return client

    def document_id(self, name: str) -> str:
        return next(d.id for d in self.parley.corpus.documents().values() if d.name == name)


def _write_handbook(folder: Path) -> None:
    (folder / "leave.md").write_text(
        "# Leave\n\nAt most five days of unused leave may be carried over to the next year.\n\n"
        "To carry over slowly, ask the office. A model fail is not a reason to carry leave over.\n"
    )
    (folder / "page.html").write_text("<h1>Canteen</h1><p>Lunch is at noon.</p><script>alert(document.cookie)</script>")
    word = WordDocument()
    word.add_paragraph("Trains are booked by the office.")
    word.save(str(folder / "travel.docx"))
    canvas = Canvas(str(folder / "fees.pdf"))
    canvas.drawString(72, 780, "A parking permit costs ten euros a month.")
    canvas.save()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "everyone").mkdir()
    (folder / "board").mkdir()
    _write_handbook(folder / "everyone")
    (folder / "board" / "minutes.md").write_text("# Board\n\nThe board approved a budget of 40,000 euros.\n")
    listener = socket.create_server(("127.0.0.1", 0))
    model = ServedChat(rules=SCRIPT, delay_s=0.005)
    settings = Settings(
        data_dir=folder / "data",
        server=ServerSettings(port=listener.getsockname()[1]),
        cache=CacheSettings(entries=0),  # no test is shown what another one has asked for
    )
    environment = dict(os.environ)
    parley = build_parley(settings, model=model, embedder=HashingEmbedder())
    ingest([folder / "everyone"], parley.corpus, IngestSettings())
    ingest([folder / "board"], parley.corpus, IngestSettings(), groups=("board",))
    server = uvicorn.Server(uvicorn.Config(build_app(parley), log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    _wait_for(lambda: server.started)
    before = httpx.get(f"{settings.url}/readyz")
    model.let_load()
    _wait_for(lambda: httpx.get(f"{settings.url}/readyz").status_code == 200)
    yield Served(settings.url, parley, model, before)
    server.should_exit = True
    thread.join(timeout=30)
    os.environ.clear()
    os.environ.update(environment)


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="session")
def wait_for() -> Callable[[Callable[[], bool]], None]:
    """Waits until a condition holds, however slow the machine is."""
    return _wait_for
