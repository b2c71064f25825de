"""A proxy on loopback that cuts or stalls connections to a server after so many bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tcp_proxy import TcpConnection, TcpProxy

__all__ = ["ByteFault", "PostgresProxy", "proxied"]


@dataclass(eq=False, slots=True)
class ByteFault:
    """One thing that happens once, to one connection, at one byte of one direction."""

    asking: bool
    after: int
    marker: bytes
    connection: int | None
    reset: bool
    gate: asyncio.Event | None
    """Of a stall; a cut has none."""
    instead: bytes = b""
    """What passes in place of as many bytes, and the connection goes on."""
    happened: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it has: the connection is ended, or what follows is held."""
    on: int | None = None
    """The number of the connection it will happen to, once the marker has passed there."""
    left: int = 0
    """How many bytes pass there before."""

    async def reached(self) -> None:
        """Wait until it has happened."""
        await self.happened.wait()

    def release(self) -> None:
        """Let pass what a stall holds, and what follows."""
        assert self.gate is not None
        self.gate.set()


class PostgresProxy(TcpProxy):
    """Passes bytes on, also those of TLS, until a fault takes a connection.

    A fault counts the bytes of one direction of one connection: of the one whose client first says
    `marker` after the fault was added (any, without a marker; only the one with the number
    `connection`, where that is given). Of what the client says it counts from the first byte of the
    marker on, of what the server says from the moment at which the whole marker has come here: so
    with b"COMMIT" the first byte is that of the answer to it, as far as nothing else is on its way.
    A marker is found wherever packets are cut; in TLS none is found.
    """

    def __init__(self, server_port: int) -> None:
        super().__init__(server_port)
        self.asked = 0
        """How many bytes clients have said, all connections together."""
        self.answered = 0
        """How many bytes servers have said and that were passed on."""
        self._faults: list[ByteFault] = []

    def cut_request(
        self, after: int, marker: bytes = b"", *, connection: int | None = None, reset: bool = False
    ) -> ByteFault:
        """End the connection when so many bytes of the client have reached the server."""
        return self._add(ByteFault(True, after, marker, connection, reset, None))

    def cut_answer(
        self, after: int, marker: bytes = b"", *, connection: int | None = None, reset: bool = False
    ) -> ByteFault:
        """End the connection when so many bytes of the server have reached the client.

        What the server has said beyond them is lost. 0: at its next byte.
        """
        return self._add(ByteFault(False, after, marker, connection, reset, None))

    def stall_request(
        self, after: int = 0, marker: bytes = b"", *, connection: int | None = None
    ) -> ByteFault:
        """Hold what the client says after so many bytes, until `release()`."""
        return self._add(ByteFault(True, after, marker, connection, False, asyncio.Event()))

    def stall_answer(
        self, after: int = 0, marker: bytes = b"", *, connection: int | None = None
    ) -> ByteFault:
        """Hold what the server says after so many bytes, until `release()`."""
        return self._add(ByteFault(False, after, marker, connection, False, asyncio.Event()))

    def garble_answer(self, instead: bytes, after: int = 0, marker: bytes = b"") -> ByteFault:
        """Pass these bytes in place of as many of the server, after so many; then go on."""
        return self._add(ByteFault(False, after, marker, None, False, None, instead))

    def clear(self) -> None:
        """Lift all faults: what is held passes."""
        faults, self._faults = self._faults, []
        for fault in faults:
            if fault.gate is not None:
                fault.gate.set()

    def connection(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> TcpConnection:
        """One that counts bytes."""
        return _Connection(self, number, reader, writer)

    def faults(self) -> list[ByteFault]:
        """Those that have not been lifted, also those that have happened."""
        return self._faults

    def _add(self, fault: ByteFault) -> ByteFault:
        self._faults.append(fault)
        return fault


class _Connection(TcpConnection):
    def __init__(
        self,
        proxy: PostgresProxy,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        super().__init__(proxy, number, reader, writer)
        self._counting = proxy
        self._tails: dict[ByteFault, bytes] = {}
        """The last bytes the client said, for each fault whose marker may begin there."""

    async def carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, asking: bool
    ) -> None:
        """Pass bytes on up to where a fault is."""
        while (data := await source.read(1 << 16)) and not self._ended.is_set():
            self._take_faults(data, asking=asking)
            while data:
                fault = self._next_fault(asking=asking)
                part = data if fault is None else data[: fault.left]
                data = data[len(part) :]
                sink.write(part)
                await sink.drain()
                self._count(len(part), asking=asking)
                if fault is None or fault.left > 0:
                    continue
                if fault.instead:
                    count = min(len(data), len(fault.instead))
                    sink.write(fault.instead[:count])
                    fault.instead, data = fault.instead[count:], data[count:]
                    self._count(count, asking=asking)
                    if not fault.instead:
                        fault.happened.set()
                    continue
                if fault.gate is None:
                    fault.happened.set()
                    self.end(reset=fault.reset)
                    return
                if data:  # else there is nothing to hold yet
                    fault.happened.set()
                    await fault.gate.wait()

    def _take_faults(self, data: bytes, *, asking: bool) -> None:
        """Let those happen here whose marker ends in what the client says; it may have begun."""
        for fault in self._counting.faults():
            if fault.on is not None or fault.connection not in (None, self.number):
                continue
            if not asking:
                if not fault.marker and not fault.asking:
                    fault.on, fault.left = self.number, fault.after
                continue
            before = self._tails.get(fault, b"")
            said = before + data
            at = said.find(fault.marker)
            if at < 0:
                self._tails[fault] = said[max(0, len(said) - len(fault.marker) + 1) :]
                continue
            # Bytes of the marker that have passed already count.
            begins = at - len(before) if fault.asking else 0
            fault.on, fault.left = self.number, max(0, fault.after + begins)

    def _ours(self, *, asking: bool) -> list[ByteFault]:
        return [
            fault
            for fault in self._counting.faults()
            if fault.on == self.number and fault.asking is asking and not fault.happened.is_set()
        ]

    def _next_fault(self, *, asking: bool) -> ByteFault | None:
        return min(self._ours(asking=asking), key=lambda fault: fault.left, default=None)

    def _count(self, passed: int, *, asking: bool) -> None:
        for fault in self._ours(asking=asking):
            fault.left = max(0, fault.left - passed)
        if asking:
            self._counting.asked += passed
        else:
            self._counting.answered += passed


@asynccontextmanager
async def proxied(server_port: int) -> AsyncIterator[PostgresProxy]:
    """A proxy for one's own faults."""
    proxy = PostgresProxy(server_port)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.aclose()
