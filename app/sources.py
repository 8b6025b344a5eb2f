"""`parley ingest`, `parley watch` and `parley sources …`: where documents come from."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console

from app.settings import Settings

if TYPE_CHECKING:
    from types import FrameType

    from ingest.sources.configured import Sources
    from retrieval.corpus import Corpus


def ingest_place(
    settings: Settings, place: str, groups: tuple[str, ...] | None, owner: str | None, **options: Any
) -> int:
    """Ingest a path or an address that is named on the spot. Returns the exit code."""
    from ingest.command import run
    from ingest.errors import IngestError
    from ingest.sources.factory import source_at

    try:
        source = source_at(place, settings.ingest, settings.data_dir)
    except IngestError as error:
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1
    with _corpus(settings) as corpus:
        return run(source, corpus, settings.ingest, groups=groups, owner=owner, **options)


def ingest_sources(settings: Settings, names: list[str] | None, **options: Any) -> int:
    """Ingest the named sources, or all that are configured. Returns the exit code."""
    from ingest.command import run_sources

    if not (names or settings.sources):
        Console(stderr=True).print("Name a file or folder, or configure sources in parley.toml.")
        return 1
    with _corpus(settings) as corpus:
        return run_sources(names or list(settings.sources), open_sources(settings), corpus, **options)


def remove_source(settings: Settings, name: str) -> str:
    """Remove the documents of a source that is configured no more. Returns what came of it. Raises IngestError."""
    with _corpus(settings) as corpus:
        return open_sources(settings).remove(name, corpus).summary()


def watch_sources(settings: Settings) -> int:
    """Run the configured sources as they fall due, until interrupted. Returns the exit code."""
    from ingest.sources.watch import Watch

    if not settings.sources:
        Console(stderr=True).print(
            "No sources are configured. Add a section [sources.NAME] to parley.toml.", markup=False
        )
        return 1
    stop = stopped_by(signal.SIGINT, signal.SIGTERM)
    sources = open_sources(settings)
    _say(f"Watching {', '.join(settings.sources)}. Stop with Ctrl-C.")
    with _corpus(settings) as corpus, suppress(KeyboardInterrupt):
        Watch(settings.sources, lambda name: sources.run(name, corpus), _say).until(stop)
    _say("Stopped.")
    return 0


def stopped_by(*signals: signal.Signals) -> threading.Event:
    """Set by these signals, which also break off what is under way, as Ctrl-C does.

    Python drops an exception that comes while an object is being finalized: the event is what stays.
    """
    stop = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.default_int_handler(number, frame)

    for each in signals:
        signal.signal(each, interrupt)
    return stop


def _say(line: str) -> None:
    Console().print(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}", markup=False, highlight=False, soft_wrap=True)


def open_sources(settings: Settings) -> Sources:
    """The configured sources, and what came of them."""
    from app.ops_store import private_folder
    from ingest.sources.configured import Sources

    return Sources(settings.sources, settings.ingest, private_folder(settings.data_dir))


@contextmanager
def _corpus(settings: Settings) -> Iterator[Corpus]:
    from app.corpus import open_corpus

    corpus = open_corpus(settings)
    try:
        yield corpus
    finally:
        corpus.close()
