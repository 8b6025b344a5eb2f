"""An OpenTelemetry span as a run, by the attributes that LangSmith documents.

Several conventions say the same in different words: LangSmith's own (`langsmith.*`), OpenTelemetry's for generative AI
(`gen_ai.*`), OpenInference's and OpenLLMetry's (`traceloop.*`). What the first of them says counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from app.ops.langsmith.otlp.content import run_inputs, run_outputs
from app.ops.langsmith.otlp.metadata import invocation_params, run_metadata
from app.ops.langsmith.otlp.values import attributes
from app.ops.langsmith.request import explain
from app.ops.store.models import RUN_TYPES, RunFields, SentRun
from app.ops.store.runs.projects import Projects
from app.ops.store.runs.spans import Span

_RUN: TypeAdapter[SentRun] = TypeAdapter(SentRun)
_ERROR = 2
"""The status code of a span that failed."""
_KINDS = {
    "openinference.span.kind": {
        **{"llm": "llm", "tool": "tool", "retriever": "retriever", "embedding": "embedding", "prompt": "prompt"},
        **dict.fromkeys(("chain", "agent", "reranker", "guardrail", "evaluator"), "chain"),
    },
    "traceloop.span.kind": {"tool": "tool", **dict.fromkeys(("workflow", "task", "agent"), "chain")},
    "gen_ai.operation.name": {
        **dict.fromkeys(("chat", "completion", "text_completion", "generate_content"), "llm"),
        **dict.fromkeys(("embedding", "embeddings"), "embedding"),
        **dict.fromkeys(("invoke_agent", "create_agent", "invoke_workflow"), "chain"),
        **{"execute_tool": "tool", "retrieval": "retriever"},
    },
    "traceloop.llm.request.type": {"embedding": "embedding", **dict.fromkeys(("chat", "completion"), "llm")},
    "llm.request.type": {"embedding": "embedding", **dict.fromkeys(("chat", "completion"), "llm")},
}
"""What attributes say about the type of a run, the most telling one first."""
_TOKEN_EVENTS = {"gen_ai.content.completion.chunk", "llm.content.completion.chunk", "First Token Stream Event"}
_CONTENT_EVENTS = ("gen_ai.content.", "gen_ai.choice", "exception")
_MESSAGE_EVENT = ".message"


class InvalidSpan(Exception):
    """The span cannot be a run; the text says why."""


@dataclass(frozen=True)
class Destination:
    """Where a request sends its spans."""

    project: str | None = None
    address: str | None = None

    @classmethod
    def of_headers(cls, headers: Mapping[str, str]) -> Destination:
        """What the request's headers say."""
        agent, environment = headers.get("langsmith-agent-id"), headers.get("langsmith-agent-environment")
        address = f"lrn:agents/{agent}/environments/{environment.lower()}" if agent and environment else None
        return cls(headers.get("langsmith-project"), address)


def read_span(span: Any, scope: Any, resource: Mapping[str, Any], destination: Destination, projects: Projects) -> Span:
    """The run that a span is. Raises InvalidSpan."""
    found = attributes(span.attributes)
    _check(span)
    run_type = _run_type(found)
    fields = {
        "id": found.get("langsmith.span.id") or UUID(int=int.from_bytes(span.span_id)),
        "trace_id": found.get("langsmith.trace.id") or UUID(bytes=span.trace_id),
        "parent_run_id": found.get("langsmith.span.parent_id"),
        "dotted_order": found.get("langsmith.span.dotted_order"),
        "name": _name(span, found, run_type),
        "run_type": run_type,
        "start_time": _moment(span.start_time_unix_nano),
        "end_time": _moment(span.end_time_unix_nano) if span.end_time_unix_nano else None,
        "inputs": run_inputs(span, found) or {},
        "outputs": run_outputs(span, found, run_type),
        "error": _error(span),
        "events": list(_events(span)),
        "extra": _extra(span, scope, resource, found),
        "tags": _tags(found),
        "reference_example_id": found.get("langsmith.reference_example_id"),
        **_project(found, resource, destination, projects),
    }
    try:
        run = cast(RunFields, _RUN.validate_python(fields))
    except ValidationError as error:
        raise InvalidSpan(f"The span {span.span_id.hex()}: {explain(error)}") from error
    parent = span.parent_span_id.hex() if any(span.parent_span_id) else ""
    return Span(run, span.span_id.hex(), parent, is_sdk_root=parent == span.trace_id[:8].hex())


