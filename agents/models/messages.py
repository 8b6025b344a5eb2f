"""From LangChain's messages to the lines that a chat template takes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

from agents.errors import Refused
from agents.models.engine import ChatLine

_TEXT = {"text"}
_SAID_ELSEWHERE = {"tool_use", "tool_call", "tool_call_chunk", "invalid_tool_call", "input_json_delta", "function_call"}
"""Blocks that repeat the message's calls."""
_THOUGHTS = {"thinking", "redacted_thinking", "reasoning"}
"""Blocks that models don't want back."""
_ID_LENGTH = 9
"""Mistral's templates take ids of this length alone, others any."""


def chat_lines(messages: Sequence[BaseMessage]) -> list[ChatLine]:
    """Role, text and calls of each message. Raises `Refused` for images and the like."""
    return [dict(_line(message)) for message in messages]


def _line(message: BaseMessage) -> Iterator[tuple[str, Any]]:
    yield "role", _role(message)
    yield "content", _text(message)
    if isinstance(message, AIMessage) and message.tool_calls:
        yield "tool_calls", [_call(call["name"], call["args"], call["id"]) for call in message.tool_calls]
    if isinstance(message, ToolMessage):
        yield "tool_call_id", _short(message.tool_call_id)
        if message.name:
            yield "name", message.name


def _role(message: BaseMessage) -> str:
    roles = {SystemMessage: "system", HumanMessage: "user", AIMessage: "assistant", ToolMessage: "tool"}
    if isinstance(message, ChatMessage):
        return message.role
    for kind, role in roles.items():
        if isinstance(message, kind):
            return role
    raise Refused(f"This model takes no message of the type {message.type}.")


def _text(message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    return "".join(_block_text(block) for block in message.content)


def _block_text(block: str | dict[str, Any]) -> str:
    if isinstance(block, str):
        return block
    if block.get("type") in _TEXT:
        return str(block.get("text", ""))
    if block.get("type") in _SAID_ELSEWHERE | _THOUGHTS:
        return ""
    raise Refused("This model reads text only. Remove the attachment, or choose another model.")


def _call(name: str, arguments: dict[str, Any], call_id: str | None) -> dict[str, Any]:
    return {"type": "function", "id": _short(call_id or ""), "function": {"name": name, "arguments": arguments}}


def _short(call_id: str) -> str:
    """An id that every template takes: the same for the call and for its result."""
    if len(call_id) == _ID_LENGTH and call_id.isalnum():
        return call_id
    return hashlib.sha256(call_id.encode(errors="replace")).hexdigest()[:_ID_LENGTH]
