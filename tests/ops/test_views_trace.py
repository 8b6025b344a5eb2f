"""One trace, two compared, and conversations: what is shown, what is left for later, and that nothing in it is code."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from app.ops.store import Ingest, OpsStore
from app.ops.store.models import Attachment, RunFields
from app.ops.threads import conversations
from app.ops.views.messages import answered, asked
from app.ops.views.steps import AT_ONCE, CHILDREN_AT_ONCE, read_tree
from app.ops.views.words import MAX_PARTS, differences

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)


def run(parent: RunFields | None = None, *, at: float = 0, takes: float | None = 1, **fields: Any) -> RunFields:
    """A run that starts so many seconds after noon; its trace is its parent's."""
    known: dict[str, Any] = {"id": uuid4(), "name": "step", "start_time": NOW + timedelta(seconds=at)}
    known["trace_id"] = parent["trace_id"] if parent else known["id"]
    if parent:
        known["parent_run_id"] = parent["id"]
    if takes is not None:
        known["end_time"] = NOW + timedelta(seconds=at + takes)
    return _RUN.validate_python(known | fields)


def put(store: OpsStore, *runs: RunFields) -> str:
    """Store the runs; the address of the first one's trace."""
    store.ingest(Ingest(posts=list(runs)))
    return f"/ops/turns/{runs[0]['trace_id']}"


def turn(question: str, answer: str | None, *, thread: str = "th", at: float = 0, **fields: Any) -> RunFields:
    outputs = None if answer is None else {"answer": answer, "citations": [{"number": 1, "document": "leave.md"}]}
    metadata = {"metadata": {"thread_id": thread, "cost_usd": 0.5}}
    return run(at=at, name="turn", inputs={"question": question}, outputs=outputs, extra=metadata, **fields)


def seen(pages: TestClient, path: str, status: int = 200) -> str:
    """What a reader sees."""
    answer = pages.get(path)
    assert answer.status_code == status
    body = HTMLParser(answer.text).body
    assert body is not None
    return " ".join(body.text(separator=" ").split())


def step_names(html: str) -> list[str]:
    return [node.text() for node in HTMLParser(html).css(".node > .row a.open")]


def test_steps_stand_below_their_parents_with_their_own_and_all_tokens(store: OpsStore, pages: TestClient) -> None:
    root = run(takes=10, name="agent")
    inner = run(root, at=1, takes=8, name="plan")
    usage = {"usage_metadata": {"input_tokens": 700, "output_tokens": 30, "total_cost": 0.25}}
    call = run(inner, at=2, takes=3, name="model", run_type="llm", extra={"metadata": usage})
    path = put(store, root, inner, call)
    tree = HTMLParser(pages.get(path).text)
    (nested,) = tree.css(f"#run-{root['id']} > ul > #run-{inner['id']} > ul > #run-{call['id']}")
    assert "730" in nested.text()
    assert "$0.25" in tree.css_first(f"#run-{root['id']} > .row").text()
    detail = seen(pages, f"{path}/steps/{inner['id']}?part=1")
    assert "This step itself – – – With all below it 700 30 $0.25" in detail
    assert "This step itself 700 30 $0.25" in seen(pages, f"{path}/steps/{call['id']}?part=1")


def test_a_prompt_of_this_hub_leads_to_its_version(store: OpsStore, pages: TestClient) -> None:
    def shown(version: str) -> list[tuple[str | None, str]]:
        made = {"metadata": {"thread_id": "th", "prompt_version": version}}
        root = run(name="turn", inputs={"question": "Why?"}, outputs={"answer": "So."}, extra=made)
        tree = HTMLParser(pages.get(put(store, root)).text)
        (said,) = [row.css_first("dd") for row in tree.css(".facts div") if row.css_first("dt").text() == "Prompt"]
        assert said.text()
        return [(link.attributes["href"], link.text()) for link in said.css("a")]

    assert shown("hub:answer:" + "0a" * 32) == [("/ops/prompts/answer/" + "0a" * 32, "answer:0a0a0a0a")]
    for other in ("hub:acme/answer:" + "0a" * 32, "answer@1", "hub:a:0&b"):
        assert shown(other) == []


