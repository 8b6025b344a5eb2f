"""OpenTelemetry spans become runs: LangSmith's own exporter, the OpenTelemetry SDK, and requests made by hand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
from langsmith import Client, traceable, tracing_context
from langsmith.integrations.otel.processor import OtelExporter
from langsmith.run_trees import RunTree
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from app.ops.store import OpsStore, Run, RunQuery

pytestmark = pytest.mark.filterwarnings("ignore")

KEY = "a-key-for-tests"
STARTED = 1_780_000_000_000_000_000
TRACE = "0123456789abcdef0123456789abcdef"
Send = Callable[..., requests.Response]


@pytest.fixture(autouse=True)
def _opentelemetry_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "false")


@pytest.fixture
def send(langsmith_url: str) -> Send:
    """Post a request, as protobuf unless it says otherwise."""

    def post(content: Any, *, path: str = "/otel/v1/traces", **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named = {"x-api-key": KEY, "content-type": "application/x-protobuf", **named}
        body = content if isinstance(content, bytes) else content.SerializeToString()
        return requests.post(langsmith_url + path, data=body, headers=named, timeout=30)

    return post


def any_value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=map(any_value, value)))
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    return AnyValue(string_value=value)


def key_values(attributes: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def span(
    span_id: int = 1,
    parent: int | None = None,
    *,
    name: str = "chat",
    trace: str = TRACE,
    second: float = 0,
    events: Sequence[tuple[str, Mapping[str, Any]]] = (),
    **attributes: Any,
) -> dict[str, Any]:
    """The fields of a span; the double underscores of attributes are dots."""
    return {
        "trace_id": bytes.fromhex(trace),
        "span_id": span_id.to_bytes(8),
        "parent_span_id": parent.to_bytes(8) if parent else b"",
        "name": name,
        "start_time_unix_nano": STARTED + int(second * 1e9),
        "end_time_unix_nano": STARTED + int((second + 1) * 1e9),
        "attributes": key_values({key.replace("__", "."): value for key, value in attributes.items()}),
        "events": [
            {"name": event, "time_unix_nano": STARTED, "attributes": key_values(said)} for event, said in events
        ],
    }


def request(*spans: dict[str, Any], resource: Mapping[str, Any] | None = None) -> ExportTraceServiceRequest:
    sent = ExportTraceServiceRequest()
    of_resource = sent.resource_spans.add()
    of_resource.resource.attributes.extend(key_values(resource or {"service.name": "shop"}))
    of_scope = of_resource.scope_spans.add()
    of_scope.scope.name = "instrumentation"
    for fields in spans:
        of_scope.spans.add(**fields)
    return sent


def accept(send: Send, *spans: dict[str, Any], **headers: str) -> None:
    response = send(request(*spans), **headers)
    assert response.status_code == 200, response.text
    assert not ExportTraceServiceResponse.FromString(response.content).partial_success.rejected_spans


def only_run(store: OpsStore) -> Run:
    (run,) = store.runs.query(RunQuery()).runs
    return run


def by_name(store: OpsStore) -> dict[str, Run]:
    return {run.name: run for run in store.runs.query(RunQuery()).runs}


def exporting(langsmith_url: str) -> TracerProvider:
    exporter = OtelExporter(url=f"{langsmith_url}/otel/v1/traces", api_key=KEY, project="otel")
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


def trace_question(langsmith_url: str) -> None:
    """A question traced by LangSmith's own client in its OpenTelemetry mode."""
    client = Client(
        api_url=langsmith_url, api_key=KEY, tracing_mode="otel", otel_tracer_provider=exporting(langsmith_url)
    )

    @traceable(run_type="llm", client=client, metadata={"ls_model_name": "m-1", "ls_provider": "acme"})
    def generate(messages: list[dict[str, str]]) -> dict[str, Any]:
        usage = {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14, "input_token_details": {"cache_read": 2}}
        return {"role": "assistant", "content": "Five.", "usage_metadata": usage}

    @traceable(name="turn", client=client, tags=["demo", "shop"], metadata={"thread_id": "t-1", "nested": {"a": [1]}})
    def answer(question: str) -> dict[str, Any]:
        return {"answer": generate([{"role": "user", "content": question}])["content"]}

    with tracing_context(enabled=True, project_name="parley", client=client):
        answer("How many days?")
    client.flush()
    client.close()


