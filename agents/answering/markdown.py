"""Text of others as Markdown that shows it and does nothing else."""

from __future__ import annotations

import re

# Not every sign that may mean something, only those that can make a link, an image, HTML, code or emphasis: the text is
# also read as it stands, in terminals and by programs.
_ACTIVE = re.compile(r"[\\`*\[\]<]|~~|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
_LINE_START = re.compile(r"^(?:[#>=]|-(?=-)|\+(?=\+))")
_LIST_NUMBER = re.compile(r"^(\d{1,9})(?=[.)](?:\s|$))")
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def escape(text: str) -> str:
    """The text with everything active escaped, line by line, trimmed; control and direction signs are dropped."""
    lines = (_INVISIBLE.sub("", line).strip() for line in text.splitlines())
    return "\n".join(_escape_line(line) for line in lines if line)


def _escape_line(line: str) -> str:
    line = _LINE_START.sub(r"\\\g<0>", _ACTIVE.sub(r"\\\g<0>", line))
    return _LIST_NUMBER.sub(r"\1\\", line)


def one_line(text: str) -> str:
    """`escape`, with all white space made single spaces."""
    return escape(" ".join(text.split()))


def blockquote(text: str) -> str:
    """Escaped text as a block quote that keeps its lines."""
    return "  \n".join(f"> {line}" for line in escape(text).splitlines())
