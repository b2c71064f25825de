"""What a request says about its client, where no session id does.

Since 2026-07-28 there are no sessions: each request has the client's name and version in `_meta`.
"""

from __future__ import annotations

import re
from hashlib import blake2b, sha256
from secrets import token_bytes
from typing import NamedTuple

import msgspec

__all__ = ["Client", "digest_of", "principal_of", "read_client"]

_LONGEST = 256
_CREDENTIALS = re.compile("auth|cookie|credential|key|passw|secret|session|token")
"""In the names of headers whose values let a reader of the store in, such as X-Api-Key."""
_KEY = token_bytes(16)
"""Of this process: what it digests can be compared, and guessed by nobody who reads the store."""


class Client(NamedTuple):
    """A client by the name that it gives itself; empty if it gives none."""

    name: str
    version: str
    is_stateless: bool
    """Whether its request says that there is no session, as since 2026-07-28."""


class _Info(msgspec.Struct):
    name: str = ""
    version: str = ""


class _Meta(msgspec.Struct):
    client: _Info | None = msgspec.field(default=None, name="io.modelcontextprotocol/clientInfo")
    version: str | None = msgspec.field(
        default=None, name="io.modelcontextprotocol/protocolVersion"
    )


class _Params(msgspec.Struct):
    client: _Info | None = msgspec.field(default=None, name="clientInfo")
    meta: _Meta | None = msgspec.field(default=None, name="_meta")


class _Request(msgspec.Struct):
    params: _Params | None = None


_decoder = msgspec.json.Decoder(_Request)


def read_client(body: bytes) -> Client | None:
    """Return the client that a request names; None if it names none, or cannot be read."""
    try:
        params = _decoder.decode(body).params
    except (msgspec.MsgspecError, RecursionError):
        return None
    if params is None:
        return None
    is_stateless = params.meta is not None and params.meta.version is not None
    info = params.client or (params.meta.client if params.meta is not None else None)
    if info is None:
        return Client("", "", True) if is_stateless else None
    return Client(info.name[:_LONGEST], info.version[:_LONGEST], is_stateless)


def digest_of(secret: str | bytes) -> str:
    """Return a digest of a long random secret, such as a session id: the same in any process."""
    held = secret if isinstance(secret, bytes) else secret.encode()
    return f"sha256:{sha256(held).hexdigest()[:32]}"


def principal_of(header: str, value: bytes | None) -> str | None:
    """Return the principal that a header names; of what may be a credential a digest with a key."""
    if not value:
        return None
    if _CREDENTIALS.search(header.lower()):
        return f"{header.lower()}:{blake2b(value, key=_KEY, digest_size=6).hexdigest()}"
    return value.decode("utf-8", "backslashreplace")[:_LONGEST]
