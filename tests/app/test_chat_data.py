"""Chat history on a real file: kept whole, redacted, and each user's own."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from chainlit.context import init_http_context
from chainlit.element import CustomElement, Text
from chainlit.types import Feedback, Pagination, ThreadFilter

from app.auth.sessions import acting_as
from app.auth.settings import AuthSettings
from app.auth.users import Account, Accounts
from app.chat.data import ELEMENT_BYTES, ChatData
from app.chat.errors import NotFound, NotSignedIn, StorageFailed, TooLarge
from app.chat.feedback import Rating

PASSWORD = "correct horse battery"
CARD = "4111 1111 1111 1111"


class Told:
    """What was passed on, and whether passing on works at the moment."""

    def __init__(self) -> None:
        self.rated: list[tuple[Rating, str]] = []
        self.unrated: list[UUID] = []
        self.deleted_threads: list[str] = []
        self.down = False

    def rate(self, rating: Rating, user_id: str) -> None:
        if self.down:
            raise ConnectionError("down")
        self.rated.append((rating, user_id))

    def unrate(self, rating_id: UUID) -> None:
        if self.down:
            raise ConnectionError("down")
        self.unrated.append(rating_id)

    async def delete_thread(self, thread_id: str) -> None:
        if self.down:
            raise ConnectionError("down")
        self.deleted_threads.append(thread_id)


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    accounts = Accounts.open(tmp_path / "chat.db", AuthSettings())
    accounts.create("alice", PASSWORD)
    accounts.create("bob", PASSWORD)
    return accounts


@pytest.fixture
def alice(accounts: Accounts) -> Account:
    return accounts.named("alice")


@pytest.fixture
def bob(accounts: Accounts) -> Account:
    return accounts.named("bob")


@pytest.fixture
def told() -> Told:
    return Told()


def open_data(tmp_path: Path, accounts: Accounts, told: Told) -> ChatData:
    return ChatData.open(
        tmp_path / "chat.db",
        accounts,
        redact=lambda text: text.replace(CARD, "[card]"),
        on_rated=told.rate,
        on_unrated=told.unrate,
        on_thread_deleted=told.delete_thread,
    )


@pytest.fixture
async def data(tmp_path: Path, accounts: Accounts, told: Told) -> AsyncIterator[ChatData]:
    init_http_context()
    data = open_data(tmp_path, accounts, told)
    yield data
    await data.close()


def new_id() -> str:
    return str(uuid4())


def step(thread_id: str, output: str = "hello", **fields: Any) -> Any:
    kept = {"id": new_id(), "threadId": thread_id, "type": "user_message", "name": "alice", "output": output}
    return {**kept, "createdAt": "2026-01-01T00:00:00.000001Z", **fields}


async def begin(data: ChatData, account: Account, output: str = "hello", name: str = "Greeting") -> tuple[str, Any]:
    """A thread with one run step, as Chainlit begins it: the message first, then the thread's name."""
    thread_id = new_id()
    run = step(thread_id, output, type="run")
    with acting_as(account):
        await data.create_step(run)
        await data.update_thread(thread_id, name=name, user_id=account.id)
    return thread_id, run


async def until(condition: Any) -> None:
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen within 4 s")


async def test_a_thread_comes_back_whole_after_a_restart(
    data: ChatData, tmp_path: Path, accounts: Accounts, told: Told, alice: Account
) -> None:
    thread_id, run = await begin(data, alice)
    answer = step(thread_id, "Five days [1].", type="assistant_message", parentId=run["id"], metadata={"a": [1]})
    answer["createdAt"] = "2026-01-01T00:00:01.000000Z"
    with acting_as(alice):
        await data.create_step(answer)
        await data.update_thread(thread_id, metadata={"chat_profile": None}, tags=["x"])
        await data.close()
        reopened = open_data(tmp_path, accounts, told)
        thread = await reopened.get_thread(thread_id)
        await reopened.close()
    assert thread is not None
    assert (thread["name"], thread["userIdentifier"], thread["userId"]) == ("Greeting", "alice", alice.id)
    assert (thread["metadata"], thread["tags"]) == ({"chat_profile": None}, ["x"])
    assert [kept["id"] for kept in thread["steps"]] == [run["id"], answer["id"]]
    assert thread["steps"][1] == {**answer, "input": "", "feedback": None}


