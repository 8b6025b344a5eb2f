"""The engine's process as the server sees it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path

from agents.errors import ModelUnavailable
from agents.models.engine.requests import ORDER, REPORT, Event, Failed, Order, Ready, Report, Specification


class EngineProcess:
    """A process that loads a model and serves. What it reports comes on a thread of its own."""

    def __init__(
        self,
        path: Path,
        specification: Specification,
        *,
        on_ready: Callable[[EngineProcess], None],
        on_events: Callable[[Sequence[Event]], None],
        on_end: Callable[[EngineProcess], None],
    ) -> None:
        self.problem: str | None = None
        """Why the model could not be loaded."""
        self.unneeded = False
        """Whether it ended because nothing was asked."""
        self._on_ready = on_ready
        self._on_events = on_events
        self._on_end = on_end
        self._ready = False
        self._settled = threading.Event()
        self._sending = threading.Lock()
        self._pipe, theirs = Pipe()
        self._process = subprocess.Popen(  # noqa: S603 (a module of ours)
            [
                *(sys.executable, "-m", "agents.models.engine.process"),
                *(str(theirs.fileno()), str(path), specification.model_dump_json()),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={**os.environ, "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "passive")},
            process_group=0,  # Ctrl-C is for the server, which ends this one when its turns have ended
        )
        theirs.close()
        self._thread = threading.Thread(target=self._listen, name="engine", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The number by which the system knows it."""
        return self._process.pid

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self._ready

    def send(self, order: Order) -> None:
        """Hand over an order; one that has ended hears nothing, and reports its end."""
        with self._sending, suppress(OSError):
            self._pipe.send_bytes(ORDER.dump_json(order))

    def await_model(self) -> None:
        """Wait until the model is loaded. Raises `ModelUnavailable`."""
        self._settled.wait()
        if not self._ready:
            raise ModelUnavailable(self.problem)

    def kill(self) -> None:
        """End it at once, and have its memory back: it holds nothing that must be kept."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it, and the thread that listens to it."""
        self.kill()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _listen(self) -> None:
        try:
            with suppress(EOFError, OSError):
                while True:
                    self._hear(REPORT.validate_json(self._pipe.recv_bytes()))
        finally:  # whatever goes wrong here must not leave readers waiting
            self.kill()
            self._settled.set()
            self._on_end(self)

    def _hear(self, report: Report) -> None:
        if isinstance(report, list):
            self._on_events(report)
        elif isinstance(report, Failed):
            self.problem = report.problem
        elif isinstance(report, Ready):
            self._ready = True
            self._settled.set()
            self._on_ready(self)
        else:
            self.unneeded = True
