"""A hostile file costs itself, and the next one is read."""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest

from ingest.confinement import deny_network_and_programs, refuse_event
from ingest.errors import RefusedFile
from ingest.sandbox import PAGE, Sandbox, answer
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


def test_every_page_that_is_recognised_gives_a_file_more_time() -> None:
    settings = IngestSettings(parse_timeout_s=1, ocr_page_timeout_s=1, ocr_max_pages=3)
    assert answer_after(settings, pages=3, each_s=0.6) == b"text"


def test_pages_beyond_the_limit_give_no_more_time() -> None:
    settings = IngestSettings(parse_timeout_s=0.5, ocr_page_timeout_s=0.1, ocr_max_pages=3)
    started = time.monotonic()
    assert answer_after(settings, pages=50, each_s=0.1) == b""
    assert time.monotonic() - started < 4


def answer_after(settings: IngestSettings, pages: int, each_s: float) -> bytes:
    """What is heard of a child that recognises some pages, one after the other, and then answers."""
    pipe, childs_end = multiprocessing.Pipe()

    def child() -> None:
        with suppress(OSError):
            for _ in range(pages):
                childs_end.send_bytes(PAGE)
                time.sleep(each_s)
            childs_end.send_bytes(b"text")

    thread = threading.Thread(target=child)
    thread.start()
    with pipe:
        heard = answer(pipe, settings)
    thread.join()
    childs_end.close()
    return heard


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


def forbidden() -> dict[str, Callable[[], object]]:
    """What a parser must not be able to do."""
    return {
        "connection": lambda: socket.create_connection(("127.0.0.1", 9)),
        "datagram": lambda: socket.socket(type=socket.SOCK_DGRAM),
        "local socket": lambda: socket.socket(socket.AF_UNIX),
        "socket pair": socket.socketpair,
        "program": lambda: subprocess.run([sys.executable, "--version"], check=True),
        "program in place of this one": lambda: os.execv(sys.executable, ["python", "--version"]),
    }


def by_audit_hook() -> None:
    sys.addaudithook(refuse_event)


@pytest.mark.parametrize("confine", [deny_network_and_programs, by_audit_hook])
def test_a_process_that_parses_reaches_no_network_and_runs_no_programs(confine: Callable[[], None]) -> None:
    context = multiprocessing.get_context("fork")
    pipe, childs_end = context.Pipe()
    process = context.Process(target=report_what_is_allowed, args=(childs_end, confine))
    process.start()
    assert pipe.poll(60)
    assert pipe.recv() == ["a thread"]
    process.join()


def report_what_is_allowed(pipe: Connection, confine: Callable[[], None]) -> None:
    """Tries all that in a process that is confined, and starts a thread, which it may."""
    confine()
    allowed = []
    for name, attempt in forbidden().items():
        with suppress(PermissionError):
            attempt()
            allowed.append(name)
    thread = threading.Thread(target=allowed.append, args=("a thread",))
    thread.start()
    thread.join()
    pipe.send(allowed)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of another system has other means")
def test_the_child_that_parses_is_confined_by_the_kernel(settings: IngestSettings) -> None:
    with Sandbox(settings) as sandbox:
        sandbox.extract("a.md", GOOD)
        [child] = children()
        status = Path(f"/proc/{child.pid}/status").read_text()
        limits = Path(f"/proc/{child.pid}/limits").read_text()
    assert "Seccomp:\t2" in status
    assert "NoNewPrivs:\t1" in status
    assert any(line.startswith("Max file size") and line.split()[3:5] == ["0", "0"] for line in limits.splitlines())
