"""The vocabulary of datasets and examples: what the store takes in, what it gives back."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    model_validator,
)

from app.ops.store.models import Attachment, CleanText, Moment, Name

DataType = Literal["kv", "llm", "chat"]
DatasetOrder = Literal["name", "created_at", "modified_at", "last_session_start_time", "example_count", "session_count"]
ExampleOrder = Literal["recent", "recently_created", "id", "random"]
LATEST = "latest"
"""The tag of the newest version; nobody can move it."""
BASE_SPLIT = "base"
"""The split of an example that names none."""
SPLIT_KEY = "dataset_split"
"""The key of an example's splits in its metadata."""
MAX_EXAMPLES = 20_000
"""So many examples one request may write."""

Split = Annotated[CleanText, Field(min_length=1, max_length=100)]


def _distinct(splits: list[str]) -> list[str]:
    return list(dict.fromkeys(splits))


Splits = Annotated[
    list[Split],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    AfterValidator(_distinct),
    Field(max_length=100),
]
"""One split or several."""


_SPLITS: TypeAdapter[list[str]] = TypeAdapter(Splits)


def _with_list_of_splits(metadata: dict[str, Any]) -> dict[str, Any]:
    if metadata.get(SPLIT_KEY) is None:
        return metadata
    return metadata | {SPLIT_KEY: _SPLITS.validate_python(metadata[SPLIT_KEY])}


Metadata = Annotated[dict[str, Any], AfterValidator(_with_list_of_splits)]
"""Of an example: its splits, where it names any, are a list of texts."""


class Transformation(BaseModel):
    """What becomes of a part of each example before it is stored; kept for clients that apply it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: Annotated[list[CleanText], Field(max_length=100)]
    transformation_type: Annotated[CleanText, Field(max_length=100)]


Transformations = Annotated[list[Transformation], Field(max_length=100)]


class DatasetFields(BaseModel):
    """What a client says about a new dataset. Unknown fields are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID | None = None
    name: Name
    description: CleanText | None = None
    data_type: DataType | None = None
    created_at: Moment | None = None
    extra: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    inputs_schema_definition: dict[str, Any] | None = None
    outputs_schema_definition: dict[str, Any] | None = None
    transformations: Transformations | None = None
    externally_managed: bool | None = None

    @property
    def all_metadata(self) -> dict[str, Any]:
        """The metadata, wherever the client put it."""
        nested = (self.extra or {}).get("metadata")
        return (nested if isinstance(nested, dict) else {}) | (self.metadata or {})


class AttachmentsOperations(BaseModel):
    """Which attachments stay under which name; all others go."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rename: dict[CleanText, CleanText] = Field(default_factory=dict)
    retain: list[CleanText] = Field(default_factory=list)


class ExampleFields(BaseModel):
    """What a client says about a new example. Unknown fields are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID | None = None
    created_at: Moment | None = None
    inputs: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None
    metadata: Metadata | None = None
    split: Splits | None = None
    source_run_id: UUID | None = None
    use_source_run_io: bool = False
    """Take inputs, outputs and attachments from the source run."""
    use_source_run_attachments: list[str] | None = None
    """Take these attachments from the source run."""
    attachments: dict[CleanText, Attachment] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_content(self) -> ExampleFields:
        if self.source_run_id is None and (self.use_source_run_io or self.use_source_run_attachments):
            raise ValueError("use_source_run_io and use_source_run_attachments need a source_run_id")
        if self.inputs is None and not self.use_source_run_io:
            raise ValueError("an example needs inputs")
        return self


