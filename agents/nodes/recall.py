"""recall: what was said before in this thread, as much of it as fits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from langgraph.runtime import Runtime

from agents.nodes.input_rails import encodable
from agents.settings import TurnSettings
from agents.state import Turn, TurnState
from agents.turn import Message, Notice

EXCHANGE = 2
"""Messages that a turn adds."""
FORGETS = (
    "This conversation has become long: from now on only its last {messages} messages are taken into account. "
    "Name what you mean where it lies further back."
)


async def recall(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Take the history that the caller sent, or else the thread's own: the newest of it that fits."""
    turn = runtime.context
    sent = turn.request.history
    said = await remembered(turn, state) if sent is None else sent
    recalled = newest(said, turn.parts.settings)
    turn.result.messages_left_out = len(said) - len(recalled)
    if begins_to_forget(said, turn.parts.settings):
        runtime.stream_writer(Notice(text=FORGETS.format(messages=len(recalled))))
    return {"history": recalled if sent is None else await asyncio.to_thread(safe, turn, recalled)}


async def remembered(turn: Turn, state: TurnState) -> Sequence[Message]:
    """The thread's own messages; none where the asker may no longer read all that was said."""
    said = [Message(**message) for message in state.get("messages", [])]
    return said if said and await may_recall(turn) else []


def begins_to_forget(said: Sequence[Message], settings: TurnSettings) -> bool:
    """Whether this turn is the first one in the thread that doesn't take all of it into account."""
    before = said[:-EXCHANGE]
    return len(newest(said, settings)) < len(said) and len(newest(before, settings)) == len(before)


async def may_recall(turn: Turn) -> bool:
    """Whether the asker may still read all that was said in the thread."""
    return await asyncio.to_thread(turn.parts.may_recall, turn.request.asker, turn.request.thread_id)


def safe(turn: Turn, messages: Sequence[Message]) -> list[Message]:
    """What the rails leave of a history that they have not seen yet; the thread's own was checked line by line."""
    kept = []
    for message in messages:
        checked = turn.parts.rails.check_input(encodable(message.content))
        turn.note(v for v in checked.verdicts if v.action != "pass")
        if not checked.blocked:
            kept.append(message.model_copy(update={"content": checked.text}))
    return kept


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
