"""Quotes parts of a message from its bytes, for one line of a terminal; nothing is escaped.

A peer may send anything, so a part that is not of the kind that is asked for is no error.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TypeAlias

import msgspec

__all__ = [
    "READ",
    "Members",
    "cut",
    "quote",
    "quote_object",
    "read_items",
    "read_members",
    "read_text",
]

LONGEST = 1_000
"""Characters of a value that are shown at most."""
READ = 4 * LONGEST
"""Characters, or bytes, of which a value is made that is cut to `LONGEST` in the end."""
_FORMATTED = 262_144
"""Bytes of the longest value that is written without spaces; of a longer one, the beginning."""

Members: TypeAlias = "dict[str, msgspec.Raw]"
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_members(raw: msgspec.Raw | None) -> Members:
    """Return the members of an object; none if it is something else."""
    try:
        return {} if raw is None else _decode_members(raw)
    except _ERRORS:
        return {}


def read_items(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """Return the items of an array; none if it is something else."""
    try:
        return _decode_items(raw)
    except _ERRORS:
        return []


def read_text(raw: msgspec.Raw | None) -> str:
    """Return a string as it reads; another value as it is written."""
    try:
        return "" if raw is None else _decode_text(raw)
    except _ERRORS:
        return quote(raw)


def quote(raw: msgspec.Raw | None) -> str:
    """Return a value as it is written, without the spaces between its parts."""
    if raw is None:
        return ""
    written = bytes(raw)
    if len(written) <= _FORMATTED:
        with suppress(*_ERRORS):
            written = msgspec.json.format(written, indent=-1)
    return written[:READ].decode(errors="ignore")


def quote_object(parts: Members) -> str:
    """Return an object with these members."""
    written = (
        f"{msgspec.json.encode(name).decode()}:{quote(each)}" for name, each in parts.items()
    )
    return f"{{{','.join(written)}}}"


def cut(text: str) -> str:
    """Return a text of a length that a line may have."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
