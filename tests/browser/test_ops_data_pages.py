"""The operator pages in a real browser: a queue worked from the keyboard, experiments compared, a link copied."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from pydantic import TypeAdapter

from app.ops.store import Ingest, OpsStore
from app.ops.store.datasets.models import DatasetFields, ExampleFields
from app.ops.store.models import FeedbackFields, ProjectFields, RunFields
from app.ops.store.prompts.models import CommitFields, PromptFields
from app.ops.store.queues.models import ItemFields, QueueFields, RubricItem
from app.ops.views import Check, OpsState, build_deep_links, build_ops, build_public

_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)


@dataclass(frozen=True)
class Ops:
    """The pages on a loopback port, over a store with something in it."""

    url: str
    store: OpsStore
    dataset_id: UUID
    experiments: list[UUID]
    queue_id: UUID


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ops]:
    async def checks() -> list[Check]:
        return []

    store = OpsStore.open(tmp_path_factory.mktemp("ops"))
    state = OpsState(store, {}, checks, clock=lambda: datetime.now(UTC), who=lambda request: "ann")
    app = FastAPI()
    app.include_router(build_ops(state))
    app.include_router(build_deep_links(state))
    app.include_router(build_public(lambda: [store]))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield _filled(f"http://127.0.0.1:{port}", store)
    server.should_exit = True
    thread.join(timeout=10)
    store.close()


def _filled(url: str, store: OpsStore) -> Ops:
    dataset = store.datasets.create(DatasetFields(name="Leave questions"))
    examples = store.examples.create(
        dataset.id,
        [ExampleFields(inputs={"question": f"Question {n}?"}, outputs={"answer": f"Answer {n}."}) for n in range(4)],
    ).example_ids
    experiments = [
        _experiment(store, dataset.id, examples, name, score) for name, score in (("old", 1.0), ("new", 0.0))
    ]
    rubric = [
        RubricItem(feedback_key="correct", score_descriptions={"0": "wrong", "1": "right"}, is_required=True),
        RubricItem(feedback_key="tone", value_descriptions={"stiff": "like a form", "warm": "like us"}),
    ]
    queue = store.queues.create(QueueFields(name="Disliked", rubric_items=rubric))
    runs = store.feedback.find(project_ids=[experiments[0]])
    store.queues.items.add(queue.id, [ItemFields(run_id=one.run_id) for one in runs[:3]])
    store.prompts.create(PromptFields(repo_handle="answer"))
    for text in ("Be brief.", "Be very brief."):
        store.prompts.commits.create("answer", CommitFields(manifest={"kwargs": {"template": text}}))
    return Ops(url, store, dataset.id, experiments, queue.id)


def _experiment(store: OpsStore, dataset_id: UUID, examples: list[UUID], name: str, score: float) -> UUID:
    project = store.projects.create(ProjectFields(name=name, reference_dataset_id=dataset_id))
    ids = [uuid4() for _ in examples]
    fields = [
        {
            "id": run_id,
            "name": "answer",
            "session_id": project.id,
            "inputs": {"question": f"Question {n}?"},
            "outputs": {"answer": f"The {name} answer {n}."},
            "reference_example_id": example,
        }
        for n, (run_id, example) in enumerate(zip(ids, examples, strict=True))
    ]
    feedback = [FeedbackFields(run_id=run_id, key="correct", score=score) for run_id in ids]
    store.ingest(Ingest(posts=[_RUN.validate_python(one) for one in fields], feedback=feedback))
    return project.id


@pytest.fixture
def window(browser: Browser, served: Ops) -> Iterator[Page]:
    """A window in which nothing may go wrong unseen."""
    page = browser.new_page(base_url=served.url)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if _is_problem(message) else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    page.close()
    assert problems == []


def _is_problem(message: ConsoleMessage) -> bool:
    """Chromium calls a form that is shown again, to be mended, an error too."""
    return message.type == "error" and "422" not in message.text


def test_a_queue_is_worked_from_the_keyboard_alone(window: Page, served: Ops) -> None:
    window.goto(f"/ops/queues/{served.queue_id}/review")
    status = window.get_by_role("status")
    correct, tone = (window.get_by_role("group", name=name) for name in ("correct", "tone"))
    window.keyboard.press("2")
    expect(correct.get_by_label("right")).to_be_checked()
    expect(status).to_have_text("correct: right")
    window.keyboard.press("1")
    expect(tone.get_by_label("stiff")).to_be_checked()
    window.keyboard.press("u")
    expect(tone.get_by_label("stiff")).not_to_be_checked()
    window.keyboard.press("2")
    window.keyboard.press("c")
    window.keyboard.type("1 s u: these are letters here.")
    window.keyboard.press("Escape")
    asked = window.locator(".output.card").first.inner_text()
    window.keyboard.press("Enter")
    expect(status).to_have_text("Saved. 2 items wait for you.")
    said = {one.key: one for one in served.store.feedback.find(sources=["app"])}
    assert (said["correct"].score, said["tone"].value) == (1.0, "warm")
    assert said["note"].comment == "1 s u: these are letters here."
    window.keyboard.press("u")
    expect(status).to_contain_text("Taken back")
    assert window.locator(".output.card").first.inner_text() == asked
    assert served.store.feedback.find(sources=["app"]) == []
    window.keyboard.press("s")
    expect(status).to_contain_text("Skipped")
    for waiting in ("2 items wait", "1 item waits"):
        window.keyboard.press("1")
        window.keyboard.press("Enter")
        expect(status).to_contain_text(waiting)
    window.keyboard.press("Enter")
    expect(window.get_by_role("alert")).to_have_text("“correct” needs an answer.")
    window.keyboard.press("1")
    window.keyboard.press("Enter")
    expect(window.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
    window.keyboard.press("u")
    expect(window.get_by_role("group", name="correct")).to_be_visible()


def test_experiments_are_ticked_compared_and_stepped_through(window: Page, served: Ops) -> None:
    window.goto(f"/ops/datasets/{served.dataset_id}/experiments")
    window.get_by_label("Compare old").check()
    window.get_by_label("Compare new").check()
    window.get_by_role("button", name="Compare the ticked ones").click()
    expect(window.get_by_role("table")).to_contain_text("0 better, 4 worse, 0 same of 4 pairs")
    window.keyboard.press("j")
    window.keyboard.press("j")
    expect(window.locator("section.pair").nth(1)).to_be_focused()
    window.keyboard.press("k")
    expect(window.locator("section.pair").nth(0)).to_be_focused()
    expect(window.locator("section.pair").nth(0).locator("ins")).to_have_count(2)
    window.get_by_role("link", name="4 worse").click()
    expect(window.locator("section.pair")).to_have_count(4)
    window.get_by_role("link", name="make it the baseline").click()
    expect(window.get_by_role("table")).to_contain_text("4 better, 0 worse")


def test_a_prompt_is_made_live_from_the_keyboard(window: Page, served: Ops) -> None:
    window.goto("/ops/prompts/answer")
    window.get_by_role("link", name="Make it live").first.focus()
    window.keyboard.press("Enter")
    expect(window.get_by_role("button", name="Make it live")).to_be_focused()
    window.keyboard.press("Enter")
    expect(window.locator("#live")).to_contain_text("by ann")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_its_window(browser: Browser, served: Ops, width: int, scheme: str) -> None:
    page = browser.new_page(base_url=served.url, viewport={"width": width, "height": 800}, color_scheme=scheme)
    dataset, ids = f"/ops/datasets/{served.dataset_id}", ",".join(map(str, served.experiments))
    token = served.store.datasets.share(served.dataset_id)
    for address in (
        "/ops/datasets",
        dataset,
        f"{dataset}/settings",
        f"{dataset}/examples/new",
        f"{dataset}/upload",
        f"{dataset}/experiments",
        f"{dataset}/experiments/{served.experiments[0]}",
        f"{dataset}/compare?selectedSessions={ids}",
        "/ops/prompts/answer",
        "/ops/queues",
        f"/ops/queues/{served.queue_id}",
        f"/ops/queues/{served.queue_id}/review",
        f"/public/{token}/d",
    ):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
        unnamed = page.evaluate(_UNNAMED)
        assert unnamed == [], (address, unnamed)
    page.close()


_UNNAMED = """
    [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href]')]
        .filter((one) => !(one.labels?.length || one.getAttribute('aria-label') || one.textContent.trim()))
        .map((one) => one.outerHTML)
"""
