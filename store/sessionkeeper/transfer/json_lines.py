"""Sessions as JSON Lines: a file that outlives the store, and goes into another one.

A header line; for each session a line of its own and one for each of its frames, in order; an end
line, so that a file that was cut short is known. Only ASCII, one spelling for one value.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError

from ..interface.atomic_store import AtomicSessionStore
from ..values.errors import InvalidMessage, SessionError, SessionNotFound
from ..values.message import Frame, MessageContext, MessageEnvelope
from ..values.oddities import JSON, as_text
from ..values.picklable import Picklable
from ..values.session import CALLER_FIELDS, Session
from ..values.states import SessionState
from .next_frames import next_frames

__all__ = [
    "FORMAT_VERSION",
    "MalformedExport",
    "StoredSession",
    "export_session",
    "header_line",
    "import_session",
    "last_line",
    "read_export",
]

FORMAT_VERSION = 1
_KIND = "sessionkeeper-export"
_PAGE = 1_000
_NO_NUMBER = 2**63
_NO_FIELDS: dict[str, Any] = {}
_ODD = ("media_type", "oddity")
"""Only of what is no message; its bytes are `message_base64` if they are not UTF-8."""
_CONTEXT = ("direction", "timestamp", "delivery", "protocol_version", "metadata")


class MalformedExport(Picklable, ValueError):
    """A line is not what an export has there; the text quotes nothing of it."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as read from an export, checked whole."""

    session: Session
    frames: tuple[MessageEnvelope, ...]
    trimmed: int
    """How many frames its log had lost at the front: imported numbers are lower by as many."""


def header_line() -> str:
    """Return the line every export begins with."""
    return _line({"format": _KIND, "version": FORMAT_VERSION})


def last_line(sessions: int) -> str:
    """Return the line every whole export ends with."""
    return _line({"end": {"sessions": sessions}})


async def export_session(store: AtomicSessionStore, session_id: str, /) -> list[str]:
    """Return the lines of a session and of its frames up to now.

    One moment's log, also if it is trimmed meanwhile. The store's own times are left out: whoever
    imports it gives others. Raises `SessionNotFound`.
    """
    while True:
        session = await store.get_session(session_id)
        frames = await _frames_until(store, session)
        if len(frames) == session.frame_count:
            break
    fields = session.model_dump(mode="json", include=set(CALLER_FIELDS))
    fields["tags"] = sorted(session.tags)
    log = {"frames": len(frames), "trimmed": session.last_seq - len(frames)}
    return [_line({"session": fields, **log}), *map(_frame_line, frames)]


async def import_session(store: AtomicSessionStore, stored: StoredSession, /) -> Session:
    """Create a session with its id, fields, frames and state, and return what is stored.

    Its frames keep their own timestamps; the times of the session are of now, and its frames are
    numbered from 1. Not atomic: others see it grow. When it fails, also by being cancelled at any
    moment, what was created is deleted again before the error is raised. Raises `SessionExists`,
    `LimitExceeded`, as the store does.
    """
    state = stored.session.state
    begun = state if not state.is_terminal else SessionState.ACTIVE
    # A task of its own: who is cancelled while it is answered could not tell whether it was made.
    creating = asyncio.ensure_future(
        store.create_session(stored.session.model_copy(update={"state": begun}))
    )
    try:
        session = await asyncio.shield(creating)
        for start in range(0, len(stored.frames), _PAGE):
            await store.add_frames(session.id, stored.frames[start : start + _PAGE])
        if begun is state:
            return await store.get_session(session.id)
        return await store.modify_session(
            session.id, lambda current: current.model_copy(update={"state": state})
        )
    except BaseException as error:
        undoing = asyncio.ensure_future(_undo(store, creating))
        while not undoing.done():  # whoever cancels meanwhile
            with suppress(asyncio.CancelledError):
                await asyncio.wait({undoing})
        if undoing.cancelled() or undoing.exception() is not None:
            error.add_note("what was imported of it could not be deleted again")
        raise


def read_export(lines: Iterable[str], /) -> Iterator[StoredSession]:
    """Yield the sessions of an export, each only when all its lines are right.

    Raises `MalformedExport` with the number of the line.
    """
    numbered = _objects(lines)
    at, header = next(numbered, (1, _NO_FIELDS))
    if header.get("format") != _KIND:
        raise MalformedExport(at, "not the first line of an export")
    if header.get("version") != FORMAT_VERSION:
        raise MalformedExport(at, f"only version {FORMAT_VERSION} of the format is read here")
    sessions, last = 0, at
    for at, fields in numbered:
        if "end" in fields:
            if fields["end"] != {"sessions": sessions}:
                raise MalformedExport(at, "sessions are missing before the end")
            for beyond, _ in numbered:
                raise MalformedExport(beyond, "something follows the end")
            return
        stored = _read_session(at, fields, numbered)
        yield stored
        last = at + len(stored.frames)
        sessions += 1  # noqa: SIM113 - frames' lines are read in between
    raise MalformedExport(last + 1, "the export ends here without its last line")


