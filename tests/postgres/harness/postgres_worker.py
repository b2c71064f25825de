"""One of several processes that use a store on a server: it records, or says what it did."""

from __future__ import annotations

import asyncio
import sys

from postgres_clients import Clients, recording
from redis_operations import note, session
from sessionkeeper import LimitExceeded, SessionExists, StoreLimits
from sessionkeeper.backends.postgres import locks
from sessionkeeper.stores.postgres import PostgresSessionStore
from sessionlab import write_history


def say(*words: object) -> None:
    """Tell the test."""
    print(*words, flush=True)


async def record(url: str, history: str, name: str, rounds: int, stores: int) -> None:
    """Run two clients on each of some stores, and record what they saw."""
    opened = [recording(PostgresSessionStore(url, patience=60.0)) for _ in range(stores)]
    for store in opened:
        await store.open()
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    await Clients(*opened, count=2 * stores, rounds=rounds).run(name)
    for n, store in enumerate(opened):
        await store.aclose()
        write_history(store.history(), f"{history}-{n}")
    say("done")


async def fill_up(url: str, name: str, sessions: int, size: int, shared: int) -> None:
    """Create sessions and append to logs until neither is accepted; say what was.

    So many bytes a batch may be added while others write; far from the limit, that is.
    """
    locks.SHARED_BYTES = shared
    limits = StoreLimits(max_sessions=sessions, max_total_bytes=size)
    async with PostgresSessionStore(url, limits=limits, patience=60.0) as store:
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)

        async def create(task: int) -> None:
            for n in range(sessions):
                try:
                    await store.create_session(session(f"s-{task}-{n}", principal=f"p{n % 2}"))
                except SessionExists:
                    continue  # another process was first
                except LimitExceeded:
                    return
                say("made", f"s-{task}-{n}")

        async def append(task: int) -> None:
            key = f"log-{task}"
            while True:
                message = note(f"{name}-{task}", key)
                try:
                    await store.add_frame(message)
                except LimitExceeded:
                    return
                say("wrote", len(message.message))

        await asyncio.gather(*map(create, range(2)), *map(append, range(3)))
    say("done")


if __name__ == "__main__":
    command, where, *rest = sys.argv[1:]
    if command == "record":
        asyncio.run(record(where, rest[0], rest[1], int(rest[2]), int(rest[3])))
    else:
        asyncio.run(fill_up(where, rest[0], int(rest[1]), int(rest[2]), int(rest[3])))
