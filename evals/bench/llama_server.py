"""llama.cpp's own server, to be measured beside the engine where somebody has built it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from evals.setup import free_port

BINARY = "LLAMA_SERVER"
"""The environment variable that names the program; without it, the search path is looked through."""
HOW_TO_BUILD = f"no llama-server: CONTRIBUTING.md says how to build it; then put it on PATH or set {BINARY}"
START_TIMEOUT_S = 120.0
_NO_KEEP_ALIVE = httpx.Limits(max_keepalive_connections=0)
"""The server closes a connection after a stream without saying so."""


def find_llama_server() -> str | None:
    """The program's path; None where there is none."""
    return shutil.which(os.environ.get(BINARY, "llama-server"))


@contextmanager
def llama_server(program: str, model: Path, *, slots: int, slot_tokens: int, threads: int, log: Path) -> Iterator[str]:
    """The URL of a server of its own, ended with the block. Raises RuntimeError where it doesn't get ready."""
    port = free_port()
    options = {
        "--model": model,
        "--parallel": slots,
        "--ctx-size": slots * slot_tokens,
        "--threads": threads,
        "--threads-batch": threads,
        "--host": "127.0.0.1",
        "--port": port,
    }
    command = [program, *(str(word) for pair in options.items() for word in pair)]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603
        try:
            _await_ready(process, url := f"http://127.0.0.1:{port}", log)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _await_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _is_ready(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"llama-server did not get ready: {log.read_text()[-1000:]}")
        time.sleep(0.1)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


async def stream(url: str, messages: Sequence[dict[str, str]], max_tokens: int) -> AsyncIterator[str]:
    """The pieces of a greedy answer."""
    body = {"messages": messages, "max_tokens": max_tokens, "temperature": 0, "stream": True}
    async with (
        httpx.AsyncClient(limits=_NO_KEEP_ALIVE, timeout=600, trust_env=False) as client,
        client.stream("POST", f"{url}/v1/chat/completions", json=body) as answer,
    ):
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if text := _text(line):
                yield text


def _text(line: str) -> str:
    """What a server-sent line adds to the answer."""
    if not line.startswith("data: {"):
        return ""
    choices: list[dict[str, Any]] = json.loads(line.removeprefix("data: "))["choices"]
    return choices[0]["delta"].get("content") or "" if choices else ""
