"""`parley releases`, as typed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from app.releases import releases_app
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.passages import Document, Passage
from retrieval.releases import Releases
from retrieval.settings import RetrievalSettings

Parley = Callable[..., Result]


@pytest.fixture
def corpus(tmp_path: Path) -> Iterator[Corpus]:
    corpus = Corpus.open(RetrievalSettings(), tmp_path, HashingEmbedder())
    yield corpus
    corpus.close()


@pytest.fixture
def arms() -> dict[int, list[str]]:
    """The arms that name a release."""
    return {}


@pytest.fixture
def parley(corpus: Corpus, arms: dict[int, list[str]]) -> Parley:
    @contextmanager
    def opened() -> Iterator[Releases]:
        yield corpus.releases()

    def run(*words: str) -> Result:
        app = typer.Typer()
        app.add_typer(releases_app(opened, lambda: arms, Console(width=200)), name="releases")
        app.command()(lambda: None)
        return CliRunner().invoke(app, ["releases", *words])

    return run


def ingest(corpus: Corpus, name: str, text: str) -> None:
    document = Document(
        id=name,
        source=f"/{name}",
        name=name,
        title=name,
        content_hash=hashlib.sha256(text.encode()).hexdigest(),
        media_type="text/plain",
        size_bytes=len(text),
    )
    passage = Passage(
        id=text, document_id=name, document=name, title=name, page=None, heading="", text=text, position=0
    )
    with corpus.draft() as draft:
        draft.put(document, [passage])
        draft.publish()


@pytest.fixture
def three(corpus: Corpus) -> None:
    """Three releases; the third one changed the leave."""
    ingest(corpus, "leave.txt", "five [days]")
    ingest(corpus, "travel.txt", "by train")
    ingest(corpus, "leave.txt", "six [days]\nin all")


def test_before_the_first_ingest_the_next_step_is_named(parley: Parley) -> None:
    listed = parley()
    assert listed.exit_code == 0
    assert "parley ingest" in listed.output
    for words in (["diff"], ["rollback"], ["publish", "1"]):
        refused = parley(*words)
        assert refused.exit_code == 1
        assert refused.stderr
        assert refused.exception is None or isinstance(refused.exception, SystemExit)


@pytest.mark.usefixtures("three")
def test_the_list_marks_the_published_release(parley: Parley) -> None:
    rows = [line for line in parley().output.splitlines() if "hashing" in line]
    assert ["published" in row for row in rows] == [True, False, False]
    assert parley().output == parley("list").output
    listed = json.loads(parley("--json").stdout)
    assert listed == json.loads(parley("list", "--json").stdout)
    assert [(release["number"], release["documents"], release["published"]) for release in listed] == [
        (3, 2, True),
        (2, 2, False),
        (1, 1, False),
    ]


@pytest.mark.usefixtures("three")
def test_the_list_says_which_arms_use_a_release(parley: Parley, arms: dict[int, list[str]]) -> None:
    arms[2] = ["leave/older", "travel/b"]
    rows = [line for line in parley().output.splitlines() if "hashing" in line]
    assert ["arm of leave/older, arm of travel/b" in row for row in rows] == [False, True, False]
    assert [release["arms"] for release in json.loads(parley("--json").stdout)] == [[], arms[2], []]


@pytest.mark.usefixtures("three")
def test_a_diff_counts_and_shows_texts_when_asked(parley: Parley) -> None:
    brief = parley("diff").output
    assert "changed  leave.txt  (passages: 1 changed)" in brief
    assert "five" not in brief
    texts = parley("diff", "2", "3", "--passages").output
    assert "    - five [days]\n    + six [days]\n      in all\n" in texts
    assert "2 documents differ" in parley("diff", "1", "3").output


@pytest.mark.usefixtures("three")
def test_a_diff_is_json_when_asked(parley: Parley) -> None:
    brief = json.loads(parley("diff", "--json").stdout)
    assert brief == {
        "before": 2,
        "after": 3,
        "documents": [
            {
                "document": "leave.txt",
                "source": "/leave.txt",
                "change": "changed",
                "passages": {"added": 0, "changed": 1, "removed": 0},
            }
        ],
    }
    whole = json.loads(parley("diff", "--json", "--passages").stdout)
    assert whole["documents"][0]["texts"] == [
        {"before": "five [days]", "after": "six [days]\nin all", "change": "changed"}
    ]


@pytest.mark.usefixtures("three")
def test_the_pointer_moves_back_and_forth(parley: Parley, corpus: Corpus) -> None:
    assert "Release 2 is published again." in parley("rollback").output
    assert corpus.release().number == 2
    assert "Release 3 is published." in parley("publish", "3").output
    assert corpus.release().number == 3


@pytest.mark.usefixtures("three")
def test_a_refusal_is_one_line(parley: Parley) -> None:
    refused = parley("publish", "9")
    assert refused.exit_code == 1
    assert refused.stderr == "There never was a release 9. `parley releases` lists those that are kept.\n"
    assert parley("publish", "0").exit_code == 2
    assert parley("prune", "--keep", "0").exit_code == 2


@pytest.mark.usefixtures("three")
def test_pruning_names_what_is_forgotten(parley: Parley) -> None:
    assert "Forgotten: 1." in parley("prune", "--keep", "2").output
    assert "Forgotten: none." in parley("prune", "--keep", "2").output
    assert parley("publish", "1").stderr.startswith("Release 1 has been pruned.")
