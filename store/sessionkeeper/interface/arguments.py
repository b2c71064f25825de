"""Checks the arguments of a call before they become a command: wrong use raises at the call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import inf
from typing import TypeVar

from ..values.bounds import MAX_TEXT, checked_stream_name
from ..values.ids import checked_id, new_incarnation
from ..values.message import MessageEnvelope
from ..values.query import SessionOrder
from ..values.session import Session

__all__ = [
    "checked_activity",
    "checked_archive",
    "checked_count",
    "checked_cursor",
    "checked_envelopes",
    "checked_ids",
    "checked_incarnation",
    "checked_needles",
    "checked_new",
    "checked_order",
    "checked_past",
    "checked_seconds",
    "checked_seqs",
    "checked_session",
    "checked_sessions",
    "checked_stream",
    "checked_text",
    "plain_envelope",
]


T = TypeVar("T")

_LONGEST_CURSOR = 18
_MAX_NEEDLES = 16
_LONGEST_NEEDLE = 1024
_INCARNATION_DIGITS = 16
_HEX = frozenset("0123456789abcdef")
_FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)


def checked_ids(session_ids: Sequence[str]) -> list[str]:
    """Return the ids. Raises `TypeError`, for a lone string too, and `InvalidSessionId`."""
    return [checked_id(session_id) for session_id in _several(session_ids)]


def checked_session(session: Session) -> Session:
    """Return the session without what a subclass may have added. Raises `TypeError`."""
    if type(session) is Session:
        return session
    if not isinstance(session, Session):
        raise TypeError(f"a Session is expected, not {type(session).__name__}")
    return Session.model_validate({name: getattr(session, name) for name in Session.model_fields})


def checked_new(session: Session) -> Session:
    """Return a session to be created, with an incarnation of its own. Raises `TypeError`.

    It is made here, not by the store: a command that is sent again must create the same session.
    """
    fields = checked_session(session).__dict__
    return Session.trusted(fields | {"incarnation": new_incarnation()})


def checked_archive(session: Session) -> Session:
    """Return a session with its own times.

    Raises `TypeError`, and `ValueError` for times that contradict each other or its state.
    """
    session = checked_session(session)
    ended = session.ended_at
    if session.state.is_terminal != (ended is not None):
        raise ValueError("a session has ended_at if its state is terminal, and only then")
    times = {"created_at": session.created_at, "last_activity": session.last_activity}
    for name, moment in (times if ended is None else times | {"ended_at": ended}).items():
        # Earlier moments, as stores hold them, are not exact to the microsecond.
        if moment < _FIRST_MOMENT:
            raise ValueError(f"{name} is before 1970")
    if ended is not None and ended < session.created_at:
        raise ValueError("ended_at is before created_at")
    return session


def checked_sessions(sessions: Sequence[Session]) -> list[Session]:
    """Return the sessions. Raises `TypeError`, and `ValueError` when one appears twice."""
    checked = [checked_session(session) for session in _several(sessions)]
    if len({session.id for session in checked}) != len(checked):
        raise ValueError("a session appears twice in the batch")
    return checked


def plain_envelope(envelope: MessageEnvelope) -> MessageEnvelope:
    """Return the envelope without what a subclass may have added. Raises `TypeError`."""
    if type(envelope) is MessageEnvelope:
        return envelope
    if not isinstance(envelope, MessageEnvelope):
        raise TypeError(f"a frame is a MessageEnvelope, not {type(envelope).__name__}")
    fields = MessageEnvelope.model_fields
    return MessageEnvelope.model_validate({name: getattr(envelope, name) for name in fields})


def checked_envelopes(
    session_id: str, envelopes: Sequence[MessageEnvelope]
) -> list[MessageEnvelope]:
    """Return the envelopes of one session.

    Raises `TypeError`, and `ValueError` when one belongs to another session: a frame must never be
    replayed into a session it was not sent in (fastmcp#4402).
    """
    # A list of our own: looking at them twice must find the same ones.
    checked = [plain_envelope(envelope) for envelope in _several(envelopes)]
    if any(envelope.context.session_id != session_id for envelope in checked):
        raise ValueError("an envelope belongs to another session")
    return checked


def checked_count(name: str, value: int, *, minimum: int, maximum: int | None = None) -> int:
    """Return a whole number. Raises `TypeError` (for a bool too), `ValueError` out of bounds."""
    if type(value) is not int:
        raise TypeError(f"{name} is an int, not {type(value).__name__}")
    if value < minimum:
        raise ValueError(f"{name} is at least {minimum}")
    if maximum is not None and value > maximum:
        raise ValueError(f"{name} is at most {maximum}")
    return value


def checked_seqs(seqs: Iterable[int]) -> list[int]:
    """Return numbers of frames in order, each once. Raises `TypeError`, `ValueError` below 1."""
    return sorted({checked_count("a number of a frame", seq, minimum=1) for seq in _several(seqs)})


def checked_needles(
    needles: Iterable[bytes | tuple[bytes, ...]], others: bool
) -> tuple[tuple[bytes, ...], ...]:
    """Return what to search for, each as a tuple; nothing, if there are `others` to find.

    Raises `TypeError`, `ValueError` for too many or too long ones.
    """
    if type(others) is not bool:
        raise TypeError(f"non_messages is a bool, not {type(others).__name__}")
    several = _several(needles)
    checked = tuple(each if isinstance(each, tuple) else (each,) for each in several)
    parts = [part for each in checked for part in each]
    if not 1 - others <= len(parts) <= _MAX_NEEDLES or not all(checked):
        raise ValueError(f"a search is for 1 to {_MAX_NEEDLES} byte strings")
    for needle in parts:
        if type(needle) is not bytes:
            raise TypeError(f"what is searched for is bytes, not {type(needle).__name__}")
        if not 1 <= len(needle) <= _LONGEST_NEEDLE:
            raise ValueError(f"what is searched for has 1 to {_LONGEST_NEEDLE:,} bytes")
    return checked


def checked_text(name: str, value: str) -> str:
    """Return 1 to 1,024 characters as a plain `str`.

    Raises `TypeError`, and `ValueError`, also for a lone surrogate, which no server can be sent.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} is a str, not {type(value).__name__}")
    value = str.__str__(value)
    if not 1 <= len(value) <= MAX_TEXT:
        raise ValueError(f"{name} is 1 to {MAX_TEXT:,} characters, not {len(value):,}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} is text, which has no lone surrogate") from None
    return value


