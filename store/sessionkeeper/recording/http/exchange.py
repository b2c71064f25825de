"""Records one request and its answer, as the proxy sees their bytes pass.

Rule: nothing here waits, and no error gets out: what goes wrong is reported, and traffic goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import wraps
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

from ...values.delivery import Delivery, SseDelivery
from ...values.gap import Gap
from ...values.states import Direction
from ..budget import Budget
from ..origin import Origin
from .clients import Client, read_client
from .collector import TOO_LARGE, TOO_MUCH, Collector
from .decoding import Decoder, Undecodable, decode_whole, decoder_for
from .endpoint import endpoint_target, without_values
from .events import Event, EventReader
from .headers import Headers, value_of
from .session import HttpSession, body_delivery
from .sessions import HttpSessions

__all__ = ["Exchange", "Recording", "RequestHead"]

P = ParamSpec("P")
E = TypeVar("E", bound="Exchange")

_CLIENT, _SERVER = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
_HELD = 128
"""Bytes of a message that waits for its session, besides its own."""
_CLIENT_LEFT = "the client left before the end of the answer"
_CLIENT_LEFT_EARLY = "the client left before the end of its request"
_BROKEN_EVENT = "the stream ended within an event"
FORGOTTEN = "the server forgot the session"


class RequestHead(NamedTuple):
    """What a request says before its body."""

    method: str
    path: str
    target: str
    """Path and query."""
    headers: Headers
    principal: str | None
    is_of_endpoint: bool
    """Whether it is for the endpoint itself, and not for a path below it."""


class Recording(NamedTuple):
    """What all exchanges of a proxy share."""

    sessions: HttpSessions
    budget: Budget
    max_message: int
    report: Callable[[str], None]


class _Held(NamedTuple):
    """A message whose session is not known yet."""

    direction: Direction
    message: bytes | Gap
    origin: Origin
    timestamp: datetime


def _never_raises(
    function: Callable[Concatenate[E, P], None],
) -> Callable[Concatenate[E, P], None]:
    @wraps(function)
    def call(self: E, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(self, *args, **kwargs)
        except Exception as error:
            with suppress(Exception):
                self.shared.report(f"recording failed: {type(error).__name__}")

    return call


class Exchange:
    """The record of one request and its answer. Call its methods in the order of the traffic."""

    def __init__(self, head: RequestHead, shared: Recording) -> None:
        self.shared = shared
        self._head = head
        self._session: HttpSession | None = None
        self._stream: str | None = None
        self._held: list[_Held] = []
        self._client: Client | None = None
        self._request = Collector(shared.max_message, shared.budget)
        self._request_is_whole = False
        self._answer = Collector(shared.max_message, shared.budget)
        self._status: int | None = None
        self._encoding = ""
        self._decoder: Decoder | None = None
        self._broken_encoding: str | None = None
        self._events: EventReader | None = None
        self._is_old_stream = self._has_result = False
        self._failure: str | None = None
        self._session_id = value_of(head.headers, b"mcp-session-id")
        self._find_session()

    @_never_raises
    def request_part(self, part: bytes) -> None:
        """Take bytes of the request's body."""
        self._request.add(part)

    @_never_raises
    def request_ended(self) -> None:
        """Record the request's body."""
        self._request_is_whole = True
        body = self._request.take()
        encoding = _text(value_of(self._head.headers, b"content-encoding"))
        message, oddity = self._decoded(body, encoding)
        if self._session is None and isinstance(message, bytes):
            self._client = read_client(message)
            if self._client is not None and self._client.is_stateless:
                self._name_client()
        if message:
            self._put(_CLIENT, message, Origin(self._delivery(None), oddity=oddity))

    @_never_raises
    def answered(self, status: int, headers: Headers) -> None:
        """Take the head of the answer; it tells the session of a request that opens one."""
        self._status = status
        self._encoding = _text(value_of(headers, b"content-encoding"))
        kind = _text(value_of(headers, b"content-type"))
        self._doubt(status, kind)
        is_stream = kind.startswith("text/event-stream")
        if is_stream:
            try:
                self._decoder = decoder_for(self._encoding)
                self._events = EventReader(self.shared.max_message, self.shared.budget)
            except Undecodable as error:
                self.shared.report(f"a stream is recorded encoded: {error}")
        if self._session is not None:
            return
        named = value_of(headers, b"mcp-session-id")
        if named:
            is_new = self._client is not None
            self._join(self.shared.sessions.by_id(named, self._head.principal, is_new=is_new))
        elif self._head.method != "GET" or self._events is None:
            self._name_client()  # the first event of a GET may be that of the old transport

    @_never_raises
    def answer_part(self, part: bytes) -> None:
        """Take bytes of the answer, encoded as they are."""
        if self._events is None:
            self._answer.add(part)
            return
        try:
            for piece in (part,) if self._decoder is None else self._decoder(part):
                for event in self._events.feed(piece):
                    self._record_event(event)
        except Undecodable as error:
            self._record_encoded_from(part, str(error))

    @_never_raises
    def answer_ended(self) -> None:
        """Record the body of the answer."""
        if self._events is not None:
            self._record_rest(_BROKEN_EVENT, if_any=True)
            return
        message, oddity = self._decoded(self._answer.take(), self._encoding)
        status = self._status or 0
        if not message and oddity is None and self._needs_a_body(status):
            oddity = f"HTTP {status} without a body"
        media_type = None
        if status == 202 and oddity is None and _is_acknowledgement(message):
            media_type = "text/plain; charset=utf-8"
        if message or oddity is not None:
            origin = Origin(self._delivery(status), media_type=media_type, oddity=oddity)
            self._put(_SERVER, message, origin)

    @_never_raises
    def client_left(self, reason: str | None = None) -> None:
        """Record that nobody reads any more, why, and what had passed until then."""
        if not self._request_is_whole:
            oddity = reason or _CLIENT_LEFT_EARLY
            origin = Origin(self._delivery(None), ended=False, oddity=oddity)
            self._put(_CLIENT, self._request.take(), origin)
        else:
            # Who closes a stream that it only listens to, or has its answer, has lost nothing.
            has_all = self._head.method != "POST" or self._has_result
            self._record_rest(reason or _CLIENT_LEFT, if_any=has_all)

    @_never_raises
    def server_left(self, reason: str) -> None:
        """Record that the server is not there, or ended its answer early, with the reason."""
        if not self._request_is_whole:
            origin = Origin(self._delivery(None), ended=False, oddity=reason)
            self._put(_CLIENT, self._request.take(), origin)
        self._failure = reason
        self._record_rest(reason, if_any=False)

    @_never_raises
    def over(self) -> None:
        """Note that nothing more will pass. Idempotent."""
        if self._session is None and (self._held or self._status is not None):
            self._name_client()
        session = self._session
        if session is None:
            return
        session.end_exchange()
        end = self.shared.sessions.end
        if self._is_old_stream:
            end(session, self._failure)
        elif self._status == 404 and (self._names_session() or session.key[0] == "endpoint"):
            end(session, FORGOTTEN)
        elif self._names_session() and self._head.method == "DELETE" and self._is_success():
            end(session, None)

    def _doubt(self, status: int, kind: str) -> None:
        """Report an answer to a first call that no MCP endpoint gives."""
        if self._head.method != "POST" or self._session_id or self._session is not None:
            return
        if kind.startswith(("application/json", "text/event-stream")) or status in {202, 204}:
            return
        if status < 300 or status in {404, 405}:
            answer = f"HTTP {status} {kind[:40]}".rstrip()
            self.shared.report(f"a call is answered with {answer}: is the URL of an MCP endpoint?")

    def _find_session(self) -> None:
        """Find the session if the request itself names it."""
        sessions = self.shared.sessions
        if self._session_id:
            self._join(sessions.by_id(self._session_id, self._head.principal, is_new=False))
        elif (found := sessions.by_endpoint(self._head.target)) is not None:
            self._join(found)

    def _name_client(self) -> None:
        agent = value_of(self._head.headers, b"user-agent") or b""
        principal = self._head.principal
        self._join(self.shared.sessions.by_client(self._client, agent, principal))

    def _join(self, session: HttpSession) -> None:
        self._session = session
        self._stream = session.begin_exchange(self._head.method)
        for held in self._held:
            self.shared.budget.give(_cost(held.message))
            origin = held.origin._replace(stream=self._stream)
            session.offer(held.direction, held.message, origin, held.timestamp)
        self._held.clear()

    def _put(self, direction: Direction, message: bytes | Gap, origin: Origin) -> None:
        if self._session is not None:
            self._session.offer(direction, message, origin._replace(stream=self._stream))
            return
        if not self.shared.budget.take(_cost(message)):
            if isinstance(message, bytes):
                message = Gap.of(message, TOO_MUCH).without_ends()
            self.shared.budget.used += _cost(message)  # some hundred bytes
        self._held.append(_Held(direction, message, origin, datetime.now(UTC)))

    def _record_event(self, event: Event) -> None:
        delivery = SseDelivery(event_id=event.id, event_type=event.type, retry=event.retry)
        if self._session is None:
            if event.type == "endpoint" and isinstance(event.data, bytes):
                target = endpoint_target(self._head.target, event.data)
                session = self.shared.sessions.open_endpoint(target, self._head.principal)
                self._is_old_stream = True
                self._join(session)
            else:
                self._name_client()
        message = event.data
        if isinstance(message, bytes) and (b'"result"' in message or b'"error"' in message):
            self._has_result = True
        media_type = None
        if event.type == "endpoint" and isinstance(message, bytes):
            message, media_type = without_values(message), "text/plain; charset=utf-8"
        elif message == b"":
            media_type = "text/event-stream"  # it only names the place to resume from
        self._put(_SERVER, message, Origin(delivery, media_type=media_type))

    def _record_encoded_from(self, part: bytes, reason: str) -> None:
        """Record a stream as it comes from here on, because its encoding is broken."""
        self._record_rest(reason, if_any=True)
        self._events, self._broken_encoding = None, reason
        self._answer.add(part)

    def _record_rest(self, oddity: str, *, if_any: bool) -> None:
        """Record what came of a message that has no end."""
        delivery: Delivery = SseDelivery()
        if self._events is not None:
            rest = self._events.finish()
        else:
            rest, delivery = self._answer.take() or None, self._delivery(self._status)
        if rest is not None or not if_any:
            origin = Origin(delivery, ended=False, oddity=oddity)
            self._put(_SERVER, b"" if rest is None else rest, origin)

    def _decoded(self, body: bytes | Gap, encoding: str) -> tuple[bytes | Gap, str | None]:
        """Return a body as it is recorded, and why it cannot be read, if so."""
        if self._broken_encoding is not None or isinstance(body, Gap) or not body:
            return body, self._broken_encoding
        try:
            whole, oddity = decode_whole(encoding, body, self.shared.max_message)
        except Undecodable as error:
            return body, str(error)
        return (Gap.of(body, f"{TOO_LARGE}, decoded"), None) if whole is None else (whole, oddity)

    def _delivery(self, status: int | None) -> Delivery:
        return body_delivery(self._head.method, self._head.path, status)

    def _names_session(self) -> bool:
        return bool(self._session_id) and self._head.is_of_endpoint

    def _is_success(self) -> bool:
        return self._status is not None and 200 <= self._status < 300

    def _needs_a_body(self, status: int) -> bool:
        # A server that has no stream of its own, or ends no session, answers 405 as it should.
        is_not_offered = status == 405 and self._head.method != "POST"
        return status >= 300 and status != 304 and not is_not_offered


def _cost(message: bytes | Gap) -> int:
    return (_HELD if isinstance(message, Gap) else len(message)) + _HELD


def _is_acknowledgement(body: bytes | Gap) -> bool:
    # "Accepted", as servers of the old transport say; a message is on its way by another stream.
    return isinstance(body, bytes) and body.isascii() and body[:1].isalpha()


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("latin-1").lower()
