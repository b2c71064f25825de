"""A proxy on loopback between a client and one server, that does what goes wrong on networks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import hiredis
from redis_faults import Faults
from redis_units import Unit, UnitReader
from sessionkeeper.backends.redis.plans.append import LOOK
from tcp_proxy import TcpConnection, TcpProxy

__all__ = ["FaultProxy", "proxied"]

# The replies to these come as pushes, or one for each channel.
_UNANSWERED = {f"{shard}{way}SUBSCRIBE" for shard in ("", "P", "S") for way in ("", "UN")}


class FaultProxy(TcpProxy):
    """Passes commands and replies on, and does to them what `requests` and `replies` say.

    It speaks no TLS, and knows no more of RESP than where things end and what commands are called.
    """

    def __init__(self, server_port: int) -> None:
        super().__init__(server_port)
        self.requests = Faults()
        self.replies = Faults()

    @property
    def url(self) -> str:
        """Where clients go, as a URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def clear(self) -> None:
        """Lift all faults."""
        self.requests.clear()
        self.replies.clear()

    def connection(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> TcpConnection:
        """One that tells commands and replies apart."""
        return _Connection(self, number, reader, writer)


class _Connection(TcpConnection):
    def __init__(
        self,
        proxy: FaultProxy,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        super().__init__(proxy, number, reader, writer)
        self._requests = proxy.requests
        self._replies = proxy.replies
        self._asked: deque[str] = deque()
        self._mute = False
        """Whether the client hears no more: the reply must not overtake the cut."""

    async def carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, asking: bool
    ) -> None:
        """Pass whole units on, and let happen to them what is to happen."""
        units = UnitReader()
        while data := await source.read(1 << 16):
            for whole, value in units.feed(data):
                unit = Unit(whole, self._name(value, asking=asking), self.number)
                if not await self._deliver(unit, sink, asking=asking):
                    return
        sink.write(units.rest)
        await sink.drain()

    def _name(self, value: Any, *, asking: bool) -> str:
        if asking:
            command = bytes(value[0]).decode().upper()
            # What only looks is no write, though it is a script: tests of lost writes let it pass.
            looks = command == "EVALSHA" and bytes(value[1]).decode() == LOOK.digest
            return "LOOK" if looks else command
        if isinstance(value, hiredis.PushNotification):
            return ">"
        return self._asked.popleft() if self._asked else ""

    async def _deliver(self, unit: Unit, sink: asyncio.StreamWriter, *, asking: bool) -> bool:
        happens = (self._requests if asking else self._replies).on(unit)
        for fault in happens:
            if fault.delay:
                await asyncio.sleep(fault.delay)
            if fault.gate is not None:
                await fault.gate.wait()
        if any(fault.drop for fault in happens):
            return True
        if asking:
            if unit.command not in _UNANSWERED:
                self._asked.append(unit.command)
        elif self._mute:
            return False
        cuts = [fault for fault in happens if fault.cut_at is not None]
        self._mute = self._mute or bool(cuts)
        data = unit.data[: min((fault.cut_at or 0 for fault in cuts), default=None)]
        pieces = [data]
        for fault in happens:
            if fault.split or fault.step:
                pieces = list(fault.pieces(data))
        for piece in pieces:
            sink.write(piece)
            await sink.drain()
            if len(pieces) > 1:
                # One turn sends it, the next gives it to a reader on this loop, before more comes.
                for _ in range(3):
                    await asyncio.sleep(0)
        for fault in cuts:
            self.end(reset=fault.reset)
        return not cuts


@asynccontextmanager
async def proxied(server_port: int) -> AsyncIterator[FaultProxy]:
    """A proxy for one's own faults."""
    proxy = FaultProxy(server_port)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.aclose()
