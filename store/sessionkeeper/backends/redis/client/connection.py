"""One connection to one node: calls go out in order, and their answers come back in that order.

Nothing is sent twice here. A connection that lost its place in the stream of replies is closed for
good (CVE-2023-28858). It then tells of each call without an answer whether it may have been sent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ....values.errors import StoreUnavailable
from .call import Answer, Call, Refused
from .pipeline import Pipeline

if TYPE_CHECKING:
    from .address import RedisAddress
    from .redis_py import Wire

__all__ = ["Connection"]

_SLICE, _BYTES = 16, 16 * 1024
"""Maximum calls and bytes of one write: the server runs the first ones while the rest is packed."""
_BUFFER = 128 * 1024
_TICKS = 4
_LAST_WAIT = 1.0
"""Maximum seconds that a cancelled connecting waits for the end of its TLS handshake."""


class Connection(asyncio.BufferedProtocol):
    """An open connection. It is closed for good once `ended` gives the reason."""

    def __init__(self, wire: Wire, name: str, timeout: float) -> None:
        from .redis_py import NOTHING, ProtocolError, PushNotification, new_reader, pack

        self.name = name
        self.ended: str | None = None
        self.loaded: set[str] = set()
        """Digests of the scripts that were loaded on this connection."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wire = wire
        self._pack = pack
        self._refusals: list[Refused] = []
        """Errors in the reply that is being read, at any depth."""
        self._reader = new_reader(self._refusals.append)
        self._nothing = NOTHING
        self._push = PushNotification
        self._garbled = ProtocolError
        self._buffer = bytearray(_BUFFER)
        # asyncio's TLS slices this buffer: a slice of a bytearray would be a copy.
        self._view = memoryview(self._buffer)
        self._pipelines: deque[Pipeline] = deque()
        self.silence = timeout
        """Maximum seconds without a byte while answers are outstanding."""
        self._tick_seconds = timeout / _TICKS
        self._silent = 0
        self._ticker: asyncio.TimerHandle | None = None
        self._transport = wire.hand_over(self)

    @classmethod
    async def open(cls, address: RedisAddress, *, patience: float = 0.0) -> Connection:
        """Connect and authenticate, in one attempt. Raises `StoreUnavailable` with the reason.

        `patience` is added to the allowed silence: for reads that block.
        """
        wire = address.wire()
        connecting = asyncio.ensure_future(_connect(wire, address))
        try:
            await asyncio.shield(connecting)
            return cls(wire, address.name, address.timeout + patience)
        except StoreUnavailable:
            wire.abort()
            raise
        except Exception as error:
            from .redis_py import describe_failure

            wire.abort()
            raise StoreUnavailable(f"{address.name}: {describe_failure(error)}") from None
        except BaseException:
            wire.abort()
            if address.tls:
                # Cancelled between TCP and TLS, asyncio would forget to close the socket. So it is
                # made, and closed then; the loop may end as soon as this has returned.
                _ABANDONED.add(connecting)
                connecting.add_done_callback(partial(_close_abandoned, wire))
                await asyncio.wait([connecting], timeout=_LAST_WAIT)
            else:
                connecting.cancel()
            raise

    def __repr__(self) -> str:
        return f"<Connection {self.name} {self.ended or f'open waiting={len(self._pipelines)}'}>"

    @property
    def busy(self) -> bool:
        """Whether answers are outstanding."""
        return bool(self._pipelines)

    @property
    def outstanding(self) -> Sequence[Pipeline]:
        """The pipelines without all answers, in the order they were sent."""
        return self._pipelines

    async def exchange(self, calls: Sequence[Call], within: float | None = None) -> list[Answer]:
        """Send calls and return their answers in order. O(calls).

        Exchanges may overlap: they are sent in the order they begin. One that is cancelled, or
        takes longer than `within` seconds, closes the connection. Raises only `TypeError`, for a
        argument that cannot be sent.
        """
        pipeline = Pipeline(calls)
        self.send(pipeline)
        if within is None:
            return await pipeline.result()
        timer = asyncio.get_running_loop().call_later(within, pipeline.expire)
        try:
            return await pipeline.result()
        finally:
            timer.cancel()

    def send(self, pipeline: Pipeline) -> None:
        """Write the calls of a pipeline. It is settled when they are answered or cannot be."""
        if self.ended is not None or not pipeline.calls:
            pipeline.settle()
            return
        pipeline.attach(self)
        if not self._pipelines:
            self._silent = 0
            if self._ticker is None:
                self._start_timer()
        self._pipelines.append(pipeline)
        pack = self._pack
        calls = pipeline.calls
        try:
            packed: list[bytes] = []
            size = 0
            for place, call in enumerate(calls, 1):
                packed.append(pack(tuple(call.command)))
                size += len(packed[-1])
                if size < _BYTES and len(packed) < _SLICE and place < len(calls):
                    continue
                if self._transport.is_closing():
                    break
                # Before the write: a part of it may arrive even if the write fails.
                pipeline.sent = place
                self._transport.write(b"".join(packed))
                packed, size = [], 0
        except Exception as error:
            # An argument that cannot be packed is a caller's mistake, and the pipeline is half
            # sent.
            self._pipelines.pop()
            self.close("a call could not be packed")
            pipeline.fail(error)

    def close(self, why: str = "closed") -> None:
        """Close at once: settle what is outstanding, drop what was not sent."""
        if self.ended is None:
            self.ended = why
            if self._ticker is not None:
                self._ticker.cancel()
                self._ticker = None
            self._wire.abort()
            while self._pipelines:
                self._pipelines.popleft().settle()

    async def aclose(self) -> None:
        """Close, and wait until the socket is closed."""
        self.close()
        await asyncio.shield(self.closed)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        self._silent = 0
        try:
            feed: Any = self._reader.feed
            feed(self._buffer, 0, nbytes)
            self._read_replies()
        except self._garbled:
            self.close("it broke the protocol")

    def _read_replies(self) -> None:
        gets, nothing, pipelines = self._reader.gets, self._nothing, self._pipelines
        while pipelines:
            pipeline = pipelines[0]
            answers = pipeline.answers
            missing = len(pipeline.calls) - len(answers)
            while missing:
                reply = gets()
                if reply is nothing:
                    return
                # Push messages are not answers.
                if type(reply) is not self._push:
                    answers.append(reply)
                    missing -= 1
                if self._refusals:
                    pipeline.refusals += self._refusals
                    self._refusals.clear()
            pipelines.popleft()
            pipeline.settle()
        while (reply := gets()) is not nothing:
            if type(reply) is not self._push:
                self.close("it sent an answer without a call")
                return

    def eof_received(self) -> None:
        self.close("the server closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        self.close("the connection was lost" if exc else "the server closed the connection")
        if not self.closed.done():
            self.closed.set_result(None)

    def _start_timer(self) -> None:
        self._ticker = asyncio.get_running_loop().call_later(self._tick_seconds, self._tick)

    def _tick(self) -> None:
        # Ticks are counted, time is not measured: after the loop was blocked for long, what has
        # arrived meanwhile is read before another tick passes.
        self._ticker = None
        if not self._pipelines:
            return
        self._silent += 1
        if self._silent > _TICKS:
            self.close("the server was silent too long")
        else:
            self._start_timer()


_ABANDONED: set[asyncio.Future[None]] = set()
"""Connections whose caller was cancelled. Each is closed once it was made."""


async def _connect(wire: Wire, address: RedisAddress) -> None:
    connect: Any = wire.connect  # redis-py names no types here
    async with asyncio.timeout(address.connect_timeout):
        await connect()
        if await wire.can_read():
            raise StoreUnavailable(f"{address.name} sent data before the first call")


def _close_abandoned(wire: Wire, connecting: asyncio.Future[None]) -> None:
    _ABANDONED.discard(connecting)
    if not connecting.cancelled():
        connecting.exception()
    wire.abort()
