"""Encoders: shape, order, threads, and what happens where one is missing."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from retrieval.embedding import (
    HashingEmbedder,
    SentenceTransformerEmbedder,
    batch_characters,
    build_embedder,
    indexed_text,
)
from retrieval.errors import EncoderUnavailable
from retrieval.passages import Passage
from retrieval.settings import RetrievalSettings

TEXTS = ["a much longer text about the carrying over of leave days " * 8, "leave", "", "the dog ran", "leave days"]


@pytest.fixture(scope="module")
def encoder() -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(RetrievalSettings().encoder, batch_characters=30)


def test_the_hashing_encoder_is_deterministic_and_normalised() -> None:
    vectors = HashingEmbedder().encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 256)
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, HashingEmbedder().encode(TEXTS))
    lengths = np.linalg.norm(vectors, axis=1)
    assert lengths == pytest.approx([1, 1, 0, 1, 1], abs=1e-6)


@pytest.mark.model
def test_an_encoder_goes_to_another_process_without_its_weights(encoder: SentenceTransformerEmbedder) -> None:
    vectors = encoder.encode(TEXTS)
    packed = pickle.dumps(encoder)
    assert len(packed) < 1000
    assert np.array_equal(pickle.loads(packed).encode(TEXTS), vectors)


def test_the_hashing_encoder_puts_shared_words_near() -> None:
    leave, dog, both = HashingEmbedder().encode(["leave days", "a dog", "how many leave days"])
    assert leave @ both > dog @ both


@pytest.mark.model
def test_the_real_encoder_keeps_order_across_batches(encoder: SentenceTransformerEmbedder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-4)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert float(encoder.encode([text])[0] @ vector) == pytest.approx(1, abs=5e-3)


@pytest.mark.model
def test_texts_of_like_length_are_read_together_up_to_a_number_of_characters() -> None:
    asked: list[list[str]] = []

    class Listening(SentenceTransformerEmbedder):
        def _encode_batch(self, texts: list[str]) -> np.ndarray:
            asked.append(texts)
            return super()._encode_batch(texts)

    Listening(RetrievalSettings().encoder, batch_characters=30).encode(TEXTS)
    assert asked == [["", "leave", "leave days"], ["the dog ran"], [TEXTS[0]]]
    asked.clear()
    Listening(RetrievalSettings().encoder).encode(TEXTS)
    assert len(asked) == 1


def test_a_gpu_reads_more_at_once_than_a_processor() -> None:
    assert batch_characters("cpu") < batch_characters("cuda") == batch_characters("mps")


@pytest.mark.model
def test_the_real_encoder_of_nothing_is_an_empty_matrix(encoder: SentenceTransformerEmbedder) -> None:
    assert encoder.encode([]).shape == (0, 384)


@pytest.mark.model
def test_the_real_encoder_is_safe_in_threads(encoder: SentenceTransformerEmbedder) -> None:
    expected = encoder.encode(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(lambda _: encoder.encode(TEXTS), range(8)):
            assert np.allclose(vectors, expected, atol=1e-4)


def test_a_missing_encoder_says_what_to_do(tmp_path: Path) -> None:
    for encoder in (str(tmp_path), "nobody/has-this-encoder"):
        with pytest.raises(EncoderUnavailable, match=r"retrieval\.encoder"):
            SentenceTransformerEmbedder(encoder).encode(["text"])


def test_no_hub_is_asked_for_a_missing_encoder() -> None:
    """In a process of its own, because a hub's client reads its switches once."""
    code = """
import socket
def refuse(*_): raise SystemExit("a connection was tried")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from retrieval.embedding import SentenceTransformerEmbedder
from retrieval.errors import EncoderUnavailable
try:
    SentenceTransformerEmbedder("nobody/has-this-encoder").encode(["text"])
except EncoderUnavailable:
    print("refused")
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment)
    assert run.stdout == "refused\n", run.stderr


def test_the_encoder_is_named_without_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "my-encoder"
    folder.mkdir()
    assert build_embedder(RetrievalSettings(encoder=str(folder))).name == "my-encoder"
    assert build_embedder(RetrievalSettings()).name == "all-MiniLM-L6-v2"


def test_importing_retrieval_loads_no_model_library() -> None:
    code = (
        "import sys, retrieval.corpus, retrieval.embedding;"
        "print({'torch', 'sentence_transformers', 'qdrant_client', 'qdrant_edge'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_a_passage_is_indexed_below_its_file_name_title_and_headings() -> None:
    passage = Passage(
        id="1",
        document_id="2",
        document="hr/rules 2023.md",
        title="Handbook",
        page=None,
        heading="Time > Leave",
        text="Five.",
        position=0,
    )
    assert indexed_text(passage) == "rules 2023\nHandbook\nTime > Leave\nFive."
    assert indexed_text(passage.model_copy(update={"heading": ""})) == "rules 2023\nHandbook\nFive."
