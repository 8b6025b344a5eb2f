"""A library of any size, made up of pieces of real text: its words and vectors lie as those of real passages do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from evals.setup import DOCS, xquad
from retrieval.embedding import Embedder
from retrieval.passages import EVERYONE, Document, Passage

TEAMS = 500
"""Reader groups that share the half of the library that is not everyone's."""
PASSAGES_PER_DOCUMENT = 100
_WORDS = 50
_NOISE = 0.75
"""Length of what is added to a real vector of length 1, which leaves a cosine of about 0.8."""

Shelf = tuple[Document, list[Passage], np.ndarray]
"""A document with its passages and their vectors."""


@dataclass(frozen=True)
class Library:
    """Texts with their vectors, out of which passages are made, and questions about them."""

    texts: list[str]
    vectors: np.ndarray
    questions: list[str]

    @classmethod
    def of(cls, embedder: Embedder) -> Library:
        """XQuAD's paragraphs and questions, or those of the sample documents where XQuAD is absent."""
        known = xquad()
        texts = [paragraph.text for paragraph in known] or _sample_paragraphs()
        questions = [question for paragraph in known for question, _ in paragraph.questions]
        return cls(texts, embedder.encode(texts), questions or [" ".join(text.split()[:9]) for text in texts])

    def shelves(self, passages: int) -> Iterator[Shelf]:
        """Documents that hold so many passages together."""
        chance, noise = random.Random(7), np.random.default_rng(7)  # noqa: S311
        for first in range(0, passages, PASSAGES_PER_DOCUMENT):
            numbers = range(first, min(first + PASSAGES_PER_DOCUMENT, passages))
            document = _document(first)
            about = [chance.randrange(len(self.texts)) for _ in numbers]
            texts = [
                f"{self._piece(chance, text)} {self._piece(chance, chance.randrange(len(self.texts)))}"
                for text in about
            ]
            made = [_passage(document, number, text) for number, text in zip(numbers, texts, strict=True)]
            yield document, made, self._near(about, noise)

    def _piece(self, chance: random.Random, at: int) -> str:
        """Half a passage: words of a text that stand together."""
        words = self.texts[at].split()
        start = chance.randrange(max(1, len(words) - _WORDS // 2))
        return " ".join(words[start : start + _WORDS // 2])

    def _near(self, about: list[int], noise: np.random.Generator) -> np.ndarray:
        size = self.vectors.shape[1]
        vectors = self.vectors[about] + _NOISE * noise.standard_normal((len(about), size)) / np.sqrt(size)
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def team(number: int) -> str:
    """Name of a reader group."""
    return f"team-{number % TEAMS}"


def _sample_paragraphs() -> list[str]:
    text = "\n\n".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md")))
    return [paragraph for paragraph in text.split("\n\n") if len(paragraph.split()) >= _WORDS]


def _document(first: int) -> Document:
    name = f"volume-{first // PASSAGES_PER_DOCUMENT}.txt"
    key = str(uuid5(NAMESPACE_URL, name))
    return Document(id=key, source=name, name=name, title="", content_hash=key, media_type="text/plain", size_bytes=0)


def _passage(document: Document, number: int, text: str) -> Passage:
    """Every other one is everyone's, and one team's else."""
    return Passage(
        id=str(uuid5(NAMESPACE_URL, f"{number}")),
        document_id=document.id,
        document=document.name,
        title="",
        page=None,
        heading="",
        text=text,
        position=number % PASSAGES_PER_DOCUMENT,
        groups=(EVERYONE,) if number % 2 else (team(number // 2),),
    )
