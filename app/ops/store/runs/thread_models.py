"""The vocabulary of threads."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.ops.store.models import FeedbackStats, Moment, Run, RunStats

DETAILS = ("prompt_token_details", "completion_token_details", "prompt_cost_details", "completion_cost_details")
Details = dict[str, dict[str, int | Decimal]]
"""For each of `DETAILS`, tokens or US dollars by kind."""


class ThreadQuery(BaseModel):
    """Which threads to give back; a thread matches if one of its traces does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project_id: UUID
    started_from: Moment | None = None
    """Only traces that started then or later are looked at, and summed up."""
    started_before: Moment | None = None
    """The same, earlier than that."""
    filter: str | None = None
    """A LangSmith filter expression on the root of a trace."""
    trace_filter: str | None = None
    """The same, on the same root."""
    tree_filter: str | None = None
    """The same, on any run of a trace."""
    thread_filter: str | None = None
    """The same, on the thread as a whole: `thread_id`, `count`, `total_cost` and the like."""
    limit: int = Field(default=20, ge=1, le=100)
    offset: int = 0
    cursor: str | None = None
    """`ThreadPage.next_cursor` of the page before."""


class Thread(BaseModel):
    """The traces of a thread, summed up. Times in seconds, costs in US dollars; None where nothing was recorded."""

    model_config = ConfigDict(frozen=True)

    thread_id: str
    count: int
    num_errored_turns: int
    min_start_time: AwareDatetime
    max_start_time: AwareDatetime
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_cost: Decimal | None = None
    completion_cost: Decimal | None = None
    total_cost: Decimal | None = None
    first: Run
    last: Run
    last_error: str | None = None
    latency_p50: float | None = None
    latency_p99: float | None = None
    details: Details = Field(default_factory=dict)
    feedback_stats: dict[str, FeedbackStats] = Field(default_factory=dict)


class ThreadPage(BaseModel):
    """Some of the threads that a query found."""

    model_config = ConfigDict(frozen=True)

    threads: list[Thread]
    next_cursor: str | None = None
    """None on the last page."""


class ThreadStats(BaseModel):
    """The traces of one or many threads, summed up."""

    model_config = ConfigDict(frozen=True)

    thread_count: int
    first_start_time: AwareDatetime | None = None
    last_start_time: AwareDatetime | None = None
    last_end_time: AwareDatetime | None = None
    runs: RunStats
    """Their root runs."""
    median_tokens: int | None = None
    details: Details = Field(default_factory=dict)
    feedback_stats: dict[str, FeedbackStats] = Field(default_factory=dict)
    """Judgements of any of their runs."""
