"""The engine's own process: a crash of native code, or a file that takes too much memory, ends this one alone.

    python -m agents.models.engine.process FILE_DESCRIPTOR MODEL_FILE SPECIFICATION

It serves until the other end of the pipe closes, however that ends, or until it is not needed for a while.
"""

from __future__ import annotations

import queue
import sys
import tempfile
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from agents.models.engine.batching import Batching
from agents.models.engine.head import LoadFailed, read_head
from agents.models.engine.lanes import Lanes
from agents.models.engine.llama import Llama
from agents.models.engine.requests import (
    ORDER,
    REPORT,
    Cancel,
    Event,
    Failed,
    Order,
    Pass,
    Ready,
    Report,
    Request,
    Sampling,
    Specification,
    Unneeded,
)
from agents.models.engine.weights import in_eight_bits, rewrite

_Inbox = queue.SimpleQueue[Order | None]


def main(pipe: Connection, path: Path, specification: Specification) -> None:
    """Load the model and compute what is ordered."""
    try:
        llama = _loaded(path, specification)
    except LoadFailed as failure:
        _report(pipe, Failed(problem=str(failure)))
        return
    events: list[Event] = []
    lanes = Lanes(llama, specification.lanes, copy_bytes=specification.copy_bytes)
    batching, inbox = Batching(llama, lanes, events.append), _Inbox()
    _try_out(batching)
    _report(pipe, [event for event in events if isinstance(event, Pass)])
    events.clear()
    threading.Thread(target=_receive, args=(pipe, batching, inbox), daemon=True).start()
    _report(pipe, Ready())
    try:
        while _obey(inbox, batching, specification.unload_after_s):
            batching.work()
            if events:
                _report(pipe, events)
                events.clear()
    except queue.Empty:
        _report(pipe, Unneeded())


def _try_out(batching: Batching) -> None:
    """Compute something small: the first pass is slow, and what the others take is known before waits are promised."""
    batching.submit(Request(id=-1, prompt=(0,) * 96, sampling=Sampling(max_tokens=4)))
    while not batching.idle:
        batching.work()


def _loaded(path: Path, specification: Specification) -> Llama:
    """The model with its adapter. Raises `LoadFailed` with a sentence."""
    try:
        llama = _load(path, specification)
    except LoadFailed as failure:
        raise LoadFailed(f"{path.name} cannot be loaded: it is broken, or not a GGUF model.") from failure
    if adapter := specification.adapter:
        if not adapter.is_file():
            raise LoadFailed(f"There is no adapter file {adapter.name}: correct the model's setting adapter.")
        try:
            llama.adapt(adapter, specification.adapter_scale)
        except LoadFailed as failure:
            raise LoadFailed(f"{adapter.name} is broken, or no LoRA adapter in GGUF for {path.name}.") from failure
    return llama


def _load(path: Path, specification: Specification) -> Llama:
    """Load the file, or what it says in the form that is read fastest."""
    sizes = specification.model_dump(include={"lanes", "lane_tokens", "threads"})
    if specification.rewrite and in_eight_bits(read_head(path)):
        with tempfile.TemporaryDirectory(prefix="parley-") as folder:
            rewritten = Path(folder) / path.name
            if rewrite(path, rewritten, specification.threads):
                return Llama(rewritten, **sizes, mapped=False)
    return Llama(path, **sizes)


def _obey(inbox: _Inbox, batching: Batching, patience_s: float | None) -> bool:
    """Take in all orders, and wait for one where there is nothing to do; False at the end.

    Raises `queue.Empty` where none comes for so long.
    """
    while batching.idle or not inbox.empty():
        order = inbox.get(timeout=patience_s)
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
    main(Connection(int(sys.argv[1])), Path(sys.argv[2]), Specification.model_validate_json(sys.argv[3]))
