"""An ingest on a Ray cluster of two hosts, each a network namespace with an address of its own."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest

from ingest.pipeline import ingest
from ingest.settings import IngestSettings
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.settings import RetrievalSettings

HEAD, OTHER = "10.77.0.1", "10.77.0.2"
PORT = 6390
PROBE = f"parley-{os.getpid()}"
WAIT_S = 90

DRIVER = f"""
import sys, time
from pathlib import Path
from ingest.pipeline import ingest
from ingest.settings import IngestSettings
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.settings import RetrievalSettings

DATA, FILES, BEGUN, GO = map(Path, sys.argv[1:])

class Waits(HashingEmbedder):
    def encode(self, texts):
        BEGUN.touch()
        while not GO.exists():
            time.sleep(0.05)
        return super().encode(texts)

if __name__ == "__main__":
    corpus = Corpus.open(RetrievalSettings(), DATA, Waits())
    ingest([FILES], corpus, IngestSettings(engine="ray", ray_address="{HEAD}:{PORT}", ray_encoders=1))
"""


class Host:
    """A network namespace; what is started in it sees its addresses alone."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name = name
        self.environment = environment
        run("ip", "netns", "add", name)

    def command(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *words]

    def start_ray(self, address: str, *words: str) -> None:
        start = [str(Path(sys.executable).with_name("ray")), "start", f"--node-ip-address={address}", "--num-cpus=1"]
        common = ["--object-store-memory=100000000", "--disable-usage-stats"]
        run(*self.command(*start, *common, *words), env=self.environment)

    def kill(self) -> None:
        pids = subprocess.check_output(["ip", "netns", "pids", self.name], text=True)
        for pid in map(int, pids.split()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def remove(self) -> None:
        self.kill()
        run("ip", "netns", "delete", self.name)


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    if not which("ip") or subprocess.call(["ip", "netns", "add", PROBE], stderr=subprocess.DEVNULL):
        pytest.skip("hosts of one's own need iproute2, and the right to make network namespaces")
    run("ip", "netns", "delete", PROBE)
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment = {**os.environ, **token, "PYTHONPATH": os.pathsep.join(sys.path)}
    head, other = (Host(f"{PROBE}-{name}", environment) for name in ("head", "other"))
    run("ip", "link", "add", "wire", "netns", head.name, "type", "veth", "peer", "name", "wire", "netns", other.name)
    for host, address in ((head, HEAD), (other, OTHER)):
        run("ip", "-n", host.name, "address", "add", f"{address}/24", "dev", "wire")
        for device in ("lo", "wire"):
            run("ip", "-n", host.name, "link", "set", device, "up")
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        head.start_ray(HEAD, "--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={folder}")
        other.start_ray(OTHER, f"--address={HEAD}:{PORT}")
        yield head, other
        for host in (head, other):
            host.remove()


@pytest.mark.ray
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'parley[ray]'")
def test_a_cluster_makes_the_same_corpus_though_a_host_dies(
    hosts: tuple[Host, Host], corpus: Corpus, folder: Path, tmp_path: Path
) -> None:
    head, other = hosts
    for number in range(40):
        (folder / f"{number}.md").write_text(f"# Rule {number}\nRule {number} allows {number} days of leave.")
    script, begun, go = tmp_path / "driver.py", tmp_path / "begun", tmp_path / "go"
    script.write_text(DRIVER)
    paths = [str(path) for path in (script, tmp_path / "data", folder, begun, go)]
    with subprocess.Popen(head.command(sys.executable, *paths), env=head.environment) as driver:
        try:
            wait_for(begun, driver)
            other.kill()
            go.touch()
            other.start_ray(OTHER, f"--address={HEAD}:{PORT}")
            assert driver.wait(WAIT_S) == 0
        finally:
            driver.kill()
    ingest([folder], corpus, IngestSettings())
    clustered = Corpus.open(RetrievalSettings(), tmp_path / "data", HashingEmbedder())
    assert held(clustered) == held(corpus)
    assert len(held(clustered)) == 40
    clustered.close()


def held(corpus: Corpus) -> dict[str, str]:
    return {passage.id: passage.text for passage in corpus.added_since(0)}


def wait_for(file: Path, driver: subprocess.Popen) -> None:
    deadline = time.monotonic() + WAIT_S
    while not file.exists():
        assert driver.poll() is None, "the ingest ended early"
        assert time.monotonic() < deadline, "no encoder has begun"
        time.sleep(0.1)


def run(*words: str, env: dict[str, str] | None = None) -> None:
    subprocess.run(words, check=True, env=env, stdout=subprocess.DEVNULL)
