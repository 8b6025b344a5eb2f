"""The local engine: parsing ahead of the encoder, in bounded memory, and no failure that is swallowed."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ingest.engines.shelf import Shelf
from ingest.pipeline import ingest, ingest_from
from ingest.report import FileReport
from ingest.settings import IngestSettings
from ingest.sources.base import Content, Discovery, Found
from ingest.stages import Step
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.settings import RetrievalSettings


def step(name: str, passages: int = 0) -> Step:
    return Step(FileReport(name=name, source=name, status="added", passages=passages))


def names(steps: Sequence[Step]) -> list[str]:
    return [each.report.name for each in steps]


class Slow(HashingEmbedder):
    """Takes its time, and remembers how much it was given at once."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.batches.append(len(texts))
        time.sleep(0.3)
        return super().encode(texts)


@pytest.fixture
def files(folder: Path) -> Path:
    for number in range(30):
        (folder / f"{number:02}.md").write_text(f"# Rule {number}\nRule {number} allows {number} days of leave.")
    return folder


def test_the_encoder_takes_all_that_was_parsed_while_it_was_busy(files: Path, tmp_path: Path) -> None:
    embedder = Slow()
    corpus = Corpus.open(RetrievalSettings(), tmp_path / "data", embedder)
    report = ingest([files], corpus, IngestSettings())
    assert (report.passages, sum(embedder.batches)) == (30, 30)
    assert len(embedder.batches) < 15
    corpus.close()


def test_one_parser_or_three_make_the_same_corpus(files: Path, tmp_path: Path) -> None:
    made = []
    for parsers in (1, 3):
        corpus = Corpus.open(RetrievalSettings(), tmp_path / str(parsers), HashingEmbedder())
        report = ingest([files], corpus, IngestSettings(parsers=parsers))
        made.append((report.files, corpus.documents(), {passage.id for passage in corpus.added_since(0)}))
        corpus.close()
    assert made[0] == made[1]


class Unforeseen(Found):
    """A file whose reading fails as no file should."""

    __slots__ = ()

    def read(self, max_bytes: int, known: str = "") -> Content:
        raise ZeroDivisionError


class OneFile:
    """A source that holds one such file."""

    name = "trouble"

    def discover(self) -> Discovery:
        return Discovery(files=[Unforeseen("a.md", "a.md")])


def test_what_fails_in_a_thread_is_raised_and_publishes_nothing(corpus: Corpus, settings: IngestSettings) -> None:
    with pytest.raises(ZeroDivisionError):
        ingest_from(OneFile(), corpus, settings)
    assert corpus.release().number == 0


def test_a_full_shelf_makes_its_givers_wait_until_something_is_taken() -> None:
    shelf = Shelf(room=3 * step("").weight)
    shelf.enter()
    given: list[str] = []

    def give() -> None:
        for number in range(10):
            shelf.put(step(str(number)))
            given.append(str(number))
        shelf.leave()

    threading.Thread(target=give, daemon=True).start()
    time.sleep(0.2)
    assert len(given) == 3
    taken: list[str] = []
    while steps := shelf.take(2):
        assert len(steps) <= 2
        taken += names(steps)
    assert taken == [str(number) for number in range(10)]


def test_a_large_step_is_taken_whole() -> None:
    shelf = Shelf(room=10**9)
    shelf.enter()
    for name, passages in (("a", 100), ("b", 500), ("c", 1)):
        shelf.put(step(name, passages))
    shelf.leave()
    assert names(shelf.take(256)) == ["a", "b"]
    assert names(shelf.take(256)) == ["c"]
    assert shelf.take(256) == []


def test_a_closed_shelf_lets_its_givers_go() -> None:
    shelf = Shelf(room=1)
    assert shelf.put(step("a"))
    answers: list[bool] = []
    giver = threading.Thread(target=lambda: answers.append(shelf.put(step("b"))))
    giver.start()
    shelf.close()
    giver.join(5)
    assert answers == [False]


def test_a_giver_that_fails_is_heard_of_where_steps_are_taken() -> None:
    shelf = Shelf(room=1)
    shelf.enter()
    shelf.enter()
    shelf.leave(RuntimeError("no disk"))
    with pytest.raises(RuntimeError, match="no disk"):
        shelf.take(1)
