"""Fetching over HTTP: politely, within limits of size and time, again where that helps, and from allowed hosts only."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

import httpx

from ingest.errors import Gone, RefusedFile
from ingest.sources.addresses import GuardedTransport
from ingest.sources.settings import PagesSettings, SitemapSettings

Web = PagesSettings | SitemapSettings
_REDIRECTS = 5
_BUSY = frozenset({429, 500, 502, 503, 504})
_MODIFIED = "modified "
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 120.0
_DOWN_AFTER = 5
"""Addresses in a row that could not be reached, after which the source counts as down for a while."""
_DOWN_S = 60.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A body, and what the server says about it."""

    data: bytes
    media_type: str
    version: str
    """The ETag, else the date of its last change; empty where the server tells neither."""


class _Busy(Exception):
    """It may work later; after a pause that the server asks for, if it does."""

    def __init__(self, finding: str, pause_s: float | None = None) -> None:
        super().__init__(finding)
        self.pause_s = pause_s


class Fetcher:
    """Fetches for one source. Safe to use from many threads."""

    def __init__(
        self,
        settings: Web,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._hosts = {httpx.URL(url).host for url in settings.addresses} | {host.lower() for host in settings.hosts}
        self._clock, self._sleep, self._chance = clock, sleep, chance
        self._lock = threading.Lock()
        self._next_request = 0.0
        self._failed_in_a_row = 0
        self._down_until = 0.0
        self._client = httpx.Client(
            transport=GuardedTransport(settings.allow_private),
            timeout=settings.timeout_s,
            headers={"User-Agent": settings.user_agent},
            trust_env=False,
        )

    def get(self, url: str, max_bytes: int, known: str = "") -> Fetched | None:
        """The body at an address, or None where its version is still `known`.

        Raises Gone where the server says that there is nothing, RefusedFile for everything else: "unreachable" where it
        may work later, "link" or "forbidden" where the address may not be fetched.
        """
        if self._clock() < self._down_until:
            raise RefusedFile("unreachable", "The server did not answer the requests before.")
        attempt = 0
        while True:
            try:
                return self._follow(httpx.URL(url), max_bytes, known)
            except _Busy as busy:
                pause_s = self._pause(attempt) if busy.pause_s is None else busy.pause_s
                attempt += 1
                if attempt == self._settings.tries or pause_s > _LONGEST_PAUSE_S:
                    self._note_failure()
                    raise RefusedFile("unreachable", str(busy)) from busy
            self._sleep(pause_s)

    def check(self, url: httpx.URL) -> None:
        """Raises RefusedFile where the address may not be fetched."""
        if url.scheme not in {"http", "https"} or url.userinfo:
            raise RefusedFile("forbidden", "Only http and https addresses without a password in them are fetched.")
        if url.host not in self._hosts:
            raise RefusedFile("link", f"It leads to {url.host}, which is none of the source's hosts.")

    def _follow(self, url: httpx.URL, max_bytes: int, known: str) -> Fetched | None:
        for _ in range(_REDIRECTS + 1):
            self.check(url)
            answer = self._request(url, max_bytes, known)
            if not isinstance(answer, httpx.URL):
                return answer
            if url.scheme == "https" and answer.scheme == "http":
                raise RefusedFile("link", "It redirects from https to http.")
            url = answer
        raise RefusedFile("link", f"It redirects more than {_REDIRECTS} times.")

    def _request(self, url: httpx.URL, max_bytes: int, known: str) -> Fetched | httpx.URL | None:
        """One request: a body, None where that is as known, or where to go instead."""
        self._wait_for_turn()
        started = self._clock()
        try:
            with self._client.stream("GET", url, headers=_condition(known)) as response:
                if response.has_redirect_location:
                    return _target(url, response)
                if response.status_code == 304 and known:
                    return None
                _check_status(response)
                self._failed_in_a_row = 0
                return Fetched(self._body(response, max_bytes, started), _media_type(response), _version(response))
        except httpx.HTTPError as error:
            raise _Busy(f"{url.host} cannot be reached ({type(error).__name__}).") from error

    def _body(self, response: httpx.Response, max_bytes: int, started: float) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > max_bytes:
                raise RefusedFile("too_large", f"It has more than {max_bytes / 1e6:.1f} MB.")
            if self._clock() - started > self._settings.timeout_s:
                raise _Busy(f"It took longer than {self._settings.timeout_s:g} s.")
        return bytes(body)

    def _wait_for_turn(self) -> None:
        """Wait until the next request is due, so that all threads together keep the rate."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next_request)
            self._next_request = turn + 1 / self._settings.requests_per_s
        if turn > now:
            self._sleep(turn - now)

    def _pause(self, attempt: int) -> float:
        """Twice as long after each try, and by chance up to half as much more, so that callers spread out."""
        return min(_FIRST_PAUSE_S * 2**attempt * (1 + self._chance() / 2), _LONGEST_PAUSE_S)

    def _note_failure(self) -> None:
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= _DOWN_AFTER:
            self._failed_in_a_row = 0
            self._down_until = self._clock() + _DOWN_S


@lru_cache(maxsize=16)
def fetcher(settings: Web) -> Fetcher:
    """The fetcher of a source, one in each process."""
    return Fetcher(settings)


def _condition(known: str) -> dict[str, str]:
    """The header that asks for the body only if it is not the known version."""
    if not known:
        return {}
    if known.startswith(_MODIFIED):
        return {"If-Modified-Since": known.removeprefix(_MODIFIED)}
    return {"If-None-Match": known}


def _target(url: httpx.URL, response: httpx.Response) -> httpx.URL:
    try:
        return url.join(response.headers["Location"]).copy_with(fragment=None)
    except (httpx.InvalidURL, ValueError) as error:
        raise RefusedFile("link", "It redirects to what is no address.") from error


def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    if status in {404, 410}:
        raise Gone(f"The server answers {status}.")
    if status in _BUSY:
        raise _Busy(f"The server answers {status}.", _retry_after(response))
    if status != 200:
        raise RefusedFile("unreadable", f"The server answers {status}.")


def _retry_after(response: httpx.Response) -> float | None:
    """The pause that the server asks for, in seconds."""
    value = response.headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _media_type(response: httpx.Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _version(response: httpx.Response) -> str:
    etag, modified = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
    return etag or (_MODIFIED + modified if modified else "")
