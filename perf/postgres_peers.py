"""Appending one message of 1 KB on PostgreSQL, beside what one would use instead, in turn.

64 callers, each on its own session; real packages as their documentation says, one append a call,
all on one server of this run's own: `pip install -e '.[perf,perf-peers]'`, then
`python perf/postgres_peers.py`.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from statistics import median
from typing import Any

import uvloop
from harness import Operation, options, throughput
from own_server import own_postgres
from postgres_sides import opened
from ratios import MESSAGE
from sessionlab.bench.peers import LogPeer, PeerNotInstalled, find_peer

CALLERS = 64
ROUNDS = 7
GOAL = 3
OURS = 12_800
PEERS = {
    "mcp-persist-postgres": ("mcp-persist", 6_400),
    "langgraph-postgres": ("langgraph-checkpoint-postgres", 1_280),
    "openai-agents-postgres": ("openai-agents", 640),
    "google-adk-postgres": ("google-adk", 640),
}
"""Each with its package, and how many it appends in a round: about as long as the others."""


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Operation]:
    """`add_frame`."""
    async with opened(url, CALLERS) as scene:
        yield scene.add


@asynccontextmanager
async def theirs(url: str, name: str, total: int) -> AsyncIterator[Operation]:
    """A message that is made before, and counted afterwards."""
    log: LogPeer[Any] = find_peer(name).make(postgres_url=url)  # type: ignore[assignment]  # the peers named here have logs
    keys = [f"s{number}" for number in range(CALLERS)]
    added = 0
    await log.open()
    try:
        for key in keys:
            await log.create(key)
        # Some give a message an id, and refuse or replace one that is there.
        each = total // CALLERS
        ready = [
            iter([log.message(key, MESSAGE) for _ in range(each * (ROUNDS + 1))]) for key in keys
        ]

        async def add(caller: int) -> None:
            nonlocal added
            await log.add(keys[caller], next(ready[caller]))
            added += 1

        yield add
        stored = [(await log.count_stored(key)).appended for key in keys]
        assert sum(stored) == added, f"{name} has {sum(stored)} of {added} messages"
    finally:
        await log.aclose()


async def measured(url: str) -> dict[str, list[float]]:
    """Operations a second of each side, round by round; the first round is not counted."""
    totals = {"sessionkeeper": OURS} | {name: total for name, (_, total) in PEERS.items()}
    rates: dict[str, list[float]] = {name: [] for name in totals}
    async with AsyncExitStack() as stack:
        sides = {"sessionkeeper": await stack.enter_async_context(ours(url))}
        for name, (_, total) in PEERS.items():
            sides[name] = await stack.enter_async_context(theirs(url, name, total))
        for turn in range(ROUNDS + 1):
            names = list(sides)[turn % len(sides) :] + list(sides)[: turn % len(sides)]
            for name in names:
                gc.collect()
                rates[name].append(await throughput(sides[name], CALLERS, totals[name]))
    return {name: each[1:] for name, each in rates.items()}


def main() -> int:
    """Measure; 0 when ours is far enough ahead of the fastest, 2 when a peer is missing."""
    asked = options(__doc__, json="for programs").parse_args()
    with own_postgres() as server:
        if not asked.json:
            told = server.psql("SHOW server_version").strip()
            print(f"PostgreSQL {told}, {os.cpu_count()} cores, {CALLERS} callers")
        try:
            rates = uvloop.run(measured(server.url))
        except PeerNotInstalled as missing:
            print(missing, file=sys.stderr)
            return 2
    mine = rates["sessionkeeper"]
    ratios = {name: [a / b for a, b in zip(mine, rates[name], strict=True)] for name in PEERS}
    worst = min(map(median, ratios.values()))
    if asked.json:
        print(json.dumps({"rates": rates, "of_the_fastest": worst}, indent=2))
    else:
        print(f"{'sessionkeeper':32} {version('sessionkeeper'):8} {median(mine):8,.0f}/s")
        for name, each in ratios.items():
            package = PEERS[name][0]
            print(
                f"{package:32} {version(package):8} {median(rates[name]):8,.0f}/s"
                f"   ours {median(each):5.2f} ({min(each):.2f} to {max(each):.2f})"
            )
        verdict = "reached" if worst >= GOAL else "MISSED"
        print(f"of the fastest: {worst:.2f}, >= {GOAL} {verdict}")
    return 0 if worst >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
