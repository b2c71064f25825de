"""A witness on TCP: it forwards every byte between a client and a server, and writes it down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["Seen", "TcpWitness", "witnessing"]

_CHUNK = 65536


@dataclass(slots=True)
class Seen:
    """The bytes of one connection."""

    sent: bytearray = field(default_factory=bytearray)
    """From the client to the server."""
    received: bytearray = field(default_factory=bytearray)


class TcpWitness:
    """Listens on a port of its own, and forwards to another one of this machine."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.seen: list[Seen] = []
        """What passed, by connection."""
        self._target = target
        self._open: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one more connection."""
        task = asyncio.get_running_loop().create_task(self._forward(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def aclose(self) -> None:
        """End what is still open."""
        while self._open:
            for task in self._open:
                task.cancel()
            await asyncio.wait(self._open)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            behind, to_server = await asyncio.open_connection("127.0.0.1", self._target)
            writers.append(to_server)
            self.seen.append(seen := Seen())
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, to_server, seen.sent))
                group.create_task(_pump(behind, writer, seen.received))
        except* OSError:
            pass  # one side has gone, and so has the connection
        finally:
            for each in writers:
                each.close()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: bytearray
) -> None:
    while data := await reader.read(_CHUNK):
        seen += data
        writer.write(data)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()


@asynccontextmanager
async def witnessing(target: int) -> AsyncGenerator[TcpWitness]:
    """Stand between a client and this port while the block runs."""
    witness = TcpWitness(target)
    server = await asyncio.start_server(witness.accept, "127.0.0.1", 0)
    witness.port = int(server.sockets[0].getsockname()[1])
    try:
        yield witness
    finally:
        server.close()
        await witness.aclose()
