"""Runs in LangSmith's words: in those of the API's first version, and in those of its second."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any
from uuid import UUID

from fastapi import Request

from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.runs.attachments import attachment_urls
from app.ops.langsmith.wire import number, stats_by_key
from app.ops.store import OpsStore, Run
from app.ops.store.models import FeedbackStats, Usage
from app.ops.store.runs.rollup import AMOUNTS
from app.ops.store.tables.base import json_text

PREVIEW_CHARS = 250
DETAILS = ("prompt_token_details", "completion_token_details", "prompt_cost_details", "completion_cost_details")
_ALWAYS = {"id", "name", "run_type", "start_time", "trace_id", "session_id", "dotted_order", "status", "app_path"}
_OWN = {"project_id", "usage", "attachments", "latency_s"}
"""Fields of a stored run that go out under other names, or not at all."""
_NOT_KEPT = (
    *("manifest_id", "manifest_s3_id", "inputs_s3_urls", "outputs_s3_urls", "trace_tier", "ttl_seconds"),
    *("trace_first_received_at", "trace_min_start_time", "trace_max_start_time", "last_queued_at"),
)
"""Fields of LangSmith's that this store has no use for: always null."""
_RUN_FIELDS = (
    "ID NAME RUN_TYPE STATUS START_TIME END_TIME LATENCY_SECONDS FIRST_TOKEN_TIME ERROR ERROR_PREVIEW EXTRA METADATA"
    " EVENTS INPUTS INPUTS_PREVIEW OUTPUTS OUTPUTS_PREVIEW MANIFEST PARENT_RUN_ID PARENT_RUN_IDS PROJECT_ID TRACE_ID"
    " THREAD_ID DOTTED_ORDER IS_ROOT REFERENCE_EXAMPLE_ID REFERENCE_DATASET_ID TOTAL_TOKENS PROMPT_TOKENS"
    " COMPLETION_TOKENS TOTAL_COST PROMPT_COST COMPLETION_COST PROMPT_TOKEN_DETAILS COMPLETION_TOKEN_DETAILS"
    " PROMPT_COST_DETAILS COMPLETION_COST_DETAILS PRICE_MODEL_ID TAGS APP_PATH ATTACHMENTS THREAD_EVALUATION_TIME"
    " IS_IN_DATASET LAST_QUEUED_AT SHARE_URL FEEDBACK_STATS LS_USER_ID"
)
RUN_FIELDS = frozenset(_RUN_FIELDS.split())
"""What the second version's `selects` may name."""
Stats = Mapping[str, FeedbackStats]


@dataclass(frozen=True)
class Beside:
    """What an answer needs to know about some runs besides the runs themselves."""

    request: Request | None = None
    """The one to answer, for links; without it there are none."""
    feedback: Mapping[UUID, Stats] = field(default_factory=dict)
    share_tokens: Mapping[UUID, UUID] = field(default_factory=dict)
    """By trace."""
    dataset_ids: Mapping[UUID, UUID | None] = field(default_factory=dict)
    """By project."""
    children: Mapping[UUID, list[UUID]] = field(default_factory=dict)


def beside(request: Request, store: OpsStore, runs: Sequence[Run], wanted: Collection[str] | None = None) -> Beside:
    """What is needed besides runs to answer the fields in `wanted`, all if it is None."""
    asked = {name.lower() for name in wanted} if wanted is not None else None

    def asks(*names: str) -> bool:
        return bool(runs) and (asked is None or not asked.isdisjoint(names))

    ids = [run.id for run in runs]
    projects = {run.project_id for run in runs}
    return Beside(
        request,
        feedback=store.feedback.stats_by_run(ids) if asks("feedback_stats") else {},
        share_tokens=store.shares.tokens({run.trace_id for run in runs}) if asks("share_token", "share_url") else {},
        dataset_ids={one.id: one.reference_dataset_id for one in store.projects.find(ids=projects)}
        if asks("reference_dataset_id")
        else {},
        children=store.runs.children(runs) if asks("child_run_ids", "direct_child_run_ids") else {},
    )


@dataclass(frozen=True)
class _Answer:
    """One run, and what its answer is made of."""

    store: OpsStore
    run: Run
    known: Beside
    subtree_usage: bool = True
    first_tokens: Mapping[UUID, datetime] = field(default_factory=dict)

    def links(self) -> dict[str, Any]:
        """Where clients read the attached files."""
        return attachment_urls(self.known.request, self.store, self.run.attachments) if self.known.request else {}

    def share_url(self) -> str | None:
        """Where everybody may look at the trace, if it is shared."""
        token = self.known.share_tokens.get(self.run.trace_id)
        return f"{origin(self.known.request)}/public/{token}/r" if token and self.known.request else None

    def amount(self, name: str) -> Any:
        """Tokens or US dollars; JSON's numbers are what clients in every language read."""
        return number(getattr(self.run if self.subtree_usage else self.run.usage or Usage(), name))

    def kinds(self, name: str) -> dict[str, Any]:
        """The kinds of tokens or costs that the run itself reported."""
        return {kind: number(one) for kind, one in getattr(self.run.usage or Usage(), name).items()}

    def raw_kinds(self, name: str) -> dict[str, Any]:
        """The same in the envelope of the second version."""
        return {"raw": self.kinds(name)}


