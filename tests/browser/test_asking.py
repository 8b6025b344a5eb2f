"""Asking: the answer grows, its sources open, and what cannot be answered is said plainly."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

DAYS = "How many days of annual leave do full-time staff have?"
QUOTE = "Full-time staff have 28 days of annual leave in each calendar year."
CARD = "4111 1111 1111 1111"
SOCKET = "**/socket.io/**"
WATCH = """() => {
  const answers = "[data-step-type='assistant_message'] .message-content";
  window.seen = [];
  new MutationObserver(() => {
    const text = [...document.querySelectorAll(answers)].at(-1)?.innerText;
    if (text && text !== seen.at(-1)) seen.push(text);
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""


def test_the_quote_comes_first_and_then_the_answer_grows(chat: Any) -> None:
    chat.page.evaluate(WATCH)
    chat.ask("Is parental leave paid?")
    first, *_, last = chat.page.evaluate("seen")
    quoted = "Parental leave lasts sixteen weeks and is fully paid."
    assert quoted in first
    assert first.count("[1]") == 1
    assert quoted in last
    assert last.count("[1]") == 2


def test_a_source_opens_at_the_quoted_words(chat: Any) -> None:
    chat.ask(DAYS)
    expect(chat.panel).to_have_count(0)
    chat.source(1).click()
    expect(chat.panel.get_by_role("heading", level=3)).to_have_text("Leave policy")
    expect(chat.panel).to_contain_text("leave.pdf")
    expect(chat.panel).to_contain_text("page 2")
    marked = chat.panel.locator(".font-bold")
    expect(marked.first).to_contain_text("28 days of annual leave")
    assert marked.first.evaluate("mark => getComputedStyle(mark).backgroundColor") != "rgba(0, 0, 0, 0)"
    expect(chat.panel).to_contain_text("carried over until the end of March")
    with chat.page.expect_popup() as popup:
        chat.panel.get_by_role("link", name="Open the original at page 2").click()
    assert popup.value.url.endswith("#page=2")
    original = chat.page.request.get(popup.value.url)
    assert original.headers["content-type"] == "application/pdf"
    assert original.body().startswith(b"%PDF")


def test_an_open_source_stays_when_the_next_answer_comes(chat: Any) -> None:
    chat.ask(DAYS)
    chat.source(1).click()
    chat.ask("When is the north gate open?")
    expect(chat.panel.get_by_role("heading", level=3)).to_have_text(["Leave policy"])
    chat.source(1).click()
    expect(chat.panel.get_by_role("heading", level=3)).to_have_text(["Gates and visitors"])
    expect(chat.panel).to_contain_text("porter:desk")


def test_what_the_documents_do_not_say_is_not_answered(chat: Any) -> None:
    answer = chat.ask("What is the capital of Mongolia?")
    expect(answer).to_contain_text("I could not find an answer to this in the documents.")
    assert "Ulaanbaatar" not in answer.inner_text()


def test_what_is_sent_before_the_page_is_connected_is_sent_once_it_is(chat: Any) -> None:
    chat.page.route(SOCKET, lambda route: route.abort())
    chat.open()
    chat.input.fill("When is the north gate open?")
    chat.input.press("Enter")
    expect(chat.page.get_by_label("Send", exact=True)).to_be_disabled()
    chat.page.unroute(SOCKET)
    expect(chat.answers.last).to_contain_text("06:00 to 22:00")
    expect(chat.page.locator("[data-step-type='user_message']")).to_have_count(1)


def test_a_follow_up_is_understood(chat: Any) -> None:
    chat.ask(DAYS)
    expect(chat.ask("And for part-time staff?")).to_contain_text("in proportion to their weekly hours")


def test_a_stopped_answer_stays_and_the_next_question_works(chat: Any, product: Any, holding_the_model: Any) -> None:
    with holding_the_model(product.pid):
        chat.send(DAYS)
        expect(chat.answers.last).to_contain_text(QUOTE)
        chat.page.get_by_label("Stop the answer").click()
        expect(chat.answers.last).to_contain_text("Stopped.")
    expect(chat.answers.last).to_contain_text(QUOTE)
    expect(chat.answers).to_have_count(1)
    chat.source(1).click()
    expect(chat.panel).to_contain_text("leave.pdf")
    expect(chat.ask("When is the north gate open?")).to_contain_text("06:00 to 22:00")
    expect(chat.answers).to_have_count(2)


def test_a_question_that_is_too_long_stays_where_it_is_typed(chat: Any) -> None:
    chat.input.fill("x" * 2_000_000)
    expect(chat.page.get_by_role("alert")).to_contain_text("2,000,000 characters; the limit is 4,000")
    chat.input.press("Enter")
    chat.page.get_by_label("Send", exact=True).click()
    expect(chat.page.locator("[data-step-type='user_message']")).to_have_count(0)
    assert len(chat.input.input_value()) == 2_000_000
    expect(chat.ask(DAYS)).to_contain_text("28 days")
    expect(chat.page.locator(".parley-limit")).to_have_count(0)


def test_a_refused_question_comes_back(chat: Any) -> None:
    for _ in range(8):
        chat.ask("Thank you!")
    chat.open()
    chat.send(DAYS)
    chat.page.wait_for_url("**/thread/*")  # Where a thread begins, Chainlit draws a new box.
    expect(chat.answers.last).to_contain_text("You may ask 8 questions a minute. Try again in")
    expect(chat.input).to_have_value(DAYS)


def test_a_card_number_is_removed_before_anything_is_kept(chat: Any, product: Any, ops: Any, reload_until: Any) -> None:
    chat.ask(f"I paid for a new badge with {CARD}. What does a new badge cost?")
    expect(chat.page.locator("[data-step-type='system_message']")).to_contain_text("card number")
    reload_until(ops, ops.get_by_role("link", name="I paid for a new badge"))
    assert product.holds("I paid for a new badge with")
    assert product.holds(CARD) == []
    assert product.holds(CARD.replace(" ", "")) == []


def test_all_of_it_by_keyboard(chat: Any) -> None:
    keyboard = chat.page.keyboard
    expect(chat.input).to_be_focused()
    keyboard.type(DAYS)
    keyboard.press("Enter")
    expect(chat.thumbs_down).to_have_count(1)
    press_until_focused(chat.page, "Shift+Tab", chat.source(1))
    keyboard.press("Enter")
    expect(chat.page.get_by_label("Close the source")).to_be_focused()
    expect(chat.panel).to_contain_text("28 days")
    keyboard.press("Escape")
    expect(chat.panel).to_have_count(0)
    expect(chat.source(1)).to_be_focused()


def press_until_focused(page: Any, key: str, wanted: Any) -> None:
    for _ in range(40):
        page.keyboard.press(key)
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{key} does not lead there")


def test_everything_has_a_name_and_answers_are_announced(chat: Any) -> None:
    log = chat.page.get_by_role("log", name="Conversation")
    expect(log).to_have_attribute("aria-live", "polite")
    chat.ask(DAYS)
    chat.source(1).click()
    expect(log.get_by_text("28 days").first).to_be_visible()
    for button in chat.page.get_by_role("button").all():
        assert button.get_attribute("aria-label") or button.inner_text().strip()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_fails_and_nothing_is_asked_of_another_host(chat: Any, product: Any, width: int) -> None:
    requested: list[str] = []
    chat.page.on("request", lambda request: requested.append(request.url))
    chat.page.set_viewport_size({"width": width, "height": 800})
    chat.errors.clear()
    chat.open()
    chat.ask(DAYS)
    expect(chat.panel).to_have_count(0)
    assert chat.errors == []
    assert "WARNING chainlit" not in (product.folder / "server.log").read_text()
    assert [url for url in requested if not url.startswith((chat.url, "data:", "blob:"))] == []
    assert chat.page.locator("link[href^='http']").count() == 0
    assert chat.page.evaluate("document.documentElement.scrollWidth") <= width
