"""How long callers wait while a bucket moves to another node: `python perf/redis_resharding.py`.

A cluster of six nodes on this machine; the slot of one bucket is moved by `MIGRATE` of 100 keys at
a time, as `redis-cli --cluster reshard --cluster-pipeline 100` does.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from binascii import crc32
from itertools import count, islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "redis" / "harness"))

from harness import options
from redis_cluster import Cluster, SharedClusters
from redis_watchdog import Watchdog
from sessionkeeper import MessageEnvelope, RedisSessionStore, Session

__all__ = ["main"]

BUCKETS, MOVING, FRAMES = 64, 5, 10
SESSIONS = (10, 100, 1_000, 5_000)
BODY = "x" * 900


def frame(session_id: str) -> MessageEnvelope:
    """A message of about a kilobyte."""
    message = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": BODY}}
    return MessageEnvelope.of(session_id, message, direction="client-to-server")


def ids(bucket: int, many: int) -> list[str]:
    """So many ids that live in this bucket."""
    names = (f"session-{number}" for number in count())
    return list(islice((each for each in names if crc32(each.encode()) % BUCKETS == bucket), many))


async def measure(cluster: Cluster, prefix: str, sessions: int) -> tuple[float, float, float]:
    """Milliseconds: the move, the longest wait in its bucket, the longest in another one."""
    url = cluster.url.replace("redis:", "redis+cluster:")
    done = False

    async def append(store: RedisSessionStore, name: str) -> float:
        worst = 0.0
        while not done:
            begun = time.perf_counter()
            await store.add_frame(frame(name))
            worst = max(worst, time.perf_counter() - begun)
        return worst

    stores = [RedisSessionStore(url, prefix=prefix, patience=60) for _ in range(2)]
    async with stores[0] as store, stores[1] as other:
        names = ids(MOVING, sessions)
        for start in range(0, sessions, 500):
            part = names[start : start + 500]
            new = [Session.new(transport_type="stdio", id=each) for each in part]
            await asyncio.gather(*map(store.create_session, new))
            frames = [[frame(each)] * FRAMES for each in part]
            await asyncio.gather(*map(store.add_frames, part, frames))
        (elsewhere,) = ids(MOVING + 1, 1)
        await store.create_session(Session.new(transport_type="stdio", id=elsewhere))
        slot = cluster.slot_of(f"{{{prefix}:{MOVING}}}")
        source = cluster.primary_of(slot)
        target = next(node for node in cluster.primaries() if node is not source)
        move = cluster.move(slot, target)
        # The one beside it is of another process: it waits only for what the servers are busy with.
        inside = asyncio.create_task(append(store, names[0]))
        beside = asyncio.create_task(append(other, elsewhere))
        await asyncio.sleep(0.3)
        begun = time.perf_counter()
        await asyncio.to_thread(move.whole)
        took = time.perf_counter() - begun
        await asyncio.sleep(0.3)
        done = True
        waits = await asyncio.gather(inside, beside)
    return 1e3 * took, 1e3 * waits[0], 1e3 * waits[1]


def main() -> None:
    """Print a table."""
    options(__doc__).parse_args()
    watchdog = Watchdog()
    with tempfile.TemporaryDirectory() as folder:
        clusters = SharedClusters(Path(folder), watchdog)
        try:
            print("| engine | sessions in the bucket | ms moving | ms longest wait | elsewhere |")
            print("|---|---|---|---|---|")
            for engine in ("redis", "valkey"):
                cluster = clusters.cluster(engine)
                for sessions in SESSIONS:
                    found = asyncio.run(measure(cluster, f"moving-{sessions}", sessions))
                    cells = " | ".join(f"{each:.0f}" for each in found)
                    print(f"| {engine} | {sessions:,} | {cells} |", flush=True)
        finally:
            clusters.close()
    watchdog.close()


if __name__ == "__main__":
    main()
