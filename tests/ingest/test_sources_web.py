"""Web sources against a real server on loopback: what is fetched, what is not, and what never counts as gone."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from ingest.errors import IngestError, RefusedFile
from ingest.report import IngestReport
from ingest.settings import IngestSettings
from ingest.sources.addresses import GuardedTransport, is_public
from ingest.sources.configured import Sources
from ingest.sources.fetching import Fetcher
from ingest.sources.settings import PagesSettings, SitemapSettings, SourceSettings
from retrieval.corpus import Corpus

QUICK = {"allow_private": True, "requests_per_s": 1000.0, "tries": 2, "timeout_s": 5.0}


@dataclass
class Page:
    """What is answered for a path."""

    body: bytes = b""
    status: int = 200
    kind: str = "text/html"
    headers: dict[str, str] = field(default_factory=dict)
    slow_s: float = 0.0
    """Pause before each kilobyte."""


@dataclass
class Site:
    """Pages by path. What is asked for is noted; 404 is answered for all else."""

    port: int
    pages: dict[str, Page | Callable[[], Page]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    """Paths that a body was sent for."""

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def put(self, path: str, body: str | bytes, **more: object) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.pages[path] = Page(data, **more)  # type: ignore[arg-type]

    def sitemap(self, *paths: str, at: str = "/sitemap.xml") -> None:
        urls = "".join(f"<url><loc>{self.url(path)}</loc></url>" for path in paths)
        self.put(at, f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>', kind="text/xml")


@contextmanager
def served() -> Iterator[Site]:
    """A site that is up for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, dict(self.headers)))
            page = site.pages.get(self.path, Page(status=404))
            page = page() if callable(page) else page
            etag = page.headers.get("ETag")
            same = page.status == 200 and etag and etag == self.headers.get("If-None-Match")
            self.send_response(304 if same else page.status)
            for name, value in page.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", page.kind)
            self.send_header("Content-Length", "0" if same else str(len(page.body)))
            self.end_headers()
            if not same:
                site.bodies.append(self.path)
                self._send(page)

        def _send(self, page: Page) -> None:
            try:
                for start in range(0, len(page.body), 1024):
                    time.sleep(page.slow_s)
                    self.wfile.write(page.body[start : start + 1024])
            except OSError:
                pass

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    with served() as site:
        yield site


@pytest.fixture
def sources(tmp_path: Path) -> Callable[..., Sources]:
    def make(**configured: SourceSettings) -> Sources:
        return Sources(configured, IngestSettings(max_file_bytes=20_000), tmp_path / "data")

    return make


def pages(*urls: str, **more: Any) -> PagesSettings:
    return PagesSettings(kind="pages", urls=urls, **QUICK | more)


def sitemap(url: str, **more: Any) -> SitemapSettings:
    return SitemapSettings(kind="sitemap", url=url, **QUICK | more)


def statuses(report: IngestReport) -> dict[str, str]:
    return {file.source.rpartition("/")[2]: file.reason or file.status for file in report.files}


def test_pages_get_an_ending_by_what_the_server_says(corpus: Corpus, site: Site, sources) -> None:
    site.put("/leave", "<h1>Leave</h1><p>Five days carry over.</p>", kind="text/html; charset=utf-8")
    site.put("/notes.md", "# Notes\nBring cake.", kind="text/plain")
    site.put("/program", b"\0asm", kind="application/wasm")
    web = sources(web=pages(site.url("/leave"), site.url("/notes.md"), site.url("/program")))
    report = web.run("web", corpus)
    assert statuses(report) == {"leave": "added", "notes.md": "added", "program": "unsupported"}
    document = corpus.documents()[site.url("/leave")]
    assert (document.name, document.media_type, document.origin) == ("127.0.0.1/leave.html", "text/html", "web")
    [hit, *_] = corpus.search_now("days carry over", groups=["everyone"])
    assert (hit.passage.document_id, hit.passage.title) == (document.id, "Leave")
    stored = corpus.original(document.id)
    assert stored is not None
    assert stored.read_bytes() == site.pages["/leave"].body


def test_a_page_is_sent_again_only_when_its_etag_has_changed(corpus: Corpus, site: Site, sources) -> None:
    site.put("/a", "<p>One.</p>", headers={"ETag": '"1"'})
    web = sources(web=pages(site.url("/a")))
    web.run("web", corpus)
    assert statuses(web.run("web", corpus)) == {"a": "unchanged"}
    assert site.bodies.count("/a") == 1
    assert corpus.documents()[site.url("/a")].version == '"1"'
    site.put("/a", "<p>Two.</p>", headers={"ETag": '"2"'})
    assert statuses(web.run("web", corpus)) == {"a": "changed"}
    assert site.bodies.count("/a") == 2


