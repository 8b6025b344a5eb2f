"""How commands on the corpus say what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console


@contextmanager
def reporting() -> Iterator[None]:
    """A refusal is one line on stderr and exit status 1."""
    from retrieval.errors import RetrievalError

    try:
        yield
    except RetrievalError as error:
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
