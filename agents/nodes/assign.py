"""assign: which arm of the running experiment is this user in?"""

from __future__ import annotations

from langgraph.runtime import Runtime

from agents.state import Turn, TurnState


async def assign(state: TurnState, runtime: Runtime[Turn]) -> None:
    """Put the turn into its user's arm, the same one each time, and say so in the record."""
    turn = runtime.context
    turn.arm = turn.parts.assign(turn.request.asker.user_hash)
    turn.result.experiment = turn.arm.experiment
    turn.result.variant = turn.arm.variant
