"""`parley documents`: what the corpus holds for whom, and the proof that nobody else finds it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.reporting import reporting

if TYPE_CHECKING:
    from app.auth.users import Account, Accounts
    from app.evidence import Ledger
    from app.secret import Secret
    from app.settings import Settings
    from retrieval.corpus import Corpus
    from retrieval.passages import Document

LOOKED_AT = 50
"""Hits of each search among which the document must not be."""

OfGroup = Annotated[str, typer.Option("--group", help="Only what this group may read.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True)
class Records:
    """What is known of documents, of users, and of what users were answered."""

    corpus: Corpus
    accounts: Accounts
    evidence: Ledger
    secret: Secret


OpenRecords = Callable[[], AbstractContextManager[Records]]


@contextmanager
def open_records(settings: Settings) -> Iterator[Records]:
    """The records of a data folder, for as long as the block lasts."""
    from app.auth.users import Accounts
    from app.corpus import open_corpus
    from app.evidence import Ledger
    from app.ops_store import private_folder
    from app.secret import Secret

    data_dir = private_folder(settings.data_dir)
    with (
        closing(open_corpus(settings)) as corpus,
        closing(Accounts.open(data_dir / "chat.db", settings.auth)) as accounts,
        closing(Ledger.open(data_dir / "evidence.db")) as evidence,
    ):
        yield Records(corpus, accounts, evidence, Secret.load(data_dir / "secret"))


@dataclass(frozen=True)
class Checked:
    """Who may read a document, and what came of asking as everybody else."""

    document: str
    source: str
    groups: list[str]
    owner: str
    readers: list[str]
    """Names of the accounts that may find it."""
    others: list[str]
    operators: list[str]
    """Names of the accounts that see at /ops what anybody is answered."""
    passages: int
    """Of the document; each was asked for in its own words, as a reader of each set of groups that must not find it."""
    found: int
    """How many of these searches found the document nevertheless."""
    answered: dict[str, int]
    """Answers that were drawn from it, by who asked; empty for somebody who has no account any more."""


def check(records: Records, document: Document) -> Checked:
    """Ask for each passage of a document in its own words, as everybody who must not find it."""
    from app.auth.users import OPS_ROLES

    accounts = [account for account in records.accounts.users() if not account.disabled_at]
    readers = [account for account in accounts if not set(document.groups).isdisjoint(account.groups)]
    others = [account for account in accounts if account not in readers]
    passages = [passage for passage in records.corpus.added_since(0) if passage.document_id == document.id]
    outside = _groups_outside(document, others)
    found = sum(_finds(records.corpus, passage.text, groups, document) for groups in outside for passage in passages)
    return Checked(
        document=document.name,
        source=document.source,
        groups=list(document.groups),
        owner=document.owner,
        readers=[account.name for account in readers],
        others=[account.name for account in others],
        operators=[account.name for account in accounts if account.role in OPS_ROLES],
        passages=len(passages),
        found=found,
        answered=_answered(records, document),
    )


def _groups_outside(document: Document, others: Collection[Account]) -> set[frozenset[str]]:
    """Each set of groups that somebody has who must not find the document; of a new user, in any case."""
    from retrieval.passages import EVERYONE

    new_user = {frozenset({EVERYONE})} if EVERYONE not in document.groups else set()
    return new_user | {frozenset(account.groups) for account in others}


def _finds(corpus: Corpus, question: str, groups: Collection[str], document: Document) -> bool:
    hits = corpus.search_now(question, groups=groups, limit=LOOKED_AT)
    return any(hit.passage.document_id == document.id for hit in hits)


def _answered(records: Records, document: Document) -> dict[str, int]:
    names = {records.secret.user_hash(account.id): account.name for account in records.accounts.users()}
    counted: Counter[str] = Counter()
    for user_hash, answers in records.evidence.askers(document.id).items():
        counted[names.get(user_hash, "")] += answers
    return dict(counted)


def documents_app(open_records: OpenRecords, out: Console | None = None) -> typer.Typer:
    """The commands about documents; each opens the records for as long as it needs them."""
    app = typer.Typer(help="What the corpus holds, and for whom.", invoke_without_command=True)
    console = out or Console()
    _add_list(app, open_records, console)
    _add_check(app, open_records, console)
    return app


def _add_list(app: typer.Typer, open_records: OpenRecords, console: Console) -> None:
    @app.callback()
    def documents(context: typer.Context, group: OfGroup = "", as_json: AsJson = False) -> None:
        if context.invoked_subcommand is None:
            list_documents(group, as_json)

    @app.command("list")
    def list_documents(group: OfGroup = "", as_json: AsJson = False) -> None:
        """Show every document of the published release, with its reader groups and its owner."""
        with reporting(), open_records() as records:
            held = [one for one in records.corpus.documents().values() if group in ("", *one.groups)]
        if as_json:
            _print_json(console, [one.model_dump(include={"name", "source", "groups", "owner"}) for one in held])
        else:
            console.print(_table(held))


def _add_check(app: typer.Typer, open_records: OpenRecords, console: Console) -> None:
    @app.command("check")
    def check_document(
        name: Annotated[str, typer.Argument(help="The document's name, as `parley documents` shows it.")],
        as_json: AsJson = False,
    ) -> None:
        """Show who may read a document, and prove that nobody else finds a passage of it."""
        with reporting(), open_records() as records:
            checked = [check(records, one) for one in records.corpus.documents().values() if one.name == name]
        if not checked:
            Console(stderr=True).print(f"There is no document {name!r}. `parley documents` lists them.", markup=False)
            raise typer.Exit(1)
        if as_json:
            _print_json(console, [asdict(one) for one in checked])
        else:
            console.print("\n\n".join(map(_report, checked)), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1 if any(one.found for one in checked) else 0)


def _table(documents: Sequence[Document]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("document", "readers", "owner"):
        table.add_column(heading, overflow="fold")
    for one in documents:
        table.add_row(one.name, ", ".join(one.groups), one.owner)
    return table


def _report(one: Checked) -> str:
    told = ", ".join(f"{name or 'somebody without an account'} ({count})" for name, count in one.answered.items())
    found = "none was found" if not one.found else f"FOUND {one.found} TIMES: stop the server and report this"
    return "\n".join(
        [
            f"{one.document}  ({one.source})",
            f"Reader groups: {', '.join(one.groups)}. Owner: {one.owner or 'nobody'}.",
            f"May find it: {', '.join(one.readers) or 'nobody'}.",
            f"May not find it: {', '.join(one.others) or 'nobody'}.",
            f"Each of its {one.passages} passages was asked for as everybody who may not: {found}.",
            f"See at /ops what anybody is answered: {', '.join(one.operators) or 'nobody'}.",
            f"Answers that rest on it were given to: {told or 'nobody'}.",
        ]
    )


def _print_json(console: Console, value: object) -> None:
    console.file.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
