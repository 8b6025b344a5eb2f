"""What an old thread says of sources that have changed since."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from chainlit.context import init_http_context
from chainlit.element import Text
from fastapi import FastAPI

from app.auth.sessions import Sessions, acting_as
from app.auth.settings import AuthSettings
from app.auth.users import Accounts
from app.chat.data import ChatData
from app.chat.elements import elements_router
from app.chat.history import StoredElement
from app.chat.stale import note, say_what_changed
from app.evidence import StaleSource
from app.secret import Secret

TURN, OTHER, THREAD = "turn-1", "turn-2", "thread"
CHANGED = StaleSource(1, "leave.pdf", gone=False, since=7)
GONE = StaleSource(2, "old.md", gone=True, since=8)


def test_the_note_names_what_changed_and_what_was_removed() -> None:
    assert note([CHANGED]) == "*Source changed since: leave.pdf.*"
    assert note([GONE]) == "*Source removed since: old.md.*"
    more = [CHANGED, StaleSource(3, "gates.md", gone=False, since=7), StaleSource(4, "leave.pdf", gone=False, since=8)]
    assert note([*more, GONE]) == "*Sources changed since: leave.pdf, gates.md. Source removed since: old.md.*"


def test_a_documents_name_can_do_nothing_in_the_note() -> None:
    hostile = StaleSource(1, "a*b* [x](http://evil)\n# <img src=x> note:x", gone=False, since=2)
    assert note([hostile]) == r"*Source changed since: a\*b\* \[x\](http://evil) # \<img src=x> note\:x.*"


def a_thread() -> dict[str, Any]:
    def message(name: str, turn: str, kind: str = "assistant_message") -> dict[str, Any]:
        return {"id": name, "parentId": turn, "type": kind, "output": f"{name} says. [1] [2]"}

    def source(number: int, answer: str) -> dict[str, Any]:
        return {"id": f"e{number}", "forId": answer, "name": f"[{number}]", "url": f"/elements/e{number}"}

    steps = [message("notice", TURN, "system_message"), message("first", TURN), message("second", OTHER)]
    return {"id": THREAD, "steps": steps, "elements": [source(1, "first"), source(2, "first"), source(3, "second")]}


def test_only_the_answer_that_rests_on_it_says_so_and_its_source_is_marked() -> None:
    thread = a_thread()
    say_what_changed(lambda thread_id: {TURN: [CHANGED], "unknown": [GONE]} if thread_id == THREAD else {}, thread)
    assert [step["output"] for step in thread["steps"]] == [
        "notice says. [1] [2]",
        "first says. [1] [2]\n\n*Source changed since: leave.pdf.*",
        "second says. [1] [2]",
    ]
    assert [one["url"] for one in thread["elements"]] == ["/elements/e1?changed=7", "/elements/e2", "/elements/e3"]


def test_a_thread_is_shown_though_the_ledger_fails() -> None:
    def failing(thread_id: str) -> dict[str, list[StaleSource]]:
        raise OSError("the disk is gone")

    thread = a_thread()
    say_what_changed(failing, thread)
    assert thread == a_thread()


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    accounts = Accounts.open(tmp_path / "chat.db", AuthSettings())
    accounts.create("alice", "correct horse battery")
    return accounts


@pytest.fixture
async def data(tmp_path: Path, accounts: Accounts) -> AsyncIterator[ChatData]:
    def nothing(*args: object) -> None:
        """Nobody rates here."""

    init_http_context()
    opened = ChatData.open(
        tmp_path / "chat.db",
        accounts,
        redact=str,
        on_rated=nothing,
        on_unrated=nothing,
        annotate=lambda thread: say_what_changed(lambda thread_id: {TURN: [GONE]}, thread),
    )
    yield opened
    await opened.close()


async def test_a_thread_is_read_with_its_notes_and_stored_without(data: ChatData, accounts: Accounts) -> None:
    alice = accounts.named("alice")
    run: Any = {"id": TURN, "threadId": THREAD, "type": "run", "name": "alice", "output": ""}
    answer: Any = {**run, "id": "answer", "parentId": TURN, "type": "assistant_message", "output": "So it is. [2]"}
    with acting_as(alice):
        await data.create_step(run)
        await data.update_thread(THREAD, name="Leave", user_id=alice.id)
        await data.create_step(answer)
        await data.create_element(Text(name="[2]", content="the passage", for_id="answer", thread_id=THREAD))
        for _ in range(2):
            thread: Any = await data.get_thread(THREAD)
            (said,) = [step["output"] for step in thread["steps"] if step["type"] == "assistant_message"]
            assert said == "So it is. [2]\n\n*Source removed since: old.md.*"
            assert thread["elements"][0]["url"].endswith("?gone=8")


class Elements:
    """A source of one text and one picture."""

    async def element_content(self, element_id: str) -> StoredElement:
        picture = StoredElement("image/png", b"png", THREAD)
        return picture if element_id == "picture" else StoredElement("text/plain", b"words", THREAD)


async def test_the_opened_source_says_that_it_has_changed(tmp_path: Path, accounts: Accounts) -> None:
    app = FastAPI()
    sessions = Sessions(accounts, Secret.load(tmp_path / "secret"))
    app.include_router(elements_router(Elements(), sessions))
    app.dependency_overrides[sessions.require_account] = lambda: accounts.named("alice")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://chat") as client:
        rest = "This is the text that the answer rests on.\n\nwords"
        assert (await client.get("/elements/text?changed=7")).text == f"> Source changed since, in release 7. {rest}"
        assert (await client.get("/elements/text?gone=8")).text == f"> Source removed since, with release 8. {rest}"
        assert (await client.get("/elements/text")).text == "words"
        assert (await client.get("/elements/text?changed=<b>")).status_code == 422
        assert (await client.get("/elements/picture?changed=7")).content == b"png"
