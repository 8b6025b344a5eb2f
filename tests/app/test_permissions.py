"""Who sees what: everybody who may ask, at every place where something of a document could be seen.

Each cell asks for all that there is at a place and looks through the whole answers, headers included, for words that
stand only in a secret document. A cell fails where a secret is seen that may not be, and where one is missing that may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
import pytest
from chat_page import chatting
from confidential import BOARD, CANTEEN, QUESTION, SECRETS, Installation, given_away, shown
from visitor import Known, Visitor, answered, settled, visiting

from app.auth.users import Account, Role
from app.chat.conversation import SHOWN_AGAIN
from app.chat.withheld import WITHHELD
from app.ops.store.complaints import Complaint

MEMBERS_THREAD = "strategy"
BOTH = {"board", "council"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    site = Installation(tmp_path_factory.mktemp("confidential"))
    site.publish("canteen.md", CANTEEN)
    for secret in SECRETS:
        site.publish(secret.file, secret.text, secret.group)
    site.start()
    yield site
    site.stop()


@pytest.fixture(scope="module")
def known(site: Installation) -> Known:
    """A member's answers by the API and in the chat, thumbed down, and with sources that have changed since."""
    known = asyncio.run(_as_a_member(site))
    for secret in SECRETS:
        site.publish(secret.file, secret.text.replace("in March", "in April"))
    site.compare()
    _complain(site, known)
    return known


async def _as_a_member(site: Installation) -> Known:
    async with visiting(site, site.user(BOTH)) as member:
        reply = (await member.ask(QUESTION, thread=MEMBERS_THREAD)).json()
        thread, _ = await member.chat(QUESTION)
        elements = await settled(member, thread)
    run = reply["parley"]["run_id"]
    with site.store() as store:
        site.wait_for(lambda: any(one.end_time for one in store.runs.many([UUID(run)])))
    documents = tuple(site.document_id(secret) for secret in SECRETS)
    return Known(run, thread, tuple(element["id"] for element in elements), documents)


def _complain(site: Installation, known: Known) -> None:
    with site.store() as store:
        complaint = Complaint(
            run_id=UUID(known.run),
            feedback_id=uuid4(),
            question=QUESTION,
            answer="Nimbostrat and Larkspurine.",
            cause="answer",
            reason="The answer itself.",
            document=BOARD.file,
            opened_at=datetime.now(UTC),
        )
        store.complaints.open(complaint)


# Places


async def the_answer_of_the_api(visitor: Visitor) -> Sequence[object]:
    where = {"documents": ["z*", "m*"]}
    return [shown(await visitor.ask(QUESTION, **more)) for more in ({}, {"stream": True}, {"where": where})]


async def an_answer_that_was_given_before(visitor: Visitor) -> Sequence[object]:
    """The member's question, answered before from both secrets; and once more, as the visitor may have asked it."""
    reworded = "Could you tell me when the yearly settlement is paid, please?"
    return [shown(await visitor.ask(question)) for question in (QUESTION, QUESTION.upper(), reworded, QUESTION)]


async def the_chat_and_its_history(visitor: Visitor) -> Sequence[object]:
    thread, heard = await visitor.chat(QUESTION)
    seen = [*heard, *await visitor.get(f"/project/thread/{thread}")]
    if thread:
        elements = await settled(visitor, thread)
        seen += await visitor.get(*(element["url"] for element in elements))
    pages = {"pagination": {"first": 20}, "filter": {"search": "paid"}}
    return [*seen, shown(await visitor.page.post("/project/threads", json=pages))]


async def questions_to_begin_with(visitor: Visitor) -> Sequence[object]:
    return await visitor.get("/project/settings", "/")


async def the_originals(visitor: Visitor) -> Sequence[object]:
    return await visitor.get(*(f"/documents/{one}" for one in visitor.known.documents))


async def originals_with_a_key(visitor: Visitor) -> Sequence[object]:
    visitor.page.cookies.clear()
    return await visitor.get(*(f"/documents/{one}" for one in visitor.known.documents), headers=visitor.bearer)


async def somebody_elses_conversation(visitor: Visitor) -> Sequence[object]:
    known = visitor.known
    _, heard = await visitor.chat("And of what else?", known.thread)
    return [
        *heard,
        shown(await visitor.ask("And of what else?", thread=MEMBERS_THREAD)),
        *await visitor.get(
            f"/project/thread/{known.thread}",
            f"/project/share/{known.thread}",
            f"/thread/{known.thread}",
            *(f"/project/thread/{known.thread}/element/{one}" for one in known.elements),
            *(f"/elements/{one}" for one in known.elements),
        ),
    ]


async def what_everybody_may_ask(visitor: Visitor) -> Sequence[object]:
    return await visitor.get("/healthz", "/readyz", "/metrics", "/v1/models", "/langsmith/info", "/auth/config")


async def refusals(visitor: Visitor) -> Sequence[object]:
    first, *_ = visitor.known.documents
    paths = [f"/documents/{first}/1", f"/documents/{first}.md", f"/v1/documents/{first}", "/documents/", "/documents"]
    broken = await visitor.page.post("/v1/chat/completions", json={"messages": []}, headers=visitor.bearer)
    return [shown(broken), *await visitor.get(*paths, headers=visitor.bearer)]


