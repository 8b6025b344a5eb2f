"""Parsing in a child process with limits, so that a bomb, a loop or a crash costs one file and nothing else."""

from __future__ import annotations

import multiprocessing
import resource
import signal
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from math import ceil
from multiprocessing.connection import Connection
from types import TracebackType

from pydantic import BaseModel, ConfigDict, TypeAdapter

from ingest.confinement import deny_network_and_programs
from ingest.errors import RefusedFile
from ingest.parsers import parse
from ingest.reasons import Reason
from ingest.settings import IngestSettings
from ingest.splitting import Piece, split


class Extract(BaseModel):
    """What a file yields: its pieces, in order, never none."""

    model_config = ConfigDict(frozen=True)

    title: str
    pages: int | None
    pieces: list[Piece]
    left_out: list[str] = []
    """A sentence on each file inside it that could not be read."""


class Refusal(BaseModel):
    """Why a file yields nothing."""

    model_config = ConfigDict(frozen=True)

    reason: Reason
    finding: str


PAGE = b""
"""What the child says before each page that it recognises."""
_REPLY: TypeAdapter[Extract | Refusal] = TypeAdapter(Extract | Refusal)


class Sandbox:
    """One child process that parses and splits file after file; a new one takes over when it dies.

    What comes back from it is validated as data: a file that takes the child over cannot take this process over.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._child: tuple[multiprocessing.process.BaseProcess, Connection] | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def extract(self, name: str, data: bytes) -> Extract:
        """The pieces of a file. Raises RefusedFile."""
        reply = self._ask(name, data)
        if isinstance(reply, Refusal):
            raise RefusedFile(reply.reason, reply.finding)
        return reply

    def close(self) -> None:
        """Kill the child, whatever it is doing."""
        if self._child:
            process, pipe = self._child
            self._child = None
            process.kill()
            process.join()
            pipe.close()

    def _ask(self, name: str, data: bytes) -> Extract | Refusal:
        pipe = self._pipe()
        try:
            pipe.send_bytes(name.encode())
            pipe.send_bytes(data)
            if reply := answer(pipe, self._settings):
                return _REPLY.validate_json(reply)
        except (EOFError, OSError, ValueError):
            self.close()
            return Refusal(reason="broken", finding="The parser crashed on it.")
        self.close()
        return Refusal(reason="timed_out", finding="It took longer than ingest.parse_timeout_s.")

    def _pipe(self) -> Connection:
        if self._child is None:
            context = multiprocessing.get_context("spawn")
            pipe, childs_end = context.Pipe()
            process = context.Process(target=_serve, args=(childs_end, self._settings), daemon=True)
            process.start()
            childs_end.close()
            self._child = process, pipe
        return self._child[1]


def answer(pipe: Connection, settings: IngestSettings) -> bytes:
    """What the child says, or nothing when its time is up; every page that it recognises gives it more."""
    deadline = time.monotonic() + settings.parse_timeout_s
    pages = 0
    while pipe.poll(max(0.0, deadline - time.monotonic())):
        if (message := pipe.recv_bytes()) != PAGE:
            return message
        pages += 1
        if pages <= settings.ocr_max_pages:
            deadline += settings.ocr_page_timeout_s
    return b""


def _serve(pipe: Connection, settings: IngestSettings) -> None:
    """The child's life: a name and bytes in, pieces or a refusal out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    resource.setrlimit(resource.RLIMIT_AS, (settings.parse_memory_bytes, settings.parse_memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no file is written
    warnings.simplefilter("ignore")  # what a library notes about a file is no message to the content owner
    deny_network_and_programs()

    def on_page() -> None:
        _limit_cpu(2 * (settings.parse_timeout_s + settings.ocr_page_timeout_s))
        pipe.send_bytes(PAGE)

    while True:
        try:
            name, data = pipe.recv_bytes().decode(), pipe.recv_bytes()
        except EOFError:
            return
        _limit_cpu(2 * settings.parse_timeout_s)
        pipe.send_bytes(_reply(name, data, settings, on_page).model_dump_json().encode())


def _limit_cpu(seconds: float) -> None:
    """Let the system end this process after so much more work, should the parent die before it can."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (ceil(used.ru_utime + used.ru_stime + seconds), hard))


def _reply(name: str, data: bytes, settings: IngestSettings, on_page: Callable[[], None]) -> Extract | Refusal:
    try:
        document = parse(name, data, settings, on_page)
        pieces = [_labelled(piece, document.page_labels) for piece in split(document.blocks, settings)]
    except RefusedFile as refused:
        return Refusal(reason=refused.reason, finding=refused.finding)
    except MemoryError:
        return Refusal(reason="too_large", finding="Reading it needs more memory than ingest.parse_memory_bytes.")
    left_out = [f"{name}: {refused}" for name, refused in document.left_out]
    return Extract(title=document.title, pages=document.pages, pieces=pieces, left_out=left_out)


def _labelled(piece: Piece, page_labels: tuple[str, ...]) -> Piece:
    """The piece with what its page calls itself."""
    return replace(piece, page_label=page_labels[piece.page - 1]) if page_labels and piece.page else piece
