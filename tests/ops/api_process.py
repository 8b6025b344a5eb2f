"""The API in a process that can be killed and started again, as often as a test likes, on one store and one port.

    python api_process.py FOLDER PORT KEY INTAKE [POSTGRES_URL SCHEMA]

INTAKE is "thread" or "process": where batches are taken into the tables.

The program imports what it needs once and then serves from a fork of itself: so a restart takes a tenth of a second.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException, Request

from app.ops.langsmith import langsmith_app
from app.ops.store import OpsStore
from app.ops.store.database import Database
from app.ops.store.intake.process import IntakeProcess


class ApiProcess:
    """`start` answers once requests are taken; `kill` is SIGKILL, at whatever moment."""

    def __init__(
        self, folder: Path, key: str, postgres: tuple[str, str] | None = None, *, intake: str = "thread"
    ) -> None:
        self.key = key
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}/langsmith"
        command = [sys.executable, __file__, str(folder), str(self.port), key, intake, *(postgres or ())]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        self._program = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
        )

    @property
    def pid(self) -> int:
        """The process that starts the server, and that everything else descends from."""
        return self._program.pid

    def start(self) -> None:
        """Serve, on what is in the folder."""
        self._order("start", "ready")

    def kill(self) -> None:
        """End the server at once, without a chance to finish anything."""
        self._order("kill", "gone")

    def restart(self) -> None:
        """Kill it, and start it again."""
        self.kill()
        self.start()

    def close(self) -> None:
        """End the server and the program that starts it."""
        self._program.communicate(timeout=10)

    def _order(self, order: str, answer: str) -> None:
        assert self._program.stdin
        assert self._program.stdout
        self._program.stdin.write(order + "\n")
        assert self._program.stdout.readline() == answer + "\n"


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print("ready", flush=True)


def main(folder: str, port: str, key: str, intake: str, *postgres: str) -> None:
    """Obey orders until there are no more."""
    child = 0
    for order in sys.stdin:
        if order == "start\n":
            child = os.fork() or _serve(Path(folder), int(port), key, intake, *postgres)
        else:
            _end(child)
            child = 0
            print("gone", flush=True)
    _end(child)


def _serve(folder: Path, port: int, key: str, intake: str, *postgres: str) -> int:
    store = OpsStore(Database.on_server(*postgres), folder) if postgres else OpsStore.open(folder)
    if intake == "process":
        store.work(IntakeProcess())

    async def authorize(request: Request) -> OpsStore:
        if request.headers.get("x-api-key") != key:
            raise HTTPException(401, "Send a valid key as x-api-key.")
        return store

    app = FastAPI()
    app.mount("/langsmith", langsmith_app(authorize, workspaces=lambda: [store]))
    _Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off")).run()
    os._exit(0)


def _end(child: int) -> None:
    if child:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
