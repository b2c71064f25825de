"""The address of the server behind the proxy, and the one that the proxy listens on."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, urlsplit

__all__ = ["ListenAddress", "ServerAddress", "is_loopback"]

_PORTS = {"http": 80, "https": 443}
_PRINTABLE = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """The URL of an MCP endpoint."""

    scheme: str
    host: str
    """Without the brackets of an IPv6 address."""
    port: int
    path: str
    query: str = ""
    """It may hold a key, so it is neither shown nor stored."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read an absolute http or https URL. Raises `ValueError` that does not quote it."""
        if _PRINTABLE.fullmatch(url) is None:
            raise ValueError("a URL has no spaces and no other letters than those of ASCII")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("it is no URL") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("give a URL as http://host/mcp or https://host/mcp")
        if parts.username is not None or parts.password is not None:
            raise ValueError("give no user or password: the client sends its own credentials")
        if port == 0:
            raise ValueError("port 0 is no port of a server")
        return cls(
            parts.scheme,
            parts.hostname,
            port or _PORTS[parts.scheme],
            parts.path or "/",
            parts.query,
        )

    @property
    def authority(self) -> str:
        """Host and port, as in the header `Host`."""
        host = _bracketed(self.host)
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port, as in the header `Origin`."""
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"

    __repr__ = __str__

    def is_origin_of(self, parts: SplitResult) -> bool:
        """Whether a split URL is one of this server."""
        try:
            port = parts.port or _PORTS.get(parts.scheme)
        except ValueError:
            return False
        return (parts.scheme, parts.hostname, port) == (self.scheme, self.host, self.port)


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A host and a port to listen on; port 0 is any that is free."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `127.0.0.1:8900`, `[::1]:8900`, `localhost:8900` or `8900`. Raises `ValueError`."""
        host, colon, port = text.rpartition(":")
        if not colon:
            host = "127.0.0.1"
        elif host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        if not port.isascii() or not port.isdigit() or int(port) > 65_535 or not host:
            raise ValueError("give a host and a port, as 127.0.0.1:8900")
        if ":" in host and not _is_ip(host):
            raise ValueError("give a host and a port, as 127.0.0.1:8900")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"{_bracketed(self.host)}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the host of an address."""
    if host.lower().rstrip(".") == "localhost":
        return True
    return _is_ip(host) and ipaddress.ip_address(host).is_loopback


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
