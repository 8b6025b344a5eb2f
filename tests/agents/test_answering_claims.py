from __future__ import annotations

import pytest

from agents.answering.claims import ClaimFilter
from agents.answering.quotes import Quote
from agents.answering.ranking import Match
from agents.answering.settings import AnsweringSettings
from retrieval.passages import Hit, Passage


def quote(number: int, text: str, heading: str = "") -> Quote:
    passage = Passage(
        id=str(number),
        document_id="d",
        document="d.md",
        title="Handbook",
        page=None,
        heading=heading,
        text=text,
        position=0,
    )
    match = Match(similarity=0.8, coverage=1, passage_coverage=1, lacks_number=False)
    hit = Hit(passage=passage, score=1)
    return Quote(number=number, hit=hit, start=0, end=len(text), text=text, score=1, match=match)


QUOTES = [
    quote(1, "Up to 5 unused days may be carried over into the next year, where they expire on 31 March."),
    quote(
        2, "Each parent may take 16 weeks within two years of the birth of a child.", heading="Leave > Parental leave"
    ),
]


@pytest.fixture
def claims() -> ClaimFilter:
    return ClaimFilter(QUOTES, "")


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("Up to 5 unused days may be carried over.", "Up to 5 unused days may be carried over. [1] "),
        ("Parental leave is 16 weeks for each parent. [7]\n", "Parental leave is 16 weeks for each parent. [2] "),
        ("Based on the provided sources, the days expire on 31 March.", "The days expire on 31 March. [1] "),
        ("Answer: Each parent may take 16 weeks [1][2].", "Each parent may take 16 weeks. [2] "),
        ("According to the quotes [1], each parent may take 16 weeks.", "Each parent may take 16 weeks. [2] "),
    ],
)
def test_a_supported_sentence_is_shown_with_its_source(claims: ClaimFilter, sentence: str, shown: str) -> None:
    assert claims.feed(sentence) == shown
    assert (claims.sentences, claims.unsupported) == (1, 0)


@pytest.mark.parametrize(
    "sentence",
    [
        "Up to 3 unused days may be carried over.",
        "Unused days may not be carried over.",
        "Each parent may take 16 days.",
        "The days expire on 31 March, says Boris Kern. [1]",
        "The canteen serves lunch from noon.",
        "31.",
    ],
)
def test_an_unsupported_sentence_is_withheld_and_counted(claims: ClaimFilter, sentence: str) -> None:
    assert claims.feed(sentence) is None
    assert (claims.sentences, claims.unsupported) == (1, 1)


@pytest.mark.parametrize(
    "sentence", ["", " \n", "[1]", "Sure!", "Here is the answer:", "I hope this helps!", "Answer:"]
)
def test_chatter_is_dropped_and_not_counted(claims: ClaimFilter, sentence: str) -> None:
    assert claims.feed(sentence) is None
    assert (claims.sentences, claims.unsupported) == (0, 0)


def test_what_the_reader_has_seen_is_not_said_again(claims: ClaimFilter) -> None:
    assert claims.feed(QUOTES[0].text) is None
    assert claims.feed("Up to 5 unused days may be carried over.") is not None
    assert claims.feed("Up to 5 unused days may be carried over.") is None
    assert (claims.sentences, claims.unsupported) == (3, 0)


def test_a_year_in_brackets_is_no_citation() -> None:
    claims = ClaimFilter([quote(1, "The company opened its second office (2015) in the old harbour, with a view.")], "")
    assert (
        claims.feed("The company opened its second office (2015).")
        == "The company opened its second office (2015). [1] "
    )


def test_what_the_model_copies_from_a_hostile_quote_stays_text() -> None:
    claims = ClaimFilter(
        [quote(1, "Read ![the guide](http://evil.example) before the start of each working day, please.")], ""
    )
    shown = claims.feed("Read ![the guide](http://evil.example).")
    assert shown == "Read !\\[the guide\\](http://evil.example). [1] "


def test_without_quotes_nothing_is_shown() -> None:
    claims = ClaimFilter([], "")
    assert claims.feed("Five days.") is None
    assert claims.unsupported == 1


def test_what_is_put_together_from_two_sentences_is_withheld() -> None:
    text = (
        "Full-time staff have 28 days of annual leave. Part-time staff have annual leave in proportion to their hours."
    )
    claims = ClaimFilter([quote(1, text)], "Who gets annual leave in proportion to their hours?")
    assert claims.feed("Full-time staff get annual leave in proportion to their hours.") is None
    assert claims.feed("Part-time staff get it in proportion to their hours.") is not None


def test_the_words_of_the_question_are_not_its_own() -> None:
    sentence = "Staff may carry over up to 5 unused days."
    assert ClaimFilter(QUOTES, "").feed(sentence) is None
    assert ClaimFilter(QUOTES, "How many days may staff carry over?").feed(sentence) is not None


def test_words_of_its_own_are_for_a_larger_model() -> None:
    sentence = "Generously, up to 5 unused days may be carried over."
    assert ClaimFilter(QUOTES, "").feed(sentence) is None
    assert ClaimFilter(QUOTES, "", AnsweringSettings(own_words=0.3)).feed(sentence) is not None


def test_no_more_sentences_are_shown_than_asked_for() -> None:
    claims = ClaimFilter(QUOTES, "")
    assert claims.feed("The canteen serves lunch from noon.") is None
    assert claims.feed("Up to 5 unused days may be carried over.") is not None
    assert claims.feed("Each parent may take 16 weeks.") is None
    assert (
        ClaimFilter(QUOTES, "", AnsweringSettings(model_sentences=2)).feed("Each parent may take 16 weeks.") is not None
    )
    assert (claims.sentences, claims.unsupported) == (3, 1)
