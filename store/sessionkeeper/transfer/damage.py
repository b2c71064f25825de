"""The damages that a file of exported sessions can have, and their texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Damage", "DamageKind", "describe_missing", "describe_numbers"]

_NAMED = 20
"""Maximum number of spans of missing frames that are named."""


class DamageKind(StrEnum):
    """The kinds of damage."""

    NOT_EXPORTED = "not-exported"
    """A line that is no record, or not whole: torn."""
    NUL_BYTES = "nul-bytes"
    GLUED = "glued"
    """Several records on one line; the complete ones count."""
    TOO_LONG = "too-long"
    WRONG_RECORD = "wrong-record"
    """JSON, but not a valid record."""
    OUT_OF_ORDER = "out-of-order"
    """A frame in the wrong place, or repeated. It counts once."""
    NO_SESSION = "no-session"
    """A frame whose session's line is missing or wrong: it is lost."""
    MISSING_FRAMES = "missing-frames"
    MISSING_SESSIONS = "missing-sessions"
    NO_HEADER = "no-header"
    NO_END = "no-end"


@dataclass(frozen=True, slots=True)
class Damage:
    """One damage of a file; the text quotes nothing of the file but the beginning of an id."""

    line: int
    """Number of the line where it was noticed, from 1."""
    offset: int
    """Bytes of the file before it."""
    kind: DamageKind
    text: str


def describe_missing(spans: Sequence[tuple[int, int]]) -> str:
    """Describe the missing frames, by first and last numbers."""
    numbers = ", ".join(map(describe_numbers, spans[:_NAMED]))
    more = f" and {len(spans) - _NAMED} more spans" if len(spans) > _NAMED else ""
    if len(spans) == 1 and spans[0][0] == spans[0][1]:
        return f"frame {numbers} is missing"
    return f"frames {numbers}{more} are missing"


def describe_numbers(span: tuple[int, int]) -> str:
    """Describe the numbers of a span."""
    first, last = span
    return str(first) if first == last else f"{first} to {last}"
