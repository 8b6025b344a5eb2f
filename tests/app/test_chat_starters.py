"""Starter questions: how they read, whose documents they name, and that they are answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agents.answering.settings import AnsweringSettings
from app.chat.starters import Starters, question_about
from retrieval.corpus import Corpus
from retrieval.passages import Document, Passage
from retrieval.settings import RetrievalSettings

TEXTS = {
    "Leave policy": "Leave policy\nFull-time staff have 28 days of leave in each calendar year.",
    "Comparing offers": "Comparing offers\nThree offers are compared where a purchase costs more than 500 euros.",
    "Board minutes": "Board minutes\nThe board minutes of March say that the canteen moves.",
    "report_final_v2": "Quarterly figures went up.",
    "Unrelated heading": "The train to the coast leaves at noon.",
    "Holidays": "Holidays\nThe office is closed on public holidays.",
}


@pytest.mark.parametrize(
    ("title", "question"),
    [
        ("Leave policy", "Tell me about leave policy"),
        ("Operating Parley", "Tell me about operating Parley"),
        ("Employee Handbook 2026", "Tell me about Employee Handbook 2026"),
        ("IT security", "Tell me about IT security"),
        ("What Parley is", "Tell me what Parley is"),
        ("How to claim expenses", "Tell me how to claim expenses"),
        ("Who may park here?", "Who may park here?"),
        ("Settings", "Tell me about Settings"),
    ],
)
def test_a_title_becomes_a_question(title: str, question: str) -> None:
    assert question_about(title) == question


@pytest.fixture(scope="module")
def starters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starters]:
    corpus = Corpus.open(RetrievalSettings(), tmp_path_factory.mktemp("corpus"))
    with corpus.draft() as draft:
        for title, text in TEXTS.items():
            draft.put(document(title), [passage(title, text)])
        draft.publish()
    yield Starters(corpus, AnsweringSettings())
    corpus.close()


def groups_of(title: str) -> tuple[str, ...]:
    return ("board",) if title == "Board minutes" else ("everyone",)


def document(title: str) -> Document:
    return Document(
        id=title, source=title, name="file.txt", title=title, content_hash=title,
        media_type="text/plain", size_bytes=1, groups=groups_of(title),
    )  # fmt: skip


def passage(title: str, text: str) -> Passage:
    return Passage(
        id=title, document_id=title, document="file.txt", title=title, page=None, heading="",
        text=text, position=0, groups=groups_of(title),
    )  # fmt: skip


def test_unchecked_questions_name_readable_titles_of_the_readers_own_groups(starters: Starters) -> None:
    everyone = ["Tell me about leave policy", "Tell me about comparing offers", "Tell me about unrelated heading"]
    assert sorted(starters.likely(["everyone"])) == sorted([*everyone, "Tell me about Holidays"])
    assert starters.likely(["everyone"])[-1] == "Tell me about Holidays"
    assert starters.likely(["board"]) == ["Tell me about board minutes"]
    assert starters.likely([]) == []


@pytest.mark.model
async def test_checked_questions_are_answered_from_their_document(starters: Starters) -> None:
    questions = await starters.answered(["everyone"])
    assert "Tell me about leave policy" in questions
    assert "Tell me about unrelated heading" not in questions
    assert await starters.answered(["board"]) == ["Tell me about board minutes"]