def test_a_large_trace_is_drawn_in_part_and_the_rest_comes_when_asked_for(store: OpsStore, pages: TestClient) -> None:
    root = run(takes=900)
    many = [run(root, at=number / 10, name=f"s{number}") for number in range(CHILDREN_AT_ONCE + 30)]
    deep = [many[0]]
    for number in range(40):
        deep.append(run(deep[-1], at=number / 10 + 0.01, name=f"deep {number}"))
    path = put(store, root, *many, *deep[1:])
    html = pages.get(path).text
    assert len(step_names(html)) <= AT_ONCE + 1
    (rest,) = (node for node in HTMLParser(html).css(".rest a") if "more below step" in node.text())
    assert rest.text().startswith("30 steps more")
    following = pages.get(str(rest.attributes["data-under"])).text
    assert step_names(following) == [f"s{number}" for number in range(CHILDREN_AT_ONCE, CHILDREN_AT_ONCE + 30)]
    assert "s0" in seen(pages, str(rest.attributes["href"]))
    with store.read() as db:
        tree = read_tree(db, root["id"])
    assert tree is not None
    assert tree.tops[0].below == len(many) + 40


def test_runs_in_a_circle_or_without_a_parent_are_all_reachable(store: OpsStore, pages: TestClient) -> None:
    root, lost = run(name="root"), uuid4()
    orphan = run(root, name="orphan", parent_run_id=lost)
    a, b = uuid4(), uuid4()
    circle = [run(root, id=a, parent_run_id=b, name="a"), run(root, id=b, parent_run_id=a, name="b")]
    path = put(store, root, orphan, *circle)
    names = step_names(pages.get(path).text)
    assert names[0] == "root"
    assert sorted(names) == ["a", "b", "orphan", "root"]
    for one in circle:
        assert pages.get(f"{path}/steps/{one['id']}").status_code == 200


def test_what_failed_stands_on_top_once_where_it_failed(store: OpsStore, pages: TestClient) -> None:
    root = run(name="turn", error="because of the model", inputs={"question": "Why?"})
    call = run(root, name="model", run_type="llm", error="ConnectionError: gone")
    tree = HTMLParser(pages.get(put(store, root, call, run(root, name="fine"))).text)
    assert [node.text() for node in tree.css(".errors li a")] == ["model"]
    assert "ConnectionError: gone" in tree.css_first(".errors").text()


def test_tokens_that_streamed_are_drawn_when_they_came(store: OpsStore, pages: TestClient) -> None:
    events = [{"name": "new_token", "time": (NOW + timedelta(seconds=s)).isoformat()} for s in (1, 2, 3)]
    odd = [{"name": "new_token", "time": "noon"}, {"name": "new_token"}, {"name": "start", "time": NOW.isoformat()}]
    root = run(takes=4, run_type="llm", events=[*events, *odd])
    path = put(store, root)
    html = pages.get(f"{path}/steps/{root['id']}?part=1").text
    assert 'd="M250.0 0V10 M500.0 0V10 M750.0 0V10"' in html
    assert "3 tokens, the first after 1.0 s, then 1.0 a second" in " ".join(html.split())


def test_a_running_trace_says_so_until_it_ends(store: OpsStore, pages: TestClient) -> None:
    root = run(takes=None, name="turn")
    path = put(store, root)
    assert "data-running" in pages.get(path).text
    ended = {"id": root["id"], "trace_id": root["trace_id"], "end_time": NOW + timedelta(seconds=1)}
    store.ingest(Ingest(patches=[_RUN.validate_python(ended)]))
    assert "data-running" not in pages.get(path).text


