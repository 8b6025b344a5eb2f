"""recall: what was said before in this thread, as much of it as fits."""

from __future__ import annotations

from collections.abc import Sequence

from langgraph.runtime import Runtime

from agents.settings import TurnSettings
from agents.state import Turn, TurnState
from agents.turn import Message


async def recall(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Take the history that the caller sent, or else the thread's own, newest first within the budget."""
    turn = runtime.context
    sent = turn.request.history
    said = sent if sent is not None else [Message(**message) for message in state.get("messages", [])]
    return {"history": newest(said, turn.parts.settings)}


def newest(messages: Sequence[Message], settings: TurnSettings) -> list[Message]:
    """The last messages that fit into the settings' count and characters, in order."""
    kept: list[Message] = []
    room = settings.history_chars
    for message in reversed(messages[-settings.history_messages :] if settings.history_messages else ()):
        room -= len(message.content)
        if room < 0:
            break
        kept.append(message)
    return kept[::-1]
