"""Reranking by a real cross-encoder: tiny, with random weights, so its order is its own."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder, indexed_text
from retrieval.passages import EVERYONE, Document, Passage
from retrieval.rerank import Reranker, build_reranker
from retrieval.settings import RetrievalSettings

WORDS = [f"word{number}" for number in range(30)]
TEXTS = [f"{word} leave" for word in WORDS[:12]]
QUESTION = "leave word3"
SaveCrossEncoder = Callable[..., Path]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, save_cross_encoder: SaveCrossEncoder) -> Path:
    return save_cross_encoder(tmp_path_factory.mktemp("models") / "cross-encoder", ["leave", *WORDS])


def reranker(model: Path | str, timeout_s: float = 60) -> Reranker:
    return Reranker(str(model), allow_hub=False, timeout_s=timeout_s)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    document = Document(
        id="d", source="d", name="d.md", title="", content_hash="", media_type="text/plain", size_bytes=0
    )
    passages = [
        Passage(
            id=f"p{place}", document_id="d", document="", title="", page=None, heading="", text=text, position=place
        )
        for place, text in enumerate(TEXTS)
    ]
    corpus = open_corpus(folder)
    with corpus.draft() as draft:
        draft.put(document, passages)
        draft.publish()
    corpus.close()
    return folder


def open_corpus(folder: Path, **settings: object) -> Corpus:
    return Corpus.open(RetrievalSettings.model_validate({"limit": 12} | settings), folder, HashingEmbedder())


def ids(corpus: Corpus, limit: int | None = None) -> list[str]:
    return [hit.passage.id for hit in corpus.search_now(QUESTION, groups=[EVERYONE], limit=limit)]


def test_the_cross_encoder_decides_the_order(folder: Path, model: Path) -> None:
    from sentence_transformers import CrossEncoder

    corpus = open_corpus(folder, reranker=str(model), rerank_timeout_s=60)
    corpus.warm()
    hits = corpus.search_now(QUESTION, groups=[EVERYONE])
    logits = CrossEncoder(str(model)).predict([(QUESTION, indexed_text(hit.passage)) for hit in hits])
    assert [hit.rerank for hit in hits] == pytest.approx(logits.tolist(), abs=1e-5)
    scores = [hit.score for hit in hits]
    assert scores == [hit.rerank for hit in hits] == sorted(scores, reverse=True)
    assert sorted(hit.passage.id for hit in hits) == sorted(ids(open_corpus(folder)))
    assert [hit.passage.id for hit in hits] != ids(open_corpus(folder))
    assert max(hit.fused for hit in hits) == 1


def test_a_search_can_spare_the_cross_encoder(folder: Path, model: Path) -> None:
    corpus = open_corpus(folder, reranker=str(model))
    hits = corpus.search_now(QUESTION, groups=[EVERYONE], rerank=False)
    assert [hit.passage.id for hit in hits] == ids(open_corpus(folder))
    assert {hit.rerank for hit in hits} == {None}


def test_the_best_of_all_candidates_are_returned(folder: Path, model: Path) -> None:
    few = open_corpus(folder, reranker=str(model), rerank_candidates=12, rerank_timeout_s=60)
    assert ids(few, limit=3) == ids(few)[:3]


def test_no_more_than_the_candidates_are_read(folder: Path, model: Path) -> None:
    narrow = open_corpus(folder, reranker=str(model), rerank_candidates=2, rerank_timeout_s=60)
    assert set(ids(narrow, limit=2)) == set(ids(open_corpus(folder), limit=2))


def test_a_missing_model_leaves_the_order_and_says_so_once(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corpus = open_corpus(folder, reranker=str(tmp_path / "nothing"))
    with caplog.at_level(logging.WARNING, "retrieval.rerank"):
        assert ids(corpus) == ids(open_corpus(folder))
        assert ids(corpus) == ids(open_corpus(folder))
    (record,) = caplog.records
    assert "cannot be loaded" in record.getMessage()
    assert "retrieval.reranker" in record.getMessage()


def test_a_model_with_more_than_one_score_is_refused(
    tmp_path: Path, save_cross_encoder: SaveCrossEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    assert reranker(save_cross_encoder(tmp_path / "nli", WORDS, labels=3)).scores("a", ["b"]) is None
    assert "3 scores" in caplog.text


def test_a_cross_encoder_that_takes_too_long_leaves_the_order(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = itertools.count(0, 3).__next__
    slow = Reranker(str(model), allow_hub=False, timeout_s=5, clock=clock)
    assert slow.scores(QUESTION, TEXTS) is None
    assert "took longer than 5 s" in caplog.text


def test_it_is_safe_in_threads(model: Path) -> None:
    shared = reranker(model)
    expected = shared.scores(QUESTION, TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for scores in pool.map(lambda _: shared.scores(QUESTION, TEXTS), range(8)):
            assert scores == pytest.approx(expected, abs=1e-5)


def test_nothing_to_read_has_no_scores(model: Path) -> None:
    assert reranker(model).scores(QUESTION, []) == []


def test_it_is_off_unless_it_is_set(model: Path) -> None:
    assert build_reranker(RetrievalSettings()) is None
    assert build_reranker(RetrievalSettings(reranker=str(model))) is not None
