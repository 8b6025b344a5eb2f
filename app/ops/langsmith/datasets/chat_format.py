"""Examples as chat messages, the way OpenAI takes them for fine-tuning and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.ops.store.datasets.models import Example
from app.ops.store.tables.base import json_text

_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}
_MORE = ("name", "function_call", "tool_calls", "tool_call_id")


def fine_tuning(example: Example) -> dict[str, Any]:
    """One line of a file for fine-tuning."""
    answer = _messages(example.outputs, "assistant") if example.outputs else []
    return {"messages": [*_messages(example.inputs, "user"), *answer]}


def evaluation(example: Example) -> dict[str, Any]:
    """One line of a file for OpenAI Evals."""
    answer = _messages(example.outputs, "assistant") if example.outputs else []
    return {"input": _messages(example.inputs, "user"), "ideal": answer[-1]["content"] if answer else ""}


def _messages(fields: Mapping[str, Any], role: str) -> list[dict[str, Any]]:
    said = _said(fields)
    if isinstance(said, list) and said and all(isinstance(one, dict) for one in said):
        return [_message(one, role) for one in said]
    if isinstance(said, dict) and ("role" in said or "data" in said):
        return [_message(said, role)]
    return [{"role": role, "content": said if isinstance(said, str) else json_text(said)}]


def _said(fields: Mapping[str, Any]) -> Any:
    """The part of the inputs or outputs that was said: messages, or the only value, or all of it."""
    for key in ("messages", "input", "message", "output"):
        if key in fields:
            return fields[key]
    return next(iter(fields.values())) if len(fields) == 1 else fields


def _message(message: Mapping[str, Any], role: str) -> dict[str, Any]:
    """A message in OpenAI's or LangChain's form, in OpenAI's."""
    data = message["data"] if isinstance(message.get("data"), dict) else message
    kind = str(message.get("role") or data.get("role") or message.get("type") or role)
    extra = data.get("additional_kwargs")
    more = {**(extra if isinstance(extra, dict) else {}), **data}
    said = {"role": _ROLES.get(kind, kind), "content": data.get("content", "")}
    return said | {name: more[name] for name in _MORE if more.get(name)}
