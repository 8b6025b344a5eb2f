"""The page that Chainlit serves, with its calls to other sites taken out."""

from __future__ import annotations

from app.chat.page import without_outside_links

PAGE = """<head>
    <link rel="icon" href="/favicon" />
    <link rel="preconnect" href="https://fonts.example" crossorigin />
    <link
      rel="stylesheet"
      href="https://cdn.example/katex.css"
    />
    <link rel="stylesheet" crossorigin href="/assets/index.css">
</head>"""


def test_links_to_other_hosts_go_and_own_ones_stay() -> None:
    page = without_outside_links(PAGE)
    assert "://" not in page
    assert 'href="/favicon"' in page
    assert 'href="/assets/index.css"' in page
