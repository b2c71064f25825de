"""The two pumps of a proxy, and the descriptors between the client and the server."""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from ...values.states import Direction
from .capture import LineCapture
from .descriptors import Sink, Source
from .pump import Pump, PumpEnd

if TYPE_CHECKING:
    from contextlib import ExitStack

    from ..journal import Journal
    from .server import Server

__all__ = ["PumpPair", "take_client"]


def take_client(client_in: int, client_out: int, stack: ExitStack) -> tuple[Source, Sink]:
    """Take over the client's descriptors; the stack closes them."""
    source = Source(client_in)
    stack.callback(source.close)
    sink = Sink(os.dup(client_in) if client_in == client_out else client_out)
    stack.callback(sink.close)
    # With one socket for both directions, closing one descriptor would end neither direction.
    same = os.path.sameopenfile(source.fd, sink.fd)
    source.duplex = sink.duplex = same and stat.S_ISSOCK(os.fstat(source.fd).st_mode)
    return source, sink


class PumpPair:
    """The pumps between one client and one server; the stack stops them."""

    def __init__(
        self,
        client: tuple[Source, Sink],
        server: Server,
        *,
        journal: Journal,
        max_line: int,
        stack: ExitStack,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._inbound_ended = asyncio.Event()
        self._outbound_ended = asyncio.Event()
        from_client, to_client = client
        self.inbound = Pump(
            "sessionkeeper-stdio-in",
            from_client,
            server.stdin,
            observer=LineCapture(Direction.CLIENT_TO_SERVER, journal, max_line=max_line),
            on_end=lambda: self._post(self._inbound_ended),
        )
        stack.callback(self.inbound.shut)
        self.outbound = Pump(
            "sessionkeeper-stdio-out",
            server.stdout,
            to_client,
            observer=LineCapture(Direction.SERVER_TO_CLIENT, journal, max_line=max_line),
            on_end=lambda: self._post(self._outbound_ended),
        )
        stack.callback(self.outbound.shut)
        self.inbound.start()
        self.outbound.start()

    @property
    def client_left(self) -> bool:
        """Whether the client closed its sending side before the server ended."""
        ended_first = self.inbound.ended_at <= self.outbound.ended_at
        return self.inbound.end is PumpEnd.EOF and ended_first

    @property
    def passed(self) -> dict[Direction, int]:
        """Number of bytes that were forwarded in each direction."""
        return {
            Direction.CLIENT_TO_SERVER: self.inbound.bytes,
            Direction.SERVER_TO_CLIENT: self.outbound.bytes,
        }

    async def ended(self) -> None:
        """Wait until both pumps have ended."""
        await self._inbound_ended.wait()
        await self._outbound_ended.wait()

    def _post(self, event: asyncio.Event) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(event.set)
