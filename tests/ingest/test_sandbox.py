"""A hostile file costs itself, and the next one is read."""

from __future__ import annotations

import os
import time

import psutil
import pytest

from ingest.errors import RefusedFile
from ingest.sandbox import Sandbox
from ingest.settings import IngestSettings

GOOD = b"# Leave\nFive days."


def children() -> list[psutil.Process]:
    """The parsers that run, without the process that multiprocessing keeps beside them."""
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def refusal(sandbox: Sandbox, name: str, data: bytes) -> RefusedFile:
    with pytest.raises(RefusedFile) as caught:
        sandbox.extract(name, data)
    return caught.value


def test_one_child_reads_file_after_file(settings: IngestSettings) -> None:
    with Sandbox(settings) as sandbox:
        assert sandbox.extract("a.md", GOOD).pieces[0].heading == "Leave"
        [child] = children()
        assert refusal(sandbox, "a.txt", b" ").reason == "empty"
        assert sandbox.extract("b.md", GOOD).pieces
        assert children() == [child]
    assert not child.is_running()


def test_a_file_that_takes_too_long_is_given_up() -> None:
    slow = b"<div>" * 200_000 + b"text" * 10
    with Sandbox(IngestSettings(parse_timeout_s=0.001)) as sandbox:
        started = time.monotonic()
        assert refusal(sandbox, "slow.html", slow).reason == "timed_out"
        assert time.monotonic() - started < 5


def test_a_crash_of_the_child_costs_one_file(settings: IngestSettings) -> None:
    with Sandbox(settings) as sandbox:
        sandbox.extract("a.md", GOOD)
        [child] = children()
        os.kill(child.pid, 9)
        assert refusal(sandbox, "b.md", GOOD).reason == "broken"
        assert sandbox.extract("c.md", GOOD).pieces


def test_deep_nesting_is_refused(settings: IngestSettings) -> None:
    with Sandbox(settings) as sandbox:
        assert refusal(sandbox, "deep.html", b"<div>" * 3000 + b"text").reason == "broken"
        assert sandbox.extract("a.md", GOOD).pieces


def test_a_file_that_needs_too_much_memory_is_refused() -> None:
    data = b"[" + b"[]," * 8_000_000 + b"0]"
    with Sandbox(IngestSettings(parse_memory_bytes=400_000_000)) as sandbox:
        assert refusal(sandbox, "lists.json", data).reason == "too_large"
        assert sandbox.extract("a.md", GOOD).pieces
