"""Why an answer displeased, read from the evidence in its trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from app.ops.complaints.sources import Sources
from app.ops.store.models import Run

Cause = Literal["fault", "blocked", "stale", "unsupported", "no_document", "not_retrieved", "answer"]
CAUSES: tuple[Cause, ...] = get_args(Cause)

SAID_UNSUPPORTED = "The cited source doesn't say this"
SAID_OVERLOOKED = ("It misses what I asked", "It should have found something")
"""Reasons that the chat offers beside a thumbs-down."""


@dataclass(frozen=True)
class Diagnosis:
    """What went wrong, as a sentence too, and the document that it concerns."""

    cause: Cause
    reason: str
    document: str | None = None


def diagnose(trace: Sequence[Run], said: str | None, sources: Sources) -> Diagnosis:
    """The first cause that the evidence speaks for; `said` is the reason that the user picked, if any."""
    return _Evidence(trace, said, sources).diagnosis()


class _Evidence:
    def __init__(self, trace: Sequence[Run], said: str | None, sources: Sources) -> None:
        self._root = next((run for run in trace if run.parent_run_id is None), trace[0])
        self._trace = trace
        self._said = said
        self._sources = sources
        self._outputs = self._root.outputs or {}

    def diagnosis(self) -> Diagnosis:
        return (
            self._fault()
            or self._blocked()
            or self._stale()
            or self._unsupported()
            or self._not_found()
            or Diagnosis(
                "answer",
                "Its sources were found and support it, so the wording or the choice is at fault.",
                self._cited,
            )
        )

    @property
    def _cited(self) -> str | None:
        """The document that the answer rests on first; what an abstention shows as nearest is no ground."""
        if self._root.metadata.get("status") == "abstained":
            return None
        return _first(_texts(self._outputs.get("citations"), "document"))

    def _fault(self) -> Diagnosis | None:
        failed = [run for run in self._trace if run.status == "error"]
        if not failed:
            return None
        step = max(failed, key=lambda run: len(run.ancestors))
        error = (step.error or "").strip().splitlines() or ["no error was recorded"]
        return Diagnosis("fault", f"The step “{step.name}” failed: {error[0][:200]}")

    def _blocked(self) -> Diagnosis | None:
        for verdict in _dicts(self._root.metadata.get("verdicts")):
            if verdict.get("action") == "block" and verdict.get("stage") != "passage":
                return Diagnosis("blocked", f"The rail “{verdict.get('rail')}” blocked the {verdict.get('stage')}.")
        return None

    def _stale(self) -> Diagnosis | None:
        evidence = [str(one) for one in _list(self._root.metadata.get("evidence_ids"))]
        if evidence and self._sources.changed(evidence):
            return Diagnosis("stale", "What the answer rests on has changed since.", self._cited)
        return None

    def _unsupported(self) -> Diagnosis | None:
        if self._said == SAID_UNSUPPORTED:
            return Diagnosis("unsupported", "The user says that the cited source doesn't say this.", self._cited)
        return None

    def _not_found(self) -> Diagnosis | None:
        """The answer holds no citation, or the user misses something."""
        if self._cited and self._said not in SAID_OVERLOOKED:
            return None
        retrieved = [_dicts((run.outputs or {}).get("documents")) for run in self._trace if run.run_type == "retriever"]
        served = [str(_facts(document).get("passage_id")) for documents in retrieved for document in documents]
        if not retrieved:
            return None
        question, user = (self._root.inputs or {}).get("question"), self._root.metadata.get("user_hash")
        missed = self._sources.overlooked(str(question or ""), user if isinstance(user, str) else None, served)
        if missed:
            return Diagnosis("not_retrieved", "A passage that fits the question better was not retrieved.", missed)
        if self._cited:
            return None
        return Diagnosis("no_document", "No document that the user may read seems to hold the answer.")


def _facts(document: dict[str, Any]) -> dict[str, Any]:
    metadata = document.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _texts(records: Any, key: str) -> Iterable[str]:
    return (one[key] for one in _dicts(records) if isinstance(one.get(key), str))


def _first(values: Iterable[str]) -> str | None:
    return next(iter(values), None)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