def test_a_run_is_given_as_json(store: OpsStore, pages: TestClient) -> None:
    root = run(inputs={"a": HOSTILE}, name=HOSTILE)
    answer = pages.get(f"{put(store, root)}/steps/{root['id']}/json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["inputs"] == {"a": HOSTILE}


@pytest.mark.parametrize(
    ("mime_type", "served"), [("image/png", "image/png"), ("text/html", "application/octet-stream")]
)
def test_attachments_are_saved_not_opened(store: OpsStore, pages: TestClient, mime_type: str, served: str) -> None:
    digest = store.blobs.put(b"<script>alert(1)</script>")
    name = 'ä/b"c.html'
    file = Attachment(mime_type=mime_type, size_bytes=25, digest=digest)
    root = run(attachments={name: file, "gone": Attachment(mime_type="text/plain", size_bytes=1, digest="0" * 64)})
    step = f"{put(store, root)}/steps/{root['id']}"
    html = HTMLParser(pages.get(f"{step}?part=1").text)
    answer = pages.get(str(html.css_first(".files a").attributes["href"]))
    assert (answer.status_code, answer.content) == (200, b"<script>alert(1)</script>")
    assert answer.headers["content-type"].partition(";")[0] == served
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert bool(html.css(".files img")) == (mime_type == "image/png")
    for missing in ("gone", "nowhere", "../../../etc/passwd"):
        assert pages.get(f"{step}/files/{quote(missing, safe='')}").status_code == 404


def test_a_step_is_found_in_its_own_trace_only(store: OpsStore, pages: TestClient) -> None:
    one, other = run(name="one"), run(name="other")
    path = put(store, one)
    put(store, other)
    for wrong in (other["id"], uuid4(), "nonsense"):
        for part in ("", "/json", "/files/x"):
            assert pages.get(f"{path}/steps/{wrong}{part}").status_code == 404
    assert pages.get(f"{path}/steps?under={other['id']}").status_code == 404
    assert pages.get("/ops/turns/nonsense/steps?under=x").status_code == 404


OPENAI = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "How warm?"}, {"type": "image_url", "image_url": {}}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"function": {"name": "warm", "arguments": '{"in":"C"}'}}],
        },
        {"role": "tool", "content": "21", "tool_call_id": "1"},
    ]
}
LANGCHAIN = {
    "messages": [
        [
            {"lc": 1, "id": ["langchain", "SystemMessage"], "kwargs": {"content": "Be brief."}},
            {"lc": 1, "id": ["langchain", "HumanMessage"], "kwargs": {"content": "How warm?"}},
            {"type": "ai", "data": {"content": "", "tool_calls": [{"name": "warm", "args": {"in": "C"}}]}},
            {"lc": 1, "id": ["langchain", "ToolMessage"], "kwargs": {"content": "21"}},
        ]
    ]
}
ANTHROPIC = {
    "system": "Be brief.",
    "messages": [
        {"role": "user", "content": "How warm?"},
        {"role": "assistant", "content": [{"type": "tool_use", "name": "warm", "input": {"in": "C"}}]},
        {"role": "user", "content": [{"type": "tool_result", "content": "21"}]},
    ],
}
RESPONSES = {
    "instructions": "Be brief.",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "How warm?"}]},
        {"type": "function_call", "name": "warm", "arguments": '{"in": "C"}'},
        {"type": "function_call_output", "output": "21"},
    ],
}
GEMINI = {
    "system_instruction": "Be brief.",
    "contents": [
        {"role": "user", "parts": [{"text": "How warm?"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "warm", "args": {"in": "C"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"response": "21"}}]},
    ],
}


@pytest.mark.parametrize("inputs", [OPENAI, LANGCHAIN, ANTHROPIC, RESPONSES, GEMINI])
def test_what_went_in_reads_as_a_conversation_whoever_recorded_it(inputs: dict[str, Any]) -> None:
    system, user, assistant, tool = asked(inputs)
    assert (system.role, system.text) == ("system", "Be brief.")
    assert (user.role, user.text) == ("user", "How warm?")
    assert assistant.role == "assistant"
    assert [(call.name, call.arguments) for call in assistant.tool_calls] == [("warm", '{\n  "in": "C"\n}')]
    assert tool.role == "tool"
    assert "21" in tool.text


@pytest.mark.parametrize(
    "outputs",
    [
        {"choices": [{"message": {"role": "assistant", "content": "21 °C"}}]},
        {"choices": [{"text": "21 °C"}]},
        {"generations": [[{"text": "21 °C", "message": {"id": ["AIMessage"], "kwargs": {"content": "21 °C"}}}]]},
        {"generations": [[{"text": "21 °C", "generation_info": {}}]]},
        {"role": "assistant", "content": [{"type": "text", "text": "21 °C"}]},
        {"output": [{"type": "reasoning", "summary": []}, {"role": "assistant", "content": "21 °C"}]},
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "21 °C"}]}}]},
        {"message": {"role": "assistant", "content": "21 °C"}},
        {"output": "21 °C"},
        {"answer": "21 °C"},
    ],
)
def test_what_came_out_reads_as_an_answer_whoever_recorded_it(outputs: dict[str, Any]) -> None:
    assert [(message.role, message.text) for message in answered(outputs)] == [("assistant", "21 °C")]


def odd_values() -> Iterable[Any]:
    leaves: list[Any] = [None, 1, "", "x", [], {}, [[]], [None], [{}], [["a"]], [["a", 1]], [1, "x"], {"content": {}}]
    yield from leaves
    for leaf in leaves:
        yield from ([leaf], [[leaf]], {"role": leaf, "content": leaf}, [{"role": "user", "content": leaf}])
        yield from ([{"message": leaf}], [{"kwargs": leaf, "id": leaf}], {"parts": leaf}, [{"tool_calls": [leaf]}])
        yield from ([{"type": leaf, "text": leaf}], [{"function_call": leaf}], [{"type": "reasoning", "summary": leaf}])


