"""Web pages and files, named one by one or by a sitemap."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote
from urllib.robotparser import RobotFileParser

import httpx

from ingest.errors import IngestError, RefusedFile
from ingest.parsers import MEDIA_TYPES
from ingest.parsers.safe_xml import local_name, parse_xml
from ingest.sources.base import Content, Discovery, Found, Patterns, came_through
from ingest.sources.fetching import Fetcher, Web, fetcher
from ingest.sources.settings import SitemapSettings

_SITEMAP_BYTES = 50_000_000
_SITEMAPS = 1_000
_ROBOTS_BYTES = 500_000
_ENDINGS = {kind: ending for ending, kind in reversed(MEDIA_TYPES.items())} | {"application/xhtml+xml": ".xhtml"}


@dataclass(frozen=True, slots=True)
class WebPage(Found):
    """A page; its source is its address."""

    settings: Web

    def read(self, max_bytes: int, known: str = "") -> Content | None:
        fetched = fetcher(self.settings).get(self.source, max_bytes, known)
        return Content(fetched.data, _with_ending(self.name, fetched.media_type), fetched.version) if fetched else None


@dataclass(frozen=True, slots=True)
class WebSource:
    """The pages that are named, or that a sitemap and those it leads to list, within robots.txt and the hosts."""

    settings: Web
    name: str = ""

    def discover(self) -> Discovery:
        """Raises IngestError where a sitemap cannot be had, or lists too much."""
        web = fetcher(self.settings)
        robots = _Robots(web, self.settings.user_agent)
        patterns = Patterns(self.settings.include, self.settings.exclude)
        pages = [page for page in self._pages(web) if patterns.want(_path(page))]
        if len(pages) > self.settings.max_pages:
            raise IngestError(f"It lists {len(pages)} pages; {self.settings.max_pages} are allowed. Raise max_pages.")
        discovery = Discovery(would_find=came_through(self.name))
        for page in pages:
            found = WebPage(str(page), _name(page), self.settings)
            try:
                web.check(page)
                if self.settings.robots:
                    robots.check(page)
            except RefusedFile as refused:
                discovery.refused.append((found, refused))
            else:
                discovery.files.append(found)
        return discovery

    def _pages(self, web: Fetcher) -> list[httpx.URL]:
        """The addresses, each once and without its fragment and what is no address."""
        sitemap = isinstance(self.settings, SitemapSettings)
        listed = _listed(web, self.settings.addresses[0]) if sitemap else self.settings.addresses
        return list(dict.fromkeys(filter(None, map(_address, listed))))


class _Robots:
    """What robots.txt says, host by host."""

    def __init__(self, web: Fetcher, user_agent: str) -> None:
        self._web = web
        self._user_agent = user_agent
        self._rules: dict[httpx.URL, RobotFileParser | RefusedFile] = {}

    def check(self, page: httpx.URL) -> None:
        """Raises RefusedFile where it forbids the page, or cannot be had."""
        address = page.join("/robots.txt")
        if address not in self._rules:
            self._rules[address] = self._read(address)
        rules = self._rules[address]
        if isinstance(rules, RefusedFile):
            raise rules
        if not rules.can_fetch(self._user_agent, str(page)):
            raise RefusedFile("forbidden", f"The robots.txt of {page.host} forbids it.")

    def _read(self, address: httpx.URL) -> RobotFileParser | RefusedFile:
        rules = RobotFileParser()
        try:
            fetched = self._web.get(str(address), _ROBOTS_BYTES)
            rules.parse(fetched.data.decode("utf-8", "replace").splitlines() if fetched else [])
        except RefusedFile as refused:
            if refused.reason not in {"gone", "unreadable"}:  # where the server has none, all is allowed
                return RefusedFile(refused.reason, f"Its robots.txt cannot be read. {refused.finding}")
            rules.parse([])
        return rules


def _listed(web: Fetcher, start: str) -> list[str]:
    """The pages of a sitemap, and of those that it lists. Raises IngestError where one of them cannot be read."""
    pages: list[str] = []
    waiting, seen = [start], {start}
    for sitemap in waiting:
        kind, addresses = _read_sitemap(web, sitemap)
        if kind == "sitemapindex":
            waiting += [address for address in dict.fromkeys(addresses) if address not in seen]
            seen.update(addresses)
        else:
            pages += addresses
        if len(waiting) > _SITEMAPS:
            raise IngestError(f"{start} leads to more than {_SITEMAPS} sitemaps. Name those that you need.")
    return pages


def _read_sitemap(web: Fetcher, address: str) -> tuple[str, list[str]]:
    """What kind of list it is, and the addresses in it."""
    try:
        fetched = web.get(address, _SITEMAP_BYTES)
        root = parse_xml(_unzipped(fetched.data if fetched else b""))
    except RefusedFile as refused:
        raise IngestError(f"The sitemap {address} cannot be read. {refused.finding} Nothing was changed.") from refused
    places = [item for entry in root for item in entry if local_name(item.tag) == "loc"]
    return local_name(root.tag), [place.text.strip() for place in places if place.text]


def _unzipped(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        unzipped = zlib.decompressobj(wbits=31).decompress(data, _SITEMAP_BYTES + 1)
    except zlib.error as error:
        raise RefusedFile("broken", "It is no gzip file.") from error
    if len(unzipped) > _SITEMAP_BYTES:
        raise RefusedFile("too_large", f"It unpacks to more than {_SITEMAP_BYTES / 1e6:.0f} MB.")
    return unzipped


def _address(text: str) -> httpx.URL | None:
    """The address, without a password that nobody should see; None for what is none."""
    try:
        url = httpx.URL(text)
        return url.copy_with(fragment=None, username=None, password=None) if url.host else None
    except (httpx.InvalidURL, ValueError):
        return None


def _path(page: httpx.URL) -> str:
    """What is behind the host, readable."""
    query = f"?{page.query.decode()}" if page.query else ""
    return unquote(page.path).strip("/") + query


def _name(page: httpx.URL) -> str:
    return f"{page.host}/{_path(page) or 'index'}"


def _with_ending(name: str, media_type: str) -> str:
    """The name with an ending by which it is parsed: its own, else one for what the server says that it is."""
    known = PurePosixPath(name).suffix.lower() in MEDIA_TYPES
    return name if known else name + _ENDINGS.get(media_type, "")
