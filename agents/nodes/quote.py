"""quote: the sentences of the sources that answer, on the screen before the model has read them."""

from __future__ import annotations

import asyncio

from langgraph.runtime import Runtime

from agents.answering.abstention import answerability
from agents.answering.compose import abstention_markdown, citations, evidence_markdown, nearest_citations
from agents.answering.quotes import Quote, select_quotes
from agents.state import Turn, TurnState
from agents.turn import Evidence


async def quote(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Choose and show the quotes; where they hardly answer, say so and show the nearest sources instead."""
    turn = runtime.context
    quotes = await asyncio.to_thread(answering_quotes, turn, state)
    if quotes:
        evidence = Evidence(text=f"{evidence_markdown(quotes)}\n\n", citations=citations(quotes))
    else:
        nearest = state["hits"][: turn.parts.settings.nearest_sources]
        evidence = Evidence(text=abstention_markdown(nearest), citations=nearest_citations(nearest))
    turn.result.citations = evidence.citations
    turn.result.evidence_s = round(turn.elapsed_s(), 4)
    runtime.stream_writer(evidence)
    return {"quotes": quotes}


def answering_quotes(turn: Turn, state: TurnState) -> list[Quote]:
    """The quotes, or none where the documents don't answer."""
    settings = turn.parts.answering
    quotes = select_quotes(state["search_question"], state["hits"], turn.parts.corpus.encode, settings)
    return quotes if answerability(quotes) >= settings.abstain_below else []


def answered(state: TurnState) -> bool:
    """Whether there is something for the model to phrase."""
    return bool(state["quotes"])
