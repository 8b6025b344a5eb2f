"""What flows between the stages of a turn, and the parts they work with."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypedDict

from langgraph.channels import UntrackedValue

from agents.answering.quotes import Quote
from agents.answering.settings import AnsweringSettings
from agents.arms import Arm, Assign
from agents.limits import RateLimit
from agents.models import ModelPool
from agents.settings import TurnSettings
from agents.turn import Asker, Message, TurnRequest, TurnResult, Verdict
from rails import Rails
from rails import Verdict as RailVerdict
from retrieval.corpus import Corpus
from retrieval.passages import Hit

Route = Literal["small_talk", "documents"]


class TurnState(TypedDict, total=False):
    """The thread's messages, which are kept, and this turn's work, which is never written to disk."""

    messages: Annotated[list[dict[str, str]], operator.add]
    question: Annotated[str, UntrackedValue]
    history: Annotated[list[Message], UntrackedValue]
    route: Annotated[Route, UntrackedValue]
    search_question: Annotated[str, UntrackedValue]
    topic: Annotated[str, UntrackedValue]
    hits: Annotated[list[Hit], UntrackedValue]
    quotes: Annotated[list[Quote], UntrackedValue]


@dataclass(frozen=True)
class Parts:
    """The replaceable parts of a turn, chosen at the composition root."""

    corpus: Corpus
    rails: Rails
    models: ModelPool
    settings: TurnSettings
    answering: AnsweringSettings
    limit: RateLimit
    assign: Assign
    may_recall: Callable[[Asker, str], bool] = lambda asker, thread_id: True
    """Whether the asker may still read all that was said in the thread."""
    clock: Callable[[], float] = time.perf_counter


@dataclass
class Turn:
    """One turn under way: its request, its parts, and the result that the stages fill in."""

    request: TurnRequest
    parts: Parts
    result: TurnResult
    started: float
    arm: Arm = field(default_factory=Arm)
    model_s: float = 0.0

    def elapsed_s(self) -> float:
        """Seconds since the question came in."""
        return self.parts.clock() - self.started

    def note(self, verdicts: Iterable[RailVerdict]) -> None:
        """Write what the rails decided into the result."""
        self.result.verdicts.extend(
            Verdict(rail=v.rail, stage=v.stage, action=v.action, reason=v.reason) for v in verdicts
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage into the result."""
        began = self.parts.clock()
        try:
            yield
        finally:
            self.result.stages_ms[name] = round((self.parts.clock() - began) * 1000, 2)
