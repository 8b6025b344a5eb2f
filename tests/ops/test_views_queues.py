"""The pages of annotation queues: filling them, reviewing, skipping, taking back."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from app.ops.store import Feedback, Ingest, OpsStore
from app.ops.store.feedback.configs import ConfigFields, FeedbackConfig
from app.ops.store.models import RunFields
from app.ops.store.queues.models import Conditions, ItemFields, ItemQuery, Queue, QueueFields, RubricItem, Rule

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)


@pytest.fixture
def runs(store: OpsStore) -> list[UUID]:
    ids = [uuid4() for _ in range(3)]
    posts = [
        {"id": one, "name": "turn", "inputs": {"question": f"Question {n}?"}, "outputs": {"answer": f"Answer {n}."}}
        for n, one in enumerate(ids)
    ]
    store.ingest(Ingest(posts=[_RUN.validate_python(fields) for fields in posts]))
    return ids


@pytest.fixture
def queue(store: OpsStore, runs: list[UUID]) -> Queue:
    made = store.queues.create(
        QueueFields(
            name="Disliked",
            rubric_items=[
                RubricItem(
                    feedback_key="correct",
                    score_descriptions={"0": "wrong", "0.5": "partly", "1": "right"},
                    is_required=True,
                ),
                RubricItem(feedback_key="tone", value_descriptions={"stiff": "like a form", "warm": "like us"}),
            ],
        )
    )
    store.queues.items.add(made.id, [ItemFields(run_id=one) for one in runs])
    return made


def texts(html: str, selector: str) -> list[str]:
    return [" ".join(node.text(separator=" ").split()) for node in HTMLParser(html).css(selector)]


def given(store: OpsStore, run_id: UUID) -> dict[str, Feedback]:
    return {one.key: one for one in store.feedback.find(run_ids=[run_id])}


def item_on(html: str) -> str:
    return str(HTMLParser(html).css_first("#review input[name=item]").attributes["value"])


def run_of(store: OpsStore, queue: Queue, item: str) -> UUID:
    run_id = store.queues.board(queue.id, "ann").get(UUID(item)).run_id
    assert run_id
    return run_id


def test_a_queue_is_made_with_its_rubric(pages: TestClient, store: OpsStore) -> None:
    rubric = "correct: wrong, partly right, right\npolite\n"
    made = pages.post("/ops/queues", data={"name": "New", "rubric": rubric, "reviewers": "2"})
    assert made.status_code == 303
    (queue,) = store.queues.find()
    assert queue.num_reviewers_per_item == 2
    assert [item.feedback_key for item in queue.rubric_items] == ["correct", "polite"]
    html = pages.get(made.headers["location"]).text
    assert "correct wrong, partly right, right" in texts(html, ".links li")
    for wrong in ({"name": "", "rubric": "a"}, {"name": "x", "rubric": "a\na"}, {"name": "x", "rubric": "a: one"}):
        assert pages.post("/ops/queues", data=wrong).status_code == 422
    assert len(store.queues.find()) == 1


def test_traces_are_put_into_a_queue_once(pages: TestClient, store: OpsStore, runs: list[UUID]) -> None:
    ids = [str(one) for one in runs]
    assert "3 traces" in pages.post("/ops/queues/add", data={"run": ids}).text
    assert pages.post("/ops/queues/add", data={"run": ids, "save": "1"}).status_code == 422
    made = pages.post("/ops/queues/add", data={"run": ids, "save": "1", "name": "Fresh"})
    assert made.status_code == 303
    (queue,) = store.queues.find()
    again = pages.post("/ops/queues/add", data={"run": ids[:2], "save": "1", "queue": str(queue.id)})
    assert again.status_code == 303
    assert store.queues.board(queue.id, "ann").count() == 3
    assert pages.get(f"/ops/queues/add?run={uuid4()}").status_code == 404


def test_a_review_is_stored_as_feedback_and_the_next_item_comes(
    pages: TestClient, store: OpsStore, queue: Queue
) -> None:
    page = f"/ops/queues/{queue.id}/review"
    html = pages.get(page).text
    item = item_on(html)
    run_id = run_of(store, queue, item)
    assert "Question" in texts(html, ".output.card")[0]
    assert f"/ops/turns/{run_id}" in html
    sent = {"item": item, "a0": "1", "a1": "0", "comment": "Misses the deadline."}
    done = pages.post(f"/ops/queues/{queue.id}/done", data=sent)
    assert done.status_code == 303
    said = given(store, run_id)
    assert (said["correct"].score, said["tone"].value) == (0.5, "stiff")
    assert said["note"].comment == "Misses the deadline."
    assert said["correct"].source == {
        "type": "app",
        "metadata": {"reviewer": "ann", "annotation_queue_id": str(queue.id)},
    }
    following = pages.get(done.headers["location"]).text
    assert "Saved. 2 items wait for you." in texts(following, "[role=status]")[0]
    assert item_on(following) != item


def test_an_answer_that_is_needed_is_asked_for_again(pages: TestClient, store: OpsStore, queue: Queue) -> None:
    item = item_on(pages.get(f"/ops/queues/{queue.id}/review").text)
    refused = pages.post(f"/ops/queues/{queue.id}/done", data={"item": item, "a1": "1", "comment": "Kept"})
    assert refused.status_code == 422
    assert "“correct” needs an answer." in texts(refused.text, "[role=alert]")
    assert "checked" in HTMLParser(refused.text).css_first("input[name=a1][value='1']").attributes
    assert HTMLParser(refused.text).css_first("#comment").text() == "Kept"
    for nonsense in ("9", "-1", "x"):
        assert pages.post(f"/ops/queues/{queue.id}/done", data={"item": item, "a0": nonsense}).status_code == 422
    assert given(store, run_of(store, queue, item)) == {}


def test_undo_takes_the_feedback_back_and_shows_the_item_again(
    pages: TestClient, store: OpsStore, queue: Queue
) -> None:
    item = item_on(pages.get(f"/ops/queues/{queue.id}/review").text)
    done = pages.post(f"/ops/queues/{queue.id}/done", data={"item": item, "a0": "2", "comment": "x"})
    undo = HTMLParser(pages.get(done.headers["location"]).text).css_first("#undo")
    assert undo.css_first("input").attributes["value"] == item
    undone = pages.post(str(undo.attributes["action"]), data={"item": item})
    assert item_on(pages.get(undone.headers["location"]).text) == item
    assert given(store, run_of(store, queue, item)) == {}
    assert store.queues.board(queue.id, "ann").count(ItemQuery(section="needs_my_review")) == 3


def test_answering_again_replaces_the_first_answer(pages: TestClient, store: OpsStore, queue: Queue) -> None:
    item = item_on(pages.get(f"/ops/queues/{queue.id}/review").text)
    for answer in ("0", "2"):
        pages.post(f"/ops/queues/{queue.id}/done", data={"item": item, "a0": answer})
    found = store.feedback.find(run_ids=[run_of(store, queue, item)])
    assert [(one.key, one.score) for one in found] == [("correct", 1.0)]


def test_a_skipped_item_comes_again_at_the_end(pages: TestClient, store: OpsStore, queue: Queue) -> None:
    seen = []
    address = f"/ops/queues/{queue.id}/review"
    for _ in range(4):
        item = item_on(pages.get(address).text)
        seen.append(item)
        address = pages.post(f"/ops/queues/{queue.id}/skip", data={"item": item}).headers["location"]
    assert len(set(seen[:3])) == 3
    assert seen[3] == seen[0]


def test_a_queue_that_is_worked_off_says_so(pages: TestClient, store: OpsStore, queue: Queue) -> None:
    for _ in range(3):
        item = item_on(pages.get(f"/ops/queues/{queue.id}/review").text)
        pages.post(f"/ops/queues/{queue.id}/done", data={"item": item, "a0": "2"})
    assert "Nothing waits for you" in pages.get(f"/ops/queues/{queue.id}/review").text
    assert "3 of 3" in texts(pages.get("/ops/queues").text, "tbody tr")[0]


def test_questions_follow_the_configs_of_their_keys(pages: TestClient, store: OpsStore, runs: list[UUID]) -> None:
    stars = FeedbackConfig(type="continuous", min=1, max=5)
    share = FeedbackConfig(type="continuous", min=0, max=100)
    for key, config in (("stars", stars), ("share", share)):
        store.feedback_configs.create(ConfigFields(feedback_key=key, feedback_config=config))
    only_bad = Conditions(join="all", rules=[Rule(key="stars", op="is_one_of", values=[1, 2])])
    rubric = [
        RubricItem(feedback_key="stars"),
        RubricItem(feedback_key="share"),
        RubricItem(feedback_key="why", regex_validator="^[a-z ]+$", required_if=only_bad),
        RubricItem(feedback_key="safe", is_assertion=True, visible_if=only_bad),
    ]
    queue = store.queues.create(QueueFields(name="Odd", rubric_items=rubric))
    store.queues.items.add(queue.id, [ItemFields(run_id=runs[0])])
    html = pages.get(f"/ops/queues/{queue.id}/review").text
    assert texts(html, "fieldset")[0] == "stars 1 1 2 2 3 3 4 4 5 5"
    item = item_on(html)

    def send(**answers: str) -> int:
        return pages.post(f"/ops/queues/{queue.id}/done", data={"item": item, **answers}).status_code

    assert send(a0="4", a1="101") == 422
    assert send(a0="0") == 422
    assert send(a0="0", a2="Capitals") == 422
    assert send(a0="4", a1="50", a3="0") == 303
    assert {key: one.score for key, one in given(store, runs[0]).items()} == {"stars": 5.0, "share": 50.0}


def test_items_are_taken_out_and_a_queue_deleted(
    pages: TestClient, store: OpsStore, queue: Queue, runs: list[UUID]
) -> None:
    html = pages.get(f"/ops/queues/{queue.id}").text
    item = str(HTMLParser(html).css_first("input[name=item]").attributes["value"])
    pages.post(f"/ops/queues/{queue.id}/remove", data={"item": [item, "nonsense"]})
    assert store.queues.board(queue.id, "ann").count() == 2
    assert pages.post(f"/ops/queues/{queue.id}/delete").status_code == 303
    assert pages.get(f"/ops/queues/{queue.id}").status_code == 404
    assert len(store.runs.many(runs)) == 3


def test_an_item_of_another_queue_is_not_reviewed_here(pages: TestClient, store: OpsStore, queue: Queue) -> None:
    other = store.queues.create(QueueFields(name="Other"))
    item = item_on(pages.get(f"/ops/queues/{queue.id}/review").text)
    for verb in ("done", "skip", "undo"):
        assert pages.post(f"/ops/queues/{other.id}/{verb}", data={"item": item, "a0": "1"}).status_code == 404
        assert pages.post(f"/ops/queues/{queue.id}/{verb}", data={"item": "x"}).status_code == 404


def test_nothing_in_a_queue_is_code(pages: TestClient, store: OpsStore) -> None:
    run_id = uuid4()
    fields = {"id": run_id, "name": HOSTILE, "inputs": {"q": HOSTILE}, "outputs": {HOSTILE: HOSTILE, "b": [HOSTILE]}}
    store.ingest(Ingest(posts=[_RUN.validate_python(fields)]))
    rubric = [RubricItem(feedback_key=HOSTILE, description=HOSTILE, score_descriptions={"0": HOSTILE, "1": "b"})]
    queue = store.queues.create(
        QueueFields(name=HOSTILE, description=HOSTILE, rubric_instructions=HOSTILE, rubric_items=rubric)
    )
    store.queues.items.add(queue.id, [ItemFields(run_id=run_id)])
    for address in ("", f"/{queue.id}", f"/{queue.id}/review", f"/add?run={run_id}"):
        tree = HTMLParser(pages.get(f"/ops/queues{address}").text)
        assert not [one for one in tree.css("script") if "src" not in one.attributes], address
        assert not tree.css("img[onerror]"), address
