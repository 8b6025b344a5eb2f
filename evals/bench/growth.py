"""How an ingest's memory grows with what it takes in, beside the index that it fills."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import psutil
from rich.progress import Progress

from app.settings import Settings
from evals.bench.figures import Figure, Target
from evals.bench.library import Library
from evals.setup import trial_settings
from ingest.pipeline import ingest
from retrieval.corpus import Corpus
from retrieval.draft import BATCH_PASSAGES
from retrieval.embedding import HashingEmbedder, indexed_text
from retrieval.passages import Passage
from retrieval.store.base import Entry
from retrieval.store.factory import build_stores
from retrieval.word_encoder import WordEncoder

EARLY = 0.2
"""Share of the work after which caches are full and the first batches are through; growth counts from there on."""
PASSAGES_PER_FILE = 20
Memory = list[float]
"""MiB, at even steps of the work."""


def measure(folder: Path, progress: Progress, *, passages: int = 100_000) -> list[Figure]:
    """Take in so many passages with an encoder that takes no time, then put the same ones into a bare index.

    Each in a process of its own, where no memory lies ready that the other has let go of.
    """
    task = progress.add_task("growth", total=3)
    _write_files(folder / "files", passages)
    progress.advance(task)
    ingested = _in_fresh_process(_ingest, folder)
    progress.advance(task)
    stored = _in_fresh_process(_store, folder)
    progress.advance(task)
    return [
        Figure(
            f"growth of an ingest of {passages:,} passages",
            "MiB",
            _growth(ingested),
            _growth(stored),
            "the growth of its index alone",
            Target("ratio", "≤", 1.3),
        ),
        Figure("memory of the ingest at its end", "MiB", ingested[-1], stored[-1], "the index alone, and an open one"),
    ]


def _growth(memory: Memory) -> float:
    return memory[-1] - memory[int(EARLY * len(memory))]


def _in_fresh_process(work: Callable[[Path], Memory], folder: Path) -> Memory:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, folder).result()


def _ingest(folder: Path) -> Memory:
    """Memory after each file."""
    settings, memory = _settings(folder), []
    with closing(_corpus(settings)) as corpus:
        ingest([folder / "files"], corpus, settings.ingest, on_progress=lambda *_: memory.append(_private_mib()))
    return memory


def _store(folder: Path) -> Memory:
    """Memory after each batch."""
    settings = _settings(folder)
    _, store = build_stores(settings.retrieval, folder / "alone", owner="").fork(None, 1, HashingEmbedder().dimension)
    memory = []
    with closing(_corpus(settings)) as corpus, closing(store):
        for batch in _batches(corpus.added_since(0)):
            store.add(_entries(batch, WordEncoder(settings.retrieval.language)))
            memory.append(_private_mib())
    return memory


def _settings(folder: Path) -> Settings:
    """With the graph left out: it is built at the end, in memory of its own."""
    return trial_settings(folder, retrieval={"optimize_above": 1_000_000_000})


def _corpus(settings: Settings) -> Corpus:
    return Corpus.open(settings.retrieval, settings.data_dir, HashingEmbedder())


def _batches(passages: Iterator[Passage]) -> Iterator[list[Passage]]:
    while batch := list(islice(passages, BATCH_PASSAGES)):
        yield batch


def _entries(passages: Sequence[Passage], words: WordEncoder) -> list[Entry]:
    texts = [indexed_text(passage) for passage in passages]
    vectors = HashingEmbedder().encode(texts)
    made = zip(passages, vectors, texts, strict=True)
    return [Entry(passage, 1, vector, words.passage(text)) for passage, vector, text in made]


def _write_files(folder: Path, passages: int) -> None:
    """Markdown files with a section for each passage."""
    folder.mkdir()
    for document, made, _ in Library.of(HashingEmbedder()).shelves(passages):
        for first in range(0, len(made), PASSAGES_PER_FILE):
            sections = [
                f"# {passage.position}\n\n{passage.text}" for passage in made[first : first + PASSAGES_PER_FILE]
            ]
            (folder / f"{Path(document.name).stem}-{first}.md").write_text("\n\n".join(sections), encoding="utf-8")


def _private_mib() -> float:
    """What this process holds for itself; files of the index, which the system maps and drops, are not in it."""
    memory = psutil.Process().memory_info()
    return float(memory.rss - memory.shared) / 2**20
