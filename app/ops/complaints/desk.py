"""Where thumbs-down arrive: each becomes a complaint with a cause and an owner, and an example that must pass."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from uuid import UUID

from app.ops.complaints.diagnosis import Diagnosis, diagnose
from app.ops.complaints.sources import Sources
from app.ops.store import Feedback, OpsStore, Run
from app.ops.store.complaints import Complaint
from app.ops.store.datasets.models import DatasetFields, ExampleFields

log = logging.getLogger(__name__)

REGRESSIONS = "regressions"
"""The dataset of questions that were answered badly."""
EVERY_S = 5.0
MAX_STEPS = 500


class ComplaintDesk:
    """Opens complaints, and lets those go whose thumb was taken back; in a thread of its own once it is started."""

    def __init__(self, store: OpsStore, sources: Sources, *, ready: Callable[[], bool] = lambda: True) -> None:
        """`ready` tells whether `sources` can be asked by now."""
        self._store = store
        self._sources = sources
        self._ready = ready
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="complaint-desk", daemon=True)

    def start(self) -> None:
        """Begin to look for new thumbs."""
        self._thread.start()

    def close(self) -> None:
        """End after the complaint under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(EVERY_S)

    def attend(self) -> int:
        """Hear everything that has not been heard; gives back how many complaints were opened."""
        self._store.complaints.withdraw()
        opened = 0
        for thumb in self._store.complaints.unheard():
            if self._stopping.is_set():
                break
            self._hear(thumb)
            opened += 1
        return opened

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            try:
                if self._ready():
                    self.attend()
            except Exception:  # whatever fails now is tried again; the thread must outlive it
                log.exception("complaints could not be taken up; they are tried again")

    def _hear(self, thumb: Feedback) -> None:
        assert thumb.run_id is not None
        trace = self._store.runs.trace(thumb.run_id, limit=MAX_STEPS)
        root = next(run for run in trace if run.id == thumb.run_id)
        picked = thumb.value if isinstance(thumb.value, str) else None
        found = diagnose(trace, picked, self._sources)
        question = _understood(trace) or _text(root.inputs, "question")
        user_hash = root.metadata.get("user_hash")
        self._store.complaints.open(
            Complaint(
                run_id=root.id,
                feedback_id=thumb.id,
                thread_id=root.thread_id,
                user_hash=user_hash if isinstance(user_hash, str) else None,
                question=question,
                answer=_text(root.outputs, "answer"),
                said=": ".join(filter(None, [picked, thumb.comment])) or None,
                cause=found.cause,
                reason=found.reason,
                document=found.document,
                owner=self._sources.owner(found.document) if found.document else None,
                example_id=self._example(root, question, found),
                opened_at=thumb.created_at,
            )
        )

    def _example(self, root: Run, question: str, found: Diagnosis) -> UUID:
        """The question as an example of the dataset of regressions; the turn's id is the example's too."""
        fields = ExampleFields(
            id=root.id,
            inputs={"question": question},
            metadata={"cause": found.cause, "document": found.document, "complaint": str(root.id)},
            source_run_id=root.id,
        )
        self._store.examples.upsert(self._dataset(), [fields])
        return root.id

    def _dataset(self) -> UUID:
        known = self._store.datasets.find(name=REGRESSIONS)
        if known:
            return known[0].id
        fields = DatasetFields(name=REGRESSIONS, description="Questions whose answers were thumbed down.")
        return self._store.datasets.create(fields).id


def _understood(trace: Sequence[Run]) -> str:
    """What was searched for: a follow-up made whole, which can be asked again without its conversation."""
    return next((query for run in trace if run.run_type == "retriever" and (query := _text(run.inputs, "query"))), "")


def _text(document: dict[str, object] | None, key: str) -> str:
    value = (document or {}).get(key)
    return value if isinstance(value, str) else ""