def checked_stream(stream: str | None) -> str | None:
    """Return the name of a stream as a plain `str`; None for none.

    Raises `TypeError`, and `ValueError` unless it has 1 to 255 bytes in UTF-8.
    """
    if stream is None:
        return None
    if not isinstance(stream, str):
        raise TypeError(f"a stream is a str, not {type(stream).__name__}")
    try:
        return checked_stream_name(str.__str__(stream))
    except ValueError as error:
        raise ValueError(f"no name of a stream: {error}") from None


def checked_incarnation(incarnation: str | None) -> str | None:
    """Return an incarnation that a session may have. Raises `TypeError`, `ValueError`."""
    if incarnation is None:
        return None
    if not isinstance(incarnation, str):
        raise TypeError(f"an incarnation is a str, not {type(incarnation).__name__}")
    incarnation = str.__str__(incarnation)
    if len(incarnation) != _INCARNATION_DIGITS or not set(incarnation) <= _HEX:
        raise ValueError("not the incarnation of a session")
    return incarnation


def checked_order(order: str) -> SessionOrder:
    """Return the order of sessions. Raises `TypeError`, `ValueError`."""
    if not isinstance(order, str):
        raise TypeError(f"an order is a SessionOrder, not {type(order).__name__}")
    try:
        return SessionOrder(str.__str__(order))
    except ValueError:
        raise ValueError(f"an order is one of {', '.join(SessionOrder)}") from None


def checked_cursor(cursor: str | None) -> int:
    """Return the number a page's cursor stands for, in order of creation.

    Raises `TypeError`, `ValueError`.
    """
    return 0 if cursor is None else _number(_cursor_text(cursor))


def checked_activity(cursor: str | None) -> tuple[int, int] | None:
    """Return the moment and the number a page's cursor stands for, in order of last activity.

    Raises `TypeError`, `ValueError`.
    """
    if cursor is None:
        return None
    moment, _, number = _cursor_text(cursor).partition(":")
    # The age of a store, and what an archive brings, may lie before the clock's beginning.
    absolute = _number(moment.removeprefix("-"))
    return -absolute if moment.startswith("-") else absolute, _number(number)


def _cursor_text(cursor: str) -> str:
    if not isinstance(cursor, str):
        raise TypeError(f"a cursor is a str, not {type(cursor).__name__}")
    return str.__str__(cursor)  # nothing a subclass brings runs


def _number(digits: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_CURSOR):
        raise ValueError("not a cursor of a page in this order")
    return int(digits)


def checked_seconds(name: str, value: float | None) -> float | None:
    """Return a time span in seconds. Raises `TypeError`, `ValueError` unless it is >= 0."""
    if value is None:
        return None
    if type(value) not in (int, float):
        raise TypeError(f"{name} is a number of seconds, not {type(value).__name__}")
    if not value >= 0:  # NaN is not either
        raise ValueError(f"{name} is at least 0 seconds")
    return value


def checked_past(moment: datetime | None, span: float | None) -> tuple[float, float]:
    """Return what `purge_sessions` is given as two bounds, both to be held.

    Seconds since the epoch, and a time span in seconds. Raises `TypeError`, `ValueError`.
    """
    seconds = checked_seconds("ended_for", span)
    if moment is None and seconds is None:
        raise ValueError("ended_before or ended_for is needed: what is past its retention")
    return inf if moment is None else _epoch(moment), 0 if seconds is None else seconds


def _epoch(moment: datetime) -> float:
    if not isinstance(moment, datetime):
        raise TypeError(f"a moment is a datetime, not {type(moment).__name__}")
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError("a moment has a time zone")
    return moment.timestamp()


def _several(things: Iterable[T]) -> Iterable[T]:
    if isinstance(things, str | bytes):
        raise TypeError("a sequence is expected, not one string")
    return things
