"""redis-py makes a connection and authenticates; then this library uses its transport.

A batch of 64 calls of 1 KB needs a fifth of the processor time of redis-py's own packing and
reading, and two fifths of it with hiredis packing for redis-py (one EVALSHA each, on loopback).
Only this module imports redis-py's connections and hiredis. Without the extra
`sessionkeeper[redis]` it cannot be imported; all other modules can.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias, cast

import hiredis
from hiredis import ProtocolError, PushNotification, Reader
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.exceptions import ConnectionError as NotConnected

from .call import Refused
from .refusals import read_refusal

__all__ = [
    "NOTHING",
    "PlainWire",
    "ProtocolError",
    "PushNotification",
    "SocketWire",
    "TlsWire",
    "Wire",
    "new_reader",
    "pack",
    "describe_failure",
]

NOTHING = object()
"""What a reader returns when it needs more bytes; replies may be None or False."""


class _HandedOver:
    """What both kinds of connection add to redis-py's."""

    _reader: asyncio.StreamReader | None
    _writer: asyncio.StreamWriter | None

    def hand_over(self, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """Give all data from now on to `protocol`. Returns the transport to write to."""
        if self._writer is None:
            raise ConnectionResetError
        transport = cast("asyncio.Transport", self._writer.transport)
        transport.set_protocol(protocol)
        return transport

    def abort(self) -> None:
        """Close at once. Data that was not sent is dropped."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = self._reader = None


class _LoopbackConnection(Connection):
    """Reaches `localhost` in both families, whichever of them the system resolves it to.

    Source: RFC 6761, "localhost"; a server may listen to one of `127.0.0.1` and `::1`.
    """

    _loopback: str | None = None

    def _connection_arguments(self) -> Mapping[str, Any]:
        own: Any = super()  # redis-py names no types here
        arguments: dict[str, Any] = dict(own._connection_arguments())
        if self._loopback is not None:
            if "ssl" in arguments:
                arguments.setdefault("server_hostname", self.host)
            arguments["host"] = self._loopback
        return arguments

    async def _connect(self) -> None:
        connect: Any = super()._connect  # redis-py names no types here
        try:
            await connect()
        except OSError:
            if self.host != "localhost" or not await self._connect_otherwise():
                raise

    async def _connect_otherwise(self) -> bool:
        connect: Any = super()._connect
        for self._loopback in ("::1", "127.0.0.1"):
            with suppress(OSError):
                await connect()
                return True
        return False


class PlainWire(_HandedOver, _LoopbackConnection):
    """Plain text."""

    def __init__(self, host: str, port: int, options: Mapping[str, Any]) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  # redis-py's **kwargs
            host=host, port=port, **{**options, **_settings()}
        )


class TlsWire(_HandedOver, SSLConnection, _LoopbackConnection):
    """TLS. By default redis-py verifies the certificate and its host name."""

    def __init__(self, host: str, port: int, options: Mapping[str, Any]) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  # redis-py's **kwargs
            host=host, port=port, **{**options, **_settings()}
        )


class SocketWire(_HandedOver, UnixDomainSocketConnection):
    """A socket of this host, named by its path."""

    def __init__(self, path: str, options: Mapping[str, Any]) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  # redis-py's **kwargs
            path=path, **{**options, **_settings()}
        )


Wire: TypeAlias = PlainWire | TlsWire | SocketWire


def _settings() -> dict[str, Any]:
    return {
        "protocol": 3,
        "client_name": "sessionkeeper",
        # A repeated write may be applied twice: with redis-py's defaults one INCR with two lost
        # replies ran three times.
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
        # `Connection.open` limits the time, with `asyncio.timeout`. redis-py would use `wait_for`,
        # which sometimes swallows a cancellation before Python 3.12 (cpython#86296).
        "socket_timeout": None,
        "socket_connect_timeout": None,
        # Not the commands that a newer redis-py adds: CLIENT SETINFO, CLIENT MAINT_NOTIFICATIONS.
        "driver_info": None,
        "maint_notifications_config": None,
    }


Pack: TypeAlias = Callable[[tuple[Any, ...]], bytes]
pack: Pack = cast("Any", hiredis).pack_command
"""Encode one command."""


def new_reader(on_refused: Callable[[Refused], None]) -> Reader:
    """Make a parser that returns bytes, and `Refused` for an error anywhere in a reply.

    It calls `on_refused` with each, so that nobody has to search nested answers.
    """

    def refused(text: str) -> Refused:
        found = read_refusal(text)
        on_refused(found)
        return found

    return Reader(replyError=cast("Any", refused), notEnoughData=NOTHING)


_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (AuthenticationError, "it refused the user or the password"),
    (NoPermissionError, "the user may not HELLO, CLIENT SETNAME or SELECT (NOPERM)"),
    (TimeoutError, "it did not answer in time"),
    (NotConnected, "it cannot be reached or closed the connection"),
    (RedisError, "it refused the connection"),
)
_TEXTS = (
    ("DB index", "it has no database of that number"),
    ("BUSY ", "it is busy with another script (BUSY)"),
)


def describe_failure(error: BaseException) -> str:
    """Return why a connection failed, without any secret of ours."""
    cause = error.__cause__ or error.__context__ if isinstance(error, NotConnected) else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate was not accepted ({cause.verify_message})"
    if isinstance(cause, FileNotFoundError):
        return "a file that the URL names does not exist"
    if isinstance(cause, OSError) and cause.strerror:
        return f"it cannot be reached ({cause.strerror})"
    reasons = [reason for text, reason in _TEXTS if text in str(error)]
    reasons += [reason for kind, reason in _REASONS if isinstance(error, kind)]
    return reasons[0] if reasons else f"{type(error).__name__} when connecting"
