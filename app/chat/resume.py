"""Going on with a thread whose last question has no answer yet."""

from __future__ import annotations

import asyncio
from typing import Any

import chainlit as cl
from chainlit.types import ThreadDict

from app.chat.data import ChatData

INTERRUPTED = "*This answer was interrupted. Please ask again.*"
POLL_S = 0.1
POLLS = 50


async def close_open_question(data: ChatData, thread: ThreadDict) -> None:
    """Say that the last answer was interrupted; where its turn still runs, show it as soon as it has ended."""
    question = _open_question(thread)
    if question is None:
        return
    run_id = next((step["id"] for step in thread["steps"] if step.get("parentId") == question["id"]), None)
    turn = next((task for task in asyncio.all_tasks() if task.get_name() == f"turn {run_id}"), None)
    if turn:
        cl.context.session.current_task = asyncio.create_task(_show_when_ended(turn, data, thread["id"]))
        return
    message = await cl.Message(content=INTERRUPTED, parent_id=run_id).send()
    thread["steps"].append(message.to_dict())


def _open_question(thread: ThreadDict) -> Any:
    """The thread's last message, where it is the user's."""
    said = [step for step in thread["steps"] if step["type"] in ("user_message", "assistant_message")]
    return said[-1] if said and said[-1]["type"] == "user_message" else None


async def _show_when_ended(turn: asyncio.Task[Any], data: ChatData, thread_id: str) -> None:
    """The turn belongs to a page that was closed or reloaded; its answer reaches the thread a moment after it ends."""
    await asyncio.wait([turn])
    for _ in range(POLLS):
        thread = await data.get_thread(thread_id)
        if thread is None or _open_question(thread) is None:
            break
        await asyncio.sleep(POLL_S)
    if thread:
        await cl.context.emitter.resume_thread(thread)
