"""Applies rules to runs as they finish, and to runs that feedback comes to, in a thread of its own."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Sequence
from uuid import UUID

from app.ops.store.rules.actions import RuleActions
from app.ops.store.rules.feed import RunFeed
from app.ops.store.rules.models import Rule
from app.ops.store.rules.rules import Rules, matching
from app.ops.store.runs.projects import Projects
from app.ops.store.runs.runs import Runs
from app.ops.store.tables.base import chunks

log = logging.getLogger(__name__)

INTERVAL_S = 2.0


class RuleWorker:
    """Looks for work every few seconds. What fails is logged and tried again."""

    def __init__(self, feed: RunFeed, actions: RuleActions, rules: Rules, runs: Runs, projects: Projects) -> None:
        self._feed = feed
        self._actions = actions
        self._rules = rules
        self._runs = runs
        self._projects = projects
        self._closing = threading.Event()
        self._working = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="ops-rules", daemon=True)

    def start(self) -> None:
        """Begin to look for work."""
        self._thread.start()

    def close(self) -> None:
        """Finish what is being done, then stop."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def work(self) -> None:
        """Apply the rules that are enabled to all runs that wait for them."""
        with self._working:
            rules = self._rules.find(is_enabled=True)
            more = bool(rules)
            while more and not self._closing.is_set():
                batch = self._feed.next()
                for rule in rules:
                    self._apply(rule, batch.run_ids)
                self._feed.done(batch)
                more = batch.is_full

    def _run(self) -> None:
        while not self._closing.wait(INTERVAL_S):
            try:
                self.work()
            except Exception:
                log.exception("rules could not be applied; the same runs are tried again")

    def _apply(self, rule: Rule, run_ids: Sequence[UUID]) -> None:
        projects = self._project_ids(rule)
        for some in chunks(run_ids):
            fresh = sorted(set(some) - self._rules.applied_to(rule.id, some))
            wanted = matching(rule, fresh).model_copy(update={"project_ids": projects})
            for run in self._runs.query(wanted).runs if fresh else []:
                if _sampled(rule, run.trace_id):
                    self._actions.apply(rule, run)

    def _project_ids(self, rule: Rule) -> list[UUID] | None:
        if rule.session_id:
            return [rule.session_id]
        if rule.dataset_id:
            return [project.id for project in self._projects.find(reference_dataset_ids=[rule.dataset_id])]
        return None


def _sampled(rule: Rule, trace_id: UUID) -> bool:
    """The same answer for all runs of a trace, however often it is asked."""
    drawn = int.from_bytes(hashlib.sha256(rule.id.bytes + trace_id.bytes).digest()[:8])
    return drawn < rule.sampling_rate * 2**64
