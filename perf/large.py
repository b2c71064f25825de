"""The numbers that need a great many sessions: `python perf/ratios.py --large`."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from random import Random
from statistics import median

from harness import Number, Operation, compare
from sessionkeeper import ActorSessionStore, MessageEnvelope, Session

__all__ = ["LARGE"]

MANY = 1_000_000
NOTE = b'{"jsonrpc":"2.0","method":"notifications/message"}'


async def populate(store: ActorSessionStore, count: int) -> None:
    """Create so many sessions, a thousand callers at a time."""
    for start in range(0, count, 1_000):
        names = range(start, min(start + 1_000, count))
        await asyncio.gather(
            *(store.create_session(Session.new(transport_type="stdio", id=str(n))) for n in names)
        )


async def many_sessions(expiring: bool) -> list[float]:
    """Milliseconds of each of 20 sweeps over a million live sessions."""
    times: list[float] = []
    async with ActorSessionStore() as store:
        await populate(store, MANY)
        for _ in range(20):
            begun = time.perf_counter()
            if expiring:
                ended = await store.expire_sessions(idle=0, limit=1_000)
            else:
                ended = await store.expire_sessions(idle=1e6, age=1e6, limit=1_000)
            times.append((time.perf_counter() - begun) * 1000)
            assert len(ended) == (1_000 if expiring else 0)
    return times


async def idle_sweep() -> Number:
    """A sweep over a million live sessions which finds nothing."""
    times = await many_sessions(expiring=False)
    return Number(
        "sweep of 1,000,000 that finds nothing, ms",
        "< 1",
        f"{median(times):7.3f}  (at most {max(times):.3f})",
        median(times) < 1,
    )


async def busy_sweep() -> Number:
    """One that ends a thousand of them."""
    times = await many_sessions(expiring=True)
    return Number(
        "sweep of 1,000,000 that ends 1,000, ms",
        "< 50",
        f"{median(times):6.2f}  (at most {max(times):.2f})",
        median(times) < 50,
    )


async def with_many_stored() -> Number:
    """`touch_session` and `add_frame` with a million sessions stored, of the same with 1,000."""
    async with ActorSessionStore() as large, ActorSessionStore() as small:
        await populate(large, MANY)
        await populate(small, 1_000)
        got = await compare(_use(large, MANY), _use(small, 1_000), rounds=9)
    return Number(
        "touch + add_frame, 1,000,000 stored / 1,000", ">= 0.8", str(got), got.ratio >= 0.8
    )


def _use(store: ActorSessionStore, count: int) -> Operation:
    random = Random(1)
    names = [str(random.randrange(count)) for _ in range(20_000)]
    notes = [MessageEnvelope.of(name, NOTE, direction="client-to-server") for name in names]
    turn = 0

    async def use(_: int) -> None:
        nonlocal turn
        turn = (turn + 1) % len(names)
        note = notes[turn]
        await store.touch_session(note.context.session_id)
        await store.add_frame(note)

    return use


async def memory_a_session() -> Number:
    """Bytes a stored session takes, its metadata empty, with the snapshot somebody has read."""
    count = 50_000
    async with ActorSessionStore() as store:
        await populate(store, 1_000)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for n in range(count):
            await store.create_session(Session.new(transport_type="stdio"))
            if n % 10_000 == 0:
                gc.collect()
        gc.collect()
        each = (tracemalloc.get_traced_memory()[0] - before) / count
        tracemalloc.stop()
    return Number("bytes a stored session", "<= 2,048", f"{each:6.0f}", each <= 2_048)


async def to_a_watcher() -> Number:
    """From `add_frame` to a waiting watcher, of a round trip alone."""
    note = MessageEnvelope.of("s", NOTE, direction="client-to-server")
    seen = asyncio.Event()
    arrived = 0.0

    async with ActorSessionStore() as store:
        await store.create_session(Session.new(transport_type="stdio", id="s"))

        async def watch() -> None:
            nonlocal arrived
            async for _ in store.watch_frames("s"):
                arrived = time.perf_counter()
                seen.set()

        async def one() -> float:
            seen.clear()
            begun = time.perf_counter()
            await store.add_frame(note)
            await seen.wait()
            await asyncio.sleep(0)  # the watcher goes back to waiting
            await store.count_sessions()
            return arrived - begun

        async def round_trip() -> float:
            begun = time.perf_counter()
            await store.get_session("s")
            return time.perf_counter() - begun

        watching = asyncio.create_task(watch())
        pairs = [(await one(), await round_trip()) for _ in range(5_000)]
        await store.delete_session("s")
        await watching
    latency, trip = (median(side) * 1e6 for side in zip(*pairs, strict=True))
    return Number(
        "add_frame to a waiting watcher, round trips",
        "<= 5",
        f"{latency / trip:6.2f}  ({latency:.1f} of {trip:.1f} us)",
        latency / trip <= 5,
    )


LARGE: tuple[Callable[[], Awaitable[Number]], ...] = (
    to_a_watcher,
    memory_a_session,
    idle_sweep,
    busy_sweep,
    with_many_stored,
)