@pytest.mark.parametrize("key", ["messages", "input", "contents", "prompt", "choices", "generations", "output"])
def test_no_shape_of_messages_is_too_odd_to_be_read(key: str) -> None:
    for value in odd_values():
        for message in (*asked({key: value}), *answered({key: value})):
            assert isinstance(message.text, str)
            assert isinstance(message.role, str)


def test_a_model_call_is_shown_as_a_conversation_with_the_record_beside_it(store: OpsStore, pages: TestClient) -> None:
    root = run(run_type="llm", inputs=OPENAI, outputs={"choices": [{"message": {"role": HOSTILE, "content": HOSTILE}}]})
    html = pages.get(f"{put(store, root)}/steps/{root['id']}").text
    tree = HTMLParser(html)
    assert [node.text() for node in tree.css(".talk .role")][:4] == ["system", "user", "assistant", "tool"]
    assert len([node for node in tree.css("summary") if node.text() == "As recorded"]) == 2
    assert not tree.css("[onerror]")


def test_two_traces_are_compared_step_by_step_and_word_by_word(store: OpsStore, pages: TestClient) -> None:
    one, other = turn("How many?", "Five full days."), turn("How many?", "Six full days.", at=9, takes=3)
    put(store, one, run(one, name="search", at=0.1), run(one, name="rank", at=0.2), run(one, name="phrase", at=0.3))
    put(store, other, run(other, name="search", at=9.1, takes=2), run(other, name="phrase", at=9.2))
    html = pages.get(f"/ops/diff?a={one['id']}&b={other['id']}").text
    tree = HTMLParser(html)
    answer = tree.css(".columns .diff")[1]
    assert [node.text() for node in answer.css("del, ins")] == ["Five", "Six"]
    rows = [" ".join(node.text(separator=" ").split()) for node in tree.css(".pairs tbody tr")]
    assert [row.split()[0] for row in rows] == ["turn", "search", "rank", "phrase"]
    assert "only in A" in rows[2]
    assert "1.0 s 2.0 s +1.0 s" in rows[1]
    ticked = pages.get(f"/ops/diff?run={one['id']}&run={other['id']}").text
    assert ticked == html


def test_a_trace_leads_to_what_it_may_be_compared_with(store: OpsStore, pages: TestClient) -> None:
    before, one, twin = turn("Hello?", "Hi."), turn("Why?", "So.", at=5), turn("Why?", "Thus.", thread="other", at=7)
    put(store, before)
    put(store, twin)
    links = {str(node.attributes.get("href")) for node in HTMLParser(pages.get(put(store, one)).text).css("a")}
    assert f"/ops/diff?a={before['id']}&b={one['id']}" in links
    assert f"/ops/diff?a={one['id']}&b={twin['id']}" in links
    assert "/ops/threads/th" in links
    for link in links:
        if link.startswith("/ops/diff"):
            assert pages.get(link).status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("", 404, "There is no trace with this id"),
        ("a=x&b=y", 404, "There is no trace with this id"),
        ("run=1", 422, "Tick two turns"),
        ("run=1&run=2&run=3", 422, "More than two were ticked"),
    ],
)
def test_what_cannot_be_compared_is_said(pages: TestClient, query: str, status: int, says: str) -> None:
    assert says in seen(pages, f"/ops/diff?{query}", status)


def test_differences_are_found_by_words_then_lines_then_as_a_whole() -> None:
    def read(a: str, b: str) -> list[tuple[str, str]]:
        return [(piece.kind, piece.text) for piece in differences(a, b)]

    assert read("a b c", "a x c") == [("same", "a "), ("removed", "b"), ("added", "x"), ("same", " c")]
    assert read("", "x") == [("added", "x")]
    assert read("same", "same") == [("same", "same")]
    long = [f"line {number} of the text\n" for number in range(MAX_PARTS - 1)]
    changed = [*long[:5], "another\n", *long[6:]]
    assert ("added", "another\n") in read("".join(long), "".join(changed))
    a, b = "x\n" * (MAX_PARTS + 1), "y\n" * (MAX_PARTS + 1)
    assert read(a, b) == [("removed", a), ("added", b)]


def test_threads_are_listed_by_their_latest_turn_with_what_they_came_to(store: OpsStore, pages: TestClient) -> None:
    put(store, turn("First?", "One.", thread="a"))
    put(store, turn("Of b?", "Two.", thread="b", at=10))
    put(store, turn("Again?", None, thread="a", at=20, error="Broken"))
    agent = run(name="AgentExecutor", at=5, extra={"metadata": {"session_id": "trip"}})
    put(store, agent)
    tree = HTMLParser(pages.get("/ops/threads").text)
    rows = [" ".join(node.text(separator=" ").split()) for node in tree.css(".threads tbody tr")]
    assert [row.split("  ")[0].split()[0] for row in rows] == ["First?", "Of", "AgentExecutor"]
    assert "2 1 failed" in rows[0]
    assert "$1.00" in rows[0]


