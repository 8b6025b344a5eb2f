"""The spool, what fills it and what empties it, for one sink."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit

import requests

from app.tracing.adapter import OutboxAdapter
from app.tracing.drainer import Drainer
from app.tracing.settings import TracingSettings
from app.tracing.spool import Spool

EMBEDDED = "embedded"


class Outbox:
    """Holds trace requests until the sink has taken them. Processes that share a folder share its contents."""

    def __init__(self, endpoint: str, api_key: str, folder: Path, max_bytes: int, *, is_embedded: bool) -> None:
        self.endpoint = endpoint
        self.api_key = api_key
        self.is_embedded = is_embedded
        self._spool = Spool(folder, max_bytes)
        self._drainer = Drainer(self._spool, endpoint, self._sink_session())
        self._drainer.start()

    @classmethod
    def open(cls, settings: TracingSettings, folder: Path, embedded_endpoint: str, embedded_key: str = "") -> Outbox:
        """The outbox for the configured sink, or for the embedded store, and start to deliver.

        Each sink has a folder of its own, so that what was recorded for one never reaches another.
        """
        is_embedded = not settings.endpoint
        endpoint = (settings.endpoint or embedded_endpoint).rstrip("/")
        api_key = embedded_key if is_embedded else settings.api_key.get_secret_value()
        name = EMBEDDED if is_embedded else urlsplit(endpoint).netloc.rpartition("@")[2].replace(":", "_")
        return cls(endpoint, api_key, folder / name, settings.max_outbox_bytes, is_embedded=is_embedded)

    def adapter(self) -> OutboxAdapter:
        """For the HTTP session of a LangSmith client of this sink."""
        return OutboxAdapter(self.endpoint, self._spool, on_spooled=self._drainer.wake)

    def depth(self) -> int:
        """How many requests wait."""
        return len(self._spool.waiting())

    def oldest_age_s(self) -> float:
        """How long the oldest has waited; 0.0 when none waits."""
        return self._spool.oldest_age_s()

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is delivered; False when time ran out first, and then it stays on disk."""
        deadline = time.monotonic() + timeout_s
        self._drainer.wake()
        while self.depth():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def close(self) -> None:
        """Stop to deliver; what is left stays on disk."""
        self._drainer.stop()

    def _sink_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = not self.is_embedded  # a proxy is for other hosts
        if self.api_key:
            session.headers["x-api-key"] = self.api_key
        return session
