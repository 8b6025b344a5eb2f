"""The grammar of filters: `operator(argument, …)`, where an argument is a call, a field's name or a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from app.ops.store.errors import InvalidQuery

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": lambda column, value: column == value,
    "neq": lambda column, value: column.is_distinct_from(value),
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
}
"""What the operators that compare a field with a value mean for a column."""
_MAX_LENGTH = 10_000
_MAX_TOKENS = 2_000
_MAX_DEPTH = 20
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*')
      | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<sign>[()\[\],])
    )""",
    re.VERBOSE | re.DOTALL,
)
_WORDS = {"true": True, "false": False, "null": None, "none": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True)
class Name:
    """A field."""

    name: str


@dataclass(frozen=True)
class Literal:
    """Text, a number, true, false, null, or a list of these."""

    value: Any


@dataclass(frozen=True)
class Call:
    """An operator and what it is applied to."""

    operator: str
    arguments: tuple[Node, ...]


Node = Name | Literal | Call


def parse(text: str) -> Node:
    """The tree of a filter. Raises InvalidQuery that says where reading stopped."""
    if len(text) > _MAX_LENGTH:
        raise InvalidQuery(f"The filter is longer than {_MAX_LENGTH} characters.")
    parser = _Parser(text)
    node = parser.node(depth=0)
    parser.expect("")
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        if len(self._tokens) > _MAX_TOKENS:
            raise InvalidQuery("The filter has too many conditions.")
        self._next = 0

    def node(self, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise InvalidQuery(f"The filter is nested more than {_MAX_DEPTH} deep.")
        kind, value, at = self._take()
        if kind == "word" and self._peek() == "(":
            self._take()
            return Call(value.lower(), tuple(self._items(")", depth)))
        if kind == "word":
            return Literal(_WORDS[value.lower()]) if value.lower() in _WORDS else Name(value)
        if (kind, value) == ("sign", "["):
            return Literal([self._value_of(item) for item in self._items("]", depth)])
        if kind in ("text", "number"):
            return Literal(_unquoted(value) if kind == "text" else _number(value))
        raise InvalidQuery(f"The filter cannot be read at character {at}.")

    def expect(self, sign: str) -> None:
        _, value, at = self._take()
        if value != sign:
            raise InvalidQuery(f"The filter cannot be read at character {at}: expected {sign or 'its end'!r}.")

    def _items(self, end: str, depth: int) -> Iterator[Node]:
        while self._peek() != end:
            yield self.node(depth + 1)
            if self._peek() != end:
                self.expect(",")
        self.expect(end)

    def _value_of(self, item: Node) -> Any:
        if not isinstance(item, Literal):
            raise InvalidQuery("A list in a filter holds values only.")
        return item.value

    def _peek(self) -> str:
        kind, value, _ = self._tokens[self._next]
        return value if kind != "text" else ""

    def _take(self) -> tuple[str, str, int]:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise InvalidQuery(f"The filter cannot be read at character {at}.")
        yield match.lastgroup, match[match.lastgroup], at
        at = match.end()
    yield "end", "", end


def _unquoted(quoted: str) -> str:
    try:
        return str(from_json(quoted))
    except ValueError:  # in single quotes, or with line ends or escapes that JSON does not have
        return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), quoted[1:-1], flags=re.DOTALL)


def _number(text: str) -> float | int:
    if re.fullmatch(r"-?\d{1,18}", text):
        return int(text)
    return float(text)