def test_without_an_etag_the_date_is_sent_and_the_bytes_are_compared(corpus: Corpus, site: Site, sources) -> None:
    date = "Mon, 02 Mar 2026 10:00:00 GMT"
    site.put("/a", "<p>One.</p>", headers={"Last-Modified": date})
    site.put("/b", "<p>One.</p>")
    web = sources(web=pages(site.url("/a"), site.url("/b")))
    web.run("web", corpus)
    site.asked.clear()
    assert statuses(web.run("web", corpus)) == {"a": "unchanged", "b": "unchanged"}
    assert [headers.get("If-Modified-Since") for path, headers in site.asked if path == "/a"] == [date]


def test_other_groups_in_the_settings_reach_unchanged_pages(corpus: Corpus, site: Site, sources) -> None:
    site.put("/a", "<p>The board met.</p>", headers={"ETag": '"1"'})
    sources(web=pages(site.url("/a"), groups=("board",), owner="Ann")).run("web", corpus)
    assert corpus.search_now("board met", groups=["everyone"]) == []
    assert statuses(sources(web=pages(site.url("/a"))).run("web", corpus)) == {"a": "changed"}
    document = corpus.documents()[site.url("/a")]
    assert (document.groups, document.owner) == (("everyone",), "")
    assert len(corpus.search_now("board met", groups=["everyone"])) == 1


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_the_server_says_is_gone_is_removed(corpus: Corpus, site: Site, sources, status: int) -> None:
    site.put("/a", "<p>One.</p>")
    site.put("/b", "<p>Two.</p>")
    web = sources(web=pages(site.url("/a"), site.url("/b")))
    web.run("web", corpus)
    site.pages["/a"] = Page(status=status)
    assert statuses(web.run("web", corpus)) == {"a": "removed", "b": "unchanged"}
    assert set(corpus.documents()) == {site.url("/b")}
    assert statuses(web.run("web", corpus)) == {"a": "gone", "b": "unchanged"}


def test_a_page_that_fails_keeps_what_is_known_and_is_tried_again(corpus: Corpus, site: Site, sources) -> None:
    site.put("/a", "<p>One.</p>")
    web = sources(web=pages(site.url("/a")))
    web.run("web", corpus)
    site.pages["/a"] = Page(status=500)
    [row] = web.run("web", corpus).files
    assert (row.status, row.reason) == ("refused", "unreachable")
    assert "answers 500" in row.detail
    assert "earlier version stays" in row.detail
    assert set(corpus.documents()) == {site.url("/a")}
    answers = iter([Page(status=503, headers={"Retry-After": "0"}), Page(b"<p>Two.</p>")])
    site.pages["/a"] = lambda: next(answers)
    assert web.log.forget("web") == 1
    assert statuses(web.run("web", corpus)) == {"a": "changed"}


def test_a_host_that_is_away_keeps_what_is_known(corpus: Corpus, sources) -> None:
    with served() as site:
        site.put("/a", "<p>One.</p>")
        site.sitemap("/a")
        web = sources(listed=sitemap(site.url("/sitemap.xml")), named=pages(site.url("/a")))
        web.run("listed", corpus)
    with pytest.raises(IngestError, match=r"sitemap.*cannot be reached.*Nothing was changed"):
        web.run("listed", corpus)
    [row] = web.run("named", corpus).files
    assert (row.reason, "Its robots.txt cannot be read." in row.detail) == ("unreachable", True)
    assert list(corpus.documents()) == [site.url("/a")]
    assert "cannot be reached" in web.log.runs()["listed"].error


