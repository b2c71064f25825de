"""The slow calls of the store in memory, at half of what it can do: `python perf/tails.py`.

Arrivals come at a fixed rate whatever the store does, and each one's latency counts from when it
was due. The clock is the thread's own processor time, the pauses between arrivals included: nothing
here waits for anything but the loop, so what other programs take of the machine is left out.
Each call is a task of its own, in the highest throughput too.
`--few` compares with 100,000 sessions in place of a million, which takes 3 GB.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from random import Random
from statistics import median, quantiles
from time import thread_time_ns

import uvloop
from harness import Number, options
from sessionkeeper import ActorSessionStore, MessageEnvelope, Session

FEW, MANY = 1_000, 100_000 if "--few" in sys.argv else 1_000_000
FRAMES_EACH = 5
ARRIVALS = 12_000
WARM_UP = 4_000
ROUNDS = 7
NOTE = b'{"jsonrpc":"2.0","method":"notifications/message"}'

Call = Callable[[], Awaitable[object]]


async def filled(store: ActorSessionStore, count: int) -> None:
    """Create so many sessions with five frames each, a thousand callers at a time."""

    async def one(name: str) -> None:
        await store.create_session(Session.new(transport_type="stdio", id=name))
        note = MessageEnvelope.of(name, NOTE, direction="client-to-server")
        await store.add_frames(name, [note] * FRAMES_EACH)

    for start in range(0, count, 1_000):
        await asyncio.gather(*(one(str(n)) for n in range(start, start + 1_000)))


def calls(store: ActorSessionStore, count: int, seed: int) -> list[Call]:
    """What arrives: as in recordings of conversations, of sessions at random."""
    random = Random(seed)
    return [one_call(store, str(random.randrange(count)), random) for _ in range(ARRIVALS)]


def one_call(store: ActorSessionStore, name: str, random: Random) -> Call:
    """A call on one session, all it needs made before."""
    note = MessageEnvelope.of(name, NOTE, direction="client-to-server")
    tags = {str(random.randrange(100))}
    works: list[Call] = [
        lambda: store.get_session(name),
        lambda: store.touch_session(name),
        lambda: store.add_frame(note),
        lambda: store.modify_session(name, lambda s: s.model_copy(update={"tags": tags})),
    ]
    return random.choices(works, weights=(40, 25, 30, 5))[0]


async def timed(call: Call, due: float, taken: list[float]) -> None:
    """Make a call, as a task of its own, and note how long after it was due it was answered."""
    await call()
    taken.append(thread_time_ns() - due)


async def highest(todo: list[Call]) -> float:
    """Calls a nanosecond by 64 callers, each one call after the other."""
    left = iter(todo)
    taken: list[float] = []

    async def caller() -> None:
        for call in left:
            await asyncio.create_task(timed(call, thread_time_ns(), taken))

    begun = thread_time_ns()
    await asyncio.gather(*(caller() for _ in range(64)))
    return len(todo) / (thread_time_ns() - begun)


async def latencies(todo: list[Call], rate: float) -> list[float]:
    """Nanoseconds of each call, from when it was due until it was answered."""
    random = Random(1)
    taken: list[float] = []
    running: set[asyncio.Task[None]] = set()
    due = thread_time_ns() + random.expovariate(rate)
    for call in todo:
        while thread_time_ns() < due:  # noqa: ASYNC110 - no time passes for who only waits
            await asyncio.sleep(0)
        task = asyncio.create_task(timed(call, due, taken))
        running.add(task)
        task.add_done_callback(running.discard)
        due += random.expovariate(rate)
    await asyncio.gather(*running)
    return taken


async def measured() -> list[Number]:
    """Both numbers."""
    over_median: list[float] = []
    late: dict[int, list[float]] = {FEW: [], MANY: []}
    async with ActorSessionStore() as small, ActorSessionStore() as large:
        gc.disable()
        await filled(small, FEW)
        await filled(large, MANY)
        gc.enable()
        gc.collect()  # as in a process that came to hold so much by and by
        for turn in range(ROUNDS + 1):
            rate = await highest(calls(small, FEW, 2 * turn)) / 2
            for store, count in ((small, FEW), (large, MANY)):
                todo = calls(store, count, 2 * turn + 1)
                gc.collect()  # so that none of what was made for this falls due meanwhile
                cuts = quantiles((await latencies(todo, rate))[WARM_UP:], n=1000)
                if turn:
                    late[count].append(cuts[998])
                if turn and count == FEW:
                    over_median.append(cuts[989] / cuts[499])
    more = [many / few for many, few in zip(late[MANY], late[FEW], strict=True)]
    return [
        Number("p99 / p50", "<= 4", spread(over_median), median(over_median) <= 4),
        Number(f"p99.9, {MANY:,} sessions / {FEW:,}", "<= 3", spread(more), median(more) <= 3),
    ]


def spread(ratios: list[float]) -> str:
    """The median and the extremes."""
    return f"{median(ratios):6.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"


def main() -> int:
    """Measure; 0 when both are reached."""
    options(__doc__, few="100,000 sessions in place of a million").parse_args()
    numbers = uvloop.run(measured())
    for number in numbers:
        verdict = "reached" if number.reached else "MISSED"
        print(f"{number.what:40} {number.target:>8}  {verdict:8} {number.measured}")
    return 0 if all(number.reached for number in numbers) else 1


if __name__ == "__main__":
    sys.exit(main())
