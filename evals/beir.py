"""Judged queries in BEIR's format: a corpus and queries in JSON lines, and judgements (qrels) in a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from evals.lines import LinesRefused, read_lines
from evals.ranking import relevant

MAX_GRADE = 1000
_SHAPE = "Each line is a JSON object with _id and text, and a document may have a title."


class Query(BaseModel):
    """A query; keys beside these are passed over."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(alias="_id", min_length=1)
    text: str = Field(pattern=r"\S")


class BeirDocument(BaseModel):
    """A document of the corpus; keys beside these are passed over."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(alias="_id", min_length=1)
    title: str = ""
    text: str


Record = TypeVar("Record", Query, BeirDocument)


@dataclass(frozen=True)
class Collection:
    """A corpus with the queries that have a relevant document in it."""

    documents: list[BeirDocument]
    queries: list[Query]
    judgements: dict[str, dict[str, int]]
    """Grades by query and document."""


def read_collection(corpus: Path, queries: Path, qrels: Path) -> Collection:
    """Read the three files; raises `LinesRefused`."""
    documents, asked = read_documents(corpus), _records(queries, Query)
    judgements: dict[str, dict[str, int]] = {}
    for where, query, document, grade in _judgements(qrels):
        if query not in asked:
            raise LinesRefused(f"{where} judges the query {query!r}, which {queries.name} does not hold.")
        if document not in documents:
            raise LinesRefused(f"{where} judges the document {document!r}, which {corpus.name} does not hold.")
        judgements.setdefault(query, {})[document] = grade
    judged = [query for name, query in asked.items() if relevant(judgements.get(name, {}))]
    if not judged:
        raise LinesRefused(f"{qrels.name} names no relevant document; at least one line needs a score above 0.")
    return Collection(list(documents.values()), judged, judgements)


def read_documents(path: Path) -> dict[str, BeirDocument]:
    """The documents of a corpus by their id; raises `LinesRefused`."""
    return _records(path, BeirDocument)


def _records(path: Path, kind: type[Record]) -> dict[str, Record]:
    """The lines of a file by their id."""
    records: dict[str, Record] = {}
    for record in read_lines(path, kind, _SHAPE):
        if record.id in records:
            raise LinesRefused(f"{path.name} has the id {record.id!r} twice; each line needs its own.")
        records[record.id] = record
    return records


def _judgements(path: Path) -> Iterator[tuple[str, str, str, int]]:
    """Place, query, document and grade of each line below the header."""
    lines = _lines(path)
    if next(lines, (path.name, b""))[1].split() != [b"query-id", b"corpus-id", b"score"]:
        raise LinesRefused(f"{path.name} must begin with the line query-id, corpus-id, score, separated by tabs.")
    for where, line in lines:
        try:
            query, document, grade = line.decode().rstrip("\r\n").split("\t")
            yield where, query, document, _grade(grade)
        except ValueError as error:
            raise LinesRefused(
                f"{where} is not a judgement: it needs the id of a query, the id of a document and a whole number "
                f"of at most {MAX_GRADE}, separated by tabs."
            ) from error


def _grade(text: str) -> int:
    if (grade := int(text)) > MAX_GRADE:
        raise ValueError(text)
    return grade


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """The lines of a file that hold something, each with its place for messages."""
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield f"Line {number} of {path.name}", line
    except OSError as error:
        raise LinesRefused(f"{path} cannot be read: {error.strerror}.") from error
