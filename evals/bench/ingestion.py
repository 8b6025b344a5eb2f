"""Ingest of files into a release beside the bare encoder over the same passages."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import Progress

from app.settings import Settings
from evals.bench.figures import Figure, Target, alternately, median
from evals.setup import DOCS, trial_settings
from ingest.pipeline import ingest
from retrieval.corpus import Corpus
from retrieval.embedding import Embedder, HashingEmbedder, build_embedder, load_sentence_transformer

PASSAGES_PER_FILE = 20


def measure(folder: Path, progress: Progress, *, passages: int = 400, repetitions: int = 2) -> list[Figure]:
    """Parsing, splitting, encoding, storing and publishing against encoding alone, in turns."""
    settings = trial_settings(folder)
    _write_files(folder / "files", passages)
    texts = _indexed_texts(settings, folder)
    embedder = build_embedder(settings.retrieval)
    raw = load_sentence_transformer(settings.retrieval.encoder, allow_hub=False)
    embedder.encode(texts[:8])
    raw.encode(texts[:8])
    rates: dict[str, list[float]] = {"parley": [], "raw": []}
    for turn, side in progress.track(alternately(list(rates), repetitions), description="ingest"):
        began = time.perf_counter()
        if side == "parley":
            _ingest(settings, folder / str(turn), folder / "files", embedder)
        else:
            raw.encode(texts, batch_size=settings.retrieval.batch_size, normalize_embeddings=True)
        rates[side].append(len(texts) / (time.perf_counter() - began))
    what = f"ingest of {len(texts)} passages in {-(-passages // PASSAGES_PER_FILE)} Markdown files"
    target = Target("ratio", "≥", 0.95)
    return [
        Figure(what, "passages/s", median(rates["parley"]), median(rates["raw"]), "SentenceTransformer.encode", target)
    ]


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
            start = chance.randrange(len(words) - 120)
            sections.append(f"## Section {number}\n\n{' '.join(words[start : start + 120])}\n")
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
