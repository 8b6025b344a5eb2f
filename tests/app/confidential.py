"""An installation that has something to hide: two groups with a document each, and one document for everyone.

Each secret document has words of its own in its file's name, title, heading and text that stand nowhere else, and that
no question here holds. Where one of them is seen, the secret has got out.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from app.auth.settings import AuthSettings
from app.auth.users import Account, Accounts, Role
from app.evidence import Ledger, Watch
from app.ops.store import OpsStore
from ingest.pipeline import ingest
from ingest.settings import IngestSettings
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.settings import RetrievalSettings

PASSWORD = "correct horse battery"
WAIT_S = 240.0
QUESTION = "When is the yearly settlement paid?"


@dataclass(frozen=True)
class Secret:
    """A document of one group."""

    group: str
    file: str
    text: str
    words: tuple[str, ...]
    """Each of them gives it away."""


BOARD = Secret(
    "board",
    "zanzibar.md",
    "# Zephyrine merger\n\nThe Zephyrine merger concerns the board.\n\n## Quillback terms\n\n"
    "The yearly settlement is paid in March, ninety florins for Nimbostrat.\n",
    ("zanzibar", "zephyrine", "quillback", "nimbostrat"),
)
COUNCIL = Secret(
    "council",
    "marrakesh.md",
    "# Amaranth dispute\n\nThe Amaranth dispute concerns the council.\n\n## Ostrichfern vote\n\n"
    "The yearly settlement is paid in March, seventy guilders for Larkspurine.\n",
    ("marrakesh", "amaranth", "ostrichfern", "larkspurine"),
)
SECRETS = (BOARD, COUNCIL)
CANTEEN = "# Canteen hours\n\nThe canteen hours are from eleven to two.\n"


def given_away(seen: Iterable[object]) -> set[str]:
    """The groups whose secret stands somewhere in what was seen."""
    text = "\n".join(map(str, seen)).lower()
    return {secret.group for secret in SECRETS if any(word in text for word in secret.words)}


def shown(response: httpx.Response) -> str:
    """All that came back: status, headers and body."""
    return f"{response.status_code} {response.headers} {response.text}"


@dataclass
class Installation:
    """The product in a process of its own, and its files, which a test changes as the commands do."""

    folder: Path
    port: int = field(default_factory=lambda: _free_port())
    signed_in: dict[str, tuple[dict[str, str], str]] = field(default_factory=dict)
    """Session cookies and API key of each account that has been here."""
    _numbers: Iterator[int] = field(default_factory=count)
    _process: subprocess.Popen | None = None

    def __post_init__(self) -> None:
        self.data_dir = self.folder / "data"
        self.data_dir.mkdir()
        self.accounts = Accounts.open(self.data_dir / "chat.db", AuthSettings())
        self.corpus = Corpus.open(RetrievalSettings(), self.data_dir, HashingEmbedder())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, and wait until questions are answered."""
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PARLEY_DATA_DIR": str(self.data_dir),
            "PARLEY_TURN__TURNS_PER_MINUTE": "10000",
            "PORT": str(self.port),
        }
        command = [sys.executable, Path(__file__).with_name("light_server.py")]
        with self.log.open("a") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=environment)
        self.wait_for(self._is_ready)

    def stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self.corpus.close()
        self.accounts.close()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def user(self, groups: Collection[str] = (), role: Role = "user") -> Account:
        return self.accounts.create(f"user{next(self._numbers)}", PASSWORD, role=role, groups=groups)

    def publish(self, file: str, text: str, group: str | None = None) -> None:
        """Ingest one file, into a folder of its own."""
        path = self.folder / "documents" / Path(file).stem / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self._ingest(path.parent, (group,) if group else None)

    def withdraw(self, file: str) -> None:
        path = self.folder / "documents" / Path(file).stem / file
        path.unlink()
        self._ingest(path.parent, None, allow_empty=True)

    def document_id(self, secret: Secret) -> str:
        return next(one.id for one in self.corpus.documents().values() if one.name == secret.file)

    def compare(self) -> None:
        """Have the ledger know of the newest release, without waiting for the server to look."""
        with closing(Ledger.open(self.data_dir / "evidence.db")) as ledger:
            Watch(ledger, self.corpus).compare()

    def store(self) -> closing[OpsStore]:
        """The ops store, beside the server."""
        return closing(OpsStore.open(self.data_dir / "ops"))

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def _ingest(self, folder: Path, groups: tuple[str, ...] | None, **options: Any) -> None:
        ingest([folder], self.corpus, IngestSettings(), groups=groups, **options)

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