def test_the_list_of_threads_goes_on_past_an_endless_one(store: OpsStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ops.threads.WALKED", 3)
    put(store, turn("Old?", "x", thread="old"))
    for number in range(8):
        put(store, turn("Again?", "x", thread="endless", at=number + 1))
    found, place, pages_read = [], None, 0
    while place or not pages_read:
        with store.read() as db:
            some, place = conversations(db, 2, place)
        found += [one.id for one in some]
        pages_read += 1
    assert found == ["endless", "old"]
    assert pages_read > 1


def test_a_thread_is_replayed_from_its_first_turn_on(store: OpsStore, pages: TestClient) -> None:
    for number in range(45):
        put(store, turn(f"Question {number}?", f"Answer {number} [1].", at=number))
    html = pages.get("/ops/threads/th").text
    tree = HTMLParser(html)
    asked_first = [node.text().strip() for node in tree.css(".speech.user .words")]
    assert asked_first[:2] == ["Question 0?", "Question 1?"]
    assert "leave.md" in tree.css_first(".exchanges li .sources").text()
    (later,) = tree.css("[rel=next]")
    second = HTMLParser(pages.get(str(later.attributes["href"])).text)
    assert [node.text().strip() for node in second.css(".speech.user .words")] == [
        f"Question {number}?" for number in range(40, 45)
    ]


def test_a_thread_of_other_programs_reads_as_a_conversation_too(store: OpsStore, pages: TestClient) -> None:
    talk = {"messages": [{"role": "user", "content": "Plan a trip"}]}
    done = {"messages": [{"role": "user", "content": "Plan a trip"}, {"role": "assistant", "content": "To Lisbon"}]}
    put(store, run(name="agent", inputs=talk, outputs=done, extra={"metadata": {"session_id": "trip"}}))
    text = seen(pages, "/ops/threads/trip")
    assert "user Plan a trip answer To Lisbon" in text


@pytest.mark.parametrize("thread", [HOSTILE, "a/b?c#d", "ä ö", "x" * 1500, "100%"])
def test_any_thread_id_has_a_page_of_its_own(store: OpsStore, pages: TestClient, thread: str) -> None:
    put(store, turn("Why?", "So.", thread=thread))
    (link,) = HTMLParser(pages.get("/ops/threads").text).css(".threads th a")
    assert "Why?" in seen(pages, str(link.attributes["href"]))
    assert "There is no thread" in seen(pages, f"/ops/threads/{uuid4()}", 404)


def test_nothing_in_a_trace_becomes_markup_on_any_of_its_pages(store: OpsStore, pages: TestClient) -> None:
    huge = HOSTILE + "\x00 " + "word " * 60_000
    root = turn(HOSTILE, HOSTILE, thread=HOSTILE, tags=[HOSTILE], error=HOSTILE)
    step = run(root, name=HOSTILE, run_type="llm", inputs={"messages": [{"role": "user", "content": huge}]})
    step["events"] = _RUN.validate_python({"id": uuid4(), "events": [{"name": HOSTILE, "time": HOSTILE}]})["events"]
    path = put(store, root, step)
    other = turn("x", "y")
    put(store, other)
    paths = [path, f"{path}/steps/{step['id']}", f"{path}/steps/{step['id']}?part=1", "/ops/threads"]
    paths += [f"/ops/threads/{quote(HOSTILE, safe='')}", f"/ops/diff?a={root['id']}&b={other['id']}"]
    for one in paths:
        answer = pages.get(one)
        assert answer.status_code == 200
        tree = HTMLParser(answer.text)
        assert not tree.css("[onerror], style, [style], [onclick], img[src=x]")
        assert all(str(node.attributes.get("src")).startswith("/ops/static/") for node in tree.css("script"))
        assert "inline" not in answer.headers["content-security-policy"]
        ids = [node.attributes["id"] for node in tree.css("[id]")]
        assert len(ids) == len(set(ids))


def test_ids_of_uuid_form_are_read_in_any_writing(store: OpsStore, pages: TestClient) -> None:
    root = turn("Why?", "So.")
    put(store, root)
    known: UUID = root["id"]
    for written in (str(known).upper(), known.hex, f"{{{known}}}"):
        assert "Why?" in seen(pages, f"/ops/turns/{quote(written)}")
