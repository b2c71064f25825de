"""The keys of sessions: chosen by the application, refused when ill-formed, never repaired."""

from __future__ import annotations

import hashlib
import os
import secrets
from functools import lru_cache
from typing import Annotated, TypeAlias
from urllib.parse import quote, quote_from_bytes

from pydantic import StringConstraints

from .bounds import MAX_ID
from .errors import InvalidSessionId

__all__ = [
    "Incarnation",
    "SessionId",
    "checked_id",
    "derived_incarnation",
    "encoded_id",
    "is_session_id",
    "new_incarnation",
    "new_session_id",
    "session_id_for",
]

SessionId: TypeAlias = Annotated[
    str, StringConstraints(pattern=rf"^[!-~]{{1,{MAX_ID}}}$", strict=True)
]
"""1 to 128 visible ASCII characters (0x21-0x7E)."""

Incarnation: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^([0-9a-f]{16})?$", strict=True)
]
"""16 lower-case hex digits, or empty for none."""


def new_session_id() -> SessionId:
    """Make an id of 256 random bits, 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def session_id_for(*parts: str) -> SessionId:
    """Make the id that belongs to some texts: of any length, with any characters.

    Equal parts give the same id, in every process and release. Different parts give different
    ids: short ones are spelled out, percent-encoded and separated by `:`; those that do not fit
    are hashed with SHA-256. Whoever knows the parts knows the id, so it is no secret.

    Raises `TypeError` for a part that is no string, `ValueError` without parts.
    """
    if not parts:
        raise ValueError("an id is made of at least one text")
    spelled = ":".join(_spelled(part) for part in parts)
    if len(spelled) <= MAX_ID:
        return spelled
    # An equals sign never occurs above, so a hash is never the spelling of other parts.
    return f"sha256={hashlib.sha256(spelled.encode()).hexdigest()}"


def new_incarnation() -> Incarnation:
    """Make the incarnation of a session that is about to be created: 64 random bits."""
    return os.urandom(8).hex()  # `secrets` takes a quarter longer


def derived_incarnation(number: int) -> Incarnation:
    """Make the incarnation of a session that was stored without one, from what tells it apart."""
    return f"{number % 2**64:016x}"


def is_session_id(value: object) -> bool:
    """Tell whether `value` is a well-formed id."""
    if type(value) is not str:
        if not isinstance(value, str):
            return False
        value = str.__str__(value)
    # Not by a pattern: each call does this with its id, and a pattern takes twice as long.
    return 0 < len(value) <= MAX_ID and value.isascii() and value.isprintable() and " " not in value


def checked_id(value: str) -> SessionId:
    """Return the id as a plain `str`.

    Raises `TypeError` when it is no string, `InvalidSessionId` when it is ill-formed.
    """
    # First the check that nearly every id passes: each operation makes it.
    if type(value) is str and value.isascii() and value.isprintable() and 0 < len(value) <= 128:
        if " " in value:
            raise InvalidSessionId
        return value
    if not isinstance(value, str):
        raise TypeError(f"a session id is a str, not {type(value).__name__}")
    # A subclass may have its own `__hash__` or `__eq__`; those must not run inside the owner.
    value = str.__str__(value)
    if not is_session_id(value):
        raise InvalidSessionId
    return value


@lru_cache(maxsize=4096)
def encoded_id(session_id: str) -> str:
    """Write an id with letters, digits and `-._~%` only.

    Keys on a server have this form, and ties are ordered by it on every backend.
    """
    return quote(session_id, safe="")


def _spelled(part: str) -> str:
    if not isinstance(part, str):
        raise TypeError(f"a part of a session id is a str, not {type(part).__name__}")
    # Lone surrogates are no Unicode text, but a str may have them. A bare percent sign is no
    # escape, so it stands for the empty text.
    return quote_from_bytes(str.encode(part, "utf-8", "surrogatepass"), safe="") or "%"
