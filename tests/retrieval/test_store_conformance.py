"""What every passage store must do, whichever engine holds the passages."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from retrieval.embedding import HashingEmbedder, indexed_text
from retrieval.errors import StoreUnavailable
from retrieval.passages import EVERYONE, Passage
from retrieval.settings import RetrievalSettings
from retrieval.store.base import Entry, PassageStore, Question, Stores
from retrieval.store.factory import build_stores
from retrieval.word_encoder import WordEncoder

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")

EMBEDDER = HashingEmbedder()
WORDS = WordEncoder("english")


@pytest.fixture(params=["", ":memory:"], ids=["edge", "server"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    stores = build_stores(RetrievalSettings(url=request.param), tmp_path / "passages", owner="test")
    yield stores
    stores.close()


@pytest.fixture
def store(stores: Stores) -> Iterator[PassageStore]:
    _, store = stores.fork(None, 1, EMBEDDER.dimension)
    yield store
    store.close()


def passage(
    text: str, document: str = "handbook", *, groups: tuple[str, ...] = (EVERYONE,), position: int = 0
) -> Passage:
    document_id = str(uuid.uuid5(uuid.NAMESPACE_URL, document))
    return Passage(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{document}/{text}")),
        document_id=document_id,
        document=f"{document}.md",
        title=document,
        page=3,
        heading="Time > Leave",
        text=text,
        position=position,
        groups=groups,
    )


def entry(one: Passage, release: int = 1) -> Entry:
    text = indexed_text(one)
    return Entry(one, release, EMBEDDER.encode([text])[0], WORDS.passage(text))


@dataclass(frozen=True)
class Answer:
    passage: Passage
    dense: float
    sparse: float | None


def ask(
    store: PassageStore, text: str, release: int = 1, groups: tuple[str, ...] = (EVERYONE,), candidates: int = 10
) -> list[Answer]:
    question = Question(EMBEDDER.encode([text])[0], WORDS.question(text), release, groups)
    found = store.search(question, candidates)
    passages = store.read([each.point for each in found])
    return [Answer(passages[each.point].passage, each.dense, each.sparse) for each in found]


def texts(answers: list[Answer]) -> set[str]:
    return {each.passage.text for each in answers}


def test_a_new_store_is_empty(store: PassageStore) -> None:
    assert ask(store, "anything") == []
    assert store.count(1) == 0
    assert store.passage(passage("a").id, 1) is None


def test_a_passage_comes_back_whole(store: PassageStore) -> None:
    leave = passage("Five days of leave carry over.", groups=("staff", "board"))
    store.add([entry(leave)])
    assert [each.passage for each in ask(store, "leave", groups=("staff",))] == [leave]
    assert store.passage(leave.id, 1) == leave
    assert store.count(1) == 1


def test_scores_are_cosine_and_bm25(store: PassageStore) -> None:
    near, far = passage("leave carries over"), passage("zebra quagga", "animals")
    store.add([entry(near), entry(far)])
    found = {each.passage.text: each for each in ask(store, "zebra")}
    expected = float(EMBEDDER.encode(["zebra"])[0] @ EMBEDDER.encode([indexed_text(far)])[0])
    assert found[far.text].dense == pytest.approx(expected, abs=1e-5)
    assert found[far.text].sparse is not None
    assert found[near.text].sparse is None


def test_every_candidate_has_both_scores(store: PassageStore) -> None:
    """The nearest by meaning is not the nearest by words: each gets the score that its own ranking lacks."""
    wordy = passage("quota " * 3 + " ".join(f"filler{i}" for i in range(40)), "a")
    short = passage("quota", "b")
    store.add([entry(wordy), entry(short)])
    found = ask(store, "quota", candidates=1)
    assert found
    assert all(each.dense > 0 and each.sparse for each in found)


def test_a_question_of_stop_words_is_searched_by_meaning_alone(store: PassageStore) -> None:
    store.add([entry(passage("to be or not to be"))])
    found = ask(store, "to be or not to be")
    assert [each.sparse for each in found] == [None]


def test_candidates_bound_each_ranking(store: PassageStore) -> None:
    store.add([entry(passage(f"leave rule {i}", position=i)) for i in range(30)])
    assert 5 <= len(ask(store, "leave rule", candidates=5)) <= 10


def test_documents_are_filtered_inside_the_query(store: PassageStore) -> None:
    """With one candidate, a filter after the query would find nothing."""
    best, other = passage("leave leave leave", "a"), passage("the leave of one day", "b")
    store.add([entry(best), entry(other)])
    for documents, expected in (
        (None, {best.text}),
        ([other.document_id], {other.text}),
        ([best.document_id, other.document_id], {best.text}),
        (["nothing"], set()),
    ):
        question = Question(EMBEDDER.encode(["leave"])[0], WORDS.question("leave"), 1, [EVERYONE], documents)
        held = store.read([each.point for each in store.search(question, 1)])
        assert {each.passage.text for each in held.values()} == expected


def test_places_in_both_rankings_are_told(store: PassageStore) -> None:
    store.add([entry(passage("quota " * 3)), entry(passage("quota and more of it", "b")), entry(passage("else", "c"))])
    question = Question(EMBEDDER.encode(["quota"])[0], WORDS.question("quota"), 1, [EVERYONE])
    found = store.search(question, 10)
    assert sorted(each.dense_rank for each in found) == [1, 2, 3]
    assert [each.dense for each in sorted(found, key=lambda each: each.dense_rank)] == sorted(
        (each.dense for each in found), reverse=True
    )
    assert {each.sparse_rank for each in found} == {1, 2, None}


def test_what_is_read_tells_its_words(store: PassageStore) -> None:
    leave = passage("Leave is carried over.")
    store.add([entry(leave)])
    question = Question(EMBEDDER.encode(["leave"])[0], WORDS.question("leave"), 1, [EVERYONE])
    (held,) = store.read([each.point for each in store.search(question, 10)]).values()
    assert held.passage == leave
    assert held.words == set(WORDS.passage(indexed_text(leave)).indices)


def test_the_passages_around_one_are_those_of_its_section_that_may_be_found(store: PassageStore) -> None:
    inside = [passage(f"step {place}", position=place) for place in range(5)]
    elsewhere = inside[1].model_copy(update={"id": str(uuid.uuid4()), "heading": "Other"})
    hidden = inside[3].model_copy(update={"id": str(uuid.uuid4()), "groups": ("board",)})
    another = passage("step 2", "another", position=2)
    store.add([entry(each) for each in (*inside, elsewhere, hidden, another)])
    question = Question(EMBEDDER.encode(["step"])[0], WORDS.question("step"), 1, [EVERYONE])
    near = store.around([inside[2]], 1, question)
    assert sorted(each.position for each in near) == [1, 2, 3]
    assert {each.id for each in near} == {each.id for each in inside[1:4]}
    assert store.around([inside[2]], 1, replace(question, release=0)) == []


def test_groups_are_filtered_inside_the_query(store: PassageStore) -> None:
    """With one candidate, a filter after the query would find nothing."""
    secret = passage("salary salary salary", "board", groups=("board",))
    public = passage("the salary is paid monthly", "staff")
    store.add([entry(secret), entry(public)])
    assert texts(ask(store, "salary salary salary", candidates=1)) == {public.text}
    assert texts(ask(store, "salary salary salary", groups=("board",), candidates=1)) == {secret.text}
    assert texts(ask(store, "salary", groups=("board", EVERYONE))) == {secret.text, public.text}
    assert ask(store, "salary", groups=("visitors",)) == []


def test_a_draft_is_invisible_to_the_release_before(store: PassageStore) -> None:
    old, new = passage("the old rule", position=0), passage("the new rule", position=0)
    store.add([entry(old)])
    store.retire(old.document_id, 2)
    store.add([entry(new, release=2)])
    assert texts(ask(store, "rule", release=1)) == {old.text}
    assert texts(ask(store, "rule", release=2)) == {new.text}
    assert (store.passage(old.id, 1), store.passage(old.id, 2)) == (old, None)
    assert (store.count(1), store.count(2)) == (1, 1)


def test_an_unchanged_passage_of_a_changed_document_lives_in_both_releases(store: PassageStore) -> None:
    before = passage("the same words")
    after = before.model_copy(update={"groups": ("board",)})
    store.add([entry(before)])
    store.retire(before.document_id, 2)
    store.add([entry(after, release=2)])
    assert store.passage(before.id, 1) == before
    assert store.passage(before.id, 2) == after
    assert ask(store, "same words", release=2) == []


def test_retiring_twice_in_one_draft_keeps_the_release_before(store: PassageStore) -> None:
    old, first, second = (passage(text) for text in ("version one", "version two", "version three"))
    store.add([entry(old)])
    for new in (first, second):
        store.retire(old.document_id, 2)
        store.add([entry(new, release=2)])
    assert texts(ask(store, "version", release=1)) == {old.text}
    assert texts(ask(store, "version", release=2)) == {second.text}


def test_retiring_leaves_other_documents_alone(store: PassageStore) -> None:
    mine, other = passage("rule of mine", "mine"), passage("rule of another", "other")
    store.add([entry(mine), entry(other)])
    store.retire(mine.document_id, 2)
    assert texts(ask(store, "rule", release=2)) == {other.text}


def test_pruning_deletes_what_no_kept_release_holds(store: PassageStore) -> None:
    old, new = passage("the old rule"), passage("the new rule")
    store.add([entry(old)])
    store.retire(old.document_id, 2)
    store.add([entry(new, release=2)])
    store.prune({1, 2})
    assert store.count(1) == 1
    store.prune({2})
    assert (store.count(1), store.count(2)) == (0, 1)


def two_releases(stores: Stores) -> str:
    """A store in which release 2 ended the old rule and brought a new one, while another rule stayed."""
    base, store = stores.fork(None, 1, EMBEDDER.dimension)
    store.add([entry(passage("the old rule")), entry(passage("the rule that stays", "other"))])
    store.retire(passage("the old rule").document_id, 2)
    store.add([entry(passage("the new rule"), release=2)])
    store.flush()
    store.close()
    return base


RELEASES = {1: {"the old rule", "the rule that stays"}, 2: {"the new rule", "the rule that stays"}}


def test_pruning_spares_what_an_older_kept_release_holds(stores: Stores) -> None:
    store = stores.open(two_releases(stores))
    store.retire(passage("the new rule").document_id, 3)
    store.add([entry(passage("the newest rule"), release=3)])
    store.prune({1, 3})
    assert (store.count(1), store.count(2), store.count(3)) == (2, 1, 2)
    assert texts(ask(store, "rule", release=1)) == RELEASES[1]
    store.close()


def test_a_rebased_draft_holds_what_its_base_holds(stores: Stores) -> None:
    _, draft = stores.fork(two_releases(stores), 3, EMBEDDER.dimension)
    draft.rebase(1, 3)
    for release, expected in {**RELEASES, 3: RELEASES[1]}.items():
        assert texts(ask(draft, "rule", release=release)) == expected
        assert draft.count(release) == 2
    draft.close()


def test_rebasing_on_the_newest_release_changes_nothing(stores: Stores) -> None:
    _, draft = stores.fork(two_releases(stores), 3, EMBEDDER.dimension)
    draft.rebase(2, 3)
    assert list(draft.only_in(2, 3)) == list(draft.only_in(3, 2)) == []
    assert texts(ask(draft, "rule", release=1)) == RELEASES[1]
    draft.close()


def test_a_rebased_draft_that_was_killed_leaves_nothing_behind(stores: Stores) -> None:
    base = two_releases(stores)
    _, killed = stores.fork(base, 3, EMBEDDER.dimension)
    killed.rebase(1, 3)
    del killed
    stores.prune({base})
    _, draft = stores.fork(base, 3, EMBEDDER.dimension)
    for release, expected in {**RELEASES, 3: RELEASES[2]}.items():
        assert texts(ask(draft, "rule", release=release)) == expected
    draft.close()


def test_what_only_one_of_two_releases_holds_is_told(stores: Stores) -> None:
    store = stores.open(two_releases(stores))
    assert {one.text for one in store.only_in(1, 2)} == {"the old rule"}
    assert {one.text for one in store.only_in(2, 1)} == {"the new rule"}
    store.close()


def test_a_discarded_fork_leaves_its_base_untouched(stores: Stores) -> None:
    old = passage("the old rule")
    base, first = stores.fork(None, 1, EMBEDDER.dimension)
    first.add([entry(old)])
    first.flush()
    first.close()
    _, draft = stores.fork(base, 2, EMBEDDER.dimension)
    draft.retire(old.document_id, 2)
    draft.add([entry(passage("the new rule"), release=2)])
    draft.discard(2)
    stores.prune({base})
    reader = stores.open(base)
    assert texts(ask(reader, "rule", release=1)) == {old.text}
    assert texts(ask(reader, "rule", release=2)) == {old.text}
    reader.close()


def test_a_fork_clears_what_a_killed_draft_of_its_release_left(stores: Stores) -> None:
    old = passage("the old rule")
    base, first = stores.fork(None, 1, EMBEDDER.dimension)
    first.add([entry(old)])
    first.flush()
    first.close()
    _, killed = stores.fork(base, 2, EMBEDDER.dimension)
    killed.add([entry(passage("half an ingest"), release=2)])
    del killed
    stores.prune({base})
    _, draft = stores.fork(base, 2, EMBEDDER.dimension)
    assert texts(ask(draft, "rule ingest", release=2)) == {old.text}
    draft.close()


def test_a_new_index_stands_beside_the_old_one(stores: Stores) -> None:
    """Of another dimension, and filled while the old one is read."""
    small, old = HashingEmbedder(16), passage("the old rule")
    base, first = stores.fork(None, 1, EMBEDDER.dimension)
    first.add([entry(old)])
    first.flush()
    first.close()
    reader = stores.open(base)
    name, second = stores.fork(None, 2, small.dimension)
    assert name != base
    assert (second.count(1), second.count(2)) == (0, 0)
    text = indexed_text(old)
    ((held, vector),) = reader.embedded(1)
    assert held == old
    assert vector == pytest.approx(EMBEDDER.encode([text])[0], abs=1e-5)
    second.add([Entry(held, 2, small.encode([text])[0], WORDS.passage(text))])
    second.flush()
    second.close()
    both = stores.open(name)
    found = both.search(Question(small.encode(["rule"])[0], WORDS.question("rule"), 2, (EVERYONE,)), 10)
    assert len(found) == both.count(2) == 1
    assert texts(ask(reader, "rule", release=1)) == {old.text}
    reader.close()
    stores.prune({name})
    with pytest.raises((StoreUnavailable, ValueError)):
        stores.open(base).count(1)
    assert both.passage(old.id, 2) == old
    both.close()


def test_readers_keep_searching_while_a_fork_is_written(stores: Stores) -> None:
    old = passage("the old rule")
    base, first = stores.fork(None, 1, EMBEDDER.dimension)
    first.add([entry(old)])
    first.flush()
    first.close()
    reader = stores.open(base)
    name, draft = stores.fork(base, 2, EMBEDDER.dimension)
    draft.add([entry(passage(f"new rule {i}", "new", position=i), release=2) for i in range(50)])
    assert texts(ask(reader, "rule", release=1)) == {old.text}
    draft.flush()
    draft.close()
    assert texts(ask(reader, "rule", release=1)) == {old.text}
    assert stores.open(name).count(2) == 51
    reader.close()
