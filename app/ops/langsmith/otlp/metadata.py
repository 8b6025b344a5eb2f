"""What a span says about itself: metadata, the model that was called and how, and what that used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.ops.langsmith.otlp.values import below, parsed

_PROVIDERS = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
_MODELS = (
    "gen_ai.request.model",
    "llm.request.model",
    "llm.model_name",
    "embedding.model_name",
    "gen_ai.response.model",
)
_SDK_DEFAULT_PROVIDER = "langchain"
"""LangSmith's own exporter names it where it knows none."""
_COPIED = {
    "ls_temperature": ("gen_ai.request.temperature",),
    "ls_max_tokens": ("gen_ai.request.max_tokens",),
    "user_id": ("user.id", "enduser.id"),
    "session_id": ("session.id",),
    "conversation_id": ("gen_ai.conversation.id",),
}
_TOKENS = {
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion"),
    "total_tokens": ("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total"),
    "input_cost": ("llm.cost.prompt",),
    "output_cost": ("llm.cost.completion",),
    "total_cost": ("gen_ai.usage.cost", "llm.cost.total"),
}
_INPUT_KINDS = {
    "cache_read": (
        *("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
        *("gen_ai.usage.input_tokens.cached", "llm.token_count.prompt_details.cache_read"),
    ),
    "cache_creation": (
        *("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens"),
        "llm.token_count.prompt_details.cache_write",
    ),
    "audio": ("llm.token_count.prompt_details.audio",),
}
_OUTPUT_KINDS = {
    "reasoning": (
        *("gen_ai.usage.reasoning_tokens", "gen_ai.usage.details.reasoning_tokens"),
        *("gen_ai.usage.output_tokens.reasoning", "llm.token_count.completion_details.reasoning"),
    ),
    "audio": ("llm.token_count.completion_details.audio",),
}
_PYTHON_PAIR = re.compile(r"'(\w{1,50})': (\d{1,12})\b")


def run_metadata(found: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of the run; what the sender's own says goes before what follows from other attributes."""
    whole = parsed(found.get("metadata"))
    metadata = dict(whole) if isinstance(whole, dict) else {}
    for prefix in ("traceloop.association.properties.", "langsmith.metadata."):
        metadata |= {
            name.removeprefix(prefix): parsed(value) for name, value in found.items() if name.startswith(prefix)
        }
    derived = {"ls_provider": _provider(found), "ls_model_name": _any(found, _MODELS)}
    derived |= {name: _any(found, names) for name, names in _COPIED.items()}
    derived["usage_metadata"] = parsed(found.get("langsmith.usage_metadata")) or _usage(found)
    return {name: value for name, value in derived.items() if value is not None} | metadata


def invocation_params(found: Mapping[str, Any]) -> dict[str, Any]:
    """How the model was called."""
    requested = {
        name.removeprefix("gen_ai.request."): value
        for name, value in found.items()
        if name.startswith("gen_ai.request.")
    }
    if "stop_sequences" in requested:
        requested["stop"] = requested.pop("stop_sequences")
    given = parsed(found.get("llm.invocation_parameters"))
    tools = parsed(found.get("gen_ai.tool.definitions")) or below(found, "llm.tools")
    named = {"tools": tools, "tool_name": found.get("gen_ai.tool.name")}
    return (
        requested
        | (given if isinstance(given, dict) else {})
        | {name: value for name, value in named.items() if value is not None}
    )


def _provider(found: Mapping[str, Any]) -> Any:
    provider = _any(found, _PROVIDERS)
    return None if provider == _SDK_DEFAULT_PROVIDER else provider


def _usage(found: Mapping[str, Any]) -> dict[str, Any] | None:
    amounts = {name: amount for name, names in _TOKENS.items() if (amount := _number(found, names)) is not None}
    if not amounts:
        return None
    inputs = _kinds(found, _INPUT_KINDS, "gen_ai.usage.input_token_details")
    outputs = _kinds(found, _OUTPUT_KINDS, "gen_ai.usage.output_token_details")
    return amounts | {"input_token_details": inputs, "output_token_details": outputs}


def _kinds(found: Mapping[str, Any], kinds: Mapping[str, tuple[str, ...]], whole: str) -> dict[str, Any]:
    """Tokens by kind; LangSmith's own exporter writes them as Python does."""
    written = found.get(whole)
    known = {kind: int(count) for kind, count in _PYTHON_PAIR.findall(written)} if isinstance(written, str) else {}
    return known | {kind: amount for kind, names in kinds.items() if (amount := _number(found, names)) is not None}


def _number(found: Mapping[str, Any], names: tuple[str, ...]) -> float | int | None:
    value = _any(found, names)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _any(found: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((found[name] for name in names if found.get(name) not in (None, "")), None)
