"""`python -m evals.answers [--questions N] [--docs] [--json]`: the quality of answers through the whole product.

XQuAD English where it lies beside the project, else the sample documents with `questions.jsonl`. Model and every
other setting come from the environment, as the product's own do.
"""

from __future__ import annotations

import asyncio
import logging
import re
import string
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from langchain_core.language_models import BaseChatModel
from langsmith import uuid7
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from agents.errors import TurnError
from agents.turn import Asker, TurnRequest, TurnResult
from app.bootstrap import Parley, build_parley
from app.environment import prepare_environment
from app.settings import Settings
from evals.bench.figures import median
from evals.questions import Case, docs_cases, reader_group, xquad_cases
from evals.setup import ingest_docs, passage, publish, trial_settings, xquad
from retrieval.corpus import Corpus

SEED = 11
_CITATION = re.compile(r"\[\d+\]")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation + "–—“”‘’…", " "))


def main(
    questions: Annotated[int, typer.Option(min=1, help="How many of XQuAD's questions to sample.")] = 20,
    docs: Annotated[bool, typer.Option("--docs", help="Ask about the sample documents, even where XQuAD is.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Ask questions with known answers, and some that the documents don't answer."""
    prepare_environment()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="parley-evals-") as folder:
        settings = trial_settings(Path(folder))
        cases = prepare(settings, questions, docs)
        outcomes = asyncio.run(ask_all(settings, cases))
    scores = score(outcomes)
    if as_json:
        sys.stdout.write(scores.model_dump_json(indent=2) + "\n")
    else:
        show(scores, outcomes)


@dataclass(frozen=True)
class Outcome:
    """What became of a question; no result where the turn failed."""

    case: Case
    result: TurnResult | None

    @property
    def abstained(self) -> bool:
        """Whether the product said that the documents don't answer."""
        return self.result is not None and self.result.status == "abstained"

    @property
    def right(self) -> bool:
        """Whether a known answer was shown, or the lack of one was said."""
        if self.case.answers is None:
            return self.abstained
        answered = self.result is not None and self.result.status == "answered"
        return answered and any(contains(self.result.text, answer) for answer in self.case.answers)  # type: ignore[union-attr]


class Scores(BaseModel):
    """Shares between 0 and 1; None where nothing was there to be judged."""

    answerable: int
    unanswerable: int
    failed: int
    answer_contained: float | None
    """Of the answerable, those whose shown answer holds a known one."""
    wrong_abstention: float | None
    """Of the answerable, those that were abstained from."""
    abstention_recall: float | None
    """Of the unanswerable, those that were abstained from."""
    abstention_precision: float | None
    """Of all abstentions, those that were due."""
    unsupported_rate: float | None
    """Of the model's sentences, those that no passage supports and that were withheld."""
    evidence_ms_p50: float | None
    latency_ms_p50: float | None


def prepare(settings: Settings, questions: int, docs: bool) -> list[Case]:
    """Publish what is asked about, and say what to ask."""
    paragraphs = [] if docs else xquad()
    if not paragraphs:
        ingest_docs(settings)
        return docs_cases()
    corpus = Corpus.open(settings.retrieval, settings.data_dir)
    readable = [(each.title, each.text, (reader_group(number),)) for number, each in enumerate(paragraphs)]
    publish(corpus, [passage(number, *each) for number, each in enumerate(readable)])
    corpus.close()
    return xquad_cases(paragraphs, questions, SEED)


async def ask_all(settings: Settings, cases: Sequence[Case], model: BaseChatModel | None = None) -> list[Outcome]:
    """One turn for each case, one after the other; by the settings' model unless another one is given."""
    err = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    parley = build_parley(settings, model=model)
    await parley.start()
    try:
        await parley.warm.wait()
        with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
            return [await ask(parley, case) for case in progress.track(cases, description="asking")]
    finally:
        await parley.close()


async def ask(parley: Parley, case: Case) -> Outcome:
    """One question in a thread of its own."""
    turn_id = uuid7()
    asker = Asker(user_hash="evals", groups=case.groups)
    request = TurnRequest(turn_id=turn_id, thread_id=str(turn_id), question=case.question, asker=asker)
    try:
        return Outcome(case, await parley.assistant.ask(request))
    except TurnError:
        return Outcome(case, None)


def score(outcomes: Sequence[Outcome]) -> Scores:
    """The outcomes as shares."""
    answerable = [each for each in outcomes if each.case.answers is not None]
    unanswerable = [each for each in outcomes if each.case.answers is None]
    results = [each.result for each in outcomes if each.result]
    written = sum(result.sentences for result in results)
    return Scores(
        answerable=len(answerable),
        unanswerable=len(unanswerable),
        failed=len(outcomes) - len(results),
        answer_contained=_share([each.right for each in answerable]),
        wrong_abstention=_share([each.abstained for each in answerable]),
        abstention_recall=_share([each.abstained for each in unanswerable]),
        abstention_precision=_share([each.case.answers is None for each in outcomes if each.abstained]),
        unsupported_rate=sum(result.unsupported for result in results) / written if written else None,
        evidence_ms_p50=_median_ms([result.evidence_s for result in results if result.evidence_s is not None]),
        latency_ms_p50=_median_ms([result.total_s for result in results]),
    )


def contains(text: str, answer: str) -> bool:
    """Whether the answer's words stand in the text, whatever their case, punctuation and articles."""
    return f" {_plain(answer)} " in f" {_plain(text)} "


def _plain(text: str) -> str:
    bare = _CITATION.sub(" ", text).lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _median_ms(seconds: Sequence[float]) -> float | None:
    return median(seconds) * 1000 if seconds else None


def show(scores: Scores, outcomes: Sequence[Outcome]) -> None:
    """The scores, and the questions that were not answered as they should be."""
    out = Console()
    table = Table("score", "", title="Answers through the whole product")
    for name, value in scores.model_dump().items():
        table.add_row(name.replace("_", " "), "" if value is None else f"{value:.3g}" if value <= 1 else f"{value:.0f}")
    out.print(table)
    for outcome in outcomes:
        if not outcome.right:
            due = " / ".join(outcome.case.answers or ["not in the documents"])
            status = outcome.result.status if outcome.result else "failed"
            out.print(f"- {outcome.case.question} ({status}; due: {due})", markup=False, highlight=False)


if __name__ == "__main__":
    typer.run(main)
