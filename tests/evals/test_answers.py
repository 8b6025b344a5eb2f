"""How answers are judged, what `parley evals answers` prints and refuses, and that the questions fit the documents."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from agents.models.scripted import ScriptedChat
from agents.turn import Citation, Status, TurnResult
from evals.answer_scores import score
from evals.answers import measure, sampled
from evals.asking import Outcome
from evals.command import evals_app
from evals.questions import Case, docs_cases, read_cases
from evals.setup import DOCS, Paragraph, xquad
from evals.shown import contains, statements, supports, token_f1
from evals.xquad import documents, questions
from retrieval.passages import Passage

KEYS = [
    *("answer_contained", "token_f1", "abstention_precision", "abstention_recall", "answerability_auc"),
    *("unsupported_rate", "citation_precision", "citation_recall", "latency_ms_p50"),
]
PARAGRAPHS = [
    Paragraph("Rivers", "The Danube is 2,850 kilometres long.", (("How long is the Danube?", ("2,850 kilometres",)),)),
    Paragraph("Rivers", "The Rhine ends in the Netherlands.", (("Where does the Rhine end?", ("the Netherlands",)),)),
    Paragraph("Lakes", "Lake Constance is 251 metres deep.", (("How deep is Lake Constance?", ("251 metres",)),)),
]
LEAVE = Passage(
    id="1",
    document_id="d",
    document="leave.md",
    title="Leave",
    page=None,
    heading="Annual leave",
    text="Up to 5 unused days\nmay be carried over. They expire on 31 March.",
    position=0,
)


def outcome(status: Status | None, text: str, answers: tuple[str, ...] | None, **figures: float | None) -> Outcome:
    case = Case(question="?", answers=answers)
    if status is None:
        return Outcome(case, None)
    cited = [Citation(number=1, passage=LEAVE)]
    result = TurnResult(
        turn_id=UUID(int=1), thread_id="t", status=status, question="?", text=text, citations=cited, **figures
    )
    return Outcome(case, result)


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


def test_words_agree_as_in_squad() -> None:
    assert token_f1("The Panthers!", "Panthers") == 1.0
    assert token_f1("five days of leave", "five days") == pytest.approx(2 / 3)
    assert token_f1("never", "five days") == 0.0


def test_an_answer_falls_into_statements_with_their_sources() -> None:
    markdown = "> Run `\\[a\\]`  \n> now. Or never. [2]\n\nIt is 3 \\_times\\_ [1] faster. [12] "
    cut = statements(markdown)
    assert [each.number for each in cut] == [2, 1, 12]
    assert cut[0].sentences == ["Run `[a]`  \nnow.", "Or never."]
    assert cut[1].text == "It is 3 _times_"


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("Up to 5 unused days may be carried over.", True),
        ("Annual leave: up to 5 unused days may be carried over.", True),
        ("Up to 6 unused days may be carried over.", False),
        ("Up to 5 unused days may be carried over by the kitchen staff.", False),
    ],
)
def test_a_passage_says_a_sentence_only_in_its_own_words(sentence: str, said: bool) -> None:
    assert supports(LEAVE, sentence) is said


def test_shares_are_taken_over_what_they_apply_to() -> None:
    scores = score(
        [
            outcome(
                "answered",
                "> Up to 5 unused days may be carried over. [1]\n\nIt is 5 days. [1] ",
                ("5 unused days", "five"),
                sentences=3,
                unsupported=1,
                answerability=0.9,
                total_s=1.0,
            ),
            outcome("answered", "It is 3 days.", ("7 days",), sentences=1, answerability=0.4, total_s=3.0),
            outcome("abstained", "Nearest: 5 days.", ("5 days",), answerability=0.1, total_s=2.0),
            outcome(None, "", ("5 days",)),
            outcome("abstained", "I could not find it.", None, answerability=0.1, total_s=2.0),
            outcome("answered", "It is blue. [1] ", None, answerability=0.2, total_s=2.0),
        ]
    )
    assert (scores.answerable, scores.unanswerable, scores.failed) == (4, 2, 1)
    assert (scores.answer_contained, scores.wrong_abstention) == (0.25, 0.25)
    assert scores.token_f1 == pytest.approx((4 / 7 + 1 / 3) / 4)  # "It is 5 days" and "It is 3 days"
    assert (scores.abstention_recall, scores.abstention_precision) == (0.5, 0.5)
    assert scores.answerability_auc == pytest.approx((2 + 2 + 0.5) / 6)
    assert scores.withheld_rate == 0.25
    assert scores.unsupported_rate == 0.5  # the one that cites nothing, and the one that is blue
    assert scores.citation_precision == pytest.approx(2 / 3)
    assert scores.citation_recall == 0.5
    assert (scores.latency_ms_p50, scores.evidence_ms_p50) == (2000, None)


def test_what_does_not_apply_is_not_zero() -> None:
    scores = score([outcome("abstained", "", ("five",))])
    assert (scores.abstention_recall, scores.unsupported_rate, scores.citation_recall) == (None, None, None)
    assert (scores.answerability_auc, scores.wrong_abstention_at_90, scores.withheld_rate) == (None, None, None)


def test_every_expected_answer_stands_in_the_sample_documents() -> None:
    docs = " ".join(path.read_text(encoding="utf-8") for path in DOCS.glob("*.md"))
    cases = docs_cases()
    assert sum(case.answers is None for case in cases) >= 5
    for case in cases:
        assert case.answers is None or any(contains(docs, answer) for answer in case.answers), case


def files(folder: Path, asked: list[dict[str, object]], held: list[dict[str, object]]) -> tuple[Path, Path]:
    paths = folder / "questions.jsonl", folder / "corpus.jsonl"
    for path, lines in zip(paths, (asked, held), strict=True):
        path.write_text("\n".join(map(json.dumps, lines)))
    return paths


def run(folder: Path, asked: list[dict[str, object]], held: list[dict[str, object]]) -> Result:
    asked_file, corpus = files(folder, asked, held)
    options = ["--questions", str(asked_file), "--corpus", str(corpus), "--json"]
    return CliRunner().invoke(evals_app, ["answers", *options])


@pytest.mark.model
def test_the_whole_product_is_asked_once_with_and_once_without_each_paragraph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_MODEL__NAME", "scripted")
    result = run(tmp_path, questions(PARAGRAPHS), documents(PARAGRAPHS))
    scores = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [key for key in scores if key in KEYS] == KEYS
    assert (scores["answerable"], scores["unanswerable"], scores["failed"]) == (3, 3, 0)
    assert (scores["answer_contained"], scores["abstention_recall"], scores["answerability_auc"]) == (1.0, 1.0, 1.0)
    assert (scores["unsupported_rate"], scores["citation_precision"], scores["citation_recall"]) == (0.0, 1.0, 1.0)


@pytest.mark.model
def test_without_a_corpus_the_present_one_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
    asked, _ = files(tmp_path, [{"question": "How deep is it?", "answers": None}], [])
    result = CliRunner().invoke(evals_app, ["answers", "--questions", str(asked)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "The corpus is empty. Fill it by `parley ingest FOLDER`" in result.stderr


@pytest.mark.model
def test_a_model_that_fails_is_counted(tmp_path: Path) -> None:
    asked, corpus = files(tmp_path, questions(PARAGRAPHS)[:1], documents(PARAGRAPHS))
    broken = ScriptedChat(rules={"Danube": RuntimeError("gone")})
    outcomes = measure(read_cases(asked), corpus, Console(quiet=True), broken)
    assert score(outcomes).failed == 1
    assert score(outcomes).answer_contained == 1.0


@pytest.mark.parametrize(
    ("asked", "held", "complaint"),
    [
        ([{"question": " ", "answers": None}], [], "Line 1 of questions.jsonl does not fit (question: "),
        ([{"question": "Who?"}], [], "(answers: Field required)"),
        ([{"question": "Who?", "answers": "Ann"}], [], "Line 1 of questions.jsonl does not fit (answers"),
        ([{"question": "Who?", "answers": []}], [], "Line 1 of questions.jsonl does not fit (answers"),
        ([{"question": "Who?", "answers": None}], [{"text": "Ann"}], "Line 1 of corpus.jsonl does not fit (_id"),
        ([{"question": "Who?", "answers": None, "without": ["x"]}], documents(PARAGRAPHS), "hides the document 'x'"),
    ],
)
def test_files_that_do_not_fit_are_refused_in_a_sentence(
    tmp_path: Path, asked: list[dict[str, object]], held: list[dict[str, object]], complaint: str
) -> None:
    result = run(tmp_path, asked, held)
    assert (result.exit_code, result.stdout) == (1, "")
    assert complaint in result.stderr


def test_a_sample_is_the_same_every_time() -> None:
    cases = [Case(question=str(number), answers=None) for number in range(50)]
    assert sampled(cases, 5) == sampled(cases, 5)
    assert len(set(sampled(cases, 5))) == 5
    assert sampled(cases, 99) == sampled(cases, None) == cases


def test_xquad_is_converted_whole(shared_data: Path) -> None:
    paragraphs = xquad()
    lines = questions(paragraphs)
    assert (len(documents(paragraphs)), len(lines)) == (240, 2 * 1190)
    assert sum(line["answers"] is None for line in lines) == 1190
