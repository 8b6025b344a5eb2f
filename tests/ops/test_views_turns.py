"""The turn list as people work with it: search, filter expressions, pages, saved filters and the live tail."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from app.ops.store import Ingest, OpsStore
from app.ops.store.models import FeedbackFields, RunFields
from app.ops.store.runs.saved_filters import MAX_SAVED
from app.ops.turns import LOOKED_INTO, TurnFilter, count_turns, find_turns
from app.ops.views.turns import MOST_COUNTED_OF_A_FILTER

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)


def record(
    store: OpsStore,
    question: str,
    *,
    ago: int = 0,
    name: str = "turn",
    step: str | None = None,
    seconds: float | None = 2,
    **metadata: Any,
) -> UUID:
    """A trace that began so many minutes ago, perhaps with one model call below its root."""
    root, start = uuid4(), NOW - timedelta(minutes=ago)
    end = None if seconds is None else start + timedelta(seconds=seconds)
    fields = {"id": root, "name": name, "start_time": start, "end_time": end}
    shown = {"inputs": {"question": question}, "extra": {"metadata": metadata}}
    posts = [_RUN.validate_python(fields | shown)]
    if step is not None:
        below = {"id": uuid4(), "trace_id": root, "parent_run_id": root, "name": "phrase", "run_type": "llm"}
        posts.append(_RUN.validate_python(below | {"start_time": start, "outputs": {"text": step}}))
    store.ingest(Ingest(posts=posts))
    return root


def listed(pages: TestClient, **filters: str) -> list[str]:
    answer = pages.get("/ops/turns", params=filters)
    assert answer.status_code == 200
    return questions(answer.text)


def questions(html: str) -> list[str]:
    return [node.text() for node in HTMLParser(html).css("tr[data-num] th > a")]


def links(html: str, rel: str) -> list[str]:
    return [unescape(found) for found in re.findall(rf'rel="{rel}" href="([^"]+)"', html)]


@pytest.mark.parametrize("sort", ["newest", "oldest", "slowest", "costliest"])
def test_pages_follow_each_other_without_gap_or_overlap(store: OpsStore, pages: TestClient, sort: str) -> None:
    for number in range(120):
        cost = None if number % 5 == 0 else number % 3
        record(store, f"q{number}", ago=number // 4, seconds=number % 7, cost_usd=cost)
    page = pages.get("/ops/turns", params={"sort": sort}).text
    seen, forward = questions(page), [questions(page)]
    while following := links(page, "next"):
        page = pages.get(following[0]).text
        forward.append(questions(page))
        seen += questions(page)
    assert len(seen) == 120
    assert len(set(seen)) == 120
    assert seen == [turn.question for turn in everything(store, sort)]
    while back := links(page, "prev"):
        page = pages.get(back[0]).text
        forward.pop()
        assert questions(page) == forward[-1]
    assert len(forward) == 1


def everything(store: OpsStore, sort: Any) -> list[Any]:
    with store.read() as db:
        return find_turns(db, TurnFilter(), sort=sort, limit=1000)


def test_search_finds_words_of_the_question_and_of_the_steps_when_asked(store: OpsStore, pages: TestClient) -> None:
    record(store, "When is the porter's lodge open?", step="between six and ten")
    record(store, "Where is the gate?", step="behind the porter")
    assert listed(pages, q="porter") == ["When is the porter's lodge open?"]
    assert len(listed(pages, q="porter", steps="1")) == 2
    assert listed(pages, q="behind") == []
    assert listed(pages, q="GATE") == ["Where is the gate?"]


def test_a_search_that_finds_many_is_sorted_like_any_list(
    store: OpsStore, pages: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.ops.turns.FEW", 3)
    for number in range(8):
        record(store, f"the same word {number}", ago=number)
    assert listed(pages, q="same word") == [f"the same word {number}" for number in range(8)]


def test_a_steps_id_finds_its_trace(store: OpsStore, pages: TestClient) -> None:
    trace = record(store, "wanted", step="x")
    record(store, "another")
    step = store.runs.trace(trace)[1]
    assert listed(pages, q=str(step.id)) == ["wanted"]


EXPRESSIONS = [
    ({"filter": "gt(latency, 4)"}, ["slow"]),
    ({"filter": 'and(eq(metadata_key, "color"), eq(metadata_value, "blue"))'}, ["quick"]),
    ({"filter": 'search("slow")', "status": "success"}, ["slow"]),
    ({"tree_filter": 'eq(name, "phrase")'}, ["quick"]),
    ({"tree_filter": 'eq(name, "phrase")', "filter": "gt(latency, 4)"}, []),
]


def test_filter_expressions_narrow_the_list(store: OpsStore, pages: TestClient, subtests: pytest.Subtests) -> None:
    record(store, "quick", step="x", color="blue", seconds=1)
    record(store, "slow", seconds=9, color="red")
    for filters, expected in EXPRESSIONS:
        with subtests.test(**filters):
            assert listed(pages, **filters) == expected


def test_an_expression_that_cannot_be_read_says_why(pages: TestClient, subtests: pytest.Subtests) -> None:
    texts = ["gt(latency,", "eq(colour, 1)", "drop table", 'eq(name, "x")\'', "and(" * 500]
    for name, text in product(["filter", "tree_filter"], texts):
        with subtests.test(name=name, text=text):
            answer = pages.get("/ops/turns", params={name: text})
            assert answer.status_code == 200
            (problem,) = HTMLParser(answer.text).css("[role=alert]")
            assert "was not understood: " in problem.text()
            assert HTMLParser(answer.text).css(f'[name="{name}"][aria-invalid="true"]')


def test_a_tree_filter_looks_on_where_one_page_ended(
    store: OpsStore, pages: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LOOKED_INTO > 10
    monkeypatch.setattr("app.ops.turns.LOOKED_INTO", 3)
    record(store, "wanted", ago=9, step="x")
    for number in range(7):
        record(store, f"q{number}", ago=number)
    page = pages.get("/ops/turns", params={"tree_filter": 'eq(run_type, "llm")'}).text
    looked = 1
    while not questions(page):
        (further,) = links(page, "next")
        page = pages.get(further).text
        looked += 1
    assert questions(page) == ["wanted"]
    assert looked == 3


def test_counts_stop_where_counting_would_take_long(store: OpsStore) -> None:
    assert MOST_COUNTED_OF_A_FILTER > 5
    for number in range(8):
        record(store, f"q{number}")
    with store.read() as db:
        assert count_turns(db, TurnFilter(), 5) == 5
        assert count_turns(db, TurnFilter(), 100) == 8


def test_where_nobody_chats_every_trace_is_listed(store: OpsStore, pages: TestClient) -> None:
    record(store, "of an agent", name="AgentExecutor")
    assert listed(pages) == ["of an agent"]
    record(store, "of the chat")
    assert listed(pages) == ["of the chat"]
    assert len(listed(pages, everything="1")) == 2


def test_a_project_has_its_own_list(store: OpsStore, pages: TestClient) -> None:
    run = {"id": uuid4(), "name": "turn", "inputs": {"question": "elsewhere"}, "session_name": "notebook"}
    store.ingest(Ingest(posts=[_RUN.validate_python(run)]))
    record(store, "here")
    project = store.runs.get(run["id"]).project_id  # type: ignore[arg-type]
    assert listed(pages, project=str(project)) == ["elsewhere"]


def test_filters_are_saved_listed_replaced_and_deleted(store: OpsStore, pages: TestClient) -> None:
    record(store, "x")
    saved = pages.post("/ops/filters", data={"name": " Bad  ones ", "query": "status=failed&after=1_2&evil=1"})
    assert (saved.status_code, saved.headers["location"]) == (303, "/ops/turns?status=failed")
    pages.post("/ops/filters", data={"name": "Bad ones", "query": "status=failed&thumbs=down"})
    tree = HTMLParser(pages.get("/ops/turns").text)
    (link,) = tree.css(".saved a")
    assert (link.text(), link.attributes["href"]) == ("Bad ones", "/ops/turns?status=failed&thumbs=down")
    here = HTMLParser(pages.get("/ops/turns?thumbs=down&status=failed").text)
    assert here.css(".saved a[aria-current]")
    (form,) = tree.css(".saved form")
    assert pages.post(str(form.attributes["action"])).status_code == 303
    assert store.saved_filters.all() == []
    assert pages.post(str(form.attributes["action"])).status_code == 404


@pytest.mark.parametrize("name", ["", "   ", "\x00"])
def test_a_saved_filter_needs_a_name_that_can_be_read(store: OpsStore, pages: TestClient, name: str) -> None:
    answer = pages.post("/ops/filters", data={"name": name, "query": "q=x"})
    assert answer.status_code == (303 if name == "\x00" else 422)
    assert [one.name for one in store.saved_filters.all()] == (["\ufffd"] if name == "\x00" else [])


def test_saved_filters_are_bounded_and_never_markup(store: OpsStore, pages: TestClient) -> None:
    pages.post("/ops/filters", data={"name": HOSTILE, "query": f"q={HOSTILE}&status=%ED%A0%80"})
    tree = HTMLParser(pages.get("/ops/turns").text)
    assert not tree.css("[onerror]")
    assert tree.css_first(".saved a").text().startswith("<script>")
    for number in range(MAX_SAVED):
        answer = pages.post("/ops/filters", data={"name": f"n{number}", "query": ""})
    assert answer.status_code == 422
    assert len(store.saved_filters.all()) == MAX_SAVED
    assert pages.post("/ops/filters/nonsense/delete").status_code == 404


def tail(pages: TestClient, **filters: str) -> str:
    (box,) = HTMLParser(pages.get("/ops/turns", params=filters).text).css("[data-live]")
    url = str(box.attributes["data-live"])
    return f"{url}{'&' if '?' in url else '?'}seen={box.attributes['data-seen']}"


def test_new_turns_come_to_the_live_list_and_only_those_that_fit(store: OpsStore, pages: TestClient) -> None:
    record(store, "old", variant="a")
    every, fitting = tail(pages), tail(pages, variant="a")
    assert questions(pages.get(every).text) == []
    record(store, "new of b", variant="b")
    record(store, "new of a", variant="a")
    assert questions(pages.get(every).text) == ["new of a", "new of b"]
    assert questions(pages.get(fitting).text) == ["new of a"]


def test_a_turn_that_was_unfinished_comes_again(store: OpsStore, pages: TestClient) -> None:
    turn = record(store, "running", seconds=None)
    url = f"{tail(pages)}&again={turn},nonsense,{uuid4()}"
    (row,) = HTMLParser(pages.get(url).text).css("tr")
    assert "data-unfinished" in row.attributes
    ended = {"id": turn, "end_time": NOW + timedelta(seconds=3), "outputs": {"answer": "Done."}}
    rated = FeedbackFields(run_id=turn, key="user_score", score=1)
    store.ingest(Ingest(patches=[_RUN.validate_python(ended)], feedback=[rated]))
    (row,) = HTMLParser(pages.get(url).text).css("tr")
    assert "data-unfinished" not in row.attributes
    assert "Done." in row.text()
    assert row.css("[aria-label='thumbs up']")


ODD_QUERIES = ["seen=x", "seen=99999999999999999999", "", "seen=1&filter=gt(", "seen=-1&again=,,"]


def test_no_question_breaks_the_live_list(store: OpsStore, pages: TestClient, subtests: pytest.Subtests) -> None:
    record(store, "x")
    for query in ODD_QUERIES:
        with subtests.test(query=query):
            answer = pages.get(f"/ops/turns/live?{query}")
            assert (answer.status_code, questions(answer.text)) == (200, [])


NOT_THE_TOP = ["sort=slowest", "after=1_1", "before=9_9", "until=2026-01-01"]


def test_only_the_top_of_the_newest_is_live(store: OpsStore, pages: TestClient, subtests: pytest.Subtests) -> None:
    record(store, "x")
    assert "data-live" in pages.get("/ops/turns").text
    for query in NOT_THE_TOP:
        with subtests.test(query=query):
            assert "data-live" not in pages.get(f"/ops/turns?{query}").text
