"""Reading inputs and outputs of model calls as a conversation, in the shapes that the known SDKs record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from app.ops.views.formats import pretty

MAX_MESSAGES = 500
_ROLES = {
    "human": "user",
    "humanmessage": "user",
    "ai": "assistant",
    "aimessage": "assistant",
    "model": "assistant",
    "systemmessage": "system",
    "toolmessage": "tool",
    "functionmessage": "tool",
    "function": "tool",
    "chatmessage": "user",
}
_TEXT_BLOCKS = {"text", "input_text", "output_text", "refusal"}
_THOUGHT_BLOCKS = {"thinking", "reasoning", "redacted_thinking"}


@dataclass(frozen=True)
class ToolCall:
    """A tool that the model asked for."""

    name: str
    arguments: str


@dataclass
class Message:
    """One turn of a conversation with a model."""

    role: str
    """user, assistant, system, tool, or what the record calls it."""
    text: str = ""
    thoughts: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)
    """Kinds of what is not text, such as "image_url"."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.text or self.thoughts or self.tool_calls or self.attachments)


def asked(inputs: Mapping[str, Any] | None) -> list[Message]:
    """The messages that went in; empty where no conversation can be recognised."""
    inputs = inputs or {}
    system = inputs.get("system") or inputs.get("instructions") or inputs.get("system_instruction")
    before = [_message({"role": "system", "content": system})] if isinstance(system, str | list) else []
    for key in ("messages", "input", "contents", "chat_history", "history"):
        if found := _messages(inputs.get(key)):
            return [*before, *found][:MAX_MESSAGES]
    for key in ("prompt", "prompts", "input", "question", "query", "text"):
        text = _text(inputs.get(key))
        if text:
            return [*before, Message("user", text)]
    return []


def answered(outputs: Mapping[str, Any] | None) -> list[Message]:
    """The messages that came out; empty where none can be recognised."""
    outputs = outputs or {}
    if "role" in outputs and "content" in outputs:
        return [_message(outputs)]
    for key in ("choices", "generations", "candidates", "messages", "message", "output", "outputs", "content"):
        found = _messages(outputs.get(key), default="assistant")
        if found:
            return found[:MAX_MESSAGES]
    for key in ("answer", "output_text", "text", "response", "completion", "output", "content"):
        text = _text(outputs.get(key))
        if text:
            return [Message("assistant", text)]
    return []


def _messages(value: Any, default: str = "user") -> list[Message]:
    """A message, a list of them, or a list of such lists, of which the first counts."""
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not value:
        return []
    if isinstance(value[0], list) and not _is_pair(value[0]):
        return _messages(value[0], default)
    if not any(_is_message(one) for one in value):
        return _of_blocks(value, default)
    read = (_message(one, default) for one in value[:MAX_MESSAGES] if isinstance(one, dict) or _is_message(one))
    return [message for message in read if not message.is_empty]


def _of_blocks(value: list[Any], default: str) -> list[Message]:
    """One message that is given as the list of its parts."""
    if not all(isinstance(one, dict) and ("type" in one or "text" in one) for one in value):
        return []
    message = Message(default)
    _read_blocks(message, value)
    return [] if message.is_empty else [message]


def _is_pair(value: list[Any]) -> bool:
    return len(value) == 2 and all(isinstance(one, str) for one in value)


def _is_message(value: Any) -> bool:
    if isinstance(value, list):
        return _is_pair(value)
    if not isinstance(value, dict):
        return False
    return any(key in value for key in ("role", "message", "kwargs", "generation_info", "parts")) or (
        _kind(value) in ("function_call", "function_call_output", *_ROLES) or isinstance(value.get("content"), dict)
    )


