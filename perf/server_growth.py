"""What a server's memory holds beyond the payload, as the server itself counts it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from harness import Number, throughput
from ratios import MESSAGE
from redis.asyncio import Redis
from server_sides import opened
from sessionkeeper import RedisSessionStore, Session

__all__ = ["bytes_a_frame", "used"]

FRAMES = 32_000
SESSIONS = 64
NODE_BYTES = (4096, 16384, 32768)
"""`stream-node-max-bytes`: the first is what servers come with."""


async def used(client: Redis) -> int:
    """Bytes the server has allocated for all that it holds."""
    info: dict[str, Any] = await client.info("memory")
    held: int = info["used_memory"]
    return held


async def bytes_a_frame(url: str) -> list[Number]:
    """64 sessions that grow side by side; the first line is the one to reach."""
    numbers: list[Number] = []
    async with Redis.from_url(url) as client:
        for node in NODE_BYTES:
            await client.config_set("stream-node-max-bytes", node)
            async with opened(url, SESSIONS) as scene:
                # The writer log is full then, and no longer grows.
                await throughput(scene.add, SESSIONS, 4_096)
                before = await used(client)
                await throughput(scene.add, SESSIONS, FRAMES)
                over = (await used(client) - before) / FRAMES - len(MESSAGE)
            what = f"bytes a frame over payload, stream-node-max-bytes {node}"
            numbers.append(Number(what, "<= 120", f"{over:6.0f}", over <= 120))
        numbers.append(await bytes_a_session(url, client))
    return numbers


async def bytes_a_session(url: str, client: Redis) -> Number:
    """One without metadata and without a log, with a random id."""

    async def create(store: RedisSessionStore, count: int) -> None:
        make: Callable[[int], Awaitable[object]] = lambda _: store.create_session(  # noqa: E731
            Session.new(transport_type="stdio")
        )
        await throughput(make, SESSIONS, count)

    async with opened(url, 1) as scene:
        await create(scene.store, 4_096)
        before = await used(client)
        await create(scene.store, 16_384)
        each = (await used(client) - before) / 16_384
    return Number("bytes of a stored session, metadata empty", "", f"{each:6.0f}", reached=True)