_Field = Callable[[_Answer], Any]
_BOTH: dict[str, _Field] = {
    "app_path": lambda a: app_path(a.store, a.run),
    "parent_run_ids": lambda a: _texts(a.run.ancestors),
    "feedback_stats": lambda a: stats_by_key(a.known.feedback.get(a.run.id, {})),
    "reference_dataset_id": lambda a: _text(a.known.dataset_ids.get(a.run.project_id)),
    "price_model_id": lambda a: _text(a.run.usage.price_id if a.run.usage else None),
    "inputs_preview": lambda a: preview(a.run.inputs),
    "outputs_preview": lambda a: preview(a.run.outputs),
    "manifest": lambda a: a.run.serialized,
    **{name: partial(_Answer.amount, name=name) for name in AMOUNTS},
}
"""Fields of the API that a stored run has under another name, or not itself."""
_FIRST: dict[str, _Field] = {
    **_BOTH,
    "session_id": lambda a: str(a.run.project_id),
    "execution_order": lambda _: 1,
    "child_run_ids": lambda a: _texts(a.known.children.get(a.run.id, [])),
    "direct_child_run_ids": lambda a: _texts(a.known.children.get(a.run.id, [])),
    "in_dataset": lambda a: a.run.reference_example_id is not None,
    "share_token": lambda a: _text(a.known.share_tokens.get(a.run.trace_id)),
    "s3_urls": _Answer.links,
    "messages": lambda a: messages(a.run),
    "trace_upgrade": lambda _: False,
    **dict.fromkeys(_NOT_KEPT, lambda _: None),
    **{name: partial(_Answer.kinds, name=name) for name in DETAILS},
}
_SECOND: dict[str, _Field] = {
    **_BOTH,
    "run_type": lambda a: a.run.run_type.upper(),
    "status": lambda a: a.run.status.upper(),
    "first_token_time": lambda a: _moment(a.first_tokens.get(a.run.id, a.run.first_token_time)),
    "latency_seconds": lambda a: a.run.latency_s,
    "metadata": lambda a: a.run.metadata,
    "is_root": lambda a: a.run.parent_run_id is None,
    "is_in_dataset": lambda a: a.run.reference_example_id is not None,
    "attachments": lambda a: {name.partition(".")[2]: one["presigned_url"] for name, one in a.links().items()},
    "share_url": _Answer.share_url,
    "error_preview": lambda a: (a.run.error or "")[:PREVIEW_CHARS] or None,
    **dict.fromkeys(("thread_evaluation_time", "last_queued_at", "ls_user_id"), lambda _: None),
    **{name: partial(_Answer.raw_kinds, name=name) for name in DETAILS},
}


def run_v1(store: OpsStore, run: Run, known: Beside, select: Collection[str] | None = None) -> dict[str, Any]:
    """A run as `/runs/{id}` and `/runs/query` answer it; `select` leaves fields out, but no essential ones."""
    if select is None:
        wanted = {*Run.model_fields, *_FIRST} - _OWN - {"messages"}
    else:
        wanted = {*(name.removesuffix("_or_signed_url") for name in select), *_ALWAYS, *DETAILS}
    return _fields(_Answer(store, run, known), _FIRST, wanted - _OWN)


def run_v2(
    store: OpsStore,
    run: Run,
    known: Beside,
    selects: Collection[str],
    *,
    subtree_usage: bool = True,
    first_tokens: Mapping[UUID, datetime] = MappingProxyType({}),
) -> dict[str, Any]:
    """A run as `/v2/runs/…` answers it: the fields in `selects`, which are upper-case; the id alone without any.

    `subtree_usage` counts what lies below the run as its own, for which `first_tokens` says when a token first came.
    """
    answer = _Answer(store, run, known, subtree_usage, first_tokens)
    return _fields(answer, _SECOND, {"id", *(name.lower() for name in selects)})


def _fields(answer: _Answer, derived: Mapping[str, _Field], wanted: set[str]) -> dict[str, Any]:
    """The fields in `wanted`, worked out only where they are."""
    plain = answer.run.model_dump(mode="json", include=wanted - derived.keys())
    return plain | {name: of(answer) for name, of in derived.items() if name in wanted}


def check_selects(selects: Collection[str], known: Collection[str] = RUN_FIELDS) -> None:
    """Raises Unprocessable for a field that cannot be selected."""
    if unknown := sorted(set(selects) - set(known)):
        raise Unprocessable(f"selects: {unknown[0][:100]!r} is not a field; there are {', '.join(sorted(known))}.")


def app_path(store: OpsStore, run: Run) -> str:
    """Where LangSmith's own pages would show the run."""
    return f"/o/{store.workspace.id}/projects/p/{run.project_id}/r/{run.id}"


def origin(request: Request) -> str:
    """Where the pages for people are."""
    return f"{request.url.scheme}://{request.url.netloc}"


def preview(document: Mapping[str, Any] | None) -> str | None:
    """The beginning of what went in or out: of its only value if that is text, else of its JSON."""
    if not document:
        return None
    values = list(document.values())
    text = values[0] if len(values) == 1 and isinstance(values[0], str) else json_text(document)
    return text[:PREVIEW_CHARS]


def messages(run: Run) -> list[dict[str, Any]]:
    """The messages of a conversation with a model, those that went in first."""
    return [*_messages(run.inputs), *_messages(run.outputs or {})]


def _messages(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    found = document.get("messages", document.get("message", document if "role" in document else []))
    for one in found if isinstance(found, list) else [found]:
        yield from (each for each in (one if isinstance(one, list) else [one]) if isinstance(each, dict))


def _moment(one: datetime | None) -> str | None:
    return one.isoformat() if one else None


def _text(one: UUID | None) -> str | None:
    return str(one) if one else None


def _texts(some: Sequence[UUID]) -> list[str]:
    return [str(one) for one in some]
