"""The vocabulary of the store: what it takes in, what it gives back."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Required, get_args
from uuid import UUID, uuid4

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainValidator, model_validator
from pydantic_core import from_json
from typing_extensions import TypedDict

from app.ops.store.tables.base import json_text

RunType = Literal["tool", "chain", "llm", "retriever", "embedding", "prompt", "parser"]
RUN_TYPES: tuple[RunType, ...] = get_args(RunType)
Status = Literal["success", "error", "pending"]

DEFAULT_PROJECT = "default"
"""The project of every run that names none. It always exists."""


def utc_now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


def _as_utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is outside the calendar") from error


def _finite(number: float | None) -> float | None:
    if number is not None and abs(number) == float("inf"):
        raise ValueError("must be a finite number")
    return number


_STEP = r"\d{8}T\d{6,18}Z[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_DOTTED_ORDER = rf"^{_STEP}(\.{_STEP})*$"
_AGENT = r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ENVIRONMENTS = ("local", "development", "staging", "production")
_ADDRESS = rf"^lrn:agents/{_AGENT}/environments/({'|'.join(_ENVIRONMENTS)})$"

Moment = Annotated[datetime, AfterValidator(_as_utc)]
"""A point in time in UTC; one that is sent without a zone counts as UTC."""
KeepDays = Annotated[int | None, Field(ge=0, le=36_500)]


class Document:
    """A JSON object or list: its `text` as it was sent, and its `value`, which is read when it is first asked for."""

    __slots__ = ("_value", "text")

    def __init__(self, text: str, value: Any = ...) -> None:
        self.text = text
        self._value = value

    @classmethod
    def of(cls, value: Any) -> Document:
        """The document that says `value`; numbers that JSON cannot hold become null."""
        return cls(json_text(value), value)

    @classmethod
    def read(cls, content: bytes | str) -> Document:
        """The document in these bytes. Raises ValueError."""
        value = from_json(content)
        text = content if isinstance(content, str) else content.decode()
        # `from_json` takes what Python's own writer makes of these; no other reader of the store's answers would.
        return cls.of(value) if "NaN" in text or "Infinity" in text else cls(text, value)

    @property
    def value(self) -> Any:
        """What it says."""
        if self._value is ...:
            self._value = from_json(self.text)
        return self._value


def _object(value: Any) -> Document | None:
    if isinstance(value, Document) or value is None:
        return value
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return Document.of(value)


def _objects(value: Any) -> Document | None:
    if isinstance(value, Document) or value is None:
        return value
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("must be a list of objects")
    return Document.of(value)


def is_agent_project(name: str) -> bool:
    """Whether a project of that name is one that an address names."""
    agent, _, environment = name.partition("/")
    return re.fullmatch(_AGENT, agent) is not None and environment in _ENVIRONMENTS


def agent_project(address: str) -> str:
    """The name of the project that holds the traces of an agent in an environment."""
    _, agent, _, environment = address.split("/")
    return f"{agent}/{environment}"


_NAME_CHARS = 500
"""An entry of PostgreSQL's indexes holds some 2,700 bytes, and a character may take four."""


def _without_nul(text: str) -> str:
    return text.replace("\x00", "\ufffd")


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME_CHARS else name[: _NAME_CHARS - 1] + "…"


CleanText = Annotated[str, AfterValidator(_without_nul)]
"""Text that every engine can store: PostgreSQL knows no NUL character."""
Name = Annotated[CleanText, Field(min_length=1, max_length=_NAME_CHARS)]
"""Of a thing that is found by it."""
ObjectDocument = Annotated[Any, PlainValidator(_object)]
ListDocument = Annotated[Any, PlainValidator(_objects)]


class Attachment(BaseModel):
    """A file that a run carried: its bytes lie in the blobs under `digest`."""

    model_config = ConfigDict(frozen=True)

    mime_type: CleanText
    size_bytes: int
    digest: str = ""


class SentRun(TypedDict, total=False):
    """What a client says about one run, whole (a post) or in part (a patch). Unknown fields are left out."""

    __pydantic_config__ = ConfigDict(extra="ignore")  # type: ignore[misc]

    id: Required[UUID]
    trace_id: UUID | None
    parent_run_id: UUID | None
    dotted_order: Annotated[str | None, Field(max_length=20_000, pattern=_DOTTED_ORDER)]
    session_id: UUID | None
    session_name: Annotated[CleanText, Field(max_length=_NAME_CHARS)] | None
    address: Annotated[str | None, Field(pattern=_ADDRESS)]
    """The environment of an agent whose project it belongs to, where it names no other."""
    name: Annotated[CleanText, AfterValidator(_shortened)] | None
    run_type: RunType | None
    start_time: Moment | None
    end_time: Moment | None
    inputs: ObjectDocument
    outputs: ObjectDocument
    error: CleanText | None
    events: ListDocument
    extra: ObjectDocument
    serialized: ObjectDocument
    tags: list[CleanText] | None
    reference_example_id: UUID | None


