"""Leads clients back through the proxy where a server gives an absolute URL of its own.

These two are all that the proxy changes: the data of the event `endpoint` of the old HTTP+SSE
transport, and the header `Location`. A URL of another server, and a relative one, stay.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urljoin, urlsplit

from .addresses import ServerAddress

__all__ = ["EndpointRewriter", "endpoint_target", "led_back", "without_values"]

_LONGEST = 4096
"""Bytes in which the first event has to end; its endpoint is no longer than a URL."""
# A line ends with CR, LF or both, and each line of a stream may end in another way.
_DATA = re.compile(rb"(?<![^\r\n])(data: ?)([^\r\n]*)")
_IS_ENDPOINT = re.compile(rb"(?<![^\r\n])event: ?endpoint(?=[\r\n])")
_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_IS_COMMENT = re.compile(rb"(?:(?::[^\r\n]*)?[\r\n]+)*")


def led_back(url: str, server: ServerAddress, proxy: str) -> str:
    """Return a URL of the server as one of the proxy, whose origin is given; any other as it is."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if not parts.netloc or not server.is_origin_of(parts._replace(scheme=parts.scheme or "http")):
        return url
    _, _, rest = url.partition("//")
    return proxy + rest[len(parts.netloc) :]


def endpoint_target(stream: str, endpoint: bytes) -> str:
    """Return the path and query of an endpoint; it is relative to those of its stream."""
    try:
        parts = urlsplit(urljoin(stream, endpoint.decode("latin-1").strip()))
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def without_values(endpoint: bytes) -> bytes:
    """Return an endpoint without the values of its query, which are as good as a password."""
    text = endpoint.decode(errors="replace")
    base, mark, query = text.partition("?")
    if not mark:
        return endpoint
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    return f"{base}?{'&'.join(f'{name}=[redacted]' for name in names)}".encode()


class EndpointRewriter:
    """Holds the first event of a stream until it is whole, and changes the URL in it."""

    def __init__(self, server: ServerAddress, proxy: str) -> None:
        self._server = server
        self._proxy = proxy
        self._held = b""
        self._is_done = False

    def feed(self, part: bytes) -> bytes:
        """Take the next bytes, and return those that may pass."""
        if self._is_done:
            return part
        self._held += part
        end = _END.search(self._held)
        if end is None and len(self._held) <= _LONGEST:
            return b""
        passing, self._held = self._held, b""
        if end is not None and _IS_COMMENT.fullmatch(passing[: end.end()]):
            return passing[: end.end()] + self.feed(passing[end.end() :])
        self._is_done = True
        if end is None or not _IS_ENDPOINT.search(passing[: end.end()]):
            return passing
        return _DATA.sub(self._lead_back, passing[: end.end()]) + passing[end.end() :]

    def finish(self) -> bytes:
        """Return what is held when the stream ends."""
        held, self._held = self._held, b""
        return held

    def _lead_back(self, found: re.Match[bytes]) -> bytes:
        url = found[2].decode("latin-1")
        return found[1] + led_back(url, self._server, self._proxy).encode("latin-1")
