"""quote: the sentences of the sources that answer, on the screen before the model has read them."""

from __future__ import annotations

import asyncio
from functools import partial

from langgraph.runtime import Runtime

from agents.answering.abstention import answerability, nearest
from agents.answering.compose import abstention_markdown, citations, evidence_markdown
from agents.answering.quotes import Quote, select_quotes, select_report_quotes
from agents.state import Turn, TurnState
from agents.turn import Evidence


async def quote(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Choose and show the quotes; where they hardly answer, say so, and show them as what comes nearest."""
    turn = runtime.context
    chosen = await asyncio.to_thread(choose, state, turn)
    turn.result.answerability = round(answerability(chosen), 4)
    answers = turn.result.answerability >= turn.parts.answering.abstain_below
    shown = chosen if answers else nearest(chosen, turn.parts.answering)
    text = f"{evidence_markdown(shown)}\n\n" if answers else abstention_markdown(shown)
    turn.result.citations = citations(shown)
    turn.result.evidence_s = round(turn.elapsed_s(), 4)
    runtime.stream_writer(Evidence(text=text, citations=turn.result.citations))
    return {"quotes": shown if answers else []}


def choose(state: TurnState, turn: Turn) -> list[Quote]:
    """A few sentences; more where the question was asked of the reports of a period, and looked up without that."""
    encode, settings = partial(turn.parts.corpus.encode, release=turn.arm.release), turn.parts.answering
    whole = state["lookups"][0]
    if whole.question == state["search_question"]:
        return select_quotes(whole.question, whole.hits, encode, settings)
    return select_report_quotes(state["lookups"], encode, settings)


def answered(state: TurnState) -> bool:
    """Whether there is something for the model to phrase."""
    return bool(state["quotes"])
