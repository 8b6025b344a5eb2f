"""The real product in a process of its own, with the real models, and a real Chromium in front of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect, sync_playwright
from reportlab.pdfgen.canvas import Canvas

from app.auth.settings import AuthSettings
from app.auth.users import Accounts, Role

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "correct horse battery"
WAIT_S = 60
START_S = 180

LEAVE = [
    ["This policy covers annual leave, sick leave and parental leave for all staff."],
    [
        "Annual leave",
        "Full-time staff have 28 days of annual leave in each calendar year.",
        "Part-time staff have annual leave in proportion to their weekly hours.",
        "Unused leave of up to five days may be carried over until the end of March.",
    ],
    [
        "Parental leave",
        "Parental leave lasts sixteen weeks and is fully paid.",
        "Ask your manager three months before it begins.",
    ],
]
GATES = """# Gates and visitors

The north gate is open from 06:00 to 22:00. The south gate is open from 08:00 to 18:00.

Visitors use the south gate. They sign the visitor book at porter:desk and wear a badge.

Lost badges are reported to the porter before the end of the day. A new badge costs five euros.
"""
SETTINGS = """
data_dir = "data"

[turn]
turns_per_minute = 8

[cache]
entries = 0

[[experiments.breadth.arms]]
name = "narrow"
retrieval_limit = 4

[[experiments.breadth.arms]]
name = "wide"
retrieval_limit = 8
"""


class Product:
    """Parley over two documents, with an experiment of two arms. It can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "parley.toml").write_text(SETTINGS)
        self._process: subprocess.Popen | None = None

    def ingest(self) -> None:
        documents = self.folder / "documents"
        documents.mkdir()
        (documents / "gates.md").write_text(GATES)
        write_pdf(documents / "leave.pdf", LEAVE)
        self._ingest(documents)

    def publish(self, name: str, text: str, owner: str) -> None:
        """Put a document into the folder, and ingest it while the server runs."""
        document = self.folder / "documents" / name
        document.write_text(text)
        self._ingest(document, "--owner", owner)

    def withdraw(self, name: str) -> None:
        """Take a document out of the folder and the corpus."""
        (self.folder / "documents" / name).unlink()
        self._ingest(self.folder / "documents")

    def start(self) -> None:
        log = (self.folder / "server.log").open("a")
        self._process = subprocess.Popen(
            self._command("run", "--port", str(self.port)),
            stdout=log, stderr=log, cwd=self.folder, env=self._environment(),
        )  # fmt: skip
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._is_ready():
                return
            time.sleep(0.2)
        raise RuntimeError((self.folder / "server.log").read_text())

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def accounts(self) -> Accounts:
        return Accounts.open(self.data_dir / "chat.db", AuthSettings())

    def holds(self, text: str) -> list[Path]:
        """The files of the data folder in which the text stands."""
        files = [path for path in self.data_dir.rglob("*") if path.is_file()]
        return [path for path in files if text.encode() in path.read_bytes()]

    def _ingest(self, *words: str | Path) -> None:
        subprocess.run(self._command("ingest", *words), cwd=self.folder, env=self._environment(), check=True)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def _command(self, *words: str | Path) -> list[str | Path]:
        return [Path(sys.executable).with_name("parley"), *words]

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder)}


class Chat:
    """The chat page of one user."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    @property
    def input(self) -> Locator:
        return self.page.get_by_label("Your question")

    @property
    def answers(self) -> Locator:
        return self.page.locator("[data-step-type='assistant_message'] .message-content")

    @property
    def panel(self) -> Locator:
        return self.page.locator("#side-view-content")

    @property
    def thumbs_down(self) -> Locator:
        """One for each answer that has ended."""
        return self.page.locator(".negative-feedback-off, .negative-feedback-on")

    def open(self, path: str = "/") -> Chat:
        self.page.goto(f"{self.url}{path}")
        expect(self.input).to_be_visible()
        return self

    def send(self, question: str) -> None:
        self.input.fill(question)
        sent = self.page.locator("[data-step-type='user_message']").filter(has_text=question[:200])
        before = sent.count()
        while sent.count() == before:  # While Chainlit's socket connects anew, Enter does nothing.
            expect(self.page.get_by_label("Send", exact=True)).to_be_enabled()
            self.input.press("Enter")
            self.page.wait_for_timeout(100)

    def ask(self, question: str) -> Locator:
        """Ask, and wait for the end of the answer."""
        answered = self.thumbs_down.count()
        self.send(question)
        expect(self.thumbs_down).to_have_count(answered + 1)
        return self.answers.last

    def source(self, number: int) -> Locator:
        """The newest link to a source."""
        return self.page.get_by_label(f"Open source [{number}]").last


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    if not CHROMIUM.exists():
        pytest.skip(f"the browser tests want Chromium at {CHROMIUM}")
    product = Product(tmp_path_factory.mktemp("product"))
    product.ingest()
    product.start()
    yield product
    product.kill()


@pytest.fixture
def publish(product: Product) -> Iterator[Callable[[str, str, str], None]]:
    """Publishes a document of this name, text and owner; when the test is over, it is withdrawn."""
    published: set[str] = set()

    def put(name: str, text: str, owner: str) -> None:
        published.add(name)
        product.publish(name, text, owner)

    yield put
    for name in published:
        product.withdraw(name)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each file: while Playwright runs, tests with an event loop of their own cannot."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        expect.set_options(timeout=WAIT_S * 1000)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window that nobody has signed in to."""
    page = browser.new_page(viewport={"width": 1280, "height": 860}, locale="en-US")
    page.set_default_timeout(WAIT_S * 1000)
    yield page
    page.close()


@pytest.fixture
def account(product: Product) -> Callable[..., str]:
    """Makes an account for this test; its name."""

    def make(role: Role = "user") -> str:
        name = f"{role}-{uuid4().hex[:8]}"
        accounts = product.accounts()
        accounts.create(name, PASSWORD, role=role)
        accounts.close()
        return name

    return make


@pytest.fixture
def chat(product: Product, page: Page, account: Callable[..., str]) -> Chat:
    """The chat of a new user who is signed in."""
    sign_in(page, product.url, account())
    return Chat(page, product.url).open()


@pytest.fixture
def ops(product: Product, browser: Browser, account: Callable[..., str]) -> Iterator[Page]:
    """The turns page of an analyst, in a window of its own."""
    page = browser.new_page()
    sign_in(page, product.url, account("analyst"))
    page.goto(f"{product.url}/ops/turns")
    yield page
    page.close()


def sign_in(page: Page, url: str, name: str) -> None:
    response = page.request.post(f"{url}/login", form={"username": name, "password": PASSWORD})
    assert response.ok


@pytest.fixture
def reload_until() -> Callable[[Page, Locator], None]:
    """Reloads a page until something is on it: records reach the ops pages a moment later."""

    def reload(page: Page, wanted: Locator) -> None:
        deadline = time.monotonic() + WAIT_S
        while not wanted.count() and time.monotonic() < deadline:
            page.wait_for_timeout(200)
            page.reload()
        expect(wanted.first).to_be_visible()

    return reload


def write_pdf(path: Path, pages: list[list[str]]) -> None:
    canvas = Canvas(str(path))
    canvas.setTitle("Leave policy")
    for lines in pages:
        for number, line in enumerate(lines):
            canvas.drawString(60, 780 - 20 * number, line)
        canvas.showPage()
    canvas.save()
