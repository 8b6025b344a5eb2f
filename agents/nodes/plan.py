"""plan: does this need the documents? And chat, the branch that doesn't."""

from __future__ import annotations

from langgraph.runtime import Runtime

from agents.answering.smalltalk import small_talk
from agents.state import Route, Turn, TurnState
from agents.turn import Delta


async def plan(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Small talk is answered by rule; everything else is looked up."""
    return {"route": "small_talk" if small_talk(state["question"]) else "documents"}


def route(state: TurnState) -> Route:
    """The branch that `plan` chose."""
    return state["route"]


async def chat(state: TurnState, runtime: Runtime[Turn]) -> None:
    """Answer small talk."""
    runtime.context.result.status = "chatted"
    runtime.stream_writer(Delta(text=small_talk(state["question"]) or ""))