def test_langsmiths_own_exporter_loses_nothing_that_was_said(langsmith_url: str, store: OpsStore) -> None:
    trace_question(langsmith_url)
    runs = by_name(store)
    root, call = runs["turn"], runs["generate"]
    assert (root.id, root.parent_run_id) == (root.trace_id, None)
    assert (call.trace_id, call.parent_run_id, call.ancestors) == (root.id, root.id, [root.id])
    assert (root.inputs, root.outputs) == ({"question": "How many days?"}, {"answer": "Five."})
    assert (root.run_type, call.run_type, root.thread_id) == ("chain", "llm", "t-1")
    assert sorted(root.tags) == ["demo", "shop"]
    assert root.metadata["nested"] == {"a": [1]}
    assert (call.metadata["ls_provider"], call.metadata["ls_model_name"]) == ("acme", "m-1")
    assert call.inputs == {"messages": [{"role": "user", "content": "How many days?"}]}
    assert (root.total_tokens, call.total_tokens) == (14, 14)
    assert call.usage is not None
    assert call.usage.prompt_token_details == {"cache_read": 2}
    assert root.status == call.status == "success"
    assert root.project_id == store.projects.find(name="parley")[0].id


def test_a_root_below_a_parent_that_is_made_up_from_its_trace_has_the_id_of_the_trace(
    send: Send, store: OpsStore
) -> None:
    made_up = int(TRACE[:16], 16)
    accept(send, span(3, 2, name="child", second=1))
    accept(send, span(2, made_up, name="root"))
    runs = by_name(store)
    assert (runs["root"].id, runs["root"].parent_run_id) == (UUID(TRACE), None)
    assert runs["child"].ancestors == [UUID(TRACE)]


def test_spans_made_within_a_run_lie_below_it(send: Send, client: Client, store: OpsStore) -> None:
    root = RunTree(name="turn", client=client, project_name="parley")
    inner = root.create_child("inner")
    for run in (root, inner):
        run.post()
    client.flush()
    accept(send, span(7, int(inner.id.hex[:16], 16), name="query", trace=root.id.hex))
    accept(send, span(8, int(root.id.hex[:16], 16), name="beside", trace=root.id.hex))
    runs = by_name(store)
    assert runs["query"].ancestors == [root.id, inner.id]
    assert runs["beside"].ancestors == [root.id]
    assert runs["turn"].dotted_order == root.dotted_order


def test_the_plain_opentelemetry_sdk_can_send_spans(langsmith_url: str, store: OpsStore) -> None:
    tracer = exporting(langsmith_url).get_tracer("shop")
    with tracer.start_as_current_span("turn") as turn:
        turn.set_attribute("gen_ai.prompt", "How many?")
        with pytest.raises(ValueError, match="broken"), tracer.start_as_current_span("search"):
            raise ValueError("broken")
    runs = by_name(store)
    context = turn.get_span_context()
    assert runs["turn"].id == runs["turn"].trace_id == UUID(int=context.trace_id)
    assert runs["search"].parent_run_id == runs["turn"].id
    assert (runs["search"].status, runs["turn"].status) == ("error", "success")
    assert runs["search"].error is not None
    assert runs["search"].error.startswith("broken\n\nTraceback")
    assert runs["turn"].inputs == {"input": "How many?"}
    assert runs["turn"].project_id == store.projects.find(name="otel")[0].id


