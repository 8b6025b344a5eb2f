"""`parley documents`, as typed: what there is for whom, and the proof that nobody else finds it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from agents.turn import Asker, Citation, TurnResult
from app.auth.settings import AuthSettings
from app.auth.users import Accounts
from app.documents import Records, documents_app
from app.evidence import Ledger
from app.secret import Secret
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.passages import EVERYONE, Document, Passage
from retrieval.settings import RetrievalSettings

Parley = Callable[..., Result]
PASSWORD = "correct horse battery"


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    records = Records(
        Corpus.open(RetrievalSettings(), tmp_path, HashingEmbedder()),
        Accounts.open(tmp_path / "chat.db", AuthSettings()),
        Ledger.open(tmp_path / "evidence.db"),
        Secret.load(tmp_path / "secret"),
    )
    records.accounts.create("ann", PASSWORD, groups=["board"])
    records.accounts.create("bob", PASSWORD, groups=["council"])
    records.accounts.create("olga", PASSWORD, role="analyst")
    put(records.corpus, "minutes.md", "The board buys the mill for ninety florins.", ("board",))
    put(records.corpus, "canteen.md", "Lunch is served at noon.", (EVERYONE,))
    yield records
    records.corpus.close()
    records.accounts.close()
    records.evidence.close()


def put(corpus: Corpus, name: str, text: str, groups: tuple[str, ...], found_by: tuple[str, ...] = ()) -> Passage:
    """Publish a document of one passage; `found_by` are other groups than it should be found by."""
    document = Document(
        id=name,
        source=f"/{name}",
        name=name,
        title=name,
        content_hash=hashlib.sha256(text.encode()).hexdigest(),
        media_type="text/markdown",
        size_bytes=len(text),
        groups=groups,
        owner="Secretary",
    )
    passage = Passage(
        id=str(uuid4()),
        document_id=name,
        document=name,
        title=name,
        page=None,
        heading="",
        text=text,
        position=0,
        groups=found_by or groups,
    )
    with corpus.draft() as draft:
        draft.put(document, [passage])
        draft.publish()
    return passage


@pytest.fixture
def parley(records: Records) -> Parley:
    @contextmanager
    def opened() -> Iterator[Records]:
        yield records

    def run(*words: str) -> Result:
        app = typer.Typer()
        app.add_typer(documents_app(opened, Console(width=200)), name="documents")
        app.command()(lambda: None)
        return CliRunner().invoke(app, ["documents", *words])

    return run


def test_documents_are_listed_with_their_readers_and_owner(parley: Parley) -> None:
    minutes = {"source": "/minutes.md", "name": "minutes.md", "groups": ["board"], "owner": "Secretary"}
    assert minutes in json.loads(parley("list", "--json").stdout)
    assert json.loads(parley("--group", "board", "--json").stdout) == [minutes]
    for word in ("minutes.md", "canteen.md", "board", "everyone", "Secretary"):
        assert word in parley().stdout


def test_who_may_find_a_document_is_told_and_that_nobody_else_does(parley: Parley, records: Records) -> None:
    (hit,) = records.corpus.search_now("florins", groups=["board"])
    answer = TurnResult(
        turn_id=uuid4(),
        thread_id="t1",
        status="answered",
        question="How much?",
        text="Ninety florins. [1]",
        citations=[Citation(number=1, passage=hit.passage)],
    )
    ann = Asker(user_hash=records.secret.user_hash(records.accounts.named("ann").id))
    records.evidence.record(ann, answer)
    checked = parley("check", "minutes.md", "--json")
    assert checked.exit_code == 0
    (told,) = json.loads(checked.stdout)
    assert (told["readers"], told["others"], told["operators"]) == (["ann"], ["bob", "olga"], ["olga"])
    assert (told["passages"], told["found"], told["answered"]) == (1, 0, {"ann": 1})
    assert "Each of its 1 passages was asked for as everybody who may not: none was found." in parley(
        "check", "minutes.md"
    ).stdout.replace("\n", " ")


def test_a_passage_that_somebody_else_finds_is_an_alarm(parley: Parley, records: Records) -> None:
    put(records.corpus, "leaky.md", "The council sues the miller.", ("council",), found_by=("council", "board"))
    checked = parley("check", "leaky.md")
    assert checked.exit_code == 1
    assert "FOUND 1 TIMES" in checked.stdout


def test_an_unknown_document_is_refused_by_name(parley: Parley) -> None:
    refused = parley("check", "nothing.md")
    assert refused.exit_code == 1
    assert "There is no document 'nothing.md'" in refused.stderr
