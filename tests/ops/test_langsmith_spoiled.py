"""What a client sent, with something wrong in it: the API answers what is wrong, and never that it failed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording import NOBODY, Sent, Serve, Used, fault, recorded, some

from app.ops.store import OpsStore

EXAMPLES = 200
UUIDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
HOSTILE: list[Any] = [
    None,
    True,
    -1,
    2**70,
    1e308,
    float("nan"),
    "",
    "\x00",
    "\ud800",
    "%00",
    "x" * 70_000,
    "' OR 1=1 --",
    'and(eq(name, "',
    "eq(latency, 1e999)",
    "search(" * 500,
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999+00:00",
    "2026-99-99",
    "00000000-0000-0000-0000-000000000000",
    [],
    {},
    [None],
    {"\x00": "\x00"},
    json.loads("[" * 500 + "]" * 500),
    {"$ref": "#"},
]


@pytest.fixture
def used(store: OpsStore, serve: Serve, tmp_path: Path) -> Iterator[Used]:
    with recorded(store, serve, tmp_path) as used:
        yield used


@st.composite
def spoiled(draw: st.DrawFn, sent: list[Sent]) -> Sent:
    """A request with one thing in it that no client would send."""
    one = draw(st.sampled_from(sent))
    ways = [spoil_path]
    if one.query:
        ways.append(spoil_query)
    if one.headers.get("content-type", "").startswith("application/json") and one.body:
        ways += [spoil_json] * 4
    return draw(st.sampled_from(ways))(draw, one)


def spoil_path(draw: st.DrawFn, one: Sent) -> Sent:
    """A step of the path is another."""
    steps = one.path.split("/")
    at = draw(st.integers(2, len(steps) - 1))
    steps[at] = draw(st.sampled_from(["", "0", "%00", "%FF", "..%2F", "x" * 2000, NOBODY, "latest"]))
    return replace(one, path="/".join(steps))


def spoil_query(draw: st.DrawFn, one: Sent) -> Sent:
    """A parameter has a value that no client would send."""
    pairs = parse_qsl(one.query)
    at = draw(st.integers(0, len(pairs) - 1))
    value = draw(st.sampled_from(HOSTILE))
    text = value if isinstance(value, str) else json.dumps(value)
    pairs[at] = (pairs[at][0], text[:2000])
    return replace(one, query=urlencode(pairs, errors="surrogatepass"))


def spoil_json(draw: st.DrawFn, one: Sent) -> Sent:
    """A value in the body is another, or is gone."""
    document = [json.loads(one.body)]
    holder, key = draw(st.sampled_from(list(places(document))))
    if isinstance(holder, dict) and draw(st.booleans()):
        del holder[key]
    else:
        holder[key] = draw(st.sampled_from(HOSTILE))
    return replace(one, body=json.dumps(document[0]).encode())


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document, as its holder and the key or index in it."""
    keys = range(len(value)) if isinstance(value, list) else list(value) if isinstance(value, dict) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


def test_what_a_client_sent_answers_with_something_wrong_in_it(used: Used) -> None:
    faults: dict[str, str] = {}

    @some(EXAMPLES)
    @given(one=spoiled(used.sent))
    def send(one: Sent) -> None:
        if wrong := fault(one.send(used.session, used.host)):
            faults[f"{one.method} {one.path[:200]}?{one.query[:500]} {one.body[:2000]!r}"] = wrong

    send()
    assert faults == {}


def test_every_place_of_every_body_may_hold_what_a_database_cannot(used: Used) -> None:
    faults: dict[str, str] = {}
    for one in of_every_kind(used.sent):
        for body in with_each_place_set(json.loads(one.body), ["nothing \x00 more", "\ud800", 2**70]):
            if wrong := fault(replace(one, body=body).send(used.session, used.host)):
                faults[f"{one.method} {one.path} {body[:2000]!r}"] = wrong
    assert faults == {}


def with_each_place_set(document: Any, values: list[Any]) -> Iterator[bytes]:
    """The document as often as it has places, each time with another of them holding each of the values."""
    holding = [document]
    for holder, key in list(places(holding)):
        kept = holder[key]
        for value in values:
            holder[key] = value
            yield json.dumps(holding[0]).encode()
        holder[key] = kept


def of_every_kind(sent: list[Sent]) -> list[Sent]:
    """One request of each kind among those with a JSON body: the longest."""
    kinds: dict[tuple[str, str], Sent] = {}
    for one in sorted(sent, key=lambda one: len(one.body)):
        if one.headers.get("content-type", "").startswith("application/json") and one.body:
            kinds[one.method, UUIDS.sub("", one.path)] = one
    return list(kinds.values())
