"""One connection to one node: calls go out in order, their answers come back in that order.

Nothing here tries anything twice. A link that lost its place in the stream of replies is closed
for good (CVE-2023-28858), and says of each call without an answer whether it can have been sent.
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
"""Calls written at a time, or bytes: the server runs the first ones while the rest is packed."""
_BUFFER = 128 * 1024
_TICKS = 4


class Connection(asyncio.BufferedProtocol):
    """An open connection. Once `ended` says why, it stays so."""

    def __init__(self, wire: Wire, name: str, timeout: float) -> None:
        from .redis_py import NOTHING, ProtocolError, PushNotification, new_reader, pack

        self.name = name
        self.ended: str | None = None
        self.loaded: set[str] = set()
        """Digests of the scripts this connection gave the server."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wire = wire
        self._pack = pack
        self._heard: list[Refused] = []
        """Errors in the reply that is being read, however deep."""
        self._reader = new_reader(self._heard.append)
        self._nothing = NOTHING
        self._push = PushNotification
        self._garbled = ProtocolError
        self._buffer = bytearray(_BUFFER)
        # asyncio's TLS slices what it is given to fill it: of a bytearray that would be a copy.
        self._view = memoryview(self._buffer)
        self._batches: deque[Pipeline] = deque()
        self.silence = timeout
        """Seconds it may say nothing while answers are outstanding."""
        self._tick_seconds = timeout / _TICKS
        self._silent = 0
        self._ticker: asyncio.TimerHandle | None = None
        self._transport = wire.hand_over(self)

    @classmethod
    async def open(cls, target: RedisAddress, *, patience: float = 0.0) -> Connection:
        """Connect and authenticate, once. Raises `StoreUnavailable` with the reason.

        `patience` is added to the seconds of silence allowed: for reads that block.
        """
        wire = target.wire()
        connecting = asyncio.ensure_future(_connect(wire, target))
        try:
            await asyncio.shield(connecting)
            return cls(wire, target.name, target.timeout + patience)
        except StoreUnavailable:
            wire.let_go()
            raise
        except Exception as error:
            from .redis_py import reason_of

            wire.let_go()
            raise StoreUnavailable(f"{target.name}: {reason_of(error)}") from None
        except BaseException:
            wire.let_go()
            if target.tls:
                # Cancelled between TCP and TLS, asyncio would forget to close the socket.
                _LEAVING.add(connecting)
                connecting.add_done_callback(partial(_leave, wire))
            else:
                connecting.cancel()
            raise

    def __repr__(self) -> str:
        return f"<Link {self.name} {self.ended or f'open waiting={len(self._batches)}'}>"

    @property
    def busy(self) -> bool:
        """Whether answers are outstanding."""
        return bool(self._batches)

    async def exchange(self, calls: Sequence[Call], within: float | None = None) -> list[Answer]:
        """Send calls and return their answers in order. O(calls).

        Exchanges may overlap: they are sent in the order they are begun. One that is cancelled, or
        takes longer than `within` seconds, closes the link. Raises nothing of its own, but
        `TypeError` for a word that cannot be sent.
        """
        batch = Pipeline(calls)
        self.send(batch)
        until = None if within is None else asyncio.get_running_loop().time() + within
        return await batch.result(until)

    def send(self, batch: Pipeline) -> None:
        """Write the calls of a batch; it is settled when they are answered or cannot be."""
        if self.ended is not None or not batch.calls:
            batch.settle()
            return
        batch.leave(self)
        if not self._batches:
            self._silent = 0
            if self._ticker is None:
                self._arm()
        self._batches.append(batch)
        pack = self._pack
        calls = batch.calls
        try:
            words: list[bytes] = []
            size = 0
            for place, call in enumerate(calls, 1):
                words.append(pack(tuple(call.words)))
                size += len(words[-1])
                if size < _BYTES and len(words) < _SLICE and place < len(calls):
                    continue
                if self._transport.is_closing():
                    break
                # Before the write: of a part of it nobody knows whether it arrived.
                batch.sent = place
                self._transport.write(b"".join(words))
                words, size = [], 0
        except Exception as error:
            # A word that cannot be packed is a mistake of the caller, and a batch half sent.
            self._batches.pop()
            self.close("a call could not be packed")
            batch.fail(error)

    def close(self, why: str = "closed") -> None:
        """End it at once: settle what is outstanding, drop what was not sent yet."""
        if self.ended is None:
            self.ended = why
            if self._ticker is not None:
                self._ticker.cancel()
                self._ticker = None
            self._wire.let_go()
            while self._batches:
                self._batches.popleft().settle()

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
            self._take()
        except self._garbled:
            self.close("it did not speak the protocol")

    def _take(self) -> None:
        gets, nothing, batches = self._reader.gets, self._nothing, self._batches
        while batches:
            batch = batches[0]
            answers = batch.answers
            missing = len(batch.calls) - len(answers)
            while missing:
                reply = gets()
                if reply is nothing:
                    return
                # Nobody asked for pushes, but they are no answers.
                if type(reply) is not self._push:
                    answers.append(reply)
                    missing -= 1
                if self._heard:
                    batch.refusals += self._heard
                    self._heard.clear()
            batches.popleft()
            batch.settle()
        while (reply := gets()) is not nothing:
            if type(reply) is not self._push:
                self.close("it answered what was not asked")
                return

    def eof_received(self) -> None:
        self.close("the server closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        self.close("the connection was lost" if exc else "the server closed the connection")
        if not self.closed.done():
            self.closed.set_result(None)

    def _arm(self) -> None:
        self._ticker = asyncio.get_running_loop().call_later(self._tick_seconds, self._tick)

    def _tick(self) -> None:
        # Counted, not measured: when the loop was blocked for long, what has arrived meanwhile
        # is read before another tick passes.
        self._ticker = None
        if not self._batches:
            return
        self._silent += 1
        if self._silent > _TICKS:
            self.close("the server fell silent")
        else:
            self._arm()


_LEAVING: set[asyncio.Future[None]] = set()
"""Connections nobody waits for any more; each is closed once it was made."""


async def _connect(wire: Wire, target: RedisAddress) -> None:
    connect: Any = wire.connect  # redis-py names no types here
    async with asyncio.timeout(target.connect_timeout):
        await connect()
        if await wire.can_read():
            raise StoreUnavailable(f"{target.name} said more than it was asked")


def _leave(wire: Wire, connecting: asyncio.Future[None]) -> None:
    _LEAVING.discard(connecting)
    if not connecting.cancelled():
        connecting.exception()
    wire.let_go()
