"""Watching: real folders, real changes; schedules by a clock of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from ingest.errors import IngestError
from ingest.report import IngestReport
from ingest.settings import IngestSettings
from ingest.sources.configured import Sources
from ingest.sources.settings import FolderSettings
from ingest.sources.watch import Watch
from retrieval.corpus import Corpus
from retrieval.errors import CorpusBusy


def at(path: Path, every: timedelta = timedelta(hours=1)) -> FolderSettings:
    return FolderSettings(kind="folder", path=path, every=every)


def soon(condition: Callable[[], object], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(condition())


@contextmanager
def running(watch: Watch) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=watch.until, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def test_a_folder_is_followed_as_it_changes(corpus: Corpus, folder: Path, tmp_path: Path) -> None:
    configured = {"notes": at(folder)}
    sources = Sources(configured, IngestSettings(), tmp_path / "data")
    said: list[str] = []
    (folder / "a.md").write_text("One.")
    with running(Watch(configured, lambda name: sources.run(name, corpus), said.append)):
        assert soon(lambda: len(said) == 1)
        (folder / "deep").mkdir()
        (folder / "deep/b.md").write_text("Two.")
        assert soon(lambda: len(corpus.documents()) == 2)
        (folder / "a.md").unlink()
        assert soon(lambda: len(corpus.documents()) == 1 and "1 removed" in said[-1])
        (folder / ".hidden").write_text("Hidden.")
        runs = len(said)
        assert not soon(lambda: len(said) > runs, 4)
    assert said[0].startswith("notes: 1 added. Passages made: 1")
    assert "1 removed" in said[-1]


def test_a_folder_that_comes_later_is_followed_too(folder: Path) -> None:
    late, said, runs = folder / "late", [], []

    def run(name: str) -> IngestReport:
        runs.append(name)
        if not late.is_dir():
            raise IngestError("It is not there.")
        return IngestReport(release=0)

    with running(Watch({"late": at(late)}, run, said.append)):
        assert soon(lambda: runs)
        late.mkdir()
        time.sleep(2.5)
        (late / "a.md").write_text("One.")
        assert soon(lambda: len(runs) == 2)
    assert said[0] == "late: It is not there. It is tried again in 30 s."


class Clock:
    """A clock that stands until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_sources_run_by_their_own_schedule(folder: Path, clock: Clock) -> None:
    runs: list[str] = []

    def run(name: str) -> IngestReport:
        runs.append(f"{name} {clock.now:.0f}")
        return IngestReport(release=0)

    often, rarely = at(folder, every=timedelta(seconds=10)), at(folder, every=timedelta(seconds=25))
    watch = Watch({"often": often, "rarely": rarely}, run, print, clock=clock)
    for clock.now in range(0, 31):
        watch.run_due()
    assert runs == ["often 0", "rarely 0", "often 10", "often 20", "rarely 25", "often 30"]


def test_a_folder_is_left_until_it_is_quiet(folder: Path, clock: Clock) -> None:
    runs: list[float] = []

    def run(name: str) -> IngestReport:
        runs.append(clock.now)
        return IngestReport(release=0)

    watch = Watch({"notes": at(folder)}, run, print, clock=clock)
    watch.run_due()
    for clock.now in (5.0, 6.0, 7.0):
        watch.note({folder / "a.md"}, {"notes": folder})
        watch.run_due()
    watch.note({folder / ".git/index", folder.parent / "other.md"}, {"notes": folder})
    clock.now = 9.0
    watch.run_due()
    assert runs == [0.0, 9.0]


def test_a_folder_that_never_rests_is_read_after_a_minute(folder: Path, clock: Clock) -> None:
    runs: list[float] = []

    def run(name: str) -> IngestReport:
        runs.append(clock.now)
        return IngestReport(release=0)

    watch = Watch({"notes": at(folder)}, run, print, clock=clock)
    for clock.now in range(0, 130):
        watch.run_due()
        watch.note({folder / "a.log"}, {"notes": folder})
    assert runs == [0, 60, 120]


def test_failures_wait_longer_each_time_and_end_nothing(folder: Path, clock: Clock) -> None:
    def run(name: str) -> IngestReport:
        if name == "good" or len(runs) > 7:
            return IngestReport(release=0)
        runs.append(clock.now)
        raise (CorpusBusy() if len(runs) == 1 else ZeroDivisionError("oh"))

    runs: list[float] = []
    said: list[str] = []
    watch = Watch({"bad": at(folder), "good": at(folder)}, run, said.append, clock=clock)
    for clock.now in range(0, 1000):
        watch.run_due()
    assert runs == [0, 10, 40, 100, 220, 460, 940]
    assert said[0].endswith("Wait until it has finished, then run yours again. It is tried again in 10 s.")
    assert "bad: ZeroDivisionError: oh. It is tried again in 60 s." in said
    assert sum(line.startswith("good: ") for line in said) == 1
