"""A question about a period is answered from the document of that period."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest

from agents.models.scripted import ScriptedChat
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.filters import Filters
from retrieval.passages import Document, Passage
from retrieval.settings import RetrievalSettings

REPORTS = {
    "2023 Q1 [draft] ACM.md": ["The net income of the company was 11 million.", "Acme makes gates."],
    "2023 Q2 ACM.md": ["The net income of the company was 22 million.", "Acme makes gates and bridges."],
    "2022 Q4 ACM.md": [
        f"The net income of {part} was {part[1:]} million." for part in ("G12", "B17", "T25", "R31", "K48")
    ]
    + ["Acme makes nothing yet."],
    "2023 Q1 BLT.md": ["The net income of the company was 33 million.", "Bolt makes bolts."],
}


@pytest.fixture
def reports(tmp_path: Path) -> Iterator[Corpus]:
    with corpus_of(REPORTS, tmp_path) as corpus:
        yield corpus


@contextmanager
def corpus_of(reports: Mapping[str, list[str]], folder: Path) -> Iterator[Corpus]:
    corpus = Corpus.open(RetrievalSettings(neighbours=0), folder, HashingEmbedder())
    with closing(corpus):
        with corpus.draft() as draft:
            for name, texts in reports.items():
                draft.put(*document(name, texts))
            draft.publish()
        yield corpus


def document(name: str, texts: list[str]) -> tuple[Document, list[Passage]]:
    key = str(uuid5(NAMESPACE_URL, name))
    held = {"document_id": key, "document": name, "title": "", "page": None, "heading": ""}
    passages = [
        Passage(id=str(uuid5(NAMESPACE_URL, text)), text=text, position=at, **held) for at, text in enumerate(texts)
    ]
    kept = Document(
        id=key, source=name, name=name, title="", media_type="text/plain", size_bytes=1,
        content_hash=hashlib.sha256(name.encode()).hexdigest(),
    )  # fmt: skip
    return kept, passages


@pytest.mark.parametrize(
    ("question", "figure"),
    [
        ("What was the net income of Acme in Q1 2023?", "11 million"),
        ("What was the net income of Acme in Q2 2023?", "22 million"),
        ("What was the net income of Acme in the latest quarter?", "22 million"),
        ("What was Bolt's net income in Q1 2023?", "33 million"),
    ],
)
async def test_the_report_of_the_period_answers(open_assistant, ask, reports, question: str, figure: str) -> None:
    async with open_assistant(ScriptedChat(), parts={"corpus": reports}) as assistant:
        result = await assistant.ask(ask(question))
    assert result.status == "answered"
    assert figure in result.text
    assert len({citation.passage.document for citation in result.citations}) == 1


async def test_a_report_is_quoted_at_more_length_than_a_corpus(open_assistant, ask, reports) -> None:
    async with open_assistant(ScriptedChat(), parts={"corpus": reports}) as assistant:
        of_report = await assistant.ask(ask("What was the net income of Acme in Q4 2022?"))
        of_all = await assistant.ask(ask("What was the net income of the company?"))
    assert len(of_report.citations) > 3 >= len(of_all.citations) > 0


async def test_each_part_of_a_question_about_a_report_is_looked_up(open_assistant, ask, reports) -> None:
    asked = ask("How does the net income of Acme in Q2 2023 relate to the bridges that Acme makes?")
    async with open_assistant(ScriptedChat(), parts={"corpus": reports}) as assistant:
        result = await assistant.ask(asked)
    assert "22 million" in result.text
    assert "gates and bridges" in result.text


async def test_a_row_that_is_called_what_is_asked_for_is_quoted(open_assistant, ask, tmp_path: Path) -> None:
    told = [
        f"In {town} of Acme the stock was what the stock was."
        for town in ["Lyon", "Graz", "Gent", "Bari", "Brno", "Cork", "Hull", "Kiel"]
    ]
    sheet = "Assets\n\nCash | 12\nStock | 4,268 | 3,742\nLand | 7\nPatents | 31\nGoodwill | 19"
    with corpus_of({"2023 Q1 ACM.md": [*told, sheet]}, tmp_path) as corpus:
        best = await corpus.search("What was stock", groups=["everyone"])
        assert sheet not in [hit.passage.text for hit in best]
        async with open_assistant(ScriptedChat(), parts={"corpus": corpus}) as assistant:
            result = await assistant.ask(ask("What was Acme's stock in Q1 2023?"))
    assert "4,268" in result.text


async def test_a_period_without_a_report_is_looked_for_everywhere(open_assistant, ask, reports) -> None:
    async with open_assistant(ScriptedChat(), parts={"corpus": reports}) as assistant:
        result = await assistant.ask(ask("What was the net income of the company Acme in Q3 2019?"))
    assert result.citations


async def test_who_says_where_to_look_is_obeyed(open_assistant, ask, reports) -> None:
    request = ask("What was the net income of Acme in Q1 2023?")
    request = request.model_copy(update={"where": Filters(documents=("2023 Q1 BLT.md",))})
    async with open_assistant(ScriptedChat(), parts={"corpus": reports}) as assistant:
        result = await assistant.ask(request)
    assert {citation.passage.document for citation in result.citations} <= {"2023 Q1 BLT.md"}
