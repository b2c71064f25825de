"""Which headers pass, and which belong to one connection only (RFC 9110, section 7.6.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["Headers", "passing_answer", "passing_request", "value_of", "values_of"]

Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case, in their order."""

_OF_CONNECTION = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# The server of the proxy answers `Expect: 100-continue` itself.
_REPLACED = _OF_CONNECTION | {b"host", b"expect", b"origin"}


def value_of(headers: Headers, name: bytes) -> bytes | None:
    """Return the first value of a header, without white space around it."""
    for each, value in headers:
        if each == name:
            return value.strip()
    return None


def values_of(headers: Headers, name: bytes) -> list[bytes]:
    """Return all values of a header."""
    return [value for each, value in headers if each == name]


def passing_request(
    headers: Headers, *, host: bytes, origin: bytes | None
) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request for the server, with its own host and this origin."""
    passing = [(b"host", host), *_passing(headers, _REPLACED)]
    if origin is not None:
        passing.append((b"origin", origin))
    if any(name == b"transfer-encoding" for name, _ in headers):
        passing = [each for each in passing if each[0] != b"content-length"]
        passing.append((b"transfer-encoding", b"chunked"))
    return passing


def passing_answer(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer for the client, in lower case."""
    lower = [(name.lower(), value.strip()) for name, value in headers]
    passing = _passing(lower, _OF_CONNECTION)
    if any(name == b"transfer-encoding" for name, _ in lower):
        # RFC 9112, section 6.3: the length is none of the body then.
        passing = [each for each in passing if each[0] != b"content-length"]
    return passing


def _passing(headers: Headers, stopped: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    named = [value for name, value in headers if name == b"connection"]
    if named:
        stopped |= {each.strip().lower() for value in named for each in value.split(b",")}
        stopped -= {b"content-length"}  # without it, the body would be read as a request
    return [(name, value.strip()) for name, value in headers if name not in stopped]
