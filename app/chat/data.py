"""Chainlit's data layer over `chat.db`.

Chainlit starts writes without waiting for them and swallows what they raise. So one thread does them, in the order in
which they were started, and a failure is logged before it is raised.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from uuid import UUID

from chainlit.data.base import BaseDataLayer
from chainlit.data.utils import queue_until_user_message
from chainlit.types import Feedback, PageInfo, PaginatedResponse, Pagination, ThreadDict, ThreadFilter
from chainlit.user import PersistedUser, User

from app.auth.database import Database
from app.auth.sessions import acting_account, session_metadata
from app.auth.users import Account, Accounts
from app.chat.errors import ChatDataError, NotFound, NotSignedIn, StorageFailed, TooLarge
from app.chat.feedback import Rating
from app.chat.history import History, Json, StoredElement
from app.chat.migrations import MIGRATIONS
from app.chat.ratings import Ratings, pass_on

if TYPE_CHECKING:
    from chainlit.element import Element, ElementDict
    from chainlit.step import StepDict

log = logging.getLogger(__name__)

T = TypeVar("T")

NAME_CHARS = 100
TEXT_CHARS = 100_000
ELEMENT_BYTES = 5 << 20
PAGE_LIMIT = 100
REDACTIONS_KEPT = 32  # a message is kept as itself, as its run's input and as the thread's name
ELEMENT_URL = "/elements/{}"


class ChatData(BaseDataLayer):
    """Threads, steps, elements and ratings, each seen and changed by its thread's author alone.

    Who acts is the account of the request being served (`acting_account`). What users write is redacted before it is
    kept. `annotate` makes of a thread what its reader may and should see of it now; what it takes away cannot be read
    by itself either. Raises the errors of `app.chat.errors`.
    """

    def __init__(
        self,
        db: Database,
        accounts: Accounts,
        *,
        redact: Callable[[str], str],
        on_rated: Callable[[Rating, str], None],
        on_unrated: Callable[[UUID], None],
        on_thread_deleted: Callable[[str], Awaitable[None]] | None = None,
        annotate: Callable[[Json], None] = lambda thread: None,
    ) -> None:
        self._db = db
        self._accounts = accounts
        self._history = History(db)
        self._ratings = Ratings(db)
        self._redact = lru_cache(REDACTIONS_KEPT)(redact)
        self._on_thread_deleted = on_thread_deleted
        self._annotate = annotate
        self._pass_on = partial(pass_on, self._ratings, on_rated, on_unrated)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="chat-data")
        self._messenger = ThreadPoolExecutor(1, thread_name_prefix="chat-ratings")
        self._tell_ratings()

    @classmethod
    def open(cls, path: Path, accounts: Accounts, **parts: Any) -> Self:
        """Open the chat tables of `chat.db`, made where they are missing; for `parts` see the constructor.

        Ratings that were not passed on before the last stop are passed on now.
        """
        db = Database.open(path)
        db.migrate("chat", MIGRATIONS)
        return cls(db, accounts, **parts)

    async def close(self) -> None:
        """Finish what was begun and close the file."""
        await asyncio.to_thread(self._worker.shutdown)
        await asyncio.to_thread(self._messenger.shutdown)
        self._db.close()

    # Users

    async def get_user(self, identifier: str) -> PersistedUser | None:
        """The account of this name as Chainlit's user; None where it is disabled."""
        account = self._accounts.find(identifier)
        if account is None or account.disabled_at:
            return None
        return PersistedUser(
            id=account.id,
            createdAt=account.created_at.isoformat(),
            identifier=account.name,
            display_name=account.name,
            metadata=session_metadata(account),
        )

    async def create_user(self, user: User) -> PersistedUser | None:
        """Nothing is made here: accounts come from `parley users add`."""
        return await self.get_user(user.identifier)

    # Threads

    async def get_thread_author(self, thread_id: str) -> str:
        """The acting account's name if the thread is its own, else nothing, which Chainlit answers with 404."""
        account = _actor()
        owner = await self._do(self._history.owner_of, thread_id)
        return account.name if owner == account.id else ""

    async def list_threads(self, pagination: Pagination, filters: ThreadFilter) -> PaginatedResponse[ThreadDict]:
        """A page of the acting account's threads, newest first, without what they hold."""
        limit = min(max(pagination.first, 1), PAGE_LIMIT)
        rows = await self._do(
            partial(
                self._history.threads,
                _actor().id,
                limit=limit + 1,
                before=pagination.cursor,
                search=filters.search,
                rated=filters.feedback,
            )
        )
        threads = [{"id": row["id"], "name": row["name"], "createdAt": row["created_at"]} for row in rows[:limit]]
        first, last = (threads[0]["id"], threads[-1]["id"]) if threads else (None, None)
        page = PageInfo(hasNextPage=len(rows) > limit, startCursor=first, endCursor=last)
        return PaginatedResponse(pageInfo=page, data=cast("list[ThreadDict]", threads))

    async def get_thread(self, thread_id: str) -> ThreadDict | None:
        """A whole thread of the acting account; of another's nothing but whose it is, for Chainlit to refuse it."""
        owner_id = await self._do(self._history.owner_of, thread_id)
        owner = self._accounts.get(owner_id) if owner_id else None
        if owner is None:
            return None
        account = acting_account()
        if account is None or account.id != owner.id:
            shell = {"id": thread_id, "userIdentifier": owner.name, "metadata": {}, "steps": [], "elements": []}
            return cast(ThreadDict, shell)
        thread = await self._do(self._read_thread, thread_id, owner.id)
        return cast(ThreadDict, {**thread, "userIdentifier": owner.name})

    def _read_thread(self, thread_id: str, user_id: str) -> Json:
        thread = self._history.thread(thread_id, user_id)
        self._annotate(thread)
        return thread

    async def update_thread(
        self,
        thread_id: str,
        name: str | None = None,
        user_id: str | None = None,
        metadata: dict | None = None,
        tags: list[str] | None = None,
    ) -> None:
        """Change what is given. Chainlit names the user where the thread begins."""
        account = _actor()
        if user_id not in (None, account.id):
            raise NotFound
        await self._do(self._save_thread, thread_id, account.id, user_id is not None, name, metadata, tags)

    def _save_thread(
        self, thread_id: str, user_id: str, begin: bool, name: str | None, metadata: dict | None, tags: list | None
    ) -> None:
        changes = {
            "name": None if name is None else self._title(name),
            "metadata": None if metadata is None else json.dumps(metadata),
            "tags": None if tags is None else json.dumps(tags),
        }
        given = {column: value for column, value in changes.items() if value is not None}
        self._history.save_thread(thread_id, user_id, given, self._now(), begin=begin)

    async def delete_thread(self, thread_id: str) -> None:
        """Forget a thread: first what others keep of it, so that a failure there can be tried again."""
        account = _actor()
        if await self._do(self._history.owner_of, thread_id) != account.id:
            raise NotFound
        if self._on_thread_deleted:
            await self._on_thread_deleted(thread_id)
        await self._do(self._history.delete_thread, thread_id, account.id)

    # Steps

    @queue_until_user_message()
    async def create_step(self, step_dict: StepDict) -> None:
        """Keep a new step, redacted."""
        await self._do(self._write_step, self._history.add_step, {**step_dict}, _actor().id)

    @queue_until_user_message()
    async def update_step(self, step_dict: StepDict) -> None:
        """Keep a step's newest state, redacted."""
        await self._do(self._write_step, self._history.put_step, {**step_dict}, _actor().id)

    def _write_step(self, write: Callable[[Json, str, str], None], step: Json, user_id: str) -> None:
        for field in ("input", "output"):
            text = _shortened(step.get(field) or "")
            step[field] = text if step["type"] == "assistant_message" else self._redact(text)
        write(step, user_id, self._now())

    @queue_until_user_message()
    async def delete_step(self, step_id: str) -> None:
        """Forget a step."""
        await self._do(self._history.delete_step, step_id, _actor().id)

    async def get_favorite_steps(self, user_id: str) -> list[StepDict]:
        """None: favourites are switched off."""
        return []

    # Elements

    @queue_until_user_message()
    async def create_element(self, element: Element) -> None:
        """Keep an element with its content. A URL is kept as it is and never fetched."""
        body = cast(Json, element.to_dict())
        await self._do(self._write_element, body, element.content, element.path, _actor().id)

    def _write_element(self, body: Json, content: str | bytes | None, path: str | None, user_id: str) -> None:
        if content is None and path:
            content = Path(path).read_bytes()
        blob = content.encode() if isinstance(content, str) else content
        if len(blob or b"") > ELEMENT_BYTES:
            raise TooLarge
        if blob is not None:
            body |= {"url": ELEMENT_URL.format(body["id"]), "chainlitKey": None}
        self._history.put_element(body, blob, user_id)

    async def get_element(self, thread_id: str, element_id: str) -> ElementDict | None:
        """An element of the acting account's thread; its `url` leads to the content."""
        element = await self._do(self._read_element, thread_id, element_id, _actor().id)
        return cast("ElementDict | None", element)

    async def element_content(self, element_id: str) -> StoredElement:
        """The bytes of an element of the acting account. Raises `NotFound`."""
        return await self._do(self._read_content, element_id, _actor().id)

    def _read_element(self, thread_id: str, element_id: str, user_id: str) -> Json | None:
        if self._history.owner_of(thread_id) != user_id:
            return None
        elements = self._read_thread(thread_id, user_id)["elements"]
        return next((element for element in elements if element["id"] == element_id), None)

    def _read_content(self, element_id: str, user_id: str) -> StoredElement:
        element = self._history.element_content(element_id, user_id)
        if self._read_element(element.thread_id, element_id, user_id) is None:
            raise NotFound
        return element

    @queue_until_user_message()
    async def delete_element(self, element_id: str, thread_id: str | None = None) -> None:
        """Forget an element."""
        await self._do(self._history.delete_element, element_id, _actor().id)

    # Ratings

    async def upsert_feedback(self, feedback: Feedback) -> str:
        """Rate a turn of an own thread, or change the rating; the id is the same for each vote on one turn."""
        rating_id = await self._do(self._rate, feedback.forId, _actor().id, feedback.value, feedback.comment)
        self._tell_ratings()
        return str(rating_id)

    def _rate(self, step_id: str, user_id: str, value: int, comment: str | None) -> UUID:
        kept = self._redact(_shortened(comment)) if comment else None
        return self._ratings.rate(step_id, user_id, value, kept, self._now())

    async def delete_feedback(self, feedback_id: str) -> bool:
        """Take an own rating back. Raises `NotFound`."""
        await self._do(self._ratings.unrate, feedback_id, _actor().id)
        self._tell_ratings()
        return True

    def _tell_ratings(self) -> None:
        self._messenger.submit(self._pass_on).add_done_callback(_log_failure)

    async def build_debug_url(self) -> str:
        """None: traces are at /ops."""
        return ""

    async def _do(self, work: Callable[..., T], *arguments: object) -> T:
        """Run blocking work on the one data thread, after all that was begun before."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, partial(work, *arguments))
        except ChatDataError:
            raise
        except Exception as error:
            log.exception("chat history: %s failed", getattr(work, "__name__", work))
            raise StorageFailed from error

    def _title(self, text: str) -> str:
        return " ".join(self._redact(_shortened(text)).split())[:NAME_CHARS]

    def _now(self) -> str:
        return self._accounts.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _actor() -> Account:
    account = acting_account()
    if account is None:
        log.error("chat history was asked for without a signed-in account")
        raise NotSignedIn
    return account


def _shortened(text: str) -> str:
    return text if len(text) <= TEXT_CHARS else f"{text[:TEXT_CHARS]}\n\n[The rest was too long to be kept.]"


def _log_failure(task: Future[None]) -> None:
    if error := task.exception():
        log.error("ratings could not be passed on", exc_info=error)
