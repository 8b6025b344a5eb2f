"""Coming back to a thread: after a reload, in the middle of an answer, and after the server was killed."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

DAYS = "How many days of annual leave do full-time staff have?"
PASSWORD = "correct horse battery"
QUOTE = "Full-time staff have 28 days of annual leave in each calendar year."


def test_a_thread_is_resumed_with_its_sources_and_thumbs(chat: Any) -> None:
    chat.ask(DAYS)
    chat.page.get_by_label("This answer helped").click()
    chat.page.get_by_role("button", name="Send", exact=True).last.click()
    expect(chat.page.locator(".positive-feedback-on")).to_have_count(1)
    chat.open()
    chat.page.locator("#thread-history").get_by_text("How many days").click()
    expect(chat.answers.last).to_contain_text(QUOTE)
    expect(chat.page.locator(".positive-feedback-on")).to_have_count(1)
    expect(chat.panel).to_have_count(0)
    chat.source(1).click()
    expect(chat.panel).to_contain_text("leave.pdf")
    expect(chat.panel.locator(".font-bold").first).to_contain_text("28 days")
    expect(chat.ask("And for part-time staff?")).to_contain_text("in proportion to their weekly hours")


def test_an_answer_is_shown_though_the_page_was_reloaded_meanwhile(chat: Any) -> None:
    chat.send(DAYS)
    expect(chat.answers.last).to_contain_text(QUOTE)
    chat.page.wait_for_url("**/thread/*")
    chat.page.reload()
    expect(chat.answers.last).to_contain_text(QUOTE)
    expect(chat.answers).to_have_count(1)
    expect(chat.thumbs_down).to_have_count(1)


def test_a_question_that_a_kill_left_open_says_so(chat: Any, product: Any, holding_the_model: Any) -> None:
    chat.ask("When is the north gate open?")
    with holding_the_model(product.pid):
        chat.send(DAYS)
        expect(chat.answers.last).to_contain_text(QUOTE)
        thread = chat.page.url
        product.kill()
    product.start()
    expect(chat.page).to_have_url(thread)
    expect(chat.answers.last).to_have_text("This answer was interrupted. Please ask again.")
    expect(chat.answers.first).to_contain_text("06:00 to 22:00")
    expect(chat.ask(DAYS)).to_contain_text(QUOTE)
    chat.page.reload()
    expect(chat.answers).to_have_count(3)
    expect(chat.answers.last).to_contain_text(QUOTE)


def test_a_page_that_got_no_answer_to_who_is_signed_in_comes_back_to_its_thread(chat: Any) -> None:
    chat.ask("When is the north gate open?")
    chat.page.wait_for_url("**/thread/*")
    thread = chat.page.url
    silences = iter(range(3))
    chat.page.route("**/user", lambda route: route.continue_() if next(silences, None) is None else route.abort())
    chat.page.reload()
    expect(chat.answers.last).to_contain_text("06:00 to 22:00")
    expect(chat.page).to_have_url(thread)


def test_signing_in_again_leads_back_to_the_thread(chat: Any, product: Any) -> None:
    chat.ask("When is the north gate open?")
    chat.page.wait_for_url("**/thread/*")
    thread = chat.page.url
    name = chat.page.request.get(f"{product.url}/user").json()["identifier"]
    chat.page.context.clear_cookies()
    chat.page.reload()
    chat.page.get_by_label("Name").fill(name)
    chat.page.get_by_label("Password").fill(PASSWORD)
    chat.page.keyboard.press("Enter")
    expect(chat.page).to_have_url(thread)
    expect(chat.answers.last).to_contain_text("06:00 to 22:00")
