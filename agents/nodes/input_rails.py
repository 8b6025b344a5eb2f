"""input_rails: what may not be kept is redacted, what may not be asked is refused."""

from __future__ import annotations

import asyncio

from langgraph.runtime import Runtime

from agents.errors import Blocked
from agents.state import Turn, TurnState
from agents.turn import Notice


async def input_rails(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Check the question; from here on only its redacted form exists. Raises `Blocked`."""
    turn = runtime.context
    checked = await asyncio.to_thread(turn.parts.rails.check_input, encodable(turn.request.question).strip())
    turn.result.question = checked.text
    turn.note(checked.verdicts)
    if checked.blocked:
        reasons = "; ".join(v.reason for v in checked.verdicts if v.action == "block")
        raise Blocked(f"This question cannot be answered here: {reasons}. Please rephrase it.")
    redacted = [v.reason for v in checked.verdicts if v.action == "redact"]
    if redacted:
        runtime.stream_writer(
            Notice(text=f"Removed from your question before it was used or stored: {'; '.join(redacted)}.")
        )
    return {"question": checked.text}


def encodable(text: str) -> str:
    """The text without half characters, which JSON can carry and no file or database can keep."""
    return text.encode("utf-8", "replace").decode("utf-8")
