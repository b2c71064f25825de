"""Forwards one request to the server and its answer to the client, and shows both to the record.

Rule: a byte is forwarded before it is recorded, and never changed. Encoded bodies stay encoded, and
nothing is read ahead: a slow reader makes the other side wait.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress

import httpcore2
from starlette.types import Receive, Scope, Send

from .addresses import ServerAddress
from .endpoint import EndpointRewriter, led_back
from .exchange import Exchange
from .headers import Headers, passing_answer, passing_request, value_of, values_of

__all__ = ["Forwarder", "answer_text"]

_CONNECT = 10.0
"""Seconds to connect to the server."""
_KEEP_ALIVE = 4.0
"""Seconds that an idle connection to the server is kept. Most servers close it after five, and a
request that meets the close would be lost."""
_WATCH_AFTER = 0.01
"""Seconds until it is watched whether the client is still there: most answers are sooner."""
_EXTENSIONS = {"timeout": {"connect": _CONNECT}}
_LAST_STATUS = 599
_SERVER_LEFT = "the server closed the connection before the end of its answer"
_ENDED = "the recorder ended before the end of the answer"


class _ClientLeft(Exception):
    """The client closed its connection within its request."""


class Forwarder:
    """The connections to one server."""

    def __init__(
        self,
        server: ServerAddress,
        *,
        tls: ssl.SSLContext | None,
        report: Callable[[str], None],
    ) -> None:
        self.sent = self.received = 0
        """Bytes of bodies that went to the server, and came from it."""
        self._server = server
        self._report = report
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=None,
            max_keepalive_connections=64,
            keepalive_expiry=_KEEP_ALIVE,
        )
        self._scheme = server.scheme.encode()
        self._host = server.host.encode()
        self._authority = server.authority.encode()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    async def forward(
        self, scope: Scope, receive: Receive, send: Send, exchange: Exchange | None
    ) -> None:
        """Forward one exchange. If a side leaves, the other one sees its answer cut."""
        client = _Client(receive, send)
        try:
            async with asyncio.timeout(None) as until_client_leaves:
                client.leaving = until_client_leaves
                await self._exchange(scope, client, exchange)
        except (TimeoutError, _ClientLeft):
            if exchange is not None:
                exchange.client_left()
        except asyncio.CancelledError:
            if exchange is not None:
                exchange.client_left(_ENDED)
            if not client.is_begun:
                await answer_text(send, 503, _ENDED)
            raise
        except Exception as error:
            reason = f"forwarding failed: {type(error).__name__}"
            self._report(reason)
            if exchange is not None:
                exchange.server_left(reason)
            raise
        finally:
            client.close()
            if exchange is not None:
                exchange.over()

    async def _exchange(self, scope: Scope, client: _Client, exchange: Exchange | None) -> None:
        try:
            answer = await self._pool.handle_async_request(
                await self._request(scope, client, exchange)
            )
        except (
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
            httpcore2.TimeoutException,
        ) as error:
            await self._fail(client, exchange, self._describe(error))
            return
        try:
            if answer.status <= _LAST_STATUS:
                await self._answer(scope, client, exchange, answer)
            else:
                await self._fail(client, exchange, self._speaks_no_http())
        except (httpcore2.NetworkError, httpcore2.ProtocolError):
            if exchange is not None:
                exchange.server_left(_SERVER_LEFT)
        finally:
            await answer.aclose()

    async def _fail(self, client: _Client, exchange: Exchange | None, reason: str) -> None:
        self._report(reason)
        if exchange is not None:
            exchange.server_left(reason)
        client.is_begun = True
        await answer_text(client.send, 502, reason)

    async def _request(
        self, scope: Scope, client: _Client, exchange: Exchange | None
    ) -> httpcore2.Request:
        headers: Headers = scope["headers"]
        has_body = any(
            name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
            for name, value in headers
        )
        content: bytes | AsyncIterator[bytes] | None = None
        if has_body:
            first, more = await client.read()
            self._sent(first, exchange)
            content = first
            if more:
                content = self._body(first, client, exchange)
            elif exchange is not None:
                exchange.request_ended()
        elif exchange is not None:
            exchange.request_ended()
        if not has_body or isinstance(content, bytes):
            client.watch()
        return httpcore2.Request(
            scope["method"].encode(),
            httpcore2.URL(
                scheme=self._scheme,
                host=self._host,
                port=self._server.port,
                target=self._target(scope),
            ),
            headers=passing_request(headers, host=self._authority, origin=self._origin(headers)),
            content=content,
            extensions=_EXTENSIONS,
        )

    async def _body(
        self, first: bytes, client: _Client, exchange: Exchange | None
    ) -> AsyncIterator[bytes]:
        if first:
            yield first
        more = True
        while more:
            part, more = await client.read()
            self._sent(part, exchange)
            if not more and exchange is not None:
                exchange.request_ended()
            if part:
                yield part
        client.watch()

    def _sent(self, part: bytes, exchange: Exchange | None) -> None:
        self.sent += len(part)
        if exchange is not None:
            exchange.request_part(part)

    async def _answer(
        self,
        scope: Scope,
        client: _Client,
        exchange: Exchange | None,
        answer: httpcore2.Response,
    ) -> None:
        client.watch()
        headers = passing_answer(answer.headers)
        if exchange is not None:
            exchange.answered(answer.status, headers)
        rewriter = self._rewriter(scope, answer.status, headers)
        headers = self._located(scope, headers)
        client.is_begun = True
        await client.send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )
        left = _length(scope["method"], answer.status, headers)
        async for part in answer.aiter_stream():
            self.received += len(part)
            passing = part if rewriter is None else rewriter.feed(part)
            if left is not None:
                left -= len(part)
            if passing:
                await client.send(
                    {"type": "http.response.body", "body": passing, "more_body": left != 0}
                )
            if exchange is not None:
                exchange.answer_part(part)
                if left == 0:
                    exchange.answer_ended()
            if left == 0:
                client.is_answered = True
        if not client.is_answered:
            rest = b"" if rewriter is None else rewriter.finish()
            client.is_answered = True
            await client.send({"type": "http.response.body", "body": rest})
            if exchange is not None:
                exchange.answer_ended()

    def _target(self, scope: Scope) -> bytes:
        path: bytes = scope["raw_path"]
        query: bytes = scope["query_string"]
        if not query and self._server.query and path.decode("latin-1") == self._server.path:
            query = self._server.query.encode()
        return path + b"?" + query if query else path

    def _origin(self, headers: Headers) -> bytes | None:
        """Return the origin for the server: its own, if the request is from a page of the proxy."""
        origins = values_of(headers, b"origin")
        if not origins:
            return None
        return self._server.origin.encode() if origins[0] == _origin_of(headers) else origins[0]

    def _located(
        self, scope: Scope, headers: list[tuple[bytes, bytes]]
    ) -> list[tuple[bytes, bytes]]:
        if value_of(headers, b"location") is None:
            return headers
        proxy = _origin_of(scope["headers"]).decode("latin-1")
        return [
            (name, led_back(value.decode("latin-1"), self._server, proxy).encode("latin-1"))
            if name == b"location"
            else (name, value)
            for name, value in headers
        ]

    def _rewriter(self, scope: Scope, status: int, headers: Headers) -> EndpointRewriter | None:
        is_stream = (value_of(headers, b"content-type") or b"").startswith(b"text/event-stream")
        if scope["method"] != "GET" or status != 200 or not is_stream:
            return None
        named = value_of(headers, b"mcp-session-id") or value_of(
            scope["headers"], b"mcp-session-id"
        )
        if named or value_of(headers, b"content-encoding") or value_of(headers, b"content-length"):
            return None
        return EndpointRewriter(self._server, _origin_of(scope["headers"]).decode("latin-1"))

    def _describe(self, error: Exception) -> str:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return (
                    f"{self._server.origin}: its certificate does not fit: {cause.verify_message}"
                )
            cause = cause.__cause__ or cause.__context__
        if isinstance(error, httpcore2.ConnectTimeout):
            return f"{self._server.origin} does not answer within {_CONNECT:g} seconds"
        if isinstance(error, httpcore2.ConnectError):
            return f"{self._server.origin} cannot be reached"
        if isinstance(error, httpcore2.ProtocolError) and "disconnected" not in str(error):
            return self._speaks_no_http()
        return f"{self._server.origin} closed the connection before it answered"

    def _speaks_no_http(self) -> str:
        return f"{self._server.origin} does not speak HTTP"


class _Client:
    """The client's side of one exchange."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.send = send
        self.leaving: asyncio.Timeout | None = None
        self.is_begun = self.is_answered = False
        self._receive = receive
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def read(self) -> tuple[bytes, bool]:
        """Return the next bytes of the body, and whether there are more. Raises `_ClientLeft`."""
        message = await self._receive()
        if message["type"] != "http.request":
            raise _ClientLeft
        return message.get("body", b""), message.get("more_body", False)

    def watch(self) -> None:
        """End the exchange if the client leaves. Call it when the body is read. Idempotent."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_WATCH_AFTER, self._begin)

    def close(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _begin(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] == "http.request":
            pass
        if self.leaving is not None and not self.is_answered:
            with suppress(RuntimeError):  # the exchange is over
                self.leaving.reschedule(asyncio.get_running_loop().time())


async def answer_text(send: Send, status: int, text: str) -> None:
    """Send an answer of one line."""
    body = f"sessionkeeper: {text}\n".encode()
    headers: Iterable[tuple[bytes, bytes]] = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _origin_of(headers: Headers) -> bytes:
    return b"http://" + (value_of(headers, b"host") or b"")


def _length(method: str, status: int, headers: Headers) -> int | None:
    """Return how many bytes the body has, if there is one and its head says it."""
    if method == "HEAD" or status in {204, 304}:
        return None
    length = value_of(headers, b"content-length")
    return int(length) if length is not None and length.isdigit() and int(length) else None
