"""Chainlit's page without a browser: what it does over its websocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import socketio


class Chat:
    """What Chainlit's page does over its websocket."""

    def __init__(self, page: httpx.AsyncClient, **headers: str) -> None:
        self.session_id = str(uuid4())
        self.heard: list[Any] = []
        """All that has come over the websocket."""
        self.events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._url = str(page.base_url)
        self._headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in page.cookies.items()), **headers}
        self._socket = socketio.AsyncClient(reconnection=False)
        self._socket.on("*", self._keep)

    async def _keep(self, event: str, data: Any = None) -> None:
        self.heard.append((event, data))
        await self.events.put((event, data))

    async def open(self, thread_id: str | None = None) -> None:
        auth = {"sessionId": self.session_id, "clientType": "webapp", "userEnv": "{}", "threadId": thread_id}
        await self._socket.connect(
            self._url, headers=self._headers, auth=auth, transports=["websocket"], socketio_path="/ws/socket.io"
        )
        await self._socket.emit("connection_successful")

    async def wait_for(self, event: str, *, matching: str = "") -> Any:
        async with asyncio.timeout(20):
            while True:
                name, data = await self.events.get()
                if name == event and matching in str(data):
                    return data

    async def ask(self, text: str) -> dict[str, Any]:
        """Send a message; the answer."""
        message = {"id": str(uuid4()), "name": "user", "type": "user_message", "output": text, "createdAt": None}
        await self._socket.emit("client_message", {"message": message, "fileReferences": []})
        return await self.wait_for("new_message", matching="assistant_message")

    async def close(self) -> None:
        await self._socket.disconnect()


@asynccontextmanager
async def chatting(page: httpx.AsyncClient, thread_id: str | None = None, **headers: str) -> AsyncIterator[Chat]:
    chat = Chat(page, **headers)
    await chat.open(thread_id)
    try:
        yield chat
    finally:
        await chat.close()
