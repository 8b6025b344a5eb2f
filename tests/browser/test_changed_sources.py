"""An answer whose source has changed says so in its thread, and the ops pages list it until the text is back."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

QUESTION = "Where are umbrellas lent?"
BEFORE = "# Umbrellas\n\nUmbrellas are lent at the north gate. Bring them back within a week.\n"
AFTER = "# Umbrellas\n\nUmbrellas are lent in the library. Bring them back within a week.\n"
NOTE = "Source changed since: umbrellas.md."


def test_an_old_answer_says_that_its_source_has_changed(
    product: Any, publish: Any, chat: Any, ops: Any, reload_until: Any
) -> None:
    publish("umbrellas.md", BEFORE, "Porters")
    expect(chat.ask(QUESTION)).to_contain_text("at the north gate")
    chat.page.wait_for_url("**/thread/*")
    chat.page.reload()
    expect(chat.answers.last).to_contain_text("at the north gate")
    expect(chat.answers.last).not_to_contain_text("changed since")

    publish("umbrellas.md", AFTER, "Porters")
    ops.goto(f"{product.url}/ops/stale")
    document = ops.get_by_role("row").filter(has_text="umbrellas.md")
    reload_until(ops, document)
    expect(document).to_contain_text("changed")
    document.get_by_role("link").click()
    ops.get_by_role("link", name=QUESTION).click()
    expect(ops.get_by_role("main")).to_contain_text("at the north gate")

    chat.page.reload()
    expect(chat.answers.last).to_contain_text(NOTE)
    expect(chat.answers).to_have_count(1)
    chat.source(1).click()
    expect(chat.panel).to_contain_text("Source changed since")
    expect(chat.panel.locator(".font-bold").first).to_contain_text("north gate")
    expect(chat.ask(QUESTION)).to_contain_text("in the library")

    publish("umbrellas.md", BEFORE, "Porters")
    ops.goto(f"{product.url}/ops/stale")
    reload_until(ops, ops.get_by_role("cell", name="changed"))
