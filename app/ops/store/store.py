"""The ops store of one workspace: its parts over one database, one folder of blobs and one intake."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from app.ops.store.blobs import Blobs
from app.ops.store.complaints import Complaints
from app.ops.store.costs.prices import Prices
from app.ops.store.costs.recosting import Recosting
from app.ops.store.database import Database
from app.ops.store.datasets.comparisons import Comparisons
from app.ops.store.datasets.datasets import Datasets
from app.ops.store.datasets.examples import Examples
from app.ops.store.datasets.experiments import Experiments
from app.ops.store.datasets.versions import Versions
from app.ops.store.feedback.configs import FeedbackConfigs
from app.ops.store.feedback.feedback import Judgements
from app.ops.store.feedback.tokens import FeedbackTokens
from app.ops.store.intake.intake import Intake
from app.ops.store.intake.taking import take
from app.ops.store.links import Links
from app.ops.store.models import Ingest, utc_now
from app.ops.store.prompts.prompts import Prompts
from app.ops.store.queues.queues import Queues
from app.ops.store.rules.actions import RuleActions
from app.ops.store.rules.evaluators import Evaluators
from app.ops.store.rules.feed import RunFeed
from app.ops.store.rules.rules import Rules
from app.ops.store.rules.worker import RuleWorker
from app.ops.store.runs.ingest import Ingester
from app.ops.store.runs.projects import Projects
from app.ops.store.runs.retention import Retention
from app.ops.store.runs.runs import Runs
from app.ops.store.runs.saved_filters import SavedFilters
from app.ops.store.runs.shares import Shares
from app.ops.store.runs.spans import Spans
from app.ops.store.runs.threads import Threads
from app.ops.store.tables import counters

if TYPE_CHECKING:  # the process runs that module as its main one, which must not be loaded before
    from app.ops.store.intake.process import IntakeProcess

DEFAULT_WORKSPACE = UUID("7e6a0a7c-0b0f-4b0e-8d3b-3f7f8d0f5a11")
Clock = Callable[[], datetime]


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
        self.threads = Threads(database)
        self.shares = Shares(database, clock)
        self.feedback = Judgements(database, clock)
        self.complaints = Complaints(database, clock)
        self.datasets = Datasets(database, clock)
        self.versions = Versions(database)
        self.examples = Examples(database, clock)
        self.experiments = Experiments(database)
        self.comparisons = Comparisons(database, clock)
        self.links = Links(database, self.blobs, clock)
        self.feedback_configs = FeedbackConfigs(database, clock)
        self.feedback_tokens = FeedbackTokens(database, clock)
        self.saved_filters = SavedFilters(database, clock)
        self.prompts = Prompts(database, clock)
        self.queues = Queues(database, clock)
        self.evaluators = Evaluators(database, clock)
        self.rules = Rules(database, clock, self.runs, self.projects, self.evaluators, self.queues, self.datasets)
        actions = RuleActions(clock, self.rules, self.evaluators, self.feedback, self.queues, self.examples)
        self.rule_worker = RuleWorker(RunFeed(database, clock), actions, self.rules, self.runs, self.projects)
        self.prices = Prices(database, clock)
        self.recosting = Recosting(database, self.prices)
        self.retention = Retention(database, self.blobs, clock)
        ingester = Ingester(database, self.prices.book, clock)
        self._intake = Intake(folder / "intake.db", partial(take, ingester), database.sync)
        database.settle = self._intake.settle
        self.spans = Spans(database, self.ingest)

    @classmethod
    def open(cls, folder: Path, *, workspace: Workspace | None = None, clock: Clock = utc_now) -> OpsStore:
        """The store in `folder`, on SQLite, made or upgraded as needed."""
        return cls(Database.at(folder / "ops.db"), folder, workspace=workspace, clock=clock)

    def work(self, taking_in: IntakeProcess) -> None:
        """Begin to apply rules, and let that process store what comes in from now on."""
        self._intake.take = partial(taking_in.take, self.database)
        self.rule_worker.start()

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

    def backlog(self) -> int:
        """How many requests are acknowledged and not yet in the tables."""
        return self._intake.backlog()

    def runs_received(self) -> int:
        """How many runs were ever taken in."""
        with self.database.peek() as db:
            return (db.scalar(select(counters.c.next).where(counters.c.name == "runs")) or 1) - 1

    def answers(self) -> bool:
        """Whether the database can be read."""
        try:
            return self.runs_received() >= 0
        except SQLAlchemyError:
            return False

    def close(self) -> None:
        """Finish what is being taken in, and close every file."""
        self.rule_worker.close()
        self.recosting.close()
        self._intake.close()
        self.database.close()
