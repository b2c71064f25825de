"""Several processes on one server: what all append together, and how long an append takes.

Each is this module run as a program, which appends whenever it is told to and says what it did.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median, quantiles

import uvloop
from harness import Number
from ratios import envelope
from sessionkeeper import RedisSessionStore, Session

__all__ = ["Member", "four_processes"]

CALLERS = 64
SECONDS = 1.0
ROUNDS = 5


async def work(url: str, name: str) -> None:
    """Append by 64 callers for as many seconds as each line of standard input says."""
    loop = asyncio.get_running_loop()
    async with RedisSessionStore(url, prefix="team") as store:
        names = [f"{name}-{number}" for number in range(CALLERS)]
        envelopes = [envelope(each) for each in names]
        for each in names:
            await store.create_session(Session.new(transport_type="stdio", id=each))
        print("ready", flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            took: list[float] = []
            begun = time.perf_counter()
            until = begun + float(line)

            async def caller(number: int) -> None:
                now = time.perf_counter()
                while now < until:  # noqa: B023 - called before the next line is read
                    await store.add_frame(envelopes[number])
                    before, now = now, time.perf_counter()
                    took.append(now - before)  # noqa: B023 - the same

            await asyncio.gather(*(caller(number) for number in range(CALLERS)))
            rate = len(took) / (time.perf_counter() - begun)
            print(json.dumps({"rate": rate, "p99": quantiles(took, n=100)[98]}), flush=True)


class Member:
    """One such process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def started(cls, url: str, name: str) -> AsyncIterator[Member]:
        """Start it and wait until it is ready; it ends with the block."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, url, name), stdin=pipe, stdout=pipe
        )
        try:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
            yield cls(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()

    async def append(self, seconds: float) -> tuple[float, float]:
        """Let it append; how many a second, and within how many seconds 99 of 100 were done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{seconds}\n".encode())
        said = json.loads(await self._process.stdout.readline())
        return said["rate"], said["p99"]


async def four_processes(url: str) -> list[Number]:
    """Four beside one, in turn."""
    totals: list[float] = []
    tails: list[float] = []
    async with AsyncExitStack() as stack:
        team = [
            await stack.enter_async_context(Member.started(url, f"m{number}"))
            for number in range(4)
        ]
        for turn in range(ROUNDS + 1):
            alone, alone_p99 = await team[turn % 4].append(SECONDS)
            together = await asyncio.gather(*(each.append(SECONDS) for each in team))
            totals.append(sum(rate for rate, _ in together) / alone)
            tails.append(max(p99 for _, p99 in together) / alone_p99)
    totals, tails = totals[1:], tails[1:]
    return [
        Number(
            "add_frame, 4 processes of 64 callers / 1 process, total",
            ">= 1",
            _spread(totals),
            median(totals) >= 1,
        ),
        Number(
            "p99 of an append, the worst of 4 processes / 1 process",
            "<= 5",
            _spread(tails),
            median(tails) <= 5,
        ),
    ]


def _spread(ratios: list[float]) -> str:
    return f"{median(ratios):6.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    uvloop.run(work(*sys.argv[1:3]))
