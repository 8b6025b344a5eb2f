"""The right passage comes first: XQuAD English through the product's own search, with the real encoder."""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from retrieval.corpus import Corpus
from retrieval.embedding import Embedder, HashingEmbedder, build_embedder
from retrieval.passages import EVERYONE, Document, Passage
from retrieval.settings import RetrievalSettings

pytestmark = pytest.mark.timeout(600)

XQUAD = Path(__file__).parents[3] / "shared" / "data" / "xquad" / "xquad.en.json"


@dataclass(frozen=True)
class Measure:
    recall_at_5: float
    ndcg_at_10: float


@pytest.fixture(scope="module")
def articles() -> list[dict]:
    if not XQUAD.is_file():
        pytest.skip(f"the XQuAD data set is not at {XQUAD}")
    return json.loads(XQUAD.read_text())["data"]


class RememberingEmbedder:
    """The real encoder, which reads each text once for all of the measurements."""

    def __init__(self) -> None:
        self._inner = build_embedder(RetrievalSettings())
        self._known: dict[str, np.ndarray] = {}
        self.name = self._inner.name

    @property
    def dimension(self) -> int:
        return self._inner.dimension

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        new = [text for text in texts if text not in self._known]
        self._known.update(zip(new, self._inner.encode(new), strict=True))
        return np.stack([self._known[text] for text in texts])


@pytest.fixture(scope="module")
def encoder() -> RememberingEmbedder:
    return RememberingEmbedder()


@pytest.fixture(scope="module")
def folder(articles: list[dict], encoder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("xquad")
    with Corpus.open(RetrievalSettings(), folder, encoder).draft() as draft:
        for article in articles:
            draft.put(*document(article))
        draft.publish()
    return folder


def document(article: dict) -> tuple[Document, list[Passage]]:
    title = article["title"].replace("_", " ")
    document_id = str(uuid.uuid5(uuid.NAMESPACE_URL, title))
    passages = [
        Passage(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, paragraph["context"])),
            document_id=document_id,
            document=title,
            title=title,
            page=None,
            heading="",
            text=paragraph["context"],
            position=position,
        )
        for position, paragraph in enumerate(article["paragraphs"])
    ]
    content_hash = hashlib.sha256(title.encode()).hexdigest()
    return (
        Document(
            id=document_id,
            source=title,
            name=title,
            title=title,
            content_hash=content_hash,
            media_type="text/plain",
            size_bytes=0,
        ),
        passages,
    )


def questions(articles: list[dict]) -> list[tuple[str, str]]:
    """Each question with the paragraph that answers it."""
    return [
        (question["question"], paragraph["context"])
        for article in articles
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


def measure(corpus: Corpus, asked: list[tuple[str, str]]) -> Measure:
    ranks = [rank(corpus, question, context) for question, context in asked]
    return Measure(
        recall_at_5=sum(rank <= 5 for rank in ranks) / len(ranks),
        ndcg_at_10=sum(1 / math.log2(rank + 1) for rank in ranks) / len(ranks),
    )


def rank(corpus: Corpus, question: str, context: str) -> float:
    """1 for the first place; infinite beyond the tenth."""
    found = [hit.passage.text for hit in corpus.search_now(question, groups=[EVERYONE], limit=10)]
    return found.index(context) + 1 if context in found else math.inf


@pytest.mark.parametrize(
    ("language", "least"), [("en", 0.96), ("de", 0.94), ("es", 0.955), ("hi", 0.935), ("zh", 0.955)]
)
def test_words_alone_find_the_passage_in_each_language(
    articles: list[dict], tmp_path: Path, language: str, least: float
) -> None:
    """Of every fourth question."""
    articles = json.loads(XQUAD.with_name(f"xquad.{language}.json").read_text())["data"]
    corpus = Corpus.open(RetrievalSettings(dense_weight=0.0), tmp_path, HashingEmbedder())
    with corpus.draft() as draft:
        for article in articles:
            draft.put(*document(article))
        draft.publish()
    assert measure(corpus, questions(articles)[::4]).ndcg_at_10 >= least


@pytest.mark.model
def test_fusion_finds_the_passage_and_beats_its_parts(folder: Path, articles: list[dict], encoder: Embedder) -> None:
    asked = questions(articles)
    encoder.encode([question for question, _ in asked])
    words, fused, meaning = (
        measure(Corpus.open(RetrievalSettings(dense_weight=weight), folder, encoder), asked)
        for weight in (0.0, RetrievalSettings().dense_weight, 1.0)
    )
    assert fused.recall_at_5 >= 0.99
    assert fused.ndcg_at_10 >= 0.96
    assert fused.ndcg_at_10 > max(words.ndcg_at_10, meaning.ndcg_at_10)
