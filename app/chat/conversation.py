"""One turn in the browser: the turn's events become a message that grows."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from uuid import UUID

import chainlit as cl

from agents.assistant import STOPPED
from agents.errors import Refused, TurnError
from agents.turn import Citation, Delta, Evidence, Finished, Notice, TurnEvent, TurnRequest, Waiting
from app.chat.citations import label, panel_markdown
from app.chat.data import ELEMENT_URL
from app.chat.markdown import for_page
from app.chat.wiring import Wiring

log = logging.getLogger(__name__)

SHOWN_AGAIN = "*Answered before, and shown again.*"
REFUSED = {"parley": "refused"}
"""Tells `public/parley.js` to put the question back where it was typed."""


async def answer(wiring: Wiring, message: cl.Message) -> None:
    """Run the turn and show it. A failure is shown as a sentence; a stop keeps what was shown, marked.

    The turn's id is the id of the enclosing run step: Chainlit's feedback refers to it, and so does the trace.
    """
    reply = cl.Message(content="")
    try:
        await _show(wiring, _request(wiring, message), reply)
    except Refused as error:
        await _close(reply, error.message)
        await cl.send_window_message(REFUSED)
    except TurnError as error:
        await _close(reply, error.message)
    except asyncio.CancelledError:
        await asyncio.shield(_close(reply, STOPPED))
        raise
    except Exception:
        log.exception("an answer could not be shown")  # Chainlit would show nothing at all.
        await _close(reply, TurnError().message)


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
    line = _Line()
    try:
        async with aclosing(wiring.parley.assistant.stream(request)) as events:
            async for event in events:
                if isinstance(event, Waiting):
                    await line.show(event)
                else:
                    await line.leave()
                    await _show_event(event, reply)
    finally:
        await asyncio.shield(line.leave())


class _Line:
    """The note that says how long the model is still busy with others, as long as it is."""

    def __init__(self) -> None:
        self._note: cl.Message | None = None

    async def show(self, waiting: Waiting) -> None:
        """Write or renew the note."""
        if self._note is None:
            self._note = cl.Message(content=waiting.text, author="Parley", type="system_message")
            await self._note.send()
        else:
            self._note.content = waiting.text
            await self._note.update()

    async def leave(self) -> None:
        """Take the note away."""
        note, self._note = self._note, None
        if note:
            await note.remove()


async def _show_event(event: TurnEvent, reply: cl.Message) -> None:
    match event:
        case Notice():
            await cl.Message(content=event.text, author="Parley", type="system_message").send()
        case Evidence():
            await asyncio.gather(*(_source(citation).send(reply.id) for citation in event.citations))
            await reply.stream_token(for_page(event.text))
        case Delta():
            await reply.stream_token(for_page(event.text))
        case Finished():
            reply.content = "\n\n".join([for_page(event.result.text), *([SHOWN_AGAIN] if event.result.cache else [])])
            await reply.send()


async def _close(reply: cl.Message, ending: str) -> None:
    """End a turn that did not finish: what was shown stays."""
    reply.content = f"{reply.content.rstrip()}\n\n{ending}".strip()
    await reply.send()


def _source(citation: Citation) -> cl.Text:
    """What opens beside the answer. Its address outlives the session, unlike the one Chainlit would give it."""
    source = cl.Text(name=label(citation), content=panel_markdown(citation), display="side")
    source.url = ELEMENT_URL.format(source.id)
    return source
