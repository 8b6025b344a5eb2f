"""The tools of a call to a model, and which of them it must use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agents.errors import Refused
from agents.models.engine import ToolSpec

Choice = str | bool | Mapping[str, Any] | None
"""`auto` or None, `none` or False, `any`, `required` or True, or a tool's name, bare or in OpenAI's or Anthropic's
shape."""

_MUST: dict[Choice, bool] = {None: False, "auto": False, "none": False, False: False}
_MUST |= {"any": True, "required": True, True: True}


def names_of(tools: Sequence[ToolSpec]) -> list[str]:
    """The tools' names."""
    return [tool["function"]["name"] for tool in tools]


def offered(tools: Sequence[ToolSpec], choice: Choice) -> Sequence[ToolSpec]:
    """The tools that may be called."""
    return [] if choice in ("none", False) else tools


def must_use(tools: Sequence[ToolSpec], choice: Choice) -> Sequence[ToolSpec]:
    """The tools of which one must be called; none where the model is free.

    Raises `Refused` for a tool that is not among them.
    """
    if isinstance(choice, Mapping):
        choice = choice.get("function", choice).get("name", choice.get("type"))
    if choice in _MUST:
        return tools if _MUST[choice] else []
    chosen = [tool for tool in tools if tool["function"]["name"] == choice]
    if not chosen:
        raise Refused(f"There is no tool {choice} to choose: {', '.join(names_of(tools)) or 'none'} can be called.")
    return chosen
