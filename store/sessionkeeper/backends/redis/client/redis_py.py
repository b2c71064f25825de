"""redis-py makes a connection and authenticates; then its transport is ours.

A batch of 64 calls of 1 KB costs the processor a fifth of what redis-py's own packing and reading
cost it, and with hiredis packing for redis-py two fifths (one EVALSHA each, on loopback).
This is the only module that imports redis-py's connections and hiredis: without the extra
`sessionkeeper[redis]` it cannot be imported, all others can.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import hiredis
from hiredis import ProtocolError, PushNotification, Reader
from redis.asyncio.connection import Connection, SSLConnection
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
    "TlsWire",
    "Wire",
    "new_reader",
    "pack",
    "reason_of",
]

NOTHING = object()
"""What a reader gives when it needs more bytes; replies may be None or False."""


class _HandedOver:
    """What both kinds of connection do beyond redis-py's."""

    _reader: asyncio.StreamReader | None
    _writer: asyncio.StreamWriter | None

    def hand_over(self, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """Let `protocol` have all that comes from now on; the transport to write to."""
        if self._writer is None:
            raise ConnectionResetError
        transport = cast("asyncio.Transport", self._writer.transport)
        transport.set_protocol(protocol)
        return transport

    def let_go(self) -> None:
        """Close at once, without waiting for anything, and whatever is still to be sent."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = self._reader = None


class PlainWire(_HandedOver, Connection):
    """Plain text."""

    def __init__(self, host: str, port: int, options: Mapping[str, Any]) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  # redis-py's **kwargs
            host=host, port=port, **{**options, **_settings()}
        )


class TlsWire(_HandedOver, SSLConnection):
    """TLS. redis-py asks for a certificate that verifies and for its host name by default."""

    def __init__(self, host: str, port: int, options: Mapping[str, Any]) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  # redis-py's **kwargs
            host=host, port=port, **{**options, **_settings()}
        )


Wire: TypeAlias = PlainWire | TlsWire


def _settings() -> dict[str, Any]:
    return {
        "protocol": 3,
        "client_name": "sessionkeeper",
        # A write that is tried again may be applied twice: one INCR with two lost replies ran
        # three times with redis-py's defaults.
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
        # Time is limited by who connects, by one `asyncio.timeout`: redis-py would use `wait_for`,
        # which swallows a cancellation now and then before Python 3.12 (cpython#86296).
        "socket_timeout": None,
        "socket_connect_timeout": None,
        # None of the commands a newer redis-py adds: CLIENT SETINFO, CLIENT MAINT_NOTIFICATIONS.
        "driver_info": None,
        "maint_notifications_config": None,
    }


Pack: TypeAlias = Callable[[tuple[Any, ...]], bytes]
pack: Pack = cast("Any", hiredis).pack_command
"""Write one command as it is sent."""


def new_reader(heard: Callable[[Refused], None]) -> Reader:
    """Make a parser that gives bytes, and `Refused` for an error wherever it stands in a reply.

    `heard` is told of each, so that nobody has to look for it in nested answers.
    """

    def refused(text: str) -> Refused:
        found = read_refusal(text)
        heard(found)
        return found

    return Reader(replyError=cast("Any", refused), notEnoughData=NOTHING)


_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (AuthenticationError, "it refused the user or the password"),
    (NoPermissionError, "the user may not HELLO, CLIENT SETNAME or SELECT (NOPERM)"),
    (TimeoutError, "it did not answer in time"),
    (NotConnected, "it cannot be reached or closed the connection"),
    (RedisError, "it refused the connection"),
)
_WORDS = (
    ("DB index", "it has no database of that number"),
    ("BUSY ", "it is busy with somebody's script (BUSY)"),
)


def reason_of(error: BaseException) -> str:
    """Say why no connection came about, without a word that may have come from us."""
    cause = error.__cause__ or error.__context__ if isinstance(error, NotConnected) else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate was not accepted ({cause.verify_message})"
    if isinstance(cause, FileNotFoundError):
        return "a file that the URL names is not there"
    if isinstance(cause, OSError) and cause.strerror:
        return f"it cannot be reached ({cause.strerror})"
    reasons = [reason for words, reason in _WORDS if words in str(error)]
    reasons += [reason for kind, reason in _REASONS if isinstance(error, kind)]
    return reasons[0] if reasons else f"{type(error).__name__} when connecting"
