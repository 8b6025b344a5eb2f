"""Nothing leaves the machine: a day with the product, every way out closed and every attempt written down."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

JOURNEY = Path(__file__).parent / "offline_journey.py"
WAIT_S = 580


def network_namespaces() -> bool:
    """Whether this user may make a network namespace, where not even native code finds a way out."""
    unshare = shutil.which("unshare")
    return bool(unshare) and subprocess.run([unshare, "-n", "true"], capture_output=True).returncode == 0


@pytest.mark.model
@pytest.mark.timeout(WAIT_S)
def test_a_whole_day_asks_nothing_of_another_machine(handbook: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(JOURNEY), str(tmp_path), str(handbook)]
    alone = network_namespaces()
    if alone:
        command = ["unshare", "-n", *command, "--alone"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=WAIT_S)
    assert done.returncode == 0
    outcome = json.loads(done.stdout)
    status, corpus = outcome["without documents"]
    assert (status, corpus["ok"], outcome["with documents"]) == (503, False, 200)
    assert "parley ingest" in corpus["detail"]
    assert outcome["answered"] == outcome["asked"] == "answered"
    assert outcome["model"].startswith("SmolLM2")
    assert set(outcome["pages"].values()) == {200}
    if alone:
        assert not outcome["can_leave"]
    lines = (tmp_path / "network.log").read_text().splitlines()
    for process in ("models verify", "ingest", "run", "ask"):
        assert any(line.startswith("watched ") and f"app.cli {process}" in line for line in lines), "not watched"
    assert [line for line in lines if line.startswith("refused ")] == []


def test_the_watch_sees_every_way_out(tmp_path: Path) -> None:
    attempts = """
import socket
for attempt in (
    lambda: socket.create_connection(("192.0.2.1", 80)),
    lambda: socket.getaddrinfo("example.org", 443),
    lambda: socket.gethostbyname("example.org"),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)),
):
    try:
        attempt()
    except PermissionError:
        pass
"""
    log = tmp_path / "network.log"
    environment = {"PYTHONPATH": str(JOURNEY.parent / "denied_network"), "NETWORK_LOG": str(log)}
    subprocess.run([sys.executable, "-c", attempts], env=environment, check=True, timeout=60)
    refused = [line.split()[1] for line in log.read_text().splitlines() if line.startswith("refused")]
    assert refused == ["socket.getaddrinfo", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"]
