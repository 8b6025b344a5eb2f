"""From a thumbs-down to its owner, to a mended document, and back to the user who complained."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

QUESTION = "Where are bicycles parked?"
BEFORE = "# Bicycles\n\nBicycles are parked behind the canteen. Electric bicycles are charged there too.\n"
AFTER = "# Bicycles\n\nBicycles are parked in the basement garage. Electric bicycles are charged there too.\n"
OWNER = "Facilities team"


def test_a_thumbs_down_ends_with_the_user_being_told(
    product: Any, publish: Any, chat: Any, ops: Any, reload_until: Any
) -> None:
    publish("bicycles.md", BEFORE, OWNER)
    page = chat.page
    expect(chat.ask(QUESTION)).to_contain_text("behind the canteen")
    page.get_by_label("Something is wrong with this answer").last.click()
    page.get_by_label("Comment (optional)").fill("They moved in spring.")
    page.get_by_role("button", name="Send", exact=True).last.click()
    expect(page.locator(".negative-feedback-on")).to_have_count(1)

    ops.goto(f"{product.url}/ops/complaints")
    row = ops.get_by_role("row").filter(has_text=QUESTION)
    reload_until(ops, row)
    expect(row).to_contain_text(OWNER)
    expect(row).to_contain_text("bicycles.md")
    row.get_by_role("link", name=QUESTION).click()
    expect(ops.get_by_role("main")).to_contain_text("They moved in spring.")
    complaint = ops.url

    publish("bicycles.md", AFTER, OWNER)
    reload_until(ops, ops.get_by_role("main").get_by_text("basement garage"))
    expect(ops.get_by_role("main")).to_contain_text("Fixed")
    ops.goto(f"{product.url}/ops/datasets")
    expect(ops.get_by_role("row").filter(has_text="regressions")).to_be_visible()

    chat.open()
    expect(chat.answers).to_have_count(1)
    expect(chat.answers).to_contain_text("followed up on your feedback")
    expect(chat.answers).to_contain_text(QUESTION)
    expect(chat.answers).to_contain_text("basement garage")
    chat.open()
    expect(chat.input).to_be_visible()
    expect(chat.answers).to_have_count(0)
    ops.goto(complaint)
    expect(ops.get_by_role("main")).to_contain_text("told")