async def test_writes_happen_in_the_order_in_which_they_were_started(data: ChatData, alice: Account) -> None:
    thread_id, _ = await begin(data, alice)
    answer = step(thread_id, "", type="assistant_message")
    with acting_as(alice):
        tasks = [asyncio.create_task(data.create_step(answer))]
        for number in range(50):
            tasks.append(asyncio.create_task(data.update_step({**answer, "output": f"version {number}"})))
        await asyncio.gather(*tasks)
        thread = await data.get_thread(thread_id)
    assert thread["steps"][-1]["output"] == "version 49"


async def test_a_late_create_does_not_undo_an_update_and_an_update_alone_is_kept(
    data: ChatData, alice: Account
) -> None:
    thread_id, _ = await begin(data, alice)
    answer = step(thread_id, "whole", type="assistant_message", createdAt=None)
    with acting_as(alice):
        await data.update_step(answer)
        await data.create_step({**answer, "output": ""})
        thread = await data.get_thread(thread_id)
    kept = next(kept for kept in thread["steps"] if kept["id"] == answer["id"])
    assert kept["output"] == "whole"
    assert kept["createdAt"].endswith("Z")


async def test_what_a_user_writes_is_redacted_before_it_touches_the_disk(
    data: ChatData, alice: Account, tmp_path: Path
) -> None:
    thread_id = new_id()
    message = step(thread_id, f"my card is {CARD}")
    run = step(thread_id, "", type="run", input=f"my card is {CARD}")
    with acting_as(alice):
        await data.create_step(message)
        await data.create_step(run)
        await data.update_step({**run, "input": f"again {CARD}"})
        await data.update_thread(thread_id, name=f"my card is {CARD}", user_id=alice.id)
        await data.upsert_feedback(Feedback(forId=run["id"], value=0, comment=f"no: {CARD}"))
        thread = await data.get_thread(thread_id)
    assert thread["steps"][0]["output"] == "my card is [card]"
    assert thread["steps"][1]["input"] == "again [card]"
    assert thread["steps"][1]["feedback"]["comment"] == "no: [card]"
    assert thread["name"] == "my card is [card]"
    assert CARD.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("chat.db*"))


async def test_nothing_is_kept_where_redacting_fails(tmp_path: Path, accounts: Accounts, alice: Account) -> None:
    def broken(text: str) -> str:
        raise RuntimeError("no model")

    init_http_context()
    data = ChatData.open(
        tmp_path / "chat.db", accounts, redact=broken, on_rated=lambda *_: None, on_unrated=lambda _: None
    )
    thread_id = new_id()
    with acting_as(alice), pytest.raises(StorageFailed):
        await data.create_step(step(thread_id))
    with acting_as(alice):
        assert await data.get_thread(thread_id) is None
    await data.close()


async def test_endless_text_is_cut(data: ChatData, alice: Account) -> None:
    thread_id, _ = await begin(data, alice, output="x" * 1_000_000, name="y " * 5000)
    with acting_as(alice):
        thread = await data.get_thread(thread_id)
    assert len(thread["steps"][0]["output"]) < 101_000
    assert "too long to be kept" in thread["steps"][0]["output"]
    assert len(thread["name"]) == 100


async def test_another_user_sees_and_changes_nothing(data: ChatData, alice: Account, bob: Account) -> None:
    thread_id, run = await begin(data, alice, output="the board meets on Friday")
    with acting_as(alice):
        await data.create_element(note := Text(thread_id=thread_id, name="[1]", content="secret"))
        rating_id = await data.upsert_feedback(Feedback(forId=run["id"], value=1))
        before = await data.get_thread(thread_id)
    with acting_as(bob):
        shell = await data.get_thread(thread_id)
        assert (shell["userIdentifier"], shell["steps"], shell["elements"], shell["metadata"]) == ("alice", [], [], {})
        assert "name" not in shell
        assert await data.get_thread_author(thread_id) == ""
        assert await data.get_element(thread_id, note.id) is None
        assert (await data.list_threads(Pagination(first=20), ThreadFilter(userId=alice.id))).data == []
        own_thread, _ = await begin(data, bob)
        for refused in (
            data.update_thread(thread_id, name="mine"),
            data.update_thread(thread_id, name="mine", user_id=bob.id),
            data.update_thread(new_id(), name="for her", user_id=alice.id),
            data.delete_thread(thread_id),
            data.create_step(step(thread_id, "forged")),
            data.update_step({**run, "output": "forged"}),
            data.update_step({**run, "output": "forged", "threadId": own_thread}),
            data.create_step({**run, "output": "forged", "threadId": own_thread}),
            data.delete_step(run["id"]),
            data.create_element(Text(thread_id=thread_id, name="[2]", content="forged")),
            data.create_element(Text(id=note.id, thread_id=own_thread, name="[1]", content="forged")),
            data.delete_element(note.id, own_thread),
            data.element_content(note.id),
            data.upsert_feedback(Feedback(forId=run["id"], value=0, id=rating_id)),
            data.delete_feedback(rating_id),
        ):
            with pytest.raises(NotFound):
                await refused
    with acting_as(alice):
        assert await data.get_thread(thread_id) == before
        assert (await data.element_content(note.id)).content == b"secret"


