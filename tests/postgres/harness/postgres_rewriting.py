"""A proxy that changes what a server says of itself: for servers that cannot be had here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tcp_proxy import TcpConnection, TcpProxy

__all__ = ["RewritingProxy", "rewritten"]


class RewritingProxy(TcpProxy):
    """Passes bytes on, with one text of the server replaced by another of the same length."""

    def __init__(self, server_port: int, old: bytes, new: bytes) -> None:
        assert len(old) == len(new), "the protocol counts bytes"
        super().__init__(server_port)
        self.old, self.new = old, new
        self.replaced = 0
        """How often it was."""

    def connection(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> TcpConnection:
        """One that replaces."""
        return _Connection(self, number, reader, writer)


class _Connection(TcpConnection):
    def __init__(
        self,
        proxy: RewritingProxy,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        super().__init__(proxy, number, reader, writer)
        self._words = proxy

    async def carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, asking: bool
    ) -> None:
        """Pass on; on loopback a short answer comes in one piece."""
        while data := await source.read(1 << 16):
            if not asking:
                self._words.replaced += data.count(self._words.old)
                data = data.replace(self._words.old, self._words.new)
            sink.write(data)
            await sink.drain()


@asynccontextmanager
async def rewritten(server_port: int, old: str, new: str) -> AsyncIterator[RewritingProxy]:
    """A proxy that says `new` for `old`."""
    proxy = RewritingProxy(server_port, old.encode(), new.encode())
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.aclose()
