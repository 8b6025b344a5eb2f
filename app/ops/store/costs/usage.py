"""Tokens and costs that a run reports of itself, in the words of whichever provider or client wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any

from pydantic_core import from_json

from app.ops.store.models import Usage

LARGEST_TOKENS = 2**40
LARGEST_USD = 10_000
"""What one run may report; more is a mistake or an attack, and is not counted."""

_PROMPT = (
    *("input_tokens", "prompt_tokens", "inputTokens", "promptTokens", "prompt_token_count", "promptTokenCount"),
    *("prompt_eval_count", "tokens_evaluated"),
)
_COMPLETION = (
    *("output_tokens", "completion_tokens", "outputTokens", "completionTokens"),
    *("candidates_token_count", "candidatesTokenCount", "eval_count", "tokens_predicted"),
)
_TOTAL = ("total_tokens", "totalTokens", "total_token_count", "totalTokenCount")
_COSTS = {
    "prompt_cost": ("input_cost", "prompt_cost"),
    "completion_cost": ("output_cost", "completion_cost"),
    "total_cost": ("total_cost", "cost"),
}
_COST_DETAILS = {
    "prompt_cost_details": ("input_cost_details", "prompt_cost_details"),
    "completion_cost_details": ("output_cost_details", "completion_cost_details"),
}
_PROMPT_DETAILS = (
    *("input_token_details", "prompt_token_details", "input_tokens_details", "prompt_tokens_details"),
    "promptTokensDetails",
)
_COMPLETION_DETAILS = (
    *("output_token_details", "completion_token_details", "output_tokens_details", "completion_tokens_details"),
    *("candidates_tokens_details", "candidatesTokensDetails"),
)
_KINDS = {
    "cached_tokens": "cache_read",
    "cache_write_tokens": "cache_creation",
    "audio_tokens": "audio",
    "image_tokens": "image",
    "text_tokens": "text",
    "reasoning_tokens": "reasoning",
    "thinking_tokens": "reasoning",
}
_PROMPT_KINDS = {
    "cached_content_token_count": "cache_read",
    "cachedContentTokenCount": "cache_read",
    "cachedInputTokens": "cache_read",
    "prompt_cache_hit_tokens": "cache_read",
}
_COMPLETION_KINDS = {"reasoning_tokens": "reasoning", "reasoningTokens": "reasoning"}
# Tokens that these providers count beside the prompt's or the completion's, not among them.
_BESIDE_INPUT = {
    "cache_read_input_tokens": "cache_read",
    "cache_creation_input_tokens": "cache_creation",
    "cacheReadInputTokens": "cache_read",
    "cacheWriteInputTokens": "cache_creation",
}
_BESIDE_PROMPT = {"tool_use_prompt_token_count": "tool_use", "toolUsePromptTokenCount": "tool_use"}
_BESIDE_COMPLETION = {"thoughts_token_count": "reasoning", "thoughtsTokenCount": "reasoning"}

_REPORTS = ("usage_metadata", "usageMetadata", "token_usage", "tokenUsage", "usage", "meta")
_WRAPPERS = (
    *("llm_output", "llmOutput", "message", "kwargs", "response_metadata", "generation_info"),
    *("output", "response"),
)
_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")
_MOST_KINDS = 50
_KIND_CHARS = 100


def reported_usage(run_type: str, metadata: Mapping[str, Any], outputs_json: str | None) -> Usage | None:
    """What the run says it used, from the first place that says anything; None if none does.

    Only a model call's outputs count: a chain that hands on a model's message did not pay for it again.
    """
    usage = read_usage(metadata.get("usage_metadata"))
    if usage is not None or run_type != "llm" or outputs_json is None or not _may_report(outputs_json):
        return usage
    return usage_in(from_json(outputs_json))


def usage_in(outputs: Any) -> Usage | None:
    """What the outputs of a model call say that it used: a client's, LangChain's, or the provider's own response."""
    if isinstance(outputs, list):  # the pieces of a stream: the last that says anything speaks for all
        return _first(usage_in(piece) for piece in reversed(outputs))
    if not isinstance(outputs, dict):
        return None
    return (
        _first(read_usage(outputs.get(name)) for name in _REPORTS)
        or _usage_of_generations(outputs.get("generations"))
        or _first(usage_in(outputs.get(name)) for name in _WRAPPERS)
        or (read_usage(outputs) if "eval_count" in outputs or "tokens_predicted" in outputs else None)
    )


def read_usage(source: Any) -> Usage | None:
    """One report of usage, whatever words it uses; None if it holds no amount."""
    if not isinstance(source, dict):
        return None
    for name in ("billed_units", "tokens"):
        if isinstance(source.get(name), dict):
            return read_usage(source[name])
    values = _tokens(source) | _costs(source)
    if values["total_cost"] is None and not any(values[name] for name in _TOKENS):
        return None
    return Usage.model_validate(values)


def usd(amount: float | Decimal) -> Decimal:
    """A sum of money as exactly as the store keeps it."""
    return round(Decimal(str(amount)), 12)


def _may_report(outputs_json: str) -> bool:
    return "usage" in outputs_json or "oken" in outputs_json or "eval_count" in outputs_json


