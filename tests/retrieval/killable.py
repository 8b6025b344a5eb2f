"""What is done to a corpus in a process that is to be killed, and how far it has come."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.passages import Document, Passage
from retrieval.settings import RetrievalSettings

DOCUMENTS = 6
PASSAGES = 45
"""Of each document: more than one batch in all, so that a draft also ends between two batches."""
MAX_STEPS = 100
WAIT_S = 60.0

# Its children begin with everything imported, each in a few milliseconds.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["killable"])


def version(release: int, number: int) -> tuple[Document, list[Passage], bytes]:
    """One of the documents, as it stands in a release."""
    name = f"{number}.md"
    document_id = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
    content = f"release {release} of {name}".encode()
    document = Document(
        id=document_id,
        source=f"/{name}",
        name=name,
        title=name,
        content_hash=hashlib.sha256(content).hexdigest(),
        media_type="text/markdown",
        size_bytes=len(content),
    )
    passages = [
        Passage(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{position}")),
            document_id=document_id,
            document=name,
            title=name,
            page=None,
            heading="",
            text=f"rule {position} of release{release}",
            position=position,
        )
        for position in range(PASSAGES)
    ]
    return document, passages, content


class Progress:
    """The steps that a child has begun, each by its name and the time; it can be read when the child is dead."""

    def __init__(self) -> None:
        self._count = _context.RawValue("i", 0)
        self._times = _context.RawArray("d", MAX_STEPS)
        self._names = [_context.RawArray("c", 32) for _ in range(MAX_STEPS)]

    def step(self, name: str) -> None:
        """Begin the next step."""
        self._times[self._count.value] = time.monotonic()
        self._names[self._count.value].value = name.encode()
        self._count.value += 1

    def wait_for(self, step: int) -> None:
        """Wait until the step of this number, from 0, has begun."""
        deadline = time.monotonic() + WAIT_S
        while self._count.value <= step:
            assert time.monotonic() < deadline, self.names
            time.sleep(0.0005)

    @property
    def names(self) -> list[str]:
        return [self._names[number].value.decode() for number in range(self._count.value)]

    def seconds(self, step: int) -> float:
        """How long a step took, until the next one began."""
        return self._times[step + 1] - self._times[step] if step + 1 < self._count.value else 0.0


Step = Callable[[str], None]
Point = tuple[str, int]


class MarkedEmbedder(HashingEmbedder):
    """An encoder whose batches are steps."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self._step = step

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self._step("encode a batch")
        return super().encode(texts)


def open_corpus(folder: Path, step: Step | None = None) -> Corpus:
    """The corpus; with `step`, batches and the commit tell where it is."""
    if step is None:
        return Corpus.open(RetrievalSettings(), folder, HashingEmbedder())

    def now() -> datetime:
        step("commit")
        return datetime.now(UTC)

    return Corpus.open(RetrievalSettings(), folder, MarkedEmbedder(step), now=now)


def ingest(corpus: Corpus, release: int, step: Step = lambda name: None) -> None:
    """Put every document as it stands in `release`, and publish."""
    step("begin the draft")
    with corpus.draft() as draft:
        for number in range(DOCUMENTS):
            step("put a document")
            draft.put(*version(release, number))
        step("publish")
        draft.publish()


def _ingest(folder: Path, release: int, step: Step) -> None:
    ingest(open_corpus(folder, step), release, step)


def _prune_and_ingest(folder: Path, release: int, step: Step) -> None:
    """The ingest deletes what the pruned releases have left."""
    step("prune")
    open_corpus(folder).releases().prune(1)
    _ingest(folder, release, step)


def _roll_back_and_ingest(folder: Path, release: int, step: Step) -> None:
    """The ingest begins behind the newest release, as the one before it."""
    step("roll back")
    open_corpus(folder).releases().rollback()
    _ingest(folder, release, step)


WORK: dict[str, Callable[[Path, int, Step], None]] = {
    "ingest": _ingest,
    "prune and ingest": _prune_and_ingest,
    "roll back and ingest": _roll_back_and_ingest,
}
"""What is killed in the middle."""


class Child:
    """A process at some work on the corpus, that waits to be killed when it is done."""

    def __init__(self, work: str, folder: Path, release: int, *, dies_at: Point | None = None) -> None:
        """`dies_at` has it kill itself where the step of that name begins for the so-manieth time."""
        self.progress = Progress()
        self._process: BaseProcess = _context.Process(
            target=_run, args=(work, folder, release, self.progress, dies_at), daemon=True
        )
        self._process.start()

    def run_to_its_end(self) -> Progress:
        """Let it do all of it; its steps."""
        while "done" not in self.progress.names:
            self.progress.wait_for(len(self.progress.names))
        self.kill()
        return self.progress

    def kill_within(self, step: int, after_s: float) -> str:
        """kill -9, so long after the step of this number has begun; the name of the step that it was in then."""
        self.progress.wait_for(step)
        time.sleep(after_s)
        self.kill()
        return self.progress.names[-1]

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self.wait_until_killed()

    def wait_until_killed(self) -> None:
        self._process.join(WAIT_S)
        assert self._process.exitcode == -signal.SIGKILL


def _run(work: str, folder: Path, release: int, progress: Progress, dies_at: Point | None) -> None:
    def step(name: str) -> None:
        progress.step(name)
        if dies_at == (name, progress.names.count(name)):
            os.kill(os.getpid(), signal.SIGKILL)

    WORK[work](folder, release, step)
    step("done")
    time.sleep(WAIT_S)
