"""`parley duplicates`: what the corpus says more than once, and whose documents say it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.corpus import open_corpus
from app.settings import Settings
from retrieval.duplicates import Duplicates, find_duplicates


def show_duplicates(settings: Settings, as_json: bool, out: Console) -> None:
    """Print the documents of which passages are found elsewhere too; as JSON, those passages as well."""
    corpus = open_corpus(settings)
    try:
        release = corpus.published().number
        documents = {document.id: document for document in corpus.documents(release).values()}
        found = find_duplicates(release, corpus.releases().added(release, since=0), documents)
    finally:
        corpus.close()
    if as_json:
        out.file.write(found.model_dump_json(indent=2) + "\n")
        return
    if found.documents:
        out.print(_table(found))
    out.print(_summary(found), markup=False, highlight=False, soft_wrap=True)


def _table(found: Duplicates) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("document", "owner"):
        table.add_column(heading, overflow="fold")
    table.add_column("copied", justify="right")
    table.add_column("passages", justify="right")
    table.add_column("mostly in", overflow="fold")
    table.add_column("owner", overflow="fold")
    for row in found.documents:
        figures = f"{row.share:.0%}", f"{row.copied} of {row.passages}"
        table.add_row(Text(row.document), Text(row.owner), *figures, Text(row.mostly_in), Text(row.mostly_in_owner))
    return table


def _summary(found: Duplicates) -> str:
    copies = sum(len(group) - 1 for group in found.groups)
    return f"Release {found.release}: of {found.passages} passages, {copies} say nearly the same as another."