@pytest.mark.parametrize("order", [[1, 2, 3, 4], [4, 3, 2, 1], [3, 1, 4, 2], [2, 4, 3, 1]])
def test_a_trace_takes_its_shape_in_whatever_order_its_spans_arrive(
    send: Send, store: OpsStore, order: list[int]
) -> None:
    spans = {
        1: span(1, None, name="root"),
        2: span(2, 1, name="middle", second=1),
        3: span(3, 2, name="leaf", second=2, gen_ai__usage__input_tokens=7, gen_ai__usage__output_tokens=3),
        4: span(4, 1, name="late", second=3),
    }
    for number in order:
        accept(send, spans[number])
    runs = by_name(store)
    root = UUID(TRACE)
    assert {name: run.parent_run_id for name, run in runs.items()} == {
        "root": None,
        "middle": root,
        "leaf": runs["middle"].id,
        "late": root,
    }
    assert [run.name for run in store.runs.trace(root)] == ["root", "middle", "leaf", "late"]
    assert runs["leaf"].ancestors == [root, runs["middle"].id]
    assert (runs["root"].total_tokens, runs["middle"].total_tokens, runs["late"].total_tokens) == (10, 10, None)
    assert runs["leaf"].id == UUID(int=3)


def test_spans_that_come_at_the_same_time_find_each_other(send: Send, store: OpsStore) -> None:
    spans = [span(1, None, name="root"), *(span(n, n - 1, name=f"s{n}", second=n) for n in range(2, 9))]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: accept(send, one), spans))
    deepest = by_name(store)["s8"]
    assert len(deepest.ancestors) == 7


def test_sending_a_span_twice_changes_nothing(send: Send, store: OpsStore) -> None:
    for _ in range(2):
        accept(send, span(2, 1, name="child", second=1))
        accept(send, span(1, None, name="root"))
    assert len(store.runs.query(RunQuery()).runs) == 2


def test_a_span_whose_parent_never_comes_is_a_trace_of_its_own_until_a_root_does(send: Send, store: OpsStore) -> None:
    accept(send, span(2, 99, name="orphan", second=1))
    assert by_name(store)["orphan"].parent_run_id is None
    accept(send, span(1, None, name="root"))
    assert by_name(store)["orphan"].parent_run_id == UUID(TRACE)


def test_spans_that_are_each_others_parents_are_stored(send: Send, store: OpsStore) -> None:
    accept(send, span(1, 2, name="a"), span(2, 1, name="b", second=1), span(3, 3, name="self"))
    assert len(by_name(store)) == 3


def test_a_very_deep_trace_is_stored_whole(send: Send, store: OpsStore) -> None:
    accept(send, *(span(n, n - 1 or None, name=f"s{n}", second=n) for n in range(1, 601)))
    assert len(store.runs.trace(UUID(TRACE))) == 600


def test_attributes_of_langsmith_place_a_run_exactly(send: Send, store: OpsStore) -> None:
    trace, parent, run_id = uuid4(), uuid4(), uuid4()
    order = f"20260528T203320000000Z{trace}.20260528T203320000000Z{parent}.20260528T203320000000Z{run_id}"
    said = {
        "langsmith.span.id": str(run_id),
        "langsmith.trace.id": str(trace),
        "langsmith.span.parent_id": str(parent),
        "langsmith.span.dotted_order": order,
        "langsmith.span.kind": "TOOL",
        "langsmith.trace.name": "look up",
        "langsmith.span.tags": "a, b,,c",
        "langsmith.metadata.variant": "b",
        "langsmith.trace.session_name": "shop",
        "langsmith.usage_metadata": json.dumps({"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}),
    }
    accept(send, span(**said))
    run = only_run(store)
    assert (run.id, run.trace_id, run.parent_run_id, run.dotted_order) == (run_id, trace, parent, order)
    assert (run.run_type, run.name, sorted(run.tags)) == ("tool", "look up", ["a", "b", "c"])
    assert (run.metadata["variant"], run.total_tokens) == ("b", 5)
    assert run.project_id == store.projects.find(name="shop")[0].id


def test_a_span_may_name_its_run_and_leave_its_place_to_its_parents(send: Send, store: OpsStore) -> None:
    root, child = uuid4(), uuid4()
    accept(send, span(2, 1, name="child", second=1, **{"langsmith.span.id": str(child)}))
    accept(send, span(1, name="root", **{"langsmith.span.id": str(root)}))
    runs = by_name(store)
    assert (runs["root"].id, runs["child"].id, runs["child"].parent_run_id) == (root, child, root)
    assert runs["child"].trace_id == runs["root"].trace_id == UUID(TRACE)


def test_opentelemetrys_conventions_are_understood(send: Send, store: OpsStore) -> None:
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.stop_sequences": ["x"],
        "gen_ai.conversation.id": "c-1",
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be kind."}]),
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "Hi"}]}]),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 4,
    }
    accept(send, span(**said))
    run = only_run(store)
    assert run.run_type == "llm"
    assert run.inputs == {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]}
    assert run.outputs == {"messages": [{"role": "assistant", "content": "Hi"}]}
    assert (run.metadata["ls_provider"], run.metadata["ls_model_name"], run.thread_id) == ("openai", "gpt-5", "c-1")
    assert run.extra["invocation_params"] == {"model": "gpt-5", "temperature": 0.5, "stop": ["x"]}
    assert (run.prompt_tokens, run.completion_tokens, run.total_tokens) == (12, 5, 17)
    assert run.usage is not None
    assert run.usage.prompt_token_details == {"cache_read": 4}


