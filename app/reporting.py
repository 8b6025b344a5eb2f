"""How commands say what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console


@contextmanager
def reporting(*refusals: type[Exception]) -> Iterator[None]:
    """A refusal is one line on stderr and exit status 1; without others, it is one of the corpus."""
    from retrieval.errors import RetrievalError

    known = refusals or (RetrievalError,)
    try:
        yield
    except known as error:
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
