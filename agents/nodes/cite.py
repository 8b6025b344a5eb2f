"""cite: the sources that the shown answer rests on, and what the answer amounts to."""

from __future__ import annotations

from langgraph.runtime import Runtime

from agents.state import Turn, TurnState


async def cite(state: TurnState, runtime: Runtime[Turn]) -> None:
    """An answer that shows at least one quote is an answer; one that shows only where to look is an abstention."""
    runtime.context.result.status = "answered" if state["quotes"] else "abstained"
