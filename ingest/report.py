"""What an ingest did, file by file."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ingest.reasons import Reason

Status = Literal["added", "changed", "unchanged", "removed", "empty", "refused"]
STATUSES: tuple[Status, ...] = ("added", "changed", "unchanged", "removed", "empty", "refused")


class FileReport(BaseModel):
    """What became of one file."""

    model_config = ConfigDict(frozen=True)

    name: str
    """The path below the ingested folder."""
    source: str
    """The absolute path."""
    status: Status
    passages: int = 0
    """Passages that were made of it in this run."""
    pages: int | None = None
    reason: Reason | None = None
    """Why nothing was taken in."""
    detail: str = ""
    """A sentence on what was found and what to do."""
    finding: str = Field(default="", exclude=True)
    """What was found, of a refused file."""
    version: str = Field(default="", exclude=True)
    """What was refused: its source's version, or the SHA-256 of its bytes; empty where it was never had."""


class IngestReport(BaseModel):
    """What became of all files."""

    files: list[FileReport] = Field(default_factory=list)
    dry_run: bool = False
    release: int
    """The release that readers see now."""
    published: bool = False
    """Whether this run published it."""
    reencoded: int = 0
    """Passages of unchanged files that were encoded anew, by another encoder; in a dry run, all those that it knows."""
    seconds: float = 0.0

    def counts(self) -> dict[Status, int]:
        """Files by what became of them."""
        counted = Counter(file.status for file in self.files)
        return {status: counted[status] for status in STATUSES}

    @property
    def passages(self) -> int:
        """Passages that were made in this run."""
        return sum(file.passages for file in self.files)

    def summary(self) -> str:
        """What became of all, in a line."""
        files = ", ".join(f"{count} {status}" for status, count in self.counts().items() if count) or "no files found"
        anew = f", encoded anew by another encoder: {self.reencoded}" if self.reencoded else ""
        made = f"Passages made: {self.passages}{anew}, in {self.seconds:.1f} s."
        if self.dry_run:
            return f"{files}. {made} This was a dry run: nothing was changed."
        outcome = f"Release {self.release} is published" if self.published else f"Release {self.release} stays"
        return f"{files}. {made} {outcome}."

    @property
    def exit_code(self) -> int:
        """0 where at least one file was taken in, kept or removed; 1 where nothing could be."""
        return 0 if any(file.status not in {"empty", "refused"} for file in self.files) else 1
