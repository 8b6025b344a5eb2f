"""The same stages on a real Ray: the same corpus as the local engine, whatever happens to workers and driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import pytest

from ingest.engines.ray_data import encoders
from ingest.errors import EngineFailed
from ingest.pipeline import ingest
from ingest.settings import IngestSettings
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.settings import RetrievalSettings

ON_RAY = IngestSettings(engine="ray")
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'parley[ray]'")


class DiesOnce(HashingEmbedder):
    """Takes the first process that encodes with it down."""

    def __init__(self, marker: Path) -> None:
        super().__init__()
        self._marker = marker

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        try:
            self._marker.touch(exist_ok=False)
        except FileExistsError:
            return super().encode(texts)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class Fails(HashingEmbedder):
    """Cannot encode."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        raise RuntimeError("the weights are damaged")


@pytest.fixture
def known_to_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send this module's classes to other processes as they are; it cannot be imported there."""
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # read when Ray is imported, which is here
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def mixed(folder: Path, make_pdf, word_file: bytes) -> Path:
    """A folder of several formats, with files that cannot be read."""
    for number in range(40):
        (folder / f"{number}.md").write_text(f"# Rule {number}\nRule {number} allows {number} days of leave.")
    (folder / "report.pdf").write_bytes(make_pdf(["Nothing here."], ["Revenue grew to 12 million."]))
    (folder / "grades.docx").write_bytes(word_file)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 garbage")
    (folder / "locked.pdf").write_bytes(make_pdf(["secret"], password="pass"))
    (folder / "empty.txt").touch()
    (folder / "program.xyz").write_bytes(b"?")
    return folder


def opened(data_dir: Path, embedder: HashingEmbedder) -> Corpus:
    return Corpus.open(RetrievalSettings(), data_dir, embedder)


def held(corpus: Corpus) -> tuple[dict, dict]:
    """All documents and passages of the published release."""
    return corpus.documents(), {passage.id: passage for passage in corpus.added_since(0)}


@needs_ray
@pytest.mark.ray
@pytest.mark.usefixtures("known_to_workers")
async def test_ray_makes_the_same_corpus_though_a_worker_dies(corpus: Corpus, mixed: Path, tmp_path: Path) -> None:
    local = ingest([mixed], corpus, IngestSettings())
    other = opened(tmp_path / "other", DiesOnce(tmp_path / "died"))
    report = ingest([mixed], other, ON_RAY)
    assert (tmp_path / "died").exists()
    assert report.files == local.files
    assert {file.reason for file in report.files} == {None, "broken", "encrypted", "empty", "unsupported"}
    assert held(other) == held(corpus)
    assert len(held(other)[1]) == report.passages > 40
    [best, *_] = await other.search("rule 7 leave", groups=["everyone"])
    assert best.passage.text == "Rule 7 allows 7 days of leave."
    other.close()


@needs_ray
@pytest.mark.ray
@pytest.mark.usefixtures("known_to_workers")
def test_a_stage_that_fails_on_ray_publishes_nothing_and_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "a.md").write_text("Text.")
    corpus = opened(tmp_path / "data", Fails())
    with pytest.raises(EngineFailed, match="the weights are damaged"):
        ingest([folder], corpus, ON_RAY)
    assert corpus.release().number == 0
    corpus.close()


KILLED = """
import sys
from pathlib import Path
from ingest.pipeline import ingest
from ingest.settings import IngestSettings
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.settings import RetrievalSettings

def on_progress(report, done, total):
    if report.status == "added":
        print("added", flush=True)
        sys.stdin.readline()

if __name__ == "__main__":
    corpus = Corpus.open(RetrievalSettings(), Path(sys.argv[1]), HashingEmbedder())
    ingest([Path(sys.argv[2])], corpus, IngestSettings(engine="ray"), on_progress=on_progress)
"""


def works(process: psutil.Process) -> bool:
    """Whether it is still there; uncollected ones are not, and Ray's two agents notice their end a minute later."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "Agent" not in process.name()
    except psutil.NoSuchProcess:
        return False


@needs_ray
@pytest.mark.ray
def test_a_driver_that_is_killed_leaves_the_release_and_no_worker(corpus: Corpus, mixed: Path, tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(tmp_path / "data"), str(mixed)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"added\n"
        started = psutil.Process(process.pid).children(recursive=True)
        theirs = [one for one in psutil.net_connections("tcp") if one.pid in {each.pid for each in started}]
        listening = {one.laddr.ip for one in theirs if one.status == "LISTEN"}
        assert sum(map(works, started)) > 3
        process.kill()
    deadline = time.monotonic() + 30
    while any(map(works, started)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert listening
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}
    assert not any(map(works, started))
    assert (corpus.release().number, corpus.documents()) == (0, {})
    assert ingest([mixed], corpus, IngestSettings()).release == 1


@needs_ray
@pytest.mark.parametrize(("address", "advice"), [("ray://127.0.0.1:9", "on a node"), ("127.0.0.1:9", "ray_address")])
def test_a_cluster_that_cannot_be_used_says_what_to_do(corpus: Corpus, folder: Path, address: str, advice: str) -> None:
    (folder / "a.md").write_text("Text.")
    with pytest.raises(EngineFailed, match=advice):
        ingest([folder], corpus, IngestSettings(engine="ray", ray_address=address))
    assert corpus.release().number == 0


@pytest.mark.parametrize(
    ("wanted", "resources", "count", "share"),
    [
        (0, {"CPU": 2}, 1, {"num_cpus": 1}),
        (0, {"CPU": 64}, 56, {"num_cpus": 1}),
        (0, {"CPU": 16, "GPU": 4}, 4, {"num_gpus": 1}),
        (4, {"CPU": 16, "GPU": 1}, 4, {"num_gpus": 0.25}),
    ],
)
def test_encoders_take_the_gpus_or_most_of_the_cpus(wanted: int, resources: dict, count: int, share: dict) -> None:
    assert encoders(wanted, resources) == (count, share)


def test_encoders_that_leave_no_cpu_to_parse_are_refused() -> None:
    with pytest.raises(EngineFailed, match=r"ingest\.ray_encoders"):
        encoders(2, {"CPU": 2})


def test_where_ray_is_absent_the_message_says_how_to_install_it(
    corpus: Corpus, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.md").write_text("Text.")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineFailed, match=r"pip install 'parley\[ray\]'"):
        ingest([folder], corpus, ON_RAY)
    assert corpus.release().number == 0
