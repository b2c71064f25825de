"""Another process that appends to sessions which a test watches, or watches those of a test."""

from __future__ import annotations

import asyncio
import sys

from postgres_appending import add
from sessionkeeper.stores.postgres import PostgresSessionStore


def say(*words: object) -> None:
    """Tell the test."""
    print(*words, flush=True)


async def append(url: str, name: str, count: int, keys: list[str]) -> None:
    """Append frames to some sessions, all at once, when told to."""
    async with PostgresSessionStore(url, patience=60.0) as store:
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        for n in range(count):
            await asyncio.gather(*(add(store, f"{name}-{n}", key) for key in keys))
    say("done")


async def follow(url: str, key: str, after: int) -> None:
    """Say the number of each frame until the session ends."""
    async with PostgresSessionStore(url, patience=60.0) as store:
        say("ready")
        async for frame in store.watch_frames(key, after=after):
            say("seen", frame.seq)
    say("done")


if __name__ == "__main__":
    command, where, *rest = sys.argv[1:]
    if command == "append":
        asyncio.run(append(where, rest[0], int(rest[1]), rest[2].split(",")))
    else:
        asyncio.run(follow(where, rest[0], int(rest[1])))
