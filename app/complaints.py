"""Complaints meet the documents: who owns what, what has changed, and whether an answer is better by now."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from uuid import UUID

from langgraph.checkpoint.memory import InMemorySaver
from langsmith import Client, uuid7

from agents.arms import Arm
from agents.assistant import Assistant
from agents.errors import TurnError
from agents.limits import RateLimit
from agents.state import Parts
from agents.turn import Asker, TurnRequest, TurnResult
from app.ops.store import OpsStore
from app.ops.store.complaints import Complaint
from retrieval.corpus import Corpus
from retrieval.passages import EVERYONE
from retrieval.words import content_words

log = logging.getLogger(__name__)

LOOK_BEYOND = 50
"""Passages that are looked at when one may have been overlooked."""
FITS = 0.6
"""Share of the question's words from which a passage fits it."""
SAYS = 0.8
"""Share of the words of the owner's answer that a new answer must hold."""
EVERY_S = 10.0
ROOT_NAME = "recheck"
"""What the root run of a question asked again is called; the pages count turns, which these are not."""
_NO_LIMIT = 1_000_000
_MARKER = re.compile(r" ?(?<!\\)\[\d+\]")

AskerOf = Callable[[str | None], Asker]
"""Who asks, from their pseudonym: with the groups that they have now."""


class CorpusSources:
    """What the complaint desk asks about documents, answered from the published release."""

    def __init__(self, corpus: Corpus, asker_of: AskerOf) -> None:
        self._corpus = corpus
        self._asker_of = asker_of

    def owner(self, document: str) -> str | None:
        """Who was named as owner when the document was ingested."""
        owners = (one.owner for one in self._corpus.documents().values() if one.name == document)
        return next(owners, None) or None

    def changed(self, passage_ids: Collection[str]) -> bool:
        """A passage's id follows from its text, so one that reads differently is gone."""
        return any(self._corpus.passage(one) is None for one in passage_ids)

    def overlooked(self, question: str, user_hash: str | None, served: Collection[str]) -> str | None:
        """The document of the passage that holds most of the question's words, if it holds more than any served one."""
        wanted = set(content_words(question))
        groups = self._asker_of(user_hash).groups
        hits = self._corpus.search_now(question, groups=groups, limit=LOOK_BEYOND) if wanted else []
        shares = [(_share(wanted, hit.passage.text), hit.passage) for hit in hits]
        known = max((share for share, passage in shares if passage.id in served), default=0.0)
        better = [(share, passage) for share, passage in shares if share >= FITS and share > known]
        return max(better, key=lambda one: one[0])[1].document if better else None