def _tokens(source: Mapping[str, Any]) -> dict[str, Any]:
    in_prompt = _kinds(source, _PROMPT_DETAILS, _PROMPT_KINDS)
    in_completion = _kinds(source, _COMPLETION_DETAILS, _COMPLETION_KINDS)
    beside_prompt = _beside_prompt(source)
    beside_completion = dict(_named(source, _BESIDE_COMPLETION))
    prompt = _sum(_first_amount(source, _PROMPT), *beside_prompt.values())
    completion = _sum(_first_amount(source, _COMPLETION), *beside_completion.values())
    total = _first_amount(source, _TOTAL)
    halves = _sum(prompt, completion)
    reasoning = in_completion.get("reasoning", 0)
    if total is not None and halves is not None and 0 < reasoning == total - halves:  # was not counted as completion
        completion, halves = _sum(completion, reasoning), total
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": halves if total is None or beside_prompt or beside_completion else total,
        "prompt_token_details": in_prompt | beside_prompt,
        "completion_token_details": in_completion | beside_completion,
    }


def _beside_prompt(source: Mapping[str, Any]) -> dict[str, int]:
    """Cached tokens that Anthropic and Bedrock count apart from the input; others that use their names do not."""
    beside = dict(_named(source, _BESIDE_PROMPT))
    if ("input_tokens" in source or "inputTokens" in source) and not _any(source, _PROMPT_DETAILS):
        beside |= dict(_named(source, _BESIDE_INPUT))
        lives = source.get("cache_creation")
        by_life = dict(_amounts(lives)) if isinstance(lives, dict) else {}
        if any(by_life.values()):
            beside = {kind: amount for kind, amount in beside.items() if kind != "cache_creation"} | by_life
    return beside


def _kinds(source: Mapping[str, Any], nested: Iterable[str], flat: Mapping[str, str]) -> dict[str, int]:
    details = _any(source, nested)
    if isinstance(details, list):  # Gemini: [{"modality": "AUDIO", "token_count": 7}]
        entries = [one for one in details if isinstance(one, dict)]
        details = {str(one.get("modality")).lower(): _modality_tokens(one) for one in entries}
    kinds = {_KINDS.get(name, name): amount for name, amount in _amounts(details or {})}
    return kinds | dict(_named(source, flat))


def _modality_tokens(entry: Mapping[str, Any]) -> Any:
    return entry.get("token_count", entry.get("tokenCount"))


def _costs(source: Mapping[str, Any]) -> dict[str, Any]:
    costs: dict[str, Any] = {name: _first_cost(source, spellings) for name, spellings in _COSTS.items()}
    for name, spellings in _COST_DETAILS.items():
        details = _any(source, spellings)
        pairs = _pairs(details) if isinstance(details, dict) else ()
        costs[name] = {kind: usd(cost) for kind, cost in pairs if _is_amount(cost, LARGEST_USD)}
        half = name.removesuffix("_details")
        if costs[half] is None and costs[name]:
            costs[half] = sum(costs[name].values())
    if costs["total_cost"] is None:
        costs["total_cost"] = _sum(costs["prompt_cost"], costs["completion_cost"])
    return costs


def _usage_of_generations(batches: Any) -> Usage | None:
    """LangChain's shape: for each prompt, the candidates for its answer, each with the usage of the whole call."""
    if not isinstance(batches, list):
        return None
    calls = [_first(map(usage_in, batch if isinstance(batch, list) else [batch])) for batch in batches]
    found = [usage for usage in calls if usage is not None]
    return found[0] if len(found) == 1 else _added(found)


def _added(usages: list[Usage]) -> Usage | None:
    if not usages:
        return None
    total: dict[str, Any] = {}
    for usage in usages:
        for name, amount in usage.model_dump(exclude_defaults=True).items():
            total[name] = _added_amount(total.get(name), amount)
    return Usage.model_validate(total)


def _added_amount(total: Any, amount: Any) -> Any:
    if isinstance(amount, dict):
        return {kind: (total or {}).get(kind, 0) + amount.get(kind, 0) for kind in {**(total or {}), **amount}}
    return (total or 0) + amount


def _first(usages: Iterable[Usage | None]) -> Usage | None:
    return next((usage for usage in usages if usage is not None), None)


def _any(source: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((source[name] for name in names if isinstance(source.get(name), dict | list)), None)


def _named(source: Mapping[str, Any], kinds: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    return ((kind, int(source[name])) for name, kind in kinds.items() if _is_amount(source.get(name), LARGEST_TOKENS))


def _amounts(details: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    return ((kind, int(amount)) for kind, amount in _pairs(details) if _is_amount(amount, LARGEST_TOKENS))


def _pairs(details: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((str(kind)[:_KIND_CHARS], amount) for kind, amount in islice(details.items(), _MOST_KINDS))


def _first_amount(source: Mapping[str, Any], names: Iterable[str]) -> int | None:
    return next((int(source[name]) for name in names if _is_amount(source.get(name), LARGEST_TOKENS)), None)


def _first_cost(source: Mapping[str, Any], names: Iterable[str]) -> Decimal | None:
    return next((usd(source[name]) for name in names if _is_amount(source.get(name), LARGEST_USD)), None)


def _sum(*parts: Any) -> Any:
    """The sum of what is known; None if nothing is."""
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def _is_amount(value: Any, below: int) -> bool:
    """Whether a number may be counted: never negative, never so large that sums overflow, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < below
