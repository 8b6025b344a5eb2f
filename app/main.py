"""Chainlit's handlers. Chainlit loads this file by path; nothing imports it."""

from __future__ import annotations

import chainlit as cl
from chainlit.config import config
from chainlit.data.base import BaseDataLayer
from chainlit.server import sio
from chainlit.session import WebsocketSession
from chainlit.types import ThreadDict

from app.chat.conversation import answer
from app.chat.followup import tell_good_news
from app.chat.page import keep_page_local
from app.chat.resume import close_open_question
from app.chat.wiring import connected

keep_page_local()
# public/parley.js keeps a question that is too long from being sent: it would be lost on the way.
config.ui.custom_js_attributes = f'defer data-question-limit="{connected().parley.settings.turn.max_question_chars}"'


@cl.data_layer
def data_layer() -> BaseDataLayer:
    """Threads, steps and feedback, in `chat.db`."""
    return connected().data


@cl.password_auth_callback
async def sign_in(name: str, password: str) -> None:
    """Tells Chainlit that signing in is needed; `app/auth/signin.py` answers `/login` before Chainlit could."""


@cl.set_starters
async def starters(user: cl.User | None = None, language: str | None = None) -> list[cl.Starter]:
    """Questions to begin with."""
    wiring = connected()
    account = wiring.sessions.account_of(user)
    if account is None:
        return []
    groups = wiring.parley.asker(account).groups
    warm = wiring.parley.warm.is_set()
    questions = await wiring.starters.answered(groups) if warm else wiring.starters.likely(groups)
    return [cl.Starter(label=question, message=question) for question in questions]


@cl.on_chat_start
async def begin() -> None:
    """A new thread begins with what became of the user's complaints; the handler makes Chainlit keep its history."""
    await tell_good_news(connected())


@cl.on_chat_resume
async def resume(thread: ThreadDict) -> None:
    """The assistant remembers the thread by itself; only a question left open needs a word."""
    await close_open_question(connected().data, thread)
    await tell_good_news(connected())


@cl.on_message
async def ask(message: cl.Message) -> None:
    """Answer one message."""
    await answer(connected(), message)


@sio.on("stop")
async def stop(sid: str) -> None:
    """Stop the running turn. Chainlit's own handler, which this replaces, would add a message of its own."""
    session = WebsocketSession.get(sid)
    if session and session.current_task:
        session.current_task.cancel()
