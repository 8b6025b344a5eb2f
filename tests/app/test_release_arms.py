"""Releases of the corpus as arms of an experiment: answered from, recorded, kept, and refused where they lack."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from langgraph.checkpoint.memory import InMemorySaver

from agents.assistant import Assistant
from agents.models.scripted import ScriptedChat
from agents.turn import Asker, TurnRequest, TurnResult
from app.api.documents import documents_router
from app.api.health import health_checks
from app.auth.sessions import Sessions
from app.bootstrap import Parley, build_parley
from app.corpus import open_corpus
from app.settings import ConfigurationError, Settings
from ingest.pipeline import ingest
from ingest.settings import IngestSettings
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.settings import RetrievalSettings

QUESTION = "How many days of leave may be carried over?"
FIVE, TEN = "five days of leave may be carried over", "ten days of leave may be carried over"


def settings(tmp_path: Path, **arm: Any) -> Settings:
    arms = ({"name": "now"}, {"name": "before", "release": 1, **arm})
    return Settings(data_dir=tmp_path / "data", experiments={"leave": {"arms": arms}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two releases: five days, then ten and a canteen."""
    folder = tmp_path / "handbook"
    folder.mkdir()
    with closing(Corpus.open(RetrievalSettings(), tmp_path / "data", HashingEmbedder())) as corpus:
        (folder / "leave.md").write_text(f"# Leave\n\nAt most {FIVE}.\n")
        ingest([folder], corpus, IngestSettings())
        (folder / "leave.md").write_text(f"# Leave\n\nAt most {TEN}.\n")
        (folder / "canteen.md").write_text("# Canteen\n\nLunch is served at noon.\n")
        ingest([folder], corpus, IngestSettings())
    return folder


Build = Callable[..., Parley]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    built: list[Parley] = []

    def build(chosen: Settings) -> Parley:
        built.append(build_parley(chosen, model=ScriptedChat(reply="So it is."), embedder=HashingEmbedder()))
        return built[-1]

    yield build
    for parley in built:
        parley._close_blocking()


def user_of(parley: Parley, variant: str) -> str:
    return next(user for user in map(str, range(1000)) if parley.parts.assign(user).variant == variant)


async def ask(parley: Parley, variant: str) -> TurnResult:
    request = TurnRequest(
        turn_id=uuid4(), thread_id=str(uuid4()), question=QUESTION, asker=Asker(user_hash=user_of(parley, variant))
    )
    return await Assistant(parley.parts, InMemorySaver()).ask(request)


async def test_each_arm_is_answered_from_its_release_and_says_so(folder: Path, build: Build, tmp_path: Path) -> None:
    parley = build(settings(tmp_path))
    now, before = await ask(parley, "now"), await ask(parley, "before")
    assert (now.corpus_release, before.corpus_release) == (2, 1)
    assert TEN in now.citations[0].passage.text
    assert TEN in now.text
    assert FIVE in before.citations[0].passage.text
    assert FIVE in before.text


async def test_an_arms_release_may_be_of_another_encoder(folder: Path, tmp_path: Path, build: Build) -> None:
    """Release 3 is a new index, published; the arm goes on with the old one and its encoder, and both stay open."""

    def hashing(chosen: RetrievalSettings) -> HashingEmbedder:
        return HashingEmbedder(64 if chosen.encoder == "sixty-four" else 256)

    with closing(Corpus.open(RetrievalSettings(encoder="sixty-four"), tmp_path / "data", build=hashing)) as corpus:
        ingest([folder], corpus, IngestSettings())
    chosen = settings(tmp_path)
    corpus = Corpus.open(chosen.retrieval, chosen.data_dir, build=hashing, pinned=chosen.arms_by_release)
    with closing(corpus):
        corpus.warm([1])
        for _ in range(2):
            assert TEN in corpus.search_now("leave carried over", groups=["everyone"])[0].passage.text
            assert FIVE in corpus.search_now("leave carried over", groups=["everyone"], release=1)[0].passage.text
        assert (corpus.encode(["leave"]).shape[1], corpus.encode(["leave"], release=1).shape[1]) == (64, 256)


