"""retrieve: the passages that may answer, found by meaning and by words, within the user's groups."""

from __future__ import annotations

import asyncio
from glob import escape
from typing import Any

from langgraph.runtime import Runtime
from langsmith import trace

from agents.answering import scope
from agents.answering.followup import standalone
from agents.answering.parts import parts
from agents.answering.quotes import Lookup
from agents.state import Turn, TurnState
from retrieval.filters import MAX_PATTERN_CHARS, MAX_PATTERNS, Filters
from retrieval.passages import Hit

SUBJECT_PASSAGES = 50


async def retrieve(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Search with the follow-up made whole; of a report, for each part of what is asked too."""
    turn = runtime.context
    turn.result.corpus_release = turn.arm.release or turn.parts.corpus.release().number
    question = standalone(state["question"], state["history"])
    topic, where = await narrowed(turn, question)
    asked = [topic] if topic == question else [topic, *parts(topic)]
    return {"search_question": question, "lookups": [await look_up(turn, each, where) for each in asked]}


async def look_up(turn: Turn, query: str, where: Filters | None) -> Lookup:
    """What the rails leave of the passages that are found; on the record."""
    inputs = {"query": query, **({"where": where.model_dump()} if where else {})}
    async with trace("search", run_type="retriever", inputs=inputs) as run:
        found = await search(turn, query, where, turn.arm.retrieval_limit)
        hits = await asyncio.to_thread(harmless, turn, found)
        run.end(outputs={"documents": [traced(hit) for hit in hits]})
    return Lookup(query, hits)


async def narrowed(turn: Turn, question: str) -> tuple[str, Filters | None]:
    """What to look for, and where: of a question about a period the rest, in the documents of that period."""
    subject = scope.subject(question)
    if turn.request.where or not subject:
        return question, turn.request.where
    told = scope.documents(question, await search(turn, subject, None, SUBJECT_PASSAGES))
    names = [name for name in map(escape, told) if len(name) <= MAX_PATTERN_CHARS][:MAX_PATTERNS]
    return (scope.topic(question), Filters(documents=tuple(names))) if names else (question, None)


async def search(turn: Turn, query: str, where: Filters | None, limit: int | None) -> list[Hit]:
    """The hits for a query, among what the asker may read."""
    return await turn.parts.corpus.search(
        query, groups=turn.request.asker.groups, where=where, limit=limit, release=turn.arm.release
    )


def harmless(turn: Turn, hits: list[Hit]) -> list[Hit]:
    """The hits as the rails let them be used and quoted; each verdict other than a pass is recorded.

    A passage that tries to give orders is left out. One that holds what may not be shown loses it here, so that no
    quote, panel or trace can bring it back.
    """
    kept = []
    for hit in hits:
        orders = turn.parts.rails.check_passage(hit.passage.text)
        shown = turn.parts.rails.check_output(hit.passage.text)
        turn.note(v for v in (*orders.verdicts, *shown.verdicts) if v.action != "pass")
        if not orders.blocked and not shown.blocked:
            kept.append(hit.model_copy(update={"passage": hit.passage.model_copy(update={"text": shown.text})}))
    return kept


def traced(hit: Hit) -> dict[str, Any]:
    """A hit in the shape that LangSmith shows as a retrieved document."""
    passage = hit.passage
    return {
        "type": "Document",
        "page_content": passage.text,
        "metadata": {
            "passage_id": passage.id,
            "document": passage.document,
            "page": passage.page,
            "heading": passage.heading,
            **hit.model_dump(exclude={"passage"}),
        },
    }
