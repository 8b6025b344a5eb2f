"""What flows between the stages of a turn, and the parts they work with."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal, TypedDict

from langgraph.channels import UntrackedValue

from agents.answering.quotes import Lookup, Quote
from agents.answering.settings import AnsweringSettings
from agents.arms import Arm, Assign
from agents.budgets import Budgets, Unlimited
from agents.cache.cache import AnswerCache, Asking
from agents.cache.settings import CacheSettings
from agents.limits import RateLimit
from agents.models import ModelPool
from agents.models.backoff import Backoff
from agents.prompts import LoadPrompt, Prompt, load_prompt
from agents.routing import RoutingRule
from agents.settings import TurnSettings
from agents.turn import Asker, Message, TurnRequest, TurnResult, Verdict
from rails import Rails
from rails import Verdict as RailVerdict
from retrieval.corpus import Corpus

Route = Literal["small_talk", "documents"]

_FOR_MODELS = 0.95
"""Share of a turn's time after which no model goes on, so that the turn still ends with the quotes."""


class TurnState(TypedDict, total=False):
    """The thread's messages, which are kept, and this turn's work, which is never written to disk."""

    messages: Annotated[list[dict[str, str]], operator.add]
    question: Annotated[str, UntrackedValue]
    history: Annotated[list[Message], UntrackedValue]
    route: Annotated[Route, UntrackedValue]
    search_question: Annotated[str, UntrackedValue]
    lookups: Annotated[list[Lookup], UntrackedValue]
    quotes: Annotated[list[Quote], UntrackedValue]
    first_model: Annotated[str | None, UntrackedValue]
    reused: Annotated[bool, UntrackedValue]


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
    load_prompt: LoadPrompt = load_prompt
    routing: Sequence[RoutingRule] = ()
    backoff: Backoff = field(default_factory=Backoff)
    budgets: Budgets = field(default_factory=Unlimited)
    cache: AnswerCache = field(default_factory=lambda: AnswerCache(CacheSettings(entries=0)))
    clock: Callable[[], float] = time.perf_counter


@dataclass
class Turn:
    """One turn under way: its request, its parts, and the result that the stages fill in."""

    request: TurnRequest
    parts: Parts
    result: TurnResult
    started: float
    arm: Arm = field(default_factory=Arm)
    asked: str | None = None
    """The model that is being asked, by its name in the settings."""
    asking: Asking | None = None
    """The leave to ask it, for which others may wait."""
    said: list[str] = field(default_factory=list)
    """What was shown beside the quotes, sentence by sentence."""

    @cached_property
    def prompt(self) -> Prompt:
        """What the models of this turn are told."""
        return self.parts.load_prompt(self.arm.prompt or self.parts.settings.prompt)

    def elapsed_s(self) -> float:
        """Seconds since the question came in."""
        return self.parts.clock() - self.started

    def left_s(self) -> float:
        """Seconds that the models may still take: what is left of the turn's time, apart from what its end needs."""
        return self.parts.settings.timeout_s * _FOR_MODELS - self.elapsed_s()

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
