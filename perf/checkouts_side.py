"""One side of `perf/checkouts.py`: what the store found by PYTHONPATH takes, asked line by line.

Only operations that stores have had since before streams, so that old checkouts can be measured.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import redis
import uvloop
from methods import CALLERS, FRAMES, NAMES, SESSIONS, filled, tagged
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    MessageEnvelope,
    PlainSessionStore,
    RedisSessionStore,
    Session,
    SessionQuery,
    SQLiteSessionStore,
)

__all__ = ["SIZES", "TIMES"]

BATCH = [FRAMES[0]] * 50
STORED = 20_000


async def spent(operation: Callable[[int], Awaitable[object]], total: int) -> float:
    """CPU seconds an operation of 64 callers, of all threads of this process."""

    async def caller(number: int) -> None:
        for _ in range(total // CALLERS):
            await operation(number)

    gc.collect()
    begun = time.process_time()
    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    return (time.process_time() - begun) / (total // CALLERS * CALLERS)


async def create(store: AtomicSessionStore) -> float:
    """Sessions that are deleted again, which is not counted."""
    made = iter([Session.new(transport_type="stdio") for _ in range(1_024)])
    names: list[str] = []

    async def one(_: int) -> None:
        names.append((await store.create_session(next(made))).id)

    took = await spent(one, 1_024)
    for name in names:
        await store.delete_session(name)
    return took


async def delete(store: AtomicSessionStore) -> float:
    """Sessions made for it, which is not counted."""
    made = [await store.create_session(Session.new(transport_type="stdio")) for _ in range(1_024)]
    names = iter([each.id for each in made])
    return await spent(lambda _: store.delete_session(next(names)), 1_024)


async def append(store: AtomicSessionStore, total: int) -> float:
    """Frames to 64 logs, which are cut to what they were; that is not counted."""
    took = await spent(lambda i: store.add_frame(FRAMES[i]), total)
    await cut(store)
    return took


async def cut(store: AtomicSessionStore) -> None:
    """Leave a hundred frames in each log."""
    for name in NAMES:
        await store.trim_frames(name, up_to=(await store.get_session(name)).last_seq - 100)


async def append_batch(store: AtomicSessionStore) -> float:
    """Batches of 50 to one log, which is cut likewise."""
    took = await spent(lambda _: store.add_frames(NAMES[0], BATCH), 256)
    await store.trim_frames(NAMES[0], up_to=(await store.get_session(NAMES[0])).last_seq - 100)
    return took


async def make_envelope(_: AtomicSessionStore) -> float:
    """Envelopes of 1 KB from bytes, which no store sees."""

    async def one(number: int) -> None:
        MessageEnvelope.of(NAMES[number], FRAMES[0].message, direction="client-to-server")

    return await spent(one, 4_096)


async def append_bytes(store: AtomicSessionStore) -> float:
    """From bytes to stored; the log is cut again, which is not counted."""

    async def one(number: int) -> None:
        message = FRAMES[0].message
        await store.add_frame(
            MessageEnvelope.of(NAMES[number], message, direction="client-to-server")
        )

    took = await spent(one, 4_096)
    await cut(store)
    return took


Measure = Callable[[AtomicSessionStore], Awaitable[float]]

MEMORY: dict[str, Measure] = {
    "create_session": create,
    "get_session": lambda s: spent(lambda i: s.get_session(NAMES[i]), 4_096),
    "touch_session": lambda s: spent(lambda i: s.touch_session(NAMES[i]), 4_096),
    "modify_session": lambda s: spent(lambda i: s.modify_session(NAMES[i], tagged), 1_024),
    "MessageEnvelope.of 1 KB": make_envelope,
    "from bytes": append_bytes,
    "add_frame": lambda s: append(s, 4_096),
    "add_frames of 50": append_batch,
    "read_frames of 100": lambda s: spent(lambda i: s.read_frames(NAMES[i], limit=100), 256),
    "find_sessions of 64": lambda s: spent(lambda _: s.find_sessions(SessionQuery()), 512),
    "expire_sessions of none": lambda s: spent(lambda _: s.expire_sessions(idle=8e4), 2_048),
    "delete_session": delete,
}
KEPT: dict[str, Measure] = {
    "add_frame": lambda s: append(s, 2_048),
    "get_session": lambda s: spent(lambda i: s.get_session(NAMES[i]), 2_048),
}
STORES: dict[str, Callable[[str, str], AtomicSessionStore]] = {
    "actor": lambda _folder, _url: ActorSessionStore(),
    "plain": lambda _folder, _url: PlainSessionStore(),
    "sqlite": lambda folder, _url: SQLiteSessionStore(f"{folder}/times.db"),
    "server": lambda _folder, url: RedisSessionStore(url),
}
TIMES = {
    f"{name}: {what}": (name, measure)
    for name in STORES
    for what, measure in (MEMORY if name in ("actor", "plain") else KEPT).items()
}


def frame(session_id: str) -> MessageEnvelope:
    """A message of 1 KB that is an object of its own."""
    return MessageEnvelope.of(session_id, FRAMES[0].message[:], direction="client-to-server")


async def session_in_memory(_folder: str, _url: str) -> float:
    """Bytes of Python's objects for a session without frames."""
    async with ActorSessionStore() as store:
        gc.collect()
        tracemalloc.start()
        for number in range(STORED):
            await store.create_session(Session.new(transport_type="stdio", id=f"id-{number}"))
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return taken / STORED