async def test_nobody_can_do_nothing(data: ChatData, alice: Account) -> None:
    thread_id, run = await begin(data, alice)
    for refused in (
        data.create_step(step(thread_id)),
        data.update_thread(thread_id, name="mine"),
        data.delete_thread(thread_id),
        data.list_threads(Pagination(first=20), ThreadFilter(userId=alice.id)),
        data.upsert_feedback(Feedback(forId=run["id"], value=0)),
        data.get_thread_author(thread_id),
    ):
        with pytest.raises(NotSignedIn):
            await refused
    shell = await data.get_thread(thread_id)
    assert shell["steps"] == []


async def test_what_does_not_exist_is_not_found(data: ChatData, alice: Account) -> None:
    with acting_as(alice):
        assert await data.get_thread(new_id()) is None
        assert await data.get_thread_author(new_id()) == ""
        assert await data.get_element(new_id(), new_id()) is None
        for refused in (
            data.delete_thread(new_id()),
            data.upsert_feedback(Feedback(forId=new_id(), value=1)),
            data.delete_feedback(new_id()),
            data.element_content(new_id()),
        ):
            with pytest.raises(NotFound) as error:
                await refused
            assert error.value.status_code == 404


async def test_accounts_are_not_made_by_chatting(data: ChatData, accounts: Accounts, alice: Account) -> None:
    from chainlit.user import User

    assert (await data.get_user("alice")).id == alice.id
    assert await data.create_user(User(identifier="mallory")) is None
    accounts.disable("alice")
    assert await data.get_user("alice") is None
    assert accounts.find("mallory") is None


async def test_pages_of_threads_are_newest_first_and_complete(data: ChatData, alice: Account, bob: Account) -> None:
    begun = [(await begin(data, alice, name=f"thread {number}"))[0] for number in range(7)]
    await begin(data, bob)
    seen: list[str] = []
    cursor = None
    with acting_as(alice):
        while True:
            page = await data.list_threads(Pagination(first=3, cursor=cursor), ThreadFilter())
            seen += [thread["id"] for thread in page.data]
            cursor = page.pageInfo.endCursor
            if not page.pageInfo.hasNextPage:
                break
    assert seen == begun[::-1]


async def test_threads_are_found_by_words_and_ratings(data: ChatData, alice: Account) -> None:
    budget, run = await begin(data, alice, output="What is the 100% target?", name="Budget")
    other, _ = await begin(data, alice, output="hello_world", name="Other")

    async def found(**filters: Any) -> list[str]:
        page = await data.list_threads(Pagination(first=20), ThreadFilter(**filters))
        return [thread["id"] for thread in page.data]

    with acting_as(alice):
        await data.upsert_feedback(Feedback(forId=run["id"], value=0))
        assert await found(search="100% TARGET") == [budget]
        assert await found(search="budg") == [budget]
        assert await found(search="o_w") == [other]
        assert await found(search="o%w") == []
        assert await found(feedback=0) == [budget]
        assert await found(feedback=1) == []


async def test_listing_stays_quick_with_long_threads(data: ChatData, alice: Account, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "chat.db") as db:
        for number in range(300):
            moment = f"2026-01-01T00:{number // 60:02}:{number % 60:02}.000000Z"
            db.execute("INSERT INTO threads VALUES (?, ?, ?, '{}', '[]', ?)", (f"t{number}", alice.id, "name", moment))
            rows = [(f"s{number}-{i}", f"t{number}", moment, '{"output": "' + "word " * 100 + '"}') for i in range(40)]
            db.executemany("INSERT INTO steps (id, thread_id, created_at, body) VALUES (?, ?, ?, ?)", rows)
    times = []
    with acting_as(alice):
        for _ in range(10):
            start = time.perf_counter()
            page = await data.list_threads(Pagination(first=20), ThreadFilter())
            times.append(time.perf_counter() - start)
    assert len(page.data) == 20
    assert min(times) < 0.02, times


