"""The sources of the settings, run by name; what came of each is remembered in the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ingest.errors import IngestError
from ingest.gate import gate_of
from ingest.pipeline import OnProgress, ingest_from
from ingest.report import IngestReport
from ingest.run_log import Run, RunLog
from ingest.settings import IngestSettings
from ingest.sources.base import RetiredSource
from ingest.sources.factory import build_source
from ingest.sources.settings import SourceSettings
from ingest.splitting import fingerprint
from retrieval.corpus import Corpus
from retrieval.errors import CorpusBusy, RetrievalError


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SourceState(BaseModel):
    """A configured source, and what came of it."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: str
    every: timedelta
    last_run: Run | None
    failing: int
    """Files that could not be taken in."""
    dead_letters: int
    """Those of them that failed again and again."""


class Sources:
    """Runs one configured source at a time."""

    def __init__(
        self,
        configured: Mapping[str, SourceSettings],
        settings: IngestSettings,
        data_dir: Path,
        *,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.configured = configured
        self.log = RunLog(data_dir / "sources.db")
        self._settings = settings
        self._data_dir = data_dir
        self._now = now

    def run(
        self,
        name: str,
        corpus: Corpus,
        dry_run: bool = False,
        allow_empty: bool = False,
        gate: Path | None = None,
        on_progress: OnProgress = lambda report, done, total: None,
    ) -> IngestReport:
        """Bring the corpus up to date with a source; its groups and owner win over those of the documents.

        `gate` names a file of questions in place of the settings' one. Raises IngestError and RetrievalError, as
        `ingest_from` does and where there is no such source.
        """
        source = self._named(name)
        pipeline = fingerprint(self._settings)
        held = self.log.held(name, pipeline, self._now())
        try:
            report = ingest_from(
                build_source(source, self._data_dir, name),
                corpus,
                self._settings,
                groups=source.groups or self._settings.groups,
                owner=source.owner or self._settings.owner,
                held=held,
                dry_run=dry_run,
                allow_empty=allow_empty,
                gate=gate_of(self._settings, gate),
                on_progress=on_progress,
            )
        except CorpusBusy:
            raise
        except (IngestError, RetrievalError) as error:
            self.log.record_error(name, str(error), self._now())
            raise
        if not dry_run:
            self.log.record(name, report, held, pipeline, self._now())
        return report

    def remove(self, name: str, corpus: Corpus) -> IngestReport:
        """Remove the documents of a source that is configured no more. Raises IngestError where it still is."""
        if name in self.configured:
            raise IngestError(f"The source {name} is still configured. Take it out of parley.toml first.")
        report = ingest_from(RetiredSource(name), corpus, self._settings, allow_empty=True)
        self.log.forget(name)
        return report

    def states(self) -> list[SourceState]:
        """What came of each source, in the order of the settings."""
        runs, failures = self.log.runs(), self.log.failures()
        return [
            SourceState(
                name=name,
                kind=source.kind,
                every=source.every,
                last_run=runs.get(name),
                failing=sum(failure.origin == name for failure in failures),
                dead_letters=sum(failure.origin == name and failure.is_dead_letter for failure in failures),
            )
            for name, source in self.configured.items()
        ]

    def _named(self, name: str) -> SourceSettings:
        if name not in self.configured:
            known = ", ".join(self.configured) or "none"
            raise IngestError(f"There is no source {name} in the settings; configured are: {known}.")
        return self.configured[name]
