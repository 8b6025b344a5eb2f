"""The route that takes OpenTelemetry spans in, as protobuf or JSON."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from pydantic_core import from_json

from app.ops.langsmith.errors import BadRequest, TooLarge, UnsupportedEncoding
from app.ops.langsmith.otlp.spans import Destination, InvalidSpan, read_span
from app.ops.langsmith.otlp.values import attributes
from app.ops.langsmith.request import Store, expanded, limits, read_body
from app.ops.store import OpsStore
from app.ops.store.runs.spans import Span

router = APIRouter()

MAX_SPANS = 20_000
_JSON = "application/json"
_PROTOBUF = "application/x-protobuf"
_IDS = {"traceId", "spanId", "parentSpanId"}
_IDS |= {"trace_id", "span_id", "parent_span_id"}


@router.post("/otel/v1/traces")
async def take_spans(request: Request, store: Store) -> Response:
    """Spans, each of which becomes a run. The answer says how many could not, and why the first of them."""
    body = await read_body(request)
    encoding = request.headers.get("content-encoding", "").lower()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    destination = Destination.of_headers(request.headers)

    def take_in() -> ExportTraceServiceResponse:
        sent = _read(expanded(body, encoding, limits(request).expanded_limit_bytes), media_type)
        return _taken(store, sent, destination)

    answer = await run_in_threadpool(take_in)
    if media_type == _JSON:
        return JSONResponse(MessageToDict(answer))
    return Response(answer.SerializeToString(), media_type=_PROTOBUF)


def _taken(store: OpsStore, sent: ExportTraceServiceRequest, destination: Destination) -> ExportTraceServiceResponse:
    spans: list[Span] = []
    refusals: list[str] = []
    for resource, scope, span in _spans(sent):
        try:
            spans.append(read_span(span, scope, resource, destination, store.projects))
        except InvalidSpan as error:
            refusals.append(str(error))
    if spans:
        store.spans.take(spans)
    answer = ExportTraceServiceResponse()
    if refusals:
        answer.partial_success.rejected_spans = len(refusals)
        answer.partial_success.error_message = refusals[0]
    return answer


def _spans(sent: ExportTraceServiceRequest) -> Iterator[tuple[Mapping[str, Any], Any, Any]]:
    """Each span with the attributes of its resource and with its scope. Raises TooLarge."""
    count = 0
    for of_resource in sent.resource_spans:
        resource = attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                count += 1
                if count > MAX_SPANS:
                    raise TooLarge(f"The request has more than {MAX_SPANS} spans. Send fewer at once.")
                yield resource, of_scope.scope, span


def _read(body: bytes, media_type: str) -> ExportTraceServiceRequest:
    try:
        if media_type == _JSON:
            return _from_json(body)
        if media_type in (_PROTOBUF, "application/protobuf", ""):
            return ExportTraceServiceRequest.FromString(body)
    except (DecodeError, ParseError, ValueError, TypeError, RecursionError) as error:
        raise BadRequest("The request is not an OTLP ExportTraceServiceRequest.") from error
    raise UnsupportedEncoding(f"Content-Type {media_type[:100]!r} is not understood; send {_PROTOBUF} or {_JSON}.")


def _from_json(body: bytes) -> ExportTraceServiceRequest:
    sent = from_json(body)
    if not isinstance(sent, dict):
        raise ValueError("is not an object")
    return ParseDict(_with_binary_ids(sent), ExportTraceServiceRequest(), ignore_unknown_fields=True)


def _with_binary_ids(sent: Any) -> Any:
    """OTLP writes ids in hexadecimal, where protobuf's own JSON has base64."""
    if isinstance(sent, list):
        return [_with_binary_ids(one) for one in sent]
    if not isinstance(sent, dict):
        return sent
    return {
        name: b64encode(bytes.fromhex(value)).decode()
        if name in _IDS and isinstance(value, str)
        else _with_binary_ids(value)
        for name, value in sent.items()
    }
