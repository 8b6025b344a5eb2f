"""`parley ask`: one turn in the terminal, without the web server."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import aclosing

from langsmith import uuid7
from rich.console import Console

from agents.turn import Asker, Delta, Evidence, Finished, Notice, TurnRequest, TurnResult, Waiting
from app.bootstrap import build_parley
from app.settings import Settings
from retrieval.filters import Filters
from retrieval.passages import EVERYONE


async def ask_once(
    settings: Settings, question: str, groups: Sequence[str], where: Filters | None, out: Console | None
) -> TurnResult:
    """Run one turn; with `out`, show it as it streams. Its trace waits in the outbox for the next server."""
    parley = build_parley(settings)
    turn_id = uuid7()
    asker = Asker(user_hash=parley.secret.user_hash(f"terminal:{os.getuid()}"), groups=(EVERYONE, *groups))
    request = TurnRequest(turn_id=turn_id, thread_id=f"terminal-{turn_id}", question=question, asker=asker, where=where)
    await parley.start()
    try:
        async with aclosing(parley.assistant.stream(request)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    _print_sources(event.result, out)
                    return event.result
                _print(event, out)
        raise AssertionError("a turn always ends with Finished or an error")
    finally:
        await parley.close()


def _print(event: Evidence | Delta | Notice | Waiting, out: Console | None) -> None:
    if out is None:
        return
    if isinstance(event, Notice | Waiting):
        out.print(event.text, style="yellow", markup=False)
    else:
        out.print(event.text, end="", markup=False, highlight=False)


def _print_sources(result: TurnResult, out: Console | None) -> None:
    if out is None:
        return
    out.print("\n")
    for citation in result.citations:
        passage = citation.passage
        page = f", page {passage.page_name}" if passage.page else ""
        out.print(f"[{citation.number}] {passage.document}{page}  {passage.heading}", markup=False, highlight=False)
    figures = filter(None, (result.model, f"{result.total_s:.1f} s", f"trace {result.turn_id}"))
    out.print(", ".join(figures), style="dim", markup=False, highlight=False)
