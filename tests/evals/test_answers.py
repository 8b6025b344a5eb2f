"""How answers are judged, and that the questions fit the documents."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from agents.turn import Status, TurnResult
from evals.answers import Outcome, contains, score
from evals.questions import Case, docs_cases, reader_group, xquad_cases
from evals.setup import DOCS, Paragraph, passage, publish, xquad
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.settings import RetrievalSettings

PARAGRAPHS = [
    Paragraph("Rivers", "The Danube is 2,850 kilometres long.", (("How long is the Danube?", ("2,850 kilometres",)),)),
    Paragraph("Rivers", "The Rhine ends in the Netherlands.", (("Where does the Rhine end?", ("the Netherlands",)),)),
    Paragraph("Lakes", "Lake Constance is 251 metres deep.", (("How deep is Lake Constance?", ("251 metres",)),)),
]


def outcome(status: Status | None, text: str, answers: tuple[str, ...] | None, **figures: float) -> Outcome:
    case = Case(question="?", answers=answers)
    if status is None:
        return Outcome(case, None)
    return Outcome(
        case, TurnResult(turn_id=UUID(int=1), thread_id="t", status=status, question="?", text=text, **figures)
    )


@pytest.mark.parametrize(
    ("text", "answer", "held"),
    [
        ("> They gave up **308** points. [1]", "308", True),
        ("It ends in the Netherlands[2].", "The Netherlands", True),
        ("Use `parley ingest --dry-run`.", "--dry-run", True),
        ("They gave up 3080 points.", "308", False),
        ("See [308].", "308", False),
    ],
)
def test_an_answer_is_found_as_whole_words_whatever_surrounds_it(text: str, answer: str, held: bool) -> None:
    assert contains(text, answer) is held


def test_shares_are_taken_over_what_they_apply_to() -> None:
    scores = score(
        [
            outcome("answered", "It is 5 days.", ("5 days", "five"), sentences=3, unsupported=1, total_s=1.0),
            outcome("answered", "It is 3 days.", ("5 days",), sentences=1, unsupported=0, total_s=3.0),
            outcome("abstained", "Nearest: 5 days.", ("5 days",), total_s=2.0),
            outcome(None, "", ("5 days",)),
            outcome("abstained", "I could not find it.", None, total_s=2.0),
            outcome("answered", "It is blue.", None, total_s=2.0),
        ]
    )
    assert (scores.answerable, scores.unanswerable, scores.failed) == (4, 2, 1)
    assert (scores.answer_contained, scores.wrong_abstention) == (0.25, 0.25)
    assert (scores.abstention_recall, scores.abstention_precision) == (0.5, 0.5)
    assert scores.unsupported_rate == 0.25
    assert (scores.latency_ms_p50, scores.evidence_ms_p50) == (2000, None)


def test_what_does_not_apply_is_not_zero() -> None:
    scores = score([outcome("answered", "Five.", ("five",))])
    assert (scores.abstention_recall, scores.abstention_precision, scores.unsupported_rate) == (None, None, None)


def test_every_expected_answer_stands_in_the_sample_documents() -> None:
    docs = " ".join(path.read_text(encoding="utf-8") for path in DOCS.glob("*.md"))
    cases = docs_cases()
    assert sum(case.answers is None for case in cases) >= 5
    for case in cases:
        assert case.answers is None or any(contains(docs, answer) for answer in case.answers), case


def test_the_second_time_its_own_paragraph_is_hidden_from_the_one_who_asks(tmp_path: Path) -> None:
    corpus = Corpus.open(RetrievalSettings(), tmp_path, HashingEmbedder())
    numbered = enumerate(PARAGRAPHS)
    publish(corpus, [passage(at, each.title, each.text, (reader_group(at),)) for at, each in numbered])
    cases = xquad_cases(PARAGRAPHS, 3, seed=1)
    assert [case.answers is None for case in cases] == [False, True] * 3
    for open_case, hidden_case in zip(cases[::2], cases[1::2], strict=True):
        held = [
            [any(contains(hit.passage.text, answer) for answer in open_case.answers or ()) for hit in hits]
            for hits in (corpus.search_now(case.question, groups=case.groups) for case in (open_case, hidden_case))
        ]
        assert [len(each) for each in held] == [3, 2]
        assert [any(each) for each in held] == [True, False]
    corpus.close()


def test_the_same_seed_asks_the_same_questions(shared_data: Path) -> None:
    paragraphs = xquad()
    assert len(paragraphs) == 240
    assert xquad_cases(paragraphs, 5, seed=3) == xquad_cases(paragraphs, 5, seed=3)
    assert xquad_cases(paragraphs, 5, seed=3) != xquad_cases(paragraphs, 5, seed=4)
