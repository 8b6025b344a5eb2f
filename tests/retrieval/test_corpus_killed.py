"""A process that is killed in the middle of its work on the corpus costs nothing but that work."""

from __future__ import annotations

import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the module beside the tests

from killable import DOCUMENTS, PASSAGES, WORK, Child, ingest, open_corpus, version

from retrieval.corpus import Corpus
from retrieval.passages import EVERYONE

MEMORY = Path("/dev/shm")
KILLS = {"ingest": 28, "prune and ingest": 14, "roll back and ingest": 14}
"""At least one in each step."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is room: what a killed process has written stays, whether or not it was synced."""
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 1 << 30
    with TemporaryDirectory(dir=MEMORY if in_memory else tmp_path) as folder:
        yield Path(folder)


def assert_whole(corpus: Corpus, release: int) -> None:
    """Every document, passage and original is of this release, none is missing, and all of them can be found."""
    published = corpus.release()
    assert (published.number, published.documents, published.passages) == (release, DOCUMENTS, DOCUMENTS * PASSAGES)
    made = [version(release, number) for number in range(DOCUMENTS)]
    assert corpus.documents() == {document.source: document for document, _, _ in made}
    for document, _, content in made:
        original = corpus.original(document.id)
        assert original is not None
        assert original.read_bytes() == content
    held = {passage.id: passage for passage in corpus.added_since(0)}
    assert held == {passage.id: passage for _, passages, _ in made for passage in passages}
    hits = corpus.search_now(f"rule release{release}", groups=[EVERYONE], limit=100)
    assert {hit.passage.text.split()[-1] for hit in hits} == {f"release{release}"}


def assert_all_whole(corpus: Corpus) -> None:
    """So is every release that is kept."""
    published = corpus.release().number
    for kept in corpus.releases().kept():
        corpus.releases().publish(kept.number)
        assert_whole(corpus, kept.number)
    corpus.releases().publish(published)


def newest(corpus: Corpus) -> int:
    return max(release.number for release in corpus.releases().kept())


@pytest.mark.parametrize(
    ("point", "release"),
    [
        (("begin the draft", 1), 1),
        (("put a document", 1), 1),
        (("encode a batch", 2), 1),
        (("publish", 1), 1),
        (("commit", 1), 1),
        (("done", 1), 2),
    ],
)
def test_a_draft_killed_at(point: tuple[str, int], release: int, folder: Path) -> None:
    corpus = open_corpus(folder)
    ingest(corpus, 1)
    Child("ingest", folder, 2, dies_at=point).wait_until_killed()
    assert_whole(corpus, release)
    assert_whole(open_corpus(folder), release)
    ingest(corpus, release + 1)
    assert_whole(corpus, release + 1)


@pytest.mark.parametrize("point", [("put a document", 1), ("encode a batch", 2), ("commit", 1)])
def test_a_draft_on_a_rolled_back_release_killed_at(point: tuple[str, int], folder: Path) -> None:
    corpus = open_corpus(folder)
    for release in (1, 2):
        ingest(corpus, release)
    Child("roll back and ingest", folder, 3, dies_at=point).wait_until_killed()
    assert_whole(corpus, 1)
    corpus.releases().publish(2)
    assert_whole(corpus, 2)
    ingest(corpus, 3)
    assert_whole(corpus, 3)


def test_the_first_draft_killed_leaves_the_empty_corpus(folder: Path) -> None:
    Child("ingest", folder, 1, dies_at=("encode a batch", 2)).wait_until_killed()
    corpus = open_corpus(folder)
    assert corpus.release().number == 0
    assert corpus.search_now("rule", groups=[EVERYONE]) == []
    ingest(corpus, 1)
    assert_whole(corpus, 1)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("work", WORK)
def test_killed_at_random_moments_it_leaves_the_old_release_or_the_new_one(work: str, folder: Path) -> None:
    """The moments are spread over the steps, however long each takes, and lie anywhere within them."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    steps = Child(work, with_two_releases(folder / "uninterrupted"), 3).run_to_its_end()
    folder = with_two_releases(folder / "killed")
    outcomes: Counter[str] = Counter()
    in_steps: Counter[str] = Counter()
    for number in islice(spread_over(len(steps.names), moments), KILLS[work]):
        corpus = open_corpus(folder)
        kept = {release.number: release for release in corpus.releases().kept()}
        served, new = corpus.release().number, max(kept) + 1
        in_steps[Child(work, folder, new).kill_within(number, moments.random() * steps.seconds(number))] += 1
        published = corpus.release().number
        outcomes["new" if published == new else "old"] += 1
        assert published in {served, new, kept[served].built_on if "roll back" in work else served}
        corpus.close()
        corpus = open_corpus(folder)
        assert_whole(corpus, published)
        ingest(corpus, newest(corpus) + 1)
        corpus.close()
    assert_all_whole(open_corpus(folder))
    assert set(outcomes) == {"old", "new"}
    assert len(in_steps) > 3, in_steps


def with_two_releases(folder: Path) -> Path:
    corpus = open_corpus(folder)
    for release in (1, 2):
        ingest(corpus, release)
    corpus.close()
    return folder


def spread_over(steps: int, moments: random.Random) -> Iterator[int]:
    """Numbers of steps for ever, each as often as the others, in a random order."""
    while True:
        yield from moments.sample(range(steps), steps)
