"""Questions put to the whole product, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel
from langsmith import uuid7
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agents.errors import TurnError
from agents.turn import Asker, TurnRequest, TurnResult
from app.bootstrap import Parley, build_parley
from app.settings import Settings
from evals.questions import Case
from retrieval.corpus import Corpus
from retrieval.passages import EVERYONE

Readers = Callable[[Case], tuple[str, ...]]
"""The reader groups of the one who asks a question."""


@dataclass(frozen=True)
class Outcome:
    """What became of a question; no result where the turn failed."""

    case: Case
    result: TurnResult | None

    @property
    def answered(self) -> TurnResult | None:
        """The result, where it is an answer."""
        return self.result if self.result and self.result.status == "answered" else None

    @property
    def abstained(self) -> bool:
        """Whether the product said that the documents don't answer."""
        return self.result is not None and self.result.status == "abstained"


async def ask_all(
    settings: Settings,
    cases: Sequence[Case],
    *,
    model: BaseChatModel | None = None,
    corpus: Corpus | None = None,
    readers: Readers = lambda case: (EVERYONE,),
) -> list[Outcome]:
    """One turn for each case; by the settings' model and of their corpus, unless others are given.

    The first is put once before, unmeasured: it loads what the others find loaded.
    """
    err = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    parley = build_parley(settings, model=model, corpus=corpus)
    await parley.start()
    try:
        await _ask(parley, cases[0], readers)
        with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
            return [await _ask(parley, case, readers) for case in progress.track(cases, description="asking")]
    finally:
        await parley.close()


async def _ask(parley: Parley, case: Case, readers: Readers) -> Outcome:
    """One question in a thread of its own."""
    turn_id = uuid7()
    asker = Asker(user_hash="evals", groups=readers(case))
    request = TurnRequest(turn_id=turn_id, thread_id=str(turn_id), question=case.question, asker=asker)
    try:
        return Outcome(case, await parley.assistant.ask(request))
    except TurnError:
        return Outcome(case, None)
