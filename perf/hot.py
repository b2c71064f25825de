"""Numbers of heavy use: one session everybody changes, a million frames in one go."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from harness import Number, compare
from sessionkeeper import ActorSessionStore, MessageEnvelope, Session

__all__ = ["HOT"]

NOTE = b'{"jsonrpc":"2.0","method":"notifications/message"}'
CALLERS = 64
FRAMES = 1_000_000


async def hot_session() -> Number:
    """A change sent to one session, of a lock held while its caller reads, awaits and writes.

    Either caller awaits once before it decides; with a lock it must hold it meanwhile, or lose
    updates.
    """
    lock = asyncio.Lock()

    def tagged(session: Session) -> Session:
        return session.model_copy(update={"failure": "seen"})

    async with ActorSessionStore() as store:
        await store.create_session(Session.new(transport_type="stdio", id="s"))

        async def sent(_: int) -> None:
            await asyncio.sleep(0)
            await store.modify_session("s", tagged)

        async def locked(_: int) -> None:
            async with lock:
                session = await store.get_session("s")
                await asyncio.sleep(0)
                await store.update_session(tagged(session))

        got = await compare(sent, locked, callers=CALLERS, total=5_000)
    return Number(
        "modify_session of one session / a lock over await", ">= 1.5", str(got), got.ratio >= 1.5
    )


class Pulse:
    """The longest time in which the loop served nobody else, and the collector's part in it.

    In seconds of this thread's own work: what other programs take of the machine is not ours.
    """

    def __init__(self) -> None:
        self.longest = self.longest_but_gc = self.longest_gc = 0.0
        self._begun = self._collecting = self._collected = 0.0

    async def beat(self) -> None:
        """Take every turn of the loop, and look how long the last one took; until cancelled."""
        self._begun = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            gap, self._begun = now - self._begun, now
            self.longest = max(self.longest, gap)
            self.longest_but_gc = max(self.longest_but_gc, gap - self._collected)
            self._collected = 0.0

    @contextmanager
    def hearing_gc(self) -> Iterator[None]:
        """Know of the collector's pauses while the block runs."""
        gc.callbacks.append(self._hear)
        try:
            yield
        finally:
            gc.callbacks.remove(self._hear)

    def _hear(self, phase: str, _: object) -> None:
        now = time.thread_time()
        if phase == "start":
            self._collecting = now
            return
        self._collected += now - self._collecting
        self.longest_gc = max(self.longest_gc, now - self._collecting)


async def longest_gap() -> Number:
    """How long the loop is not served while 64 callers write a million frames, each its own."""
    pulse = Pulse()
    async with ActorSessionStore() as store:
        for number in range(CALLERS):
            await store.create_session(Session.new(transport_type="stdio", id=str(number)))

        async def caller(number: int) -> None:
            note = MessageEnvelope.of(str(number), NOTE, direction="client-to-server")
            for _ in range(FRAMES // CALLERS):
                await store.add_frame(note)

        gc.collect()
        with pulse.hearing_gc():
            beating = asyncio.create_task(pulse.beat())
            await asyncio.gather(*(caller(number) for number in range(CALLERS)))
            beating.cancel()
        written = (await store.statistics()).frames
    assert written == FRAMES
    gap, apart, collecting = (
        1000 * each for each in (pulse.longest, pulse.longest_but_gc, pulse.longest_gc)
    )
    return Number(
        "longest gap while 1,000,000 frames are added, ms",
        "<= 15",
        f"{gap:6.2f}  ({apart:.2f} without the garbage collector, whose longest took"
        f" {collecting:.2f})",
        gap <= 15,
    )


HOT: tuple[Callable[[], Awaitable[Number]], ...] = (hot_session, longest_gap)
