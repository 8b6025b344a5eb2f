"""Complaints against a real corpus and a real assistant: asked again when something changed, closed when it passes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from agents.models.scripted import ScriptedChat
from agents.turn import Asker, Citation, TurnResult, Verdict
from app.bootstrap import Parley, build_parley
from app.complaints import CorpusSources, Rechecks, good_news, passes
from app.ops.store.complaints import Complaint
from app.ops.store.datasets.models import DatasetFields, ExampleFields
from app.settings import Settings
from ingest.pipeline import ingest
from ingest.settings import IngestSettings
from retrieval.embedding import HashingEmbedder
from retrieval.passages import Passage

QUESTION = "How long is the notice period?"
NOTICE = "# Notice\n\nThe notice period is how long you stay: three months.\n"
ANYBODY = Asker(user_hash="u1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handbook").mkdir()
    (tmp_path / "handbook" / "leave.md").write_text("# Leave\n\nAt most five days of leave may be carried over.\n")
    return tmp_path / "handbook"


@pytest.fixture
def parley(tmp_path: Path, folder: Path) -> Iterator[Parley]:
    built = build_parley(
        Settings(data_dir=tmp_path / "data"), model=ScriptedChat(reply="Three months."), embedder=HashingEmbedder()
    )
    ingest([folder], built.corpus, IngestSettings(), owner="people team")
    yield built
    built._close_blocking()


@pytest.fixture
async def rechecks(parley: Parley) -> Rechecks:
    return Rechecks(parley.store, parley.parts, lambda user_hash: ANYBODY, on_passed=parley.evidence.record)


def complaint(**fields: Any) -> Complaint:
    known: dict[str, Any] = {
        "run_id": uuid4(),
        "feedback_id": uuid4(),
        "user_hash": "u1",
        "question": QUESTION,
        "answer": "That is not in the documents.",
        "cause": "no_document",
        "reason": "No document seems to hold the answer.",
        "opened_at": datetime(2026, 11, 20, tzinfo=UTC),
    }
    return Complaint(**(known | fields))


async def test_a_question_is_asked_again_when_a_release_comes_and_closed_when_it_is_answered(
    parley: Parley, rechecks: Rechecks, folder: Path
) -> None:
    one = complaint(thread_id="t1")
    parley.store.complaints.open(one)
    assert await rechecks.check_due() == 0
    assert parley.evidence.sources("t1") == []
    first = parley.store.complaints.get(one.run_id)
    assert first.status == "open"
    assert first.checked_with
    assert first.checked_with.startswith("release 1, no arm, prompt ")
    assert await rechecks.check_due() == 0  # nothing has changed
    (folder / "notice.md").write_text(NOTICE)
    ingest([folder], parley.corpus, IngestSettings())
    assert await rechecks.check_due() == 1
    fixed = parley.store.complaints.get(one.run_id)
    assert fixed.status == "fixed"
    assert [UUID(source.turn_id) for source in parley.evidence.sources("t1")] == [fixed.fixed_run_id]
    assert "three months" in (fixed.fixed_answer or "")
    assert [told.run_id for told in parley.store.complaints.untold("u1")] == [one.run_id]
    assert await rechecks.check_due() == 0


async def test_what_the_owner_wants_said_must_be_said(parley: Parley, rechecks: Rechecks, folder: Path) -> None:
    (folder / "notice.md").write_text(NOTICE)
    ingest([folder], parley.corpus, IngestSettings())
    dataset = parley.store.datasets.create(DatasetFields(name="regressions"))
    example = uuid4()
    fields = ExampleFields(id=example, inputs={"question": QUESTION}, outputs={"answer": "six weeks"})
    parley.store.examples.create(dataset.id, [fields])
    parley.store.complaints.open(complaint(example_id=example))
    assert await rechecks.check_due() == 0


def test_documents_know_their_owner(parley: Parley, folder: Path) -> None:
    sources = CorpusSources(parley.corpus, lambda user_hash: ANYBODY)
    assert sources.owner("leave.md") == "people team"
    assert sources.owner("nothing.md") is None


def test_an_owner_stays_until_another_is_named(parley: Parley, folder: Path) -> None:
    sources = CorpusSources(parley.corpus, lambda user_hash: ANYBODY)
    ingest([folder], parley.corpus, IngestSettings())
    assert sources.owner("leave.md") == "people team"
    ingest([folder], parley.corpus, IngestSettings(), owner="office")
    assert sources.owner("leave.md") == "office"


def test_a_passage_that_reads_differently_has_changed(parley: Parley, folder: Path) -> None:
    sources = CorpusSources(parley.corpus, lambda user_hash: ANYBODY)
    (hit, *_) = parley.corpus.search_now("leave carried over", groups=ANYBODY.groups)
    assert not sources.changed([hit.passage.id])
    (folder / "leave.md").write_text("# Leave\n\nAt most ten days of leave may be carried over.\n")
    ingest([folder], parley.corpus, IngestSettings())
    assert sources.changed([hit.passage.id])


def test_only_what_the_user_may_read_can_have_been_overlooked(parley: Parley, tmp_path: Path) -> None:
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "notice.md").write_text(NOTICE)
    ingest([tmp_path / "board"], parley.corpus, IngestSettings(), groups=("board",))
    member = Asker(user_hash="b", groups=("everyone", "board"))
    sources = CorpusSources(parley.corpus, lambda user_hash: member if user_hash == "b" else ANYBODY)
    assert sources.overlooked(QUESTION, "b", served=[]) == "notice.md"
    assert sources.overlooked(QUESTION, "u1", served=[]) is None
    served = [hit.passage.id for hit in parley.corpus.search_now(QUESTION, groups=member.groups)]
    assert sources.overlooked(QUESTION, "b", served=served) is None
    assert sources.overlooked("", "b", served=[]) is None


def result(text: str = "Three months. [1]", *, cited: bool = True, **fields: Any) -> TurnResult:
    passage = Passage(
        id="p", document_id="d", document="notice.md", title="", page=None, heading="", text=text, position=0
    )
    known: dict[str, Any] = {"turn_id": uuid4(), "thread_id": "t", "status": "answered", "question": QUESTION}
    known |= {"text": text, "citations": [Citation(number=1, passage=passage)] if cited else []}
    return TurnResult(**(known | fields))


BLOCK = Verdict(rail="injection", stage="input", action="block")


@pytest.mark.parametrize(
    ("cause", "answer", "wanted", "passed"),
    [
        ("no_document", result(), None, True),
        ("no_document", result(cited=False), None, False),
        ("no_document", result(status="abstained"), None, False),
        ("unsupported", result("That is  not in the documents."), None, False),
        ("answer", result(), "three months", True),
        ("answer", result(), "six weeks", False),
        ("fault", result(status="failed"), None, False),
        ("fault", result(status="abstained", cited=False), None, True),
        ("blocked", result(verdicts=[BLOCK]), None, False),
        ("blocked", result(status="abstained", cited=False), None, True),
    ],
)
def test_what_passes(cause: str, answer: TurnResult, wanted: str | None, passed: bool) -> None:
    assert passes(complaint(cause=cause), answer, wanted) is passed


def test_the_news_names_the_question_and_gives_the_answer_without_links_that_lead_nowhere() -> None:
    told = good_news([complaint(fixed_answer="Three months [1]. See \\[2].")])
    assert QUESTION in told
    assert "Three months. See \\[2]." in told


def test_the_news_leaves_out_an_answer_that_not_everybody_may_read() -> None:
    fixed = complaint(fixed_run_id=uuid4(), fixed_answer="Three months [1].")
    told = good_news([fixed], withheld=[fixed.fixed_run_id])
    assert QUESTION in told
    assert "It is answered now." in told
    assert "Three months" not in told