DOCUMENTS = ("inputs", "outputs", "extra", "events", "serialized")
"""The fields of a run that are JSON of the sender's own shape."""


class RunFields(SentRun, total=False):
    """The same, with the files that came with it. Their bytes are stored already: no client may name a stored file."""

    attachments: dict[CleanText, Attachment] | None


class FeedbackFields(BaseModel):
    """A judgement as a client sends it. Its run may still be on its way."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID = Field(default_factory=uuid4)
    run_id: UUID | None = None
    trace_id: UUID | None = None
    session_id: UUID | None = None
    key: Name
    score: Annotated[float | None, AfterValidator(_finite)] = None
    value: float | str | dict[str, Any] | list[Any] | bool | None = None
    comment: CleanText | None = None
    correction: dict[str, Any] | str | None = None
    feedback_source: dict[str, Any] | None = None
    feedback_group_id: UUID | None = None
    comparative_experiment_id: UUID | None = None
    error: bool | None = None
    extra: dict[str, Any] | None = None
    created_at: Moment | None = None
    modified_at: Moment | None = None

    @model_validator(mode="after")
    def _judges_something(self) -> FeedbackFields:
        if self.run_id is None and self.trace_id is None and self.session_id is None:
            raise ValueError("feedback needs a run_id, a trace_id or a session_id")
        return self


class FeedbackChange(BaseModel):
    """What to change in a judgement: only the fields that are set, None clears."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    score: Annotated[float | None, AfterValidator(_finite)] = None
    value: float | str | dict[str, Any] | list[Any] | bool | None = None
    comment: CleanText | None = None
    correction: dict[str, Any] | str | None = None


@dataclass(frozen=True)
class Ingest:
    """One request's worth of records: stored whole or not at all."""

    posts: list[RunFields] = field(default_factory=list)
    patches: list[RunFields] = field(default_factory=list)
    feedback: list[FeedbackFields] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.posts) + len(self.patches) + len(self.feedback)


class Usage(BaseModel):
    """Tokens and US dollars of one model call, or of another run that was paid for. None is unknown, which 0 is not."""

    model_config = ConfigDict(frozen=True)

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_cost: Decimal | None = None
    completion_cost: Decimal | None = None
    total_cost: Decimal | None = None
    prompt_token_details: dict[str, int] = Field(default_factory=dict)
    """Of the prompt tokens, how many were of a kind, such as "cache_read". Kinds need not add up to the whole."""
    completion_token_details: dict[str, int] = Field(default_factory=dict)
    prompt_cost_details: dict[str, Decimal] = Field(default_factory=dict)
    completion_cost_details: dict[str, Decimal] = Field(default_factory=dict)
    provider: str | None = None
    model: str | None = None
    price_id: UUID | None = None
    """The price that the costs were worked out by; None where the client sent them, or where they are unknown."""


class Run(BaseModel):
    """One span of work as it is stored. A trace is its root run and all runs below it."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    trace_id: UUID
    parent_run_id: UUID | None = None
    dotted_order: str = ""
    """`{start}Z{id}` of each ancestor and of the run, joined by "."; sorting by it gives the order of a trace."""
    project_id: UUID
    name: str
    run_type: RunType
    start_time: AwareDatetime
    end_time: AwareDatetime | None = None
    first_token_time: AwareDatetime | None = None
    status: Status
    error: str | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)
    outputs: dict[str, Any] | None = None
    extra: dict[str, Any] = Field(default_factory=dict)
    events: list[dict[str, Any]] = Field(default_factory=list)
    serialized: dict[str, Any] | None = None
    tags: list[str] = Field(default_factory=list)
    reference_example_id: UUID | None = None
    attachments: dict[str, Attachment] = Field(default_factory=dict)
    latency_s: float | None = None
    prompt_tokens: int | None = None
    """As all tokens and costs here: of the run and everything below it, each model call counted once."""
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_cost: Decimal | None = None
    completion_cost: Decimal | None = None
    total_cost: Decimal | None = None
    usage: Usage | None = None
    """What the run itself reported, with its details; None where only runs below it did."""
    thread_id: str | None = None

    @property
    def metadata(self) -> dict[str, Any]:
        """`extra.metadata`, empty where there is none."""
        metadata = self.extra.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @property
    def ancestors(self) -> list[UUID]:
        """The ids of the runs above this one, root first, as far as `dotted_order` tells."""
        return ancestors(self.dotted_order)


def ancestors(dotted_order: str) -> list[UUID]:
    """The ids of the runs above the one that lies there, root first."""
    return [UUID(step.rpartition("Z")[2]) for step in dotted_order.split(".")[:-1]]


class Expected(BaseModel):
    """What an experiment will consist of when it is done."""

    model_config = ConfigDict(frozen=True)

    runs: int
    evaluator_keys: list[str] = Field(default_factory=list)


class Project(BaseModel):
    """A named place for traces; the LangSmith API calls it a session."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str
    description: str | None = None
    created_at: AwareDatetime
    end_time: AwareDatetime | None = None
    extra: dict[str, Any] = Field(default_factory=dict)
    reference_dataset_id: UUID | None = None
    keep_days: int | None = None
    """How long its traces are kept; 0 is for ever, None is as the settings say."""
    expected: Expected | None = None


