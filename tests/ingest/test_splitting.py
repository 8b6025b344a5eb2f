"""Passages: nothing lost, nothing reordered, sizes bounded, places true."""

from __future__ import annotations

import random

import pytest

from ingest.parsers.base import Block, Kind
from ingest.settings import IngestSettings
from ingest.splitting import Piece, passages, split, token_count
from retrieval.passages import Document

SETTINGS = IngestSettings(passage_tokens=60, passage_min_tokens=12)
WORDS = ["leave", "days", "until", "March", "approval", "2023", "1,250", "naïve", "日本語", "e.g.", "(b)"]


DOCUMENT = Document(
    id="7f1d4b0e-5a0e-5c1e-9d57-3d6f0e1c2b3a",
    source="/a",
    name="a",
    title="A",
    content_hash="",
    media_type="text/plain",
    size_bytes=1,
)


def random_text(rng: random.Random, kind: Kind) -> str:
    def sentence() -> str:
        return " ".join(rng.choices(WORDS, k=rng.randint(2, 30))).capitalize() + rng.choice(".?!")

    glue = " " if kind == "paragraph" else "\n"
    return glue.join(sentence() for _ in range(rng.randint(1, 12)))


def random_blocks(rng: random.Random) -> list[Block]:
    blocks, headings = [], ("A",)
    for page in sorted(rng.choices(range(1, 4), k=12)):
        if rng.random() < 0.5:
            headings = tuple(rng.sample("ABCD", k=rng.randint(0, 3)))
        kind: Kind = rng.choice(["paragraph", "list", "table", "code"])
        blocks.append(Block(random_text(rng, kind), kind, headings, page))
    return blocks


@pytest.mark.parametrize("seed", range(30))
def test_every_word_survives_in_order_in_passages_of_bounded_size(seed: int) -> None:
    blocks = random_blocks(random.Random(seed))
    pieces = split(blocks, SETTINGS)
    titles = set("ABCD>")
    kept = [word for piece in pieces for word in piece.text.split() if word not in titles]
    assert kept == [word for block in blocks for word in block.text.split()]
    assert max(token_count(piece.text) for piece in pieces) <= 60 + 12
    assert all(any(map(str.isalnum, piece.text)) for piece in pieces)


def test_pages_and_top_headings_are_never_crossed() -> None:
    blocks = [Block("One.", headings=("A",), page=1), Block("Two.", headings=("A",), page=2)]
    blocks += [Block("Three.", headings=("B",), page=2)]
    assert [(piece.text, piece.heading, piece.page) for piece in split(blocks, SETTINGS)] == [
        ("One.", "A", 1),
        ("Two.", "A", 2),
        ("Three.", "B", 2),
    ]


def test_short_sections_join_with_their_headings_as_lines() -> None:
    blocks = [Block("Ask first.", headings=("Leave", "Rules")), Block("Wait.", headings=("Leave", "Then"))]
    [piece] = split(blocks, SETTINGS)
    assert (piece.heading, piece.text) == ("Leave", "Rules\nAsk first.\nThen\nWait.")


def test_a_split_table_repeats_its_column_names_and_keeps_rows_whole() -> None:
    header = "| 2023 | 2022"
    rows = [f"Product {number} | {number},100 | {number},200" for number in range(20)]
    pieces = split([Block("\n".join([header, *rows]), "table", header=header)], SETTINGS)
    assert len(pieces) > 2
    assert all(piece.text.startswith(f"{header}\n") for piece in pieces)
    assert [row for piece in pieces for row in piece.text.split("\n")[1:]] == rows


def test_a_long_paragraph_is_cut_at_sentences() -> None:
    text = " ".join(f"Sentence number {number} says that leave is granted on request." for number in range(12))
    pieces = split([Block(text)], SETTINGS)
    assert len(pieces) > 1
    assert all(piece.text.startswith("Sentence") and piece.text.endswith("request.") for piece in pieces)


def test_a_word_longer_than_a_passage_is_cut() -> None:
    pieces = split([Block("x" * 5000)], SETTINGS)
    assert "".join(piece.text for piece in pieces) == "x" * 5000
    assert max(token_count(piece.text) for piece in pieces) <= 60


def test_ids_depend_on_document_position_and_text_only() -> None:
    pieces = split([Block("Same."), Block("Same.", headings=("B",)), Block("Other.", headings=("C",))], SETTINGS)
    first, again = passages(DOCUMENT, pieces), passages(DOCUMENT, pieces)
    assert first == again
    assert len({passage.id for passage in first}) == len(first)
    assert [passage.position for passage in first] == list(range(len(first)))
    other = passages(DOCUMENT.model_copy(update={"id": "11111111-5a0e-5c1e-9d57-3d6f0e1c2b3a"}), pieces)
    assert not {passage.id for passage in other} & {passage.id for passage in first}


def test_a_passage_names_its_page_as_the_document_does() -> None:
    pieces = [Piece("Text.", "", 4, "iv"), Piece("Text.", "", 4), Piece("Text.", "", None)]
    assert [passage.page_name for passage in passages(DOCUMENT, pieces)] == ["iv", "4", ""]
