"""Accounts and history under the real Chainlit, in a process of its own, over HTTP and websockets."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import socketio
from chat_page import Chat, chatting

from app.auth.settings import AuthSettings
from app.auth.users import Accounts

PASSWORD = "correct horse battery"
CARD = "4111 1111 1111 1111"
START_S = 90


class Server:
    """The chat in a process of its own, which can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.accounts = Accounts.open(folder / "chat.db", AuthSettings())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        script = Path(__file__).with_name("chat_server.py")
        log = (self.folder / "server.log").open("a")
        environment = {"PYTHONPATH": str(Path.cwd()), "PATH": "/usr/bin:/bin", "HOME": str(self.folder)}
        command = [sys.executable, script, self.folder, str(self.port)]
        self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=environment)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                httpx.get(f"{self.url}/health")
                return
            except httpx.TransportError:
                time.sleep(0.1)
        raise RuntimeError((self.folder / "server.log").read_text())

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def told(self) -> list[str]:
        path = self.folder / "told.txt"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("chat"))
    for name in ("alice", "bob", "carol", "dave"):
        server.accounts.create(name, PASSWORD)
    server.accounts.create("ann", PASSWORD, role="analyst")
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def browser(server: Server, name: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A browser, signed in where a name is given."""
    async with httpx.AsyncClient(base_url=server.url) as client:
        if name:
            response = await client.post("/login", data={"username": name, "password": PASSWORD})
            assert response.json() == {"success": True}
        yield client


async def asked(page: httpx.AsyncClient, text: str = "How many days?") -> tuple[str, str, Chat]:
    """A new thread with one answered question: its id, the turn's id, and the chat (closed)."""
    async with chatting(page) as chat:
        await chat.wait_for("new_message", matching="Welcome")
        answer = await chat.ask(text)
        return answer["threadId"], answer["parentId"], chat


async def threads_of(page: httpx.AsyncClient) -> list[dict[str, Any]]:
    body = {"pagination": {"first": 20}, "filter": {}}
    response = await page.post("/project/threads", json=body)
    assert response.status_code == 200
    return response.json()["data"]


async def settled(page: httpx.AsyncClient, thread_id: str) -> dict[str, Any]:
    """The thread once Chainlit's own background writes are in: welcome, question, run and answer with its source."""
    for _ in range(200):
        response = await page.get(f"/project/thread/{thread_id}")
        if response.status_code == 200 and _is_whole(response.json()):
            return response.json()
        await asyncio.sleep(0.05)
    raise AssertionError(response.text)


def _is_whole(thread: dict[str, Any]) -> bool:
    runs = [step for step in thread["steps"] if step["name"] == "on_message"]
    return len(thread["steps"]) >= 4 and len(thread["elements"]) == 1 and all(run["end"] for run in runs)


async def test_one_sign_in_opens_the_chat_and_the_pages(server: Server) -> None:
    async with browser(server) as page:
        assert (await page.get("/user")).status_code == 401
        assert (await page.get("/auth/config")).json()["passwordAuth"] is True
        wrong = await page.post("/login", data={"username": "ann", "password": "wrong wrong wrong"})
        assert wrong.status_code == 401
    async with browser(server, "ann") as page:
        assert (await page.get("/user")).json()["identifier"] == "ann"
        assert (await page.get("/ops")).status_code == 200
        await page.post("/logout")
        assert (await page.get("/user")).status_code == 401
    async with browser(server, "alice") as page:
        assert (await page.get("/ops")).status_code == 403


async def test_a_signin_link_opens_the_chat_once(server: Server) -> None:
    token = server.accounts.create_signin_link("alice", timedelta(minutes=5))
    async with browser(server) as page:
        assert (await page.get("/signin", params={"token": token})).status_code == 303
        assert (await page.get("/user")).json()["identifier"] == "alice"
    async with browser(server) as page:
        assert (await page.get("/signin", params={"token": token})).status_code == 410
        assert (await page.get("/user")).status_code == 401


async def test_a_conversation_is_kept_redacted_and_resumed(server: Server) -> None:
    async with browser(server, "alice") as page:
        thread_id, turn_id, _ = await asked(page, f"Is {CARD} mine?")
        thread = await settled(page, thread_id)
        by_type = {(step["type"], step["name"]): step for step in thread["steps"]}
        assert by_type["user_message", "user"]["output"] == "Is [card] mine?"
        assert by_type["run", "on_message"]["id"] == turn_id
        assert by_type["run", "on_message"]["input"] == "Is [card] mine?"
        assert {"name": "Is [card] mine?", "id": thread_id}.items() <= (await threads_of(page))[0].items()
        (element,) = thread["elements"]
        assert (await page.get(element["url"])).text == "the passage"
        async with chatting(page, thread_id) as chat:
            resumed = await chat.wait_for("resume_thread")
            answer = await chat.ask("And for part-time staff?")
        assert resumed["id"] == thread_id
        assert answer["threadId"] == thread_id
        assert answer["output"].startswith("alice/alice")
        assert CARD.encode() not in b"".join(path.read_bytes() for path in server.folder.glob("chat.db*"))


async def test_a_visit_without_a_question_leaves_nothing(server: Server) -> None:
    async with browser(server, "carol") as page:
        async with chatting(page) as chat:
            await chat.wait_for("new_message", matching="Welcome")
        assert await threads_of(page) == []


async def test_only_the_author_rates_reads_renames_and_deletes(server: Server) -> None:
    async with browser(server, "alice") as alice, browser(server, "bob") as bob:
        thread_id, turn_id, chat = await asked(alice)
        thread = await settled(alice, thread_id)
        vote = {"feedback": {"forId": turn_id, "value": 1}, "sessionId": chat.session_id}
        rated = await alice.put("/feedback", json=vote)
        assert rated.status_code == 200
        rating_id = rated.json()["feedbackId"]
        forged = {"forId": turn_id, "value": 0, "id": rating_id, "comment": "forged"}

        refused = [
            await bob.put("/feedback", json={"feedback": forged, "sessionId": chat.session_id}),
            await bob.request("DELETE", "/feedback", json={"feedbackId": rating_id}),
            await bob.get(f"/project/thread/{thread_id}"),
            await bob.get(f"/project/share/{thread_id}"),
            await bob.get(f"/project/thread/{thread_id}/element/{thread['elements'][0]['id']}"),
            await bob.get(thread["elements"][0]["url"]),
            await bob.put("/project/thread", json={"threadId": thread_id, "name": "mine"}),
            await bob.put("/project/thread/share", json={"threadId": thread_id, "isShared": True}),
            await bob.request("DELETE", "/project/thread", json={"threadId": thread_id}),
        ]
        assert [response.status_code for response in refused] == [500, *[404] * 8]
        assert "or it is not yours" in refused[0].json()["detail"]
        async with browser(server) as nobody:
            statuses = [
                (await nobody.put("/feedback", json=vote)).status_code,
                (await nobody.get(f"/project/share/{thread_id}")).status_code,
                (await nobody.get(thread["elements"][0]["url"])).status_code,
            ]
        assert statuses == [401, 401, 401]

        kept = next(s for s in (await settled(alice, thread_id))["steps"] if s["id"] == turn_id)
        assert kept["feedback"] == {"id": rating_id, "forId": turn_id, "value": 1, "comment": None}
        undone = await alice.request("DELETE", "/feedback", json={"feedbackId": rating_id})
        assert undone.status_code == 200
        for _ in range(100):
            if f"unrated {rating_id}" in server.told():
                break
            await asyncio.sleep(0.02)
        assert [line for line in server.told() if turn_id in line or rating_id in line] == [
            f"rated {turn_id} 1 None {server.accounts.named('alice').id}",
            f"unrated {rating_id}",
        ]
        assert (await alice.request("DELETE", "/project/thread", json={"threadId": thread_id})).status_code == 200
        assert (await alice.get(f"/project/thread/{thread_id}")).status_code == 404


async def test_another_users_thread_cannot_be_entered(server: Server) -> None:
    async with browser(server, "alice") as alice, browser(server, "bob") as bob:
        thread_id, _, _ = await asked(alice)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await Chat(bob).open(thread_id)


async def test_the_socket_is_for_signed_in_pages_of_this_site(server: Server) -> None:
    async with browser(server, "alice") as page:
        async with chatting(page, Origin=server.url):
            pass
        with pytest.raises(socketio.exceptions.ConnectionError):
            await Chat(page, Origin="http://127.0.0.1:1").open()
        page.cookies.clear()
        with pytest.raises(socketio.exceptions.ConnectionError):
            await Chat(page).open()


async def test_disabling_ends_the_session_even_in_an_open_chat(server: Server) -> None:
    async with browser(server, "dave") as page, chatting(page) as chat:
        await chat.wait_for("new_message", matching="Welcome")
        assert (await chat.ask("Am I in?"))["output"].startswith("dave/dave")
        server.accounts.disable("dave")
        assert (await chat.ask("Still in?"))["output"] == "Your session has ended."
        assert (await page.get("/user")).status_code == 401
        assert (await page.post("/project/threads", json={"pagination": {"first": 1}, "filter": {}})).status_code == 401
        token = page.cookies["access_token"]
        page.cookies.clear()
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await page.get("/user", headers=bearer)).status_code == 401
        assert (await page.post("/auth/jwt", headers=bearer)).status_code == 401


async def test_kill_9_and_a_restart_keep_sessions_and_conversations(server: Server) -> None:
    async with browser(server, "alice") as page:
        thread_id, _, _ = await asked(page)
        before = await settled(page, thread_id)
        server.kill()
        server.start()
        assert (await page.get("/user")).json()["identifier"] == "alice"
        after = await settled(page, thread_id)
        assert after["steps"] == before["steps"]
        assert (await page.get(after["elements"][0]["url"])).text == "the passage"
