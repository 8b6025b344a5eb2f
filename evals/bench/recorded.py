"""What the LangSmith SDK sends for turns of a real one's shape and size, and endless variations of it."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import zstandard
from langsmith import trace, tracing_context

from app.tracing import Outbox, TracingSettings, build_client
from app.tracing.spool import Spool, WriteRequest
from evals.setup import free_port

STAGES = ("admit", "input_rails", "assign", "recall", "plan", "retrieve", "quote", "generate", "cite", "record")
RUNS_PER_TURN = len(STAGES) + 4
PASSAGE = "Holidays that are not taken by the end of March expire, unless illness prevented them. " * 8
WORDS = [
    "holiday",
    "notice",
    "sickness",
    "overtime",
    "pension",
    "travel",
    "laptop",
    "salary",
    "parental",
    "remote",
    "training",
    "badge",
    "parking",
]
PAUSE_S = 0.002
"""Between turns: so the SDK sends what it sends for a busy server, some fifty runs at once."""
DAYS = 30
"""The variations lie in so many days up to today."""

# Marks of one length each, which a variation replaces: nothing else in the bodies looks like them.
_USER, _THREAD, _WORD, _ARM, _STATUS = "USER0000", "THREAD0000", "WORD000000", "ARM0", "STATUS00"
_ID = re.compile(rb"[0-9a-f]{8}(?=-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})")


def record(folder: Path, turns: int) -> list[WriteRequest]:
    """The requests of so many turns, caught in an outbox whose sink is down."""
    outbox = Outbox.open(TracingSettings(), folder / "outbox", f"http://127.0.0.1:{free_port()}")
    client = build_client(TracingSettings(), outbox)
    with tracing_context(enabled=True, client=client, project_name="bench"):
        for _ in range(turns):
            _trace_turn()
            time.sleep(PAUSE_S)
    client.flush()
    outbox.close()
    spool = Spool(folder / "outbox" / "embedded", max_bytes=1)
    return [spool.load(file) for file in spool.waiting()]


def _trace_turn() -> None:
    metadata = {"variant": _ARM, "experiment": "bench", "user_hash": _USER, "thread_id": _THREAD, "model": "small"}
    metadata |= {"status": _STATUS, "prompt_version": "v1", "corpus_release": "1"}
    question = f"How many days of {_WORD} may I carry over?"
    usage = {"input_tokens": 700, "output_tokens": 60, "total_tokens": 760}
    with trace("turn", metadata=metadata, inputs={"question": question}) as root:
        with trace("graph"):
            for stage in STAGES:
                with trace(stage, inputs={"question": question}) as run:
                    run.end(outputs={"route": "documents"})
            with trace("search", run_type="retriever") as search:
                search.end(
                    outputs={"documents": [{"page_content": PASSAGE, "metadata": {"page": n}} for n in range(8)]}
                )
            model = {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini"}
            with trace("model", run_type="llm", metadata=model, inputs={"messages": [question]}) as called:
                called.end(outputs={"text": f"Five days of {_WORD}.", "usage_metadata": usage})
        root.end(outputs={"answer": PASSAGE})


@dataclass(frozen=True)
class Variations:
    """The recorded requests again and again, each time as other turns of other users on another day."""

    recorded: list[WriteRequest]

    def __iter__(self) -> Iterator[WriteRequest]:
        plain = [
            (request, zstandard.ZstdDecompressor().stream_reader(request.body).read()) for request in self.recorded
        ]
        chance = random.Random(0)  # noqa: S311 (a reproducible load, nothing secret)
        today = datetime.now(UTC)
        number = 0
        while True:
            number += 1
            day = today - timedelta(days=chance.randrange(DAYS))
            marks = _marks(number, chance)
            for request, body in plain:
                body = _ID.sub(partial(_another_id, number), body)
                for mark, value in marks.items():
                    body = body.replace(mark, value)
                body = body.replace(f"{today:%Y-%m-%d}T".encode(), f"{day:%Y-%m-%d}T".encode())
                body = body.replace(f"{today:%Y%m%d}T".encode(), f"{day:%Y%m%d}T".encode())
                # Copied, as the compressor's own result sits in a buffer as large as the body was.
                compressed = bytes(bytearray(zstandard.compress(body, 1)))
                yield WriteRequest(request.method, request.path, request.headers, compressed)


def _another_id(number: int, match: re.Match[bytes]) -> bytes:
    return b"%08x" % ((int(match[0], 16) + number * 0x10001) & 0xFFFFFFFF)


def _marks(number: int, chance: random.Random) -> dict[bytes, bytes]:
    user = chance.randrange(500)
    word = WORDS[min(int(chance.expovariate(0.5)), len(WORDS) - 1)]
    return {
        _USER.encode(): f"{user:08d}".encode(),
        _THREAD.encode(): f"{number:010d}".encode(),
        _WORD.encode(): f"{word:_<10}".encode(),
        _ARM.encode(): b"arm" + (b"a" if user % 2 else b"b"),
        f'"{_STATUS}"'.encode(): b'"failed"  ' if chance.random() < 0.01 else b'"answered"',
    }
