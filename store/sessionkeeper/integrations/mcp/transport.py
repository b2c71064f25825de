"""The SDK's transport with its server-sent events read from the log of the session.

The SDK sends live events through streams in memory, and registers them after a replay: what comes
in between is lost, one slow reader stops all others of the session, and an event of another worker
never comes. Here the server's messages are only stored; each connection follows the log.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp.server.streamable_http import (
    CONTENT_TYPE_SSE,
    GET_STREAM_KEY,
    LAST_EVENT_ID_HEADER,
    MCP_SESSION_ID_HEADER,
    EventCallback,
    EventMessage,
    EventStore,
    StreamableHTTPServerTransport,
    check_accept_headers,
)
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp.shared.message import SessionMessage
from mcp_types import (
    DEFAULT_NEGOTIATED_VERSION,
    JSONRPCMessage,
    JSONRPCRequest,
    jsonrpc_message_adapter,
)
from mcp_types.version import is_version_at_least
from pydantic_core import from_json
from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from sessionkeeper import Session, SessionError, SessionNotFound

from .connections import Connections, Writer
from .event_store import Cursor
from .refusals import refusal_of
from .stored_session import SessionView, StoredSession
from .workers import Workers

__all__ = ["StoredTransport"]

logger = logging.getLogger("sessionkeeper")

_FIRST_PRIMED = "2025-11-25"


@dataclass(slots=True)
class _Exchange:
    """A request that is answered on its own connection."""

    seq: int
    """The number of its frame."""
    stream_id: str
    writer: Writer | None = None


_exchange: ContextVar[_Exchange] = ContextVar("sessionkeeper_exchange")


class StoredTransport(StreamableHTTPServerTransport):
    """Serves one session of the store, until that ends or the transport is terminated.

    The session is created when an `initialize` opens it, unless `running` is given one. `view` is
    the one of the principal.
    """

    def __init__(
        self,
        session_id: str,
        *,
        view: SessionView,
        principal: str | None,
        workers: Workers,
        **options: Any,
    ) -> None:
        super().__init__(session_id, event_store=_Router(self), **options)
        self.session_id = session_id
        self.principal = principal
        self._view = view
        self._workers = workers
        self._owner = ""
        self._session: StoredSession | None = None
        self._begun = False
        self._connections = Connections(
            self._sse_stream_writers, workers, retry_interval=self._retry_interval
        )
        self._unprimed: set[str] = set()
        self._to_close: set[str] = set()

    @property
    def is_busy(self) -> bool:
        """Whether a request is being served, or a stream is open."""
        return self._requests_in_flight > 0

    @asynccontextmanager
    async def running(self, session: Session | None) -> AsyncGenerator[None, None]:
        """Serve a session, or the one that will be opened, while the block runs."""
        with self._workers.owner() as self._owner:
            if session is not None:
                self._session = StoredSession(self._view, session, self._owner)
            try:
                yield
            finally:
                if self._session is not None:
                    await self._workers.settle(self._session)

    async def touch(self) -> None:
        """Note activity of the session. Raises as `touch_session`."""
        if self._session is not None:
            await self._session.touch()

    async def abandon(self) -> None:
        """End the session, if it was opened, because its client does not know it."""
        if not self._begun:
            return
        try:
            await self._view.fail_session(self.session_id, "its initialize was not answered")
        except SessionNotFound:
            pass
        except SessionError as error:  # the sweeper will end it
            logger.warning("a session was not ended: %s", type(error).__name__)

    async def terminate(self) -> None:
        """Stop serving. The session in the store is not touched."""
        self._connections.close()
        await super().terminate()

    def close_sse_stream(self, request_id: str | int) -> None:
        """Close the connection of a stream, as soon as its client knows how to come back."""
        if request_id in self._unprimed:
            self._to_close.add(str(request_id))
        else:
            super().close_sse_stream(request_id)

    async def store_routed(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Store an event that the server sends."""
        try:
            return await self._opened().store_event(stream_id, message)
        except Exception as error:
            if message is not None:
                # The SDK's router ends with the error, and the session would wait for it forever.
                logger.warning(
                    "a session's transport ends: an event was refused by %s", type(error).__name__
                )
                await self.terminate()
            raise

    def _opened(self) -> StoredSession:
        if self._session is None:
            raise RuntimeError("the session is not open")
        return self._session

    async def _handle_post_request(
        self, scope: Scope, request: Request, receive: Receive, send: Send
    ) -> None:
        message = await self._acceptable(request)
        if message is None:
            await super()._handle_post_request(scope, request, receive, send)
            return
        try:
            if self._session is None:
                self._session = await self._open(message)
            seq = await self._session.record(await request.body(), message, request.url.path)
        except (SessionError, ValueError) as error:
            await self._refuse(error, request, send)
            return
        exchange = _Exchange(seq, str(message.id) if isinstance(message, JSONRPCRequest) else "")
        _exchange.set(exchange)
        try:
            await super()._handle_post_request(scope, request, receive, send)
        finally:
            if exchange.writer is not None:  # its task may never have begun
                self._connections.release(exchange.stream_id, exchange.writer)
            self._unprimed.discard(exchange.stream_id)
            self._to_close.discard(exchange.stream_id)

    async def _open(self, message: JSONRPCMessage) -> StoredSession:
        params = message.params if isinstance(message, JSONRPCRequest) else None
        self._begun = True
        return await StoredSession.create(
            self._view, self.session_id, params, self.principal, self._owner
        )

    async def _acceptable(self, request: Request) -> JSONRPCMessage | None:
        """Return the message of a request that the SDK will dispatch; None if it refuses it."""
        has_json, has_sse = check_accept_headers(request)
        if not has_json or not (has_sse or self.is_json_response_enabled):
            return None
        if not self._check_content_type(request):
            return None
        try:
            raw = from_json(await request.body())
            message = jsonrpc_message_adapter.validate_python(raw, by_name=False)
        except ValueError:
            return None
        named = self._get_session_id(request)
        if isinstance(message, JSONRPCRequest) and message.method == "initialize":
            return message if named in (None, self.mcp_session_id) else None
        return message if named == self.mcp_session_id else None

    def _create_session_message(
        self,
        message: JSONRPCRequest,
        request: Request,
        request_id: str | int,
        protocol_version: str,
    ) -> SessionMessage:
        # Nothing is dispatched yet. Without a stream in memory, the SDK's router only stores.
        for stream in self._request_streams.pop(request_id, ()):
            stream.close()
        _exchange.get().writer = self._sse_stream_writers[request_id]
        return super()._create_session_message(message, request, request_id, protocol_version)

    async def _mint_priming_event(
        self, stream_id: str, protocol_version: str
    ) -> dict[str, Any] | None:
        priming_event = await super()._mint_priming_event(stream_id, protocol_version)
        if priming_event is not None:
            self._unprimed.add(stream_id)
        return priming_event

    async def _run_sse_writer(
        self,
        request_id: str | int,
        sse_stream_writer: Writer,
        request_stream_reader: MemoryObjectReceiveStream[EventMessage],
        priming_event: dict[str, Any] | None,
    ) -> None:
        stream_id, after = str(request_id), _exchange.get().seq
        async with self._connections.serving(stream_id, sse_stream_writer):
            if priming_event is not None:
                await sse_stream_writer.send(priming_event)
                self._unprimed.discard(stream_id)
                if stream_id in self._to_close:
                    return
            cursor = Cursor(stream_id, after)
            await self._connections.send_events(self._opened(), cursor, sse_stream_writer)

    async def _handle_get_request(self, request: Request, send: Send) -> None:
        _, has_sse = check_accept_headers(request)
        if not has_sse or self._session is None:
            await super()._handle_get_request(request, send)  # it says what is wrong
            return
        if not await self._validate_request_headers(request, send):
            return
        last_event_id = request.headers.get(LAST_EVENT_ID_HEADER)
        if not last_event_id and GET_STREAM_KEY in self._sse_stream_writers:
            text = "Conflict: Only one SSE stream is allowed per session"
            response = self._create_error_response(text, HTTPStatus.CONFLICT)
            await response(request.scope, request.receive, send)
            return
        try:
            cursor = Cursor(GET_STREAM_KEY, await self._session.last_number())
            if last_event_id:
                found = await self._session.events.find(last_event_id)
                # An id that is refused gets what the SDK sends then: a stream without events.
                cursor = replace(cursor, ended=True) if found is None else found
        except SessionError as error:
            await self._refuse(error, request, send)
            return
        await self._stream(cursor, request, send, resumed=bool(last_event_id))

    async def _stream(self, cursor: Cursor, request: Request, send: Send, *, resumed: bool) -> None:
        version = request.headers.get(MCP_PROTOCOL_VERSION_HEADER, DEFAULT_NEGOTIATED_VERSION)
        primed = resumed and not cursor.ended and is_version_at_least(version, _FIRST_PRIMED)
        writer, reader = anyio.create_memory_object_stream[dict[str, Any]](0)
        send_events = partial(
            self._connections.resume, self._opened(), cursor, writer, primed=primed
        )

        headers = {"Cache-Control": "no-cache, no-transform", "Content-Type": CONTENT_TYPE_SSE}
        if self.mcp_session_id is not None:
            headers[MCP_SESSION_ID_HEADER] = self.mcp_session_id
        response = EventSourceResponse(
            content=reader, data_sender_callable=send_events, headers=headers
        )
        try:
            await response(request.scope, request.receive, send)
        finally:
            writer.close()
            reader.close()

    async def _handle_delete_request(self, request: Request, send: Send) -> None:
        if self._session is not None:
            if not await self._validate_request_headers(request, send):
                return
            try:
                await self._session.complete()
            except SessionError as error:
                await self._refuse(error, request, send)
                return
        await super()._handle_delete_request(request, send)

    async def _refuse(self, error: Exception, request: Request, send: Send) -> None:
        status, code, text, headers = refusal_of(error)
        if status is HTTPStatus.NOT_FOUND:
            await self.terminate()  # it has ended in the store
        response = self._create_error_response(text, status, code, headers)
        await response(request.scope, request.receive, send)


class _Router(EventStore):
    """What the SDK's transport knows as its event store."""

    def __init__(self, transport: StoredTransport) -> None:
        self._transport = transport

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        return await self._transport.store_routed(stream_id, message)

    async def replay_events_after(
        self, last_event_id: str, send_callback: EventCallback
    ) -> str | None:
        raise NotImplementedError("the transport replays by itself")
