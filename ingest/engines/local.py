"""The stages in this process: threads, each with a child that parses, ahead of the encoder."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing

from ingest.engines.shelf import Shelf
from ingest.sandbox import Sandbox
from ingest.stages import Intent, Step, Task, encode, prepare
from retrieval.embedding import Embedder

_BATCH_PASSAGES = 256


def run(tasks: Sequence[Task], intent: Intent, embedder: Embedder | None) -> Generator[Step, None, None]:
    """An `Engine`. The encoder takes what is ready, so that it neither waits for a full batch nor runs out of work."""
    shelf = Shelf(intent.settings.read_ahead_bytes)
    waiting = _Shared(tasks)
    with ExitStack() as stack, closing(shelf):
        _start(stack, waiting, intent, shelf)
        parsers = 1
        while steps := shelf.take(_BATCH_PASSAGES):
            yield from encode(steps, embedder) if embedder else steps
            if shelf.empty and parsers < intent.settings.parsers:  # parsing is what holds it up
                _start(stack, waiting, intent, shelf)
                parsers += 1


def _start(stack: ExitStack, tasks: Iterator[Task], intent: Intent, shelf: Shelf) -> None:
    """Have one more thread work off the tasks, with a child of its own."""
    shelf.enter()
    sandbox = stack.enter_context(Sandbox(intent.settings))
    threading.Thread(target=_work, args=(tasks, intent, sandbox, shelf), daemon=True).start()


def _work(tasks: Iterator[Task], intent: Intent, sandbox: Sandbox, shelf: Shelf) -> None:
    failure: BaseException | None = None
    try:
        for task in tasks:
            if not shelf.put(prepare(task, intent, sandbox)):
                return
    except BaseException as error:  # raised where the steps are taken
        failure = error
    finally:
        shelf.leave(failure)


class _Shared(Iterator[Task]):
    """The tasks, each given to one thread."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = iter(tasks)
        self._lock = threading.Lock()

    def __next__(self) -> Task:
        with self._lock:
            return next(self._tasks)
