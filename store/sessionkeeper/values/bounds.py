"""The maximum length of each text of a session, on every store.

Other sizes (metadata, client and server info, the number of tags and their bytes together) are
limited by `StoreLimits`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import AfterValidator

__all__ = [
    "MAX_ID",
    "MAX_STREAM_BYTES",
    "MAX_TAG",
    "MAX_TAG_BYTES",
    "MAX_TEXT",
    "MAX_VERSION",
    "at_most",
    "checked_stream_name",
]

MAX_ID = 128
"""Characters of a session's id, all of them ASCII."""
MAX_TEXT = 1_024
"""Characters of a failure, a principal or an upstream session id; at most 4,096 bytes."""
MAX_STREAM_BYTES = 255
"""Bytes in UTF-8 of the name of a stream in a log; at least one."""
MAX_TAG = 128
"""Characters of one tag."""
MAX_TAG_BYTES = 4 * MAX_TAG
MAX_VERSION = 64
"""Characters of a protocol version; at most 256 bytes."""


def at_most(maximum: int) -> AfterValidator:
    """Bound a text. The error says how long it is, which pydantic's own does not."""
    from pydantic import AfterValidator  # the bounds are read before a recorder needs it

    return AfterValidator(partial(_checked, maximum))


def checked_stream_name(name: str) -> str:
    """Return the name of a stream. Raises `ValueError`, also for a lone surrogate."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate is not text") from None
    if not 1 <= size <= MAX_STREAM_BYTES:
        raise ValueError(f"it has {size:,} bytes, and 1 to {MAX_STREAM_BYTES} are allowed")
    return name


def _checked(maximum: int, text: str) -> str:
    if len(text) > maximum:
        raise ValueError(f"it has {len(text):,} characters, and at most {maximum:,} are allowed")
    return text
