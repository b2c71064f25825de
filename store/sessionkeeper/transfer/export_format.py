"""The lines of an export: a header, a session, one of its frames, or the end.

Lines are ASCII, and each value has one spelling.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import ValidationError

from ..interface.arguments import checked_archive
from ..values.clock import MAX_CLOCK_DIFFERENCE
from ..values.errors import InvalidMessage, SessionError
from ..values.lease import without_lease
from ..values.message import Frame, MessageEnvelope
from ..values.message_context import MessageContext
from ..values.oddities import as_text
from ..values.picklable import Picklable
from ..values.session import CALLER_FIELDS, Session

__all__ = [
    "FORMAT_VERSION",
    "MalformedExport",
    "MalformedLine",
    "SessionHead",
    "StoredSession",
    "check_header",
    "frame_line",
    "header_line",
    "last_line",
    "read_frame",
    "read_head",
    "session_line",
]

FORMAT_VERSION = 2
"""Version 1 had no times of sessions; it is read as well."""

_KIND = "sessionkeeper-export"
_NO_NUMBER = 2**63
_TIMES = ("created_at", "last_activity", "ended_at")
_ODD = ("media_type", "oddity")
"""Only in frames that are no message; bytes that are not UTF-8 are in `message_base64`."""
_READABLE = 1024 * 1024
"""Size in bytes up to which a text is always written as text."""
_CONTEXT = ("direction", "timestamp", "delivery", "protocol_version", "metadata")
_STREAM = "stream"
"""Only in frames of a stream."""


class MalformedExport(Picklable, ValueError):
    """A line is not what an export must have there; the text does not quote it."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class MalformedLine(Exception):
    """A line is malformed; only its reader knows its number."""


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as read from an export."""

    session: Session
    """The session with its own times. An export of version 1 has none: the session gets the current
    time, and ends when it is imported."""
    frames: Sequence[MessageEnvelope]
    trimmed: int
    """How many frames were trimmed from the front of its log."""
    missing: tuple[tuple[int, int], ...] = ()
    """First and last numbers of the frames that a damaged file has lost."""
    line: int = 0
    """The line of the file where it begins; 0 if it is not known."""


@dataclass(frozen=True, slots=True)
class SessionHead:
    """The content of the line of a session; its frames follow."""

    session: Session
    frames: int
    trimmed: int

    @property
    def last(self) -> int:
        """The number of its last frame."""
        return self.trimmed + self.frames


def header_line() -> str:
    """Return the line every export begins with."""
    return _line({"format": _KIND, "version": FORMAT_VERSION})


def last_line(sessions: int) -> str:
    """Return the line every whole export ends with."""
    return _line({"end": {"sessions": sessions}})


def session_line(session: Session, frames: int) -> str:
    """Return the line of a session with this many frames, without its lease."""
    fields = without_lease(session).model_dump(mode="json", include=set(CALLER_FIELDS))
    fields["tags"] = sorted(session.tags)
    if session.expires_at is None:
        del fields["expires_at"]  # an older library reads the export
    else:
        fields["expires_at"] = _moment(session.expires_at)
    times = {name: _moment(getattr(session, name)) for name in _TIMES}
    log = {"frames": frames, "trimmed": session.last_seq - frames}
    return _line({"session": fields, "times": times, **log})


def frame_line(frame: Frame) -> str:
    """Return the line of a frame."""
    envelope = frame.envelope
    context = envelope.context.model_dump(mode="json", include=set(_CONTEXT))
    text = as_text(envelope.message)
    fields: dict[str, object] = {"seq": frame.seq}
    if text is None or _is_shorter_in_base64(text, len(envelope.message)):
        fields["message_base64"] = b64encode(envelope.message).decode()
    else:
        fields["message"] = text
    if envelope.context.stream is not None:
        fields[_STREAM] = envelope.context.stream
    if not envelope.is_message:
        fields |= {"media_type": envelope.media_type, "oddity": envelope.oddity}
    return _line({**fields, **context})


def _is_shorter_in_base64(text: str, size: int) -> bool:
    """Whether a large text would need too many escapes, so that its line would be too long."""
    return size > _READABLE and len(json.dumps(text)) > 4 * size / 3 + 4


def check_header(fields: Mapping[str, object]) -> None:
    """Raise `MalformedLine` unless an export of a version that is read here begins so."""
    if fields.get("format") != _KIND:
        raise MalformedLine("not the first line of an export")
    version = fields.get("version")
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        raise MalformedLine(f"only versions 1 to {FORMAT_VERSION} of the format are read here")


def read_head(fields: dict[str, Any]) -> SessionHead:
    """Return the content of the line of a session. Raises `MalformedLine`."""
    count, trimmed = fields.get("frames"), fields.get("trimmed")
    names = fields.keys() - {"times"}
    if names != {"session", "frames", "trimmed"} or not isinstance(fields["session"], dict):
        raise MalformedLine("a session is expected")
    if type(count) is not int or type(trimmed) is not int or min(count, trimmed) < 0:
        raise MalformedLine("frames and trimmed are numbers from 0 on")
    if count + trimmed >= _NO_NUMBER:
        raise MalformedLine("frames and trimmed are numbers below 2^63 together")
    values = cast("dict[str, object]", fields["session"])
    if not isinstance(values.get("id"), str):  # without one it would get a new one
        raise MalformedLine("no session: bad id")
    if not isinstance(values.get("expires_at"), str | None):  # a number has other spellings
        raise MalformedLine("no session: bad expires_at")
    try:
        session = Session.new(**values)  # type: ignore[arg-type]  # it checks each
        return SessionHead(_with_times(session, fields.get("times")), count, trimmed)
    except (TypeError, ValueError, SessionError) as error:
        raise MalformedLine(f"no session: {_fault(error)}") from None


def read_frame(session_id: str, found: dict[str, Any]) -> MessageEnvelope:
    """Return the frame of a line. Raises `MalformedLine`."""
    encoded = "message_base64" in found
    message = found.get("message_base64" if encoded else "message")
    own = found.keys() - {"seq", "message_base64" if encoded else "message", *_ODD, _STREAM}
    if own != set(_CONTEXT) or not isinstance(message, str):
        raise MalformedLine("a frame is expected")
    fields = {name: found[name] for name in (*_CONTEXT, _STREAM) if name in found}
    odd = {name: found[name] for name in _ODD if name in found}
    try:
        context = MessageContext.model_validate({"session_id": session_id, **fields})
        content = b64decode(message, validate=True) if encoded else message.encode()
        return MessageEnvelope.model_validate({"message": content, "context": context, **odd})
    except (TypeError, ValueError, InvalidMessage) as error:
        raise MalformedLine(f"no frame: {_fault(error)}") from None


class _BadTimes(ValueError):
    pass


def _with_times(session: Session, times: object) -> Session:
    if times is None:
        return session
    if not isinstance(times, dict) or cast("dict[str, object]", times).keys() != set(_TIMES):
        raise _BadTimes("bad times")
    moments = cast("dict[str, object]", times)
    if not all(each is None or isinstance(each, str) for each in moments.values()):
        raise _BadTimes("bad times")
    session = session.model_copy(update=moments)
    latest = max(session.created_at, session.last_activity, session.ended_at or session.created_at)
    if latest.timestamp() > time.time() + MAX_CLOCK_DIFFERENCE:
        raise _BadTimes("bad times: one lies in the future")
    try:
        return checked_archive(session)
    except ValueError as error:
        raise _BadTimes(f"bad times: {error}") from None


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _fault(error: Exception) -> str:
    """Describe the error without the value, which may be a secret."""
    if isinstance(error, ValidationError):
        return f"bad {'.'.join(map(str, error.errors()[0]['loc']))}"
    if isinstance(error, SessionError | _BadTimes):
        return str(error)
    return "fields are missing, too many or of the wrong kind"


def _line(fields: dict[str, object]) -> str:
    return json.dumps(fields, separators=(",", ":"))
