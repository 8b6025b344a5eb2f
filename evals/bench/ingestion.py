"""Ingest of files into a release beside the bare encoder over the same passages, and beside another pipeline."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import numpy as np
from rich.progress import Progress

from app.settings import Settings
from evals.bench import plain_langchain
from evals.bench.figures import Figure, Target, alternately, median
from evals.setup import DOCS, trial_settings
from ingest.pipeline import ingest
from retrieval.corpus import Corpus
from retrieval.embedding import Embedder, HashingEmbedder, build_embedder, load_sentence_transformer
from retrieval.int8 import is_faster_here
from retrieval.settings import Precision

PASSAGES_PER_FILE = 20
WORDS_PER_PASSAGE = 120
RAW = "SentenceTransformer.encode"
LANGCHAIN = "LangChain with its splitter, HuggingFaceEmbeddings and a local QdrantVectorStore"
NO_HAIKU = (
    "not measured: haiku.rag 0.6.0, the newest version that installs on Python 3.11, embeds only through Ollama, "
    "OpenAI or VoyageAI"
)
Side = Callable[[], object]


def measure(folder: Path, progress: Progress, *, passages: int = 400, repetitions: int = 2) -> list[Figure]:
    """Parsing, splitting, encoding, storing and publishing against encoding alone and against LangChain, in turns."""
    settings = trial_settings(folder)
    files, encoder = folder / "files", settings.retrieval.encoder
    _write_files(files, passages)
    texts = _indexed_texts(settings, folder)
    raw = load_sentence_transformer(encoder, allow_hub=False)
    sides: dict[str, Side] = {"raw": lambda: raw.encode(texts), "fp32": _parley(settings, folder, files, "fp32")}
    if is_faster_here():
        sides["int8"] = _parley(settings, folder, files, "int8")
    if not plain_langchain.missing():
        pipeline = plain_langchain.Pipeline(encoder)
        sides["langchain"] = lambda: pipeline.ingest(files)
    took_s = _times(sides, repetitions, progress)
    return _figures({name: len(texts) / median(times) for name, times in took_s.items()}, len(texts))


def _figures(rates: dict[str, float], passages: int) -> list[Figure]:
    best = rates.get("int8", rates["fp32"])
    figures = [_figure(f"ingest of {passages} passages, encoder in fp32", rates["fp32"], rates["raw"], RAW, 0.95)]
    if "int8" in rates:
        figures.append(_figure("the same, encoder in int8", best, rates["raw"], RAW, 1.2))
    langchain = _figure("the same files, beside a plain pipeline", best, rates.get("langchain"), LANGCHAIN, 2)
    haiku = Figure("the same files, beside haiku.rag", "passages/s", best, note=NO_HAIKU)
    return [*figures, langchain, haiku]


def _figure(what: str, parley: float, raw: float | None, against: str, at_least: float) -> Figure:
    note = "not installed; `.venv/bin/pip install '.[bench]'` brings it" if raw is None else ""
    return Figure(what, "passages/s", parley, raw, against, Target("ratio", "≥", at_least), note)


def _times(sides: dict[str, Side], repetitions: int, progress: Progress) -> dict[str, list[float]]:
    """Seconds of each side, in turns."""
    took_s: dict[str, list[float]] = {name: [] for name in sides}
    for _, name in progress.track(alternately(list(sides), repetitions), description="ingest"):
        began = time.perf_counter()
        sides[name]()
        took_s[name].append(time.perf_counter() - began)
    return took_s


def _parley(settings: Settings, folder: Path, files: Path, precision: Precision) -> Side:
    """An ingest into a corpus of its own each time, with one encoder that is loaded before."""
    embedder = build_embedder(settings.retrieval.model_copy(update={"precision": precision}))
    embedder.encode(["warm"])
    corpora = (folder / f"{precision}-{number}" for number in count())
    return lambda: _ingest(settings, next(corpora), files, embedder)


def _ingest(settings: Settings, data_dir: Path, files: Path, embedder: Embedder) -> None:
    corpus = Corpus.open(settings.retrieval, data_dir, embedder)
    report = ingest([files], corpus, settings.ingest)
    corpus.close()
    if refused := report.counts()["refused"]:
        raise RuntimeError(f"{refused} of the bench's own files were refused: {report.files[0].detail}")


def _write_files(folder: Path, passages: int) -> None:
    """Sections of the sample documents, shuffled and numbered; each is about a passage long."""
    folder.mkdir()
    chance = random.Random(7)  # noqa: S311
    words = " ".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))).replace("#", "").split()
    for first in range(0, passages, PASSAGES_PER_FILE):
        sections = []
        for number in range(first, min(first + PASSAGES_PER_FILE, passages)):
            start = chance.randrange(len(words) - WORDS_PER_PASSAGE)
            sections.append(f"## Section {number}\n\n{' '.join(words[start : start + WORDS_PER_PASSAGE])}\n")
        (folder / f"{first}.md").write_text("\n".join(sections), encoding="utf-8")


def _indexed_texts(settings: Settings, folder: Path) -> list[str]:
    """What an ingest of the files hands to the encoder, found with one that takes no time."""
    encoder = _Listening()
    _ingest(settings, folder / "texts", folder / "files", encoder)
    return encoder.heard


class _Listening(HashingEmbedder):
    """Keeps what it was asked to encode."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.heard.extend(texts)
        return super().encode(texts)