def test_a_sitemap_leads_to_others_and_what_leaves_it_is_removed(corpus: Corpus, site: Site, sources) -> None:
    for path in ("/a", "/b", "/c"):
        site.put(path, f"<p>Text of {path}.</p>")
    index = "".join(f"<sitemap><loc>{site.url(path)}</loc></sitemap>" for path in ("/one.xml", "/two.xml.gz"))
    site.put("/sitemap.xml", f"<sitemapindex>{index}</sitemapindex>")
    site.sitemap("/a", "/b", at="/one.xml")
    site.put("/two.xml.gz", gzip.compress(f"<urlset><url><loc>{site.url('/c#part')}</loc></url></urlset>".encode()))
    web = sources(web=sitemap(site.url("/sitemap.xml")))
    assert statuses(web.run("web", corpus)) == {"a": "added", "b": "added", "c": "added"}
    site.sitemap("/b", at="/one.xml")
    assert statuses(web.run("web", corpus)) == {"a": "removed", "b": "unchanged", "c": "unchanged"}
    site.pages["/one.xml"] = Page(status=500)
    with pytest.raises(IngestError, match=r"one\.xml cannot be read"):
        web.run("web", corpus)
    assert len(corpus.documents()) == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'<!DOCTYPE x [<!ENTITY a "b">]><urlset/>', "document type"),
        (b"<urlset>", "not well-formed"),
        (b"\x1f\x8b nothing", "no gzip file"),
        (gzip.compress(b" " * 50_000_001), "unpacks to more than 50 MB"),
    ],
)
def test_a_hostile_sitemap_is_refused_whole(corpus: Corpus, site: Site, sources, body: bytes, said: str) -> None:
    site.put("/sitemap.xml", body)
    with pytest.raises(IngestError, match=said):
        sources(web=sitemap(site.url("/sitemap.xml"))).run("web", corpus)


def test_a_sitemap_that_is_emptied_removes_nothing(corpus: Corpus, site: Site, sources) -> None:
    site.put("/a", "<p>One.</p>")
    site.sitemap("/a")
    web = sources(web=sitemap(site.url("/sitemap.xml")))
    web.run("web", corpus)
    site.sitemap()
    with pytest.raises(IngestError, match="1 documents are known from it"):
        web.run("web", corpus)
    assert len(corpus.documents()) == 1


def test_what_robots_txt_forbids_is_left_alone(corpus: Corpus, site: Site, sources) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /private\n", kind="text/plain")
    site.put("/a", "<p>Open.</p>")
    site.put("/private/b", "<p>Closed.</p>")
    urls = site.url("/a"), site.url("/private/b")
    assert statuses(sources(web=pages(*urls)).run("web", corpus)) == {"a": "added", "b": "forbidden"}
    assert "/private/b" not in [path for path, _ in site.asked]
    asked = sources(web=pages(*urls, robots=False)).run("web", corpus)
    assert statuses(asked) == {"a": "unchanged", "b": "added"}


def test_redirects_are_followed_within_the_hosts_only(corpus: Corpus, site: Site, sources) -> None:
    site.put("/final", "<p>Here.</p>")
    site.put("/near", "", status=301, headers={"Location": "/final"})
    site.put("/away", "", status=302, headers={"Location": f"http://localhost:{site.port}/final"})
    site.put("/round", "", status=302, headers={"Location": "/round"})
    site.put("/file", "", status=302, headers={"Location": "file:///etc/passwd"})
    urls = [site.url(path) for path in ("/near", "/away", "/round", "/file")]
    report = sources(web=pages(*urls)).run("web", corpus)
    assert statuses(report) == {"near": "added", "away": "link", "round": "link", "file": "forbidden"}
    assert [path for path, headers in site.asked if headers["Host"].startswith("localhost")] == []
    allowed = sources(web=pages(site.url("/away"), hosts=("localhost",))).run("web", corpus)
    assert statuses(allowed)["away"] == "added"


def test_pages_of_other_hosts_in_a_sitemap_are_not_fetched(corpus: Corpus, site: Site, sources) -> None:
    site.put("/a", "<p>One.</p>")
    locations = [site.url("/a"), f"http://localhost:{site.port}/b", "no address", "https://example.com/c"]
    urls = "".join(f"<url><loc>{location}</loc></url>" for location in locations)
    site.put("/sitemap.xml", f"<urlset>{urls}</urlset>")
    report = sources(web=sitemap(site.url("/sitemap.xml"))).run("web", corpus)
    assert statuses(report) == {"a": "added", "b": "link", "c": "link"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_private_addresses_are_refused_unless_allowed(corpus: Corpus, site: Site, sources, host: str) -> None:
    site.put("/a", "<p>One.</p>")
    settings = pages(f"http://{host}:{site.port}/a", allow_private=False, robots=False)
    [row] = sources(web=settings).run("web", corpus).files
    assert (row.reason, site.asked) == ("forbidden", [])
    assert "allow_private" in row.detail


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:192.168.0.1", "0.0.0.0", "224.0.0.1", "100.64.0.1"],
)
def test_addresses_that_only_this_network_reaches_are_no_public_ones(address: str) -> None:
    assert not is_public(address)
    assert is_public("93.184.215.14")
    assert is_public("2606:2800:21f:cb07::1")


