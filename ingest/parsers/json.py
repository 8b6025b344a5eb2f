"""Data as JSON, and as one JSON value per line (JSONL)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ingest.errors import RefusedFile
from ingest.parsers.base import Outline, ParsedDocument, one_line
from ingest.parsers.text import decode

_MAX_HEADINGS = 3


def parse(data: bytes, stem: str) -> ParsedDocument:
    """Keys as headings, values as `key: value` lines, a list's records one by one."""
    return _document(_loads(decode(data)), stem)


def parse_lines(data: bytes, stem: str) -> ParsedDocument:
    """The same, of a value on each line."""
    return _document([_loads(line) for line in decode(data).splitlines() if line.strip()], stem)


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise RefusedFile("broken", f"It is no JSON ({error}).") from error


def _document(value: Any, stem: str) -> ParsedDocument:
    outline = Outline()
    _add(outline, value, 1)
    return ParsedDocument(stem, outline.finish())


def _add(outline: Outline, value: Any, level: int) -> None:
    """A value below the headings that are open; what lies deeper than headings go is written in lines."""
    if isinstance(value, dict) and level <= _MAX_HEADINGS:
        _add_lines(outline, {key: inner for key, inner in value.items() if not isinstance(inner, dict | list)})
        for key, inner in value.items():
            if isinstance(inner, dict | list):
                outline.heading(str(key), level)
                _add(outline, inner, level + 1)
        outline.close(level)
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for item in value:
            _add_lines(outline, item)
    else:
        _add_lines(outline, value)


def _add_lines(outline: Outline, value: Any) -> None:
    outline.add("\n".join(f"{path}: {text}" if path else text for path, text in _flat(value) if text), "list")


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every single value below a value, with the keys that lead to it: `owner.name`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for inner in value:
            yield from _flat(inner, path)
    elif isinstance(value, list):
        yield path, "; ".join(map(_text, value))
    else:
        yield path, _text(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return one_line(value) if isinstance(value, str) else json.dumps(value)
