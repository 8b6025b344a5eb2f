"""Where a server may listen."""

from __future__ import annotations

import ipaddress
import socket


class PortTaken(Exception):
    """Another program listens there; choose another port."""


def refuse_taken_port(host: str, port: int) -> None:
    """Say so at once, before half a minute of loading. Raises PortTaken."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(f"cannot listen on {host}:{port} ({error.strerror}); choose another with PORT=…") from error


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
