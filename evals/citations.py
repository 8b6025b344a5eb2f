"""How often the pages that answers cite hold what people found to be the answer."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict, Field

from agents.models.scripted import ScriptedChat
from agents.turn import TurnResult
from app.settings import ConfigurationError, Settings
from evals.asking import Outcome, ask_all
from evals.cited_pages import hold
from evals.lines import LinesRefused, read_lines
from evals.questions import Case
from evals.setup import trial_settings
from ingest.errors import IngestError
from ingest.pipeline import ingest
from retrieval.corpus import Corpus
from retrieval.errors import RetrievalError

_SHAPE = (
    "Each line is a JSON object with the texts question, document (a name, in which * stands for anything) and answer."
)
Pages = Mapping[str, Mapping[int, str]]
"""The text of each page, by document and page."""


class Asked(BaseModel):
    """A question that one document answers, and what people found to be the answer; further keys are passed over."""

    model_config = ConfigDict(frozen=True)

    question: str = Field(pattern=r"\S")
    document: str = Field(pattern=r"\S")
    answer: str = Field(pattern=r"\S")


class Scores(BaseModel):
    """Shares of all questions, 0 to 1."""

    questions: int
    abstained: float
    """The product said that the documents don't answer."""
    cited_document: float
    """The answer cites the document that answers."""
    cited_page: float
    """A page of that document which the answer cites holds the answer."""


def citations(
    documents: Annotated[Path, typer.Option(help="A folder with the documents.", exists=True)],
    questions: Annotated[Path, typer.Option(help="A file of JSON lines with question, document and answer.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Measure whether the cited pages hold the answers that people gave."""
    try:
        scores = measure(read_lines(questions, Asked, _SHAPE), documents)
    except (LinesRefused, ConfigurationError, IngestError, RetrievalError) as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    if as_json:
        sys.stdout.write(scores.model_dump_json(indent=2) + "\n")
    else:
        typer.echo("\n".join(f"{name:15} {value:.3g}" for name, value in scores))


def measure(asked: Sequence[Asked], documents: Path) -> Scores:
    """Take the documents in where nothing else lies, and ask; raises `IngestError` and `RetrievalError`."""
    with tempfile.TemporaryDirectory(prefix="parley-evals-") as folder:
        settings = trial_settings(Path(folder), retrieval={"url": ""})
        pages = publish(documents, settings)
        outcomes = asyncio.run(ask_all(settings, [_case(each) for each in asked], model=ScriptedChat()))
    return score(asked, outcomes, pages)


def publish(documents: Path, settings: Settings) -> Pages:
    """Take the documents in, and give back the text of their pages."""
    corpus = Corpus.open(settings.retrieval, settings.data_dir)
    try:
        ingest([documents], corpus, settings.ingest)
        return page_texts(corpus)
    finally:
        corpus.close()


def page_texts(corpus: Corpus) -> Pages:
    """The text of every page of a corpus; a document without pages is one, with the number 0."""
    pages: dict[str, dict[int, str]] = defaultdict(lambda: defaultdict(str))
    for passage in sorted(corpus.added_since(0), key=lambda each: each.position):
        pages[passage.document][passage.page or 0] += f"{passage.text}\n"
    return pages


def score(asked: Sequence[Asked], outcomes: Sequence[Outcome], pages: Pages) -> Scores:
    """What became of the questions, as shares of all of them; one that failed or was abstained from cites nothing."""
    pairs = list(zip(asked, (each.answered for each in outcomes), strict=True))
    return Scores(
        questions=len(asked),
        abstained=_mean([each.abstained for each in outcomes]),
        cited_document=_mean([bool(_cited(*pair)) for pair in pairs]),
        cited_page=_mean([_page_holds(*pair, pages) for pair in pairs]),
    )


def _case(asked: Asked) -> Case:
    return Case(question=asked.question, answers=(asked.answer,))


def _cited(asked: Asked, result: TurnResult | None) -> dict[str, set[int]]:
    """The cited pages of the documents that are meant."""
    found: dict[str, set[int]] = defaultdict(set)
    for citation in result.citations if result else ():
        if fnmatch(citation.passage.document, asked.document):
            found[citation.passage.document].add(citation.passage.page or 0)
    return found


def _page_holds(asked: Asked, result: TurnResult | None, pages: Pages) -> bool:
    cited = _cited(asked, result)
    return any(hold(numbers, pages[name], asked.answer, asked.question) for name, numbers in cited.items())


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values)
