"""The product as its users run it: `parley …` in processes of their own, on a data folder and a port of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
from langgraph.checkpoint.sqlite import SqliteSaver
from openai import OpenAI

from app.auth.settings import AuthSettings
from app.auth.users import Accounts, Role
from app.ops.store import OpsStore

SERVING = [("run",), ("ops",)]
WAIT_S = 240.0
"""Far more than anything here takes on an idle machine: tests wait for what must come, and never measure."""


@dataclass
class Product:
    """One installation. What it needs besides its folder comes through the environment."""

    data_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=lambda: free_port())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`parley …`, under way; what it prints goes to `log`."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PARLEY_", "LANGSMITH_"))}
        settings = {"PARLEY_DATA_DIR": str(self.data_dir), "PORT": str(self.port), "PARLEY_MODEL__NAME": "scripted"}
        with self.log.open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "app.cli", *arguments],
                env={**inherited, **settings, **self.environment},
                cwd=self.data_dir.parent,
                stdout=log if arguments in SERVING else subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def parley(self, *arguments: str) -> str:
        """`parley …` to its end, which must be a good one; what it printed."""
        process = self.start(*arguments)
        printed, _ = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0, f"{arguments}: {printed}\n{self.log.read_text()}"
        return printed

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        """The server, once its model is loaded; stopped at the end if it still runs."""
        process = self.start("run")
        try:
            self.wait_for(lambda: self.is_warm(process))
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(WAIT_S)

    def is_warm(self, process: subprocess.Popen[str]) -> bool:
        assert process.poll() is None, self.log.read_text()
        try:
            return bool(self.readiness().json()["checks"]["model"]["ok"])
        except httpx.TransportError:
            return False

    def readiness(self) -> httpx.Response:
        return httpx.get(f"{self.url}/readyz")

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def key(self, role: Role = "user", groups: tuple[str, ...] = ()) -> str:
        """An API key of a new user."""
        accounts = Accounts.open(self.data_dir / "chat.db", AuthSettings())
        name = f"u{uuid4().hex[:12]}"
        accounts.create(name, "correct horse battery", role=role, groups=groups)
        key = accounts.create_key(name, "test")
        accounts.close()
        return key

    def client(self, key: str | None = None) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=key or self.key(), max_retries=0, timeout=WAIT_S)

    @contextmanager
    def store(self) -> Iterator[OpsStore]:
        """The ops store, read beside the server."""
        store = OpsStore.open(self.data_dir / "ops")
        yield store
        store.close()

    def remembered(self, thread_id: str) -> list[tuple[str, str]]:
        """The lines that the checkpoint file holds of the API's only thread of this name, as (role, content)."""
        with SqliteSaver.from_conn_string(str(self.data_dir / "checkpoints.db")) as saver:
            newest = next(s for s in saver.list(None) if s.config["configurable"]["thread_id"].endswith(thread_id))
        return [(line["role"], line["content"]) for line in newest.checkpoint["channel_values"]["messages"]]

    @property
    def log(self) -> Path:
        return self.data_dir.parent / "parley.log"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
