"""The search: filters, copies, neighbours, reranking, and hits that explain themselves."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.filters import Filters
from retrieval.passages import EVERYONE, Document, Hit, Passage
from retrieval.settings import RetrievalSettings

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")

File = tuple[Document, list[Passage]]


def file(
    name: str, *texts: str, heading: str = "", media_type: str = "text/markdown", groups: tuple[str, ...] = (EVERYONE,)
) -> File:
    """A document with one passage for each text."""
    document = Document(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        source=f"/files/{name}",
        name=name,
        title="",
        content_hash=hashlib.sha256(name.encode()).hexdigest(),
        media_type=media_type,
        size_bytes=1,
        groups=groups,
    )
    passages = [
        Passage(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{position}")),
            document_id=document.id,
            document=name,
            title="",
            page=None,
            heading=heading,
            text=text,
            position=position,
            groups=groups,
        )
        for position, text in enumerate(texts)
    ]
    return document, passages


@pytest.fixture(params=["", ":memory:"], ids=["edge", "server"])
def url(request: pytest.FixtureRequest) -> str:
    return request.param


class Shelf:
    """Publishes files and asks about them, with any settings."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self._corpora: list[Corpus] = []

    def holding(self, *files: File, **settings: object) -> Corpus:
        corpus = Corpus.open(
            RetrievalSettings.model_validate({"url": self.url} | settings), self.folder, HashingEmbedder()
        )
        self._corpora.append(corpus)
        with corpus.draft() as draft:
            for document, passages in files:
                draft.put(document, passages)
            draft.publish()
        return corpus

    def close(self) -> None:
        for corpus in self._corpora:
            corpus.close()


@pytest.fixture
def shelf(tmp_path: Path, url: str) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path, url)
    yield shelf
    shelf.close()


def found(corpus: Corpus, question: str, where: Filters | None = None, limit: int | None = None) -> list[Hit]:
    return corpus.search_now(question, groups=[EVERYONE], where=where, limit=limit)


def texts(hits: list[Hit]) -> list[str]:
    return [hit.passage.text for hit in hits]


LEAVE = file("handbook/leave.md", "Leave of five days is carried over.")
TRAVEL = file("handbook/travel.pdf", "Leave by the first train.", media_type="application/pdf")
MENU = file("menu.md", "Leave the tray on the table.")


@pytest.mark.parametrize(
    ("where", "names"),
    [
        (Filters(), {"handbook/leave.md", "handbook/travel.pdf", "menu.md"}),
        (Filters(documents=("handbook/*",)), {"handbook/leave.md", "handbook/travel.pdf"}),
        (Filters(documents=("Handbook",)), {"handbook/leave.md", "handbook/travel.pdf"}),
        (Filters(documents=("handbook/",)), {"handbook/leave.md", "handbook/travel.pdf"}),
        (Filters(documents=("menu.md", "*/leave.*")), {"menu.md", "handbook/leave.md"}),
        (Filters(documents=("hand",)), set()),
        (Filters(media_types=("application/pdf",)), {"handbook/travel.pdf"}),
        (Filters(documents=("handbook/*",), media_types=("text/*",)), {"handbook/leave.md"}),
        (Filters(documents=("nothing/*",)), set()),
    ],
)
def test_a_question_is_asked_of_the_documents_that_the_filters_let_through(
    shelf: Shelf, where: Filters, names: set[str]
) -> None:
    corpus = shelf.holding(LEAVE, TRAVEL, MENU)
    assert {hit.passage.document for hit in found(corpus, "leave", where)} == names


def test_filters_hold_inside_the_query(shelf: Shelf) -> None:
    """With one candidate, a filter after the query would find nothing."""
    corpus = shelf.holding(file("best.md", "leave leave leave"), MENU, candidates=1)
    assert texts(found(corpus, "leave", Filters(documents=("menu.md",)), limit=1)) == [MENU[1][0].text]


def test_a_filter_opens_no_document_to_other_readers(shelf: Shelf) -> None:
    corpus = shelf.holding(LEAVE, file("board/pay.md", "Leave pay of the board.", groups=("board",)))
    where = Filters(documents=("board/*",))
    assert found(corpus, "leave", where) == []
    assert len(corpus.search_now("leave", groups=["board"], where=where)) == 1


def test_filters_follow_to_the_next_release(shelf: Shelf) -> None:
    corpus = shelf.holding(LEAVE)
    where = Filters(documents=("handbook/*",))
    assert len(found(corpus, "leave", where)) == 1
    with corpus.draft() as draft:
        draft.put(*TRAVEL)
        draft.publish()
    assert len(found(corpus, "leave", where)) == 2


def test_a_name_with_brackets_is_a_name(shelf: Shelf) -> None:
    corpus = shelf.holding(file("plan [2].md", "Leave on Monday."), MENU)
    assert texts(found(corpus, "leave", Filters(documents=("plan [2].md",)))) == ["Leave on Monday."]


