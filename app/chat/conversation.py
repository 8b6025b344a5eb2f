"""One turn in the browser: the turn's events become a message that grows."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from uuid import UUID

import chainlit as cl
from chainlit.element import ElementBased

from agents.assistant import STOPPED
from agents.errors import TurnError
from agents.turn import Citation, Delta, Evidence, Finished, Notice, TurnRequest, TurnResult
from app.chat.citations import label, panel_markdown
from app.chat.wiring import Wiring


async def answer(wiring: Wiring, message: cl.Message) -> None:
    """Run the turn and show it. A failure is shown as a sentence; a stop keeps what was shown, marked.

    The turn's id is the id of the enclosing run step: Chainlit's feedback refers to it, and so does the trace.
    """
    request = _request(wiring, message)
    reply = cl.Message(content="")
    try:
        await _show(wiring, request, reply)
    except TurnError as error:
        await _close(reply, f"\n\n{error.message}")
    except asyncio.CancelledError:
        await asyncio.shield(_close(reply, f"\n\n{STOPPED}"))
        raise


def _request(wiring: Wiring, message: cl.Message) -> TurnRequest:
    run = cl.context.current_run
    account = wiring.sessions.account_of(cl.user_session.get("user"))
    if run is None or account is None:
        raise TurnError("Your session has ended. Reload the page and sign in again.")
    return TurnRequest(
        turn_id=UUID(run.id),
        thread_id=cl.context.session.thread_id,
        question=message.content,
        asker=wiring.parley.asker(account),
    )


async def _show(wiring: Wiring, request: TurnRequest, reply: cl.Message) -> None:
    async with aclosing(wiring.parley.assistant.stream(request)) as events:
        async for event in events:
            if isinstance(event, Notice):
                await cl.Message(content=event.text, author="Parley", type="system_message").send()
            elif isinstance(event, Evidence):
                reply.elements = _elements(event.citations)
                await reply.stream_token(event.text)
            elif isinstance(event, Delta):
                await reply.stream_token(event.text)
            elif isinstance(event, Finished):
                await _finish(reply, event.result)


async def _finish(reply: cl.Message, result: TurnResult) -> None:
    reply.content = result.text
    reply.elements = _elements(result.citations)
    await reply.send()


async def _close(reply: cl.Message, ending: str) -> None:
    """End a turn that did not finish: what was shown stays."""
    reply.content = f"{reply.content}{ending}".strip()
    await reply.send()


def _elements(citations: list[Citation]) -> list[ElementBased]:
    return [*(cl.Text(name=label(c), content=panel_markdown(c), display="side") for c in citations)]
