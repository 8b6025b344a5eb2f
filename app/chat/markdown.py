"""Markdown as the chat page reads it, which is more than CommonMark."""

from __future__ import annotations

import re

# The page's renderer takes `:name` for a directive and drops it: "openai:gpt" would be shown as "openai".
_DIRECTIVE = re.compile(r"(?<!\\):(?=[^\W\d])")


def for_page(markdown: str) -> str:
    """The same Markdown, with nothing in it that the page would drop."""
    return _DIRECTIVE.sub(r"\:", markdown)
