"""record: the thread remembers what was asked and answered, both at once."""

from __future__ import annotations

from langgraph.runtime import Runtime

from agents.state import Turn, TurnState


async def record(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Add the question and the answer to the thread; the figures go to the root run when the turn is settled."""
    result = runtime.context.result
    return {
        "messages": [
            {"role": "user", "content": result.question},
            {"role": "assistant", "content": result.text},
        ]
    }