class ProjectFields(BaseModel):
    """What a client says about a project. Unknown fields are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID | None = None
    name: Name | None = None
    description: CleanText | None = None
    start_time: Moment | None = None
    end_time: Moment | None = None
    extra: dict[str, Any] | None = None
    reference_dataset_id: UUID | None = None
    keep_days: KeepDays = None
    num_examples: Annotated[int | None, Field(ge=0, le=2**31)] = None
    num_repetitions: Annotated[int | None, Field(ge=0, le=2**31)] = None
    evaluator_keys: Annotated[list[CleanText] | None, Field(max_length=1000)] = None

    def expected(self) -> Expected | None:
        """What the experiment will consist of, if they say."""
        if not self.num_examples:
            return None
        return Expected(runs=self.num_examples * (self.num_repetitions or 1), evaluator_keys=self.evaluator_keys or [])


class Feedback(BaseModel):
    """A judgement of a run, or of a project as a whole where `run_id` is None."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    run_id: UUID | None = None
    trace_id: UUID | None = None
    project_id: UUID | None = None
    key: str
    score: float | None = None
    value: Any = None
    comment: str | None = None
    correction: dict[str, Any] | str | None = None
    source: dict[str, Any] = Field(default_factory=dict)
    """`type` is "api" or "model"; `metadata` is the sender's."""
    source_type: str = "api"
    feedback_group_id: UUID | None = None
    comparative_experiment_id: UUID | None = None
    error: bool = False
    """Whether the evaluator failed, so that there is no score."""
    extra: dict[str, Any] | None = None
    created_at: AwareDatetime
    modified_at: AwareDatetime


class RunQuery(BaseModel):
    """Which runs to give back; every field that is set narrows the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project_ids: list[UUID] | None = None
    ids: list[UUID] | None = None
    trace_id: UUID | None = None
    parent_run_id: UUID | None = None
    thread_id: str | None = None
    run_type: RunType | None = None
    is_root: bool | None = None
    has_error: bool | None = None
    started_from: Moment | None = None
    """Runs that started then or later."""
    started_until: Moment | None = None
    """Runs that started then or earlier."""
    started_before: Moment | None = None
    """Runs that started earlier than that."""
    feedback_since: Moment | None = None
    """Of feedback, filters see only that which was given or changed then or later."""
    feedback_before: Moment | None = None
    """The same, earlier than that."""
    reference_example_ids: list[UUID] | None = None
    filter: str | None = None
    """A LangSmith filter expression on the run itself, such as `and(eq(run_type, "llm"), gt(latency, 2))`."""
    trace_filter: str | None = None
    """The same, on the root of the run's trace."""
    tree_filter: str | None = None
    """The same, on any run of its trace."""
    search: str | None = Field(default=None, max_length=1000)
    """Text that stands in the name, the inputs, the outputs or the error."""
    newest_first: bool = True
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str | None = None
    """`RunPage.next_cursor` of the page before."""


class RunPage(BaseModel):
    """Some of the runs that a query found."""

    model_config = ConfigDict(frozen=True)

    runs: list[Run]
    next_cursor: str | None = None
    """None on the last page."""


class FeedbackStats(BaseModel):
    """All judgements of one key, summed up."""

    n: int = 0
    avg: float | None = None
    min: float | None = None
    max: float | None = None
    stdev: float | None = None
    values: dict[str, int] = Field(default_factory=dict)
    comments: list[str] = Field(default_factory=list)
    sources: list[str] = Field(default_factory=list)
    errors: int = 0


class RunStats(BaseModel):
    """Many runs summed up. Times in seconds, costs in US dollars; None where nothing was recorded."""

    run_count: int = 0
    latency_p50: float | None = None
    latency_p99: float | None = None
    first_token_p50: float | None = None
    first_token_p99: float | None = None
    prompt_tokens: int | None = None
    """As all tokens and costs here: each model call counted once, even if runs above it are counted too."""
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_cost: Decimal | None = None
    completion_cost: Decimal | None = None
    total_cost: Decimal | None = None
    error_rate: float | None = None
    streaming_rate: float | None = None
    last_run_start_time: str | None = None
    feedback_stats: dict[str, FeedbackStats] = Field(default_factory=dict)


class GroupBy(BaseModel):
    """What to sum up apart: runs of one name, one type, one tag, or one value of the metadata at `path`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    attribute: Literal["name", "run_type", "tag", "metadata"]
    path: str | None = None
    max_groups: int = Field(default=5, ge=1, le=1000)
