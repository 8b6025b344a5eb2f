"""What went into a span and what came out of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from app.ops.langsmith.otlp.values import attributes, below, parsed

Document = dict[str, Any]

_IN_EVENTS = tuple(f"gen_ai.{role}.message" for role in ("system", "user", "assistant", "tool"))


def run_inputs(span: Any, found: Mapping[str, Any]) -> Document | None:
    """What the first convention that says anything says went in."""
    return _first(
        (
            _document(found.get("gen_ai.prompt"), "input"),
            _input_messages(found),
            _messages(below(found, "gen_ai.prompt")),
            _messages(below(found, "llm.input_messages")),
            _document(found.get("traceloop.entity.input"), "input"),
            _document(found.get("input.value"), "input"),
            _document(found.get("gen_ai.tool.call.arguments", found.get("tool.parameters")), "input"),
            _messages(parsed(found.get("all_messages_events"))),
            _document(found.get("prompt"), "prompt"),
            _messages(_of_events(span, _IN_EVENTS)),
            _of_event(span, "gen_ai.content.prompt", "gen_ai.prompt", "input"),
        )
    )


def run_outputs(span: Any, found: Mapping[str, Any], run_type: str) -> Document | None:
    """What the first convention that says anything says came out."""
    return _first(
        (
            _document(found.get("gen_ai.completion"), "output"),
            _messages(parsed(found.get("gen_ai.output.messages"))),
            _messages(below(found, "gen_ai.completion")),
            _messages(below(found, "llm.output_messages")),
            _documents(found) if run_type == "retriever" else None,
            _document(found.get("traceloop.entity.output"), "output"),
            _document(found.get("output.value"), "output"),
            _document(found.get("gen_ai.tool.call.result"), "output"),
            _messages(_of_events(span, ("gen_ai.choice",))),
            _of_event(span, "gen_ai.content.completion", "gen_ai.completion", "output"),
        )
    )


def _first(documents: Iterable[Document | None]) -> Document | None:
    return next((document for document in documents if document), None)


def _document(value: Any, key: str) -> Document | None:
    """A JSON object as it is, anything else below `key`."""
    if value is None:
        return None
    whole = parsed(value)
    return whole if isinstance(whole, dict) else {key: whole}


def _input_messages(found: Mapping[str, Any]) -> Document | None:
    given = _messages(parsed(found.get("gen_ai.input.messages")))
    instructions = parsed(found.get("gen_ai.system_instructions"))
    if given is None or not instructions:
        return given
    system = {"role": "system", "content": _content(instructions)}
    return {"messages": [system, *given["messages"]]}


def _messages(found: Any) -> Document | None:
    """A list of messages, each as its role and content whatever envelope it came in."""
    if not isinstance(found, list) or not found:
        return None
    return {"messages": [_message(one) for one in found]}


def _message(one: Any) -> Any:
    if not isinstance(one, dict):
        return one
    message = dict(one)
    if isinstance(message.get("message"), dict):
        message = message.pop("message") | message
    for name, envelope in (("tool_calls", "tool_call"), ("contents", "message_content")):
        if isinstance(message.get(name), list):
            message[name] = [_unwrapped(each, envelope) for each in message[name]]
    for name in ("parts", "contents"):
        if name in message and "content" not in message:
            message["content"] = _content(message.pop(name))
    return message


def _content(parts: Any) -> Any:
    """Parts that are nothing but one text as that text."""
    if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict):
        only = parts[0]
        if only.get("type") == "text" and isinstance(only.get("content"), str):
            return only["content"]
    return parts


def _unwrapped(one: Any, envelope: str) -> Any:
    inner = one.get(envelope) if isinstance(one, dict) else None
    return inner if isinstance(inner, dict) else one


def _documents(found: Mapping[str, Any]) -> Document | None:
    """What was retrieved, in LangChain's words."""
    listed = below(found, "retrieval.documents")
    if not isinstance(listed, list):
        return None
    documents = [_unwrapped(one, "document") for one in listed]
    return {"documents": [_retrieved(one) for one in documents if isinstance(one, dict)]}


def _retrieved(document: Document) -> Document:
    metadata = parsed(document.get("metadata"))
    beside = {name: document[name] for name in ("id", "score") if name in document}
    whole = (metadata if isinstance(metadata, dict) else {}) | beside
    return {"page_content": document.get("content"), "type": "Document", "metadata": whole}


def _of_events(span: Any, names: tuple[str, ...]) -> list[Any]:
    """The messages that events hold, the role as the name of the event says it if nothing else does."""
    found = []
    for event in span.events:
        if event.name in names:
            held = {name: parsed(value) for name, value in attributes(event.attributes).items()}
            role = "assistant" if event.name == "gen_ai.choice" else event.name.split(".")[1]
            found.append({"role": role} | _message(held))
    return found


def _of_event(span: Any, name: str, attribute: str, key: str) -> Document | None:
    for event in span.events:
        if event.name == name:
            return _document(attributes(event.attributes).get(attribute), key)
    return None
