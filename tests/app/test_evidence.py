"""The evidence ledger over a real corpus and a real assistant: what answers rest on, and what has become of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from agents.models.scripted import ScriptedChat
from agents.turn import Asker, Citation, TurnRequest, TurnResult
from app.bootstrap import Parley, build_parley
from app.evidence import Clearance, Ledger, StaleSource, Watch
from app.settings import Settings
from ingest.pipeline import ingest
from ingest.settings import IngestSettings
from retrieval.embedding import HashingEmbedder

ANN = Asker(user_hash="ann")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIVE = "# Leave\n\nAt most five days of leave may be carried over.\n"
TEN = "# Leave\n\nAt most ten days of leave may be carried over.\n"
LUNCH = "# Canteen\n\nLunch is served at noon.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handbook").mkdir()
    (tmp_path / "handbook" / "leave.md").write_text(FIVE)
    (tmp_path / "handbook" / "canteen.md").write_text(LUNCH)
    return tmp_path / "handbook"


@pytest.fixture
def parley(tmp_path: Path, folder: Path) -> Iterator[Parley]:
    built = build_parley(
        Settings(data_dir=tmp_path / "data"),
        model=ScriptedChat(reply="Five days."),
        embedder=HashingEmbedder(),
        now=lambda: NOON,
    )
    ingest([folder], built.corpus, IngestSettings())
    yield built
    built._close_blocking()


@pytest.fixture
def ledger(parley: Parley) -> Ledger:
    return parley.evidence


@pytest.fixture
def publish(parley: Parley, folder: Path) -> Callable[..., None]:
    """Publishes a release in which these files read so, or are gone, and has it compared."""

    def publish(**texts: str | None) -> None:
        for name, text in texts.items():
            path = folder / f"{name}.md"
            path.unlink() if text is None else path.write_text(text)
        ingest([folder], parley.corpus, IngestSettings())
        Watch(parley.evidence, parley.corpus).compare()

    return publish


def answer(parley: Parley, question: str, thread: str = "t1", ago: timedelta = timedelta()) -> TurnResult:
    """What a turn would leave that cites the best passage."""
    (hit, *_) = parley.corpus.search_now(question, groups=ANN.groups)
    return TurnResult(
        turn_id=uuid4(),
        thread_id=thread,
        status="answered",
        question=question,
        text="So it is. [1]",
        citations=[Citation(number=1, passage=hit.passage)],
        corpus_release=parley.corpus.release().number,
    )


def test_an_answer_whose_source_was_changed_says_which_and_since_when(parley: Parley, ledger: Ledger, publish) -> None:
    leave, lunch = answer(parley, "leave carried over"), answer(parley, "when is lunch served")
    ledger.record(ANN, leave)
    ledger.record(ANN, lunch)
    assert ledger.stale_sources("t1") == {}
    publish(leave=TEN)
    assert ledger.stale_sources("t1") == {str(leave.turn_id): [StaleSource(1, "leave.md", gone=False, since=2)]}
    assert ledger.stale_sources("another") == {}
    publish(canteen=LUNCH.replace("noon", "one"))
    assert ledger.stale_sources("t1")[str(leave.turn_id)][0].since == 2
    assert ledger.stale_sources("t1")[str(lunch.turn_id)][0].since == 3


def test_a_source_that_was_removed_is_gone_and_one_that_comes_back_is_as_it_was(
    parley: Parley, ledger: Ledger, publish
) -> None:
    one = answer(parley, "leave carried over")
    ledger.record(ANN, one)
    publish(leave=None)
    assert ledger.stale_sources("t1") == {str(one.turn_id): [StaleSource(1, "leave.md", gone=True, since=2)]}
    publish(leave=TEN)
    assert ledger.stale_sources("t1") == {str(one.turn_id): [StaleSource(1, "leave.md", gone=False, since=3)]}
    publish(leave=FIVE)
    assert ledger.stale_sources("t1") == {}


def test_an_answer_may_be_read_by_who_may_read_its_source_now_or_could_last(
    parley: Parley, ledger: Ledger, publish, folder: Path
) -> None:
    one = answer(parley, "leave carried over")
    ledger.record(ANN, one)
    clearance, turn = Clearance(ledger, parley.corpus), {str(one.turn_id)}
    assert clearance.withheld("t1", ANN.groups) == set()
    assert clearance.withheld("t1", ["board"]) == turn
    ingest([folder], parley.corpus, IngestSettings(), groups=("board",))
    assert clearance.withheld("t1", ANN.groups) == turn
    assert clearance.withheld("t1", [*ANN.groups, "board"]) == set()
    publish(leave=None)
    assert clearance.withheld("t1", [*ANN.groups, "board"]) == set()
    assert clearance.withheld("t1", ["council"]) == turn
    assert clearance.withheld("another", []) == set()


def test_a_rollback_makes_an_answer_as_fresh_as_it_was(parley: Parley, ledger: Ledger, publish) -> None:
    ledger.record(ANN, answer(parley, "leave carried over"))
    ledger.record(ANN, answer(parley, "when is lunch served"))
    publish(leave=TEN, canteen=None)
    assert len(ledger.stale_sources("t1")) == 2
    parley.corpus.releases().rollback()
    assert Watch(ledger, parley.corpus).compare() == 2
    assert ledger.stale_sources("t1") == {}


def test_text_that_only_moved_within_its_document_has_not_changed(parley: Parley, ledger: Ledger, publish) -> None:
    sections = [f"# Rule {n}\n\n" + f"Rule number {n} holds for all. " * 60 for n in range(4)]
    publish(rules="\n\n".join(sections))
    (hit, *_) = parley.corpus.search_now("rule number 3 holds for all", groups=ANN.groups)
    cited = answer(parley, "rule number 3 holds for all")
    ledger.record(ANN, cited)
    for n in (7, 8):
        publish(rules="\n\n".join([f"# New\n\n{'Something new. ' * 20 * n}", *sections]))
        assert parley.corpus.passage(hit.passage.id) is None
        assert ledger.stale_sources("t1") == {}
    publish(rules="\n\n".join(sections).replace("holds for all", "holds for some"))
    assert list(ledger.stale_sources("t1")) == [str(cited.turn_id)]


def test_an_answer_that_ends_after_the_release_has_moved_on_is_compared_too(
    parley: Parley, ledger: Ledger, publish
) -> None:
    under_way = answer(parley, "leave carried over")
    publish(leave=TEN)
    ledger.record(ANN, under_way)
    assert Watch(ledger, parley.corpus).compare() == 1
    assert list(ledger.stale_sources("t1")) == [str(under_way.turn_id)]


def test_an_answer_from_a_source_that_was_back_for_a_moment_is_known_to_have_lost_it(
    parley: Parley, ledger: Ledger, publish, folder: Path
) -> None:
    ledger.record(ANN, answer(parley, "leave carried over"))
    publish(leave=None)
    (folder / "leave.md").write_text(FIVE)
    ingest([folder], parley.corpus, IngestSettings())  # which the watch does not see
    ledger.record(ANN, answer(parley, "is leave carried over"))
    (folder / "leave.md").unlink()
    ingest([folder], parley.corpus, IngestSettings())
    told: list[str] = []
    Watch(ledger, parley.corpus, on_stale=told.extend).compare()
    assert len(told) == 1


def test_only_documents_that_have_changed_are_looked_into(parley: Parley, ledger: Ledger, publish) -> None:
    watch = Watch(ledger, parley.corpus)
    for question in ("leave carried over", "when is lunch served", "is leave carried over"):
        ledger.record(ANN, answer(parley, question))
    assert watch.compare() == 0  # they were drawn from this very release
    publish(other="# Other\n\nSomething else.\n")  # each passage is looked up once
    publish(other="# Other\n\nSomething new.\n")
    assert not ledger.is_behind(parley.corpus.release().number)
    (parley_folder,) = {Path(one.source).parent for one in parley.corpus.documents().values()}
    (parley_folder / "canteen.md").write_text(LUNCH.replace("noon", "one"))
    ingest([parley_folder], parley.corpus, IngestSettings())
    assert watch.compare() == 1


def test_another_owner_or_readers_leave_an_answer_as_it_was(parley: Parley, ledger: Ledger, folder: Path) -> None:
    ledger.record(ANN, answer(parley, "leave carried over"))
    ingest([folder], parley.corpus, IngestSettings(), owner="People team", groups=("board",))
    Watch(ledger, parley.corpus).compare()
    assert ledger.stale_sources("t1") == {}


def test_a_document_tells_its_answers_newest_first_and_by_pages(parley: Parley, tmp_path: Path, publish) -> None:
    moments = iter(NOON + timedelta(minutes=n) for n in range(5))
    ledger = Ledger.open(tmp_path / "evidence.db", now=lambda: next(moments))
    results = [answer(parley, "leave carried over", thread=f"t{n}") for n in range(3)]
    for result in [*results, answer(parley, "when is lunch served")]:
        ledger.record(ANN, result)
    document_id = results[0].citations[0].passage.document_id
    assert (ledger.document_count(), ledger.documents(limit=5, offset=0)) == (0, [])
    assert ledger.document(document_id) is None
    assert ledger.answers(document_id, limit=5, offset=0) == []
    publish(leave=TEN)
    Watch(ledger, parley.corpus).compare()
    assert ledger.document_count() == 1
    (found,) = ledger.documents(limit=5, offset=0)
    assert (found.name, found.gone, found.since, found.answers) == ("leave.md", False, 2, 3)
    assert ledger.document(document_id) == found
    first, second = (ledger.answers(document_id, limit=2, offset=offset) for offset in (0, 2))
    assert [one.thread_id for one in (*first, *second)] == ["t2", "t1", "t0"]
    assert first[0].turn_id == str(results[2].turn_id)
    assert first[0].question == "leave carried over"
    assert first[0].answered_at == NOON + timedelta(minutes=2)
    assert first[0].release == 1
    ledger.close()


def test_the_ledger_is_found_again_by_the_next_process(parley: Parley, tmp_path: Path, publish) -> None:
    ledger = Ledger.open(tmp_path / "evidence.db")
    ledger.record(ANN, answer(parley, "leave carried over"))
    ledger.close()
    publish(leave=TEN)
    again = Ledger.open(tmp_path / "evidence.db")
    assert Watch(again, parley.corpus).compare() == 1
    assert len(again.stale_sources("t1")) == 1
    again.close()


def test_a_thread_that_is_forgotten_takes_only_its_own_answers_along(parley: Parley, ledger: Ledger, publish) -> None:
    for thread in ("t1", "t2"):
        ledger.record(ANN, answer(parley, "leave carried over", thread=thread))
    ledger.record(ANN, answer(parley, "when is lunch served", thread="t1"))
    publish(leave=TEN, canteen=None)
    assert ledger.document_count() == 2
    ledger.forget("t1")
    assert ledger.stale_sources("t1") == {}
    assert len(ledger.stale_sources("t2")) == 1
    assert ledger.document_count() == 1
    ledger.forget("t2")
    assert not ledger.is_behind(0)


def test_what_shows_no_source_and_what_is_told_twice_adds_nothing(parley: Parley, ledger: Ledger) -> None:
    one = answer(parley, "leave carried over")
    ledger.record(ANN, one.model_copy(update={"citations": []}))
    assert not ledger.is_behind(0)
    ledger.record(ANN, one)
    ledger.record(ANN, one)
    assert [kept.id for kept in ledger.passages(one.citations[0].passage.document_id, None)] == [
        one.citations[0].passage.id
    ]


async def test_a_turn_of_the_product_is_kept_and_forgotten_with_its_thread(
    parley: Parley, ledger: Ledger, publish
) -> None:
    await parley.start()
    request = TurnRequest(turn_id=uuid4(), thread_id="t1", question="Is leave carried over?", asker=ANN)
    result = await parley.assistant.ask(request)
    assert result.citations
    while not await asyncio.to_thread(ledger.is_behind, 0):
        await asyncio.sleep(0.01)
    await asyncio.to_thread(publish, leave=TEN)
    assert str(result.turn_id) in ledger.stale_sources("t1")
    await parley.forget("t1")
    assert not ledger.is_behind(0)
    for task in parley._background:
        task.cancel()
    await parley._checkpoints.close()


def test_a_turn_that_ends_after_the_ledger_has_closed_is_none_the_worse(parley: Parley, tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "evidence.db")
    ledger.close()
    ledger.note(ANN, answer(parley, "leave carried over"))


def test_a_hundred_thousand_answers_are_compared_and_told_in_seconds(parley: Parley, tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "evidence.db")
    _fill(ledger, answers=100_000, passages=20_000)
    began = time.perf_counter()
    assert Watch(ledger, parley.corpus).compare() == 20_000
    assert ledger.document_count() == 200
    (most, *_) = ledger.documents(limit=50, offset=0)
    assert len(ledger.answers(most.id, limit=50, offset=0)) == 50
    assert time.perf_counter() - began < 20
    ledger.close()


def _fill(ledger: Ledger, *, answers: int, passages: int) -> None:
    """Answers that rest on passages of documents that no corpus knows any more."""
    with ledger._db.transaction() as db:
        db.executemany(
            "INSERT INTO passages (id, document_id, document, text_hash, drawn, release) VALUES (?, ?, ?, '', 0, 0)",
            [(f"p{n}", f"d{n % 200}", f"d{n % 200}.md") for n in range(passages)],
        )
        db.executemany(
            "INSERT INTO answers VALUES (?, ?, 'ann', 'Why?', ?, 0)",
            [(str(UUID(int=n)), f"t{n % 9000}", NOON.isoformat()) for n in range(answers)],
        )
        db.executemany(
            "INSERT INTO evidence VALUES (?, ?, ?)",
            [(str(UUID(int=n)), f"p{(n * 7 + k) % passages}", k) for n in range(answers) for k in range(3)],
        )