def test_openllmetrys_conventions_are_understood(send: Send, store: OpsStore) -> None:
    said = {
        "gen_ai.system": "Anthropic",
        "llm.request.type": "chat",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Weather?",
        "gen_ai.prompt.1.role": "tool",
        "gen_ai.prompt.1.content": "sunny",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "Sunny.",
        "gen_ai.completion.0.tool_calls.0.name": "weather",
        "gen_ai.completion.0.tool_calls.0.arguments": "{}",
        "gen_ai.usage.prompt_tokens": 8,
        "gen_ai.usage.completion_tokens": 2,
        "traceloop.association.properties.session_id": "s-1",
    }
    task = {
        "traceloop.span.kind": "workflow",
        "traceloop.entity.name": "plan",
        "traceloop.entity.input": json.dumps({"inputs": {"city": "Bonn"}}),
        "traceloop.entity.output": "done",
    }
    accept(send, span(1, **task), span(2, 1, second=1, **said))
    runs = by_name(store)
    assert runs["chat"].inputs["messages"][1] == {"role": "tool", "content": "sunny"}
    assert runs["chat"].outputs == {
        "messages": [{"role": "assistant", "content": "Sunny.", "tool_calls": [{"name": "weather", "arguments": "{}"}]}]
    }
    assert (runs["chat"].run_type, runs["chat"].thread_id, runs["chat"].total_tokens) == ("llm", "s-1", 10)
    assert (runs["plan"].run_type, runs["plan"].inputs) == ("chain", {"inputs": {"city": "Bonn"}})
    assert runs["plan"].outputs == {"output": "done"}


def test_openinferences_conventions_are_understood(send: Send, store: OpsStore) -> None:
    call = {
        "openinference.span.kind": "LLM",
        "llm.provider": "openai",
        "llm.model_name": "gpt-5",
        "llm.invocation_parameters": json.dumps({"temperature": 0}),
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "Hello",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "f",
        "llm.token_count.prompt": 3,
        "llm.token_count.completion": 4,
        "llm.token_count.total": 7,
        "llm.token_count.completion_details.reasoning": 1,
        "input.value": "ignored",
        "metadata": json.dumps({"variant": "a"}),
        "session.id": "s-2",
        "tag.tags": ["x"],
    }
    search = {
        "openinference.span.kind": "RETRIEVER",
        "input.value": "days off",
        "retrieval.documents.0.document.content": "Five.",
        "retrieval.documents.0.document.score": 0.5,
        "retrieval.documents.0.document.metadata": json.dumps({"page": 3}),
    }
    tool = {"openinference.span.kind": "TOOL", "tool.name": "clock", "output.value": "[1, 2]"}
    accept(send, span(1, **call), span(2, 1, name="search", second=1, **search), span(3, 1, second=2, **tool))
    runs = by_name(store)
    assert runs["chat"].inputs == {"messages": [{"role": "user", "content": "Hello"}]}
    assert runs["chat"].outputs == {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}]}
    assert (runs["chat"].metadata["variant"], runs["chat"].thread_id, runs["chat"].tags) == ("a", "s-2", ["x"])
    assert (runs["chat"].total_tokens, runs["chat"].extra["invocation_params"]) == (7, {"temperature": 0})
    (document,) = (runs["search"].outputs or {})["documents"]
    assert document == {"page_content": "Five.", "type": "Document", "metadata": {"page": 3, "score": 0.5}}
    assert (runs["search"].run_type, runs["search"].inputs) == ("retriever", {"input": "days off"})
    assert (runs["clock"].run_type, runs["clock"].outputs) == ("tool", {"output": [1, 2]})


