"""The vocabulary of prompts: repositories, versions, tags and their moves, webhooks."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from app.ops.store.models import CleanText

RepoType = Literal["prompt", "file", "agent", "skill"]
SortField = Literal["num_likes", "num_downloads", "num_views", "updated_at", "relevance"]
Handle = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=200)]
TagName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=100)]
"""What may stand for a version: a hash, the beginning of one, a tag, an id or "latest"."""
Text = Annotated[CleanText, Field(max_length=100_000)]
Label = Annotated[CleanText, Field(max_length=200)]

LATEST = "latest"
LIVE = "live"
"""The tag of the version that is in use."""


class PromptFields(BaseModel):
    """A new prompt, without any version yet."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    repo_handle: Handle
    repo_type: RepoType = "prompt"
    description: Text | None = None
    readme: Text | None = None
    tags: Annotated[list[Label], Field(max_length=100)] | None = None
    is_public: bool = False


class PromptChange(BaseModel):
    """What to change in a prompt: only the fields that are set."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    description: Text | None = None
    readme: Text | None = None
    tags: Annotated[list[Label], Field(max_length=100)] | None = None
    is_public: bool | None = None
    is_archived: bool | None = None


class Prompt(BaseModel):
    """A prompt, an agent or a skill: a name for a line of versions."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    handle: str
    repo_type: RepoType
    description: str | None
    readme: str | None
    labels: list[str]
    is_public: bool
    is_archived: bool
    liked: bool
    num_downloads: int
    num_views: int
    created_at: AwareDatetime
    updated_at: AwareDatetime
    num_commits: int
    last_commit_hash: str | None
    commit_tags: list[str]
    latest_manifest: dict[str, Any] | None = None
    """Only where it was asked for."""


class PromptQuery(BaseModel):
    """Which prompts to list; every field that is set narrows the answer."""

    model_config = ConfigDict(frozen=True)

    search: CleanText | None = None
    labels: list[CleanText] | None = None
    repo_types: list[RepoType] | None = None
    is_public: bool | None = None
    is_archived: bool | None = None
    has_commits: bool | None = None
    sort_field: SortField = "updated_at"
    descending: bool = True
    with_latest_manifest: bool = False
    limit: int = Field(default=20, ge=1, le=100)
    offset: int = Field(default=0, ge=0, le=2**31)


class CommitFields(BaseModel):
    """A new version of a prompt."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    manifest: dict[str, Any]
    parent_commit: Annotated[CleanText, Field(max_length=64)] | None = None
    """The version that it was made from, by hash, at least 8 characters of it; None stands for the latest."""
    description: Annotated[CleanText, Field(max_length=1000)] | None = None


class Commit(BaseModel):
    """One version of a prompt."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    prompt_id: UUID
    number: int
    hash: str
    parent_id: UUID | None
    parent_hash: str | None
    manifest: dict[str, Any]
    description: str | None
    created_at: AwareDatetime


class CommitPage(BaseModel):
    """Some versions of a prompt, the newest first."""

    model_config = ConfigDict(frozen=True)

    commits: list[Commit]
    total: int


class Tag(BaseModel):
    """A name that points at one version of a prompt."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    prompt_id: UUID
    name: str
    commit_id: UUID
    commit_hash: str
    created_at: AwareDatetime
    updated_at: AwareDatetime


class TagMove(BaseModel):
    """When, by whom and to which version a tag was moved."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Literal["pin", "rollback", "remove"]
    commit_id: UUID | None
    commit_hash: str | None
    moved_at: AwareDatetime
    moved_by: str


class WebhookFields(BaseModel):
    """Whom to tell about new versions. The store only remembers it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID | None = None
    url: Annotated[CleanText, StringConstraints(pattern=r"^https?://", max_length=2000)]
    headers: dict[str, Any] = Field(default_factory=dict)
    triggers: list[Literal["commit", "tag:create", "tag:update"]] = Field(default_factory=list)
    include_prompts: list[UUID] | None = None
    exclude_prompts: list[UUID] | None = None


class WebhookChange(BaseModel):
    """What to change in a webhook: only the fields that are not None."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    url: Annotated[CleanText, StringConstraints(pattern=r"^https?://", max_length=2000)] | None = None
    headers: dict[str, Any] | None = None
    triggers: list[Literal["commit", "tag:create", "tag:update"]] | None = None
    include_prompts: list[UUID] | None = None
    exclude_prompts: list[UUID] | None = None


class Webhook(BaseModel):
    """Whom to tell about new versions."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    url: str
    headers: dict[str, Any]
    triggers: list[str]
    include_prompts: list[UUID]
    exclude_prompts: list[UUID]
    created_at: AwareDatetime
    updated_at: AwareDatetime
