"""Questions with known answers, and some that the documents don't answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from evals.lines import read_lines

FILE = Path(__file__).parent / "questions.jsonl"
SHAPE = (
    "Each line is a JSON object with a question and its answers: a list of texts, or null where the documents don't "
    "answer. It may list in without the _ids of documents that the one who asks may not read."
)
Text = Annotated[str, Field(pattern=r"\S")]


class Case(BaseModel):
    """A question, and what a right answer holds; further keys are passed over."""

    model_config = ConfigDict(frozen=True)

    question: Text
    answers: Annotated[tuple[Text, ...], Field(min_length=1)] | None
    """Any of these words will do; None where the documents that may be read don't answer."""
    without: tuple[str, ...] = ()
    """Documents of the corpus, by `_id`, that are hidden from the one who asks."""


def read_cases(path: Path) -> list[Case]:
    """The questions of a file of JSON lines; raises `LinesRefused`."""
    return read_lines(path, Case, SHAPE)


def docs_cases() -> list[Case]:
    """The questions about the sample documents."""
    return read_cases(FILE)
