"""The engine's own process: a crash of native code, or a file that takes too much memory, ends this one alone.

    python -m agents.models.engine.process FILE_DESCRIPTOR SPECIFICATION

It serves until the other end of the pipe closes, however that ends.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from agents.errors import ModelUnavailable
from agents.models.engine.batching import Batching
from agents.models.engine.lanes import Lanes
from agents.models.engine.llama import Llama, LoadFailed
from agents.models.engine.requests import (
    ORDER,
    REPORT,
    Cancel,
    Event,
    Failed,
    Order,
    Ready,
    Report,
    Specification,
)

_Inbox = queue.SimpleQueue[Order | None]


class EngineProcess:
    """The process as the one that started it sees it. Reports come on a thread of its own."""

    def __init__(
        self,
        specification: Specification,
        on_events: Callable[[Sequence[Event]], None],
        on_end: Callable[[EngineProcess], None],
    ) -> None:
        self.problem: str | None = None
        """Why the model could not be loaded."""
        self._on_events = on_events
        self._on_end = on_end
        self._loaded = threading.Event()
        self._sending = threading.Lock()
        self._pipe, theirs = Pipe()
        self._process = subprocess.Popen(  # noqa: S603 (this very module)
            [sys.executable, "-m", __name__, str(theirs.fileno()), specification.model_dump_json()],
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

    def send(self, order: Order) -> None:
        """Hand over an order; one that has ended hears nothing, and reports its end."""
        with self._sending, suppress(OSError):
            self._pipe.send_bytes(ORDER.dump_json(order))

    def await_model(self) -> None:
        """Wait until the model is loaded. Raises `ModelUnavailable`."""
        self._loaded.wait()
        if self.problem or self._process.poll() is not None:
            raise ModelUnavailable(self.problem)

    def close(self) -> None:
        """End it at once: it holds nothing that must be kept."""
        self._process.kill()
        self._process.wait()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _listen(self) -> None:
        try:
            while True:
                self._hear(REPORT.validate_json(self._pipe.recv_bytes()))
        except (EOFError, OSError):
            pass
        self._process.kill()
        self._process.wait()
        self._loaded.set()
        self._on_end(self)

    def _hear(self, report: Report) -> None:
        if isinstance(report, list):
            self._on_events(report)
        elif isinstance(report, Failed):
            self.problem = report.problem
        else:
            self._loaded.set()


def main(pipe: Connection, specification: Specification) -> None:
    """Load the model and compute what is ordered."""
    try:
        llama = Llama(
            specification.path,
            lanes=specification.lanes,
            lane_tokens=specification.lane_tokens,
            threads=specification.threads,
        )
    except LoadFailed:
        _report(pipe, Failed(problem=f"{specification.path.name} cannot be loaded: it is broken, or not a GGUF model."))
        return
    events: list[Event] = []
    lanes = Lanes(llama, specification.lanes, copy_bytes=specification.copy_bytes)
    batching, inbox = Batching(llama, lanes, events.append), _Inbox()
    threading.Thread(target=_receive, args=(pipe, batching, inbox), daemon=True).start()
    _report(pipe, Ready())
    while _obey(inbox, batching):
        batching.work()
        if events:
            _report(pipe, events)
            events.clear()


def _obey(inbox: _Inbox, batching: Batching) -> bool:
    """Take in all orders, and wait for one where there is nothing to do; False at the end."""
    while batching.idle or not inbox.empty():
        order = inbox.get()
        if order is None:
            return False
        if isinstance(order, Cancel):
            batching.cancel(order.cancel)
        else:
            batching.submit(order)
    return True


def _receive(pipe: Connection, batching: Batching, inbox: _Inbox) -> None:
    """Hand over orders as they come, a thread's life long; a cancelled request is not computed to the pass's end."""
    try:
        while True:
            order = ORDER.validate_json(pipe.recv_bytes())
            if isinstance(order, Cancel):
                batching.interrupt()
            inbox.put(order)
    except (EOFError, OSError):
        batching.interrupt()
        inbox.put(None)


def _report(pipe: Connection, report: Report) -> None:
    pipe.send_bytes(REPORT.dump_json(report))


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])), Specification.model_validate_json(sys.argv[2]))
