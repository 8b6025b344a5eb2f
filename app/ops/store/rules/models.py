"""The vocabulary of online evaluators and rules."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from app.ops.store.models import CleanText, Moment, Name
from app.ops.store.rules.checks import LANGUAGE, Check, read_checks

Code = Annotated[CleanText, Field(max_length=200_000)]
Filter = Annotated[CleanText, Field(max_length=10_000)]
Structures = Annotated[list[dict[str, Any]], Field(max_length=100)]


class CodeEvaluator(BaseModel):
    """An evaluator as code. Only the language `checks` is run here; Python and JavaScript are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")

    code: Code
    language: Annotated[CleanText, Field(max_length=100)] = "python"
    require_attachments: bool = False

    @property
    def is_safe(self) -> bool:
        """Whether this store can run it."""
        return self.language.lower() == LANGUAGE

    def checks(self) -> list[Check]:
        """What it asks. Raises InvalidRecord."""
        return read_checks(self.code)


class EvaluatorFields(BaseModel):
    """A new evaluator."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Name
    type: Literal["llm", "code"]
    code_evaluator: CodeEvaluator | None = None
    llm_evaluator: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _has_its_kind(self) -> EvaluatorFields:
        if self.type == "code" and self.code_evaluator is None:
            raise ValueError("an evaluator of type code needs a code_evaluator")
        if self.type == "llm" and self.llm_evaluator is None:
            raise ValueError("an evaluator of type llm needs an llm_evaluator")
        return self


class EvaluatorChange(BaseModel):
    """What to change in an evaluator: only the fields that are not None."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Name | None = None
    code_evaluator: dict[str, Any] | None = None
    llm_evaluator: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class Evaluator(BaseModel):
    """An online evaluator."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str
    type: Literal["llm", "code"]
    definition: dict[str, Any]
    metadata: dict[str, Any] | None
    created_at: AwareDatetime
    updated_at: AwareDatetime

    @property
    def code(self) -> CodeEvaluator | None:
        """Its code, where it is of that type."""
        return CodeEvaluator.model_validate(self.definition) if self.type == "code" else None

    @property
    def feedback_keys(self) -> list[str]:
        """The keys that it judges under, as far as this store can tell."""
        code = self.code
        return [check.feedback_key for check in code.checks()] if code and code.is_safe else []


class SpendLimit(BaseModel):
    """How many US dollars a rule's evaluators may cost in a week that begins on Monday, UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    limit_usd: Annotated[Decimal, Field(gt=0, le=1_000_000, decimal_places=9)]
    window: Literal["weekly"] = "weekly"


class RuleFields(BaseModel):
    """What is done with new runs: which, how many of them, and what."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    display_name: Name
    session_id: UUID | None = None
    """The project whose runs it is for; without it and a dataset, it is for all."""
    dataset_id: UUID | None = None
    """The dataset whose experiments' runs it is for."""
    is_enabled: bool = True
    sampling_rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    filter: Filter | None = None
    trace_filter: Filter | None = None
    tree_filter: Filter | None = None
    evaluator_id: UUID | None = None
    code_evaluators: Annotated[list[CodeEvaluator], Field(max_length=20)] | None = None
    add_to_annotation_queue_id: UUID | None = None
    add_to_dataset_id: UUID | None = None
    add_to_dataset_prefer_correction: bool = False
    spend_limit: SpendLimit | None = None
    # kept for clients, and not acted on
    evaluators: Structures | None = None
    webhooks: Structures | None = None
    alerts: Structures | None = None
    thread_filter: Filter | None = None
    group_by: Literal["thread_id", "trajectory_id"] | None = None
    backfill_from: Moment | None = None
    extend_only: bool = False
    include_extended_stats: bool = False
    transient: bool = False
    is_tracing_disabled: bool = False
    use_corrections_dataset: bool = False
    num_few_shot_examples: Annotated[int, Field(ge=0, le=1000)] | None = None
    extend_dataset_trace_retention: bool | None = None
    extend_annotation_queue_trace_retention: bool | None = None
    extend_webhook_trace_retention: bool | None = None
    extend_evaluator_trace_retention: bool | None = None


KEPT_WHEN_OMITTED = frozenset(
    {
        *("evaluator_id", "spend_limit", "group_by", "thread_filter", "backfill_from", "transient"),
        *("is_tracing_disabled", "use_corrections_dataset", "num_few_shot_examples"),
        *("extend_dataset_trace_retention", "extend_annotation_queue_trace_retention"),
        *("extend_webhook_trace_retention", "extend_evaluator_trace_retention"),
    }
)
"""A change replaces a rule whole, but for these fields."""


class Rule(RuleFields):
    """A rule as it is stored."""

    id: UUID
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Application(BaseModel):
    """What a rule did with one run."""

    model_config = ConfigDict(frozen=True)

    rule_id: UUID
    run_id: UUID
    applied_at: AwareDatetime
    problem: str | None = None
    """Why it could not be applied whole."""
    spend_usd: Decimal = Decimal(0)


class SpendDay(BaseModel):
    """What a rule cost on one day, UTC."""

    model_config = ConfigDict(frozen=True)

    rule_id: UUID
    day: date
    spend_usd: Decimal
    run_count: int
