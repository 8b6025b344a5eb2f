"""The first page: signing in, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def test_one_click_signs_in_once(product: Any, page: Page, account: Callable[..., str]) -> None:
    accounts = product.accounts()
    link = f"{product.url}/signin?token={accounts.create_signin_link(account(), timedelta(minutes=5))}"
    accounts.close()
    page.goto(link)
    expect(page.get_by_label("Your question")).to_be_visible()
    page.context.clear_cookies()
    page.goto(link)
    expect(page.get_by_role("alert")).to_contain_text("has been used or has expired")


def test_a_password_signs_in_and_a_wrong_one_says_so(product: Any, page: Page, account: Callable[..., str]) -> None:
    name = account()
    page.goto(product.url)
    page.wait_for_url("**/signin?next=*")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill("wrong wrong wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("don't match")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill("correct horse battery")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Your question")).to_be_visible()


def test_the_start_page_says_what_parley_is_for(chat: Any) -> None:
    about = chat.page.get_by_label("About Parley")
    expect(about).to_contain_text("shows the passage behind each claim")
    expect(about).to_contain_text("it can be wrong")
    expect(about).to_contain_text("are kept so that")
    logo = chat.page.get_by_role("img", name="Parley")
    assert "Parley" in chat.page.request.get(logo.get_attribute("src")).text()
    expect(chat.input).to_have_attribute("placeholder", "Ask about your documents")
    starters = chat.page.locator("#starters button")
    expect(starters).to_have_count(2)
    assert sorted(starters.all_inner_texts()) == ["Tell me about gates and visitors", "Tell me about leave policy"]


def test_a_starter_question_is_answered(chat: Any) -> None:
    chat.page.get_by_role("button", name="Tell me about leave policy").click()
    expect(chat.thumbs_down).to_have_count(1)
    expect(chat.answers.last.locator("blockquote").first).to_be_visible()


def test_the_ops_pages_are_for_analysts(chat: Any, ops: Page) -> None:
    refused = chat.page.request.get(f"{chat.url}/ops")
    assert refused.status == 403
    assert "Turns" not in refused.text()
    expect(ops.get_by_role("heading", name="Turns")).to_be_visible()
