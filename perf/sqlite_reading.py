"""What reading a file costs alone and beside writing: `python perf/sqlite_reading.py`.

Run it on two versions in turn to compare them; the lines of one run stand beside each other.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles

import uvloop
from harness import options, throughput
from ratios import envelope
from sessionkeeper import Session, SQLiteSessionStore

CALLERS = 64
ROUNDS = 5


async def beside(
    read: Callable[[int], Awaitable[object]], write: Callable[[int], Awaitable[object]]
) -> tuple[float, float, float, float]:
    """Half of the callers read, half write, for a second: reads and writes a second, and how many
    milliseconds a read took, in the middle and at the 99th of a hundred.
    """
    took: list[float] = []
    writes = 0
    end = time.perf_counter() + 1.0

    async def reader(n: int) -> None:
        while (begun := time.perf_counter()) < end:
            await read(n)
            took.append(1000 * (time.perf_counter() - begun))

    async def writer(n: int) -> None:
        nonlocal writes
        while time.perf_counter() < end:
            await write(n)
            writes += 1

    half = CALLERS // 2
    await asyncio.gather(*map(reader, range(half)), *map(writer, range(half, CALLERS)))
    return len(took), writes, median(took), quantiles(took, n=100)[98]


async def measured() -> None:
    """Print each line as the median of some rounds."""
    with tempfile.TemporaryDirectory(prefix="perf-") as place:
        path = Path(place) / "store.db"
        async with SQLiteSessionStore(path) as store:
            for n in range(CALLERS):
                await store.create_session(Session.new(transport_type="stdio", id=f"s{n}"))
            envelopes = [envelope(f"s{n}") for n in range(CALLERS)]
            turns = [0] * CALLERS

            async def write(n: int) -> None:
                await store.add_frame(envelopes[n])

            async def read(n: int) -> None:
                await store.get_session(f"s{n}")

            async def either(n: int) -> None:
                turns[n] += 1
                await (write(n) if turns[n] % 2 else read(n))

            for what, operation in (
                ("add_frame", write),
                ("get_session", read),
                ("one after the other", either),
            ):
                rates = [await throughput(operation, CALLERS, 12_800) for _ in range(ROUNDS + 1)]
                print(f"{what:24} {median(rates[1:]):9,.0f}/s", flush=True)
            rounds = [await beside(read, write) for _ in range(ROUNDS)]
            reads, writes, middle, slow = (median(each) for each in zip(*rounds, strict=True))
            log = path.with_name("store.db-wal").stat().st_size / 1e6
            print(
                f"side by side: {reads:,.0f} reads/s and {writes:,.0f} writes/s;"
                f" a read {middle:.2f} ms, at p99 {slow:.2f} ms; log {log:.0f} MB"
            )


def main() -> int:
    """Measure."""
    options(__doc__).parse_args()
    uvloop.run(measured())
    return 0


if __name__ == "__main__":
    sys.exit(main())
