"""Reading what a trace recorded. It comes from anybody's SDK, so no shape is taken for granted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.ops.store import Run
from app.ops.views.formats import pretty


@dataclass(frozen=True)
class Citation:
    """A numbered source of the answer; texts are empty where nothing was recorded."""

    number: int | None
    passage_id: str
    document: str
    page: str
    heading: str
    quotes: list[str]


@dataclass(frozen=True)
class Evidence:
    """A passage that a retriever of the turn gave, and whether the answer cites it."""

    number: int | None
    """The citation's number; None where it is not cited."""
    document: str
    page: str
    heading: str
    text: str
    score: float | None
    """What the passages are ordered by."""
    dense: float | None
    dense_rank: int | None
    sparse: float | None
    sparse_rank: int | None
    rerank: float | None
    words: list[str]
    """Of the question, in the passage."""


@dataclass(frozen=True)
class Verdict:
    """What one rail decided."""

    rail: str
    stage: str
    action: str
    reason: str


@dataclass(frozen=True)
class Attempt:
    """One call of a model, or one that was spared."""

    model: str
    outcome: str
    reason: str
    seconds: float | None
    prompt_tokens: float | None
    completion_tokens: float | None
    cost_usd: float | None
    context_tokens: float | None
    quotes_left_out: int | None


def citations(root: Run) -> list[Citation]:
    """The numbered sources of the answer."""
    return [
        Citation(
            number=_integer(one.get("number")),
            passage_id=_text(one.get("passage_id")),
            document=_text(one.get("document")),
            page=_text(one.get("page")),
            heading=_text(one.get("heading")),
            quotes=[_text(quote) for quote in _list(one.get("quotes"))],
        )
        for one in _dicts((root.outputs or {}).get("citations"))
    ]


def evidence(runs: Sequence[Run], cited: Sequence[Citation]) -> list[Evidence]:
    """Every passage that the trace's retrievers gave, in their order."""
    numbers = {one.passage_id: one.number for one in cited if one.passage_id}
    retrieved = [(run.outputs or {}).get("documents") for run in runs if run.run_type == "retriever"]
    return [_evidence(document, numbers) for documents in retrieved for document in _dicts(documents)]


def verdicts(root: Run) -> list[Verdict]:
    """What the rails decided."""
    names = ("rail", "stage", "action", "reason")
    return [Verdict(*(_text(one.get(name)) for name in names)) for one in _dicts(root.metadata.get("verdicts"))]


def attempts(root: Run) -> list[Attempt]:
    """The models that were asked, or spared, in their order."""
    return [_attempt(one) for one in _dicts(root.metadata.get("attempts"))]


def route(root: Run) -> str:
    """The routing rule that chose the first model; empty where none did."""
    return _text(root.metadata.get("route"))


def stages(root: Run) -> list[tuple[str, float]]:
    """The stages of the turn and the seconds that each took."""
    recorded = root.metadata.get("stages_ms")
    pairs = recorded.items() if isinstance(recorded, dict) else ()
    return [(name, number / 1000) for name, value in pairs if (number := _number(value)) is not None]


def pieces(answer: str, cited: Sequence[Citation]) -> list[tuple[str, int | None]]:
    """The answer cut at its citation marks: text, and the number where the text is the mark of a citation."""
    numbers = {one.number for one in cited}
    parts = re.split(r"(\[\d{1,4}\])", answer)
    marks = [int(part[1:-1]) if index % 2 else None for index, part in enumerate(parts)]
    return [(part, mark if mark in numbers else None) for part, mark in zip(parts, marks, strict=True) if part]


def _evidence(document: Mapping[str, Any], numbers: Mapping[str, int | None]) -> Evidence:
    metadata = document.get("metadata")
    facts = metadata if isinstance(metadata, dict) else {}
    return Evidence(
        number=numbers.get(_text(facts.get("passage_id"))),
        document=_text(facts.get("document")),
        page=_text(facts.get("page")),
        heading=_text(facts.get("heading")),
        text=_text(document.get("page_content")),
        score=_number(facts.get("score")),
        dense=_number(facts.get("dense")),
        dense_rank=_integer(facts.get("dense_rank")),
        sparse=_number(facts.get("sparse")),
        sparse_rank=_integer(facts.get("sparse_rank")),
        rerank=_number(facts.get("rerank")),
        words=[_text(word) for word in _list(facts.get("words"))],
    )


def _attempt(one: Mapping[str, Any]) -> Attempt:
    usage = one.get("usage")
    used = usage if isinstance(usage, dict) else {}
    return Attempt(
        model=_text(one.get("model")),
        outcome=_text(one.get("outcome")),
        reason=_text(one.get("reason")),
        seconds=_number(one.get("seconds")),
        prompt_tokens=_number(used.get("prompt_tokens")),
        completion_tokens=_number(used.get("completion_tokens")),
        cost_usd=_number(one.get("cost_usd")),
        context_tokens=_number(one.get("context_tokens")),
        quotes_left_out=_integer(one.get("quotes_left_out")),
    )


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return "" if value is None else pretty(value)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e15 else None


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) else None