async def news_of_complaints(visitor: Visitor) -> Sequence[object]:
    """A complaint of the visitor's own was settled by an answer from what they may read."""
    if visitor.account is None:
        return []
    reply = (await visitor.ask(QUESTION, thread="settles")).json()
    tell = Complaint(
        run_id=uuid4(),
        feedback_id=uuid4(),
        thread_id=f"api-{visitor.user_hash}-settles",
        user_hash=visitor.user_hash,
        question="Who pays?",
        answer="Nobody.",
        cause="answer",
        reason="The answer itself.",
        opened_at=datetime.now(UTC),
    )
    with visitor.site.store() as store:
        store.complaints.open(tell)
        fixed_by = UUID(reply["parley"]["run_id"])
        text = reply["choices"][0]["message"]["content"]
        store.complaints.checked(tell.run_id, "now", fixed_run_id=fixed_by, answer=text)
    async with chatting(visitor.page) as chat:
        await chat.wait_for("new_message", matching="followed up on your feedback")
        return chat.heard


async def the_pages_for_operators(visitor: Visitor) -> Sequence[object]:
    known = visitor.known
    first, *_ = known.documents
    lists = ["", "/turns", "/turns?q=Nimbostrat", "/threads", "/stale", "/complaints", "/datasets", "/health"]
    ones = [f"/turns/{known.run}", f"/threads/{known.thread}", f"/stale/{first}", f"/complaints/{known.run}"]
    return await visitor.get(*(f"/ops{path}" for path in [*lists, *ones]))


async def the_langsmith_api(visitor: Visitor) -> Sequence[object]:
    key = {"x-api-key": visitor.bearer.get("Authorization", "").removeprefix("Bearer ")}
    query = {"is_root": False, "limit": 100}
    return [
        shown(await visitor.page.post("/langsmith/runs/query", json=query, headers=headers)) for headers in (key, {})
    ] + await visitor.get(f"/langsmith/runs/{visitor.known.run}", "/langsmith/sessions", headers=key)


Place = Callable[[Visitor], Awaitable[Sequence[object]]]
May = Callable[[Role | None, set[str]], set[str]]


def readers(role: Role | None, groups: set[str]) -> set[str]:
    """Everybody sees what their groups may read."""
    return groups


def operators(role: Role | None, groups: set[str]) -> set[str]:
    """Analysts and admins see what was answered to anybody; nobody else sees anything."""
    return BOTH if role in ("analyst", "admin") else set()


def nobody(role: Role | None, groups: set[str]) -> set[str]:
    """There is nothing to be seen."""
    return set()


PLACES: dict[Place, May] = {
    the_answer_of_the_api: readers,
    an_answer_that_was_given_before: readers,
    the_chat_and_its_history: readers,
    questions_to_begin_with: readers,
    the_originals: readers,
    originals_with_a_key: nobody,
    somebody_elses_conversation: nobody,
    what_everybody_may_ask: nobody,
    refusals: nobody,
    news_of_complaints: nobody,
    the_pages_for_operators: operators,
    the_langsmith_api: operators,
}

WHO: dict[str, tuple[Role | None, set[str]]] = {
    "anonymous": (None, set()),
    "board": ("user", {"board"}),
    "council": ("user", {"council"}),
    "both groups": ("user", BOTH),
    "no group": ("user", set()),
    "owner": ("owner", set()),
    "analyst": ("analyst", set()),
    "admin": ("admin", set()),
}


@pytest.fixture(scope="module")
def people(site: Installation) -> dict[str, Account | None]:
    return {who: site.user(groups, role) if role else None for who, (role, groups) in WHO.items()}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize("who", WHO)
async def test_everybody_sees_what_is_theirs_and_nothing_else(
    site: Installation, known: Known, people: dict[str, Account | None], who: str, place: Place
) -> None:
    async with visiting(site, people[who], known) as visitor:
        assert given_away(await place(visitor)) == PLACES[place](*WHO[who])


# What may be seen changes


async def test_who_leaves_a_group_no_longer_sees_what_they_were_told(site: Installation) -> None:
    member = site.user(["board"])
    async with visiting(site, member) as visitor, chatting(visitor.page) as chat:
        thread = (await answered(chat, QUESTION))["threadId"]
        (source, *_) = await settled(visitor, thread)
        await visitor.ask(QUESTION, thread="mine")

        async def all_of_it() -> list[object]:
            follow_up = await visitor.ask("And what are the canteen hours?", thread="mine")
            await answered(chat, "And what else about that?")
            _, resumed = await visitor.chat("Once more, what about that?", thread)
            read = await visitor.get(f"/project/thread/{thread}", source["url"])
            return [shown(follow_up), *resumed, *read, recalled(site, follow_up)]

        *_, read, opened, remembered = await all_of_it()
        assert given_away([read]) == given_away([opened]) == given_away([remembered]) == {"board"}
        site.accounts.set_groups(member.name, [])
        chat.heard.clear()
        assert given_away([*await all_of_it(), *chat.heard]) == set()
        assert WITHHELD in (await visitor.page.get(f"/project/thread/{thread}")).text
        assert (await visitor.page.get(source["url"])).status_code == 404
        site.accounts.set_groups(member.name, ["board"])
        assert given_away(await visitor.get(f"/project/thread/{thread}")) == {"board"}
        assert given_away(await visitor.get(source["url"])) == {"board"}


