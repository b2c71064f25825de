"""Finds text in recorded messages: in their bytes, and in the strings of their JSON.

A text with "é" is found whether it was sent as such or as \\u00e9.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import TYPE_CHECKING, Self

import msgspec

from ...values.jsonrpc import MessageKind, RequestId
from ...values.states import Direction
from .json_texts import decoded_texts
from .walking import read_log

if TYPE_CHECKING:
    from ...interface.atomic_store import AtomicSessionStore
    from ...values.message import Frame

__all__ = ["SearchMatch", "SearchPattern", "search"]

_AROUND = 200
"""Characters that a match keeps on each side."""
_MATCHED = 1_000
"""Characters of the match itself."""
_SEES_ENDS = ("^", "$", "\\A", "\\Z", "\\b", "\\B", "(?")
"""What an expression must contain to see the ends of a string, or what is beside a match."""


class SearchMatch(msgspec.Struct, frozen=True, kw_only=True):
    """A frame in which something was found."""

    session_id: str
    seq: int
    time: datetime
    direction: Direction
    kind: MessageKind
    method: str | None
    request_id: RequestId | None
    count: int
    """Number of places in the message: strings with at least one match, or 1 for its bytes."""
    path: str | None
    """Where the first string is, as `result.content[0].text`; None for a match in the bytes."""
    before: str
    """What stands before the match, at most 200 characters."""
    matched: str
    """At most 1,000 characters."""
    after: str

    def __repr__(self) -> str:
        return f"<SearchMatch in frame {self.seq}>"


class SearchPattern:
    """What to look for: a text, or a regular expression (of Python's `re`)."""

    def __init__(self, expression: re.Pattern[str], *, text: str | None) -> None:
        self._expression = expression
        self._text = text
        # Without these, what matches in a string without escapes matches in the bytes, too.
        self._sees_ends = text is None and any(each in expression.pattern for each in _SEES_ENDS)

    @classmethod
    def of_text(cls, text: str, *, ignore_case: bool = False) -> Self:
        """Look for this text. Raises `ValueError` for an empty one."""
        if not text:
            raise ValueError("an empty text is in every message")
        flags = re.IGNORECASE if ignore_case else re.NOFLAG
        expression = re.compile(re.escape(text), flags)
        return cls(expression, text=None if ignore_case else text)

    @classmethod
    def of_expression(cls, expression: str, *, ignore_case: bool = False) -> Self:
        """Look for this expression; `^` and `$` are the ends of a string, or of the message.

        Raises `ValueError` for one that is invalid.
        """
        flags = re.IGNORECASE if ignore_case else re.NOFLAG
        try:
            return cls(re.compile(expression, flags), text=None)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"not a regular expression: {error}") from None

    @property
    def containing(self) -> list[bytes] | None:
        """Byte strings of which every matching message has at least one; None if unknown."""
        if self._text is None:
            return None
        try:
            plain = self._text.encode()
        except UnicodeEncodeError:  # a lone surrogate stands for a byte that is no UTF-8
            return None
        # A character may be written as \u and four digits, these also in a shorter way.
        escapable = any(each in '"\\/\b\f\n\r\t' for each in self._text)
        return [plain, b"\\" if escapable else b"\\u"]

    def find(self, frame: Frame) -> SearchMatch | None:
        """Return the match in a frame; None if there is none. O(bytes), for a text."""
        message = frame.envelope.message
        may_hide = b"\\" in message or self._sees_ends
        raw = message.decode(errors="surrogateescape")
        in_raw = self._expression.search(raw)
        if in_raw is None and not may_hide:
            return None
        first: tuple[str, str, re.Match[str]] | None = None
        count = 0
        for path, text in decoded_texts(message):
            found = self._expression.search(text)
            if found is not None:
                count += 1
                first = first or (path, text, found)
        if first is not None:
            return _match(frame, count, *first)
        return None if in_raw is None else _match(frame, 1, None, raw, in_raw)


async def search(
    store: AtomicSessionStore, session_id: str, pattern: SearchPattern
) -> AsyncGenerator[SearchMatch]:
    """Yield the frames of a session in which a pattern is found, in order.

    The log is read in pages; memory is bounded. Raises `SessionNotFound`, also if the session is
    deleted meanwhile; `StoreUnavailable`, `StoreClosed`. Not atomic.
    """
    session = await store.get_session(session_id)
    async for frames in read_log(store, session, containing=pattern.containing):
        for frame in frames:
            found = pattern.find(frame)
            if found is not None:
                yield found


def _match(
    frame: Frame, count: int, path: str | None, text: str, found: re.Match[str]
) -> SearchMatch:
    envelope, (start, end) = frame.envelope, found.span()
    return SearchMatch(
        session_id=envelope.context.session_id,
        seq=frame.seq,
        time=envelope.context.timestamp,
        direction=envelope.context.direction,
        kind=envelope.kind,
        method=envelope.method,
        request_id=envelope.request_id,
        count=count,
        path=path,
        before=text[max(0, start - _AROUND) : start],
        matched=text[start : min(end, start + _MATCHED)],
        after=text[end : end + _AROUND],
    )
