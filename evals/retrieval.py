"""How well the search finds what people have judged relevant."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.settings import ConfigurationError
from evals.beir import Collection, read_collection
from evals.lines import LinesRefused
from evals.setup import trial_settings
from evals.trial import STAGES, Scores, Trial
from retrieval.embedding import build_embedder
from retrieval.errors import RetrievalError
from retrieval.settings import RetrievalSettings

FUSION, RERANK = "fusion", "rerank"


class StageRefused(Exception):
    """A stage of the search cannot be measured: there is none of that name, or no model for it."""


def retrieval(
    corpus: Annotated[Path, typer.Option(help="The documents: JSON lines with _id, title and text.")],
    queries: Annotated[Path, typer.Option(help="The queries: JSON lines with _id and text.")],
    qrels: Annotated[Path, typer.Option(help="The judgements: query-id, corpus-id and score, separated by tabs.")],
    stages: Annotated[str, typer.Option(help=f"Measure each of these alone: {','.join(STAGES)}.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Measure the search on judged queries in BEIR's format."""
    err = Console(stderr=True)
    try:
        scores = measure(read_collection(corpus, queries, qrels), _stages(stages), err)
    except (StageRefused, LinesRefused, ConfigurationError, RetrievalError) as error:
        err.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        sys.stdout.write(json.dumps(scores if stages else next(iter(scores.values())), indent=2) + "\n")
    else:
        Console().print(_table(scores))


def measure(collection: Collection, stages: list[str], console: Console) -> dict[str, Scores]:
    """The scores of each stage over a collection that is published for this alone; of the whole search without any.

    Raises `StageRefused` and `RetrievalError`.
    """
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with (
        tempfile.TemporaryDirectory(prefix="parley-evals-") as name,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        settings = trial_settings(Path(name), retrieval={"url": ""})
        stages = _measurable(stages, settings.retrieval, console)
        trial = Trial(Path(name), settings.retrieval, build_embedder(settings.retrieval), progress)
        trial.publish(collection.documents, settings.ingest)
        return {stage: trial.measure(collection, stage) for stage in stages}


def _stages(named: str) -> list[str]:
    """The stages that are named; raises `StageRefused`."""
    chosen = [name.strip() for name in named.split(",")] if named else []
    for name in chosen:
        if name not in STAGES:
            raise StageRefused(f"There is no stage {name!r} to measure; choose from {', '.join(STAGES)}.")
    return chosen


def _measurable(chosen: list[str], settings: RetrievalSettings, console: Console) -> list[str]:
    """The stages that these settings have, the last one if none is chosen; raises `StageRefused`."""
    if settings.reranker:
        return chosen or [RERANK]
    if chosen == [RERANK]:
        raise StageRefused("There is no rerank model to measure; set retrieval.reranker to one.")
    if RERANK in chosen:
        console.print("The stage rerank is left out: there is no rerank model.")
    return [name for name in chosen if name != RERANK] or [FUSION]


def _table(scores: dict[str, Scores]) -> Table:
    table = Table("", *scores)
    for name in next(iter(scores.values())):
        digits = 1 if "_ms_" in name else 4
        table.add_row(name, *(f"{figures[name]:.{digits}f}" for figures in scores.values()))
    return table
