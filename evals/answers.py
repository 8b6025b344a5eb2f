"""How good the answers of the whole product are, on questions with known answers and on some that have none."""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from langchain_core.language_models import BaseChatModel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.corpus import open_corpus
from app.settings import ConfigurationError, Settings, load_settings
from evals.answer_scores import Scores, right, score
from evals.asking import Outcome, ask_all
from evals.beir import BeirDocument, read_documents
from evals.lines import LinesRefused
from evals.questions import Case, read_cases
from evals.setup import trial_settings
from evals.trial import publish
from ingest.errors import IngestError
from ingest.pipeline import ingest
from retrieval.corpus import Corpus
from retrieval.embedding import build_embedder
from retrieval.errors import RetrievalError
from retrieval.passages import EVERYONE

SEED = 11


class NothingToAsk(Exception):
    """There is no corpus to ask; the message says how to get one."""


def answers(
    questions: Annotated[Path, typer.Option(help="JSON lines with question and answers; null for no answer.")],
    corpus: Annotated[
        Path | None,
        typer.Option(help="JSON lines with _id, title and text, or a folder of documents; else the present corpus."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask only so many of them, always the same.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Measure the answers of the whole product on questions with known answers."""
    err = Console(stderr=True)
    try:
        outcomes = measure(sampled(read_cases(questions), limit), corpus, err)
    except (LinesRefused, NothingToAsk, ConfigurationError, IngestError, RetrievalError) as error:
        err.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        sys.stdout.write(score(outcomes).model_dump_json(indent=2) + "\n")
    else:
        show(score(outcomes), outcomes)


def sampled(cases: Sequence[Case], limit: int | None) -> list[Case]:
    """All of the questions, or so many of them, drawn the same way every time."""
    if limit is None or limit >= len(cases):
        return list(cases)
    return random.Random(SEED).sample(cases, limit)  # noqa: S311


def measure(
    cases: Sequence[Case], source: Path | None, console: Console, model: BaseChatModel | None = None
) -> list[Outcome]:
    """Ask every question of a corpus that is published for this alone, or else of the present one.

    Raises `LinesRefused`, `NothingToAsk`, `ConfigurationError`, `IngestError` and `RetrievalError`.
    """
    hidden = {name for case in cases for name in case.without}
    with tempfile.TemporaryDirectory(prefix="parley-evals-") as folder:
        if source is None:
            settings = trial_settings(Path(folder))
            corpus = present_corpus(hidden)
        else:
            settings = trial_settings(Path(folder), retrieval={"url": ""})
            corpus = published(source, settings, hidden, console)
        return asyncio.run(
            ask_all(settings, cases, model=model, corpus=corpus, readers=lambda case: _groups(hidden - {*case.without}))
        )


def present_corpus(hidden: set[str]) -> Corpus:
    """What readers see now."""
    if hidden:
        raise LinesRefused(
            "Questions can hide documents (without) only of a corpus in JSON lines; name it by --corpus."
        )
    corpus = open_corpus(load_settings())
    if not corpus.release().passages:
        corpus.close()
        raise NothingToAsk("The corpus is empty. Fill it by `parley ingest FOLDER`, or name one by --corpus.")
    return corpus


def published(source: Path, settings: Settings, hidden: set[str], console: Console) -> Corpus:
    """The documents of a file or folder, split and published as the product does it."""
    if not source.is_dir():
        publish_lines(source, settings, hidden, console)
    elif hidden:
        raise LinesRefused("Questions can hide documents (without) only of a corpus in JSON lines, not of a folder.")
    else:
        with closing(Corpus.open(settings.retrieval, settings.data_dir)) as corpus:
            ingest([source], corpus, settings.ingest)
    return Corpus.open(settings.retrieval, settings.data_dir)


def publish_lines(source: Path, settings: Settings, hidden: set[str], console: Console) -> None:
    """Publish documents in BEIR's format, each that a question hides for a group of its own."""
    documents = read_documents(source)
    if unknown := sorted(hidden - documents.keys()):
        raise LinesRefused(f"A question hides the document {unknown[0]!r}, which {source.name} does not hold.")

    def readers(document: BeirDocument) -> tuple[str, ...]:
        return (_group(document.id),) if document.id in hidden else (EVERYONE,)

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        embedder = build_embedder(settings.retrieval)
        publish(
            list(documents.values()),
            settings.data_dir,
            settings.retrieval,
            settings.ingest,
            embedder,
            progress,
            readers,
        )


def _groups(readable: set[str]) -> tuple[str, ...]:
    return (EVERYONE, *map(_group, sorted(readable)))


def _group(document: str) -> str:
    return f"readers of {document}"


def show(scores: Scores, outcomes: Sequence[Outcome]) -> None:
    """The scores, and the questions that were not answered as they should be."""
    out = Console()
    table = Table("score", "", title="Answers through the whole product")
    for name, value in scores:
        table.add_row(name, "" if value is None else f"{value:.0f}" if "_ms_" in name else f"{value:.3g}")
    out.print(table)
    for outcome in outcomes:
        if not right(outcome):
            due = " / ".join(outcome.case.answers or ["not in the documents"])
            status = outcome.result.status if outcome.result else "failed"
            out.print(f"- {outcome.case.question} ({status}; due: {due})", markup=False, highlight=False)
