"""The keys of sessions: chosen by the application, refused when ill-formed, never repaired."""

from __future__ import annotations

import re
import secrets
from typing import Annotated, TypeAlias

from pydantic import StringConstraints

from .errors import InvalidSessionId

__all__ = ["SessionId", "checked_id", "is_session_id", "new_session_id"]

_VISIBLE = re.compile(r"[!-~]{1,128}")

SessionId: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$", strict=True)]
"""1 to 128 visible ASCII characters (0x21-0x7E)."""


def new_session_id() -> SessionId:
    """Make an id of 256 random bits, 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def is_session_id(value: object) -> bool:
    """Tell whether `value` is a well-formed id."""
    return isinstance(value, str) and _VISIBLE.fullmatch(value) is not None


def checked_id(value: str) -> SessionId:
    """Return the id as a plain `str`.

    Raises `TypeError` when it is no string, `InvalidSessionId` when it is ill-formed.
    """
    if not isinstance(value, str):
        raise TypeError(f"a session id is a str, not {type(value).__name__}")
    if not is_session_id(value):
        raise InvalidSessionId
    # A subclass may bring its own `__hash__` or `__eq__`; those must not run inside the owner.
    return str.__str__(value)
