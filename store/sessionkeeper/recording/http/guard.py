"""Refuses requests of pages that a browser loaded from elsewhere: a foreign Host or Origin.

A page may let its own name point at 127.0.0.1, and so reach servers of this machine. Its requests
have that name as their host. Source: MCP 2025-11-25, "Transports", "Security Warning".
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from .addresses import ListenAddress, is_loopback

__all__ = ["Guard"]


class Guard:
    """Knows the hosts that the proxy may be called by."""

    def __init__(self, listen: ListenAddress) -> None:
        self._is_local = is_loopback(listen.host)
        self._names = {listen.host.lower()}
        if not self._is_local:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    def objection(self, hosts: list[bytes], origins: list[bytes]) -> str | None:
        """Return why a request with these headers is refused; None if it is not."""
        if len(hosts) != 1 or not self._is_own(f"//{_text(hosts[0])}"):
            return "refused: the header Host does not name this recorder"
        if len(origins) > 1 or (origins and not self._is_own(_text(origins[0]))):
            return "refused: the header Origin names a foreign page"
        return None

    def _is_own(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            return False
        if not host or parts.path or parts.query or parts.fragment or parts.username is not None:
            return False
        return is_loopback(host) or host in self._names or (not self._is_local and _is_ip(host))


def _is_ip(host: str) -> bool:
    # An address needs no name that a page could let point here.
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip()
