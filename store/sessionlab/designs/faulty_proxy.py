"""A proxy on loopback that injects faults: requests arrive in pieces, and one reply is lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from random import Random
from typing import TypeAlias

__all__ = ["FaultyProxy", "Place"]

Place: TypeAlias = "tuple[str, int] | str"
"""Host and port of a server, or the path of its socket."""

_CHUNK = 1 << 16
_PIECES = 24
_ANSWERS = 4


class FaultyProxy:
    """Forwards requests and replies between one store and its server.

    After `enable_faults`, requests arrive in pieces, with time for other tasks in between. One of
    the next few replies to a request that contains `loses` is lost: the connection ends instead.
    The first `keeps` of them are not. The faults are drawn from a seed; the order of the tasks is
    not.
    """

    def __init__(self, server: Place, rng: Random, *, loses: bytes = b"", keeps: int = 0) -> None:
        self._server = server
        # Without the protocol's number asyncio leaves Nagle on, and pieces wait 40 ms each.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        """Where it listens, on 127.0.0.1."""
        self._rng = rng
        self._loses, self._keeps = loses, keeps
        self._faults_enabled = False
        self._closed = False
        self._left = 0
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Accept connections."""
        self._listener = await asyncio.start_server(self._accept, sock=self._socket)

    def enable_faults(self) -> None:
        """Inject faults from now on."""
        self._faults_enabled, self._left = True, self._rng.randrange(self._keeps, _ANSWERS)

    async def aclose(self) -> None:
        """End all connections, and give the port back."""
        if self._listener is None:
            self._socket.close()
            return
        self._closed = True
        # A listener that is closed in the middle of an accept leaves that connection open.
        await _turns()
        self._listener.close()
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await _turns()  # what was aborted is closed

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:  # it was on its way when the listener was closed
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Also of a task that is cancelled before its first step.
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pumps: list[asyncio.Task[None]] = []
        writers = [writer]
        try:
            there, to_there = await self._connect()
            writers.append(to_there)
            loop = asyncio.get_running_loop()
            request = bytearray()
            pumps += (
                loop.create_task(self._requests(reader, to_there, request)),
                loop.create_task(self._answers(there, writer, request)),
            )
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            pass  # the store sees a closed connection and reports it
        finally:
            for pump in pumps:
                pump.cancel()
            for each in writers:
                each.transport.abort()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._server, str):
            return await asyncio.open_unix_connection(self._server)
        return await asyncio.open_connection(*self._server)

    async def _requests(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, request: bytearray
    ) -> None:
        while data := await source.read(_CHUNK):
            request[:] = data
            for piece in self._pieces(data):
                sink.write(piece)
                await sink.drain()
                await _turns()

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        size = len(data)
        if self._faults_enabled:
            size = max(self._rng.randrange(5, 50), size // _PIECES)
        for start in range(0, len(data), size):
            yield data[start : start + size]

    async def _answers(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, request: bytearray
    ) -> None:
        while data := await source.read(_CHUNK):
            if self._faults_enabled and self._loses and self._loses in request:
                self._left -= 1
                if self._left == -1:
                    return
            sink.write(data)
            await sink.drain()


async def _turns() -> None:
    """Let the loop turn: one turn sends a piece, the next delivers it to a reader on this loop."""
    for _ in range(3):
        await asyncio.sleep(0)
