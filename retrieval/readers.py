"""The releases that searches read, kept open; a new one takes over when it can be searched, and not before."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from retrieval.catalog import Stored
from retrieval.draft import Parts
from retrieval.encoders import Encoders
from retrieval.errors import StoreUnavailable
from retrieval.passages import Release
from retrieval.store.base import PassageStore

log = logging.getLogger(__name__)

RETRY_AFTER = timedelta(seconds=30)
"""How long to wait before a release that could not be made ready is tried again."""


@dataclass(frozen=True)
class Reader:
    """A release, open for searches: its passages, and the encoders that made their vectors."""

    release: Release
    store: PassageStore
    encoders: Encoders


class Readers:
    """Follows the catalog's pointer. Safe to use from many threads.

    A release of the same index is opened by the first search that wants it. One that needs other encoders is made ready
    in a thread of its own, and until then the release before goes on answering. An earlier store is not closed here,
    but when the last search that still uses it lets go of it.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._open: dict[str | None, tuple[PassageStore, Encoders]] = {}
        self._served: Stored | None = None
        self._loader: threading.Thread | None = None
        self._failed: tuple[int, datetime] | None = None
        self._trouble = ""
        self._closed = False

    def release(self) -> Release:
        """The release that searches answer from: the published one, or the one before until that is ready."""
        with self._lock:
            return self._follow().release

    def current(self) -> Reader | None:
        """That release, opened; None before the first one. Raises `RetrievalError`."""
        with self._lock:
            stored = self._follow()
            if stored.store is None:
                return None
            stored = self._opened(stored, self._follow)
            if stored != self._served:
                self._serve(stored)
            return Reader(stored.release, *self._open[stored.store])

    def at(self, number: int) -> Reader:
        """A release that is kept, opened; raises `NoSuchRelease`, and else as `current` does."""
        with self._lock:
            stored = self._opened(self._parts.catalog.stored(number), lambda: self._parts.catalog.stored(number))
            return Reader(stored.release, *self._open[stored.store])

    def trouble(self) -> str:
        """Why the published release cannot be searched; empty where it can, or is being made ready."""
        with self._lock:
            self._follow()
            return self._trouble

    def close(self) -> None:
        """Let go of the stores."""
        with self._lock:
            self._closed = True
            for store, _ in self._open.values():
                store.close()
            self._open.clear()
            self._served = None

    def _follow(self) -> Stored:
        """What is published, or what was before where that still needs encoders that are not loaded."""
        newest = self._parts.catalog.published()
        if self._served is None or newest.index in (None, self._served.index):
            self._trouble = ""
            return newest
        self._make_ready(newest)
        return self._served

    def _opened(self, stored: Stored, again: Callable[[], Stored]) -> Stored:
        """Open what is not; `again` finds it once more, where its store was replaced in this very moment."""
        while stored.store not in self._open:
            encoders = self._encoders(stored)
            try:
                self._open[stored.store] = self._parts.stores.open(str(stored.store)), encoders
            except StoreUnavailable:
                before, stored = stored, again()
                if stored.store == before.store:
                    raise
        return stored

    def _serve(self, stored: Stored) -> None:
        """Answer from this release, and keep open only what it and the pinned ones need."""
        self._served = stored
        pinned = {one.store for one in self._parts.catalog.releases() if one.number in self._parts.pinned}
        needed = pinned | {stored.store}
        self._open = {name: opened for name, opened in self._open.items() if name in needed}

    def _encoders(self, stored: Stored) -> Encoders:
        """Those in use where there are any, so that weights are in memory once."""
        assert stored.index is not None
        in_use = (encoders for _, encoders in self._open.values() if encoders.index == stored.index)
        return next(in_use, None) or self._parts.encoders.of(stored.index)

    def _make_ready(self, newest: Stored) -> None:
        """Begin to load what a release needs, unless that is under way or has just failed."""
        loading = self._loader is not None and self._loader.is_alive()
        if loading or (self._failed and self._failed[0] == newest.release.number and self._just_now(self._failed[1])):
            return
        self._loader = threading.Thread(target=self._load, args=(newest,), name="next release", daemon=True)
        self._loader.start()

    def _just_now(self, moment: datetime) -> bool:
        return self._parts.now() - moment < RETRY_AFTER

    def _load(self, newest: Stored) -> None:
        """Load the encoders, then switch."""
        try:
            with self._lock:
                encoders = self._encoders(newest)
            encoders.embedder.encode(["warm"])
            self._switch(encoders)
        except Exception as error:  # whatever it is, the release before goes on answering
            self._note(newest.release.number, error)

    def _switch(self, encoders: Encoders) -> None:
        """Answer from what is published by now, if these are its encoders. No search waits for its store."""
        newest = self._parts.catalog.published()
        if newest.index != encoders.index:
            return
        store = self._parts.stores.open(str(newest.store))
        with self._lock:
            if self._closed:
                store.close()
                return
            self._open[newest.store] = store, encoders
            self._serve(newest)

    def _note(self, release: int, error: Exception) -> None:
        with self._lock:
            if self._closed:
                return
            self._failed = release, self._parts.now()
            self._trouble = f"Release {release} is published, but cannot be searched yet: {error}"
        log.error("%s", self._trouble)
