"""Chainlit's page, kept from calling other sites."""

from __future__ import annotations

import re

import chainlit.server

_OUTSIDE = re.compile(r"<link\b[^>]*\bhref=\"https?://[^>]*>\s*")


def keep_page_local() -> None:
    """Serve the page without its links to font and style servers: a browser connects to those at once.

    Chainlit has no setting for them, so its function that makes the page is replaced.
    """
    page = chainlit.server.get_html_template
    chainlit.server.get_html_template = lambda root_path: without_outside_links(page(root_path))


def without_outside_links(html: str) -> str:
    """The page without `<link>`s that lead to another host."""
    return _OUTSIDE.sub("", html)