async def test_a_deleted_thread_stays_deleted(data: ChatData, told: Told, alice: Account, tmp_path: Path) -> None:
    thread_id, run = await begin(data, alice, output="forget these words")
    with acting_as(alice):
        await data.create_element(Text(thread_id=thread_id, name="[1]", content="and these"))
        await data.upsert_feedback(Feedback(forId=run["id"], value=1))
        await data.delete_thread(thread_id)
        await data.update_step({**run, "output": "a turn that was still running"})
        await data.update_thread(thread_id, metadata={"written": "when the browser left"})
        assert await data.get_thread(thread_id) is None
        await data.delete_step(run["id"])
    assert told.deleted_threads == [thread_id]
    db = sqlite3.connect(tmp_path / "chat.db")
    left = {
        table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("steps", "elements", "ratings")
    }
    assert left == {"steps": 0, "elements": 0, "ratings": 0}


async def test_a_thread_whose_deletion_fails_elsewhere_can_be_deleted_again(
    data: ChatData, told: Told, alice: Account
) -> None:
    thread_id, _ = await begin(data, alice)
    told.down = True
    with acting_as(alice):
        with pytest.raises(ConnectionError):
            await data.delete_thread(thread_id)
        assert await data.get_thread_author(thread_id) == "alice"
        told.down = False
        await data.delete_thread(thread_id)
        assert await data.get_thread_author(thread_id) == ""


async def test_elements_come_back_with_their_content(data: ChatData, alice: Account) -> None:
    thread_id, run = await begin(data, alice)
    note = Text(thread_id=thread_id, name="[1]", content="§ 4: five days", mime="text/plain", for_id=run["id"])
    card = CustomElement(thread_id=thread_id, name="Card", props={"n": 1})
    with acting_as(alice):
        await data.create_element(note)
        await data.create_element(card)
        card.props = {"n": 2}
        await data.create_element(card)
        thread = await data.get_thread(thread_id)
        assert (await data.element_content(note.id)).content.decode() == "§ 4: five days"
        assert await data.get_element(thread_id, note.id) == thread["elements"][0]
        await data.delete_element(note.id, thread_id)
        assert await data.get_element(thread_id, note.id) is None
    assert thread["elements"][0]["url"] == f"/elements/{note.id}"
    assert thread["elements"][0]["forId"] == run["id"]
    assert thread["elements"][1]["props"] == {"n": 2}


async def test_an_address_in_an_element_is_kept_and_never_fetched(data: ChatData, alice: Account) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/metadata"
    thread_id, _ = await begin(data, alice)
    with acting_as(alice):
        await data.create_element(Text(thread_id=thread_id, name="[1]", url=url))
        thread = await data.get_thread(thread_id)
    await asyncio.sleep(0.05)
    server.close()
    assert thread["elements"][0]["url"] == url
    assert asked == []


async def test_an_element_that_is_too_large_is_refused(data: ChatData, alice: Account) -> None:
    thread_id, _ = await begin(data, alice)
    with acting_as(alice), pytest.raises(TooLarge):
        await data.create_element(Text(thread_id=thread_id, name="[1]", content="x" * (ELEMENT_BYTES + 1)))


async def test_two_tabs_that_vote_at_once_vote_once_and_the_last_word_is_told(
    data: ChatData, told: Told, alice: Account, tmp_path: Path
) -> None:
    _, run = await begin(data, alice)
    with acting_as(alice):
        votes = [data.upsert_feedback(Feedback(forId=run["id"], value=value)) for value in (1, 0, 1, 0)]
        ids = set(await asyncio.gather(*votes))
        await data.upsert_feedback(Feedback(forId=run["id"], value=0, comment="wrong year"))
    (rating_id,) = ids
    assert sqlite3.connect(tmp_path / "chat.db").execute("SELECT count(*) FROM ratings").fetchone() == (1,)
    told_last = Rating(UUID(rating_id), turn_id=UUID(run["id"]), score=0, comment="wrong year")
    await until(lambda: told.rated and told.rated[-1] == (told_last, alice.id))


