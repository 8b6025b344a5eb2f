"""The operator pages in a real browser: the live tail, the keyboard, steps that open in place, two traces compared."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Page, expect
from pydantic import TypeAdapter

from app.ops.store import Ingest, OpsStore
from app.ops.store.models import RunFields
from app.ops.views import Check, OpsState, build_ops

pytestmark = pytest.mark.browser

_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)


class Site:
    """The pages over a store that a test writes to."""

    def __init__(self, store: OpsStore) -> None:
        self.store = store
        self.url = ""

    def ask(self, question: str, answer: str | None = "Yes.", *, thread: str = "th", steps: int = 1) -> UUID:
        """One turn that ends now; without an answer it is still running."""
        root, now = uuid4(), datetime.now(UTC)
        common = {"trace_id": root, "start_time": now - timedelta(seconds=2)}
        ended = {"end_time": now, "outputs": {"answer": answer}} if answer else {}
        facts = {"name": "turn", "inputs": {"question": question}, "extra": {"metadata": {"thread_id": thread}}}
        posts = [{"id": root, **common, **facts, **ended}]
        for number in range(steps):
            below = {"id": uuid4(), "parent_run_id": root, "name": f"step {number}", "inputs": {"said": answer}}
            posts.append({**common, **below, "end_time": now})
        self.store.ingest(Ingest(posts=[_RUN.validate_python(post) for post in posts]))
        return root

    def end(self, root: UUID, answer: str) -> None:
        ended = {"id": root, "trace_id": root, "end_time": datetime.now(UTC), "outputs": {"answer": answer}}
        self.store.ingest(Ingest(patches=[_RUN.validate_python(ended)]))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    async def checks() -> list[Check]:
        return []

    site = Site(OpsStore.open(tmp_path / "ops"))
    app = FastAPI()
    app.include_router(build_ops(OpsState(site.store, {}, checks, clock=lambda: datetime.now(UTC))))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    site.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/ops"
    yield site
    server.should_exit = True
    thread.join(timeout=10)
    site.store.close()


@pytest.fixture
def browsing(page: Page) -> Iterator[Page]:
    """A page in which nothing may go wrong unseen."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    assert errors == []


def rows(page: Page) -> Any:
    return page.locator(".turns tbody tr")


def test_new_turns_appear_on_top_and_are_announced_until_paused(site: Site, browsing: Page) -> None:
    site.ask("First?")
    browsing.goto(f"{site.url}/turns")
    expect(rows(browsing)).to_have_count(1)
    site.ask("Second?")
    expect(rows(browsing).first).to_contain_text("Second?")
    status = browsing.locator(".tail [role=status]")
    expect(status).to_have_attribute("aria-live", "polite")
    expect(status).to_have_text("1 new turn")

    live = browsing.get_by_role("button", name="Live")
    live.click()
    expect(live).to_have_attribute("aria-pressed", "false")
    site.ask("Third?")
    browsing.wait_for_timeout(3000)
    expect(rows(browsing)).to_have_count(2)
    live.click()
    expect(rows(browsing).first).to_contain_text("Third?")


def test_a_running_turn_is_completed_in_its_place(site: Site, browsing: Page) -> None:
    running = site.ask("How long?", None)
    site.ask("Other?")
    browsing.goto(f"{site.url}/turns")
    row = rows(browsing).filter(has_text="How long?")
    expect(row).to_contain_text("unfinished")
    site.end(running, "Sixteen weeks.")
    expect(row).to_contain_text("Sixteen weeks.")
    expect(rows(browsing)).to_have_count(2)


def test_who_reads_a_row_is_not_moved_away_from_it(site: Site, browsing: Page) -> None:
    site.ask("First?")
    browsing.goto(f"{site.url}/turns")
    browsing.keyboard.press("j")
    site.ask("Second?")
    show = browsing.get_by_role("button", name="Show 1 new")
    expect(show).to_be_visible()
    expect(rows(browsing)).to_have_count(1)
    show.click()
    expect(rows(browsing)).to_have_count(2)


