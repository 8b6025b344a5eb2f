"""The ops store of one workspace: its parts over one database, one folder of blobs and one intake."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection

from app.ops.store.blobs import Blobs
from app.ops.store.database import Database
from app.ops.store.feedback import Judgements
from app.ops.store.ingest import Ingester
from app.ops.store.intake import Intake
from app.ops.store.models import Ingest
from app.ops.store.projects import Projects
from app.ops.store.prompts import Prompts
from app.ops.store.runs import Runs

DEFAULT_WORKSPACE = UUID("7e6a0a7c-0b0f-4b0e-8d3b-3f7f8d0f5a11")
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Workspace:
    """Whose store it is; the LangSmith API calls it a tenant."""

    id: UUID = DEFAULT_WORKSPACE
    name: str = "default"


class OpsStore:
    """Everything that one workspace records. Every method may be called from any thread.

    A write is on the disk when its method returns; one that raises has changed nothing. Runs are taken in behind the
    intake; a reader that comes after them sees them.
    """

    def __init__(
        self, database: Database, folder: Path, *, workspace: Workspace | None = None, clock: Clock = utc_now
    ) -> None:
        self.workspace = workspace or Workspace()
        self.database = database
        self.blobs = Blobs(folder / "blobs")
        self.projects = Projects(database, clock)
        self.runs = Runs(database)
        self.feedback = Judgements(database, clock)
        self.prompts = Prompts(database, clock)
        ingester = Ingester(database, lambda usage, *_: usage, clock)
        self._intake = Intake(folder / "intake.db", ingester.take)
        database.settle = self._intake.settle

    @classmethod
    def open(cls, folder: Path, *, workspace: Workspace | None = None, clock: Clock = utc_now) -> OpsStore:
        """The store in `folder`, on SQLite, made or upgraded as needed."""
        return cls(Database.at(folder / "ops.db"), folder, workspace=workspace, clock=clock)

    def ingest(self, batch: Ingest) -> None:
        """Take runs and feedback in. A patch may come before its post, feedback before both.

        Raises InvalidRecord for a project that does not exist, StoreBusy when too much waits.
        """
        changes = [*batch.posts, *batch.patches]
        self.projects.require({project_id for fields in changes if (project_id := fields.get("session_id"))})
        self._intake.put(batch)

    def read(self) -> AbstractContextManager[Connection]:
        """A read-only transaction for reports; the whole block sees one moment of the store."""
        return self.database.read()

    def close(self) -> None:
        """Finish what is being taken in, and close every file."""
        self._intake.close()
        self.database.close()
