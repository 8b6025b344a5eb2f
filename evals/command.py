"""`parley evals`: measurements on data that people have judged, of any origin."""

from __future__ import annotations

import typer

from evals.answers import answers
from evals.citations import citations
from evals.followups import followups
from evals.retrieval import retrieval
from evals.support import support

evals_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measurements on data of your own.")
evals_app.command()(answers)
evals_app.command()(retrieval)
evals_app.command()(support)
evals_app.command()(followups)
evals_app.command()(citations)
