"""What a turn leaves behind: the metadata and outputs of its root run."""

from __future__ import annotations

from typing import Any

from agents.cache.cache import Asking
from agents.cache.store import Answer
from agents.state import Turn
from agents.turn import TurnResult, Usage

_METADATA = (
    "status", "experiment", "variant", "model", "route", "attempts", "prompt_version", "corpus_release", "cost_usd",
    "first_token_s", "evidence_s", "messages_left_out", "answerability", "total_s", "stages_ms",
    "sentences", "unsupported",
)  # fmt: skip
_OF_REUSE = ("cache", "saved_usd", "saved_s", "saved_tokens")


def settle(turn: Turn) -> None:
    """Fill in the totals: they are known for a stopped or failed turn too."""
    result = turn.result
    result.total_s = round(turn.elapsed_s(), 4)
    result.usage = Usage(
        prompt_tokens=sum(attempt.usage.prompt_tokens for attempt in result.attempts),
        completion_tokens=sum(attempt.usage.completion_tokens for attempt in result.attempts),
    )
    result.cost_usd = sum(attempt.cost_usd for attempt in result.attempts)


def keep(turn: Turn) -> None:
    """Let others reuse the answer of a turn that went well; however it ended, those who wait for it go on."""
    if turn.asking:
        turn.parts.cache.end(turn.asking, _reusable(turn, turn.asking))


def _reusable(turn: Turn, asking: Asking) -> Answer | None:
    """What the model said that was to be asked; None where it failed, was stopped, or another one stood in."""
    result, attempts = turn.result, turn.result.attempts
    answered = result.status == "answered" and not result.error and attempts and attempts[-1].outcome == "answered"
    if not answered or turn.parts.models.settings_of(turn.asked) != asking.basis.model:
        return None
    return Answer(
        sentences=tuple(turn.said),
        model=result.model,
        prompt_version=result.prompt_version,
        tokens=result.usage.prompt_tokens + result.usage.completion_tokens,
        cost_usd=result.cost_usd,
        seconds=sum(attempt.seconds for attempt in attempts),
    )


def root_metadata(turn: Turn) -> dict[str, Any]:
    """The turn's figures, under the names that the ops pages and every LangSmith client filter by."""
    result = turn.result
    return {
        **result.model_dump(mode="json", include={*_METADATA, *(_OF_REUSE if result.cache else ())}),
        "user_hash": turn.request.asker.user_hash,
        "thread_id": turn.request.thread_id,
        "prompt_tokens": result.usage.prompt_tokens,
        "completion_tokens": result.usage.completion_tokens,
        "verdicts": [verdict.model_dump() for verdict in result.verdicts],
        "evidence_ids": [citation.passage.id for citation in result.citations],
    }


def root_outputs(result: TurnResult) -> dict[str, Any]:
    """The answer and its sources as the trace shows them."""
    return {
        "answer": result.text,
        "citations": [
            {
                "number": citation.number,
                "passage_id": citation.passage.id,
                "document": citation.passage.document,
                "page": citation.passage.page,
                "heading": citation.passage.heading,
                "quotes": list(citation.quotes),
            }
            for citation in result.citations
        ],
    }
