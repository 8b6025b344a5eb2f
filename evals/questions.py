"""Questions with known answers: about the sample documents, and from XQuAD."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from evals.setup import Paragraph
from retrieval.passages import EVERYONE

FILE = Path(__file__).parent / "questions.jsonl"


class Case(BaseModel):
    """A question, and what a right answer holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str
    answers: tuple[str, ...] | None
    """Any of these words will do; None where the documents that may be read don't answer."""
    groups: tuple[str, ...] = (EVERYONE,)
    """Reader groups of the person who asks."""


def docs_cases() -> list[Case]:
    """The questions about the sample documents."""
    return [Case.model_validate_json(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def xquad_cases(paragraphs: Sequence[Paragraph], count: int, seed: int) -> list[Case]:
    """`count` questions, each asked twice: by a reader of all paragraphs, and by one from whom its own is hidden."""
    everything = [reader_group(number) for number in range(len(paragraphs))]
    asked = [(number, *question) for number, paragraph in enumerate(paragraphs) for question in paragraph.questions]
    cases = []
    for number, question, answers in random.Random(seed).sample(asked, min(count, len(asked))):  # noqa: S311
        others = [group for group in everything if group != reader_group(number)]
        cases.append(Case(question=question, answers=answers, groups=tuple(everything)))
        cases.append(Case(question=question, answers=None, groups=tuple(others)))
    return cases


def reader_group(number: int) -> str:
    """The group whose members may read one paragraph."""
    return f"paragraph-{number}"
