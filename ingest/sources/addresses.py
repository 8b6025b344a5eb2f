"""Which hosts and network addresses may be reached: a page must not lead the ingest to where only this machine gets."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from contextlib import suppress

import httpx

from ingest.errors import RefusedFile


def addresses_of(host: str) -> list[str]:
    """The network addresses of a host, never none. Raises httpx.ConnectError."""
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(f"{host} has no address") from error


class GuardedTransport(httpx.BaseTransport):
    """Resolves the host itself, and connects to the very addresses that it has found to be public, each in turn."""

    def __init__(self, allow_private: bool, resolve: Callable[[str], list[str]] = addresses_of) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._by_host: dict[str, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        # One pool for each host: a connection that was verified for one name must not serve another.
        if host not in self._by_host:
            self._by_host[host] = httpx.HTTPTransport()
        send = self._by_host[host].handle_request
        if self._allow_private:
            return send(request)
        request.extensions["sni_hostname"] = host
        *others, last = self._public_addresses(host)
        for address in others:
            request.url = request.url.copy_with(host=address)
            with suppress(httpx.ConnectError):
                return send(request)
        request.url = request.url.copy_with(host=last)
        return send(request)

    def close(self) -> None:
        for transport in self._by_host.values():
            transport.close()

    def _public_addresses(self, host: str) -> list[str]:
        """The addresses of the host. Raises RefusedFile where any of them is not public."""
        found = self._resolve(host)
        for address in found:
            if not is_public(address):
                finding = f"{host} is at the private address {address}, and allow_private is not set."
                raise RefusedFile("forbidden", finding)
        return found


def is_public(address: str) -> bool:
    """Whether anybody's machine reaches this network address."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    return parsed.is_global and not parsed.is_multicast
