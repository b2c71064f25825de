"""A proxy on loopback between a client and one server, that does what goes wrong on networks."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import hiredis
from redis_faults import Faults
from redis_ports import ReservedPort
from redis_units import Unit, UnitReader
from sessionkeeper.backends.redis.plans.append import LOOK

__all__ = ["FaultProxy", "proxied"]

# The replies to these come as pushes, or one for each channel.
_UNANSWERED = {f"{shard}{way}SUBSCRIBE" for shard in ("", "P", "S") for way in ("", "UN")}


class FaultProxy:
    """Passes commands and replies on, and does to them what `requests` and `replies` say.

    It runs on the loop of the test. It speaks no TLS, and knows no more of RESP than where things
    end and what commands are called.
    """

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        """Where new connections lead; a test may change it."""
        self.requests = Faults()
        self.replies = Faults()
        self.accepted = 0
        """How many connections there have been, answered or not."""
        self.silent = False
        """While True new connections are accepted, and nothing is read or said: a black hole."""
        self._reserved = ReservedPort()
        self._listener: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self._errors: list[BaseException] = []

    @property
    def port(self) -> int:
        """Where clients go; the same for the proxy's whole life."""
        return self._reserved.number

    @property
    def url(self) -> str:
        """The same as a URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def open(self) -> int:
        """How many connections there are now."""
        return len(self._connections)

    async def listen(self) -> None:
        """Begin to accept connections, also again after `refuse()`."""
        # Without the protocol's number asyncio leaves Nagle on, and split packets wait 40 ms each.
        ours = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ours.bind(("127.0.0.1", self.port))
        self._listener = await asyncio.start_server(self._accept, sock=ours, backlog=1024)

    def refuse(self) -> None:
        """Refuse connections until `listen()`; those that are open stay."""
        assert self._listener is not None
        self._listener.close()
        self._listener = None

    async def cut(self, *, reset: bool = False) -> None:
        """End all connections that are open now, and wait until that is so."""
        for connection in self._connections.values():
            connection.end(reset=reset)
        if self._connections:
            await asyncio.wait(self._connections)

    async def aclose(self) -> None:
        """End everything, and give the port back; raises what went wrong in the proxy itself."""
        if self._listener is not None:
            self.refuse()
        self.requests.clear()
        self.replies.clear()
        await self.cut()
        self._reserved.free()
        for error in self._errors:
            raise error

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        connection = _Connection(self, self.accepted, reader, writer)
        task = asyncio.get_running_loop().create_task(connection.run())
        self._connections[task] = connection
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        del self._connections[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._errors.append(error)


class _Connection:
    def __init__(
        self,
        proxy: FaultProxy,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._number = number
        self._reader = reader
        self._writer = writer
        self._asked: deque[str] = deque()
        self._ended = asyncio.Event()
        self._reset = False
        self._mute = False
        """Whether the client hears no more: the reply must not overtake the cut."""

    def end(self, *, reset: bool) -> None:
        self._reset = self._reset or reset
        self._ended.set()

    async def run(self) -> None:
        try:
            if self._proxy.silent:
                await self._ended.wait()
            else:
                await self._pass_on()
        finally:
            raw: socket.socket | None = self._writer.get_extra_info("socket")
            # One that the client has ended meanwhile is closed already.
            if self._reset and raw is not None and raw.fileno() >= 0:
                # Closing with something still to send and no time to wait for it is a reset.
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._writer.transport.abort()
            await _closed(self._writer)

    async def _pass_on(self) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", self._proxy.server_port)
        except OSError:
            self._reset = True
            return
        reader, writer = there
        loop = asyncio.get_running_loop()
        ways = [
            loop.create_task(self._carry(self._reader, writer, self._proxy.requests)),
            loop.create_task(self._carry(reader, self._writer, self._proxy.replies)),
            loop.create_task(self._ended.wait()),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for way in ways:
                with suppress(asyncio.CancelledError, ConnectionError):
                    await way
            await _closed(writer)

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, faults: Faults
    ) -> None:
        units = UnitReader()
        while data := await source.read(1 << 16):
            for whole, value in units.feed(data):
                unit = Unit(whole, self._name(value, faults), self._number)
                if not await self._deliver(unit, sink, faults):
                    return
        sink.write(units.rest)
        await sink.drain()

    def _name(self, value: Any, faults: Faults) -> str:
        if faults is self._proxy.requests:
            command = bytes(value[0]).decode().upper()
            # What only looks is no write, though it is a script: tests of lost writes let it pass.
            looks = command == "EVALSHA" and bytes(value[1]).decode() == LOOK.digest
            return "LOOK" if looks else command
        if isinstance(value, hiredis.PushNotification):
            return ">"
        return self._asked.popleft() if self._asked else ""

    async def _deliver(self, unit: Unit, sink: asyncio.StreamWriter, faults: Faults) -> bool:
        happens = faults.on(unit)
        for fault in happens:
            if fault.delay:
                await asyncio.sleep(fault.delay)
            if fault.gate is not None:
                await fault.gate.wait()
        if any(fault.drop for fault in happens):
            return True
        if faults is self._proxy.requests:
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


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