def _read_session(
    at: int, fields: dict[str, Any], numbered: Iterator[tuple[int, dict[str, Any]]]
) -> StoredSession:
    count, trimmed = fields.get("frames"), fields.get("trimmed")
    if fields.keys() != {"session", "frames", "trimmed"} or not isinstance(fields["session"], dict):
        raise MalformedExport(at, "a session is expected")
    if type(count) is not int or type(trimmed) is not int or min(count, trimmed) < 0:
        raise MalformedExport(at, "frames and trimmed are numbers from 0 on")
    if max(count, trimmed) >= _NO_NUMBER:
        raise MalformedExport(at, "frames and trimmed are numbers below 2^63")
    values = cast("dict[str, object]", fields["session"])
    if not isinstance(values.get("id"), str):  # without one it would get a new one
        raise MalformedExport(at, "no session: bad id")
    try:
        session = Session.new(**values)  # type: ignore[arg-type]  # it checks each
    except (TypeError, ValueError, SessionError) as error:
        raise MalformedExport(at, f"no session: {_fault(error)}") from None
    frames: list[MessageEnvelope] = []
    for seq in range(trimmed + 1, trimmed + count + 1):
        at, found = next(numbered, (at + 1, _NO_FIELDS))
        if found.get("seq") != seq:
            raise MalformedExport(at, f"frame {seq} is expected")
        frames.append(_read_frame(at, session.id, found))
    return StoredSession(session, tuple(frames), trimmed)


def _read_frame(at: int, session_id: str, found: dict[str, Any]) -> MessageEnvelope:
    encoded = "message_base64" in found
    message = found.get("message_base64" if encoded else "message")
    own = found.keys() - {"seq", "message_base64" if encoded else "message", *_ODD}
    if own != set(_CONTEXT) or not isinstance(message, str):
        raise MalformedExport(at, "a frame is expected")
    fields = {name: found[name] for name in _CONTEXT}
    odd = {name: found[name] for name in _ODD if name in found}
    try:
        context = MessageContext.model_validate({"session_id": session_id, **fields})
        content = b64decode(message, validate=True) if encoded else message.encode()
        return MessageEnvelope.model_validate({"message": content, "context": context, **odd})
    except (TypeError, ValueError, InvalidMessage) as error:
        raise MalformedExport(at, f"no frame: {_fault(error)}") from None


def _fault(error: Exception) -> str:
    """What is wrong, without the value: it may be a secret."""
    if isinstance(error, ValidationError):
        return f"bad {'.'.join(map(str, error.errors()[0]['loc']))}"
    if isinstance(error, SessionError):
        return str(error)
    return "fields are missing, too many or of the wrong kind"


def _objects(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            raise MalformedExport(number, "not JSON") from None
        if not isinstance(found, dict):
            raise MalformedExport(number, "not a JSON object")
        yield number, cast("dict[str, Any]", found)


async def _frames_until(store: AtomicSessionStore, session: Session) -> Sequence[Frame]:
    frames: list[Frame] = []
    after = session.last_seq - session.frame_count
    while after < session.last_seq:
        limit = min(_PAGE, session.last_seq - after)
        before = frames[-1] if frames else None
        page = await next_frames(store, session.id, before, after, limit)
        if not page:
            return ()  # trimmed meanwhile, or another log by now
        frames += page
        after = page[-1].seq
    return frames


async def _undo(store: AtomicSessionStore, creating: asyncio.Future[Session]) -> None:
    try:
        session = await creating
    except (SessionError, ValueError):
        return  # it was not made
    with suppress(SessionNotFound):
        await store.delete_session(session.id)


def _frame_line(frame: Frame) -> str:
    envelope = frame.envelope
    context = envelope.context.model_dump(mode="json", include=set(_CONTEXT))
    text = as_text(envelope.message)
    fields: dict[str, object] = {"seq": frame.seq}
    if text is None:
        fields["message_base64"] = b64encode(envelope.message).decode()
    else:
        fields["message"] = text
    if envelope.oddity is not None or envelope.media_type != JSON:
        fields |= {"media_type": envelope.media_type, "oddity": envelope.oddity}
    return _line({**fields, **context})


def _line(fields: dict[str, object]) -> str:
    return json.dumps(fields, separators=(",", ":"))
