"""Forms of runs, broken in every way: what is refused is not stored, not even by half."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from recording import TIMEOUT_S, Sent, Serve, Used, fault, recorded, some

from app.ops.store import OpsStore

EXAMPLES = 80
UUIDS = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def used(store: OpsStore, serve: Serve, tmp_path: Path) -> Iterator[Used]:
    with recorded(store, serve, tmp_path) as used:
        yield used


class Broken(NamedTuple):
    """A form, the ids in it, and whether it comes to its end."""

    form: Sent
    ids: list[str]
    ends: bool


@st.composite
def broken_form(draw: st.DrawFn, form: Sent) -> Broken:
    """A form with runs that are new, broken in one way."""
    renamed, run_ids = anew(form)
    boundary = renamed.headers["content-type"].partition("boundary=")[2].strip('"').encode()
    way = draw(st.sampled_from([cut, flip, of_another_boundary, with_names_swapped, with_a_part_twice, without_a_part]))
    body = way(draw, renamed.body, boundary)
    headers, ends = dict(renamed.headers), b"--" + boundary + b"--" in body
    if draw(st.booleans()):
        body, headers["content-encoding"] = zstandard.compress(body), "zstd"
        if draw(st.booleans()):
            body = draw(st.sampled_from([cut, flip]))(draw, body, boundary)
    return Broken(replace(renamed, body=body, headers=headers), run_ids, ends)


def anew(form: Sent) -> tuple[Sent, list[str]]:
    """The form, its ids replaced by new ones, and these."""
    ids = {old: str(uuid4()).encode() for old in sorted(set(UUIDS.findall(form.body)))}
    body = UUIDS.sub(lambda found: ids[found[0]], form.body)
    return replace(form, body=body), [new.decode() for new in ids.values()]


def somewhere(draw: st.DrawFn, body: bytes) -> int:
    """A place in the body, as a share of its length: lengths after compression differ from run to run."""
    return draw(st.integers(0, 9_999)) * len(body) // 10_000


def cut(draw: st.DrawFn, body: bytes, _: bytes) -> bytes:
    """It ends too early."""
    return body[: somewhere(draw, body)]


def flip(draw: st.DrawFn, body: bytes, _: bytes) -> bytes:
    """A byte is another."""
    at = somewhere(draw, body)
    return body[:at] + bytes([draw(st.integers(0, 255))]) + body[at + 1 :]


def of_another_boundary(draw: st.DrawFn, body: bytes, boundary: bytes) -> bytes:
    """Its boundary is not the one that the header names, at all or at one place."""
    count = draw(st.sampled_from([1, -1]))
    return body.replace(boundary, b"another", count)


def with_names_swapped(draw: st.DrawFn, body: bytes, _: bytes) -> bytes:
    """Two parts have each other's name."""
    names = re.findall(rb'name="([^"]+)"', body)
    one, other = draw(st.tuples(st.sampled_from(names), st.sampled_from(names)))
    swap = {one: other, other: one}
    return re.sub(rb'name="([^"]+)"', lambda found: b'name="' + swap.get(found[1], found[1]) + b'"', body)


def with_a_part_twice(draw: st.DrawFn, body: bytes, boundary: bytes) -> bytes:
    """A part comes twice."""
    head, *parts, end = body.split(b"--" + boundary)
    again = draw(st.sampled_from(parts))
    return (b"--" + boundary).join([head, *parts, again, end])


def without_a_part(draw: st.DrawFn, body: bytes, boundary: bytes) -> bytes:
    """A part is missing."""
    head, *parts, end = body.split(b"--" + boundary)
    parts.pop(draw(st.integers(0, len(parts) - 1)))
    return (b"--" + boundary).join([head, *parts, end])


def test_a_form_that_is_broken_is_stored_whole_or_not_at_all(used: Used) -> None:
    faults: dict[str, str] = {}
    forms = [plain(one) for one in used.sent if one.path.endswith("/runs/multipart")]

    @some(EXAMPLES)
    @given(broken=st.sampled_from(forms).flatmap(broken_form))
    def send(broken: Broken) -> None:
        answer = broken.form.send(used.session, used.host)
        wrong = fault(answer)
        if answer.status_code < 400 and not broken.ends:
            wrong = "taken, and its end is missing"
        elif answer.status_code >= 400 and any(there(used, one) for one in broken.ids):
            wrong = f"{answer.status_code} {answer.text}, and stored some of it"
        if wrong:
            faults[repr(broken.form)[:3000]] = wrong

    send()
    assert faults == {}


def plain(form: Sent) -> Sent:
    """The form without compression."""
    if form.headers.get("content-encoding") != "zstd":
        return form
    body = zstandard.ZstdDecompressor().stream_reader(form.body).read()
    return replace(form, body=body, headers={"content-type": form.headers["content-type"]})


def there(used: Used, run_id: str) -> bool:
    """Whether a run, or something that was said of it, can be read."""
    return used.session.get(f"{used.url}/runs/{run_id}", timeout=TIMEOUT_S).status_code != 404