class Rechecks:
    """Asks the questions of open complaints again whenever something that answers them has changed.

    What a complaint's own user would be answered decides: the same arm, the same reader groups.
    """

    def __init__(
        self,
        store: OpsStore,
        parts: Parts,
        asker_of: AskerOf,
        *,
        ready: Callable[[], bool] = lambda: True,
        on_passed: Callable[[Asker, TurnResult], None] = lambda asker, result: None,
        traces: Client | None = None,
        project: str = "parley",
    ) -> None:
        """`on_passed` is told of each answer that settles a complaint, as one of its thread; it may block."""
        self._store = store
        self._parts = replace(parts, limit=RateLimit(_NO_LIMIT))
        self._asker_of = asker_of
        self._ready = ready
        self._on_passed = on_passed
        self._assistant = Assistant(self._parts, InMemorySaver(), traces=traces, project=project, root_name=ROOT_NAME)

    async def run(self) -> None:
        """Look for what is due, for ever; one question at a time, so that users are hardly slowed."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                if self._ready():
                    await self.check_due()
            except Exception:  # whatever fails now is tried again; the task must outlive it
                log.exception("complaints could not be asked again; they are tried later")

    async def check_due(self) -> int:
        """Ask what is due now; gives back how many complaints that closed."""
        due = await asyncio.to_thread(self._store.complaints.find, status="open", limit=_NO_LIMIT)
        return sum(
            [
                await self._check(complaint)
                for complaint in due
                if self._circumstances(complaint) != complaint.checked_with
            ]
        )

    def _circumstances(self, complaint: Complaint) -> str:
        """What would answer now, in words: with the same, the answer would be the same."""
        arm = self._parts.assign(complaint.user_hash or "")
        prompt = self._parts.load_prompt(arm.prompt or self._parts.settings.prompt)
        release = arm.release or self._parts.corpus.release().number
        return f"release {release}, {_arm(arm)}, prompt {prompt.version}"

    async def _check(self, complaint: Complaint) -> bool:
        circumstances = self._circumstances(complaint)
        request = TurnRequest(
            turn_id=uuid7(),
            thread_id=f"recheck-{complaint.run_id}",
            question=complaint.question,
            asker=self._asker_of(complaint.user_hash),
            history=(),
        )
        try:
            result = await self._assistant.ask(request)
        except TurnError:
            result = None
        wanted = await asyncio.to_thread(self._wanted_answer, complaint)
        passed = result is not None and passes(complaint, result, wanted)
        if result and passed:
            in_its_thread = result.model_copy(update={"thread_id": complaint.thread_id or result.thread_id})
            await asyncio.to_thread(self._on_passed, request.asker, in_its_thread)
        await asyncio.to_thread(
            self._store.complaints.checked,
            complaint.run_id,
            circumstances,
            fixed_run_id=request.turn_id if passed else None,
            answer=result.text if result and passed else "",
        )
        return passed

    def _wanted_answer(self, complaint: Complaint) -> str | None:
        """What the owner says that the answer should say."""
        if complaint.example_id is None:
            return None
        outputs = self._store.examples.get(complaint.example_id).outputs or {}
        answer = outputs.get("answer")
        return answer if isinstance(answer, str) else None


def passes(complaint: Complaint, result: TurnResult, wanted: str | None = None) -> bool:
    """Whether the new answer settles the complaint.

    A fault or a block must be gone. Anything else takes an answer with a source that differs from the one complained
    about, and that says what the owner wants said, where they have written it down.
    """
    blocked = any(verdict.action == "block" and verdict.stage != "passage" for verdict in result.verdicts)
    if result.status == "failed" or blocked:
        return False
    if wanted and _share(set(content_words(wanted)), result.text) < SAYS:
        return False
    if complaint.cause in ("fault", "blocked"):
        return True
    differs = " ".join(result.text.split()) != " ".join(complaint.answer.split())
    return result.status == "answered" and bool(result.citations) and differs


def good_news(complaints: Collection[Complaint], withheld: Collection[UUID] = ()) -> str:
    """What a user is told of complaints that were settled, as Markdown; without the answers of the `withheld` runs."""
    told = [
        f"You told us that this was not answered well: “{one.question}”\n\n"
        f"{'It is answered now.' if one.fixed_run_id in withheld else _MARKER.sub('', one.fixed_answer or '')}"
        for one in complaints
    ]
    news = "**We have followed up on your feedback.**\n\n" + "\n\n---\n\n".join(told)
    return f"{news}\n\nAsk again to see the sources."


def asker_of(accounts: Callable[[], Collection[Asker]]) -> AskerOf:
    """Finds the account behind a pseudonym; somebody who has none any more reads what everybody may read."""

    def find(user_hash: str | None) -> Asker:
        known = (asker for asker in accounts() if asker.user_hash == user_hash)
        return next(known, Asker(user_hash=user_hash or "", groups=(EVERYONE,)))

    return find


def _arm(arm: Arm) -> str:
    return f"{arm.experiment}/{arm.variant}" if arm.variant else "no arm"


def _share(wanted: Collection[str], text: str) -> float:
    held = set(content_words(text))
    return sum(word in held for word in wanted) / len(wanted) if wanted else 0.0
