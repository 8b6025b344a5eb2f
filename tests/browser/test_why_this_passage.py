"""The source panel and the trace say in plain words why a passage was found; the keyboard alone is enough for it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

QUESTION = "How many days of annual leave do full-time staff have?"


def test_the_reasons_are_a_list_below_a_heading_and_reached_by_keyboard(chat: Any) -> None:
    chat.ask(QUESTION)
    chat.source(1).focus()
    chat.page.keyboard.press("Enter")
    expect(chat.panel.get_by_role("heading", level=4)).to_have_text("Why this passage")
    reasons = chat.panel.get_by_role("listitem")
    expect(reasons).to_have_text(
        [
            re.compile(r"Meaning: 0\.\d\d like the question, where 1 says the same; place 1 among all passages\."),
            re.compile(r"Words: it shares .*“leave”.*; score [\d.]+; place 1 among all passages\."),
            re.compile(r"Both together: \d\.\d\d, where 1 is the best in both\."),
        ]
    )
    expect(chat.page.get_by_label("Close the source")).to_be_focused()
    chat.page.keyboard.press("Escape")
    expect(chat.source(1)).to_be_focused()


def test_the_trace_shows_the_places_and_the_words(product: Any, chat: Any, ops: Any, reload_until: Any) -> None:
    chat.ask(QUESTION)
    ops.goto(f"{product.url}/ops/turns")
    turn = ops.get_by_role("link", name=QUESTION)
    reload_until(ops, turn)
    turn.first.click()
    best = ops.get_by_role("table").filter(has_text="Meaning").get_by_role("row").nth(1)
    expect(best).to_contain_text("leave.pdf")
    expect(best).to_contain_text("Words of the question: ")
    expect(best).to_contain_text("place 1")