async def test_a_rating_is_changed_undone_and_given_again(data: ChatData, told: Told, alice: Account) -> None:
    thread_id, run = await begin(data, alice)
    with acting_as(alice):
        first = await data.upsert_feedback(Feedback(forId=run["id"], value=1))
        thread = await data.get_thread(thread_id)
        assert thread["steps"][0]["feedback"] == {"id": first, "forId": run["id"], "value": 1, "comment": None}
        assert await data.delete_feedback(first) is True
        await until(lambda: told.unrated == [UUID(first)])
        with pytest.raises(NotFound):
            await data.delete_feedback(first)
        thread = await data.get_thread(thread_id)
        assert thread["steps"][0]["feedback"] is None
        assert await data.upsert_feedback(Feedback(forId=run["id"], value=0)) == first
    await until(lambda: told.rated and told.rated[-1][0].score == 0)


async def test_ratings_that_could_not_be_told_are_told_after_a_restart(
    data: ChatData, told: Told, alice: Account, tmp_path: Path, accounts: Accounts
) -> None:
    _, kept = await begin(data, alice)
    _, undone = await begin(data, alice)
    with acting_as(alice):
        undone_id = await data.upsert_feedback(Feedback(forId=undone["id"], value=1))
        await until(lambda: len(told.rated) == 1)
        told.down = True
        await data.upsert_feedback(Feedback(forId=kept["id"], value=1))
        await data.delete_feedback(undone_id)
    await data.close()
    assert len(told.rated) == 1
    told.down = False
    reopened = open_data(tmp_path, accounts, told)
    await until(lambda: len(told.rated) == 2 and told.unrated == [UUID(undone_id)])
    await reopened.close()
    again = open_data(tmp_path, accounts, told)
    await again.close()
    assert (len(told.rated), len(told.unrated)) == (2, 1)


async def test_a_failing_disk_is_said_and_logged(data: ChatData, alice: Account, caplog: Any) -> None:
    thread_id, _ = await begin(data, alice)
    data._db.one("PRAGMA max_page_count = 1")
    with acting_as(alice), pytest.raises(StorageFailed):
        await data.create_step(step(thread_id, "x" * 90_000, type="assistant_message"))
    assert "database or disk is full" in caplog.text
    with acting_as(alice):
        assert len((await data.get_thread(thread_id))["steps"]) == 1


WRITER = """
    import asyncio, sys
    from pathlib import Path
    from uuid import uuid4
    from chainlit.context import init_http_context
    from app.auth.sessions import acting_as
    from app.auth.settings import AuthSettings
    from app.auth.users import Accounts
    from app.chat.data import ChatData

    async def main(path):
        accounts = Accounts.open(path, AuthSettings())
        data = ChatData.open(path, accounts, redact=str, on_rated=print, on_unrated=print)
        init_http_context()
        thread_id = str(uuid4())
        with acting_as(accounts.named("alice")):
            while True:
                step = {"id": str(uuid4()), "threadId": thread_id, "type": "user_message", "output": "word " * 2000}
                await data.create_step(step)
                print(thread_id, step["id"], flush=True)

    asyncio.run(main(Path(sys.argv[1])))
"""


async def test_kill_9_loses_nothing_and_leaves_nothing_half_done(
    tmp_path: Path, accounts: Accounts, told: Told, alice: Account
) -> None:
    script = tmp_path / "writer.py"
    script.write_text(textwrap.dedent(WRITER))
    command = [sys.executable, script, tmp_path / "chat.db"]
    writer = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(Path.cwd())}, cwd=tmp_path
    )
    lines = [writer.stdout.readline() for _ in range(40)]
    writer.send_signal(signal.SIGKILL)
    lines += writer.stdout.readlines()
    writer.wait()
    confirmed = [line.split() for line in lines if line.endswith("\n")]
    assert len(confirmed) >= 40
    assert sqlite3.connect(tmp_path / "chat.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)
    data = open_data(tmp_path, accounts, told)
    with acting_as(alice):
        thread = await data.get_thread(confirmed[0][0])
    await data.close()
    kept = {kept["id"]: kept["output"] for kept in thread["steps"]}
    assert {step_id for _, step_id in confirmed} <= set(kept)
    assert set(kept.values()) == {"word " * 2000}
