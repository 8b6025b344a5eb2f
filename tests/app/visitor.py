"""Somebody in front of the product, and all that comes back to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import socketio
from chat_page import Chat, chatting
from confidential import PASSWORD, WAIT_S, Installation, shown

from app.auth.users import Account
from app.secret import Secret


@dataclass(frozen=True)
class Known:
    """What a member of both groups left behind; others know all of its ids."""

    run: str
    thread: str
    elements: tuple[str, ...]
    documents: tuple[str, ...]


@dataclass
class Visitor:
    """Somebody in front of the product: signed in at the pages, and with an API key, unless nobody is."""

    site: Installation
    account: Account | None
    page: httpx.AsyncClient
    bearer: dict[str, str]
    known: Known

    @property
    def user_hash(self) -> str:
        """What stands for them in records."""
        assert self.account
        return Secret.load(self.site.data_dir / "secret").user_hash(self.account.id)

    async def get(self, *paths: str, **options: Any) -> list[str]:
        return [shown(await self.page.get(path, **options)) for path in paths]

    async def ask(self, question: str, *, thread: str | None = None, **more: Any) -> httpx.Response:
        body = {"messages": [{"role": "user", "content": question}], "thread_id": thread, **more}
        return await self.page.post("/v1/chat/completions", json=body, headers=self.bearer)

    async def chat(self, question: str, thread: str | None = None) -> tuple[str | None, list[Any]]:
        """Ask in the chat; the thread, and all that came over the websocket. Nothing where it is closed to them."""
        try:
            async with chatting(self.page, thread) as chat:
                said = await answered(chat, question)
                return said["threadId"], chat.heard
        except socketio.exceptions.ConnectionError as error:
            return None, [error]


async def answered(chat: Chat, question: str) -> dict[str, Any]:
    said = await chat.ask(question)
    await chat.wait_for("task_end")
    return said


@asynccontextmanager
async def visiting(site: Installation, account: Account | None, known: Known | None = None) -> AsyncIterator[Visitor]:
    async with httpx.AsyncClient(base_url=site.url, timeout=WAIT_S) as page:
        if account and account.name not in site.signed_in:
            response = await page.post("/login", data={"username": account.name, "password": PASSWORD})
            assert response.status_code == 200
            site.signed_in[account.name] = dict(page.cookies), site.accounts.create_key(account.name, "test")
        cookies, key = site.signed_in[account.name] if account else ({}, "")
        page.cookies = httpx.Cookies(cookies)
        bearer = {"Authorization": f"Bearer {key}"} if key else {}
        yield Visitor(site, account, page, bearer, known or Known("", "", (), ()))


async def settled(visitor: Visitor, thread: str | None) -> list[dict[str, Any]]:
    """The sources of a thread, once its first answer has been stored."""
    for _ in range(400):
        response = await visitor.page.get(f"/project/thread/{thread}")
        if response.status_code == 200 and "assistant_message" in response.text:
            return response.json()["elements"]
        await asyncio.sleep(0.05)
    raise AssertionError(response.text)
