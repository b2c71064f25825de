"""The reverse proxy for streamable HTTP: an ASGI application that forwards and records."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Self
from urllib.parse import unquote

from starlette.types import Receive, Scope, Send

from ...values.jsonrpc import MAX_MESSAGE_BYTES
from ...values.states import Direction
from ..budget import Budget
from ..outcomes import LineOutcome
from .addresses import ListenAddress, ServerAddress
from .clients import principal_of
from .exchange import Exchange, Recording, RequestHead
from .forwarding import Forwarder, answer_text
from .guard import Guard
from .headers import Headers, value_of, values_of
from .report import HttpReport
from .sessions import HttpSessions, OpenRecorder

__all__ = ["IDLE", "MAX_BODY", "MAX_PENDING", "HttpProxy"]

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a body or an event; of a longer one a gap frame is recorded."""
MAX_PENDING = 24 * 1024 * 1024
"""Bytes of all messages that wait to be recorded."""
IDLE = 300.0
"""Seconds without a request that end the session of a client without a session id."""

_METHODS = frozenset({"GET", "POST", "DELETE"})


class HttpProxy:
    """Forwards requests to one server, and records what passes on its MCP endpoint.

    `server` is the URL of the endpoint. All paths of that server are forwarded, so that
    `/.well-known` and the endpoints of the old HTTP+SSE transport are where they were; recorded are
    the endpoint, and paths below it whose client accepts server-sent events. `listen` is the
    address that clients use. `open_recorder` opens the recorder of each new session with these
    fields. `on_trouble` is called with one line, without any payload, about what could not be
    reached or recorded. `session_by` is a header whose values tell clients without a session apart.
    A body or event of more than `max_body` bytes is recorded as a gap; `max_pending` bytes wait to
    be recorded at most, and what comes then leaves a gap.

    Use it as an asynchronous context manager, on one loop. Raises `ValueError` for a bad URL.
    """

    def __init__(
        self,
        server: str,
        open_recorder: OpenRecorder,
        *,
        listen: str,
        on_trouble: Callable[[str], None],
        tls: ssl.SSLContext | None = None,
        session_by: str | None = None,
        idle: float = IDLE,
        max_body: int = MAX_BODY,
        max_pending: int | None = None,
    ) -> None:
        if not 1 <= max_body <= MAX_MESSAGE_BYTES:
            raise ValueError(f"max_body is 1 to {MAX_MESSAGE_BYTES} bytes")
        if not idle > 0:
            raise ValueError("idle is more than 0 seconds")
        self._server = ServerAddress.parse(server)
        self._endpoint = unquote(self._server.path).rstrip("/")
        self._listen = ListenAddress.parse(listen)
        self._guard = Guard(self._listen)
        self._open_recorder = open_recorder
        self._on_trouble = on_trouble
        self._tls = tls
        self._session_by = session_by
        self._idle = idle
        self._max_body = max_body
        if max_pending is None:
            max_pending = MAX_PENDING if max_body <= MAX_BODY else 2 * max_body
        self._max_pending = max_pending
        self._told: set[str] = set()
        self._exchanges = 0

    def __repr__(self) -> str:
        return f"<HttpProxy {self._listen} to {self._server}>"

    async def __aenter__(self) -> Self:
        budget = Budget(self._max_pending)
        self._sessions = HttpSessions(
            self._open_recorder, budget=budget, report=self._complain, idle=self._idle
        )
        self._recording = Recording(self._sessions, budget, self._max_body, self._complain)
        self._forwarder = Forwarder(self._server, tls=self._tls, report=self._complain)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections to the server and end all sessions, within about three seconds."""
        await self._forwarder.aclose()
        await self._sessions.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request. Source: the ASGI specification."""
        if scope["type"] != "http":
            return
        scope = _in_origin_form(scope)
        headers: Headers = scope["headers"]
        objection = self._guard.objection(
            values_of(headers, b"host"), values_of(headers, b"origin")
        )
        if objection is not None:
            await answer_text(send, 403, objection)
            return
        await self._forwarder.forward(scope, receive, send, self._exchange(scope, headers))

    def report(self) -> HttpReport:
        """Return what was forwarded and recorded until now."""
        sessions = self._sessions
        outcomes = sessions.outcomes.copy()
        gaps = sessions.gaps
        for session in sessions.live():
            gaps += session.journal.gaps
            for side in Direction:
                outcomes.update(session.journal.outcomes[side])
        odd, oversized = outcomes[LineOutcome.ODD], outcomes[LineOutcome.OVERSIZED]
        return HttpReport(
            sessions=sessions.opened,
            exchanges=self._exchanges,
            sent_bytes=self._forwarder.sent,
            received_bytes=self._forwarder.received,
            recorded=outcomes[LineOutcome.RECORDED] + outcomes[LineOutcome.ASIDE] + odd + oversized,
            odd=odd,
            gaps=gaps,
            dropped=outcomes[LineOutcome.DROPPED],
            failed=outcomes[LineOutcome.FAILED]
            + outcomes[LineOutcome.REFUSED]
            + outcomes[LineOutcome.NOT_JSON],
        )

    def _exchange(self, scope: Scope, headers: Headers) -> Exchange | None:
        """Return the record of a request; None for one that is not recorded."""
        method, path = scope["method"], scope["raw_path"].decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        target = f"{path}?{query}" if query else path
        if method not in _METHODS or not self._is_recorded(path, target, headers):
            return None
        self._exchanges += 1
        principal = None
        if self._session_by is not None:
            value = value_of(headers, self._session_by.lower().encode())
            principal = principal_of(self._session_by, value)
        head = RequestHead(method, path, target, headers, principal, self._is_of_endpoint(path))
        return Exchange(head, self._recording)

    def _is_recorded(self, path: str, target: str, headers: Headers) -> bool:
        if self._is_of_endpoint(path) or self._sessions.by_endpoint(target) is not None:
            return True
        if not unquote(path).startswith(f"{self._endpoint}/") or path.startswith("/.well-known/"):
            return False
        # Beside MCP there may be requests for tokens, which are nobody's to keep.
        accepted = value_of(headers, b"accept") or b""
        return b"text/event-stream" in accepted or value_of(headers, b"mcp-session-id") is not None

    def _is_of_endpoint(self, path: str) -> bool:
        return unquote(path).rstrip("/") == self._endpoint

    def _complain(self, trouble: str) -> None:
        """Report each problem once."""
        if trouble not in self._told and len(self._told) < 1000:
            self._told.add(trouble)
            with suppress(Exception):  # a closed stderr must not end the proxy
                self._on_trouble(trouble)


def _in_origin_form(scope: Scope) -> Scope:
    """Return a request for `http://host/path`, which clients of a proxy send, for `/path`."""
    target: bytes = scope["raw_path"]
    if not target.lower().startswith(b"http://"):
        return scope
    host, slash, path = target[len(b"http://") :].partition(b"/")
    # RFC 9112, section 3.2.2: the host of the target is the one that counts.
    headers = [(b"host", host), *(each for each in scope["headers"] if each[0] != b"host")]
    return {**scope, "raw_path": b"/" + path if slash else b"/", "headers": headers}