@pytest.mark.parametrize("patterns", [("",), ("x" * 201,), ("*",) * 21])
def test_filters_are_bounded(patterns: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        Filters(documents=patterns)


def test_many_stars_do_not_take_long() -> None:
    document = LEAVE[0].model_copy(update={"name": "a" * 200})
    assert Filters(documents=("*a" * 60 + "b",)).ids([document]) == []


def test_a_hit_explains_itself(shelf: Shelf) -> None:
    corpus = shelf.holding(LEAVE, MENU, file("noise.md", "Something else."))
    first, *_, last = found(corpus, "How many days of leave are carried?")
    assert (first.dense_rank, first.sparse_rank) == (1, 1)
    assert first.fused == first.score == 1
    assert first.rerank is None
    assert first.words == ("days", "leave", "carried")
    assert last.words == ()
    assert last.sparse_rank is None


def test_a_passage_outside_the_candidates_of_one_ranking_has_its_score_but_no_rank_there(shelf: Shelf) -> None:
    wordy = file("a.md", "quota " * 3 + " ".join(f"filler{i}" for i in range(40)))
    corpus = shelf.holding(wordy, file("b.md", "quota"), candidates=1)
    hits = found(corpus, "quota", limit=1)
    assert [(hit.dense_rank, hit.sparse_rank) for hit in hits] in ([(1, None)], [(None, 1)])
    assert all(hit.dense > 0 and hit.sparse for hit in hits)


def test_copies_come_behind_what_differs_and_are_not_lost(shelf: Shelf) -> None:
    copies = [file(f"copy {number}.md", "Five days of leave carry over.") for number in range(3)]
    corpus = shelf.holding(*copies, MENU)
    hits = found(corpus, "how many days of leave", limit=2)
    assert sorted(texts(hits)) == ["Five days of leave carry over.", MENU[1][0].text]
    assert len(found(corpus, "how many days of leave", limit=4)) == 4


def test_the_same_text_under_another_heading_says_something_else(shelf: Shelf) -> None:
    corpus = shelf.holding(file("a.md", "Five days.", heading="Leave"), file("b.md", "Five days.", heading="Notice"))
    assert len(found(corpus, "days")) == 2


def test_near_repeats_come_behind_what_differs(shelf: Shelf) -> None:
    rule = " ".join(f"rule{number}" for number in range(40)) + " leave in the year "
    versions = [file(f"{year}.md", rule + str(year)) for year in range(2010, 2016)]
    corpus = shelf.holding(*versions, MENU, limit=3)
    hits = found(corpus, "rule1 rule2 rule3 leave")
    assert [hit.passage.document == "menu.md" for hit in hits] == [False, True, False]


def test_without_others_near_repeats_fill_the_list(shelf: Shelf) -> None:
    rule = " ".join(f"rule{number}" for number in range(40)) + " leave in the year "
    corpus = shelf.holding(*(file(f"{year}.md", rule + str(year)) for year in range(2010, 2016)))
    assert len(found(corpus, "leave", limit=4)) == 4


STEPS = ("Open the lid.", "Fill in the water.", "Press the button.", "Wait for the bell.", "Pour the coffee.")


def test_neighbours_of_the_same_section_come_behind_the_hits(shelf: Shelf) -> None:
    corpus = shelf.holding(file("machine.md", *STEPS, heading="Coffee"), neighbours=1)
    hits = found(corpus, "button", limit=1)
    assert texts(hits) == [STEPS[2], STEPS[1], STEPS[3]]
    assert [hit.score for hit in hits] == [1, 0, 0]
    assert hits[1].dense is None


def test_no_neighbour_is_given_twice(shelf: Shelf) -> None:
    corpus = shelf.holding(file("machine.md", *STEPS), neighbours=2)
    hits = found(corpus, "water button", limit=2)
    assert sorted(texts(hits)) == sorted(STEPS)


def test_neighbours_keep_to_section_document_groups_and_filters(shelf: Shelf) -> None:
    document, (first, second, third) = file("machine.md", *STEPS[:3])
    passages = [
        first.model_copy(update={"heading": "Before"}),
        second,
        third.model_copy(update={"groups": ("board",)}),
    ]
    corpus = shelf.holding((document, passages), file("other.md", "Something", "else"), neighbours=5)
    where = Filters(documents=("machine.md",))
    assert texts(found(corpus, "water", where, limit=1)) == [STEPS[1]]
    with_board = corpus.search_now("water", groups=[EVERYONE, "board"], where=where, limit=1)
    assert texts(with_board) == [STEPS[1], STEPS[2]]


def test_there_are_no_neighbours_unless_they_are_set(shelf: Shelf) -> None:
    corpus = shelf.holding(file("machine.md", *STEPS))
    assert texts(found(corpus, "button", limit=1)) == [STEPS[2]]


def test_a_question_in_a_language_that_the_encoder_does_not_know_goes_more_by_words(tmp_path: Path) -> None:
    """A passage that is near by meaning alone loses to one that shares the rare word."""
    files = [file(f"{n}.md", "der die das ist nicht und für " * (n + 1)) for n in range(6)]
    files += [file("words.md", "Urlaub " + " ".join(f"wort{n}" for n in range(30)))]
    question = "Wie ist das mit dem Urlaub?"
    scores = []
    for known in (["english"], []):
        shelf = Shelf(tmp_path / str(len(known)), "")
        corpus = shelf.holding(*files, encoder_languages=known)
        (hit,) = (hit for hit in found(corpus, question) if hit.passage.document == "words.md")
        scores.append(hit.fused)
        shelf.close()
    foreign, known = scores
    assert foreign > known
