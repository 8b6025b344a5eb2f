"""`parley watch`: runs the configured sources by their schedule, and folders as soon as they change, one at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from watchfiles import watch

from ingest.errors import IngestError, MovedOn
from ingest.report import IngestReport
from ingest.sources.settings import FolderSettings, SourceSettings
from retrieval.errors import CorpusBusy, RetrievalError

_LOOK_S = 1.0
"""How often the clock is looked at."""
_QUIET_S = 2.0
"""A folder is read once nothing in it has changed for so long, ..."""
_RESTLESS_S = 60.0
"""... or so long after the first change, where the changes never end."""
_BUSY_S = 10.0
_FIRST_WAIT_S = 30.0
_LONGEST_WAIT_S = 3_600.0


@dataclass(slots=True)
class _Place:
    """One source, and when it is to run next."""

    settings: SourceSettings
    due: float = 0.0
    failed: int = 0
    """Runs that failed since the last one that did not."""
    changed: float | None = None
    """When it first changed since the last run began."""


class Watch:
    """Runs sources when they are due; nothing that happens to one of them ends it."""

    def __init__(
        self,
        configured: Mapping[str, SourceSettings],
        run: Callable[[str], IngestReport],
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places = {name: _Place(settings, due=clock()) for name, settings in configured.items()}
        self._run = run
        self._say = say
        self._clock = clock

    def until(self, stop: threading.Event) -> None:
        """Run every source once, then whenever it is due, until `stop` is set."""
        hears = True
        while not stop.is_set():
            folders = self._folders() if hears else {}
            try:
                self._follow(folders, stop)
            except FileNotFoundError:
                continue  # a folder went away before it could be watched
            except (OSError, RuntimeError) as error:
                self._say(f"Changes cannot be noticed here: {error}. Folders run by their schedule only.")
                hears = False

    def _follow(self, folders: dict[str, Path], stop: threading.Event) -> None:
        """Run what is due until other folders are there."""
        there = self._folders()
        for changed in _changes(list(folders.values()), stop):
            self.note(changed, folders)
            self.run_due()
            if self._folders() != there:
                return

    def note(self, changed: set[Path], folders: Mapping[str, Path]) -> None:
        """Let the folders run soon in which something has changed."""
        for name, folder in folders.items():
            if any(_concerns(path, folder) for path in changed):
                place, now = self._places[name], self._clock()
                place.changed = now if place.changed is None else place.changed
                place.due = min(now + _QUIET_S, place.changed + _RESTLESS_S)

    def run_due(self) -> None:
        """Run those that are due, one after the other."""
        for name, place in self._places.items():
            if self._clock() >= place.due:
                place.changed = None
                wait_s = self._run_one(name, place)
                place.due = self._clock() + wait_s

    def _run_one(self, name: str, place: _Place) -> float:
        """Run a source and say what came of it. Returns the seconds to its next run."""
        try:
            report = self._run(name)
        except (CorpusBusy, MovedOn) as busy:
            self._say(f"{name}: {busy} It is tried again in {_BUSY_S:.0f} s.")
            return _BUSY_S
        except Exception as error:  # whatever it is, the other sources go on, and this one is tried again
            place.failed += 1
            wait_s = min(_FIRST_WAIT_S * 2 ** min(place.failed - 1, 16), _LONGEST_WAIT_S)
            known = isinstance(error, IngestError | RetrievalError)
            finding = error if known else f"{type(error).__name__}: {error}."
            self._say(f"{name}: {finding} It is tried again in {wait_s:.0f} s.")
            return wait_s
        place.failed = 0
        self._say(f"{name}: {report.summary()}")
        return place.settings.every.total_seconds()

    def _folders(self) -> dict[str, Path]:
        """The folders that are there now, by the name of their source."""
        settings = {name: place.settings for name, place in self._places.items()}
        paths = {name: one.path.resolve() for name, one in settings.items() if isinstance(one, FolderSettings)}
        return {name: path for name, path in paths.items() if path.is_dir()}


def _changes(folders: list[Path], stop: threading.Event) -> Iterator[set[Path]]:
    """What has changed in the folders, each second at least, until `stop` is set."""
    if not folders:
        while not stop.wait(_LOOK_S):
            yield set()
        return
    found = watch(
        *folders,
        watch_filter=None,
        stop_event=stop,
        rust_timeout=int(_LOOK_S * 1000),
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    for changed in found:
        yield {Path(path) for _, path in changed}


def _concerns(path: Path, folder: Path) -> bool:
    """Whether a change there is one of the folder; hidden files, which are never read, are none."""
    return path.is_relative_to(folder) and not any(part.startswith(".") for part in path.relative_to(folder).parts)
