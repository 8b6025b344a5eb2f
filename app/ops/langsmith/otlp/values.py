"""Values of OpenTelemetry attributes as plain ones, and what is spread over many attributes put together again."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic_core import from_json

_DEEPEST = 8
"""Steps of a name that are taken apart; what follows stays one name."""
_LONGEST_JSON = 20 * 1024 * 1024


def attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    """The `KeyValue` messages as a mapping; of equal keys the last counts."""
    return {pair.key: plain(pair.value) for pair in pairs}


def plain(value: Any) -> Any:
    """What an `AnyValue` holds; bytes as base64."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return b64encode(value.bytes_value).decode()
    return getattr(value, kind) if kind in _PLAIN else None


_PLAIN = {"string_value", "bool_value", "int_value", "double_value"}


def parsed(value: Any) -> Any:
    """The object or list that a text holds as JSON; anything else as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "[") or len(value) > _LONGEST_JSON:
        return value
    try:
        return from_json(value)
    except ValueError:
        return value


def below(found: Mapping[str, Any], prefix: str) -> Any:
    """What the attributes whose names begin with `prefix.` say together: objects, and lists where names are numbers.

    None if there are none.
    """
    tree: dict[str, Any] = {}
    for name, value in _ordered(found, f"{prefix}."):
        *path, last = name.split(".", _DEEPEST)
        branch = tree
        for step in path:
            branch = branch.setdefault(step, {})
            if not isinstance(branch, dict):
                break
        else:
            branch.setdefault(last, value)
    return _with_lists(tree) if tree else None


def _ordered(found: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    return ((name.removeprefix(prefix), value) for name, value in found.items() if name.startswith(prefix))


def _with_lists(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    whole = {name: _with_lists(value) for name, value in tree.items()}
    if whole and all(name.isascii() and name.isdigit() and len(name) < 10 for name in whole):
        return [whole[name] for name in sorted(whole, key=int)]
    return whole
