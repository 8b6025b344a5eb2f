"""`python -m evals.xquad FOLDER`: XQuAD as questions and documents for `parley evals answers`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from evals.setup import XQUAD, Paragraph, xquad


def main(folder: Annotated[Path, typer.Argument(help="Where to write questions.jsonl and corpus.jsonl.")]) -> None:
    """Write each question twice: with its answers, and with its paragraph hidden and none."""
    paragraphs = xquad()
    if not paragraphs:
        typer.echo(f"There is no XQuAD to convert: {XQUAD} is missing.", err=True)
        raise typer.Exit(1)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "corpus.jsonl", documents(paragraphs))
    _write(folder / "questions.jsonl", questions(paragraphs))


def documents(paragraphs: Sequence[Paragraph]) -> list[dict[str, Any]]:
    """The paragraphs in BEIR's format."""
    return [{"_id": str(number), "title": each.title, "text": each.text} for number, each in enumerate(paragraphs)]


def questions(paragraphs: Sequence[Paragraph]) -> list[dict[str, Any]]:
    """Each question with its answers, and again without its paragraph."""
    return [
        line
        for number, each in enumerate(paragraphs)
        for question, answers in each.questions
        for line in (
            {"question": question, "answers": answers},
            {"question": question, "answers": None, "without": [str(number)]},
        )
    ]


def _write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
