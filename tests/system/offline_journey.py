"""A whole day with the product: `python offline_journey.py FOLDER DOCUMENTS`, its outcome as JSON on standard output.

Every process of the product is watched by `denied_network`. `--alone` says that this one was started in a network
namespace of its own, in which even loopback is down at first.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from product import Product

QUESTION = "How many days of unused leave may be carried over?"
LINUX_SIOCSIFFLAGS, LINUX_IFF_UP = 0x8914, 1


def raise_loopback() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, LINUX_SIOCSIFFLAGS, struct.pack("16sh", b"lo", LINUX_IFF_UP))


def can_leave() -> bool:
    """Whether another machine could be reached at all (TEST-NET-1, which is nobody's)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return False
    return True


def journey(product: Product, documents: str) -> dict[str, Any]:
    outcome: dict[str, Any] = {}
    product.parley("models", "verify")
    with product.running():
        outcome["without documents"] = product.readiness().status_code, product.readiness().json()["checks"]["corpus"]
        product.parley("ingest", documents)
        outcome["with documents"] = product.readiness().status_code
        messages = [{"role": "user", "content": QUESTION}]
        reply = product.client().chat.completions.create(model="parley", messages=messages)
        outcome["answered"] = reply.parley["status"]
        outcome["model"] = reply.parley["model"]
        with product.store() as store:
            product.wait_for(lambda: store.runs.many([UUID(reply.parley["run_id"])]) != [])
        with httpx.Client(base_url=product.url, follow_redirects=True) as browser:
            link = next(word for word in product.log.read_text().split() if "/signin?token=" in word)
            pages = {
                "chat": link,
                "ops": "/ops",
                "turns": "/ops/turns",
                "trace": f"/ops/turns/{reply.parley['run_id']}",
            }
            outcome["pages"] = {name: browser.get(path).status_code for name, path in pages.items()}
    outcome["asked"] = json.loads(product.parley("ask", QUESTION, "--json"))["status"]
    return outcome


def main() -> None:
    if "--alone" in sys.argv:
        raise_loopback()
    folder = Path(sys.argv[1])
    watched = {"PYTHONPATH": str(Path(__file__).parent / "denied_network"), "NETWORK_LOG": str(folder / "network.log")}
    product = Product(folder / "data", {"PARLEY_MODEL__NAME": "local", **watched})
    sys.stdout.write(json.dumps({"can_leave": can_leave(), **journey(product, sys.argv[2])}))


if __name__ == "__main__":
    main()