def test_events_become_messages_an_error_or_events(send: Send, store: OpsStore) -> None:
    events = [
        ("gen_ai.user.message", {"content": "Hello"}),
        ("gen_ai.choice", {"message": json.dumps({"role": "assistant", "content": "Hi"}), "index": 0}),
        ("gen_ai.content.completion.chunk", {}),
        ("cache miss", {"key": "k"}),
    ]
    accept(send, span(events=events))
    run = only_run(store)
    assert run.inputs == {"messages": [{"role": "user", "content": "Hello"}]}
    assert run.outputs == {"messages": [{"role": "assistant", "content": "Hi", "index": 0}]}
    assert [event["name"] for event in run.events] == ["cache miss"]


def test_the_headers_name_the_project_unless_the_span_does(send: Send, store: OpsStore) -> None:
    accept(send, span(1, name="a"), Langsmith_Project="shop")
    accept(send, span(2, trace="f" * 32, name="b"), Langsmith_Agent_Id="bot", Langsmith_Agent_Environment="production")
    resource = {"openinference.project.name": "from the resource"}
    assert send(request(span(3, trace="e" * 32, name="c"), resource=resource)).status_code == 200
    names = {project.id: project.name for project in store.projects.find()}
    assert {name: names[run.project_id] for name, run in by_name(store).items()} == {
        "a": "shop",
        "b": "bot/production",
        "c": "from the resource",
    }


@pytest.mark.parametrize("path", ["/otel/v1/traces", "/api/v1/otel/v1/traces", "/v1/otel/v1/traces"])
def test_json_is_taken_at_every_spelling_of_the_endpoint(send: Send, store: OpsStore, path: str) -> None:
    body = {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": TRACE,
                                "spanId": "00000000000000aB",
                                "name": "turn",
                                "startTimeUnixNano": str(STARTED),
                                "endTimeUnixNano": STARTED + 1_000_000_000,
                                "status": {"code": 2, "message": "no"},
                                "attributes": [{"key": "gen_ai.prompt", "value": {"stringValue": "Hello"}}],
                                "unknown": {"a": 1},
                            }
                        ]
                    }
                ],
            }
        ]
    }
    response = send(json.dumps(body).encode(), path=path, content_type="application/json; charset=utf-8")
    assert (response.status_code, response.json()) == (200, {})
    run = only_run(store)
    assert (run.id, run.error, run.latency_s, run.inputs) == (UUID(TRACE), "no", 1.0, {"input": "Hello"})


def test_a_compressed_request_is_taken(send: Send, store: OpsStore) -> None:
    response = send(gzip.compress(request(span()).SerializeToString()), content_encoding="gzip")
    assert response.status_code == 200
    assert only_run(store).name == "chat"


def test_spans_that_cannot_be_runs_are_counted_and_the_rest_is_stored(send: Send, store: OpsStore) -> None:
    fine = span(1, name="fine")
    broken = [
        span(2) | {"trace_id": b""},
        span(3) | {"span_id": b"\0" * 8},
        span(4) | {"start_time_unix_nano": 0},
        span(**{"langsmith.span.id": "not an id"}),
        span(**{"langsmith.span.dotted_order": "1; drop table runs"}),
        span(**{"langsmith.trace.session_id": str(uuid4())}),
    ]
    response = send(request(fine, *broken))
    assert response.status_code == 200
    partial = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert partial.rejected_spans == len(broken)
    assert "trace id" in partial.error_message
    assert only_run(store).name == "fine"


