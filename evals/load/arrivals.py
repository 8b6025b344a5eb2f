"""Who asks when, and how much: arrivals and sizes that a large chat service recorded, scaled to one machine."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

from evals.setup import ROOT

RECORDED = ROOT.parent / "shared" / "data" / "azure_llm_trace" / "AzureLLMInferenceTrace_conv.csv"
"""Azure's public trace of a chat service in 2023, CC BY 4.0."""
TOKENS = 0.25
"""A replayed request has a quarter of the recorded tokens, so that the longest recorded one fits a default lane."""


@dataclass(frozen=True)
class Arrival:
    """One request to come."""

    at_s: float
    """Since the first one."""
    user: str
    prompt_tokens: int
    answer_tokens: int

    @property
    def tokens(self) -> int:
        """Read and said."""
        return self.prompt_tokens + self.answer_tokens


def recorded(requests: int, users: int, *, file: Path = RECORDED) -> list[Arrival]:
    """The first `requests` of the trace; none where it is absent.

    It names no users: each request is by the one who has asked nothing for longest, as in a chat one reads an answer
    before one asks on.
    """
    if not file.is_file():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(islice(csv.DictReader(lines), requests))
    moments = [_moment(row["TIMESTAMP"]) for row in rows]
    return [
        Arrival(
            at_s=(moment - moments[0]).total_seconds(),
            user=f"user-{number % users}",
            prompt_tokens=_scaled(row["ContextTokens"]),
            answer_tokens=_scaled(row["GeneratedTokens"]),
        )
        for number, (row, moment) in enumerate(zip(rows, moments, strict=True))
    ]


def paced(arrivals: Sequence[Arrival], over_s: float) -> list[Arrival]:
    """The same arrivals, spread over so many seconds: bursts stay bursts."""
    stretch = over_s / arrivals[-1].at_s
    return [replace(one, at_s=one.at_s * stretch) for one in arrivals]


def every_nth(arrivals: Sequence[Arrival], step: int) -> list[Arrival]:
    """A sample whose sizes are spread as those of all."""
    return sorted(arrivals, key=lambda one: one.tokens)[step // 2 :: step]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text[:26])  # the seventh digit of a second is more than Python knows


def _scaled(tokens: str) -> int:
    return max(1, round(int(tokens) * TOKENS))
