"""admit: is this a turn that can be taken in at all?"""

from __future__ import annotations

import asyncio

from langgraph.runtime import Runtime

from agents.budgets import Payers
from agents.errors import Empty, TooLong
from agents.state import Turn, TurnState


async def admit(state: TurnState, runtime: Runtime[Turn]) -> None:
    """Refuse empty and overlong questions, and users who ask too fast or have spent too much. Raises `Refused`.

    The question is read from the request and not from the state: nothing unredacted may reach a trace or a disk.
    """
    turn = runtime.context
    question, limit = turn.request.question, turn.parts.settings.max_question_chars
    if not question.strip():
        raise Empty()
    if len(question) > limit:
        raise TooLong(
            f"Your question has {len(question):,} characters; the limit is {limit:,}. Shorten it and send again."
        )
    turn.parts.limit.take(turn.request.asker.user_hash)
    await asyncio.to_thread(turn.parts.budgets.admit, Payers.of(turn.request.asker))
