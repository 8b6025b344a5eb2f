"""What a turn leaves behind: the metadata and outputs of its root run."""

from __future__ import annotations

from typing import Any

from agents.costs import cost_usd
from agents.state import Turn
from agents.turn import TurnResult

_METADATA = (
    "status", "experiment", "variant", "model", "prompt_version", "corpus_release", "cost_usd",
    "first_token_s", "evidence_s", "total_s", "stages_ms", "sentences", "unsupported",
)  # fmt: skip


def settle(turn: Turn) -> None:
    """Fill in the totals: they are known for a stopped or failed turn too."""
    result = turn.result
    result.total_s = round(turn.elapsed_s(), 4)
    usage = result.usage
    model = turn.parts.models.settings_of(turn.arm.model)
    result.cost_usd = cost_usd(model, usage.prompt_tokens, usage.completion_tokens, turn.model_s)


def root_metadata(turn: Turn) -> dict[str, Any]:
    """The turn's figures, under the names that the ops pages and every LangSmith client filter by."""
    result = turn.result
    return {
        **result.model_dump(mode="json", include=set(_METADATA)),
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
