"""One session of the transport and its record in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mcp.server.connection import Connection
from mcp_types import (
    INTERNAL_ERROR,
    ErrorData,
    InitializeRequestParams,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCRequest,
    JSONRPCResponse,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from sessionkeeper import (
    Direction,
    HttpDelivery,
    MessageEnvelope,
    PrincipalManager,
    Session,
    SessionClosed,
    SessionManager,
    SessionState,
    TransportType,
    thaw,
)

from .event_store import Cursor, SessionEventStore

__all__ = ["Handshake", "SessionView", "StoredSession"]

_HANDSHAKE = "mcp.initialize"
_OWNER = "owner"
_REQUEST = "request"

SessionView: TypeAlias = SessionManager | PrincipalManager
"""All sessions, or those of one principal."""


class StoredSession:
    """Keeps what the transport of one session receives and sends.

    `owner` names who runs the calls that come in here; it is noted with each event of a call.
    """

    def __init__(self, view: SessionView, session: Session, owner: str) -> None:
        self._view = view
        self._owner = owner
        self._notes: dict[str, Mapping[str, str]] = {}
        self.id = session.id
        self.events = SessionEventStore.of_session(view.store, session, view.record)

    @classmethod
    async def create(
        cls,
        view: SessionView,
        session_id: str,
        params: Mapping[str, object] | None,
        principal: str | None,
        owner: str,
    ) -> StoredSession:
        """Create the session that an `initialize` opens. Raises as `create_session`."""
        session = await view.create_session(
            id=session_id,
            transport_type=TransportType.STREAMABLE_HTTP,
            principal=principal,
            metadata={_HANDSHAKE: {} if params is None else params},
        )
        return cls(view, session, owner)

    async def record(self, body: bytes, message: JSONRPCMessage, path: str) -> int:
        """Append what the client sent and return its number. Raises as `record`."""
        envelope = MessageEnvelope.of(
            self.id,
            body,
            direction=Direction.CLIENT_TO_SERVER,
            delivery=HttpDelivery(method="POST", path=path),
        )
        seq = await self._view.record(envelope)
        if isinstance(message, JSONRPCRequest):
            request_id = to_json(message.id).decode()
            self._notes[str(message.id)] = {_OWNER: self._owner, _REQUEST: request_id}
        return seq

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Append an event and return its id. Raises as `SessionEventStore.store_event`."""
        notes = self._notes.get(stream_id)
        event_id = await self.events.store_event(stream_id, message, notes)
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            self._notes.pop(stream_id, None)
        return event_id

    async def last_number(self) -> int:
        """Return the number of the last frame. Raises `SessionNotFound`, `SessionClosed`."""
        session = await self._view.get_session(self.id)
        if session.state.is_terminal:
            raise SessionClosed(self.id, session.state)
        return session.last_seq

    async def complete(self) -> None:
        """End the session in good order. Raises as `complete_session`."""
        await self._view.complete_session(self.id)

    async def touch(self) -> None:
        """Note activity. Raises as `touch_session`."""
        await self._view.store.touch_session(self.id)

    async def prime(self, cursor: Cursor) -> str:
        """Append an event without content for a client that comes back; return its id.

        It says who runs the call, as the event does after which the client comes back.
        """
        notes = {name: cursor.notes[name] for name in (_OWNER, _REQUEST) if name in cursor.notes}
        return await self.events.store_event(cursor.stream_id, None, notes)

    def owner_of(self, cursor: Cursor) -> str | None:
        """Return who runs the call of a stream; None if the stream is of no call."""
        return cursor.notes.get(_OWNER)

    async def answer_lost(self, cursor: Cursor) -> None:
        """Answer the call of a stream, whose owner is gone, with an error."""
        await self._answer_lost(cursor.stream_id, cursor.notes)

    async def answer_own(self) -> None:
        """Answer the calls that came in here, and that nobody will answer, with an error."""
        for stream_id, notes in list(self._notes.items()):
            await self._answer_lost(stream_id, notes)

    async def _answer_lost(self, stream_id: str, notes: Mapping[str, str]) -> None:
        error = JSONRPCError(
            jsonrpc="2.0",
            id=from_json(notes[_REQUEST]),
            error=ErrorData(code=INTERNAL_ERROR, message="the server that ran the call is gone"),
        )
        await self.store_event(stream_id, error)


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a client and its server agreed on when the session was opened, by any worker."""

    params: InitializeRequestParams
    version: str
    is_complete: bool

    @classmethod
    def of(cls, session: Session) -> Handshake | None:
        """Read it from a live session; None if there is none, or it failed."""
        if session.state.is_terminal:
            return None
        try:
            params = InitializeRequestParams.model_validate(
                thaw(session.metadata.get(_HANDSHAKE)), by_name=False
            )
        except ValidationError:
            return None
        asked = params.protocol_version
        usual = asked if asked in HANDSHAKE_PROTOCOL_VERSIONS else LATEST_HANDSHAKE_VERSION
        version = session.version_state.negotiated or usual
        return cls(params, version, session.state is not SessionState.INITIALIZING)

    def restore(self, connection: Connection) -> None:
        """Give it to a connection that serves the session from now on."""
        connection.client_params = self.params
        connection.protocol_version = self.version
        if self.is_complete:
            connection.initialized.set()
