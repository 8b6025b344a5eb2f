"""retrieve: the passages that may answer, found by meaning and by words, within the user's groups."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from glob import escape
from typing import Any

from langgraph.runtime import Runtime
from langsmith import trace

from agents.answering import scope
from agents.answering.followup import standalone
from agents.answering.parts import parts
from agents.answering.quotes import Lookup
from agents.answering.rows import has_named_row
from agents.state import Turn, TurnState
from retrieval.filters import MAX_PATTERN_CHARS, MAX_PATTERNS, Filters
from retrieval.passages import Hit

SUBJECT_PASSAGES = 50
TABLE_PASSAGES = 100
"""Passages looked through for rows that are called what is asked for, of which so many with such a row are kept:"""
MAX_TABLES = 6


async def retrieve(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Search with the follow-up made whole; of a report, for each part of what is asked too, and in its tables."""
    turn = runtime.context
    turn.result.corpus_release = turn.arm.release or turn.parts.corpus.release().number
    question = standalone(state["question"], state["history"])
    topic, where = await narrowed(turn, question)
    if topic == question:
        return {"search_question": question, "lookups": [await look_up(turn, topic, where)]}
    of_text = [await look_up(turn, each, where) for each in (topic, *parts(topic))]
    return {"search_question": question, "lookups": [*of_text, await look_up_in_tables(turn, topic, where)]}


async def look_up(turn: Turn, query: str, where: Filters | None) -> Lookup:
    """The best passages, by all of their text."""
    found = search(turn, query, where, limit=turn.arm.retrieval_limit)
    return Lookup(query, await on_record(turn, "search", query, where, found))


async def look_up_in_tables(turn: Turn, query: str, where: Filters | None) -> Lookup:
    """Passages with a row that is called what is asked for: those of a balance sheet are seldom among the best."""
    found = search_tables(turn, query, where)
    return Lookup(query, await on_record(turn, "search in tables", query, where, found), in_tables=True)


async def on_record(turn: Turn, name: str, query: str, where: Filters | None, found: Awaitable[list[Hit]]) -> list[Hit]:
    """What the rails leave of the passages that are found."""
    inputs = {"query": query, **({"where": where.model_dump()} if where else {})}
    async with trace(name, run_type="retriever", inputs=inputs) as run:
        hits = await asyncio.to_thread(harmless, turn, await found)
        run.end(outputs={"documents": [traced(hit) for hit in hits]})
    return hits


async def narrowed(turn: Turn, question: str) -> tuple[str, Filters | None]:
    """What to look for, and where: of a question about a period the rest, in the documents of that period."""
    subject = scope.subject(question)
    if turn.request.where or not subject:
        return question, turn.request.where
    told = scope.documents(question, await search(turn, subject, None, limit=SUBJECT_PASSAGES, rerank=False))
    names = [name for name in map(escape, told) if len(name) <= MAX_PATTERN_CHARS][:MAX_PATTERNS]
    return (scope.topic(question), Filters(documents=tuple(names))) if names else (question, None)


async def search(turn: Turn, query: str, where: Filters | None, *, limit: int | None, rerank: bool = True) -> list[Hit]:
    """The hits for a query, among what the asker may read."""
    groups, release = turn.request.asker.groups, turn.arm.release
    return await turn.parts.corpus.search(
        query, groups=groups, where=where, limit=limit, release=release, rerank=rerank
    )


async def search_tables(turn: Turn, query: str, where: Filters | None) -> list[Hit]:
    """Of many more hits than are read as text, those with a row that is called what is asked for."""
    found = await search(turn, query, where, limit=TABLE_PASSAGES, rerank=False)
    return [hit for hit in found if has_named_row(hit.passage, query)][:MAX_TABLES]


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
