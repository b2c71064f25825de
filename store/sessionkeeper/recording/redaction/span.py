"""A piece of a message that is to be replaced, and how it is replaced."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["MARK", "Span", "merge", "replace"]

MARK = b"[redacted:"
"""What every replacement begins with."""

_IN_NAME = re.compile(rb'[^"\\]{0,128}+\\{0,64}+"[ \t\r\n]{0,64}+:')


class Span(NamedTuple):
    """Bytes `start` to `end` of a message hold a secret."""

    start: int
    end: int
    kind: str
    quote: bytes = b""
    """What goes around the replacement: a quote, if the value was no string."""


def merge(spans: Iterable[Span]) -> list[Span]:
    """Return the spans in order, those that overlap as one, which has the kind of the first.

    Of spans that begin at once, the longest is the first; of equal ones, the first given.
    """
    merged: list[Span] = []
    for span in sorted(spans, key=lambda each: (each.start, -each.end)):
        if merged and span.start < merged[-1].end:
            if span.end > merged[-1].end:
                merged[-1] = merged[-1]._replace(end=span.end)
        else:
            merged.append(span)
    return merged


def replace(message: bytes, spans: Sequence[Span]) -> bytes:
    """Return the message with merged spans replaced by `[redacted:KIND]`; all else is unchanged.

    Secrets of one kind in names of members are numbered, so that no object has a name twice.
    """
    parts: list[bytes] = []
    names: Counter[str] = Counter()
    at = 0
    for span in spans:
        kind = span.kind
        if not span.quote and _IN_NAME.match(message, span.end):
            names[kind] += 1
            if names[kind] > 1:
                kind = f"{kind}:{names[kind]}"
        parts += (message[at : span.start], span.quote, MARK, kind.encode(), b"]", span.quote)
        at = span.end
    parts.append(message[at:])
    return b"".join(parts)