def _check(span: Any) -> None:
    if len(span.trace_id) != 16 or len(span.span_id) != 8 or not any(span.trace_id) or not any(span.span_id):
        raise InvalidSpan("A span has no trace id of 16 bytes, or no span id of 8 bytes.")
    if not span.start_time_unix_nano:
        raise InvalidSpan(f"The span {span.span_id.hex()} does not say when it started.")


def _run_type(found: Mapping[str, Any]) -> str:
    own = str(found.get("langsmith.span.kind", "")).lower()
    if own in RUN_TYPES:
        return own
    for name, kinds in _KINDS.items():
        if kind := kinds.get(str(found.get(name, "")).lower()):
            return kind
    return "llm" if "gen_ai.request.model" in found or "llm.model_name" in found else "chain"


def _name(span: Any, found: Mapping[str, Any], run_type: str) -> str:
    names = [found.get("langsmith.trace.name"), found.get("traceloop.entity.name")]
    names += [found.get("tool.name")] if run_type == "tool" else []
    name = next((one for one in [*names, span.name] if isinstance(one, str) and one), "unnamed")
    return name[:1000]


def _project(
    found: Mapping[str, Any], resource: Mapping[str, Any], destination: Destination, projects: Projects
) -> dict[str, Any]:
    """The project that the span names, or else the request, or else its resource."""
    if session_id := found.get("langsmith.trace.session_id"):
        if not _exists(projects, session_id):
            raise InvalidSpan(f"A span names the project {str(session_id)[:100]!r}, which does not exist.")
        return {"session_id": session_id}
    if name := found.get("langsmith.trace.session_name") or destination.project:
        return {"session_name": str(name)[:1000]}
    if destination.address:
        return {"address": destination.address}
    name = resource.get("langsmith.project") or resource.get("openinference.project.name")
    return {"session_name": str(name)[:1000]} if name else {}


def _exists(projects: Projects, session_id: Any) -> bool:
    try:
        return bool(projects.find(ids=[UUID(str(session_id))]))
    except ValueError:
        return False


def _error(span: Any) -> str | None:
    """The message of what was raised, with where it was raised if it says that."""
    raised = next((attributes(event.attributes) for event in reversed(span.events) if event.name == "exception"), {})
    if span.status.code != _ERROR:
        return None
    message = str(
        raised.get("exception.message") or span.status.message or "The span says that it failed, but not why."
    )
    stack = str(raised.get("exception.stacktrace") or "")
    return f"{message}\n\n{stack}" if "Traceback" in stack and "Traceback" not in message else message


def _events(span: Any) -> Iterator[dict[str, Any]]:
    """What happened on the way, but for what became inputs, outputs or an error."""
    for event in span.events:
        if not event.name.startswith(_CONTENT_EVENTS) and not event.name.endswith(_MESSAGE_EVENT):
            name = "new_token" if event.name in _TOKEN_EVENTS else event.name
            time = _moment(event.time_unix_nano).isoformat()
            yield {"name": name, "time": time, "kwargs": attributes(event.attributes)}


def _extra(span: Any, scope: Any, resource: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    extra: dict[str, Any] = {
        "metadata": run_metadata(found),
        "otel": {"trace_id": span.trace_id.hex(), "scope": scope.name, "resource": dict(resource)},
    }
    parameters = invocation_params(found)
    return extra | ({"invocation_params": parameters} if parameters else {})


def _tags(found: Mapping[str, Any]) -> list[str]:
    tags = found.get("langsmith.span.tags", found.get("tag.tags", []))
    listed = tags.split(",") if isinstance(tags, str) else tags if isinstance(tags, list) else []
    return [tag for one in listed if (tag := str(one).strip())]


def _moment(nanoseconds: int) -> datetime:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
