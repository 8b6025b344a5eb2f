"""The vocabulary of annotation queues."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from app.ops.store.models import CleanText, Moment, Name

Section = Literal["needs_my_review", "needs_others_review", "archived"]
ReviewStatus = Literal["viewed", "completed"]
ItemType = Literal["RUN", "THREAD"]
AccessMode = Literal["any", "assigned"]
Text = Annotated[CleanText, Field(max_length=100_000)]
Reviewers = Annotated[int, Field(ge=1, le=1000)]
Minutes = Annotated[int, Field(ge=1, le=60 * 24 * 365)]

RESERVATION_MINUTES = 1


class Rule(BaseModel):
    """A condition on what was given for another item of the rubric."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: Name
    op: Literal["is", "is_one_of", "is_empty", "is_not_empty"]
    values: list[float] | None = None


class Conditions(BaseModel):
    """Conditions of which all, or any, must hold."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    join: Literal["all", "any"]
    rules: list[Rule]


class RubricItem(BaseModel):
    """What reviewers are asked about each item: a feedback key, with words that explain it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    feedback_key: Name
    description: Text | None = None
    value_descriptions: dict[CleanText, CleanText] | None = None
    score_descriptions: dict[CleanText, CleanText] | None = None
    is_required: bool | None = None
    is_assertion: bool | None = None
    regex_validator: Annotated[CleanText, Field(max_length=500)] | None = None
    required_if: Conditions | None = None
    visible_if: Conditions | None = None
    feedback_config_id: UUID | None = None


class QueueFields(BaseModel):
    """A new queue."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID | None = None
    name: Name
    description: Text | None = None
    rubric_instructions: Text | None = None
    rubric_items: list[RubricItem] | None = None
    default_dataset: UUID | None = None
    num_reviewers_per_item: Reviewers | None = None
    enable_reservations: bool | None = None
    reservation_minutes: Minutes | None = None
    reviewer_access_mode: AccessMode = "any"
    metadata: dict[str, Any] | None = None
    session_ids: list[UUID] | None = None
    """Experiments whose runs it begins with."""


class QueueChange(BaseModel):
    """What to change in a queue: only the fields that are set."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Name | None = None
    description: Text | None = None
    rubric_instructions: Text | None = None
    rubric_items: list[RubricItem] | None = None
    default_dataset: UUID | None = None
    num_reviewers_per_item: Reviewers | None = None
    enable_reservations: bool | None = None
    reservation_minutes: Minutes | None = None
    reviewer_access_mode: AccessMode | None = None
    metadata: dict[str, Any] | None = None


class Queue(BaseModel):
    """A queue of runs and threads that people should look at."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str
    description: str | None
    rubric_instructions: str | None
    rubric_items: list[RubricItem]
    default_dataset: UUID | None
    num_reviewers_per_item: int
    """An item leaves the queue when so many have completed it."""
    enable_reservations: bool
    reservation_minutes: int
    reviewer_access_mode: AccessMode
    metadata: dict[str, Any] | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    total_runs: int = 0
    """How many items wait."""


class ItemFields(BaseModel):
    """What to add to a queue: a run that is known, or a thread."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    item_type: ItemType = "RUN"
    run_id: UUID | None = None
    thread_id: Annotated[CleanText, Field(min_length=1, max_length=1000)] | None = None
    project_id: UUID | None = Field(default=None, validation_alias=AliasChoices("project_id", "session_id"))
    source_proposed_example_id: UUID | None = None

    @model_validator(mode="after")
    def _names_what_it_is(self) -> ItemFields:
        if self.item_type == "RUN" and self.run_id is None:
            raise ValueError("a RUN needs a run_id")
        if self.item_type == "THREAD" and (self.thread_id is None or self.project_id is None):
            raise ValueError("a THREAD needs a thread_id and a project_id")
        return self


class Item(BaseModel):
    """One entry of a queue, as one reviewer sees it."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    num: int
    queue_id: UUID
    item_type: ItemType
    run_id: UUID | None
    thread_id: str | None
    project_id: UUID
    start_time: AwareDatetime | None
    source_proposed_example_id: UUID | None
    added_at: AwareDatetime
    effective_added_at: AwareDatetime
    """Its place in the order of the queue; the reviewer can move it."""
    last_reviewed_time: AwareDatetime | None
    archived_at: AwareDatetime | None
    section: Section
    completed_by: list[str]
    reserved_by: list[str]


class ItemQuery(BaseModel):
    """Which items of a queue; every field that is set narrows the answer."""

    model_config = ConfigDict(frozen=True)

    section: Section | None = None
    archived: bool | None = None
    item_type: ItemType | None = None
    started_from: Moment | None = None
    started_until: Moment | None = None
    archived_after: Moment | None = None
    archived_before: Moment | None = None


class ItemChange(BaseModel):
    """What to change in an item: only the fields that are set; a review time archives it, None brings it back."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    added_at: Moment | None = None
    last_reviewed_time: Moment | None = None


class Review(BaseModel):
    """What a reviewer did with an item."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: ReviewStatus | None = None
    """None gives the item back."""
    override_added_at: Moment | None = None


class ItemPage(BaseModel):
    """Some items of a queue."""

    model_config = ConfigDict(frozen=True)

    items: list[Item]
    next_cursor: str | None = None
    """None on the last page."""


class Placement(BaseModel):
    """Where an item stands: at `position`, counted from 0, of its section; a page from `cursor` begins with it."""

    model_config = ConfigDict(frozen=True)

    item_type: ItemType
    section: Section
    position: int
    cursor: str
