"""Which documents a question about a period is asked of."""

from __future__ import annotations

import pytest

from agents.answering.scope import Period, documents, periods, subject, topic
from retrieval.passages import Hit, Passage


def found(*names: str) -> list[Hit]:
    return [
        Hit(
            passage=Passage(
                id=str(at), document_id=name, document=name, title="", page=None, heading="", text="", position=at
            ),
            score=1.0,
            sparse=2.0,
        )
        for at, name in enumerate(names)
    ]


APPLE = found(*["2022 Q3 AAPL.pdf"] * 4, *["2023 Q1 AAPL.pdf"] * 6, *["2023 Q2 AAPL.pdf"] * 3, "2023 Q3 INTC.pdf")
APPLE += found(*["leave.md"] * 9)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Apple's Q2 2023 10-Q", [Period(2023, 2)]),
        ("reports/2022_q3-AAPL.pdf", [Period(2022, 3)]),
        ("the second quarter of fiscal 2023, and 2021", [Period(2023, 2), Period(2021)]),
        ("from Q3 of 2022 to Q1 2023", [Period(2022, 3), Period(2023, 1)]),
        ("20231, 12023, 2023q5 and room 101", [Period(2023)]),
        ("How many days?", []),
    ],
)
def test_periods_are_read_in_any_order(text: str, named: list[Period]) -> None:
    assert periods(text) == named


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What was Apple's net income in Q2 2023?", "apple"),
        ("What did Apple and Intel say in the latest 10-Q?", "apple intel"),
        ("Apple's net income in Q2 2023?", "apple"),
        ("What did Apple's Services earn in Q2 2023?", "apple"),
        ("How did Intel relate to the company's past in Q2 2023?", "intel"),
        ("What's new in the latest report?", ""),
        ("What did Apple say?", ""),
        ("what changed in 2023?", ""),
    ],
)
def test_names_count_only_beside_a_period(question: str, names: str) -> None:
    assert subject(question) == names


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What was Apple's net income in Q1 2023?", ["2023 Q1 AAPL.pdf"]),
        ("How did Apple do in 2023?", ["2023 Q1 AAPL.pdf", "2023 Q2 AAPL.pdf"]),
        ("What does Apple's latest report say?", ["2023 Q2 AAPL.pdf"]),
        ("Apple from Q3 2022 to Q1 2023", ["2022 Q3 AAPL.pdf", "2023 Q1 AAPL.pdf"]),
        ("What was Apple's net income in Q1 2019?", []),
    ],
)
def test_the_documents_of_the_period_are_chosen_among_those_that_speak_of_the_subject(
    question: str, names: list[str]
) -> None:
    assert documents(question, APPLE) == names


def test_documents_without_periods_are_not_chosen() -> None:
    assert documents("What does Apple's latest report say?", found("leave.md", "gates.md")) == []


def test_passages_that_share_no_word_with_the_subject_speak_of_something_else() -> None:
    near = [hit.model_copy(update={"sparse": None}) for hit in found(*["2023 Q2 MSFT.pdf"] * 9)]
    assert documents("How did Apple do in Q2 2023?", [*APPLE, *near]) == ["2023 Q2 AAPL.pdf"]


@pytest.mark.parametrize(
    ("question", "rest"),
    [
        ("What was Apple's net income in Q1 2023?", "What was net income in ?"),
        ("As reported in the latest 10-Q, what did Intel spend on R&D?", "As reported in the , what did spend on R&D?"),
        ("How much of Amazon's revenue came from AWS in Q1 2023?", "How much of revenue came from AWS in ?"),
        ("What about the report of Apple for Q1 2023?", "What about the report of Apple for Q1 2023?"),
    ],
)
def test_what_says_where_to_look_is_not_looked_for(question: str, rest: str) -> None:
    assert topic(question) == rest
