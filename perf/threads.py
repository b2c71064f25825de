"""The numbers of threads that share a store: through its facade, and without it."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from statistics import harmonic_mean, median
from typing import Any, TypeAlias

import uvloop
from harness import Number, Ratio
from sessionkeeper import ActorSessionStore, MessageEnvelope, Session, ThreadSafeSessionStore

__all__ = ["THREADS"]

COUNT = 16
ROUNDS = 15
MESSAGE = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"x":"%s"}}' % (b"x" * 956)
NAMES = [str(number) for number in range(COUNT)]

Blocking: TypeAlias = Callable[[int], object]
"""Do one thing as thread number i."""


class Bench:
    """A store on a uvloop in a thread of its own, with a session for each of 16 threads."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.store = ActorSessionStore()
        self.run(self.store.open())
        for name in NAMES:
            self.run(self.store.create_session(Session.new(transport_type="stdio", id=name)))

    def run(self, work: Coroutine[Any, Any, object]) -> object:
        """Do it as one does without the facade."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def close(self) -> None:
        """Leave nothing."""
        self.run(self.store.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


def throughput(operation: Blocking, total: int) -> float:
    """Return operations a second of so many threads, each one call after the other."""
    each = total // COUNT
    begin = threading.Barrier(COUNT + 1)

    def work(number: int) -> None:
        begin.wait()
        for _ in range(each):
            operation(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(COUNT)]
    for thread in threads:
        thread.start()
    begin.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    return each * COUNT / (time.perf_counter() - begun)


def compare(ours: Blocking, theirs: Blocking, total: int = 3_200) -> Ratio:
    """Measure both sides in turn, one round not counted.

    A round is four short turns of each: how a kernel places sixteen threads changes from one
    moment to the next, and by more than what is measured here.
    """
    pairs: list[tuple[float, float]] = []
    for _ in range(ROUNDS + 1):
        gc.collect()
        turns = [(throughput(ours, total), throughput(theirs, total)) for _ in range(4)]
        pairs.append((harmonic_mean(a for a, _ in turns), harmonic_mean(b for _, b in turns)))
    pairs = pairs[1:]
    ratios = [a / b for a, b in pairs]
    return Ratio(
        ours=median(a for a, _ in pairs),
        theirs=median(b for _, b in pairs),
        ratio=median(ratios),
        low=min(ratios),
        high=max(ratios),
    )


async def get_session_by_thread() -> Number:
    """`get_session` from 16 threads, of the same by `run_coroutine_threadsafe`."""
    bench = Bench()
    facade = ThreadSafeSessionStore(bench.store)
    try:
        got = compare(
            lambda i: facade.get_session(NAMES[i]),
            lambda i: bench.run(bench.store.get_session(NAMES[i])),
        )
    finally:
        bench.close()
    return Number(
        "get_session, 16 threads / run_coroutine_threadsafe", ">= 1.5", str(got), got.ratio >= 1.5
    )


async def add_frame_by_thread() -> Number:
    """`add_frame` of 1 KB from 16 threads, of the same by `run_coroutine_threadsafe`."""
    bench = Bench()
    facade = ThreadSafeSessionStore(bench.store)
    frames = [MessageEnvelope.of(name, MESSAGE, direction="client-to-server") for name in NAMES]
    try:
        got = compare(
            lambda i: facade.add_frame(frames[i]),
            lambda i: bench.run(bench.store.add_frame(frames[i])),
        )
    finally:
        bench.close()
    return Number(
        "add_frame, 16 threads / run_coroutine_threadsafe", ">= 1.5", str(got), got.ratio >= 1.5
    )


THREADS: tuple[Callable[[], Awaitable[Number]], ...] = (get_session_by_thread, add_frame_by_thread)
