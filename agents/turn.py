"""The vocabulary of one turn: what comes in, what streams out, what is kept."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from retrieval.filters import Filters
from retrieval.passages import EVERYONE, Passage

Status = Literal["answered", "abstained", "chatted", "stopped", "failed"]


class Asker(BaseModel):
    """Who asks: a pseudonym for records, and the groups that bound what may be searched."""

    model_config = ConfigDict(frozen=True)

    user_hash: str
    groups: tuple[str, ...] = (EVERYONE,)


class Message(BaseModel):
    """One earlier line of the conversation."""

    model_config = ConfigDict(frozen=True)

    role: Literal["user", "assistant"]
    content: str


class TurnRequest(BaseModel):
    """One question. Its id is made first and names the turn everywhere: trace, feedback, log."""

    model_config = ConfigDict(frozen=True)

    turn_id: UUID
    thread_id: str
    question: str
    asker: Asker
    history: tuple[Message, ...] | None = None
    """The conversation so far where the caller keeps it (the HTTP API); None recalls the thread's own."""
    where: Filters | None = None
    """The documents that it is asked of; None for all that the asker may read."""


class Citation(BaseModel):
    """A numbered source of an answer, and the words of it that the answer rests on."""

    model_config = ConfigDict(frozen=True)

    number: int
    passage: Passage
    quotes: tuple[str, ...] = ()
    """Spans that stand verbatim in `passage.text`."""
    score: float | None = None
    """This and the rest say why the passage was found, as in `Hit`; None and empty where that is not known."""
    dense: float | None = None
    sparse: float | None = None
    dense_rank: int | None = None
    sparse_rank: int | None = None
    fused: float | None = None
    rerank: float | None = None
    words: tuple[str, ...] = ()


class Verdict(BaseModel):
    """What one rail decided about one text. Never holds the text itself."""

    model_config = ConfigDict(frozen=True)

    rail: str
    stage: Literal["input", "passage", "output"]
    action: Literal["pass", "warn", "redact", "block"]
    reason: str = ""


class Usage(BaseModel):
    """Tokens that the model read and wrote in a turn."""

    model_config = ConfigDict(frozen=True)

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Attempt(BaseModel):
    """One call of a model in a turn, or one that was spared because it would have failed, or cost too much."""

    model_config = ConfigDict(frozen=True)

    model: str
    outcome: str
    """`answered`; `cut` where it failed after words of it were shown; `stopped` where the turn ended first; else the
    error's code."""
    reason: str = ""
    """What a failure said."""
    seconds: float = 0.0
    usage: Usage = Usage()
    """As the model reported it; estimated where an answer broke off."""
    cost_usd: float = 0.0
    context_tokens: int | None = None
    """Tokens that the prompt could have had; None where only the model's provider knows."""
    quotes_left_out: int = 0
    """Quotes that were shown, but that the model could not read, for want of room."""

    @property
    def context_share(self) -> float:
        """How much of that room the prompt took, 0 to 1; 0 where it is not known."""
        return self.usage.prompt_tokens / self.context_tokens if self.context_tokens else 0.0


class TurnResult(BaseModel):
    """A finished turn."""

    turn_id: UUID
    thread_id: str
    status: Status
    question: str
    """As it was used and recorded: after redaction."""
    text: str
    """The answer in Markdown, with [n] after each claim."""
    citations: list[Citation] = Field(default_factory=list)
    experiment: str | None = None
    variant: str | None = None
    model: str = ""
    """The one that was asked last, or whose earlier answer is shown again."""
    route: str = ""
    """The routing rule that chose the first model; empty where none did."""
    attempts: list[Attempt] = Field(default_factory=list)
    """The models that were asked, or spared, in their order."""
    prompt_version: str = ""
    corpus_release: int = 0
    usage: Usage = Usage()
    cost_usd: float = 0.0
    cache: Literal["exact", "semantic"] | None = None
    """Whether a model's earlier answer was shown again: to the same words, or to others that ask the same."""
    saved_usd: float = 0.0
    """What that answer had cost, and the seconds and tokens that it had taken."""
    saved_s: float = 0.0
    saved_tokens: int = 0
    first_token_s: float | None = None
    """From the question to the model's first token; None where no model was asked."""
    evidence_s: float | None = None
    """From the question to the first quoted passage."""
    messages_left_out: int = 0
    """Earlier messages of the thread that were not taken into account."""
    answerability: float | None = None
    """How likely it is that the quotes answer, 0 to 1; None where nothing was looked up."""
    total_s: float = 0.0
    stages_ms: dict[str, float] = Field(default_factory=dict)
    verdicts: list[Verdict] = Field(default_factory=list)
    sentences: int = 0
    """Sentences that the model wrote."""
    unsupported: int = 0
    """Of these, how many were withheld because no passage supports them."""
    error: dict[str, Any] | None = None


class Evidence(BaseModel):
    """Event: the quoted passages, ready before the model has read them."""

    kind: Literal["evidence"] = "evidence"
    text: str
    citations: list[Citation]


class Delta(BaseModel):
    """Event: the next validated piece of the answer's Markdown."""

    kind: Literal["delta"] = "delta"
    text: str


class Notice(BaseModel):
    """Event: something the user should know now, such as a redaction of their question."""

    kind: Literal["notice"] = "notice"
    text: str


class Waiting(BaseModel):
    """Event: the model is busy with other answers; said again when the place has changed."""

    kind: Literal["waiting"] = "waiting"
    place: int
    """In line, from 1."""
    wait_s: int
    """About how long, if nobody else comes."""

    @property
    def text(self) -> str:
        """A sentence for the one who waits."""
        return f"The model is busy. You are number {self.place} in line: about {self.wait_s} s."


class Finished(BaseModel):
    """Event: the last one of every turn that was not refused."""

    kind: Literal["finished"] = "finished"
    result: TurnResult


TurnEvent = Evidence | Delta | Notice | Waiting | Finished
