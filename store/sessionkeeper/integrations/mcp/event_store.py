"""The events of one session in its log, replayed and then followed without a gap."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Self, TypeAlias

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)

from sessionkeeper import (
    AtomicSessionStore,
    InvalidMessage,
    LimitExceeded,
    MessageEnvelope,
    Session,
    SessionNotFound,
    TransportType,
)

from .event_frames import (
    EventId,
    ends_stream,
    event_envelope,
    is_event,
    marker_envelope,
    notes_of,
    stream_name,
    stream_of,
    text_of,
)

__all__ = ["Append", "Cursor", "Event", "SessionEventStore"]

logger = logging.getLogger("sessionkeeper")

Append: TypeAlias = Callable[[MessageEnvelope], Awaitable[int]]
"""Appends an envelope to the log of its session and returns its number."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place in a stream after which a client has seen nothing."""

    stream_id: str
    after: int
    ended: bool = False
    """Whether the event there is the last one of its stream."""
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    """What was noted with the event there."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event that was stored."""

    seq: int
    text: str | None
    """The message as it is sent; without one, the event only has an id."""


class SessionEventStore(EventStore):
    """Keeps the events of one session in its log. One object serves one session.

    An id names the incarnation of its session and the number of its frame. An id of another
    session, of an earlier session with this id, of a frame that is gone or of no event is refused:
    nothing is replayed.

    A replay goes on with the events that come, whichever process stores them, until the answer of
    the stream's request. So no event can fall between the two, and the SDK has nothing left to
    register: `replay_events_after` always returns None.

    The session is created when it is first needed. With `principal` it must be the principal's,
    else nobody's; otherwise it is not found.
    """

    def __init__(
        self, store: AtomicSessionStore, session_id: str, *, principal: str | None = None
    ) -> None:
        self._new = Session.new(
            id=session_id,
            transport_type=TransportType.STREAMABLE_HTTP,
            principal=principal,
        )
        self._store = store if principal is None else store.for_principal(principal)
        self._append: Append = self._store.add_frame
        self._incarnation: str | None = None

    @classmethod
    def of_session(cls, store: AtomicSessionStore, session: Session, append: Append) -> Self:
        """Make the one of a session that exists, whose frames are appended by `append`.

        `store` is the view of the session's principal. The session is never created again.
        """
        events = cls(store, session.id)
        events._append = append
        events._incarnation = session.incarnation
        return events

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self._store!r}>"

    @property
    def session_id(self) -> str:
        """The id of the session."""
        return self._new.id

    async def store_event(
        self,
        stream_id: str,
        message: JSONRPCMessage | None,
        notes: Mapping[str, str] | None = None,
    ) -> str:
        """Append an event, with notes of the caller, and return its id. Atomic.

        A message that exceeds a limit of the store, or cannot be encoded, is not kept: an answer
        becomes an error that says so, anything else an event without content.

        Raises `SessionNotFound`, `SessionClosed`, `StoreClosed`, `StoreUnavailable`, and
        `LimitExceeded` if the log has no room even for that.
        """
        incarnation, notes = await self._opened(), notes or {}
        refused = ""
        if message is not None:
            try:
                envelope = event_envelope(self.session_id, stream_id, message, notes)
                return str(EventId(incarnation, await self._append(envelope)))
            except LimitExceeded as full:
                refused = f"it exceeds a limit of the session store: {full.limit}"
            except (InvalidMessage, ValueError):
                refused = "it cannot be encoded"
            logger.warning("an event was not kept: %s", refused)
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            text = f"the answer was not kept: {refused}"
            error = JSONRPCError(
                jsonrpc="2.0", id=message.id, error=ErrorData(code=INTERNAL_ERROR, message=text)
            )
            envelope = event_envelope(self.session_id, stream_id, error, notes)
        else:
            envelope = marker_envelope(self.session_id, stream_id, notes)
        return str(EventId(incarnation, await self._append(envelope)))

    async def replay_events_after(
        self, last_event_id: str, send_callback: EventCallback
    ) -> str | None:
        """Send the events of a stream after an id: those there are, then each new one.

        It returns None: after the answer of the stream's request, at the end of the session, or at
        once when it refuses the id. Raises what reading the store raises.
        """
        cursor = await self.find(last_event_id)
        if cursor is None:
            logger.info("no event of the session has the id that a client came back with")
            return None
        async with aclosing(self.follow(cursor)) as events:
            async for event in events:
                if event.text is not None:
                    message = jsonrpc_message_adapter.validate_json(event.text)
                    await send_callback(EventMessage(message, await self.name(event.seq)))
        return None

    async def name(self, seq: int) -> str:
        """Return the id of the event with a number."""
        return str(EventId(await self._opened(), seq))

    async def find(self, event_id: str) -> Cursor | None:
        """Return the place of an id that a client sent; None if it is refused."""
        wanted = EventId.parse(event_id)
        if wanted is None or wanted.incarnation != await self._opened():
            return None
        found = await self._store.read_frames(
            self.session_id, after=wanted.seq - 1, limit=1, incarnation=wanted.incarnation
        )
        if not found or found[0].seq != wanted.seq or not is_event(found[0]):
            return None
        return Cursor(
            stream_of(found[0]),
            wanted.seq,
            ended=ends_stream(found[0]),
            notes=notes_of(found[0]),
        )

    async def follow(self, cursor: Cursor) -> AsyncGenerator[Event, None]:
        """Yield the events after a place: those there are, then each new one.

        It ends after the answer of the stream's request, and with the session. Between two steps it
        holds no resource of the store. Raises what `watch_frames` raises.
        """
        if cursor.ended:
            return
        incarnation = await self._opened()
        async with self._store.watch_frames(
            self.session_id,
            after=cursor.after,
            stream=stream_name(cursor.stream_id),
            incarnation=incarnation,
        ) as frames:
            async for frame in frames:
                yield Event(frame.seq, text_of(frame))
                if ends_stream(frame):
                    return

    async def _opened(self) -> str:
        """Return the incarnation of the session, which is created if it is not there."""
        if self._incarnation is None:
            session, _ = await self._store.get_or_create_session(self._new)
            if session.principal != self._new.principal:
                raise SessionNotFound(session.id)
            self._incarnation = session.incarnation
        return self._incarnation
