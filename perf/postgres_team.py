"""Several processes on one database: what all append together, and what share each has.

Each is this module run as a program, which appends whenever it is told to and says how much.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from statistics import median

import uvloop
from harness import Number
from postgres_sides import LIMITS, connected
from ratios import envelope
from server_team import CALLERS, team_of, work_when_told
from sessionkeeper import PostgresSessionStore, Session

__all__ = ["four_processes"]

ROUNDS = 7
SCHEMA = "worker_pool"
FAIR = 0.125
"""The least share of four that is not starved: half of an even one."""


async def four_processes(url: str) -> list[Number]:
    """Four that append beside one, in turn."""
    totals: list[float] = []
    tails: list[float] = []
    shares: list[list[float]] = []
    place = f"{url}?schema={SCHEMA}"
    async with team_of(place, 4, "append", program=__file__) as worker_pool:
        for turn in range(ROUNDS + 1):
            alone = await worker_pool[turn % 4].turn()
            together = await asyncio.gather(*(each.turn() for each in worker_pool))
            rate = sum(each.rate for each in together)
            totals.append(rate / alone.rate)
            tails.append(max(each.p99 for each in together) / alone.p99)
            shares.append([each.rate / rate for each in together])
    async with connected(url, SCHEMA) as connection:
        await connection.execute(f'DROP SCHEMA "{SCHEMA}" CASCADE')
    totals, tails, shares = totals[1:], tails[1:], shares[1:]
    least = min(map(min, shares))
    each = " ".join(f"{median(process):.2f}" for process in zip(*shares, strict=True))
    return [
        Number(
            "add_frame, 4 processes of 64 callers / 1 process, total",
            ">= 1",
            _spread(totals),
            median(totals) >= 1,
        ),
        Number(
            "the least share of a process in a turn",
            f">= {FAIR:g}",
            f"{least:6.2f}  (medians {each})",
            least >= FAIR,
        ),
        Number("p99 of an append, the worst of 4 / 1 process", "", _spread(tails), reached=True),
    ]


async def work(url: str, name: str) -> None:
    """Append by 64 callers, each to a session of its own."""
    ids = [f"{name}-{number}" for number in range(CALLERS)]
    envelopes = [envelope(each) for each in ids]
    async with PostgresSessionStore(url, limits=LIMITS) as store:
        for each in ids:
            await store.create_session(Session.new(transport_type="stdio", id=each))

        def once(caller: int) -> Awaitable[object]:
            return store.add_frame(envelopes[caller])

        await work_when_told(once)


def _spread(ratios: list[float]) -> str:
    return f"{median(ratios):6.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    uvloop.run(work(*sys.argv[1:3]))