def test_an_arms_release_is_never_pruned(folder: Path, tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    chosen = chosen.model_copy(update={"retrieval": RetrievalSettings(keep_releases=1)})
    with closing(open_corpus(chosen, HashingEmbedder())) as corpus:
        for days in ("six", "seven"):
            (folder / "leave.md").write_text(f"# Leave\n\nAt most {days} days.\n")
            ingest([folder], corpus, IngestSettings())
        assert [release.number for release in corpus.releases().kept()] == [4, 3, 1]
        assert corpus.releases().prune(1) == [3]
        assert FIVE in corpus.search_now("leave carried over", groups=["everyone"], release=1)[0].passage.text
    unpinned = Settings(data_dir=chosen.data_dir)
    with closing(open_corpus(unpinned, HashingEmbedder())) as corpus:
        assert corpus.releases().prune(1) == [1]


def test_a_missing_release_is_refused_at_start(folder: Path, build: Build, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"arm before answers from release 7 .* `parley releases`"):
        build(settings(tmp_path, release=7))
    disabled = settings(tmp_path, release=7)
    experiment = disabled.experiments["leave"].model_copy(update={"enabled": False})
    build(disabled.model_copy(update={"experiments": {"leave": experiment}}))


def test_the_command_says_so_without_a_stack_trace(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "parley.toml").write_text(
        'data_dir = "data"\n[experiments.leave]\narms = [{name = "now"}, {name = "before", release = 7}]\n'
    )
    code = "import sys; sys.argv = ['parley', 'ask', 'Why?']; from app.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("Parley cannot start with these settings:\nexperiments: arm before answers")
    assert "Traceback" not in done.stderr


async def test_the_original_of_an_arms_source_is_that_of_its_release(
    folder: Path, build: Build, tmp_path: Path
) -> None:
    parley = build(settings(tmp_path))
    accounts = [parley.accounts.create(f"user{n}", "correct horse battery") for n in range(40)]
    by_release = {parley.release_of(account): account for account in accounts}
    sessions = Sessions(parley.accounts, parley.secret)
    app = FastAPI()
    app.include_router(documents_router(parley.corpus, sessions, parley.release_of))
    leave, canteen = (next(d.id for d in parley.corpus.documents().values() if d.name == n) for n in NAMES)

    async def read(release: int | None, document: str) -> str:
        app.dependency_overrides[sessions.require_account] = lambda: by_release[release]
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return (await client.get(f"/documents/{document}")).text

    assert FIVE in await read(1, leave)
    assert TEN in await read(None, leave)
    assert "noon" in await read(1, canteen), "what its release doesn't hold is opened as it is now"


NAMES = ("leave.md", "canteen.md")


async def test_what_has_been_closed_since_is_closed_in_the_arm_too(folder: Path, build: Build, tmp_path: Path) -> None:
    parley = build(settings(tmp_path))
    ingest([folder], parley.corpus, IngestSettings(), groups=("board",))
    result = await ask(parley, "before")
    assert (result.status, result.citations, result.corpus_release) == ("abstained", [], 1)
    for groups, hits in ((["everyone"], 0), (["everyone", "board"], 1)):
        assert len(parley.corpus.search_now(QUESTION, groups=groups, release=1)) == hits


async def test_health_says_that_the_next_release_cannot_be_loaded(folder: Path, build: Build, tmp_path: Path) -> None:
    parley = build(Settings(data_dir=tmp_path / "data"))
    parley.corpus.warm()
    assert {check.name for check in await health_checks(parley)} == {"model", "corpus", "traces"}
    with closing(Corpus.open(RetrievalSettings(), tmp_path / "data", HashingEmbedder(64))) as corpus:
        ingest([folder], corpus, IngestSettings())
    async with asyncio.timeout(60):
        while "next release" not in {check.name for check in await health_checks(parley)}:
            await asyncio.sleep(0.02)
    checks = {check.name: check for check in await health_checks(parley)}
    assert (checks["corpus"].ok, checks["corpus"].detail) == (True, "release 2")
    assert not checks["next release"].ok
    assert "Put the encoder back" in checks["next release"].detail
