"""What the engine tells of an answer, as chunks of LangChain's messages."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessageChunk, InputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

from agents.models.engine import Completion, Outcome, Said, TokenLogprob


def to_chunk(event: Outcome, model_name: str) -> ChatGenerationChunk:
    """A piece of text, or the empty last chunk that carries usage. Raises what the engine reports."""
    if isinstance(event, Exception):
        raise event
    return ChatGenerationChunk(message=_piece(event) if isinstance(event, Said) else _last(event, model_name))


def _piece(said: Said) -> AIMessageChunk:
    known = {"logprobs": _logprobs(said)} if said.logprobs else {}
    return AIMessageChunk(content=said.text, response_metadata=known)


def _last(completion: Completion, model_name: str) -> AIMessageChunk:
    usage = UsageMetadata(
        input_tokens=completion.prompt_tokens,
        output_tokens=completion.completion_tokens,
        total_tokens=completion.prompt_tokens + completion.completion_tokens,
        input_token_details=InputTokenDetails(cache_read=completion.reused_tokens),
    )
    about = {
        "finish_reason": completion.finish_reason,
        "model_name": model_name,
        "queued_s": round(completion.queued_s, 4),
        "reused_tokens": completion.reused_tokens,
    }
    return AIMessageChunk(content="", usage_metadata=usage, response_metadata=about, chunk_position="last")


def _logprobs(said: Said) -> dict[str, Any]:
    """As OpenAI writes them."""
    return {"content": [{**_choice(each.token, each.logprob), "top_logprobs": _top(each)} for each in said.logprobs]}


def _top(each: TokenLogprob) -> list[dict[str, Any]]:
    return [_choice(token, logprob) for token, logprob in each.top]


def _choice(token: bytes, logprob: float) -> dict[str, Any]:
    return {"token": token.decode(errors="replace"), "logprob": logprob, "bytes": list(token)}