def recalled(site: Installation, reply: httpx.Response) -> list[object]:
    """What a turn was given of the thread's earlier lines."""
    run = UUID(reply.json()["parley"]["run_id"])
    with site.store() as store:
        site.wait_for(lambda: any(one.end_time for one in store.runs.many([run])))
        return [one.outputs for one in store.runs.trace(run) if one.name == "recall"]


async def test_only_readers_of_the_same_groups_meet_what_was_asked_before(site: Installation) -> None:
    async def asked(groups: set[str]) -> tuple[str | None, set[str]]:
        async with visiting(site, site.user(groups)) as visitor:
            reply = await visitor.ask("In which month is the yearly settlement paid?")
        return reply.json()["parley"]["cache"], given_away([shown(reply)])

    for groups in (BOTH, {"board"}, {"council"}):
        assert await asked(groups) == (None, groups)
        assert await asked(groups) == ("exact", groups)
    board = site.user({"board"})
    async with visiting(site, board) as visitor, chatting(visitor.page) as chat:
        assert SHOWN_AGAIN in str(await answered(chat, "In which month is the yearly settlement paid?"))
        site.accounts.set_groups(board.name, ["council"])
        moved = await visitor.ask("In which month is the yearly settlement paid?")
    assert given_away([shown(moved)]) == {"council"}
    assert await asked(set()) == (None, set())


def kept_answers(site: Installation) -> float:
    shown = httpx.get(f"{site.url}/metrics").text
    return next(float(line.split()[1]) for line in shown.splitlines() if line.startswith("parley_kept_answers "))


MOVING = "# Moving\n\nThe Timbuktoo removal van comes on Friday and costs nine ducats.\n"
REMOVAL = "Which removal van comes on Friday, and how many ducats does it cost?"


async def test_an_answer_follows_its_document_into_another_group_and_out_of_the_corpus(site: Installation) -> None:
    site.publish("moving.md", MOVING, "board")
    board, council = site.user(["board"]), site.user(["council"])
    async with visiting(site, board) as member, visiting(site, council) as other:
        thread, _ = await member.chat(REMOVAL)
        await settled(member, thread)

        async def seen_by_both() -> tuple[bool, bool]:
            old, asked = await member.get(f"/project/thread/{thread}"), await other.ask(REMOVAL)
            return "Timbuktoo" in str(old), "Timbuktoo" in asked.text

        assert await seen_by_both() == (True, False)
        site.publish("moving.md", MOVING, "council")
        assert await seen_by_both() == (False, True)
        site.compare()
        site.withdraw("moving.md")
        assert await seen_by_both() == (False, False)
        site.publish("moving.md", MOVING, "board")
        site.compare()
        site.withdraw("moving.md")
        assert await seen_by_both() == (True, False)
        site.accounts.set_groups(board.name, [])
        assert await seen_by_both() == (False, False)


async def test_a_source_that_leaves_takes_the_kept_answers_along(site: Installation) -> None:
    site.publish("moving.md", MOVING, "board")
    async with visiting(site, site.user(["board"])) as member:
        before = kept_answers(site)
        await member.ask(REMOVAL)
    assert kept_answers(site) == before + 1
    site.withdraw("moving.md")
    site.wait_for(lambda: kept_answers(site) <= before)


async def test_a_release_brings_its_readers_with_it(site: Installation) -> None:
    site.publish("moving.md", MOVING)
    site.publish("moving.md", MOVING, "board")
    async with visiting(site, site.user()) as visitor:
        path = f"/documents/{next(d.id for d in site.corpus.documents().values() if d.name == 'moving.md')}"
        assert "Timbuktoo" not in str([shown(await visitor.ask(REMOVAL)), *await visitor.get(path)])
        site.corpus.releases().rollback()
        assert "Timbuktoo" in (await visitor.ask(REMOVAL)).text
        assert "Timbuktoo" in str(await visitor.get(path))
    site.withdraw("moving.md")


async def test_a_hidden_document_changes_nothing_of_what_others_are_shown(site: Installation) -> None:
    account = site.user()

    async def all_that_shows() -> list[object]:
        async with visiting(site, account) as visitor:
            replies = [(await visitor.ask(question)).json() for question in (REMOVAL, "When are the canteen hours?")]
            begin_with = (await visitor.page.get("/project/settings")).json()["starters"]
        cited = [[(one["passage"], one["quotes"]) for one in reply["parley"]["citations"]] for reply in replies]
        return [[(reply["choices"], reply["parley"]["status"]) for reply in replies], cited, begin_with]

    before = await all_that_shows()
    site.publish("moving.md", MOVING, "board")
    assert await all_that_shows() == before
    site.withdraw("moving.md")
