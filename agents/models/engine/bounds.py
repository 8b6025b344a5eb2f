"""JSON schemas in which every text and list has an end: a small model doesn't end them by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

USUAL_ITEMS = 16
"""What a list may have where its schema says nothing."""
LEAST_CHARACTERS = 16
"""What a text may always have."""
MOST = 1000
"""Characters of a text and items of a list, whatever a schema says: a grammar spells each of them out."""
_AROUND_A_NAME = 6
"""Characters: quotes, colon, comma and blanks."""
_SCHEMA_BYTES = 64 << 10
_NOT_SCHEMAS = {"const", "enum", "default", "examples", "required"}
_WITH_OWN_FORM = {"const", "enum", "pattern", "format", "$ref"}
_LARGE_REPEAT = re.compile(r"\d{4,}")


def bounded(schema: Mapping[str, Any], max_tokens: int) -> dict[str, Any]:
    """A copy of the schema whose values so many tokens hold, unless its own bounds are wider.

    Raises ValueError for what would take too much to compute.
    """
    if len(json.dumps(schema)) > _SCHEMA_BYTES:
        raise ValueError("it is too large")
    return _copy(schema, _characters(schema, max_tokens))


def _characters(schema: Mapping[str, Any], max_tokens: int) -> int:
    """What each text may have: as many as there are tokens, which are longer, after those for the names."""
    parts = list(_parts(schema))
    texts = sum(times for part, times in parts if part.get("type") == "string" and "maxLength" not in part)
    names = sum(times * (len(name) + _AROUND_A_NAME) for part, times in parts for name in part.get("properties", ()))
    return max(LEAST_CHARACTERS, (max_tokens - names) // max(1, texts))


def _parts(schema: Any, times: int = 1) -> Iterator[tuple[Mapping[str, Any], int]]:
    """Each schema inside of this one, and how often a value may have it."""
    if isinstance(schema, list):
        for part in schema:
            yield from _parts(part, times)
    elif isinstance(schema, Mapping):
        yield schema, times
        if schema.get("type") == "array":
            times *= _number(schema.get("maxItems"), USUAL_ITEMS)
        for part in (part for key, part in schema.items() if key not in _NOT_SCHEMAS):
            yield from _parts(part, times)


def _copy(schema: Any, characters: int) -> Any:
    if isinstance(schema, list):
        return [_copy(part, characters) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    kind = schema.get("type")
    if isinstance(kind, list):
        return {"anyOf": [_copy({**schema, "type": one}, characters) for one in kind]}
    copy = {key: part if key in _NOT_SCHEMAS else _copy(part, characters) for key, part in schema.items()}
    if kind == "string":
        _bind(copy, "Length", characters)
    elif kind == "array":
        _bind(copy, "Items", USUAL_ITEMS)
    return copy


def _bind(schema: dict[str, Any], measure: str, usual: int) -> None:
    if _LARGE_REPEAT.search(str(schema.get("pattern", ""))):
        raise ValueError(f"the pattern {schema['pattern'][:80]} repeats too often")
    if _WITH_OWN_FORM.isdisjoint(schema):
        least = _number(schema.get(f"min{measure}"), 0)
        schema[f"min{measure}"] = least
        schema[f"max{measure}"] = max(least, _number(schema.get(f"max{measure}"), usual))


def _number(asked: Any, usual: int) -> int:
    return min(asked, MOST) if isinstance(asked, int) else usual
