"""Chainlit's handlers. Chainlit loads this file by path; nothing imports it."""

from __future__ import annotations

import chainlit as cl
from chainlit.data.base import BaseDataLayer
from chainlit.types import ThreadDict

from app.chat.conversation import answer
from app.chat.starters import starter_questions
from app.chat.wiring import connected


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
    questions = starter_questions(connected().parley.corpus)
    return [cl.Starter(label=question, message=question) for question in questions]


@cl.on_chat_start
async def begin() -> None:
    """A new thread needs nothing; the handler makes Chainlit keep its history."""


@cl.on_chat_resume
async def resume(thread: ThreadDict) -> None:
    """A thread is resumed from the assistant's own memory of it."""


@cl.on_message
async def ask(message: cl.Message) -> None:
    """Answer one message."""
    await answer(connected(), message)
