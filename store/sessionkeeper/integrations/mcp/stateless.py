"""Exchanges of the revision 2026-07-28, which has no sessions, recorded by their principal."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sessionkeeper import (
    Direction,
    HttpDelivery,
    MessageEnvelope,
    SessionClosed,
    SessionError,
    SessionNotFound,
    SessionState,
    SseDelivery,
    TransportType,
)

from .stored_session import SessionView

__all__ = ["TAG", "StatelessRecorder"]

logger = logging.getLogger("sessionkeeper")

TAG = "mcp-stateless"
"""The tag of the sessions with the exchanges of one principal and worker."""

_MOST_PRINCIPALS = 1_024
_LONGEST_VERSION = 64


class StatelessRecorder:
    """Records each request before it is served, and what is answered before it is sent.

    Each principal has one session for them in each worker, and another one after that has ended.
    """

    def __init__(self, view_of: Callable[[str | None], SessionView]) -> None:
        self._view_of = view_of
        self._sessions: OrderedDict[str | None, str] = OrderedDict()

    async def serve(
        self, app: ASGIApp, principal: str | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let `app` answer a request, and record both. Raises what recording the request raises."""
        request = Request(scope, receive)
        if request.method != "POST":
            await app(scope, receive, send)
            return
        unread = [await request.body()]
        exchange = await self._begin(principal, unread[0], request)

        async def receive_again() -> Message:
            if not unread:
                return await receive()
            return {"type": "http.request", "body": unread.pop(), "more_body": False}

        async def record_and_send(message: Message) -> None:
            await exchange.record(message)
            await send(message)

        await app(scope, receive_again, record_and_send)

    async def _begin(self, principal: str | None, body: bytes, request: Request) -> _Exchange:
        view = self._view_of(principal)
        version = request.headers.get(MCP_PROTOCOL_VERSION_HEADER, "")[:_LONGEST_VERSION] or None
        delivery = HttpDelivery(method="POST", path=request.url.path)
        while True:
            session_id = await self._session_of(principal, view)
            exchange = _Exchange(view, session_id, version, request.url.path)
            try:
                await exchange.append(body, Direction.CLIENT_TO_SERVER, delivery)
            except (SessionNotFound, SessionClosed):
                self._sessions.pop(principal, None)  # it was idle; begin another one
            else:
                return exchange

    async def _session_of(self, principal: str | None, view: SessionView) -> str:
        found = self._sessions.get(principal)
        if found is None:
            session = await view.create_session(
                transport_type=TransportType.STREAMABLE_HTTP,
                state=SessionState.ACTIVE,
                principal=principal,
                tags={TAG},
            )
            found = self._sessions.setdefault(principal, session.id)
        self._sessions.move_to_end(principal)
        while len(self._sessions) > _MOST_PRINCIPALS:
            self._sessions.popitem(last=False)
        return found


class _Exchange:
    """One request and its answer."""

    def __init__(self, view: SessionView, session_id: str, version: str | None, path: str) -> None:
        self._view = view
        self._session_id = session_id
        self._version = version
        self._path = path
        self._status = 200
        self._is_stream = False
        self._body = b""

    async def append(
        self, body: bytes, direction: Direction, delivery: HttpDelivery | SseDelivery
    ) -> None:
        """Append a message."""
        envelope = MessageEnvelope.of(
            self._session_id,
            body,
            direction=direction,
            delivery=delivery,
            protocol_version=self._version,
        )
        await self._view.store.add_frame(envelope)

    async def record(self, message: Message) -> None:
        """Record what is about to be sent. What cannot be recorded is sent all the same."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = {name.lower(): value for name, value in message["headers"]}
            self._is_stream = headers.get(b"content-type", b"").startswith(b"text/event-stream")
            return
        self._body += message.get("body", b"")
        delivery: HttpDelivery | SseDelivery = SseDelivery(event_type="message")
        if self._is_stream:
            *events, self._body = self._body.split(b"\r\n\r\n")
            found = [_data_of(event) for event in events]
        elif message.get("more_body", False):
            return
        else:
            found = [self._body]
            delivery = HttpDelivery(method="POST", path=self._path, status=self._status)
        for each in filter(None, found):
            try:
                await self.append(each, Direction.SERVER_TO_CLIENT, delivery)
            except SessionError as error:
                logger.warning("an answer was not recorded: %s", type(error).__name__)


def _data_of(event: bytes) -> bytes:
    """Return the data of an event as the SDK writes it; none of a comment."""
    prefix = b"data: "
    lines = (line for line in event.split(b"\r\n") if line.startswith(prefix))
    return b"\n".join(line[len(prefix) :] for line in lines)
