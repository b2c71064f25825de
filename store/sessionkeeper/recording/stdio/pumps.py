"""The pumps of a proxy, and the descriptors between the client and the server."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from ...values.states import Direction
from .capture import LineCapture, StderrCapture
from .descriptors import Sink, Source
from .pump import Pump, PumpEnd

if TYPE_CHECKING:
    from contextlib import ExitStack

    from ..journal import Journal
    from .server import Server

__all__ = ["Pumps", "take_client", "take_stderr"]

_STDERR = 2


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


def take_stderr(stderr: int | None, stack: ExitStack) -> Sink:
    """Make the sink of the server's standard error: where it would go without a pump.

    It is a duplicate, because our own messages go there, too. The stack closes it.
    """
    if stderr == subprocess.DEVNULL:
        sink = Sink(os.open(os.devnull, os.O_WRONLY))
    else:
        sink = Sink(os.dup(_STDERR if stderr is None else stderr))
    stack.callback(sink.close)
    return sink


class Pumps:
    """The pumps between one client and one server; the stack stops them.

    `to_stderr` is where the standard error of the server goes, if it has a pipe.
    """

    def __init__(
        self,
        client: tuple[Source, Sink],
        server: Server,
        *,
        to_stderr: Sink | None,
        journal: Journal,
        max_line: int,
        stack: ExitStack,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._stack = stack
        self._ends: list[asyncio.Event] = []
        from_client, to_client = client
        asked = LineCapture(Direction.CLIENT_TO_SERVER, journal, max_line=max_line)
        answered = LineCapture(Direction.SERVER_TO_CLIENT, journal, max_line=max_line)
        self.inbound = self._make("in", from_client, server.stdin, asked)
        self.outbound = self._make("out", server.stdout, to_client, answered)
        self._stderr: Pump | None = None
        if server.stderr is not None and to_stderr is not None:
            said = StderrCapture(journal, max_line=max_line)
            self._stderr = self._make("err", server.stderr, to_stderr, said)
            self._stderr.start()
        self.inbound.start()
        self.outbound.start()

    @property
    def client_left(self) -> bool:
        """Whether the client closed its sending side before the server ended."""
        ended_first = self.inbound.ended_at <= self.outbound.ended_at
        return self.inbound.end is PumpEnd.EOF and ended_first

    @property
    def passed(self) -> dict[Direction, int]:
        """Number of bytes that were forwarded in each direction, without standard error."""
        return {
            Direction.CLIENT_TO_SERVER: self.inbound.bytes,
            Direction.SERVER_TO_CLIENT: self.outbound.bytes,
        }

    def finish(self, *, within: float, even_unwritten: bool) -> None:
        """End after the server: with what its pipes hold within this many seconds.

        A slow client gets its messages, unless `even_unwritten`. Nobody has to read standard error.
        """
        self.inbound.stop()
        self.outbound.finish(within=within, even_unwritten=even_unwritten)
        if self._stderr is not None:
            self._stderr.finish(within=within, even_unwritten=True)

    async def ended(self) -> None:
        """Wait until all pumps have ended."""
        for end in self._ends:
            await end.wait()

    def _make(self, name: str, source: Source, sink: Sink, observer: LineCapture) -> Pump:
        end = asyncio.Event()
        self._ends.append(end)
        pump = Pump(
            f"sessionkeeper-stdio-{name}",
            source,
            sink,
            observer=observer,
            on_end=lambda: self._post(end),
        )
        self._stack.callback(pump.shut)
        return pump

    def _post(self, event: asyncio.Event) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(event.set)
