"""A proxy on loopback between clients and one server: what all our proxies have in common."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

from redis_ports import ReservedPort

__all__ = ["TcpConnection", "TcpProxy"]


class TcpProxy:
    """Passes everything on, until it is told to refuse, to cut or to be silent.

    It runs on the loop of the test. A proxy that knows more makes connections of its own kind.
    """

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        """Where new connections lead; a test may change it."""
        self.accepted = 0
        """How many connections there have been, answered or not."""
        self.silent = False
        """While True new connections are accepted, and nothing is read or said: a black hole."""
        self._reserved = ReservedPort()
        self._listener: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], TcpConnection] = {}
        self._errors: list[BaseException] = []

    @property
    def port(self) -> int:
        """Where clients go; the same for the proxy's whole life."""
        return self._reserved.number

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
        self.clear()
        await self.cut()
        self._reserved.free()
        for error in self._errors:
            raise error

    def clear(self) -> None:
        """Let everything pass from now on."""

    def connection(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> TcpConnection:
        """One for a client that has come; the how manieth, from 1."""
        return TcpConnection(self, number, reader, writer)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        connection = self.connection(self.accepted, reader, writer)
        task = asyncio.get_running_loop().create_task(connection.run())
        self._connections[task] = connection
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        del self._connections[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._errors.append(error)


class TcpConnection:
    """One client, and its connection to the server."""

    def __init__(
        self,
        proxy: TcpProxy,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.number = number
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._ended = asyncio.Event()
        self._reset = False

    def end(self, *, reset: bool) -> None:
        """End it on both sides; the client sees the end of the stream, with `reset` a reset."""
        self._reset = self._reset or reset
        self._ended.set()

    async def carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, asking: bool
    ) -> None:
        """Pass on what one side says, until it ends: the client if `asking`, else the server."""
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()

    async def run(self) -> None:
        """Serve the client until one of the three ends."""
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
            loop.create_task(self.carry(self._reader, writer, asking=True)),
            loop.create_task(self.carry(reader, self._writer, asking=False)),
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


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
