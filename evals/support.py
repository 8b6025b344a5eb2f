"""How well the citation checker agrees with people: pairs of a source and a claim, judged by hand."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from pydantic import BaseModel, ConfigDict

from evals.lines import LinesRefused, read_lines
from retrieval.citations import check

_SHAPE = "Each line is a JSON object with the texts premise and claim, and a label of 1 or 0."


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
        judged = read_lines(pairs, Pair, _SHAPE)
        scores = measure(judged)
    except LinesRefused as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    if as_json:
        sys.stdout.write(scores.model_dump_json(indent=2) + "\n")
    else:
        typer.echo(f"{len(judged)} pairs: balanced accuracy {scores.balanced_accuracy:.3f}, AUC {scores.auc:.3f}")


def measure(pairs: Sequence[Pair]) -> Scores:
    """Check every claim against its premise; raises `LinesRefused` where one of the labels is missing."""
    results = [(pair.label, check(pair.claim, [pair.premise])) for pair in pairs]
    sides = [[result for label, result in results if label == wanted] for wanted in (1, 0)]
    if not all(sides):
        raise LinesRefused("Both labels are needed: give at least one pair with label 1 and one with label 0.")
    held, refused = (sum(result.verdict == "supported" for result in side) / len(side) for side in sides)
    supported, others = ([result.score for result in side] for side in sides)
    return Scores(balanced_accuracy=(held + 1 - refused) / 2, auc=auc(supported, others))


def auc(above: Sequence[float], below: Sequence[float]) -> float:
    """How often one of `above` is higher than one of `below`, ties counting half."""
    ordered = np.sort(below)
    beaten = np.searchsorted(ordered, above, "left") + np.searchsorted(ordered, above, "right")
    return float(beaten.mean()) / 2 / len(ordered)
