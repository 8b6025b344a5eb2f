"""Thumbs: in the chat, and where the product team finds them."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

QUESTION = "How long does parental leave last, and who is asked before it begins?"
REASON = "The cited source doesn't say this"


def test_a_thumbs_down_reaches_the_trace_and_can_be_changed_and_undone(chat: Any, ops: Any, reload_until: Any) -> None:
    page = chat.page
    chat.ask("When is the north gate open?")
    chat.ask(QUESTION)
    page.get_by_label("Something is wrong with this answer").last.click()
    expect(page.get_by_label(REASON)).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("It says twelve.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".negative-feedback-on")).to_have_count(1)
    expect(page.locator("[data-step-type='assistant_message']").last.locator(".negative-feedback-on")).to_be_visible()

    row = ops.get_by_role("row").filter(has_text=QUESTION)
    reload_until(ops, row.get_by_label("thumbs down"))
    expect(row.locator("[data-label='Arm']")).to_have_text(["narrow", "wide"][row.get_by_text("wide").count()])
    expect(row.locator("[data-label='Cost']")).to_contain_text("$")
    expect(ops.get_by_role("row").filter(has_text="When is the north gate").first.get_by_label("thumbs")).to_have_count(
        0
    )

    row.get_by_role("link", name=QUESTION).click()
    expect(ops.get_by_role("heading", name=QUESTION)).to_be_visible()
    feedback = ops.locator(".feedback")
    expect(feedback).to_contain_text(REASON)
    expect(feedback.locator("blockquote")).to_have_text("It says twelve.")
    expect(ops.locator("#source-1")).to_contain_text("leave.pdf")

    page.get_by_label("This answer helped").last.click()
    page.get_by_label("Comment (optional)").wait_for()
    expect(page.get_by_label(REASON)).to_have_count(0)
    page.get_by_role("button", name="Send", exact=True).last.click()
    expect(page.locator(".positive-feedback-on")).to_have_count(1)
    reload_until(ops, feedback.get_by_text("Thumbs up"))
    expect(feedback).to_have_count(1)

    page.get_by_label("Undo: this answer helped").click()
    expect(page.locator(".positive-feedback-on")).to_have_count(0)
    reload_until(ops, ops.get_by_text("Nobody has rated this turn."))
