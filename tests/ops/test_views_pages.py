"""The operator pages over a real store: what they count, what they link to, and that nothing in a trace is code."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pydantic import TypeAdapter
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from app.ops.experiments.settings import Arm, Experiment
from app.ops.store import Ingest, OpsStore
from app.ops.store.models import FeedbackFields, RunFields
from app.ops.views import Check, OpsState, build_deep_links, build_ops

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
TONE = Experiment(arms=(Arm(name="control"), Arm(name="short", prompt="short")), description="Is shorter better?")
_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def run(**fields: Any) -> RunFields:
    """A run as the API takes it in."""
    return _RUN.validate_python(fields)


async def well() -> list[Check]:
    return [Check("model", True, "answers"), Check("index", True)]


def state_of(store: OpsStore, **changes: Any) -> OpsState:
    parts: dict[str, Any] = {"store": store, "experiments": {"tone": TONE}, "checks": well, "clock": lambda: NOW}
    return OpsState(**(parts | changes))


def browser(state: OpsState) -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(build_ops(state))
    app.include_router(build_deep_links(state))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ops")


@pytest_asyncio.fixture
async def ops(store: OpsStore) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(state_of(store)) as client:
        yield client


def record(
    store: OpsStore,
    question: str = "How many days?",
    answer: str | None = "Five days [1].",
    *,
    ago: timedelta = timedelta(hours=1),
    thumb: float | None = None,
    error: str | None = None,
    **metadata: Any,
) -> UUID:
    """One turn as the chat records it, with a search and a model call below it."""
    root, start = uuid4(), NOW - ago
    facts = {
        "user_hash": "u1",
        "thread_id": "th1",
        "experiment": "tone",
        "variant": "control",
        "model": "smol",
        "status": "failed" if error else "answered",
        "cost_usd": 0.25,
        "total_s": 2.0,
        "first_token_s": 0.5,
        "sentences": 4,
        "unsupported": 1,
        "stages_ms": {"retrieve": 120.0},
        "verdicts": [{"rail": "pii", "stage": "input", "action": "redact", "reason": "a phone number"}],
    }
    passage = {"passage_id": "p1", "document": "leave.md", "page": 3, "heading": "Leave > Carry over"}
    scores = {"score": 0.91, "dense": 0.62, "dense_rank": 2, "sparse": None, "words": ["carry", "days"]}
    found = {"page_content": "Carry over five days.", "metadata": passage | scores}
    cited = passage | {"number": 1, "quotes": ["five days"]}
    outputs = None if answer is None else {"answer": answer, "citations": [cited]}
    runs = [
        run(
            id=root,
            name="turn",
            start_time=start,
            end_time=start + timedelta(seconds=2),
            inputs={"question": question},
            outputs=outputs,
            error=error,
            extra={"metadata": facts | metadata},
        ),
        run(
            id=uuid4(),
            parent_run_id=root,
            trace_id=root,
            name="search",
            run_type="retriever",
            start_time=start + timedelta(seconds=0.1),
            end_time=start + timedelta(seconds=0.3),
            outputs={"documents": [found]},
        ),
        run(
            id=uuid4(),
            parent_run_id=root,
            trace_id=root,
            name="phrase",
            run_type="llm",
            start_time=start + timedelta(seconds=0.4),
            end_time=start + timedelta(seconds=2),
            inputs={"prompt": "x" * 5000},
            extra={"metadata": {"usage_metadata": {"input_tokens": 1234, "output_tokens": 56}}},
        ),
    ]
    ratings = []
    if thumb is not None:
        ratings = [FeedbackFields(run_id=root, key="user_score", score=thumb, value="out of date", comment="See HR.")]
    store.ingest(Ingest(posts=runs, feedback=ratings))
    return root


async def text_of(client: httpx.AsyncClient, path: str, status: int = 200) -> str:
    """What a reader sees of a page."""
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    body = HTMLParser(answer.text).body
    assert body is not None
    return " ".join(body.text(separator=" ").split())


def questions(html: str) -> list[str]:
    return [unescape(found) for found in re.findall(r'<th scope="row">\s*<a href="[^"]+">([^<]*)</a>', html)]


async def listed(client: httpx.AsyncClient, **filters: str) -> list[str]:
    answer = await client.get("/ops/turns", params=filters)
    assert answer.status_code == 200
    return questions(answer.text)


async def test_every_page_of_an_empty_store_says_what_to_do(store: OpsStore) -> None:
    async with browser(state_of(store, experiments={})) as client:
        assert "No turns yet" in await text_of(client, "/ops")
        assert "Ask a question in the chat" in await text_of(client, "/ops/turns")
        assert "parley.toml" in await text_of(client, "/ops/experiments")
        assert "none yet" in await text_of(client, "/ops/health")


async def test_every_link_of_every_page_leads_somewhere(store: OpsStore, ops: httpx.AsyncClient) -> None:
    turn = record(store, thumb=0)
    record(store, variant="short", thumb=1, ago=timedelta(days=2))
    record(
        store,
        HOSTILE,
        HOSTILE,
        experiment=HOSTILE,
        variant=HOSTILE,
        model=HOSTILE,
        user_hash=HOSTILE,
        thread_id=HOSTILE,
    )
    record(store, answer=None, error="Broken: no model")
    seen, waiting = set(), {"/ops", "/ops/health", f"/ops/turns/{turn}"}
    while waiting:
        path = waiting.pop()
        seen.add(path)
        answer = await ops.get(path)
        assert answer.status_code == 200, path
        found = {unescape(link).partition("#")[0] for link in re.findall(r'(?:href|src)="([^"]+)"', answer.text)}
        waiting |= {link for link in found - seen if link.startswith("/ops")}
    assert len(seen) > 40


async def test_the_first_page_counts_one_day_against_the_day_before(store: OpsStore, ops: httpx.AsyncClient) -> None:
    record(store, thumb=1, user_hash="ann")
    record(store, thumb=0, user_hash="bob", cost_usd=0.75)
    record(store, ago=timedelta(hours=30), cost_usd=4.0, model="older")
    seen = await text_of(ops, "/ops")
    assert "Everything works" in seen
    assert "Used 2 turns by 2 users" in seen
    assert "Liked 50% of 2 rated 1 down , 0 not rated" in seen
    assert "Cost $1.00 $0.50 a turn" in seen
    assert "Speed 500 ms to first token 2.0 s in all" in seen
    assert "Turns 2 1" in seen
    assert "New: model smol" in seen
    assert "2026-03-10 2" in seen


FILTERS = [
    ({}, ["new", "liked", "broken"]),
    ({"q": "LIKED"}, ["liked"]),
    ({"q": "liked nowhere"}, []),
    ({"q": "100%"}, ["liked"]),
    ({"q": "1_0"}, []),
    ({"status": "failed"}, ["broken"]),
    ({"variant": "short"}, ["liked"]),
    ({"experiment": "other"}, ["broken"]),
    ({"model": "large"}, ["liked"]),
    ({"thumbs": "up"}, ["liked"]),
    ({"thumbs": "down"}, ["new"]),
    ({"thumbs": "rated"}, ["new", "liked"]),
    ({"thumbs": "none"}, ["broken"]),
    ({"user": "ann"}, ["liked"]),
    ({"thread": "th2"}, ["liked"]),
    ({"since": "2026-03-09"}, ["new"]),
    ({"until": "2026-03-09T00:00"}, ["liked", "broken"]),
    ({"sort": "slowest"}, ["liked", "new", "broken"]),
    ({"sort": "oldest"}, ["broken", "liked", "new"]),
    ({"everything": "1"}, ["new", "liked", "broken", "notebook"]),
    ({"thumbs": "rated", "user": "u1"}, ["new"]),
]


async def test_filters_narrow_the_list(store: OpsStore, ops: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    record(store, "new", thumb=0)
    record(
        store,
        "liked",
        "A sure 100% yes",
        thumb=1,
        ago=timedelta(days=2),
        variant="short",
        user_hash="ann",
        model="large",
        thread_id="th2",
        total_s=9,
    )
    record(store, "broken", None, error="Broken", ago=timedelta(days=3), experiment="other", total_s=1)
    notebook = run(id=uuid4(), name="notebook", start_time=NOW - timedelta(days=4), end_time=NOW)
    store.ingest(Ingest(posts=[notebook]))
    for filters, expected in FILTERS:
        with subtests.test(**filters):
            assert await listed(ops, **filters) == expected


async def test_a_turns_id_finds_it(store: OpsStore, ops: httpx.AsyncClient) -> None:
    record(store, "another")
    assert await listed(ops, q=str(record(store, "wanted")).upper()) == ["wanted"]


async def test_the_list_comes_in_pages_that_keep_the_filter(store: OpsStore, ops: httpx.AsyncClient) -> None:
    for number in range(53):
        record(store, f"q{number}", ago=timedelta(minutes=number))
    record(store, "of another", user_hash="bob")
    first = await ops.get("/ops/turns?user=u1")
    assert len(questions(first.text)) == 50
    assert "53 turns" in first.text
    (later,) = re.findall(r'rel="next" href="([^"]+)"', first.text)
    second = await ops.get(unescape(later))
    assert questions(second.text) == ["q50", "q51", "q52"]
    assert 'rel="next"' not in second.text
    (back,) = re.findall(r'rel="prev" href="([^"]+)"', second.text)
    again = await ops.get(unescape(back))
    assert questions(again.text) == questions(first.text)
    assert 'rel="prev"' not in again.text


NONSENSE = [
    ("since=yesterday", "“since” must be a date"),
    ("until=9999-12-31T23:59-23:00", "“until” must be a date"),
    ("thumbs=sideways", "“thumbs” must be one of up, down, rated, none"),
    ("sort=;DROP TABLE runs", "“sort” must be one of"),
    ("after=-1", "“after” must be a place"),
    ("before=99999999999999999999_1", "“before” must be a place"),
    ("after=nan_1", "“after” must be a place"),
    ("project=mine", "“project” must be a project's id"),
    ("colour=red", "“colour” is not a filter"),
]


async def test_what_makes_no_sense_is_ignored_and_named(ops: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for query, says in NONSENSE:
        with subtests.test(query=query):
            assert f"Ignored: {says}" in await text_of(ops, f"/ops/turns?{query}")


async def test_no_query_breaks_the_list(store: OpsStore, ops: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    record(store)
    names = ["q", "status", "variant", "user", "since", "after", "filter", "project", "%00"]
    values = ["%00", "%ED%A0%80", "'\"--", "a " * 3000, "{{7*7}}", "%%%"]
    for name, value in product(names, values):
        with subtests.test(name=name, value=value):
            assert (await ops.get(f"/ops/turns?{name}={value}")).status_code == 200


async def test_a_trace_shows_the_whole_turn(store: OpsStore, ops: httpx.AsyncClient) -> None:
    earlier = record(store, "And before that?", ago=timedelta(hours=2))
    other_arm = record(store, thread_id="th9", variant="short", ago=timedelta(hours=3))
    turn = record(store, thumb=0)
    html = (await ops.get(f"/ops/turns/{turn}")).text
    seen = await text_of(ops, f"/ops/turns/{turn}")
    for words in (
        "How many days?",
        "Total 2.0 s",
        "First token 500 ms",
        "1,234 → 56",
        "Cost $0.25",
        "1 of 4 sentences",
        "leave.md , page 3",
        "Words of the question: carry, days 0.910 0.620 place 2 –",
        "Thumbs down : out of date See HR.",
        "redact pii on input: a phone number",
        "retrieve 120 ms",
    ):
        assert words in seen, words
    assert '<a href="#source-1">[1]</a>' in html
    assert f'href="/ops/turns/{earlier}"' in html
    assert f'href="/ops/turns/{other_arm}"' in html
    bars = [float(width) for width in re.findall(r'class="span" x="[\d.]+" y="0.0" width="([\d.]+)"', html)]
    assert bars == [1000.0, 100.0, 800.0]


async def test_a_trace_shows_which_models_were_asked(store: OpsStore, ops: httpx.AsyncClient) -> None:
    failed = {"model": "large", "outcome": "model_busy", "reason": "Too much to do.", "seconds": 0.25, "cost_usd": 0.0}
    usage = {"prompt_tokens": 100, "completion_tokens": 7}
    answered = {"model": "small", "outcome": "answered", "seconds": 1.5, "usage": usage, "cost_usd": 0.5}
    answered |= {"context_tokens": 3840, "quotes_left_out": 2}
    turn = record(store, attempts=[failed, answered], route="short questions")
    seen = await text_of(ops, f"/ops/turns/{turn}")
    assert "large model_busy Too much to do. 250 ms – → – – $0.00" in seen
    assert "small answered 1.5 s 100 → 7 3,840 2 quotes left out $0.50" in seen
    assert "The rule short questions chose the first." in seen
    assert "Models asked" not in await text_of(ops, f"/ops/turns/{record(store)}")


async def test_a_trace_shows_what_the_rerank_model_said(store: OpsStore, ops: httpx.AsyncClient) -> None:
    root = uuid4()
    read = {"page_content": "Five days.", "metadata": {"document": "leave.md", "score": 3.2, "rerank": 3.2}}
    other = {"page_content": "Ten days.", "metadata": {"document": "old.md", "score": 0.1}}
    start = datetime.now(UTC)
    found = {"outputs": {"documents": [read, other]}, "run_type": "retriever", "name": "search"}
    turn = run(id=root, name="turn", start_time=start, end_time=start)
    search = run(id=uuid4(), parent_run_id=root, trace_id=root, start_time=start, end_time=start, **found)
    store.ingest(Ingest(posts=[turn, search]))
    seen = await text_of(ops, f"/ops/turns/{root}")
    assert "or what the rerank model says" in seen
    assert "Score Meaning Words Rerank" in seen
    assert "3.200 – – 3.200" in seen
    assert "0.100 – – –" in seen


async def test_a_step_leads_to_its_trace(store: OpsStore, ops: httpx.AsyncClient) -> None:
    turn = record(store)
    step = store.runs.trace(turn)[1]
    answer = await ops.get(f"/ops/turns/{step.id}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/ops/turns/{turn}#run-{step.id}")
    assert f'id="run-{step.id}"' in (await ops.get(f"/ops/turns/{turn}")).text


async def test_a_trace_without_its_root_is_shown_as_far_as_it_is_known(store: OpsStore, ops: httpx.AsyncClient) -> None:
    root = uuid4()
    orphan = run(id=uuid4(), trace_id=root, parent_run_id=root, name="search", run_type="retriever", start_time=NOW)
    store.ingest(Ingest(posts=[orphan]))
    assert "has not arrived" in await text_of(ops, f"/ops/turns/{root}")


async def test_the_links_that_the_sdk_prints_lead_to_the_trace(store: OpsStore, ops: httpx.AsyncClient) -> None:
    turn = record(store)
    answer = await ops.get(f"/o/{uuid4()}/projects/p/{uuid4()}/r/{turn}?poll=true", follow_redirects=True)
    assert (answer.status_code, answer.url.path) == (200, f"/ops/turns/{turn}")


NOWHERE = [
    "/turns/nope",
    "/turns/00000000-0000-4000-8000-000000000000",
    "/experiments/nope",
    "/nowhere",
    "/static/..%2fops.py",
    "/static/x.css",
]


async def test_what_is_not_there_gets_a_page_that_says_so(ops: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for path in NOWHERE:
        with subtests.test(path=path):
            assert "There is no" in await text_of(ops, f"/ops{path}", status=404)


async def test_nothing_in_a_trace_becomes_markup(store: OpsStore, ops: httpx.AsyncClient) -> None:
    turn = record(
        store,
        HOSTILE,
        HOSTILE,
        thumb=0,
        error=HOSTILE,
        experiment=HOSTILE,
        variant=HOSTILE,
        model=HOSTILE,
        user_hash=HOSTILE,
        thread_id=HOSTILE,
        status=HOSTILE,
        verdicts=[{"rail": HOSTILE, "action": HOSTILE, "stage": {"a": HOSTILE}}],
        stages_ms={HOSTILE: 1},
        attempts=[{"model": HOSTILE, "outcome": HOSTILE, "reason": HOSTILE, "usage": HOSTILE}],
        route=HOSTILE,
        prompt_version=HOSTILE,
    )
    judgement = FeedbackFields(run_id=turn, key=HOSTILE, value={"a": HOSTILE}, comment=HOSTILE)
    store.ingest(Ingest(feedback=[judgement]))
    for path in (
        "",
        "/turns",
        f"/turns/{turn}",
        "/experiments",
        f"/turns?q={HOSTILE}",
        f"/turns?status={HOSTILE}",
        "/threads",
    ):
        answer = await ops.get(f"/ops{path}")
        assert answer.status_code == 200
        tree = HTMLParser(answer.text)
        scripts = [str(node.attributes.get("src")) for node in tree.css("script")]
        assert "/ops/static/ops.js" in scripts
        assert all(script.startswith("/ops/static/") for script in scripts)
        assert not tree.css("[onerror], style, [style], [onclick]")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "inline" not in answer.headers["content-security-policy"]


async def test_metadata_of_any_shape_is_shown(store: OpsStore, ops: httpx.AsyncClient) -> None:
    for odd in (1, "x", [], [1], {"a": [1]}, None, 1e300, True):
        turn = record(
            store,
            **dict.fromkeys(["status", "model", "cost_usd", "total_s", "verdicts", "stages_ms", "sentences"], odd),
            **dict.fromkeys(["attempts", "route"], odd),
        )
        assert (await ops.get(f"/ops/turns/{turn}")).status_code == 200
    citations = [1, {}, {"number": "1", "quotes": "x"}, {"number": 1, "quotes": [{}, None], "page": []}]
    odd_outputs = {"answer": ["x [1]"], "citations": citations}
    odd_run = run(id=uuid4(), name="turn", inputs={"question": {"a": 1}}, outputs=odd_outputs, start_time=NOW)
    store.ingest(Ingest(posts=[odd_run]))
    assert (await ops.get(f"/ops/turns/{odd_run['id']}")).status_code == 200
    for path in ("", "/turns", "/experiments/tone", "/health"):
        assert (await ops.get(f"/ops{path}")).status_code == 200


async def test_each_number_of_an_experiment_leads_to_as_many_turns(store: OpsStore, ops: httpx.AsyncClient) -> None:
    record(store, thumb=1)
    record(store, thumb=0, user_hash="bob")
    record(store, user_hash="eve", status="abstained")
    record(store, variant="short", thumb=1)
    record(store, experiment="other", thumb=1)
    page = (await ops.get("/ops/experiments/tone")).text
    seen = await text_of(ops, "/ops/experiments/tone")
    assert "50% of users, baseline" in seen
    assert "prompt: short" in seen
    assert "Liked thumbs up among rated turns, 95 % interval 50%" in seen
    links = re.findall(r'<a href="(/ops/turns\?[^"]+)">([\d,]+)</a>', page)
    counted = [(unescape(link), int(number)) for link, number in links if "sort" not in link]
    assert len(counted) >= 12
    for link, number in counted:
        assert len(questions((await ops.get(link)).text)) == number, link


async def test_experiments_are_listed_with_what_is_known_of_them(store: OpsStore) -> None:
    record(store)
    record(store, experiment="past", variant="a")
    stopped = Experiment(enabled=False, arms=TONE.arms)
    async with browser(state_of(store, experiments={"tone": TONE, "next": stopped})) as client:
        seen = await text_of(client, "/ops/experiments")
    assert "tone running Is shorter better? control against short 1 turn by 1 user" in seen
    assert "next stopped control against short 0 turns" in seen
    assert "past removed 1 turn by 1 user" in seen


async def test_health_tells_alive_from_alive_but_useless(store: OpsStore, ops: httpx.AsyncClient) -> None:
    for _ in range(4):
        record(store, error="Broken")
    assert "Everything works" in await text_of(ops, "/ops/health")
    record(store, error="Broken")
    assert "Alive, but not useful: 5 of the last 5 turns failed" in await text_of(ops, "/ops/health")
    assert "Alive, but not useful" in await text_of(ops, "/ops")
    for _ in range(6):
        record(store, ago=timedelta(minutes=1))
    assert "Everything works" in await text_of(ops, "/ops/health")


async def test_health_names_the_part_that_does_not_work(store: OpsStore) -> None:
    async def checks() -> list[Check]:
        return [Check("index", True), Check("model", False, "The file is missing. Run make models.")]

    async with browser(state_of(store, checks=checks, outbox_depth=lambda: 5000)) as client:
        seen = await text_of(client, "/ops/health")
    assert "Needs attention: model, trace outbox" in seen
    assert "model does not work The file is missing. Run make models." in seen
    assert "5,000 records wait" in seen


async def test_health_survives_checks_that_fail(store: OpsStore) -> None:
    async def checks() -> list[Check]:
        raise RuntimeError("secret detail")

    async with browser(state_of(store, checks=checks)) as client:
        seen = await text_of(client, "/ops/health")
    assert "The checks themselves failed (RuntimeError)" in seen
    assert "secret detail" not in seen


async def test_pages_are_complete_documents(store: OpsStore, ops: httpx.AsyncClient) -> None:
    turn = record(store, thumb=1)
    for path in ("", "/turns", f"/turns/{turn}", "/experiments", "/experiments/tone", "/health", "/nowhere"):
        tree = HTMLParser((await ops.get(f"/ops{path}")).text)
        assert tree.css_first("html").attributes["lang"] == "en"
        assert len(tree.css("main")) == len(tree.css("h1")) == len(tree.css("header nav")) == 1
        assert tree.css_first("title").text().endswith("· Parley operations")
        assert all(cell.attributes.get("scope") for cell in tree.css("th"))
        assert all(node.attributes.get("aria-hidden") or node.attributes.get("aria-label") for node in tree.css("svg"))
        ids = [node.attributes["id"] for node in tree.css("[id]")]
        assert len(ids) == len(set(ids))
