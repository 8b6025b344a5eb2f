"""`parley evals citations`: when a cited page holds an answer, and what the command prints and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from evals.cited_pages import figures, hold
from evals.command import evals_app

PAGES = {
    1: "The company makes chips and sells them to makers of phones.",
    2: "Net cash from operations | Three months: 23,198 | Last year: 24,540",
    3: "Purchases of equipment come to $6.3 billion, or 12.5% of sales.",
    4: "The court dismissed the lawsuit over patents. The makers of phones have appealed.",
}
GATES = "# Gates\n\nThe north gate opens at 06:00 and has 1,250 visitors a day.\n"
BADGES = "# Badges\n\nA lost badge costs 17.50 euros, which the porter takes.\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$23.198 billion", {"23198"}),
        ("23,198 and 24,540.", {"23198", "24540"}),
        ("in 2023, on page 51 and 12 times", set()),
        ("7% or 12.50", {"7", "125"}),
    ],
)
def test_figures_compare_across_units(text: str, found: set[str]) -> None:
    assert figures(text) == found


@pytest.mark.parametrize(
    ("cited", "answer", "holds"),
    [
        ([2], "It was $23.198 billion, against $24.540 billion.", True),
        ([3], "It was $23.198 billion, against $24.540 billion.", False),
        ([2], "It was 23,198 million; equipment cost $6.3 billion, 12.5% of sales.", False),
        ([2, 3], "It was 23,198 million; equipment cost $6.3 billion, 12.5% of sales.", True),
        ([4], "The lawsuit over patents was dismissed by the court.", True),
        ([1], "The lawsuit over patents was dismissed by the court.", False),
        ([4], "Dismissed; see 99,999 for the patents.", True),
        ([], "The lawsuit was dismissed.", False),
        ([1], "Nothing is known.", False),
    ],
)
def test_a_page_holds_an_answer_by_its_figures_or_else_by_its_words(cited: list[int], answer: str, holds: bool) -> None:
    assert hold(cited, PAGES, answer, "What happened?") is holds


def test_figures_of_the_question_prove_nothing() -> None:
    assert not hold([2], PAGES, "Equipment: $6.3 billion of 23,198.", "What of 23,198 was for equipment?")


def run(folder: Path, *questions: dict[str, str]) -> Result:
    documents = folder / "documents"
    documents.mkdir()
    (documents / "gates.md").write_text(GATES)
    (documents / "badges.md").write_text(BADGES)
    asked = folder / "questions.jsonl"
    asked.write_text("\n".join(map(json.dumps, questions)))
    options = ["--documents", str(documents), "--questions", str(asked), "--json"]
    return CliRunner().invoke(evals_app, ["citations", *options])


@pytest.mark.model
def test_the_whole_product_is_asked(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        {"question": "How many visitors does the north gate have?", "document": "gates*", "answer": "1,250 a day"},
        {"question": "What does a lost badge cost?", "document": "badges.md", "answer": "99.90 euros for the porter"},
        {"question": "What does a lost badge cost?", "document": "gates*", "answer": "17.50 euros"},
        {"question": "Who discovered penicillin in London?", "document": "gates*", "answer": "Nobody here"},
    )
    assert json.loads(result.stdout) == {"questions": 4, "abstained": 0.25, "cited_document": 0.5, "cited_page": 0.5}


def test_a_malformed_line_is_named(tmp_path: Path) -> None:
    result = run(tmp_path, {"question": "What does it cost?", "document": "badges.md"})
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Line 1 of questions.jsonl does not fit (answer: Field required)" in result.stderr
