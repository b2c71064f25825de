"""Clients that hide nothing: redis-py that tries once, and a socket that keeps its packets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

__all__ = ["Packets", "once", "speak"]


@asynccontextmanager
async def once(url: str, **options: Any) -> AsyncIterator[Any]:
    """A client of redis-py that tries everything once, closed at the end."""
    options = {"socket_timeout": 20, **options}
    client: Any = Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
    try:
        yield client
    finally:
        await client.aclose()


class Packets(asyncio.Protocol):
    """The received bytes."""

    def __init__(self) -> None:
        self.came: list[bytes] = []
        self.error: Exception | None = None
        """Why the connection ended; None also for the end of the stream."""
        self.lost = asyncio.Event()
        self._new = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.came.append(data)
        self._new.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self.lost.set()

    async def until(self, end: bytes) -> list[bytes]:
        """Wait until the received bytes end like this."""
        while not b"".join(self.came).endswith(end):
            self._new.clear()
            await self._new.wait()
        return self.came


async def speak(port: int, data: bytes) -> Packets:
    """Connect, and say this; the other side is to end the connection."""
    transport, packets = await asyncio.get_running_loop().create_connection(
        Packets, "127.0.0.1", port
    )
    transport.write(data)
    return packets