class ExampleChange(BaseModel):
    """What to change in an example: only the fields that are not None."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    dataset_id: UUID | None = None
    inputs: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None
    metadata: Metadata | None = None
    split: Splits | None = None
    attachments: dict[CleanText, Attachment] = Field(default_factory=dict)
    """New ones; without operations they replace the old ones."""
    attachments_operations: AttachmentsOperations | None = None


class DatasetChange(BaseModel):
    """What to change in a dataset: only the fields that are set."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Name | None = None
    description: CleanText | None = None
    metadata: dict[str, Any] | None = None
    inputs_schema_definition: dict[str, Any] | None = None
    outputs_schema_definition: dict[str, Any] | None = None
    transformations: Transformations | None = None
    patch_examples: dict[UUID, dict[str, Any]] | None = None
    """Changes of examples that go with it, so that they fit the new schemas."""

    @model_validator(mode="before")
    @classmethod
    def _without_missing(cls, fields: Any) -> Any:
        """Clients may write a field that they leave as it is as a marker."""
        marker = {"__missing__": "__missing__"}
        return {key: value for key, value in fields.items() if value != marker} if isinstance(fields, dict) else fields


class MetadataOperation(BaseModel):
    """One change of one key in the metadata of many examples."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: Annotated[CleanText, Field(min_length=1, max_length=255)]
    operation: Annotated[Literal["SET", "ARRAY_ADD", "ARRAY_REMOVE"], BeforeValidator(lambda word: str(word).upper())]
    value: Any = None
    """For SET."""
    values: Annotated[list[Annotated[CleanText, Field(max_length=255)]], Field(max_length=1000)] = []
    """For the other two."""


class Dataset(BaseModel):
    """A set of examples, with what is counted about it."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str
    description: str | None = None
    data_type: DataType
    created_at: AwareDatetime
    modified_at: AwareDatetime
    metadata: dict[str, Any] = Field(default_factory=dict)
    inputs_schema: dict[str, Any] | None = None
    outputs_schema: dict[str, Any] | None = None
    transformations: list[Transformation] | None = None
    externally_managed: bool = False
    example_count: int = 0
    session_count: int = 0
    last_session_start_time: AwareDatetime | None = None


class DatasetVersion(BaseModel):
    """A moment at which the examples of a dataset changed, and its names."""

    model_config = ConfigDict(frozen=True)

    as_of: AwareDatetime
    tags: list[str] = Field(default_factory=list)


class DatasetDiff(BaseModel):
    """What happened to the examples of a dataset between two moments."""

    model_config = ConfigDict(frozen=True)

    examples_modified: list[UUID]
    examples_added: list[UUID]
    examples_removed: list[UUID]


class Example(BaseModel):
    """One example as it was at some moment."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    dataset_id: UUID
    created_at: AwareDatetime
    modified_at: AwareDatetime
    """The version of the dataset that made it so."""
    inputs: dict[str, Any]
    outputs: dict[str, Any] | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    source_run_id: UUID | None = None
    attachments: dict[str, Attachment] = Field(default_factory=dict)

    @property
    def splits(self) -> list[str]:
        """The parts of the dataset that it belongs to."""
        splits: list[str] = self.metadata.get(SPLIT_KEY) or [BASE_SPLIT]
        return splits


class ExamplesWritten(BaseModel):
    """What one write did: its examples and the version that it made."""

    model_config = ConfigDict(frozen=True)

    count: int
    example_ids: list[UUID]
    as_of: AwareDatetime | None


class ExampleQuery(BaseModel):
    """Which examples to give back; every field that is set narrows the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset_id: UUID | None = None
    ids: list[UUID] | None = None
    as_of: str | None = None
    """A moment or the tag of a version; None is the newest."""
    splits: list[str] | None = None
    metadata: dict[str, Any] | None = None
    """Pairs that the metadata must hold."""
    filter: str | None = None
    """A LangSmith filter expression, such as `exists(metadata, "page")`."""
    contains: list[str] | None = None
    """Texts that must stand in the inputs or the outputs."""
    order: ExampleOrder = "recent"
    descending: bool | None = None
    """None is what fits the order: the newest first, the smallest id first."""
    random_seed: float | None = None
    """The same seed gives the same random order."""
    offset: int = Field(default=0, ge=0)
    limit: int | None = Field(default=None, ge=1)
