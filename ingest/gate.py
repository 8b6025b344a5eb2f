"""The gate: questions that a candidate release must answer from the right place before readers see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ingest.errors import GateFailed, IngestError
from ingest.settings import IngestSettings
from retrieval.corpus import Corpus, Draft
from retrieval.passages import EVERYONE, Hit, Passage

RANK = 5
"""How far down the hits it may be found."""


class GateQuestion(BaseModel):
    """A question, and what must be among its first hits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str = Field(min_length=1)
    document: str | None = None
    """Name of the document that must be found."""
    passage: str | None = Field(None, min_length=1)
    """Words that the found passage must hold in a row, whatever their case and spacing."""
    groups: tuple[str, ...] = (EVERYONE,)
    """Reader groups of whoever asks."""

    @model_validator(mode="after")
    def _names_something(self) -> GateQuestion:
        if self.document is None and self.passage is None:
            raise ValueError("`document` or `passage` is missing")
        return self

    def found_in(self, hits: Sequence[Hit]) -> bool:
        """Whether one of the hits is what is asked for."""
        return any(self._is(hit.passage) for hit in hits)

    def _is(self, passage: Passage) -> bool:
        right_document = self.document in (None, passage.document)
        return right_document and (self.passage is None or _plain(self.passage) in _plain(passage.text))


@dataclass(frozen=True)
class Gate:
    """The questions, and the share of them that must be found."""

    questions: list[GateQuestion]
    recall: float

    @classmethod
    def read(cls, path: Path, recall: float) -> Gate:
        """The questions of a file of JSON lines; raises IngestError where it cannot be used."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise IngestError(f"The gate's questions {path} cannot be read: {error}.") from error
        questions = [_question(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
        if not questions:
            raise IngestError(f"The gate's file {path} holds no question. Write one JSON object on each line.")
        return cls(questions, recall)

    def check(self, corpus: Corpus, draft: Draft) -> None:
        """Ask the draft everything; raises GateFailed where too little is found."""
        lost = [
            asked.question
            for asked in self.questions
            if not asked.found_in(corpus.search_draft(draft, asked.question, groups=asked.groups, limit=RANK))
        ]
        found, total = len(self.questions) - len(lost), len(self.questions)
        if found / total < self.recall:
            raise GateFailed(
                f"The new release was not published: {found} of {total} questions find what they must among their "
                f"first {RANK} hits, and {self.recall:.0%} have to. Not found:\n"
                + "\n".join(f"- {one}" for one in lost),
                lost,
            )


def gate_of(settings: IngestSettings, file: Path | None = None) -> Gate | None:
    """The gate of `file`, else of the settings, if either names one. Raises IngestError where it cannot be used."""
    named = file or (Path(settings.gate) if settings.gate else None)
    return Gate.read(named, settings.gate_recall) if named else None


def _question(path: Path, number: int, line: str) -> GateQuestion:
    try:
        return GateQuestion.model_validate_json(line)
    except ValidationError as error:
        raise IngestError(
            f"{path}, line {number}: {error.errors()[0]['msg']}. "
            'Write {"question": ..., "document": ...} or {"question": ..., "passage": ...}.'
        ) from error


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
