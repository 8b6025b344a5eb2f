"""How well the citation checker agrees with people: pairs of a source and a claim, judged by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from pydantic import BaseModel, ConfigDict, ValidationError

from retrieval.citations import check


class PairsRefused(Exception):
    """The pairs cannot be measured on; the message says which line to mend."""


class Pair(BaseModel):
    """A source and a claim, and whether people found that the source says it; further keys are passed over."""

    model_config = ConfigDict(frozen=True)

    premise: str
    claim: str
    label: Literal[0, 1]


class Scores(BaseModel):
    """How far the checker agrees with the labels, 0 to 1."""

    balanced_accuracy: float
    """Mean of the share of supported claims found supported and the share of the others found otherwise."""
    auc: float
    """How often a supported claim scores above another one, ties counting half."""


def support(
    pairs: Annotated[Path, typer.Option(help="A file of JSON lines with premise, claim and label (1 or 0).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Measure the citation checker on pairs that people have judged."""
    try:
        judged = read_pairs(pairs)
        scores = measure(judged)
    except PairsRefused as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    if as_json:
        sys.stdout.write(scores.model_dump_json(indent=2) + "\n")
    else:
        typer.echo(f"{len(judged)} pairs: balanced accuracy {scores.balanced_accuracy:.3f}, AUC {scores.auc:.3f}")


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a file of JSON lines, blank ones left out; raises `PairsRefused`."""
    try:
        return list(_parsed(path))
    except OSError as error:
        raise PairsRefused(f"{path} cannot be read: {error.strerror}.") from error


def measure(pairs: Sequence[Pair]) -> Scores:
    """Check every claim against its premise; raises `PairsRefused` where one of the labels is missing."""
    results = [(pair.label, check(pair.claim, [pair.premise])) for pair in pairs]
    sides = [[result for label, result in results if label == wanted] for wanted in (1, 0)]
    if not all(sides):
        raise PairsRefused("Both labels are needed: give at least one pair with label 1 and one with label 0.")
    held, refused = (sum(result.verdict == "supported" for result in side) / len(side) for side in sides)
    supported, others = ([result.score for result in side] for side in sides)
    return Scores(balanced_accuracy=(held + 1 - refused) / 2, auc=_auc(supported, others))


def _parsed(path: Path) -> Iterator[Pair]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _pair(line, f"line {number} of {path.name}")


def _pair(line: bytes, where: str) -> Pair:
    try:
        return Pair.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = f" ({first['loc'][0]})" if first["loc"] else ""
        raise PairsRefused(
            f"{where} is not a pair{key}: {first['msg']}. "
            "Each line is a JSON object with the texts premise and claim, and a label of 1 or 0."
        ) from error


def _auc(above: Sequence[float], below: Sequence[float]) -> float:
    ordered = np.sort(below)
    beaten = np.searchsorted(ordered, above, "left") + np.searchsorted(ordered, above, "right")
    return float(beaten.mean()) / 2 / len(ordered)
