"""Put on PYTHONPATH: every Python process refuses to leave this machine, and writes down that it was asked to."""

from __future__ import annotations

import os
import sys

LOOPBACK = {"", "127.0.0.1", "::1", "localhost", "0.0.0.0", "::"}
TO_ADDRESS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
TO_NAME = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}


def note(line: str) -> None:
    with open(os.environ["NETWORK_LOG"], "a") as log:
        log.write(f"{line}\n")


def deny(event: str, arguments: tuple[object, ...]) -> None:
    host = None
    if event in TO_ADDRESS and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event in TO_NAME:
        host = arguments[0]
    host = host.decode() if isinstance(host, bytes) else host
    if host is not None and host not in LOOPBACK:
        note(f"refused {event} {host}")
        raise PermissionError(f"{event} {host}")


sys.addaudithook(deny)
note(f"watched {' '.join(sys.orig_argv)}")
