"""What is said more than once is found, with owners and shares; what is merely alike is not."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from retrieval.duplicates import Duplicates, find_duplicates
from retrieval.passages import Document, Passage

LEAVE = "Every employee has thirty days of leave in a year, of which five may be carried over until the end of March."
TRAVEL = "Travel inside the country is booked by train in second class, and the receipts are handed in within a month."
NOTICE = "This document is for internal use only and must not be given to anybody outside of the company at any time."


def passage(document: str, position: int, text: str) -> Passage:
    key = f"{document}#{position}"
    return Passage(
        id=key, document_id=document, document=document, title="", page=None, heading="", text=text, position=position
    )


def document(name: str) -> Document:
    kept = {"title": "", "content_hash": "", "media_type": "text/plain", "size_bytes": 0}
    return Document(id=name, source=f"/{name}", name=name, owner=f"owner of {name}", **kept)


def found_in(**texts: Iterable[str]) -> Duplicates:
    passages = [passage(name, at, text) for name, its_texts in texts.items() for at, text in enumerate(its_texts)]
    return find_duplicates(7, passages, {name: document(name) for name in texts})


def groups(found: Duplicates) -> list[list[str]]:
    return [[place.passage_id for place in group] for group in found.groups]


def test_copies_are_found_with_owner_and_share() -> None:
    found = found_in(handbook=[LEAVE, TRAVEL, NOTICE, "Short."], copy=[LEAVE, TRAVEL], other=[NOTICE])
    assert groups(found) == [["copy#0", "handbook#0"], ["copy#1", "handbook#1"], ["handbook#2", "other#0"]]
    assert (found.release, found.passages) == (7, 7)
    rows = [(row.document, row.copied, row.share, row.mostly_in) for row in found.documents]
    assert rows == [("copy", 2, 1.0, "handbook"), ("other", 1, 1.0, "handbook"), ("handbook", 3, 0.75, "copy")]
    assert (found.documents[0].owner, found.documents[0].mostly_in_owner) == ("owner of copy", "owner of handbook")


def test_a_passage_with_a_few_other_words_is_nearly_the_same_and_one_with_many_is_not() -> None:
    long = " ".join([LEAVE, TRAVEL, NOTICE])
    changed = long.replace("thirty days", "28 days").replace("  ", " ").upper() + "\nSee also the portal."
    rewritten = long.replace("in a year", "each year").replace("by train", "by bus").replace("only", "alone")
    assert groups(found_in(a=[long], b=[changed])) == [["a#0", "b#0"]]
    assert groups(found_in(a=[long], b=[rewritten.replace("the", "some")])) == []


def test_signs_without_spaces_are_compared_too() -> None:
    text = "員工每年有三十天的年假,其中五天可以結轉到三月底"
    assert groups(found_in(a=[text], b=[text + "。"])) == [["a#0", "b#0"]]


def test_titles_and_repeats_within_a_document_make_no_copied_document() -> None:
    found = found_in(a=["Annual report", LEAVE, LEAVE], b=["Annual report"])
    assert (groups(found), found.documents) == ([["a#1", "a#2"]], [])


def test_boilerplate_counts_as_copied_but_ties_no_two_documents() -> None:
    found = found_in(**{f"d{number:02}": [NOTICE, f"Text {number}."] for number in range(60)})
    assert len(found.groups[0]) == 60
    assert {(row.copied, row.share, row.mostly_in) for row in found.documents} == {(1, 0.5, "")}


def test_an_empty_corpus_has_none() -> None:
    found = find_duplicates(0, [], {})
    assert (found.groups, found.documents, found.passages) == ([], [], 0)


@pytest.mark.parametrize("kept", [0.97, 0.9])
def test_copies_among_many_passages_are_all_found_and_nothing_else(kept: float) -> None:
    chance = random.Random(3)
    vocabulary = ["".join(chance.choices("abcdefghijklmnop", k=6)) for _ in range(5000)]
    texts = [chance.choices(vocabulary, k=150) for _ in range(300)]
    cut = [text[: int(len(text) * kept)] for text in texts[:100]]
    found = found_in(a=map(" ".join, texts), b=map(" ".join, cut))
    expected = {(f"a#{number}", f"b#{number}") for number in range(100)}
    assert {tuple(group) for group in groups(found)} == expected
