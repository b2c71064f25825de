"""Processor time of one batch of 64 commands: our connections and redis-py's pipeline, in turns.

`python perf/redis_connections.py` starts a server of its own. Both sides send the same commands to
it, 64 appends of 1 KB, as one pipeline a batch, and parse with hiredis. The time is that
of this process alone, so the server's work and the network do not count. Decision 12 quotes it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median

import uvloop
from harness import options
from own_server import own_server, server_version
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sessionkeeper.backends.redis.client.address import RedisAddress
from sessionkeeper.backends.redis.client.call import Call
from sessionkeeper.backends.redis.client.single_server import SingleServer

__all__ = ["main"]

COMMANDS, PAYLOAD = 64, b"x" * 1_024
BATCHES, ROUNDS = 200, 9


async def processor_time(batch: Callable[[], Awaitable[object]]) -> float:
    """Microseconds of this process for one batch, the mean of many."""
    begun = time.process_time()
    for _ in range(BATCHES):
        await batch()
    return (time.process_time() - begun) / BATCHES * 1e6


async def measure(url: str, rounds: int) -> dict[str, list[float]]:
    """Both sides in turns, on one server."""
    servers = SingleServer(RedisAddress.of(url))
    await servers.open()
    # As a store would have to use it: one connection, and no write sent a second time.
    client = Redis.from_url(url, single_connection_client=True, retry=Retry(NoBackoff(), 0))
    calls = [Call(0, ("RPUSH", f"ours-{number}", PAYLOAD)) for number in range(COMMANDS)]

    async def ours() -> None:
        answers = await servers.exchange(calls)
        assert all(type(answer) is int for answer in answers)

    async def redis_py() -> None:
        async with client.pipeline(transaction=False) as pipeline:
            for number in range(COMMANDS):
                pipeline.rpush(f"theirs-{number}", PAYLOAD)
            assert len(await pipeline.execute(raise_on_error=False)) == COMMANDS

    try:
        taken: dict[str, list[float]] = {"redis-py": [], "ours": []}
        for turn in range(-1, rounds):  # the first turn warms up
            for name, batch in (("redis-py", redis_py), ("ours", ours)):
                spent = await processor_time(batch)
                if turn >= 0:
                    taken[name].append(spent)
            await client.flushall()
        return taken
    finally:
        await client.aclose()
        await servers.aclose()


def main() -> None:
    """Print the medians with their spread, and the ratio."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--engine", choices=("redis", "valkey"), default="valkey")
    chosen = parser.parse_args()
    with own_server(chosen.engine) as server:
        print(f"a batch of {COMMANDS}, {len(PAYLOAD):,} bytes each, on {server_version(server)}")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            taken = runner.run(measure(server.url, chosen.rounds))
    for name, times in taken.items():
        print(f"{name:>9}: {median(times):7,.0f} µs  ({min(times):,.0f} to {max(times):,.0f})")
    print(f"    ratio: {median(taken['redis-py']) / median(taken['ours']):7.2f}")


if __name__ == "__main__":
    main()
