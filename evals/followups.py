"""How well follow-up questions are made to stand alone: against the same questions, rewritten by people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict, Field

from agents.answering.followup import standalone
from agents.settings import TurnSettings
from agents.turn import Message
from evals.lines import LinesRefused, read_lines
from retrieval.words import content_words

_SHAPE = (
    "Each line is a JSON object with a history (a list of objects with role and content) and the texts question and "
    "rewrite."
)


class FollowUp(BaseModel):
    """A question, what was said before it, and what people made of it; further keys are passed over."""

    model_config = ConfigDict(frozen=True)

    history: tuple[Message, ...]
    question: str = Field(pattern=r"\S")
    rewrite: str = Field(pattern=r"\S")


class Scores(BaseModel):
    """How near the rewriting comes to that of people, 0 to 1; None where no question shows it."""

    word_f1: float
    """Agreement of the telling words of both."""
    question_f1: float
    """The same for the questions as they were asked."""
    filled: float | None
    """Share of the words that people added which were added here too, over the questions where they added any."""
    added_right: float | None
    """Share of the words added here which people have too, over the questions where any were added."""
    left_alone: float | None
    """Share of the questions that people added nothing to, and that got nothing here either."""


def followups(
    questions: Annotated[Path, typer.Option(help="A file of JSON lines with history, question and rewrite.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Measure the rewriting of follow-up questions on questions that people have rewritten."""
    try:
        asked = read_lines(questions, FollowUp, _SHAPE)
    except LinesRefused as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    scores = measure(asked)
    if as_json:
        sys.stdout.write(scores.model_dump_json(indent=2) + "\n")
        return
    typer.echo(f"{len(asked)} questions")
    for name, value in scores:
        typer.echo(f"{name:12} {'-' if value is None else f'{value:.3f}'}")


def measure(asked: Sequence[FollowUp]) -> Scores:
    """Rewrite every question with the history that a turn recalls, and compare the telling words."""
    recalled = TurnSettings().history_messages
    compared = [_words(each, standalone(each.question, each.history[-recalled:])) for each in asked]
    return Scores(
        word_f1=_mean(_f1(ours, theirs) for _, ours, theirs in compared) or 0.0,
        question_f1=_mean(_f1(question, theirs) for question, _, theirs in compared) or 0.0,
        filled=_mean(_share(theirs - question, ours) for question, ours, theirs in compared if theirs - question),
        added_right=_mean(_share(ours - question, theirs) for question, ours, theirs in compared if ours - question),
        left_alone=_mean(ours <= question for question, ours, theirs in compared if theirs <= question),
    )


def _words(asked: FollowUp, ours: str) -> tuple[set[str], set[str], set[str]]:
    """The telling words of a question, of what it was made into here, and of what people made of it."""
    question, rewritten, theirs = (set(content_words(text)) for text in (asked.question, ours, asked.rewrite))
    return question, rewritten, theirs


def _f1(one: set[str], other: set[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0


def _share(part: set[str], whole: set[str]) -> float:
    return len(part & whole) / len(part)


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None