def nested(depth: int) -> bytes:
    """An attribute whose value is so many lists in each other, as protobuf writes it."""
    value = field(1, b"x")
    for _ in range(depth):
        value = field(5, field(1, value))
    return field(9, field(1, b"langsmith.metadata.deep") + field(2, value))


def field(number: int, content: bytes) -> bytes:
    length, rest = bytearray(), len(content)
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([number << 3 | 2, *length, rest]) + content


RUBBISH = [
    ({"content_encoding": "gzip"}, gzip.compress(b"\0" * 200_000_000), 413),
    ({"content_encoding": "gzip"}, b"not gzip", 400),
    ({"content_encoding": "gzip"}, gzip.compress(b"\x0a\x05hello", mtime=0)[:-9], 400),
    ({"content_encoding": "br"}, b"", 415),
    ({}, b"\xff\xff\xff\xff", 400),
    ({"content_type": "text/html"}, b"", 415),
    ({"content_type": "application/json"}, b"[]", 400),
    ({"content_type": "application/json"}, b"{", 400),
    ({"content_type": "application/json"}, b'{"resourceSpans": 1}', 400),
    (
        {"content_type": "application/json"},
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xy"}]}]}]}',
        400,
    ),
    ({"content_type": "application/json"}, b'{"a":' * 100_000, 400),
    ({"content_type": "application/json"}, b'{"resourceSpans": [' + b"[" * 150 + b"]" * 150 + b"]}", 400),
]


def test_bombs_and_rubbish_are_refused(send: Send, store: OpsStore, subtests: pytest.Subtests) -> None:
    for headers, body, status in RUBBISH:
        with subtests.test(headers=headers, body=body[:80]):
            response = send(body, **headers)
            assert response.status_code == status
            assert response.json()["detail"]
            assert store.runs.query(RunQuery()).runs == []


@pytest.mark.parametrize(("depth", "status"), [(10, 200), (40, 200), (100, 400), (100_000, 400)])
def test_values_may_be_nested_as_deeply_as_protobuf_allows(
    send: Send, store: OpsStore, depth: int, status: int
) -> None:
    sent = request(span()).resource_spans[0].scope_spans[0].spans[0].SerializeToString() + nested(depth)
    assert send(field(1, field(2, field(2, sent)))).status_code == status
    assert len(store.runs.query(RunQuery()).runs) == (status == 200)


def test_names_of_attributes_are_taken_apart_only_so_far(send: Send, store: OpsStore) -> None:
    accept(send, span(**{"gen_ai.prompt" + ".0" * 5000: "x", "gen_ai.prompt.99999999999999999999.role": "user"}))
    assert only_run(store).name == "chat"


def test_too_many_spans_are_refused(send: Send) -> None:
    response = send(request(*(span(number, trace=f"{number:032x}") for number in range(1, 20_002))))
    assert response.status_code == 413


def test_odd_values_are_stored_as_well_as_they_can_be(send: Send, store: OpsStore) -> None:
    odd = {
        "langsmith.metadata.nul": "a\x00b",
        "langsmith.metadata.nan": float("nan"),
        "langsmith.metadata.big": 2**62,
        "langsmith.metadata.bytes": b"\xff\x00",
        "gen_ai.usage.input_tokens": -5,
        "gen_ai.usage.output_tokens": 2**62,
        "langsmith.span.tags": "a\x00,b",
        "gen_ai.prompt": '{"broken": ',
        "metadata": "[1]",
    }
    accept(send, span(name="n\x00" + "x" * 5000, **odd), Langsmith_Project="p")
    run = only_run(store)
    assert (run.metadata["nan"], run.metadata["bytes"], run.total_tokens) == (None, "/wA=", None)
    assert run.inputs == {"input": '{"broken": '}
    assert len(run.name) == 500


def test_spans_need_a_key(send: Send) -> None:
    assert send(request(span()), x_api_key="wrong").status_code == 401