def test_the_connection_goes_to_the_very_address_that_was_checked() -> None:
    client = httpx.Client(transport=GuardedTransport(allow_private=False, resolve=lambda host: ["93.184.215.14"]))
    with pytest.raises(AssertionError, match=r"93\.184\.215\.14"):
        client.get("https://docs.example.com/")


def test_one_private_address_among_public_ones_is_enough_to_refuse_a_host() -> None:
    transport = GuardedTransport(allow_private=False, resolve=lambda host: ["93.184.215.14", "10.0.0.1"])
    with pytest.raises(RefusedFile, match=r"private address 10\.0\.0\.1"):
        httpx.Client(transport=transport).get("https://docs.example.com/")


def test_huge_and_slow_bodies_are_cut_off(corpus: Corpus, site: Site, sources) -> None:
    site.put("/huge", b"x" * 30_000, kind="text/plain")
    site.put("/bomb", gzip.compress(b"x" * 10_000_000), kind="text/plain", headers={"Content-Encoding": "gzip"})
    site.put("/slow", b"x" * 15_000, kind="text/plain", slow_s=0.2)
    urls = [site.url(path) for path in ("/huge", "/bomb", "/slow")]
    report = sources(web=pages(*urls, timeout_s=1.0, tries=1)).run("web", corpus)
    assert statuses(report) == {"huge": "too_large", "bomb": "too_large", "slow": "unreachable"}


def test_include_exclude_and_the_page_limit(corpus: Corpus, site: Site, sources) -> None:
    for path in ("/docs/a", "/docs/b", "/news/c"):
        site.put(path, f"<p>Text of {path}.</p>")
    site.sitemap("/docs/a", "/docs/b", "/news/c")
    chosen = sitemap(site.url("/sitemap.xml"), include=("docs/*",), exclude=("*/b",))
    assert statuses(sources(web=chosen).run("web", corpus)) == {"a": "added"}
    with pytest.raises(IngestError, match="lists 3 pages; 2 are allowed"):
        sources(web=sitemap(site.url("/sitemap.xml"), max_pages=2)).run("web", corpus)


def test_tries_wait_longer_each_time_and_as_long_as_the_server_asks(site: Site) -> None:
    waited: list[float] = []
    answers = iter(
        [Page(status=500), Page(status=502), Page(status=429, headers={"Retry-After": "7"}), Page(b"Hello.")]
    )
    site.pages["/a"] = lambda: next(answers)
    settings = pages(site.url("/a"), tries=4, requests_per_s=1e6)
    fetcher = Fetcher(settings, sleep=waited.append, chance=lambda: 0.5)
    fetched = fetcher.get(site.url("/a"), 1000)
    assert fetched is not None
    assert fetched.data == b"Hello."
    assert [wait for wait in waited if wait > 0.01] == [0.625, 1.25, 7.0]


def test_a_server_that_is_down_is_left_alone_for_a_while(site: Site) -> None:
    site.pages["/a"] = Page(status=500)
    now = [0.0]
    fetcher = Fetcher(pages(site.url("/a"), tries=1, requests_per_s=1e6), clock=lambda: now[0], sleep=lambda s: None)
    for _ in range(9):
        with pytest.raises(RefusedFile, match=r"answers 500|did not answer"):
            fetcher.get(site.url("/a"), 1000)
    assert len(site.asked) == 5
    now[0] = 61.0
    site.put("/a", "Hello.")
    assert fetcher.get(site.url("/a"), 1000) is not None


def test_requests_keep_their_rate(site: Site) -> None:
    site.put("/a", "Hello.")
    now, waited = [0.0], []

    def sleep(seconds: float) -> None:
        waited.append(round(seconds, 3))
        now[0] += seconds

    fetcher = Fetcher(pages(site.url("/a"), requests_per_s=4), clock=lambda: now[0], sleep=sleep)
    for _ in range(3):
        fetcher.get(site.url("/a"), 1000)
    assert waited == [0.25, 0.25]


@pytest.mark.parametrize("url", ["ftp://example.com/a", "https://ann:secret@example.com/", "https://", "handbook"])
def test_what_is_no_web_address_is_refused_without_showing_a_password(url: str) -> None:
    with pytest.raises(ValidationError) as error:
        pages(url)
    assert "secret" not in str(error.value.errors(include_input=False, include_context=False))