async def frame_in_memory(_folder: str, _url: str) -> float:
    """Bytes of Python's objects for a frame, without its message, which all share."""
    async with ActorSessionStore() as store:
        await store.create_session(SESSIONS[0])
        gc.collect()
        tracemalloc.start()
        for _ in range(STORED // 50):
            await store.add_frames(NAMES[0], [frame(NAMES[0]) for _ in BATCH])
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return taken / STORED


async def frame_in_file(folder: str, _url: str) -> float:
    """Bytes of a file for a frame of 1 KB."""
    path = Path(folder) / "sizes.db"
    async with SQLiteSessionStore(path) as store:
        await store.create_session(SESSIONS[0])
    empty = path.stat().st_size
    async with SQLiteSessionStore(path) as store:
        for _ in range(STORED // 50):
            await store.add_frames(NAMES[0], BATCH)
    return (path.stat().st_size - empty) / STORED


async def frame_on_server(_folder: str, url: str) -> float:
    """Bytes of a server for a frame of 1 KB."""
    async with RedisSessionStore(url) as store:
        client: Any = redis.Redis.from_url(url)
        await store.create_session(Session.new(transport_type="stdio", id="sizes"))
        before = client.memory_stats()["dataset.bytes"]
        for _ in range(STORED // 50):
            await store.add_frames("sizes", [frame("sizes")] * 50)
        taken = client.memory_stats()["dataset.bytes"] - before
        await store.delete_session("sizes")
        client.close()
        return float(taken) / STORED


async def commands_on_server(_folder: str, url: str) -> float:
    """Redis commands for a frame of one caller, those in scripts too."""
    async with RedisSessionStore(url) as store:
        client: Any = redis.Redis.from_url(url)
        await store.create_session(Session.new(transport_type="stdio", id="counts"))
        await store.add_frame(frame("counts"))
        client.config_resetstat()
        for _ in range(100):
            await store.add_frame(frame("counts"))
        found = client.info("commandstats")
        await store.delete_session("counts")
        client.close()
        ours = ("cmdstat_config|", "cmdstat_info")  # this function's own
        calls = [int(each["calls"]) for name, each in found.items() if not name.startswith(ours)]
        return sum(calls) / 100


SIZES = {
    "bytes a session in memory": session_in_memory,
    "bytes a frame in memory": frame_in_memory,
    "bytes a frame in a file": frame_in_file,
    "bytes a frame on a server": frame_on_server,
    "commands an add_frame on a server": commands_on_server,
}


async def main(folder: str, url: str) -> None:
    """Answer each line, the name of something measured, by a number."""
    stores: dict[str, AtomicSessionStore] = {}
    for line in iter(sys.stdin.readline, ""):
        asked = line.strip()
        if asked in SIZES:
            found = await SIZES[asked](folder, url)
        else:
            name, measure = TIMES[asked]
            if name not in stores:
                stores[name] = await filled(STORES[name](folder, url))
            found = await measure(stores[name])
        print(repr(found), flush=True)
    for store in stores.values():
        await store.aclose()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
