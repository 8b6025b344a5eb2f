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
from evals.beir import BeirRefused, Collection, read_collection
from evals.setup import trial_settings
from evals.trial import STAGES, Scores, Trial
from retrieval.embedding import build_embedder
from retrieval.errors import RetrievalError

WHOLE = "fusion"
RERANK = "rerank"


class StageUnknown(Exception):
    """There is no such stage of the search."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no stage {name!r} to measure; choose from {', '.join(STAGES)}.")


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
        chosen = _stages(stages, err)
        scores = measure(read_collection(corpus, queries, qrels), chosen, err)
    except (StageUnknown, BeirRefused, ConfigurationError, RetrievalError) as error:
        err.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        sys.stdout.write(json.dumps(scores if stages else scores[WHOLE], indent=2) + "\n")
    else:
        Console().print(_table(scores))


def measure(collection: Collection, stages: list[str], console: Console) -> dict[str, Scores]:
    """The scores of each stage over a collection that is published for this alone; raises `RetrievalError`."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with (
        tempfile.TemporaryDirectory(prefix="parley-evals-") as name,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        settings = trial_settings(Path(name), retrieval={"url": ""})
        trial = Trial(Path(name), settings.retrieval, build_embedder(settings.retrieval), progress)
        trial.publish(collection.documents, settings.ingest)
        return {stage: trial.measure(collection, stage) for stage in stages}


def _stages(named: str, err: Console) -> list[str]:
    """The stages to measure; raises `StageUnknown`."""
    chosen = [name.strip() for name in named.split(",")] if named else [WHOLE]
    if RERANK in chosen[1:]:
        err.print("The stage rerank is left out: there is no rerank model.")
        chosen.remove(RERANK)
    for name in chosen:
        if name not in STAGES:
            raise StageUnknown(name)
    return chosen


def _table(scores: dict[str, Scores]) -> Table:
    table = Table("", *scores)
    for name in next(iter(scores.values())):
        digits = 1 if "_ms_" in name else 4
        table.add_row(name, *(f"{figures[name]:.{digits}f}" for figures in scores.values()))
    return table
