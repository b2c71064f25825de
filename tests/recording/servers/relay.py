"""A witness on TCP: it forwards every byte and remembers it, and may cut a connection at one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

__all__ = ["Cut", "Relay", "Seen", "relaying"]

CHUNK = 65536
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Seen:
    """Both directions of one connection."""

    sent: bytearray = field(default_factory=bytearray)
    """From the client to the server."""
    received: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class Cut:
    """What happens once, at one byte of all that passes in one direction."""

    after: int
    of_answers: bool = True
    resets: bool = False
    """Whether the connection is reset, not closed in order."""
    waits: float | None = None
    """Seconds to wait at this byte; then the connection is not cut."""


class _CutHere(Exception):
    """The connection ends at this byte."""


class Relay:
    """Forwards from a port of its own to another."""

    def __init__(self, target: int, cut: Cut | None = None) -> None:
        self.port = 0
        self.seen: list[Seen] = []
        self.cuts = 0
        self._target = target
        self._cut = cut
        self._passed = {False: 0, True: 0}
        self._open: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one more connection."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def aclose(self) -> None:
        """End all connections."""
        while self._open:
            for task in self._open:
                task.cancel()
            await asyncio.wait(self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until both sides have ended."""
        try:
            behind = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        self.seen.append(seen := Seen())
        writers = writer, behind[1]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, behind[1], seen.sent, False))
                group.create_task(self._pump(behind[0], writer, seen.received, True))
        except* _CutHere:
            if self._cut is not None and self._cut.resets:
                for each in writers:
                    each.transport.abort()
        except* OSError:
            pass  # one side was reset, and so will be the other
        finally:
            for each in writers:
                each.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        seen: bytearray,
        of_answers: bool,
    ) -> None:
        while data := await reader.read(CHUNK):
            if (at := self._place_of_cut(data, of_answers)) is not None:
                await _forward(data[:at], writer, seen)
                await self._interrupt()
                data = data[at:]
            await _forward(data, writer, seen)
        if writer.can_write_eof():
            writer.write_eof()

    def _place_of_cut(self, data: bytes, of_answers: bool) -> int | None:
        begun = self._passed[of_answers]
        self._passed[of_answers] += len(data)
        if self._cut is None or self._cut.of_answers is not of_answers:
            return None
        return self._cut.after - begun if begun <= self._cut.after < begun + len(data) else None

    async def _interrupt(self) -> None:
        assert self._cut is not None
        self.cuts += 1
        if self._cut.waits is None:
            raise _CutHere
        await asyncio.sleep(self._cut.waits)


async def _forward(data: bytes, writer: asyncio.StreamWriter, seen: bytearray) -> None:
    seen += data
    writer.write(data)
    await writer.drain()


@asynccontextmanager
async def relaying(target: int, cut: Cut | None = None) -> AsyncIterator[Relay]:
    """Relay to a port of this machine while the block runs."""
    relay = Relay(target, cut)
    server = await asyncio.start_server(relay.accept, "127.0.0.1", 0, limit=CHUNK)
    relay.port = int(server.sockets[0].getsockname()[1])
    try:
        yield relay
    finally:
        server.close()
        await relay.aclose()