def test_the_list_is_worked_by_keyboard(site: Site, browsing: Page) -> None:
    for number in range(3):
        site.ask(f"Question {number}?")
    browsing.goto(f"{site.url}/turns")
    browsing.keyboard.press("/")
    expect(browsing.locator("#q")).to_be_focused()
    browsing.keyboard.type("jk/")
    expect(browsing.locator("#q")).to_have_value("jk/")
    browsing.locator("#q").fill("")
    browsing.locator("h1").click()
    for key in ("j", "x", "j", "x"):
        browsing.keyboard.press(key)
    expect(browsing.get_by_role("link", name="Question 1?")).to_be_focused()
    browsing.get_by_role("button", name="Compare two").click()
    expect(browsing.get_by_role("heading", name="Two traces compared")).to_be_visible()
    expect(browsing.locator(".diff ins").first).to_have_text("1")
    expect(browsing.locator(".diff del").first).to_have_text("2")
    browsing.go_back()
    browsing.keyboard.press("j")
    browsing.keyboard.press("Enter")
    expect(browsing.get_by_role("heading", name="Question 2?")).to_be_visible()


def test_steps_open_fold_and_load_by_keyboard(site: Site, browsing: Page) -> None:
    turn = site.ask("Why?", steps=130)
    browsing.goto(f"{site.url}/turns/{turn}")
    root = browsing.locator(".steps a.open").first
    root.focus()
    browsing.keyboard.press("ArrowDown")
    first = browsing.locator(".steps a.open").nth(1)
    expect(first).to_be_focused()
    browsing.keyboard.press("Enter")
    expect(first).to_have_attribute("aria-expanded", "true")
    expect(browsing.locator(".detail").first).to_contain_text('"said": "Yes."')
    browsing.keyboard.press("Enter")
    expect(browsing.locator(".detail").first).to_be_hidden()
    browsing.keyboard.press("ArrowLeft")
    expect(root).to_be_focused()
    browsing.keyboard.press("ArrowLeft")
    expect(first).to_be_hidden()
    browsing.keyboard.press("ArrowRight")
    expect(first).to_be_visible()
    browsing.keyboard.press("End")
    rest = browsing.get_by_role("link", name="30 steps more below turn")
    expect(rest).to_be_focused()
    browsing.keyboard.press("Enter")
    expect(browsing.locator(".steps a.open")).to_have_count(131)


def test_a_link_to_a_step_opens_it(site: Site, browsing: Page) -> None:
    turn = site.ask("Why?", steps=3)
    step = site.store.runs.trace(turn)[2]
    browsing.goto(f"{site.url}/turns/{step.id}")
    expect(browsing.locator(f"#run-{step.id} .detail")).to_contain_text('"said": "Yes."')


def test_a_running_trace_grows_before_the_reader(site: Site, browsing: Page) -> None:
    turn = site.ask("How long?", None, steps=2)
    browsing.goto(f"{site.url}/turns/{turn}")
    expect(browsing.get_by_text("still running")).to_be_visible()
    browsing.locator(".steps a.open").nth(1).click()
    expect(browsing.locator(".detail")).to_be_visible()
    browsing.locator("h1").click()
    site.end(turn, "Sixteen weeks.")
    expect(browsing.locator("#answer")).to_contain_text("Sixteen weeks.")
    expect(browsing.get_by_text("still running")).to_have_count(0)
    expect(browsing.locator(".detail")).to_be_visible()


def test_a_conversation_is_replayed_by_keyboard(site: Site, browsing: Page) -> None:
    for number in range(3):
        site.ask(f"Question {number}?", f"Answer {number}.")
    browsing.goto(f"{site.url}/threads/th")
    turns = browsing.locator(".exchanges > li")
    browsing.keyboard.press("r")
    expect(turns.nth(1)).to_be_hidden()
    browsing.keyboard.press("ArrowRight")
    expect(turns.nth(1)).to_be_focused()
    expect(turns.nth(2)).to_be_hidden()
    browsing.keyboard.press("Escape")
    expect(turns.nth(2)).to_be_visible()
    browsing.keyboard.press("k")
    browsing.keyboard.press("Enter")
    expect(browsing.get_by_role("heading", name="Question 1?")).to_be_visible()


def test_no_page_is_wider_than_a_phone(site: Site, browsing: Page) -> None:
    turn, other = site.ask("W" * 300, "x" * 3000, steps=12), site.ask("Short?")
    browsing.set_viewport_size({"width": 360, "height": 740})
    paths = ["", "/turns", f"/turns/{turn}", f"/diff?a={turn}&b={other}", "/threads", "/threads/th", "/health"]
    for path in paths:
        browsing.goto(f"{site.url}{path}")
        wider = browsing.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, path
