"""From a thumbs-down to a closed complaint, over a real store."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.ops.complaints import ComplaintDesk, UnknownSources
from app.ops.complaints.desk import REGRESSIONS
from app.ops.complaints.diagnosis import SAID_OVERLOOKED, SAID_UNSUPPORTED
from app.ops.store import Ingest, OpsStore
from app.ops.store.datasets.models import ExampleQuery
from app.ops.store.models import Document, FeedbackChange, FeedbackFields, RunFields

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
CITED = {"answer": "Five days. [1]", "citations": [{"number": 1, "passage_id": "p1", "document": "leave.md"}]}


class Documents(UnknownSources):
    """Documents about which a test says what is known."""

    def __init__(self, *, stale: bool = False, overlooked: str | None = None) -> None:
        self.stale = stale
        self.missed = overlooked

    def owner(self, document: str) -> str | None:
        return {"leave.md": "people team"}.get(document)

    def changed(self, passage_ids: Collection[str]) -> bool:
        return self.stale and "p1" in passage_ids

    def overlooked(self, question: str, user_hash: str | None, served: Collection[str]) -> str | None:
        assert question == "How many days?"
        return self.missed


def turn(store: OpsStore, outputs: dict[str, Any] | None = None, **metadata: Any) -> UUID:
    """A turn that searched with the follow-up made whole, and answered."""
    root, search = uuid4(), uuid4()
    outputs = CITED if outputs is None else outputs
    step = f"{START:%Y%m%dT%H%M%S%f}Z{root}"
    known = {"user_hash": "u1", "evidence_ids": ["p1"], "status": "answered"} | metadata
    common: dict[str, Any] = {"trace_id": root, "session_name": "parley", "start_time": START}
    common |= {"end_time": START + timedelta(seconds=1)}
    served = {"documents": [{"page_content": "Five days.", "metadata": {"passage_id": "p1", "document": "leave.md"}}]}
    posts: list[RunFields] = [
        {
            **common,
            "id": root,
            "dotted_order": step,
            "name": "turn",
            "run_type": "chain",
            "inputs": Document.of({"question": "How many days?"}),
            "outputs": Document.of(outputs),
            "extra": Document.of({"metadata": known}),
        },
        {
            **common,
            "id": search,
            "parent_run_id": root,
            "dotted_order": f"{step}.{START:%Y%m%dT%H%M%S%f}Z{search}",
            "name": "search",
            "run_type": "retriever",
            "inputs": Document.of({"query": "How many days of leave may I carry over?"}),
            "outputs": Document.of(served),
        },
    ]
    if metadata.get("status") == "failed":
        posts[1]["error"] = "Timeout: the index did not answer\nTraceback …"
        posts[0]["error"] = "search failed"
    store.ingest(Ingest(posts=posts))
    return root


def thumb(store: OpsStore, run: UUID, score: float = 0, said: str | None = None, comment: str | None = None) -> UUID:
    fields = FeedbackFields(run_id=run, key="user_score", score=score, value=said, comment=comment)
    return store.feedback.add(fields).id


def test_a_thumbs_down_becomes_a_complaint_with_an_owner_and_an_example(store: OpsStore) -> None:
    run = turn(store)
    thumb(store, run, said=SAID_UNSUPPORTED, comment="it says three")
    assert ComplaintDesk(store, Documents()).attend() == 1
    (one,) = store.complaints.find()
    assert (one.run_id, one.cause, one.document, one.owner) == (run, "unsupported", "leave.md", "people team")
    assert one.said == f"{SAID_UNSUPPORTED}: it says three"
    assert one.question == "How many days of leave may I carry over?"
    (dataset,) = store.datasets.find(name=REGRESSIONS)
    (example,) = store.examples.find(ExampleQuery(dataset_id=dataset.id))
    assert (example.inputs, example.source_run_id) == ({"question": one.question}, run)


def test_each_thumb_is_heard_once(store: OpsStore) -> None:
    thumb(store, turn(store))
    desk = ComplaintDesk(store, Documents())
    assert [desk.attend(), desk.attend()] == [1, 0]


@pytest.mark.parametrize("score", [1, 0.5])
def test_a_thumbs_up_is_no_complaint(store: OpsStore, score: float) -> None:
    thumb(store, turn(store), score=score)
    assert ComplaintDesk(store, Documents()).attend() == 0


NOTHING = {"answer": "That is not in the documents.", "citations": []}
BLOCKED = [{"rail": "injection", "stage": "input", "action": "block"}]


@pytest.mark.parametrize(
    ("cause", "outputs", "metadata", "said", "documents"),
    [
        ("fault", None, {"status": "failed"}, None, Documents()),
        ("blocked", NOTHING, {"verdicts": BLOCKED}, None, Documents()),
        ("stale", None, {}, "The answer is wrong or out of date", Documents(stale=True)),
        ("unsupported", None, {}, SAID_UNSUPPORTED, Documents()),
        ("not_retrieved", NOTHING, {}, None, Documents(overlooked="rules.md")),
        ("not_retrieved", None, {}, SAID_OVERLOOKED[0], Documents(overlooked="rules.md")),
        ("no_document", NOTHING, {}, None, Documents()),
        ("no_document", None, {"status": "abstained"}, None, Documents()),
        ("answer", None, {}, "Other", Documents()),
        ("answer", None, {}, SAID_OVERLOOKED[0], Documents()),
    ],
)
def test_the_cause_is_read_from_the_evidence(
    store: OpsStore, cause: str, outputs: Any, metadata: Any, said: str | None, documents: Documents
) -> None:
    thumb(store, turn(store, outputs, **metadata), said=said)
    ComplaintDesk(store, documents).attend()
    (one,) = store.complaints.find()
    assert one.cause == cause
    assert one.reason.endswith((".", "answer"))
    assert one.document == {"not_retrieved": "rules.md", "no_document": None, "blocked": None, "fault": None}.get(
        cause, "leave.md"
    )


def test_a_failed_step_is_named_with_the_first_line_of_its_error(store: OpsStore) -> None:
    thumb(store, turn(store, status="failed"))
    ComplaintDesk(store, Documents()).attend()
    assert store.complaints.find()[0].reason == "The step “search” failed: Timeout: the index did not answer"


def test_taking_the_thumb_back_withdraws_the_complaint_and_giving_it_again_reopens_it(store: OpsStore) -> None:
    run = turn(store)
    feedback = thumb(store, run)
    desk = ComplaintDesk(store, Documents())
    desk.attend()
    store.feedback.change(feedback, FeedbackChange(score=1))
    desk.attend()
    assert store.complaints.get(run).status == "withdrawn"
    store.feedback.change(feedback, FeedbackChange(score=0))
    desk.attend()
    assert store.complaints.get(run).status == "open"


def test_a_fixed_complaint_is_told_once(store: OpsStore) -> None:
    run = turn(store)
    thumb(store, run)
    ComplaintDesk(store, Documents()).attend()
    fixed_by = uuid4()
    store.complaints.checked(run, "release 2, no arm, prompt v1", fixed_run_id=fixed_by, answer="Three days. [1]")
    (told,) = store.complaints.untold("u1")
    assert (told.fixed_run_id, told.fixed_answer, told.status) == (fixed_by, "Three days. [1]", "fixed")
    assert store.complaints.untold("somebody else") == []
    store.complaints.told([run])
    assert store.complaints.untold("u1") == []


def test_complaints_are_counted_and_narrowed(store: OpsStore) -> None:
    for said in (SAID_UNSUPPORTED, SAID_UNSUPPORTED, "Other"):
        thumb(store, turn(store), said=said)
    ComplaintDesk(store, Documents()).attend()
    assert store.complaints.counts("cause") == {"unsupported": 2, "answer": 1}
    assert store.complaints.counts("owner") == {"people team": 3}
    assert len(store.complaints.find(cause="unsupported", owner="people team")) == 2
    assert store.complaints.find(status="fixed") == []


def test_a_trace_of_anybodys_making_does_no_harm(store: OpsStore) -> None:
    """Every record may have any shape."""
    odd: list[Any] = [{"citations": "none"}, {"citations": [3, {"document": 4}]}, {"answer": ["x"]}]
    for outputs in odd:
        thumb(store, turn(store, outputs, verdicts={"a": 1}, evidence_ids="p1", user_hash=7))
    assert ComplaintDesk(store, UnknownSources()).attend() == len(odd)
    assert {one.user_hash for one in store.complaints.find()} == {None}