def _message(value: Any, default: str = "user") -> Message:
    if isinstance(value, list):
        return Message(_role(value[0]), value[1])
    inner = value.get("message")
    if isinstance(inner, dict):
        return _message(inner, default)
    if isinstance(value.get("kwargs"), dict):
        name = value["id"][-1] if isinstance(value.get("id"), list) and value["id"] else ""
        return _message({"role": str(name).removesuffix("Chunk"), **value["kwargs"]}, default)
    if isinstance(value.get("data"), dict) and "content" not in value:
        return _message({"role": value.get("type"), **value["data"]}, default)
    if isinstance(value.get("content"), dict):
        return _message(value["content"], default)
    return _plain_message(value, default)


def _plain_message(value: Mapping[str, Any], default: str) -> Message:
    kind = _kind(value)
    if kind == "function_call":
        return Message("assistant", tool_calls=[_tool_call(value)])
    if kind == "function_call_output":
        return Message("tool", _text(value.get("output")))
    role = value.get("role") or (kind if kind in _ROLES else None) or default
    message = Message(_role(role))
    content = value.get("content", value.get("parts", value.get("text")))
    if isinstance(content, list):
        _read_blocks(message, content)
    elif content is not None:
        message.text = _text(content) or pretty(content)
    message.thoughts += _text(value.get("reasoning_content") or value.get("reasoning"))
    if kind in _THOUGHT_BLOCKS:
        _read_block(message, value)
    message.tool_calls += [_tool_call(one) for one in _tool_calls(value) if isinstance(one, dict)]
    return message


def _tool_calls(value: Mapping[str, Any]) -> Iterable[Any]:
    more = value.get("additional_kwargs")
    calls = value.get("tool_calls") or (more.get("tool_calls") if isinstance(more, dict) else None)
    return calls if isinstance(calls, list) else []


def _read_blocks(message: Message, blocks: list[Any]) -> None:
    texts = []
    for block in blocks:
        if isinstance(block, str):
            texts.append(block)
        elif isinstance(block, dict):
            texts.append(_read_block(message, block))
    message.text = "\n\n".join(text for text in texts if text)


def _read_block(message: Message, block: Mapping[str, Any]) -> str:
    """The block's text; what is not text goes to where it belongs."""
    kind = _kind(block)
    call = block.get("functionCall") or block.get("function_call")
    if kind == "tool_use" or isinstance(call, dict):
        message.tool_calls.append(_tool_call(call if isinstance(call, dict) else block))
    elif kind == "tool_result" or "functionResponse" in block:
        message.role = "tool"
        return pretty(block.get("content", block.get("functionResponse")))
    elif kind in _THOUGHT_BLOCKS:
        message.thoughts += _thought(block)
    elif kind in _TEXT_BLOCKS or "text" in block:
        return _text(block.get("text") or block.get("refusal"))
    else:
        message.attachments.append((kind or next(iter(block), "part"))[:40])
    return ""


def _thought(block: Mapping[str, Any]) -> str:
    summary = block.get("summary")
    parts = [one.get("text") for one in summary if isinstance(one, dict)] if isinstance(summary, list) else summary
    return _text(block.get("thinking") or block.get("text") or parts)


def _tool_call(value: Mapping[str, Any]) -> ToolCall:
    inner = value.get("function")
    call = inner if isinstance(inner, dict) else value
    arguments: Any = next((call[key] for key in ("arguments", "args", "input") if key in call), {})
    return ToolCall(str(call.get("name", "unnamed"))[:200], _arguments(arguments))


def _arguments(value: Any) -> str:
    """As indented JSON, also where they are JSON within a text."""
    try:
        return pretty(from_json(value) if isinstance(value, str) else value)
    except ValueError:
        return pretty(value)


def _kind(value: Mapping[str, Any]) -> str:
    kind = value.get("type")
    return kind if isinstance(kind, str) else ""


def _role(value: Any) -> str:
    name = str(value)[:40]
    return _ROLES.get(name.lower(), name)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n\n".join(one for one in value if isinstance(one, str))
    return value if isinstance(value, str) else ""
